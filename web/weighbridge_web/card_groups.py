# SPDX-License-Identifier: Apache-2.0
"""A signed card as groups of labelled lines, in the order of DESIGN section 4.

Only what was said appears: an absent field is "not said" and makes no line. Texts stay as the publisher wrote
them; bounds and escaping are the templates' and filters' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge_web.formats import grouped
from weighbridge_web.words import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighbridge_schemas.card import Card, Energy, License, TrainingStage

__all__ = ["Group", "Row", "Said", "Table", "card_groups", "license_words"]


@dataclass(frozen=True)
class Said:
    """One thing that the card says, with the https address that goes with it, if any."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Row:
    """A label and what is said under it; never empty."""

    label: str
    says: tuple[Said, ...]


@dataclass(frozen=True)
class Table:
    """Values that belong side by side."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Group:
    """One group of the card."""

    title: str
    rows: tuple[Row, ...] = ()
    table: Table | None = None


def card_groups(card: Card | None) -> tuple[Group, ...]:
    """Return the groups of `card` that say anything."""
    if card is None:
        return ()
    groups = (
        Group("Identity", tuple(_identity(card))),
        Group("Description", tuple(_description(card))),
        Group("Licences", tuple(_licenses(card))),
        Group("Uses", tuple(_uses(card))),
        Group("Limitations and risks", tuple(_risks(card))),
        *(Group(_stage_title(stage), tuple(_stage(stage))) for stage in card.training[:16]),
        Group("Training data", tuple(_data(card))),
        Group("Evaluation results, as reported", table=_evaluations(card)),
        Group("Metrics", tuple(_row("Named without a value", [", ".join(card.metrics)]))),
        Group("Openness components, as declared", table=_components(card)),
        Group("Links and contacts", tuple(_links(card))),
        Group("Not understood by the import", tuple(_imported(card))),
    )
    return tuple(group for group in groups if group.rows or group.table)


def license_words(license_: License | None) -> str:
    """Return a licence in one run of text: its SPDX expression, or what was given instead."""
    return (license_.spdx or license_.text or "") if license_ else ""


def _row(label: str, values: Iterable[object]) -> Iterator[Row]:
    says = tuple(
        value if isinstance(value, Said) else Said(str(value)) for value in values if value not in (None, "")
    )
    if says:
        yield Row(label, says)


def _identity(card: Card) -> Iterator[Row]:
    identity = card.identity
    if identity is None:
        return
    yield from _row("Title", [identity.title])
    yield from _row("Developers", identity.developers)
    yield from _row("Released by", [identity.producer])
    yield from _row("Task", [identity.task])
    yield from _row("Library", [identity.library])
    yield from _row("Languages", [", ".join(identity.languages)])
    yield from _row("Tags", [", ".join(identity.tags)])
    yield from _row("Publisher recommends instead", [identity.replaced_by])


def _description(card: Card) -> Iterator[Row]:
    description = card.description
    if description is None:
        return
    yield from _row("Summary", [description.summary])
    yield from _row("Architecture", [description.architecture])
    if description.parameters is not None:
        yield from _row("Parameters", [grouped(description.parameters)])
    if description.context_length is not None:
        yield from _row("Longest input", [f"{grouped(description.context_length)} tokens"])
    yield from _row("Input", description.input_modalities)
    yield from _row("Output", description.output_modalities)


def _licenses(card: Card) -> Iterator[Row]:
    if card.licenses is None:
        return
    for label, license_ in (
        ("Distribution", card.licenses.distribution),
        ("Code", card.licenses.code),
        ("Data and parameters", card.licenses.data),
        ("Documents", card.licenses.document),
    ):
        yield from _row(label, [_license(license_)])


def _license(license_: License | None) -> Said | None:
    if license_ is None:
        return None
    text = license_words(license_)
    return Said(f"{text} ({license_.path})" if license_.path else text, license_.url or "")


def _uses(card: Card) -> Iterator[Row]:
    if card.uses is None:
        return
    yield from _row("Intended", card.uses.intended)
    yield from _row("Downstream", card.uses.downstream)
    yield from _row("Not meant for", card.uses.out_of_scope)
    policy = card.uses.acceptable_use_policy
    yield from _row("Acceptable use policy", [Said(policy, policy)] if policy else [])


def _risks(card: Card) -> Iterator[Row]:
    for category in dict.fromkeys(risk.category for risk in card.risks):
        texts = [
            f"{risk.description} Mitigation: {risk.mitigation}" if risk.mitigation else risk.description
            for risk in card.risks
            if risk.category == category
        ]
        yield from _row(category.capitalize(), texts)


def _stage_title(stage: TrainingStage) -> str:
    names = {
        "pretraining": "Pre-training",
        "midtraining": "Mid-training",
        "finetuning": "Fine-tuning",
        "post_training": "Post-training",
        "unspecified": "Training",
    }
    return names[stage.stage]


def _stage(stage: TrainingStage) -> Iterator[Row]:
    yield from _row("Process", [stage.process])
    yield from _row(
        "Hyperparameters", [f"{name} = {_value(value)}" for name, value in stage.hyperparameters.items()]
    )
    yield from _row("Hardware", [stage.hardware])
    if stage.compute_petaflop is not None:
        yield from _row("Compute", [f"{stage.compute_petaflop:,.6g} petaFLOP (10¹⁵ operations)"])
    if stage.accelerator_hours is not None:
        yield from _row("Accelerator time", [f"{stage.accelerator_hours:,.6g} device hours"])
    yield from _row("Energy", [_energy(stage.energy)])
    yield from _row("Funding", [stage.funding])
    yield from _row("Started", [stage.started])
    yield from _row("Ended", [stage.ended])


def _value(value: bool | float | str) -> str:  # noqa: FBT001 - a value as the card has it
    """Write a number as short as it is exact: JSON knows no difference between 3 and 3.0."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - exact as an integer
        return str(int(value))
    return str(value)


