# SPDX-License-Identifier: Apache-2.0
"""operator/v1: the genesis, and every later decision: claims, takedowns, namespaces given to others."""

from __future__ import annotations

from typing import cast

from weighbridge.errors import ConflictError, ForbiddenError, UnprocessableError
from weighbridge_schemas.base import fold_name
from weighbridge_schemas.operator import AllowList, Genesis, Operator, Reassign, Restore, Takedown

from . import signers
from .change import Change, owner_values
from .facts import Fact, required
from .withheld import is_withheld, withheld_key

__all__ = ["decide"]


def decide(change: Change) -> None:
    """Take a decision of the operator: the genesis at entry 0, everything else later."""
    document = cast("Operator", change.candidate.document)
    if isinstance(document.decision, Genesis):
        _begin(change, document.decision)
    else:
        _check_operator(change, document)
        _take(change, document.decision)
    change.put("log/operator", {"signer": change.signer, "statement": change.candidate.digest})


def _check_operator(change: Change, document: Operator) -> None:
    change.check_log(document.logs)
    operator = required(change.state, "log/operator")
    if operator["signer"] != change.signer:
        raise ForbiddenError(
            "only this log's operator makes operator statements",
            hint="sign with operator.pem of the registry's data folder",
        )
    change.check_previous(document.previous, operator["statement"], "operator statement")


def _take(change: Change, decision: AllowList | Takedown | Restore | Reassign) -> None:
    match decision:
        case AllowList():
            allowed: dict[str, list[object]] = {}
            for grant in decision.allowed:
                allowed.setdefault(fold_name(grant.namespace), []).extend(owner_values([grant.owner]))
            change.put("log/allowed", allowed)
            signers.learn_owners(change, [grant.owner for grant in decision.allowed])
        case Takedown():
            _withhold(change, decision)
        case Restore():
            _restore(change, decision)
        case Reassign():
            _reassign(change, decision)


def _withhold(change: Change, decision: Takedown) -> None:
    """Withhold bytes. What is said of a bundle's effect must be what its entry did."""
    sha256 = decision.sha256.removeprefix("sha256:")
    entry: int | None = None
    if decision.target == "bundle":
        place = change.state.get(f"bundle/{sha256}")
        if place is None:
            raise UnprocessableError(
                "no entry of this log is of that bundle",
                hint="the SHA-256 of an entry's bundle is on its page, /log/INDEX",
                evidence={"sha256": sha256},
            )
        if place["kind"] == "operator":
            raise UnprocessableError(
                f"entry {place['index']} is a decision of the operator: those are never withheld",
                hint="decide anew; the old decision stays readable",
            )
        if decision.effect != f"sha256:{place['effect']}":
            raise UnprocessableError(
                f"the takedown says something else of what entry {place['index']} did than the log does",
                hint="make takedowns with weighbridge log takedown, which computes it",
                evidence={"effect": decision.effect, "of_entry": f"sha256:{place['effect']}"},
            )
        entry, change.namespace = place["index"], place["namespace"]
    change.put(
        withheld_key(decision.target, sha256),
        {
            "entry": entry,
            "index": change.index,
            "statement": change.candidate.digest,
            "facts_withheld": decision.facts_withheld,
            "restored": None,
        },
    )


def _restore(change: Change, decision: Restore) -> None:
    sha256 = decision.sha256.removeprefix("sha256:")
    found = is_withheld(change.state, decision.target, sha256)
    if found is None:
        raise UnprocessableError(
            f"that {decision.target} is not withheld", hint="nothing needs to be restored"
        )
    if found["entry"] is not None:
        change.namespace = required(change.state, f"bundle/{sha256}")["namespace"]
    change.put(withheld_key(decision.target, sha256), found | {"restored": change.index})


def _reassign(change: Change, decision: Reassign) -> None:
    """Give a namespace to other owners: a new epoch begins, which old clients refuse."""
    key = f"namespace/{fold_name(decision.namespace)}"
    before = change.state.get(key)
    if before is None:
        raise UnprocessableError(
            f"nobody has claimed the namespace {decision.namespace}, so it cannot be given to others",
            hint="on a restricted log, allow somebody to claim it: weighbridge log allow",
        )
    if before["name"] != decision.namespace:
        raise ConflictError(
            f"the namespace {decision.namespace} is registered as {before['name']}",
            hint=f"names are unique ignoring case and -_. : write {before['name']}",
        )
    change.namespace = fold_name(decision.namespace)
    signers.learn_owners(change, decision.owners)
    change.put(
        key,
        {
            "name": before["name"],
            "epoch": before["epoch"] + 1,
            "owners": owner_values(decision.owners),
            "statement": change.candidate.digest,
            "index": change.index,
        },
    )


def _begin(change: Change, genesis: Genesis) -> None:
    facts: dict[str, Fact] = {
        "origin": genesis.origin,
        "vkey": genesis.log_key,
        "admission": genesis.admission,
        "statement": change.candidate.digest,
    }
    if genesis.predecessor is not None:
        facts["predecessor"] = genesis.predecessor.to_json()
    change.put("log/genesis", facts)
    change.put(f"key/{signers.hint_of(genesis.operator_key)}", genesis.operator_key)
