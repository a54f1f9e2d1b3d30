# SPDX-License-Identifier: Apache-2.0
"""What is said of closed models, which have no files to weigh: each party's word, field by field.

Nothing here shows who the vendor of a model is: that a signer says so is shown as that, and nobody's words
are put under another's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from sqlalchemy import Row, func, select

from weighbridge.disclosures import BY_ID, INDICATORS, canonical_id, describe_score, find_answered
from weighbridge.statements import abstract_subject
from weighbridge_registry.store import tables
from weighbridge_registry.store.rows import plain
from weighbridge_schemas.api import (
    DisclosureDocument,
    DisclosureList,
    DisclosureStatement,
    DisclosureSummary,
    FieldAnswer,
    FieldAnswers,
)
from weighbridge_schemas.disclosure import Disclosure

from .deployments import closed_deployments
from .reader import Reader
from .testimonies import ABOUT, about

__all__ = ["disclosure", "disclosures"]

_PAGE: Final = 20
_MUCH: Final = 256 * 1024
"""Characters of answers after which a page takes no further statement."""
_LONGEST: Final = 4000
"""Characters of one answer that are shown; the statement has all of it."""
_ADDRESSES: Final = 4
"""Addresses that are shown beside one answer."""
_STATEMENTS: Final = 200
"""Statements of a model by which a deployment may name it."""

_ENTRY: Final = plain(tables.Entry)
_DESCRIPTION: Final = plain(tables.Description)

_Spoken = tuple[Row[Any], Disclosure]


def disclosure(
    reader: Reader, sha256: str, cursor: int | None = None, signer: str | None = None
) -> DisclosureDocument | None:
    """Describe a closed model by what is said of it; None if nobody speaks of it.

    With `signer` (an id) only what that signer says is listed: so that many others cannot hide it.
    """
    own = (_DESCRIPTION.c.kind == "disclosure") & (_DESCRIPTION.c.subject == sha256)
    total = reader.connection.execute(select(func.count()).select_from(_DESCRIPTION).where(own)).scalar_one()
    if not total:
        return None
    query = select(_ENTRY).join(_DESCRIPTION, _DESCRIPTION.c.number == _ENTRY.c.number).where(own)
    if cursor is not None:
        query = query.where(_ENTRY.c.number > cursor)
    if signer is not None:
        query = query.where(_ENTRY.c.signer == signer)
    rows = reader.connection.execute(query.order_by(_ENTRY.c.number).limit(_PAGE + 1)).all()
    spoken = _spoken(reader, rows[:_PAGE])
    named = reader.connection.execute(select(_DESCRIPTION.c.name).where(own).limit(1)).scalar_one()
    served, served_total = closed_deployments(reader, _statements(reader, sha256))
    others = [kind for kind in ABOUT if kind != "disclosure"]
    return DisclosureDocument(
        digest=f"sha256:{sha256}",
        name=named,
        disclosures=tuple(_statement(reader, row, document) for row, document in spoken),
        total=int(total),
        fields=tuple(_fields(spoken)),
        deployments=served,
        deployments_total=served_total,
        statements=about(reader, [sha256, *(row.statement for row, _ in spoken)], others)[0],
        next=str(spoken[-1][0].number) if len(rows) > len(spoken) else None,
        url=reader.url(f"/disclosures/{sha256}"),
        as_of=reader.as_of(),
    )


def disclosures(reader: Reader, name: str | None, cursor: int | None, limit: int) -> DisclosureList:
    """List what is said of closed models, newest first; with `name` of the one that is called so."""
    query = (
        select(_ENTRY, _DESCRIPTION.c.name.label("called"), _DESCRIPTION.c.ended)
        .join(_DESCRIPTION, _DESCRIPTION.c.number == _ENTRY.c.number)
        .where(_DESCRIPTION.c.kind == "disclosure")
    )
    if name is not None:
        query = query.where(_DESCRIPTION.c.subject == abstract_subject("disclosure", name))
    if cursor is not None:
        query = query.where(_DESCRIPTION.c.number < cursor)
    rows = reader.connection.execute(query.order_by(_DESCRIPTION.c.number.desc()).limit(limit + 1)).all()
    return DisclosureList(
        name=name,
        disclosures=tuple(
            DisclosureSummary(
                digest=f"sha256:{row.subject}",
                name=row.called,
                withdrawn=row.ended,
                signer=reader.signer(row.signer),
                namespace=row.namespace,
                summary=row.summary,
                statement=f"sha256:{row.statement}",
                index=row.number,
                received=row.received,
                url=reader.url(f"/disclosures/{row.subject}"),
            )
            for row in rows[:limit]
        ),
        next=str(rows[limit - 1].number) if len(rows) > limit else None,
        as_of=reader.as_of(),
    )


def _spoken(reader: Reader, rows: Sequence[Row[Any]]) -> list[_Spoken]:
    """Read statements, as many as one answer bears: each may be as long as a statement can be."""
    found: list[_Spoken] = []
    size = 0
    for row in rows:
        if size > _MUCH:
            break
        document = cast("Disclosure", reader.statements.get(row.bundle).document)
        found.append((row, document))
        size += sum(len(one.answer or "") + sum(map(len, one.evidence)) for one in document.fields)
    return found


def _statements(reader: Reader, sha256: str) -> list[str]:
    """Return the statements of a closed model, also replaced ones: a deployment may name any of them."""
    query = (
        select(_ENTRY.c.statement)
        .where(_ENTRY.c.subject == sha256, _ENTRY.c.kind == "disclosure")
        .order_by(_ENTRY.c.number)
        .limit(_STATEMENTS)
    )
    return list(reader.connection.execute(query).scalars())


def _statement(reader: Reader, row: Row[Any], document: Disclosure) -> DisclosureStatement:
    left = sum(field.left_open is not None for field in document.fields)
    return DisclosureStatement(
        index=row.number,
        statement=f"sha256:{row.statement}",
        signer=reader.signer(row.signer),
        namespace=row.namespace,
        claims_vendor=document.by_vendor,
        vendor=document.vendor,
        as_of=document.as_of,
        withdrawn=document.withdrawn,
        answered=len(document.fields) - left,
        left_open=left,
        score=describe_score(find_answered(document)) if document.withdrawn is None else None,
        received=row.received,
        url=reader.entry_url(row.number),
    )


def _cut(answer: str | None) -> str | None:
    return answer if answer is None or len(answer) <= _LONGEST else f"{answer[: _LONGEST - 1]}…"


def _fields(spoken: Sequence[_Spoken]) -> Iterator[FieldAnswers]:
    """Yield the fields that anybody speaks of, with each party's words; nothing that was withdrawn."""
    standing = [(row, document) for row, document in spoken if document.withdrawn is None]
    asked: dict[str, str | None] = {}
    answers: dict[str, list[FieldAnswer]] = {}
    for row, document in standing:
        for field in document.fields:
            id_ = canonical_id(field.id)
            asked[id_] = asked.get(id_) or field.question
            answers.setdefault(id_, []).append(
                FieldAnswer(
                    index=row.number,
                    claims_vendor=document.by_vendor,
                    answer=_cut(field.answer),
                    left_open=field.left_open,
                    evidence=field.evidence[:_ADDRESSES],
                )
            )
    usual = [one.id for one in INDICATORS if one.id in answers]
    for id_ in (*usual, *sorted(answers.keys() - BY_ID.keys())):
        title = BY_ID[id_].title if id_ in BY_ID else asked[id_]
        yield FieldAnswers(id=id_, title=title, indicator=id_ in BY_ID, answers=tuple(answers[id_]))
