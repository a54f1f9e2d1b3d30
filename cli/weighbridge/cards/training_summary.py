# SPDX-License-Identifier: Apache-2.0
"""Card → the EU's public summary of training content, by the template of the AI Office.

Template of July 2025 (Article 53(1)(d) of the AI Act): sections and questions are its own, in its order
(docs/spec/eu-forms.md). What is said of data sets comes from the card, the lineage, and the dataset/v1
statements that the lineage names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from .eu_forms import (
    Answer,
    Question,
    Section,
    from_card,
    from_lineage,
    from_release,
    license_text,
    number,
    reference_text,
    write_form,
    yes_or_no,
)
from .exports import DescribedData, Exported, ExportSubject

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.card_data import Crawler, DataSize, DataSource, EuCategory

__all__ = ["write_training_summary"]

_TITLE: Final = "Public summary of training content"
_TEMPLATE: Final = "Template of the AI Office for Article 53(1)(d) of Regulation (EU) 2024/1689, July 2025"
_BANDS: Final = {
    ("text", "tokens"): (10**9, 10**13, "less than 1 billion tokens", "1 billion to 10 trillion tokens",
                         "more than 10 trillion tokens"),
    ("image", "images"): (10**6, 10**9, "less than 1 million images", "1 million to 1 billion images",
                          "more than 1 billion images"),
    ("audio", "hours"): (10**4, 10**6, "less than 10,000 hours", "10,000 to 1 million hours",
                         "more than 1 million hours"),
    ("video", "hours"): (10**4, 10**6, "less than 10,000 hours", "10,000 to 1 million hours",
                         "more than 1 million hours"),
}  # fmt: skip
"""Bounds and words of the template's bands of sizes, by modality and unit."""


def write_training_summary(card: Card, subject: ExportSubject, as_: Literal["markdown", "json"]) -> Exported:
    """Return the summary, filled in as far as signed documents answer it."""
    sections = (
        Section("1", "General information", tuple(_general(card, subject))),
        Section("2", "List of data sources", tuple(_sources(card, subject))),
        Section("3", "Data processing aspects", tuple(_processing(card))),
    )
    return write_form(
        card, subject, sections, form="eu-training-summary", title=_TITLE, template=_TEMPLATE, as_=as_
    )


# --- 1 -----------------------------------------------------------------------------------------


def _general(card: Card, subject: ExportSubject) -> Iterator[Question]:
    provider = [*from_card(card, "identity.producer"), *_contacts(card, ("legal", "maintainer", "other"))]
    yield Question("1.1", "Provider name and contact details", tuple(provider))
    yield Question(
        "1.1a",
        "Authorised representative name and contact details",
        tuple(_contacts(card, ("representative",))),
    )
    named = f"{subject.namespace}/{subject.name}@{subject.version}" if subject.version else ""
    yield Question(
        "1.2",
        "Versioned model name",
        (*from_release(named, "namespace, name, version"), *from_card(card, "identity.title")),
    )
    yield Question("1.2a", "Model dependencies", from_lineage(subject))
    yield Question("1.2b", "Date of placement on the Union market", from_card(card, "identity.union_market"))
    yield Question("1.3", "Modalities and size of the training data", tuple(_sizes(card)))
    yield Question("1.3a", "Types of content", from_card(card, "data.description"))
    yield Question("1.3b", "Latest date of data acquisition", tuple(_latest(card, subject)))
    yield Question(
        "1.3c", "Whether the model is trained on new data after that date", from_card(card, "data.continuous")
    )
    yield Question(
        "1.3d", "Linguistic characteristics of the training data", tuple(_languages(card, subject))
    )
    yield Question("1.3e", "Other relevant characteristics", from_card(card, "data.characteristics"))


def _contacts(card: Card, roles: tuple[str, ...]) -> Iterator[Answer]:
    for place, contact in enumerate(card.contacts):
        words = ", ".join(filter(None, (contact.name, contact.address)))
        if contact.role in roles and words:
            yield Answer(words, f"card: contacts[{place}] ({contact.role})")


def _sizes(card: Card) -> Iterator[Answer]:
    for place, size in enumerate(card.data.sizes if card.data is not None else ()):
        source = f"card: data.sizes[{place}]"
        note = f" ({size.note})" if size.note else ""
        yield Answer(f"{size.modality}: {number(size.amount)} {size.unit}{note}", source)
        if band := _band(size):
            yield Answer(f"{size.modality}: {band}", source, derived=True)


