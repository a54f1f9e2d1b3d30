# SPDX-License-Identifier: Apache-2.0
"""namespace/v1: claims and changes of owners."""

from __future__ import annotations

from typing import cast

from weighbridge import identities
from weighbridge.errors import ConflictError, ForbiddenError
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.namespace import Namespace

from . import signers
from .change import Change, owned_by, owner_values
from .facts import required

__all__ = ["claim_or_change"]


def claim_or_change(change: Change) -> None:
    """Claim a namespace that nobody has, or replace the owners of one's own."""
    document = cast("Namespace", change.candidate.document)
    change.check_log(document.logs)
    name = document.namespace
    key = f"namespace/{fold_name(name)}"
    before = change.state.get(key)
    if before is None:
        _check_claim(change, document)
        change.namespace = fold_name(name)
    else:
        change.check_owner(name)
        change.check_previous(document.previous, before["statement"], "namespace statement")
    signers.learn_owners(change, document.owners)
    change.put(
        key,
        {
            "name": name,
            "epoch": before["epoch"] if before else 1,
            "owners": owner_values(document.owners),
            "statement": change.candidate.digest,
            "index": change.index,
        },
    )


def _check_claim(change: Change, document: Namespace) -> None:
    if document.previous is not None:
        raise ConflictError(
            f"the namespace {document.namespace} has no owners yet, so nothing can be replaced",
            hint="claim it with previous: null",
        )
    if not owned_by(owner_values(document.owners), change.identity):
        raise ForbiddenError(
            f"{identities.describe(change.identity)} claims {document.namespace} without being an owner",
            hint="list yourself among the owners of the claim",
        )
    if required(change.state, "log/genesis")["admission"] == "open":
        return
    allowed = (change.state.get("log/allowed") or {}).get(fold_name(document.namespace), [])
    if not owned_by(allowed, change.identity):
        raise ForbiddenError(
            f"this registry's operator has not allowed you to claim {document.namespace}",
            hint="ask the operator for a grant in the allow-list",
            evidence={"namespace": document.namespace, "signer": change.signer},
        )
