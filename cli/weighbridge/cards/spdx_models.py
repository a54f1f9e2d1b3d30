# SPDX-License-Identifier: Apache-2.0
"""What a card says of a model, as members of SPDX's `ai_AIPackage` (AI profile 3.0.1).

The safety risk of SPDX is a grade that a card does not give, so none is written: risks stand in
`ai_limitation`, each with its sort. Of autonomy, explainability, decision thresholds and compliance with
standards a card says nothing, so the document says nothing either.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from .spdx_data import description_of
from .spdx_elements import said

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, Data, EvaluationResult, TrainingStage

    from .exports import ExportSubject

__all__ = ["hyperparameters", "metrics", "model_members"]

_LINKS: Final = {
    "homepage": "altWebPage",
    "repository": "vcs",
    "paper": "documentation",
    "documentation": "documentation",
    "demo": "altWebPage",
    "license": "license",
    "changelog": "releaseNotes",
}
_FINETUNING: Final = ("finetuning", "post_training")
_PERSONAL: Final = {"present": "yes", "pseudonymised": "yes", "removed": "no"}
"""What SPDX says of personal data; *none known* is not *no*."""


def model_members(card: Card, subject: ExportSubject) -> dict[str, Any]:
    """Return the members that describe the model; those of which nothing is said are empty."""
    identity, description, data = card.identity, card.description, card.data
    return {
        "description": description.summary if description is not None else None,
        "software_homePage": next((one.url for one in card.links if one.rel == "homepage"), None),
        "externalRef": list(_references(card)),
        "ai_typeOfModel": [description.architecture] if description and description.architecture else [],
        "ai_domain": [identity.task] if identity is not None and identity.task else [],
        "ai_energyConsumption": _energy(card),
        "ai_informationAboutApplication": "\n".join(_application(card)),
        "ai_informationAboutTraining": "\n".join(_training(card, subject)),
        "ai_limitation": "\n".join(_limitations(card)),
        "ai_modelDataPreprocessing": list(_preparation(data)) if data is not None else [],
        "ai_useSensitivePersonalInformation": _personal(subject),
    }


def hyperparameters(card: Card) -> list[dict[str, Any]]:
    """Return size and context of the model, and the hyperparameters of each stage under the stage's name."""
    found: list[dict[str, Any]] = []
    if card.description is not None:
        found += _entry("model.parameters", card.description.parameters)
        found += _entry("model.context_length", card.description.context_length)
    stages = Counter(stage.stage for stage in card.training)
    for number, stage in enumerate(card.training):
        prefix = stage.stage if stages[stage.stage] == 1 else f"{stage.stage}.{number}"
        for name, value in sorted(stage.hyperparameters.items()):
            found += _entry(f"{prefix}.{name}", value)
    return found


def metrics(card: Card) -> list[dict[str, Any]]:
    """Return each measured value under what was measured, and the metrics that are only named."""
    found: list[dict[str, Any]] = []
    for result in card.evaluations:
        found += _entry(measured(result), result.value)
    for name in card.metrics:
        found.append({"type": "DictionaryEntry", "key": name})
    return found


def measured(result: EvaluationResult) -> str:
    """Say in one line what a value is of: metric, task, data set with configuration, split and revision."""
    parts = (
        result.metric_name or result.metric or result.benchmark_task,
        result.metric_config,
        result.task_name or result.task,
        result.dataset or result.dataset_name,
        result.benchmark_task if result.metric else None,
        result.dataset_config,
        result.dataset_split,
        result.dataset_revision,
    )
    return " / ".join(part for part in parts if part)


def _entry(key: str, value: Any) -> Iterator[dict[str, Any]]:
    if value is not None:
        yield {"type": "DictionaryEntry", "key": key, "value": _text(value)}


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _references(card: Card) -> Iterator[dict[str, Any]]:
    for link in card.links:
        kind = _LINKS.get(link.rel, "other")
        yield said(
            {"type": "ExternalRef", "externalRefType": kind, "locator": [link.url], "comment": link.title}
        )
    policy = card.uses.acceptable_use_policy if card.uses is not None else None
    if policy is not None:
        words = "acceptable use policy"
        yield {"type": "ExternalRef", "externalRefType": "other", "locator": [policy], "comment": words}


