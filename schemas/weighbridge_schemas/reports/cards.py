# SPDX-License-Identifier: Apache-2.0
"""Reports about cards: drafted, checked, shown, compared, exported, revised."""

from __future__ import annotations

from typing import Any, Literal

from weighbridge_schemas.api.parts import AsOf
from weighbridge_schemas.api.releases import Openness
from weighbridge_schemas.base import Count, Digest, Flag, Reference
from weighbridge_schemas.card import Card

from .forms import Report, Text, VersionOne

__all__ = [
    "CardCheckReport",
    "CardDiffReport",
    "CardExportReport",
    "CardInitReport",
    "CardReviseReport",
    "CardShowReport",
]


class CardInitReport(Report):
    """`card init --json`."""

    v: VersionOne
    """Version of this form."""
    file: str
    """Card file that was written."""
    not_understood: tuple[Text, ...]
    """What the model's files say and a card has no place for."""


class CardCheckReport(Report):
    """`card check --json`."""

    v: VersionOne
    """Version of this form."""
    name: str
    """What was checked."""
    card: Card
    """The card that it states."""
    openness: Openness
    """Class, each component with how to fix it, and the OSAID checklist."""
    problems: tuple[Text, ...]
    """What is wrong: unknown licences, digests and files that are not this model's. With any, exit code 1."""
    not_understood: tuple[Text, ...]
    """What was written and a card has no place for."""


class CardShowReport(Report):
    """`card show --json`."""

    v: VersionOne
    """Version of this form."""
    release: str
    """NS/NAME@VERSION."""
    card: Card | None
    """The card as it now stands; null if nothing was disclosed."""
    card_statement: Reference | None
    """Statement that it comes from."""
    openness: Openness | None
    """What the registry computed from it."""
    as_of: AsOf
    """State of the log."""


class MemberChangeReport(Report):
    """One member that differs."""

    path: str
    """Where it is in the card."""
    old: Any
    """Its value in the first card; null if it is not there."""
    new: Any
    """Its value in the second card; null if it is not there."""


class CardDiffReport(Report):
    """`card diff --json`."""

    v: VersionOne
    """Version of this form."""
    first: str
    """What the first card is of."""
    second: str
    """What the second card is of."""
    same: Flag
    """Nothing differs."""
    changes: tuple[MemberChangeReport, ...]
    """Every member that differs, in the order of the card."""


class CardExportReport(Report):
    """`card export --json`."""

    v: VersionOne
    """Version of this form."""
    format: Literal[
        "hf",
        "cyclonedx-1.6",
        "cyclonedx-1.7",
        "mof",
        "spdx-3.0.1",
        "prov-json",
        "eu-gpai-documentation",
        "eu-gpai-documentation-json",
        "eu-training-summary",
        "eu-training-summary-json",
    ]
    """Format of the text."""
    text: Text
    """The card in that format."""
    lost: tuple[Text, ...]
    """Members of the card that the format has no place for."""


class CardReviseReport(Report):
    """`card revise --json`."""

    v: VersionOne
    """Version of this form."""
    release: str
    """NS/NAME@VERSION."""
    statement: Digest | None
    """Statement of the card as it now stands; null with `--dry-run`."""
    previous: Digest | None
    """Card revision that it replaces; null if it is the first revision."""
    index: Count | None
    """Its entry; null if nothing was recorded by this run."""
    log: str
    """The log's origin."""
    already: Flag
    """It was the card already: nothing was signed."""
    dry_run: Flag
    """Nothing was signed or sent, because that was asked for."""
    warnings: tuple[Text, ...]
    """What a person should know."""
    statement_json: dict[str, Any] | None
    """With `--dry-run`: what would be signed."""