def _band(size: DataSize) -> str | None:
    found = _BANDS.get((size.modality.lower(), size.unit.lower()))
    if found is None:
        return None
    low, high, below, between, above = found
    return below if size.amount < low else between if size.amount <= high else above


def _latest(card: Card, subject: ExportSubject) -> Iterator[Answer]:
    yield from from_card(card, "data.latest")
    for one in subject.datasets:
        if one.dataset.period is not None and one.dataset.period.end:
            yield Answer(f"{one.name}: until {one.dataset.period.end}", _place(one, "period"))


def _languages(card: Card, subject: ExportSubject) -> Iterator[Answer]:
    if card.data is not None and card.data.languages:
        yield Answer(", ".join(card.data.languages), "card: data.languages")
    for one in subject.datasets:
        if one.dataset.languages:
            yield Answer(f"{one.name}: {', '.join(one.dataset.languages)}", _place(one, "languages"))


# --- 2 -----------------------------------------------------------------------------------------


def _sources(card: Card, subject: ExportSubject) -> Iterator[Question]:
    yield from _category(card, "2.1", "public_datasets", "Publicly available data sets")
    yield Question(
        "2.1c",
        "List of publicly available data sets",
        tuple(_sets(card, subject, "public_datasets")),
        _unused(card, "public_datasets"),
    )
    yield from _category(
        card,
        "2.2.1",
        "private_licensed",
        "Data sets commercially licensed by rightsholders or their representatives",
    )
    yield Question("+", "Licensed data sets that are named", tuple(_sets(card, subject, "private_licensed")))
    yield from _category(
        card, "2.2.2", "private_other", "Private data sets obtained from other third parties"
    )
    yield Question(
        "2.2.2c",
        "List of private data sets",
        tuple(_sets(card, subject, "private_other")),
        _unused(card, "private_other"),
    )
    yield from _category(card, "2.3", "crawled", "Data crawled and scraped from online sources")
    yield from _crawled(card)
    yield from _category(card, "2.4", "user_data", "User data")
    yield from _user_data(card)
    yield from _category(card, "2.5", "synthetic", "Synthetic data")
    yield Question("2.5c", "Models that generated it", tuple(_generators(card)), _unused(card, "synthetic"))
    yield from _category(card, "2.6", "other", "Other sources of data")
    yield Question("+", "Data sets that are named without a category", tuple(_sets(card, subject, None)))


def _category(card: Card, id_: str, category: EuCategory, title: str) -> Iterator[Question]:
    """Ask whether a category was used, in which modalities, and what it is."""
    yield Question(id_, f"{title}: used?", tuple(_used(card, category)))
    place, source = _source(card, category) or (0, None)
    at = f"card: data.sources[{place}]"
    moot = _unused(card, category)
    modalities = source.modalities if source is not None else ()
    said = tuple(Answer(one, f"{at}.modalities") for one in modalities)
    yield Question(f"{id_}a", f"{title}: modalities", said, moot)
    text = source.description if source is not None else None
    described = (Answer(text, f"{at}.description"),) if text else ()
    yield Question(f"{id_}b", f"{title}: description", described, moot)


def _unused(card: Card, category: EuCategory) -> bool:
    found = _source(card, category)
    return found is not None and not found[1].used


def _source(card: Card, category: EuCategory) -> tuple[int, DataSource] | None:
    sources = card.data.sources if card.data is not None else ()
    return next(((n, one) for n, one in enumerate(sources) if one.category == category), None)


def _used(card: Card, category: EuCategory) -> Iterator[Answer]:
    found = _source(card, category)
    if found is not None:
        yield yes_or_no(used=found[1].used, source=f"card: data.sources[{found[0]}].used")
    elif card.data is not None and category in card.data.eu_categories:
        yield yes_or_no(used=True, source="card: data.eu_categories")


