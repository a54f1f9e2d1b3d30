# SPDX-License-Identifier: Apache-2.0
"""Revise the lineage of a release: a signed lineage/v1 that replaces what was said of its origin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from weighbridge.releases import ReleaseName
from weighbridge.revisions import RETRY_SECONDS, Revised, Revision, open_revision

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.pending import PendingStore
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.lineage import Lineage

__all__ = ["revise_lineage"]


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
) -> Revised:
    """Sign and record a new lineage of a release whose namespace the signer owns.

    With `dry_run` all is checked, and nothing signed or sent. Raises what `open_revision` raises,
    `ConflictError` if somebody revised it meanwhile, `UnprocessableError` if the release would descend from
    itself, `UnavailableError` if the registry stays away (the signed bundle is kept: run again).
    """
    revision: Revision[Lineage] = open_revision(
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
    return revision.carry_out(lineage, dry_run=dry_run)
