# SPDX-License-Identifier: Apache-2.0
"""Revise the card of a release: a signed card/v1 statement that replaces the card, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from weighbridge.errors import AdmissionError, WithheldError
from weighbridge.releases import ReleaseName
from weighbridge.revisions import (
    RETRY_SECONDS,
    Revised,
    Revision,
    open_revision,
)

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.pending import PendingStore
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.release import Release

__all__ = ["revise_card"]


def revise_card(
    name: ReleaseName,
    card: Card,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    pending: PendingStore,
    readme: bytes | None = None,
    dry_run: bool = False,
    retry_for: float = RETRY_SECONDS,
    report: Callable[[str], None] = lambda _: None,
) -> Revised:
    """Sign and record a new card of a release whose namespace the signer owns.

    A card that binds no README.md keeps the binding of the card that it replaces. `readme` is uploaded if the
    card binds it. With `dry_run` everything is checked and nothing signed or sent.

    Raises `ForbiddenError` if the signer is no owner, `InputError` for a certificate that is not valid now,
    `ConflictError` if somebody revised the card meanwhile, `LogError` if the registry does not prove what the
    card is now, `UnavailableError` if it stays away (the signed bundle is kept: run again).
    """
    revision: Revision[Card] = open_revision(
        name,
        "card",
        registry=registry,
        signer=signer,
        trust=trust,
        memory=memory,
        pending=pending,
        retry_for=retry_for,
        report=report,
    )
    history = revision.history
    card = _bound(card, history.current)
    revised = revision.carry_out(card, dry_run=dry_run)
    warnings = _doubts(card, history.release)
    if readme is not None and not dry_run:
        warnings += _attach(revision, card, readme)
    return replace(revised, warnings=tuple(warnings))


def _bound(card: Card, before: Card | None) -> Card:
    if card.readme is not None or before is None or before.readme is None:
        return card
    return card.model_copy(update={"readme": before.readme})


def _doubts(card: Card, release: Release) -> list[str]:
    """Say what a card claims of this release's files that they do not bear out."""
    from weighbridge.openness import Evidence, assess

    files = {file.path: file.sha256 for file in release.model.files}
    seen = Evidence(files=files, readme=card.readme.sha256 if card.readme is not None else None)
    found = assess(card, seen).components
    return [f"{one.rule.title}: {doubt}" for one in found for doubt in one.warnings]


def _attach(revision: Revision[Card], card: Card, readme: bytes) -> list[str]:
    """Upload the README.md that the card binds; what a registry refuses is a warning."""
    if card.readme is None or card.readme.sha256 != hashlib.sha256(readme).hexdigest():
        return ["README.md is not the one that the card binds: it was not uploaded"]
    try:
        revision.recorder.registry.put_blob(readme, retry_for=revision.retry_for)
    except (AdmissionError, WithheldError) as error:
        return [f"the registry did not take README.md: {error.message}"]
    revision.report("uploaded README.md")
    return []
