# SPDX-License-Identifier: Apache-2.0
"""A signed card as groups of labelled lines, in the order of DESIGN section 4.

Only what was said appears: an absent field is "not said" and makes no line. Texts stay as the publisher wrote
them; bounds and escaping are the templates' and filters' business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge_web.card_data import data_rows
from weighbridge_web.card_rows import Group, Row, Said, Table, card_row, license_words
from weighbridge_web.formats import grouped
from weighbridge_web.words import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighbridge_schemas.card import Card, Energy, License, TrainingStage

__all__ = ["card_groups"]


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
        Group("Inference", tuple(_inference(card))),
        Group("Training data", tuple(data_rows(card))),
        Group("Evaluation results, as reported", table=_evaluations(card)),
        Group("Metrics", tuple(card_row("Named without a value", [", ".join(card.metrics)]))),
        Group("Openness components, as declared", table=_components(card)),
        Group("Links and contacts", tuple(_links(card))),
        Group("Not understood by the import", tuple(_imported(card))),
    )
    return tuple(group for group in groups if group.rows or group.table)


def _identity(card: Card) -> Iterator[Row]:
    identity = card.identity
    if identity is None:
        return
    yield from card_row("Title", [identity.title])
    yield from card_row("Developers", identity.developers)
    yield from card_row("Released by", [identity.producer])
    yield from card_row("Task", [identity.task])
    yield from card_row("Library", [identity.library])
    yield from card_row("Languages", [", ".join(identity.languages)])
    yield from card_row("Tags", [", ".join(identity.tags)])
    yield from card_row("Publisher recommends instead", [identity.replaced_by])
    yield from card_row("On the EU market since", [identity.union_market])


def _description(card: Card) -> Iterator[Row]:
    description = card.description
    if description is None:
        return
    yield from card_row("Summary", [description.summary])
    yield from card_row("Architecture", [description.architecture])
    if description.parameters is not None:
        yield from card_row("Parameters", [grouped(description.parameters)])
    if description.context_length is not None:
        yield from card_row("Longest input", [f"{grouped(description.context_length)} tokens"])
    yield from card_row("Input", description.input_modalities)
    yield from card_row("Output", description.output_modalities)
    yield from card_row("Largest inputs", description.input_limits)
    yield from card_row("Largest outputs", description.output_limits)
    yield from card_row("Design", [description.design])


def _licenses(card: Card) -> Iterator[Row]:
    if card.licenses is None:
        return
    for label, license_ in (
        ("Distribution", card.licenses.distribution),
        ("Code", card.licenses.code),
        ("Data and parameters", card.licenses.data),
        ("Documents", card.licenses.document),
    ):
        yield from card_row(label, [_license(license_)])


def _license(license_: License | None) -> Said | None:
    if license_ is None:
        return None
    text = license_words(license_)
    return Said(f"{text} ({license_.path})" if license_.path else text, license_.url or "")


def _uses(card: Card) -> Iterator[Row]:
    if card.uses is None:
        return
    yield from card_row("Intended", card.uses.intended)
    yield from card_row("Downstream", card.uses.downstream)
    yield from card_row("Not meant for", card.uses.out_of_scope)
    policy = card.uses.acceptable_use_policy
    yield from card_row("Acceptable use policy", [Said(policy, policy)] if policy else [])
    yield from card_row("Systems it can be built into", card.uses.systems)
    yield from card_row("Building it in", card.uses.integration)
    yield from card_row("Needs hardware", [card.uses.hardware])
    yield from card_row("Needs software", [card.uses.software])


def _risks(card: Card) -> Iterator[Row]:
    for category in dict.fromkeys(risk.category for risk in card.risks):
        texts = [
            f"{risk.description} Mitigation: {risk.mitigation}" if risk.mitigation else risk.description
            for risk in card.risks
            if risk.category == category
        ]
        yield from card_row(category.capitalize(), texts)


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
    yield from card_row("Process", [stage.process])
    yield from card_row("Why so", [stage.rationale])
    yield from card_row(
        "Hyperparameters", [f"{name} = {_value(value)}" for name, value in stage.hyperparameters.items()]
    )
    yield from card_row("Hardware", [stage.hardware])
    if stage.compute_petaflop is not None:
        yield from card_row("Compute", [f"{stage.compute_petaflop:,.6g} petaFLOP (10¹⁵ operations)"])
    yield from card_row("Compute measured by", [stage.compute_method])
    if stage.accelerator_hours is not None:
        yield from card_row("Accelerator time", [f"{stage.accelerator_hours:,.6g} device hours"])
    yield from card_row("Energy", [_energy(stage.energy)])
    yield from card_row("Funding", [stage.funding])
    yield from card_row("Started", [stage.started])
    yield from card_row("Ended", [stage.ended])


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


def _inference(card: Card) -> Iterator[Row]:
    inference = card.inference
    if inference is None:
        return
    yield from card_row("Benchmark", [inference.benchmark])
    if inference.petaflop is not None:
        yield from card_row("Compute", [f"{inference.petaflop:,.6g} petaFLOP (10¹⁵ operations)"])
    if inference.kilowatt_hours is not None:
        yield from card_row("Energy", [f"{inference.kilowatt_hours:,.6g} kWh"])
    yield from card_row("Measured by", [inference.method])


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
        yield from card_row(rel.capitalize(), says)
    for role in dict.fromkeys(contact.role for contact in card.contacts):
        who = [
            " · ".join(part for part in (contact.name, contact.address) if part)
            for contact in card.contacts
            if contact.role == role
        ]
        yield from card_row(f"Contact ({role})", who)


def _imported(card: Card) -> Iterator[Row]:
    if card.imported is not None:
        yield from card_row("In the README's front matter", card.imported.not_understood)
