# SPDX-License-Identifier: Apache-2.0
"""The data of a card: how much of it, from which sources, and what was done with it.

Members follow the questions that are asked of a model's data (docs/spec/eu-forms.md). An absent member means
"not said"; that there was no data of a category is said by `used: false`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from .base import (
    MAX_SAFE_INTEGER,
    Digest,
    Document,
    Flag,
    HttpsUrl,
    Line,
    Name,
    Paragraph,
    form,
)

__all__ = [
    "Crawler",
    "DataSize",
    "DataSource",
    "Day",
    "EuCategory",
    "Generator",
    "LanguageTag",
    "Lines",
    "Paragraphs",
    "Period",
    "Quantity",
]

LanguageTag = Annotated[
    str, form(r"^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}$", "is not a BCP 47 language tag")
]
Lines = Annotated[tuple[Line, ...], Field(max_length=256)]
Paragraphs = Annotated[tuple[Paragraph, ...], Field(max_length=64)]
Quantity = Annotated[float, Field(strict=True, ge=0, le=MAX_SAFE_INTEGER, allow_inf_nan=False)]

EuCategory = Literal[
    "public_datasets",
    "private_licensed",
    "private_other",
    "crawled",
    "user_data",
    "synthetic",
    "other",
]
"""Categories of the EU public summary of training content."""

DomainName = Annotated[
    str,
    StringConstraints(max_length=253),
    form(
        r"^[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,9}$",
        "is not a domain name in ASCII",
    ),
]


def _day(text: str) -> str:
    """Refuse days that do not exist."""
    date.fromisoformat(f"{text}-01-01"[:10])
    return text


Day = Annotated[
    str,
    form(r"^[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?$", "is not a day, month or year like 2026-01-31"),
    AfterValidator(_day),
]


class Period(Document):
    """The time that data is from."""

    begin: Day | None = None
    """First day, month or year."""
    end: Day | None = None
    """Last day, month or year."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.begin is None and self.end is None:
            raise ValueError("needs begin or end")
        if self.begin is not None and self.end is not None:
            shared = min(len(self.begin), len(self.end))
            if self.begin[:shared] > self.end[:shared]:
                raise ValueError("ends before it begins")
        return self


class DataSize(Document):
    """How much data of one modality."""

    modality: Line
    """Which: `text`, `image`, `audio`, `video`, or another."""
    amount: Quantity
    """How much."""
    unit: Line
    """Of what: `tokens`, `images`, `hours`, `records`."""
    note: Line | None = None
    """How it was counted."""


class Crawler(Document):
    """One program that collected data from the web."""

    name: Line
    """Its name or identifier, as it shows itself."""
    operator: Line | None = None
    """Who runs it, if not the publisher."""
    purpose: Line | None = None
    """What it collects for."""
    behaviour: Paragraph | None = None
    """What it heeds, such as robots.txt, captchas and paywalls."""


class Generator(Document):
    """One model whose outputs became training data."""

    name: Name
    """Its name, as people know it."""
    digest: Digest | None = None
    """Its model or weights digest."""
    on_market: Flag | None = None
    """Whether it is on the market; false for models of one's own that are not."""


class DataSource(Document):
    """What is said of one category of training data (EU public summary, section 2)."""

    category: EuCategory
    """Which category."""
    used: Flag
    """Whether data of this category was used; false says that there was none."""
    description: Paragraph | None = None
    """What it is and how it was obtained, in words."""
    modalities: Lines = ()
    """Kinds of data: `text`, `image`, `audio`, `video`, others."""
    period: Period | None = None
    """When it was collected."""
    crawlers: Annotated[tuple[Crawler, ...], Field(max_length=64)] = ()
    """Only of `crawled`: what collected it."""
    domains: Annotated[tuple[DomainName, ...], Field(max_length=4096)] = ()
    """Only of `crawled`: the domains that gave most of it."""
    domains_at: HttpsUrl | None = None
    """Only of `crawled`: where a longer list of domains is."""
    from_model: Flag | None = None
    """Only of `user_data`: whether conversations with the model itself were used."""
    services: Lines = ()
    """Only of `user_data`: services or products whose users' data was used."""
    generators: Annotated[tuple[Generator, ...], Field(max_length=64)] = ()
    """Only of `synthetic`: models that generated it."""

    @model_validator(mode="after")
    def _of_its_category(self) -> Self:
        members = {
            "crawled": (self.crawlers, self.domains, self.domains_at),
            "user_data": (self.services, self.from_model),
            "synthetic": (self.generators,),
        }
        for category, values in members.items():
            if category != self.category and any(value not in (None, ()) for value in values):
                raise ValueError(f"says of {self.category} what only {category} can have")
        details = (self.modalities, self.period, *members.get(self.category, ()))
        if not self.used and any(value not in (None, (), False) for value in details):
            raise ValueError("says that none was used, and then what was used")
        return self
