# SPDX-License-Identifier: Apache-2.0
"""Card → CycloneDX ML-BOM (ECMA-424), JSON, versions 1.6 and 1.7.

Written as plain JSON and held against the official schemas in tests. The serial number is derived from the
signed statement, so that the same release gives the same bytes. Compute and emissions go where the schema has
room: it wants the providers of energy, which a card does not know, so that list is empty.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from .exports import Exported, ExportSubject
from .members import DATA_MEMBERS, stated

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, Component, EvaluationResult, License, TrainingStage
    from weighbridge_schemas.lineage import Parent
    from weighbridge_schemas.release import ReleaseFile

__all__ = ["write_cyclonedx"]

_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://weighbridge/card/v1")
_LINKS: Final = {
    "homepage": "website",
    "repository": "vcs",
    "paper": "documentation",
    "documentation": "documentation",
    "license": "license",
    "changelog": "release-notes",
}
_ACTIVITIES: Final = {"finetuning": "fine-tuning", "post_training": "fine-tuning"}
_MODEL: Final = "model"
_GRAMS_PER_TONNE: Final = 1_000_000
_NO_PLACE: Final = (
    "identity.union_market",
    *(f"description.{one}" for one in ("input_limits", "output_limits", "design")),
    *(f"uses.{one}" for one in ("systems", "integration", "hardware", "software")),
    *("training.rationale", "training.compute_method", "inference", "data.references.category"),
    *(f"data.{one}" for one in DATA_MEMBERS),
)


def write_cyclonedx(card: Card, subject: ExportSubject, version: str) -> Exported:
    """Return the bill of materials of a model, described by its card; `version` is 1.6 or 1.7."""
    datasets = list(_datasets(card))
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, _identity(card, subject))}",
        "version": 1,
        "metadata": {
            **({"timestamp": subject.released_at} if subject.released_at else {}),
            "tools": {"components": [{"type": "application", "name": "weighbridge"}]},
            "component": _model(card, subject, datasets),
        },
        **({"components": datasets} if datasets else {}),
    }
    return Exported(json.dumps(document, indent=2, ensure_ascii=False) + "\n", tuple(_lost(card)))


def _identity(card: Card, subject: ExportSubject) -> str:
    """Return what the serial number is made from: the signed statement, else the card itself."""
    return subject.statement or json.dumps(card.to_json(), sort_keys=True)


def _said(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return members that say something."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def _model(card: Card, subject: ExportSubject, datasets: list[dict[str, Any]]) -> dict[str, Any]:
    identity, description = card.identity, card.description
    title = identity.title if identity is not None else None
    distribution = card.licenses.distribution if card.licenses is not None else None
    lineage = subject.lineage
    return _said(
        {
            "type": "machine-learning-model",
            "bom-ref": _MODEL,
            "manufacturer": {"name": identity.producer} if identity and identity.producer else None,
            "authors": [{"name": name} for name in identity.developers] if identity else None,
            "group": subject.namespace,
            "name": subject.name or title or "model",
            "version": subject.version,
            "description": description.summary if description is not None else None,
            "licenses": _licenses(distribution),
            "purl": next((one for one in subject.locations if one.startswith("pkg:")), None),
            "pedigree": {
                "ancestors": [_ancestor(one) for one in lineage.parents if one.relation != "from_scratch"]
            }
            if lineage is not None and lineage.parents and lineage.parents[0].relation != "from_scratch"
            else None,
            "externalReferences": list(_references(card)),
            "components": [_file(file) for file in subject.files],
            "modelCard": {"bom-ref": "card", **_model_card(card, datasets)},
            "properties": list(_properties(card, subject)),
            "tags": list(identity.tags) if identity is not None else None,
        }
    )


def _licenses(license_: License | None) -> list[dict[str, Any]]:
    if license_ is None:
        return []
    if license_.spdx is not None:
        return [{"expression": license_.spdx}]
    return [{"license": _said({"name": license_.text, "url": license_.url})}]


def _ancestor(parent: Parent) -> dict[str, Any]:
    location = parent.location
    return _said(
        {
            "type": "machine-learning-model",
            "name": parent.name or location or parent.digest or "unnamed",
            "version": parent.revision,
            "purl": location if location is not None and location.startswith("pkg:") else None,
            "properties": list(
                _property_list(
                    {
                        "relation": parent.relation,
                        "digest": parent.digest,
                        "statement": parent.statement.sha256 if parent.statement is not None else None,
                    }
                )
            ),
        }
    )


def _file(file: ReleaseFile) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": file.sha256}]
    if file.blake3 is not None:
        hashes.append({"alg": "BLAKE3", "content": file.blake3})
    return {"type": "file", "name": file.path, "hashes": hashes}


def _references(card: Card) -> Iterator[dict[str, Any]]:
    for link in card.links:
        yield _said({"type": _LINKS.get(link.rel, "other"), "url": link.url, "comment": link.title})
    if card.uses is not None and card.uses.acceptable_use_policy is not None:
        yield {"type": "other", "url": card.uses.acceptable_use_policy, "comment": "acceptable use policy"}


def _datasets(card: Card) -> Iterator[dict[str, Any]]:
    for number, reference in enumerate(card.data.references if card.data is not None else ()):
        contents = {"url": reference.location} if reference.location is not None else None
        yield _said(
            {
                "type": "data",
                "bom-ref": f"dataset-{number}",
                "name": reference.name,
                "description": reference.note,
                "licenses": _licenses(reference.license),
                "data": [_said({"type": "dataset", "name": reference.name, "contents": contents})],
                "properties": list(_property_list({"digest": reference.digest})),
            }
        )


def _model_card(card: Card, datasets: list[dict[str, Any]]) -> dict[str, Any]:
    description = card.description
    parameters = {
        "task": card.identity.task if card.identity is not None else None,
        "modelArchitecture": description.architecture if description is not None else None,
        "datasets": [{"ref": one["bom-ref"]} for one in datasets],
        "inputs": [{"format": one} for one in description.input_modalities] if description else None,
        "outputs": [{"format": one} for one in description.output_modalities] if description else None,
    }
    return _said(
        {
            "modelParameters": _said(parameters),
            "quantitativeAnalysis": _said({"performanceMetrics": [_metric(one) for one in card.evaluations]}),
            "considerations": _considerations(card),
        }
    )


def _metric(result: EvaluationResult) -> dict[str, str]:
    parts = (
        result.task,
        result.dataset_name or result.dataset,
        result.benchmark_task,
        result.dataset_config,
        result.dataset_split,
        result.dataset_revision,
    )
    value = result.value if isinstance(result.value, str) else _number(result.value)
    where = " / ".join(part for part in parts if part)
    return _said({"type": result.metric or result.benchmark_task, "value": value, "slice": where})


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _considerations(card: Card) -> dict[str, Any]:
    uses = card.uses
    energy = [one for one in map(_energy, card.training) if one is not None]
    limitations = [risk.description for risk in card.risks if risk.category == "limitation"]
    out_of_scope = [f"Not meant for: {text}" for text in uses.out_of_scope] if uses is not None else []
    return _said(
        {
            "useCases": [*uses.intended, *uses.downstream] if uses is not None else None,
            "technicalLimitations": [*limitations, *out_of_scope],
            "ethicalConsiderations": [
                _said({"name": f"{risk.category}: {risk.description}", "mitigationStrategy": risk.mitigation})
                for risk in card.risks
                if risk.category != "limitation"
            ],
            "environmentalConsiderations": {"energyConsumptions": energy} if energy else None,
        }
    )


def _energy(stage: TrainingStage) -> dict[str, Any] | None:
    """Return a stage's energy: the schema asks for kilowatt hours, so a stage without them has no place."""
    energy = stage.energy
    if energy is None or energy.kilowatt_hours is None:
        return None
    found: dict[str, Any] = {
        "activity": _ACTIVITIES.get(stage.stage, "training"),
        "energyProviders": [],
        "activityEnergyCost": {"value": energy.kilowatt_hours, "unit": "kWh"},
    }
    if energy.co2_grams is not None:
        found["co2CostEquivalent"] = {"value": energy.co2_grams / _GRAMS_PER_TONNE, "unit": "tCO2eq"}
    return found


