# SPDX-License-Identifier: Apache-2.0
"""Filling in forms of the European Union from signed documents, and writing them as Markdown or JSON.

Nothing is invented: an answer is a member of a signed document with the place where it stands, or follows
from one by arithmetic and says so; all else is “not stated by the publisher”. A publisher's words cannot
pretend to be part of the form: in Markdown they are quoted, and every mark in them is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from .exports import Exported, ExportSubject

if TYPE_CHECKING:
    from weighbridge_schemas.api import EuForm
    from weighbridge_schemas.card import Card, DataReference, License

__all__ = [
    "Answer",
    "Question",
    "Section",
    "from_card",
    "from_lineage",
    "from_release",
    "license_text",
    "number",
    "reference_text",
    "write_form",
    "yes_or_no",
]

_NOT_STATED: Final = "*Not stated by the publisher.*"
_NOT_APPLICABLE: Final = "*Not applicable: the publisher says that there was none.*"
_MARKS: Final = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_LINE_START: Final = re.compile(r"^([0-9]{0,9})(-(?=[- ]|$)|\+(?= |$)|=|(?<=[0-9])[.)](?= |$))")
_LONGEST_LINE: Final = 1024
_LONGEST: Final = 65_536
_NOTICE: Final = (
    "Written by weighbridge from signed documents of the model's publisher. It repeats what they state, "
    "with the place of each answer, and leaves open what they do not. It proves nothing by itself, and says "
    "nothing about whether an answer is true or complete, or an obligation met. The signed statements are "
    "the original."
)
_LOST: Final = {
    "eu-gpai-documentation": ("evaluations", "metrics", "components", "links", "imported"),
    "eu-training-summary": (
        *("description", "uses", "risks", "training", "inference", "evaluations", "metrics"),
        *("components", "links", "imported"),
    ),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that was stated, and where it stands; `derived` if it only follows from that."""

    text: str
    source: str
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a form. `id` is its place there, or begins with `+` if it is none of the form's.

    `moot` says that an answer before makes it one that cannot be answered.
    """

    id: str
    asks: str
    answers: tuple[Answer, ...]
    moot: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a form."""

    id: str
    title: str
    questions: tuple[Question, ...]


def from_card(card: Card, path: str, *, unit: str = "") -> tuple[Answer, ...]:
    """Return what a member of the card says (`identity.producer`), one answer for each value of a list."""
    value: Any = card
    for part in path.split("."):
        value = getattr(value, part, None)
    values = value if isinstance(value, tuple) else (value,)
    return tuple(
        Answer(f"{_text(one)}{f' {unit}' if unit else ''}", f"card: {path}")
        for one in values
        if one not in (None, "")
    )


def from_release(text: str, member: str) -> tuple[Answer, ...]:
    """Return what the release states, if it does."""
    return (Answer(text, f"release: {member}"),) if text else ()


def from_lineage(subject: ExportSubject) -> tuple[Answer, ...]:
    """Return what the lineage states of the models that this one was made from."""
    if subject.lineage is None:
        return ()
    return tuple(
        Answer(_parent(parent), f"lineage: parents[{place}]")
        for place, parent in enumerate(subject.lineage.parents)
    )


def _parent(parent: Any) -> str:
    if parent.relation == "from_scratch":
        return "None: the publisher claims that it was trained from scratch."
    named = parent.name or parent.location or parent.digest or f"statement {parent.statement.sha256}"
    facts = [
        f"relation {parent.relation.replace('_', ' ')}" if parent.relation else "",
        f"revision {parent.revision}" if parent.revision else "",
        f"digest {parent.digest}" if parent.digest and named != parent.digest else "",
        f"release statement sha256:{parent.statement.sha256}" if parent.statement else "",
    ]
    details = ", ".join(filter(None, facts))
    return f"{named} ({details})" if details else named


def yes_or_no(*, used: bool, source: str) -> Answer:
    """Return the answer to a box that is ticked or not."""
    return Answer("Yes" if used else "No", source, derived=True)


def license_text(license_: License | None) -> str:
    """Return a licence in one run of text, with its address."""
    if license_ is None:
        return ""
    named = license_.spdx or license_.text or ""
    where = license_.url or license_.path
    return f"{named} ({where})" if where else named


