# SPDX-License-Identifier: Apache-2.0
"""A form of the European Union, filled in from signed documents (docs/spec/eu-forms.md)."""

from __future__ import annotations

from typing import Literal

from weighbridge_schemas.base import Count, Digest, Document, Flag, Line, Paragraph

__all__ = ["EuForm", "EuFormAnswer", "EuFormQuestion", "EuFormSection"]


class EuFormAnswer(Document):
    """One thing that was stated, or that follows from it by arithmetic."""

    text: Paragraph
    """What was stated, in the words in which it was."""
    source: Line
    """Where it stands: document and member."""
    derived: Flag = False
    """True for what is computed from the member: a sum, a band of sizes, a yes or no."""


class EuFormQuestion(Document):
    """One question of the form."""

    id: Line
    """Its place in the form; `+` marks a question that the form does not have."""
    asks: Line
    """What the form asks for."""
    state: Literal["stated", "not stated", "not applicable"]
    """Whether anything was stated; not applicable: an answer before says that there was nothing."""
    answers: tuple[EuFormAnswer, ...] = ()
    """What was stated."""


class EuFormSection(Document):
    """One section of the form."""

    id: Line
    """Its number."""
    title: Line
    """Its title."""
    questions: tuple[EuFormQuestion, ...]
    """Its questions, in the order of the form."""


class EuForm(Document):
    """`…/exports/eu-gpai-documentation-json`, `eu-training-summary-json`; what the Markdown is made from."""

    v: Literal[1]
    """Version of this form of answer."""
    form: Literal["eu-gpai-documentation", "eu-training-summary"]
    """Which form."""
    template: Line
    """Which edition of the form it follows."""
    release: Line | None
    """NS/NAME@VERSION; null for a card file."""
    model_digest: Digest | None
    """Fingerprint of all files; null for a card file."""
    release_statement: Digest | None
    """Statement digest of the release."""
    card_statement: Digest | None
    """Statement digest of the card: the release's, or a revision's."""
    lineage_statement: Digest | None
    """Statement digest of the lineage: the release's, or a revision's."""
    stated: Count
    """Questions of the form to which something was stated."""
    questions: Count
    """Questions of the form that are applicable."""
    sections: tuple[EuFormSection, ...]
    """The form."""
    notice: Paragraph
    """What this is and is not."""
