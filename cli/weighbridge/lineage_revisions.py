# SPDX-License-Identifier: Apache-2.0
"""Revise the lineage of a release: a signed lineage/v1 that replaces what was said of its origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.releases import ReleaseName
from weighbridge.revisions import RETRY_SECONDS, open_revision

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.pending import PendingStore
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.lineage import Lineage

__all__ = ["RevisedLineage", "revise_lineage"]


@dataclass(frozen=True, slots=True)
class RevisedLineage:
    """A lineage that is now recorded, or would be.

    `statement` (bare hex) and `index` are None with `dry_run`. `already` says that it was the lineage before.
    `payload` is what was signed, or would be.
    """

    release: ReleaseName
    previous: str | None
    statement: str | None
    index: int | None
    origin: str
    already: bool
    payload: bytes


def revise_lineage(
    name: ReleaseName,
    lineage: Lineage,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    pending: PendingStore,
    dry_run: bool = False,
    retry_for: float = RETRY_SECONDS,
    report: Callable[[str], None] = lambda _: None,
) -> RevisedLineage:
    """Sign and record a new lineage of a release whose namespace the signer owns.

    With `dry_run` all is checked, and nothing signed or sent. Raises what `open_revision` raises,
    `ConflictError` if somebody revised it meanwhile, `UnprocessableError` if the release would descend from
    itself, `UnavailableError` if the registry stays away (the signed bundle is kept: run again).
    """
    revision = open_revision(
        name,
        "lineage",
        registry=registry,
        signer=signer,
        trust=trust,
        memory=memory,
        pending=pending,
        retry_for=retry_for,
        report=report,
    )
    history, payload = revision.history, revision.payload(lineage)
    already = history.current == lineage
    statement: str | None = history.statements[-1] if already else None
    index: int | None = None
    if not already and not dry_run:
        index, statement = revision.record(payload)
    return RevisedLineage(
        name, history.previous, statement, index, revision.recorder.origin, already, payload
    )
