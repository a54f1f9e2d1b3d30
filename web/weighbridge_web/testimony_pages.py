# SPDX-License-Identifier: Apache-2.0
"""Pages of what anyone says: data sets and advisories, each word beside who says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Response

from weighbridge_web.card_rows import license_words
from weighbridge_web.pages import Cursor, bare_hex, twin
from weighbridge_web.records import Ask
from weighbridge_web.rendering import page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighbridge_schemas.dataset import Dataset

__all__ = ["router"]

_JSON = ".json"
_MOST_ITEMS = 20

router = APIRouter(include_in_schema=False)
About = Annotated[str, Query(max_length=71)]


@router.get("/datasets/{sha256}")
def dataset(sha256: str, ask: Ask) -> Response:
    """Show what is said of a data set, and by whom."""
    document = ask.dataset(bare_hex(sha256.removesuffix(_JSON)))
    if sha256.endswith(_JSON):
        return twin(document)
    rows = [list(_rows(one.dataset)) for one in document.descriptions]
    return page("dataset.html", dataset=document, rows=rows)


@router.get("/advisories.json")
def advisories_twin(ask: Ask, about: About = "", cursor: Cursor = None) -> Response:
    """Return the list of advisories as JSON."""
    return twin(ask.advisories(bare_hex(about) if about else None, cursor))


@router.get("/advisories")
def advisories(ask: Ask, about: About = "", cursor: Cursor = None) -> Response:
    """List advisories, newest first; with `about` those that affect that digest."""
    document = ask.advisories(bare_hex(about) if about else None, cursor)
    return page("advisories.html", found=document)


@router.get("/advisories/{statement}")
def advisory(statement: str, ask: Ask) -> Response:
    """Show one statement of an advisory."""
    document = ask.advisory(bare_hex(statement.removesuffix(_JSON)))
    if statement.endswith(_JSON):
        return twin(document)
    return page("advisory.html", found=document, advisory=document.advisory)


def _rows(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield label and text of what a description says, but for addresses and files."""
    period, croissant = dataset.period, dataset.croissant
    said: list[tuple[str, str | None]] = [
        ("Version", dataset.version),
        ("Licence", license_words(dataset.license) if dataset.license is not None else None),
        ("Bytes", _counted(dataset.bytes)),
        ("Records", _counted(dataset.records)),
        ("Time of the data", f"{period.begin or '…'} to {period.end or '…'}" if period else None),
        *(("Source", _noted(source.name, source.note)) for source in dataset.sources[:_MOST_ITEMS]),
        ("Languages", ", ".join(dataset.languages[:_MOST_ITEMS])),
        ("Method", dataset.method),
        *_grounds(dataset),
        ("Availability", (dataset.availability or "").replace("_", " ")),
        ("EU categories", ", ".join(one.replace("_", " ") for one in dataset.eu_categories)),
        *(("Made from", _noted(one.name, one.note)) for one in dataset.derived_from[:_MOST_ITEMS]),
        ("Croissant description", f"sha256:{croissant.sha256}" if croissant is not None else None),
    ]
    for label, text in said:
        if text:
            yield label, text


def _grounds(dataset: Dataset) -> Iterator[tuple[str, str]]:
    if dataset.consent is not None:
        yield "Ground of use", _noted(dataset.consent.basis.replace("_", " "), dataset.consent.note)
    if dataset.personal_data is not None:
        state = dataset.personal_data.state.replace("_", " ")
        yield "Personal data", _noted(state, dataset.personal_data.note)


def _counted(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _noted(text: str, note: str | None) -> str:
    return f"{text}: {note}" if note else text