def reference_text(reference: DataReference) -> str:
    """Return one data set of the card in one run of text."""
    facts = [
        reference.location or "",
        f"licence {license_text(reference.license)}" if reference.license else "",
        f"digest {reference.digest}" if reference.digest else "",
        reference.note or "",
    ]
    details = "; ".join(filter(None, facts))
    return f"{reference.name}: {details}" if details else reference.name


def number(value: float) -> str:
    """Return a number for people: whole ones with all their digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return number(value) if isinstance(value, (int, float)) else str(value)


# --- writing -----------------------------------------------------------------------------------


def write_form(
    card: Card,
    subject: ExportSubject,
    sections: Sequence[Section],
    *,
    form: Literal["eu-gpai-documentation", "eu-training-summary"],
    title: str,
    template: str,
    as_: Literal["markdown", "json"],
) -> Exported:
    """Return a form as text; what of the card it has no place for is listed."""
    document = _document(subject, sections, form, template)
    lost = tuple(name for name in _LOST[form] if getattr(card, name))
    if as_ == "json":
        return Exported(document.model_dump_json(indent=2) + "\n", lost)
    return Exported("\n".join(_markdown(document, title)) + "\n", lost)


def _document(
    subject: ExportSubject,
    sections: Sequence[Section],
    form: Literal["eu-gpai-documentation", "eu-training-summary"],
    template: str,
) -> EuForm:
    from weighbridge_schemas.api import EuForm

    questions = [one for section in sections for one in section.questions]
    asked = [one for one in questions if not one.id.startswith("+") and not one.moot]
    named = f"{subject.namespace}/{subject.name}@{subject.version}" if subject.version else None
    return EuForm(
        v=1,
        form=form,
        template=template,
        release=named,
        model_digest=subject.model_digest or None,
        release_statement=subject.release_statement or None,
        card_statement=subject.statement or None,
        lineage_statement=subject.lineage_statement or None,
        stated=sum(bool(one.answers) for one in asked),
        questions=len(asked),
        sections=tuple(_section(section) for section in sections),
        notice=_NOTICE,
    )


def _section(section: Section) -> Any:
    from weighbridge_schemas.api import EuFormAnswer, EuFormQuestion, EuFormSection

    return EuFormSection(
        id=section.id,
        title=section.title,
        questions=tuple(
            EuFormQuestion(
                id=one.id,
                asks=one.asks,
                state="stated" if one.answers else "not applicable" if one.moot else "not stated",
                answers=tuple(
                    EuFormAnswer(
                        text=_cut(answer.text, _LONGEST),
                        source=_cut(answer.source, _LONGEST_LINE),
                        derived=answer.derived,
                    )
                    for answer in one.answers
                ),
            )
            for one in section.questions
        ),
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _markdown(document: EuForm, title: str) -> Iterator[str]:
    yield f"# {title}"
    yield ""
    yield f"{document.template}."
    yield f"What was signed answers {document.stated} of {document.questions} questions."
    rows = (
        ("Release", document.release),
        ("Fingerprint of all files", document.model_digest),
        ("Release statement", document.release_statement),
        ("Card statement", document.card_statement),
        ("Lineage statement", document.lineage_statement),
    )
    known = [f"- {label}: {_escaped(text)}" for label, text in rows if text]
    yield from ["", *known] if known else ()
    for section in document.sections:
        yield ""
        yield f"## {section.id} {section.title}"
        for question in section.questions:
            yield ""
            added = question.id.startswith("+")
            yield (
                f"**{question.asks}** (not asked by the form)"
                if added
                else f"**{question.id} {question.asks}**"
            )
            yield ""
            if question.state == "stated":
                yield from _answers(question.answers)
            else:
                yield _NOT_STATED if question.state == "not stated" else _NOT_APPLICABLE
    yield ""
    yield "---"
    yield ""
    yield document.notice


def _answers(answers: Iterable[Any]) -> Iterator[str]:
    for number, answer in enumerate(answers):
        if number:
            yield ""
        for line in answer.text.split("\n"):
            yield f"> {_quoted(line)}".rstrip()
        yield ">"
        yield f"> — {'from ' if answer.derived else ''}`{answer.source.replace('`', chr(39))}`"


def _quoted(line: str) -> str:
    """Return a line of a publisher's as it may stand in a quotation, its marks escaped."""
    return _LINE_START.sub(r"\1\\\2", _escaped(line.replace("\t", " ").strip(" ")))


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)
