# SPDX-License-Identifier: Apache-2.0
"""Refusals that prove themselves: what a 451 answer carries (RFC 7725, docs/spec/operator.md)."""

from __future__ import annotations

from typing import Any, cast

from weighbridge.errors import WithheldError
from weighbridge_registry.state import Fact
from weighbridge_schemas.api import WithheldDocument
from weighbridge_schemas.operator import Operator, Takedown, Target

from .reader import Reader, text64

__all__ = ["check_served", "refusal"]


def check_served(reader: Reader, target: Target, sha256: str) -> None:
    """Raise `WithheldError` if a bundle or an attachment (bare hex) is withheld."""
    found = reader.withheld(target, sha256)
    if found is not None:
        raise refusal(reader, target, sha256, found)


def refusal(reader: Reader, target: Target, sha256: str, found: Fact) -> WithheldError:
    """Return the refusal that stands for a decision in force."""
    document = _document(reader, target, sha256, found)
    words = document.reason.replace("_", " ")
    what = f"entry {document.entry}" if document.entry is not None else "this file"
    return WithheldError(
        f"The operator of this log withholds {what} ({words}); the decision is entry {document.index}",
        withheld=document,
        hint="the record of it stays: the answer proves the decision, and others may still have the bytes",
    )


def _document(reader: Reader, target: Target, sha256: str, found: Fact) -> WithheldDocument:
    row: Any = reader.entry(found["index"])
    candidate = reader.statements.get(row.bundle)
    decision = cast("Takedown", cast("Operator", candidate.document).decision)
    shown = target == "bundle" and not found["facts_withheld"]
    return WithheldDocument(
        target=target,
        sha256=f"sha256:{sha256}",
        entry=found["entry"],
        reason=decision.reason,
        jurisdiction=decision.jurisdiction,
        reference=decision.reference,
        index=row.number,
        statement=f"sha256:{row.statement}",
        bundle=text64(candidate.bundle.raw),
        leaf=text64(reader.published.leaf(row.number)),
        receipt=reader.published.receipt(row.number),
        facts_withheld=found["facts_withheld"],
        facts=reader.statements.accounts.facts(sha256) if shown else None,
        url=reader.entry_url(row.number),
    )