def _energy(card: Card) -> dict[str, Any]:
    """Return the kilowatt hours of training and fine-tuning; emissions stand in the words on training."""
    by_activity: dict[str, list[dict[str, Any]]] = {}
    for stage in card.training:
        if stage.energy is not None and stage.energy.kilowatt_hours is not None:
            activity = "finetuning" if stage.stage in _FINETUNING else "training"
            one = _kilowatt_hours(stage.energy.kilowatt_hours)
            by_activity.setdefault(f"ai_{activity}EnergyConsumption", []).append(one)
    if card.inference is not None and card.inference.kilowatt_hours is not None:
        by_activity["ai_inferenceEnergyConsumption"] = [_kilowatt_hours(card.inference.kilowatt_hours)]
    return {"type": "ai_EnergyConsumption", **by_activity} if by_activity else {}


def _kilowatt_hours(value: float) -> dict[str, Any]:
    return {
        "type": "ai_EnergyConsumptionDescription",
        "ai_energyQuantity": _decimal(value),
        "ai_energyUnit": "kilowattHour",
    }


def _decimal(value: float) -> float | str:
    """Return a number as xsd:decimal has it, which knows no exponents."""
    return value if "e" not in repr(value) else format(Decimal(repr(value)), "f")


def _application(card: Card) -> Iterator[str]:
    """Yield what is said of using the model, a line for each thing."""
    uses, description, inference = card.uses, card.description, card.inference
    library = card.identity.library if card.identity is not None else None
    said_of: list[tuple[str, Iterable[str | None]]] = []
    if uses is not None:
        said_of += [("Intended use", uses.intended), ("Downstream use", uses.downstream)]
        said_of += [("System", uses.systems), ("Integration", uses.integration)]
        said_of += [("Hardware", [uses.hardware]), ("Software", [uses.software])]
    said_of.append(("Library", [library]))
    if description is not None:
        said_of += [
            ("Input", [", ".join((*description.input_modalities, *description.input_limits))]),
            ("Output", [", ".join((*description.output_modalities, *description.output_limits))]),
        ]
    if inference is not None:
        said_of += [("Cost measured", [inference.benchmark]), ("How", [inference.method])]
        said_of.append(("Petaflop", [_text(inference.petaflop) if inference.petaflop is not None else None]))
    for label, texts in said_of:
        yield from (f"{label}: {text}" for text in texts if text)


def _preparation(data: Data) -> Iterator[str]:
    """Yield what was done with the data, each under what it is."""
    if data.description:
        yield data.description
    for name in ("characteristics", "curation", "unsuitable", "biases", "opt_outs", "illegal_content"):
        if (text := getattr(data, name)) is not None:
            yield f"{name.replace('_', ' ')}: {text}"


def _training(card: Card, subject: ExportSubject) -> Iterator[str]:
    parents = subject.lineage.parents if subject.lineage is not None else ()
    if any(parent.relation == "from_scratch" for parent in parents):
        yield "The publisher claims that it was trained from scratch: it has no parent."
    if card.description is not None and card.description.design is not None:
        yield f"design: {card.description.design}"
    for stage in card.training:
        told = [f"{name}: {_text(value)}" for name, value in _stage(stage).items() if value is not None]
        if told:
            yield f"{stage.stage}: {'; '.join(told)}"


def _stage(stage: TrainingStage) -> dict[str, Any]:
    energy = stage.energy
    return {
        "process": stage.process,
        "rationale": stage.rationale,
        "hardware": stage.hardware,
        "compute in petaflop": stage.compute_petaflop,
        "compute was measured": stage.compute_method,
        "accelerator hours": stage.accelerator_hours,
        "kilowatt hours": energy.kilowatt_hours if energy is not None else None,
        "emissions in grams of CO2 equivalent": energy.co2_grams if energy is not None else None,
        "source of energy figures": energy.source if energy is not None else None,
        "place": energy.location if energy is not None else None,
        "funding": stage.funding,
        "started": stage.started,
        "ended": stage.ended,
    }


def _limitations(card: Card) -> Iterator[str]:
    for risk in card.risks:
        sort = "" if risk.category == "limitation" else f"{risk.category}: "
        remedy = f" (mitigation: {risk.mitigation})" if risk.mitigation is not None else ""
        yield f"{sort}{risk.description}{remedy}"
    for text in card.uses.out_of_scope if card.uses is not None else ():
        yield f"Not meant for: {text}"


def _personal(subject: ExportSubject) -> str | None:
    """Say whether personal data was used, by the descriptions of the data sets that were trained on."""
    uses = subject.lineage.datasets if subject.lineage is not None else ()
    states = []
    for use in uses:
        described = description_of(use, subject)
        if use.stage != "eval" and described is not None and described.personal_data is not None:
            states.append(_PERSONAL.get(described.personal_data.state, "noAssertion"))
    if "yes" in states:
        return "yes"
    return "noAssertion" if states else None
