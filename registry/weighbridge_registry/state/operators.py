# SPDX-License-Identifier: Apache-2.0
"""operator/v1: the genesis, and which namespaces a restricted log lets be claimed."""

from __future__ import annotations

from typing import cast

from weighbridge.errors import ForbiddenError
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.operator import AllowList, Genesis, Operator

from . import signers
from .change import Change, owner_values
from .facts import required

__all__ = ["decide"]


def decide(change: Change) -> None:
    """Take a decision of the operator: the genesis at entry 0, an allow-list later."""
    document = cast("Operator", change.candidate.document)
    match document.decision:
        case Genesis() as genesis:
            _begin(change, genesis)
        case AllowList() as decision:
            change.check_log(document.logs)
            operator = required(change.state, "log/operator")
            if operator["signer"] != change.signer:
                raise ForbiddenError(
                    "only this log's operator makes operator statements",
                    hint="sign with operator.pem of the registry's data folder",
                )
            change.check_previous(document.previous, operator["statement"], "operator statement")
            allowed: dict[str, list[object]] = {}
            for grant in decision.allowed:
                allowed.setdefault(fold_name(grant.namespace), []).extend(owner_values([grant.owner]))
            change.put("log/allowed", allowed)
            signers.learn_owners(change, [grant.owner for grant in decision.allowed])
    change.put("log/operator", {"signer": change.signer, "statement": change.candidate.digest})


def _begin(change: Change, genesis: Genesis) -> None:
    change.put(
        "log/genesis",
        {
            "origin": genesis.origin,
            "vkey": genesis.log_key,
            "admission": genesis.admission,
            "statement": change.candidate.digest,
        },
    )
    change.put(f"key/{signers.hint_of(genesis.operator_key)}", genesis.operator_key)