def _sets(card: Card, subject: ExportSubject, category: EuCategory | None) -> Iterator[Answer]:
    """Yield the data sets of a category: as the card puts them there, else as a data set's statement does."""
    described = {one.name: one for one in subject.datasets}
    listed: set[str] = set()
    for place, reference in enumerate(card.data.references if card.data is not None else ()):
        listed.add(reference.name)
        if category in _categories(reference.category, described.get(reference.name)):
            yield Answer(reference_text(reference), f"card: data.references[{place}]")
    for place, use in enumerate(subject.lineage.datasets if subject.lineage is not None else ()):
        if use.stage == "eval" or use.name in listed:
            continue
        listed.add(use.name)
        if category in _categories(None, described.get(use.name)):
            details = ", ".join(filter(None, (use.stage, use.location, use.digest, use.note)))
            yield Answer(f"{use.name} ({details})" if details else use.name, f"lineage: datasets[{place}]")
    for one in subject.datasets:
        if category in (one.dataset.eu_categories or (None,)) and one.dataset.license is not None:
            yield Answer(f"{one.name}: licence {license_text(one.dataset.license)}", _place(one, "license"))


def _categories(own: EuCategory | None, described: DescribedData | None) -> tuple[EuCategory | None, ...]:
    if own is not None:
        return (own,)
    return (described.dataset.eu_categories or (None,)) if described is not None else (None,)


def _place(one: DescribedData, member: str) -> str:
    return f"data set statement {one.statement}, signed by {one.signer}: {member}"


def _crawled(card: Card) -> Iterator[Question]:
    place, source = _source(card, "crawled") or (0, None)
    at = f"card: data.sources[{place}]"
    moot = _unused(card, "crawled")
    crawlers = source.crawlers if source is not None else ()
    yield Question(
        "2.3c",
        "Crawlers: name or identifier, purpose, behaviour",
        tuple(Answer(_crawler(one), f"{at}.crawlers[{n}]") for n, one in enumerate(crawlers)),
        moot,
    )
    period = source.period if source is not None else None
    words = f"{period.begin or 'not stated'} to {period.end or 'not stated'}" if period is not None else ""
    yield Question(
        "2.3d", "Period of data collection", (Answer(words, f"{at}.period"),) if words else (), moot
    )
    domains = []
    if source is not None and source.domains:
        domains.append(Answer(", ".join(source.domains), f"{at}.domains"))
    if source is not None and source.domains_at:
        domains.append(Answer(f"list at {source.domains_at}", f"{at}.domains_at"))
    yield Question("2.3e", "Most relevant domain names crawled", tuple(domains), moot)


def _crawler(one: Crawler) -> str:
    facts = [f"run by {one.operator}" if one.operator else "", one.purpose or "", one.behaviour or ""]
    details = "; ".join(filter(None, facts))
    return f"{one.name}: {details}" if details else one.name


def _user_data(card: Card) -> Iterator[Question]:
    place, source = _source(card, "user_data") or (0, None)
    at = f"card: data.sources[{place}]"
    from_model = source.from_model if source is not None else None
    asked = (yes_or_no(used=from_model, source=f"{at}.from_model"),) if from_model is not None else ()
    moot = _unused(card, "user_data")
    yield Question("2.4c", "From interactions with the model: used?", asked, moot)
    services = source.services if source is not None else ()
    yield Question(
        "2.4d",
        "From which other services or products of the provider",
        tuple(Answer(one, f"{at}.services") for one in services),
        moot,
    )


def _generators(card: Card) -> Iterator[Answer]:
    place, source = _source(card, "synthetic") or (0, None)
    for number_, one in enumerate(source.generators if source is not None else ()):
        market = {None: "", True: "on the market", False: "not on the market"}[one.on_market]
        details = ", ".join(filter(None, (market, one.digest)))
        text = f"{one.name} ({details})" if details else one.name
        yield Answer(text, f"card: data.sources[{place}].generators[{number_}]")


# --- 3 -----------------------------------------------------------------------------------------


def _processing(card: Card) -> Iterator[Question]:
    yield Question(
        "3.1",
        "Signatory of the Code of Practice, which commits to respect reservations of rights",
        from_card(card, "data.code_of_practice"),
    )
    yield Question(
        "3.1a",
        "Measures to respect reservations of rights from text and data mining",
        from_card(card, "data.opt_outs"),
    )
    yield Question("3.2", "Removal of illegal content", from_card(card, "data.illegal_content"))
    yield Question(
        "3.3",
        "Other information about data processing",
        (
            *from_card(card, "data.curation"),
            *from_card(card, "data.unsuitable"),
            *from_card(card, "data.biases"),
        ),
    )