def _energy(energy: Energy | None) -> str:
    if energy is None:
        return ""
    parts = []
    if energy.kilowatt_hours is not None:
        parts.append(f"{energy.kilowatt_hours:,.6g} kWh")
    if energy.co2_grams is not None:
        parts.append(f"{energy.co2_grams / 1000:,.6g} kg CO₂ equivalent")
    parts += [text for text in (energy.location, energy.source) if text]
    return ", ".join(parts)


def _data(card: Card) -> Iterator[Row]:
    if card.data is None:
        return
    references = [
        Said(
            f"{data.name} ({words})"
            if (words := ", ".join(filter(None, (license_words(data.license), data.note))))
            else data.name,
            data.location if data.location and data.location.startswith("https://") else "",
        )
        for data in card.data.references
    ]
    yield from _row("Data sets", references)
    yield from _row(
        "Categories (EU summary)", [", ".join(c.replace("_", " ") for c in card.data.eu_categories)]
    )
    yield from _row("Description", [card.data.description])


def _evaluations(card: Card) -> Table | None:
    rows: list[tuple[str, ...]] = []
    for result in card.evaluations:
        parts = (result.benchmark_task, result.dataset_config, result.dataset_split, result.dataset_revision)
        detail = ", ".join(part for part in parts if part)
        how = ", ".join(part for part in (result.measured, result.note) if part)
        source = result.source_name or result.source or ""
        dataset = f"{result.dataset or ''} ({detail})" if detail else result.dataset or ""
        rows.append(
            (
                result.task or "",
                dataset,
                result.metric or "as the benchmark defines it",
                _value(result.value),
                f"{source} ({how})" if source and how else source or how,
            )
        )
    return Table(("Task", "Data set", "Metric", "Value", "Source"), tuple(rows)) if rows else None


def _components(card: Card) -> Table | None:
    rows = tuple(
        (
            COMPONENTS[component.name],
            "released" if component.present else "not released",
            license_words(component.license),
            component.location or "",
        )
        for component in card.components
    )
    return Table(("Component", "Declared", "Licence", "Where"), rows) if rows else None


def _links(card: Card) -> Iterator[Row]:
    for rel in dict.fromkeys(link.rel for link in card.links):
        says = [Said(link.title or link.url, link.url) for link in card.links if link.rel == rel]
        yield from _row(rel.capitalize(), says)
    for role in dict.fromkeys(contact.role for contact in card.contacts):
        who = [
            " · ".join(part for part in (contact.name, contact.address) if part)
            for contact in card.contacts
            if contact.role == role
        ]
        yield from _row(f"Contact ({role})", who)


def _imported(card: Card) -> Iterator[Row]:
    if card.imported is not None:
        yield from _row("In the README's front matter", card.imported.not_understood)
