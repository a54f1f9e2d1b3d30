# SPDX-License-Identifier: Apache-2.0
"""Card → front matter of a README.md on the Hugging Face hub.

`card_from_readme` reads it back: what it gives is written as the same front matter again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from weighbridge.licenses import hub_name
from weighbridge.strict_yaml import write_yaml

from .exports import Exported, ExportSubject
from .members import DATA_MEMBERS, stated

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, EvaluationResult, License, TrainingStage
    from weighbridge_schemas.lineage import Lineage

__all__ = ["write_huggingface"]

_HUB_RELATIONS: Final = frozenset(("adapter", "merge", "quantized", "finetune"))
_TRAINING_TYPES: Final = {"pretraining": "pre-training", "finetuning": "fine-tuning"}
_NO_PLACE: Final = ("description", "uses", "risks", "components", "links", "contacts", "inference")
_IDENTITY_NO_PLACE: Final = ("developers", "producer", "union_market")


def write_huggingface(card: Card, subject: ExportSubject) -> Exported:
    """Return the front matter between its `---` lines."""
    identity = card.identity
    title = identity.title if identity is not None else None
    members: dict[str, Any] = {"model_name": title or subject.name or None}
    if identity is not None:
        members |= {
            "language": ["multilingual" if tag == "mul" else tag for tag in identity.languages],
            "library_name": identity.library,
            "pipeline_tag": identity.task,
            "tags": list(identity.tags),
            "new_version": identity.replaced_by,
        }
    members |= _license(card.licenses.distribution if card.licenses is not None else None)
    members |= {
        "datasets": [one.name for one in card.data.references] if card.data is not None else [],
        "metrics": list(card.metrics),
        "co2_eq_emissions": _emissions(card.training),
    }
    members |= _base_models(subject.lineage)
    results = [result for result in map(_result, card.evaluations) if result is not None]
    if results:
        members["model-index"] = [{"name": title or subject.name or "model", "results": results}]
    stated = {name: value for name, value in members.items() if value not in (None, [], {})}
    return Exported(f"---\n{write_yaml(stated) if stated else ''}---\n", tuple(_lost(card)))


def _license(license_: License | None) -> dict[str, Any]:
    if license_ is None:
        return {}
    link = {"license_link": license_.url or license_.path}
    name = hub_name(license_.spdx) if license_.spdx is not None else None
    if name is not None:
        return {"license": name, **link}
    return {"license": "other", "license_name": license_.spdx or license_.text, **link}


def _emissions(stages: tuple[TrainingStage, ...]) -> dict[str, Any]:
    """Return the emissions of the one stage that has them: the hub has room for one."""
    stage = _emitting(stages)
    if stage is None or stage.energy is None:
        return {}
    stated = {
        "emissions": stage.energy.co2_grams,
        "source": stage.energy.source,
        "training_type": _TRAINING_TYPES.get(stage.stage),
        "geographical_location": stage.energy.location,
        "hardware_used": stage.hardware,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _emitting(stages: tuple[TrainingStage, ...]) -> TrainingStage | None:
    return next((one for one in stages if one.energy is not None and one.energy.co2_grams is not None), None)


def _base_models(lineage: Lineage | None) -> dict[str, Any]:
    if lineage is None:
        return {}
    named = [parent for parent in lineage.parents if parent.name is not None]
    relations = {parent.relation for parent in named}
    relation = relations.pop() if len(relations) == 1 else None
    return {
        "base_model": [parent.name for parent in named],
        "base_model_relation": relation if relation in _HUB_RELATIONS else None,
    }


def _result(result: EvaluationResult) -> dict[str, Any] | None:
    """Return one entry of `model-index`, which needs a task, a data set and a metric; None without them."""
    if result.task is None or result.dataset is None or result.metric is None:
        return None
    parts: dict[str, dict[str, Any]] = {
        "task": {"type": result.task, "name": result.task_name},
        "dataset": {
            "name": result.dataset_name or result.dataset,
            "type": result.dataset,
            "config": result.dataset_config,
            "split": result.dataset_split,
            "revision": result.dataset_revision,
        },
        "metric": {
            "type": result.metric,
            "value": result.value,
            "name": result.metric_name,
            "config": result.metric_config,
        },
        "source": {"name": result.source_name, "url": result.source},
    }
    stated = {
        name: {key: value for key, value in part.items() if value is not None} for name, part in parts.items()
    }
    stated["metrics"] = [stated.pop("metric")]  # type: ignore[assignment]  # a list where the others are mappings
    if "url" not in stated["source"]:
        del stated["source"]  # the hub's reader asks for the address
    return stated


def _lost(card: Card) -> Iterator[str]:
    """Name what front matter has no member for."""
    for group in _NO_PLACE:
        if getattr(card, group):
            yield group
    for member in _IDENTITY_NO_PLACE:
        if card.identity is not None and getattr(card.identity, member):
            yield f"identity.{member}"
    licenses = card.licenses
    if licenses is not None and (licenses.code or licenses.data or licenses.document):
        yield "licenses of code, data and documents"
    emitting = _emitting(card.training)
    if any(stage is not emitting or stage.process or stage.hyperparameters for stage in card.training):
        yield "training (but the emissions of one stage)"
    yield from stated(card, "data.references.category", *(f"data.{one}" for one in DATA_MEMBERS))
    unplaced = sum(_result(result) is None for result in card.evaluations)
    if unplaced:
        yield f"{unplaced} evaluation results without task, data set or metric (.eval_results has room)"
