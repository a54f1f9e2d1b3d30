# SPDX-License-Identifier: Apache-2.0
"""Answers 451: an operator's logged decision to withhold bytes, proved against a pinned log key.

A registry that stops serving a bundle still owes an account of it: the entry, its leaf and all
proofs stay, and the refusal carries the takedown statement with its own leaf and receipt. So
nobody can hide bytes and call it the law without having said so in the log, once and for
everybody (docs/spec/operator.md, "Takedown").

Takes bytes, does no I/O.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from weighbridge import canonical
from weighbridge.bundles import parse_bundle
from weighbridge.errors import BundleError, LogError, StatementError
from weighbridge.leaves import parse_leaf
from weighbridge.statements import parse_statement
from weighbridge.tlog import Verifier, parse_receipt, verify_receipt

if TYPE_CHECKING:
    from weighbridge_schemas.api import WithheldDocument
    from weighbridge_schemas.operator import Takedown

__all__ = ["Proved", "Withheld", "effect_of", "prove", "read_withheld"]


@dataclass(frozen=True, slots=True)
class Withheld:
    """What a 451 answer says, unproved: `sha256` is bare hex, `entry` the withheld bundle's own index.

    `bundle`, `leaf` and `receipt` are those of the decision; `facts` what the withheld entry did to the
    registry, None if that is withheld too or not at hand.
    """

    target: Literal["bundle", "attachment"]
    sha256: str
    entry: int | None
    bundle: bytes
    leaf: bytes
    receipt: bytes
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Proved:
    """A decision that is in the log, and the facts that it commits to, if they are given.

    `index` is the decision's own entry. That its signer is the log's operator was checked when the log
    admitted it; a replay checks it again when it reaches that entry.
    """

    decision: Takedown
    index: int
    origin: str
    facts: Mapping[str, Any] | None


def effect_of(facts: Mapping[str, Any]) -> str:
    """Return the bare hex SHA-256 of the canonical JSON of the facts that an entry wrote."""
    return hashlib.sha256(canonical.encode(dict(facts))).hexdigest()


def read_withheld(document: WithheldDocument) -> Withheld:
    """Take an answer's own account apart; nothing is proved yet."""
    return Withheld(
        target=document.target,
        sha256=document.sha256.removeprefix("sha256:"),
        entry=document.entry,
        bundle=base64.b64decode(document.bundle),
        leaf=base64.b64decode(document.leaf),
        receipt=document.receipt.encode(),
        facts=document.facts,
    )


def prove(withheld: Withheld, target: str, sha256: str, verifiers: Iterable[Verifier]) -> Proved:
    """Check that a log whose key is trusted has recorded the decision to withhold exactly this.

    `target` is what was asked for, `bundle` or `attachment`, `sha256` its digest in bare hex. Raises
    `LogError`, `ProofError` or `NoteError` (step 7): then the answer is a refusal like any other.
    """
    if hashlib.sha256(withheld.bundle).hexdigest() != parse_leaf(withheld.leaf).bundle_sha256:
        raise LogError("the registry's reason for withholding is not the statement in its leaf")
    receipt = parse_receipt(withheld.receipt)
    checkpoint = verify_receipt(receipt, withheld.leaf, verifiers)
    decision = _takedown(withheld.bundle, checkpoint.origin)
    if (decision.target, decision.sha256) != (target, f"sha256:{sha256}"):
        raise LogError(
            f"the registry withholds the {target} {sha256[:16]}… by a decision about something else",
            evidence={"asked": sha256, "decided": decision.sha256, "index": receipt.index},
        )
    facts = None if decision.facts_withheld else withheld.facts
    if facts is not None and decision.effect != f"sha256:{effect_of(facts)}":
        raise LogError(
            f"what the registry says that the withheld bundle {sha256[:16]}… did is not what its operator "
            "committed to",
            hint="do not rely on this registry; keep its answer and show it to others",
            evidence={"effect": decision.effect, "given": f"sha256:{effect_of(facts)}"},
        )
    return Proved(decision, receipt.index, checkpoint.origin, facts)


def _takedown(bundle: bytes, origin: str) -> Takedown:
    """Read the decision strictly; it must be a takedown that was meant for this log."""
    from weighbridge_schemas.operator import Operator, Takedown

    try:
        document = parse_statement(parse_bundle(bundle, strict=True).payload, strict=True).document()
    except (BundleError, StatementError) as error:
        raise LogError(f"the registry's reason for withholding cannot be read: {error.message}") from error
    if (
        not isinstance(document, Operator)
        or not isinstance(document.decision, Takedown)
        or document.logs != (origin,)
    ):
        raise LogError(f"the registry's reason for withholding is no takedown of the log {origin}")
    return document.decision