def _properties(card: Card, subject: ExportSubject) -> Iterator[dict[str, str]]:
    description = card.description
    yield from _property_list(
        {
            "model_digest": subject.model_digest,
            "weights_digest": subject.weights_digest,
            "statement": subject.statement,
            "parameters": description.parameters if description is not None else None,
            "context_length": description.context_length if description is not None else None,
            "library": card.identity.library if card.identity is not None else None,
            "readme": f"sha256:{card.readme.sha256}" if card.readme is not None else None,
        }
    )
    for number, stage in enumerate(card.training):
        yield from _property_list(_stage(stage), prefix=f"training.{number}.")
    for component in card.components:
        yield from _property_list({component.name: _component(component)}, prefix="component.")


def _stage(stage: TrainingStage) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "process": stage.process,
        "hardware": stage.hardware,
        "compute_petaflop": stage.compute_petaflop,
        "accelerator_hours": stage.accelerator_hours,
        "co2_grams": stage.energy.co2_grams if stage.energy is not None else None,
        **{f"hyperparameters.{name}": value for name, value in stage.hyperparameters.items()},
    }


def _component(component: Component) -> str:
    license_ = component.license
    parts: Iterable[str | None] = (
        "released" if component.present else "not released",
        (license_.spdx or license_.text) if license_ is not None else None,
        component.location,
        component.digest,
    )
    return "; ".join(part for part in parts if part)


def _property_list(members: Mapping[str, Any], *, prefix: str = "") -> Iterator[dict[str, str]]:
    for name, value in members.items():
        if value not in (None, ""):
            text = value if isinstance(value, str) else json.dumps(value)
            yield {"name": f"weighbridge:{prefix}{name}", "value": text}


def _lost(card: Card) -> Iterator[str]:
    if card.metrics:
        yield "metrics named without a value"
    if card.contacts:
        yield "contacts"
    if card.licenses is not None and (card.licenses.code or card.licenses.data or card.licenses.document):
        yield "licenses of code, data and documents"
    if card.identity is not None and card.identity.languages:
        yield "identity.languages"
    yield from stated(card, *_NO_PLACE)
