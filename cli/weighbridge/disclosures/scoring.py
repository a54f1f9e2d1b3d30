# SPDX-License-Identifier: Apache-2.0
"""Which indicators signed documents meet, and where: of a release, or of a closed model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from .indicators import INDICATORS, Indicator

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.card_data import EuCategory
    from weighbridge_schemas.disclosure import Disclosure
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.release import Release

__all__ = ["Disclosed", "Finding", "State", "Warnings", "canonical_id", "find_answered", "find_stated"]

State = Literal["stated", "left open", "not stated", "not asked"]
"""`left open` with a reason; `not asked` where the documents at hand cannot answer it."""

_PLACES: Final = 8
"""Places that are named for one indicator."""
_ALIASES: Final = {"license": "licence", "licences": "licence", "licenses": "licence"}
_OF_RECORDS: Final = ("versioning", "warnings_answered")
"""Indicators that no disclosure of a closed model can meet."""


@dataclass(frozen=True, slots=True)
class Warnings:
    """Standing warnings of others about a release, and how many of them its owners answered."""

    total: int
    answered: int


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What is at hand of a model. None: not at hand, so that it is not asked.

    `licensed` are data sets of the lineage whose dataset/v1 statement (the one that it names, or the
    publisher's own) gives a licence. A card file alone knows nothing of a lineage.
    """

    card: Card | None
    lineage: Lineage | None = None
    release: Release | None = None
    licensed: tuple[str, ...] = field(default=())
    warnings: Warnings | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one indicator: its state, and where it stands, or why it was left open.

    `fix` says what to do where nothing is stated and it could be.
    """

    indicator: Indicator
    state: State
    places: tuple[str, ...] = ()
    fix: str | None = None


def find_stated(disclosed: Disclosed) -> tuple[Finding, ...]:
    """Return what a publisher stated of a release, or in a card file, one finding for each indicator."""
    return tuple(_stated(indicator, disclosed) for indicator in INDICATORS)


def find_answered(disclosure: Disclosure) -> tuple[Finding, ...]:
    """Return which indicators a disclosure/v1 answers, leaves open, or does not mention."""
    fields = {canonical_id(one.id): one for one in reversed(disclosure.fields)}
    found = []
    for indicator in INDICATORS:
        said = fields.get(indicator.id)
        if said is not None and said.answer is not None:
            found.append(Finding(indicator, "stated", (f"disclosure: field {said.id}",)))
        elif said is not None:
            found.append(Finding(indicator, "left open", (said.left_open or "",)))
        else:
            found.append(_unmentioned(indicator))
    return tuple(found)


def _unmentioned(indicator: Indicator) -> Finding:
    if indicator.id in _OF_RECORDS:
        return Finding(indicator, "not asked")
    return Finding(indicator, "not stated", fix=f"answer the field “{indicator.id}”, or leave it open")


def canonical_id(id_: str) -> str:
    """Return the short name of an indicator that a field of a disclosure means, or the field's own."""
    return _ALIASES.get(id_, id_)


def _stated(indicator: Indicator, disclosed: Disclosed) -> Finding:
    places = list(_RULES[indicator.id](disclosed))
    if places:
        more = [f"and {len(places) - _PLACES} more places"] if len(places) > _PLACES else []
        return Finding(indicator, "stated", (*places[:_PLACES], *more))
    if _is_beyond(indicator.id, disclosed):
        return Finding(indicator, "not asked")
    return Finding(indicator, "not stated", fix=indicator.how)


def _is_beyond(id_: str, disclosed: Disclosed) -> bool:
    """Tell whether the documents at hand could not say it at all."""
    if id_ == "warnings_answered":
        return disclosed.warnings is None or disclosed.warnings.total == 0
    if id_ == "system_prompt":
        return True
    return disclosed.release is None and id_ in ("dependencies", "exact_data", "versioning", "quantization")


# --- rules: each yields the places where an indicator is met -----------------------------------


def _members(*paths: str) -> Callable[[Disclosed], Iterator[str]]:
    """Return a rule that is met by any of some members of the card; `*` stands for each item of a list."""

    def rule(disclosed: Disclosed) -> Iterator[str]:
        if disclosed.card is not None:
            for path in paths:
                yield from (f"card: {place}" for place in _said(disclosed.card, path.split("."), ""))

    return rule


def _said(value: object, path: list[str], place: str) -> Iterator[str]:
    if value is None or value in ("", ()) or value == {}:
        return
    if not path:
        yield place
    elif path[0] == "*":
        for number, item in enumerate(value if isinstance(value, tuple) else ()):
            yield from _said(item, path[1:], f"{place}[{number}]")
    else:
        dotted = f"{place}.{path[0]}" if place else path[0]
        yield from _said(getattr(value, path[0]), path[1:], dotted)


def _both(first: str, second: str) -> Callable[[Disclosed], Iterator[str]]:
    """Return a rule that is met by two members together."""

    def rule(disclosed: Disclosed) -> Iterator[str]:
        found = [list(_members(path)(disclosed)) for path in (first, second)]
        if all(found):
            yield from (place for places in found for place in places)

    return rule


def _any(*rules: Callable[[Disclosed], Iterable[str]]) -> Callable[[Disclosed], Iterator[str]]:
    def rule(disclosed: Disclosed) -> Iterator[str]:
        for one in rules:
            yield from one(disclosed)

    return rule


def _risks(*categories: str) -> Callable[[Disclosed], Iterator[str]]:
    def rule(disclosed: Disclosed) -> Iterator[str]:
        for place, risk in enumerate(disclosed.card.risks if disclosed.card else ()):
            if risk.category in categories:
                yield f"card: risks[{place}]"

    return rule


def _component(name: str) -> Callable[[Disclosed], Iterator[str]]:
    def rule(disclosed: Disclosed) -> Iterator[str]:
        for place, component in enumerate(disclosed.card.components if disclosed.card else ()):
            if component.name == name:
                yield f"card: components[{place}]"

    return rule


def _link(*rels: str) -> Callable[[Disclosed], Iterator[str]]:
    def rule(disclosed: Disclosed) -> Iterator[str]:
        for place, link in enumerate(disclosed.card.links if disclosed.card else ()):
            if link.rel in rels:
                yield f"card: links[{place}]"

    return rule


def _source(*categories: EuCategory) -> Callable[[Disclosed], Iterator[str]]:
    """Return a rule that is met if a category is said to be unused, or more than that it was used is said."""

    def rule(disclosed: Disclosed) -> Iterator[str]:
        data = disclosed.card.data if disclosed.card else None
        for place, source in enumerate(data.sources if data else ()):
            details = (
                *(source.description, source.crawlers, source.domains, source.domains_at),
                *(source.services, source.generators),
            )
            told = not source.used or source.from_model is not None or any(details)
            if source.category in categories and told:
                yield f"card: data.sources[{place}]"

    return rule


def _uses(disclosed: Disclosed) -> Iterator[str]:
    """Yield the data sets of training that the lineage names."""
    for place, use in enumerate(disclosed.lineage.datasets if disclosed.lineage else ()):
        if use.stage != "eval":
            yield f"lineage: datasets[{place}]"


def _placed(disclosed: Disclosed) -> Iterator[str]:
    for place, use in enumerate(disclosed.lineage.datasets if disclosed.lineage else ()):
        if use.stage != "eval" and use.location is not None:
            yield f"lineage: datasets[{place}].location"


def _pinned(disclosed: Disclosed) -> Iterator[str]:
    for place, use in enumerate(disclosed.lineage.datasets if disclosed.lineage else ()):
        if use.stage != "eval" and (use.digest or use.statement or use.revision):
            yield f"lineage: datasets[{place}]"


def _described(disclosed: Disclosed) -> Iterator[str]:
    for name in disclosed.licensed:
        yield f"data set statement of {name}: license"


def _parents(disclosed: Disclosed) -> Iterator[str]:
    for place, _ in enumerate(disclosed.lineage.parents if disclosed.lineage else ()):
        yield f"lineage: parents[{place}]"


def _stages(disclosed: Disclosed) -> Iterator[str]:
    for place, stage in enumerate(disclosed.card.training if disclosed.card else ()):
        if stage.stage != "unspecified":
            yield f"card: training[{place}].stage"


def _processes(disclosed: Disclosed) -> Iterator[str]:
    """Yield the processes of all stages, if each has one."""
    stages = disclosed.card.training if disclosed.card else ()
    if stages and all(stage.process for stage in stages):
        yield from (f"card: training[{place}].process" for place in range(len(stages)))


def _later(disclosed: Disclosed) -> Iterator[str]:
    for place, stage in enumerate(disclosed.card.training if disclosed.card else ()):
        if stage.stage in ("finetuning", "post_training") and stage.process:
            yield f"card: training[{place}].process"


def _durations(disclosed: Disclosed) -> Iterator[str]:
    for place, stage in enumerate(disclosed.card.training if disclosed.card else ()):
        if stage.accelerator_hours is not None:
            yield f"card: training[{place}].accelerator_hours"
        elif stage.started and stage.ended:
            yield f"card: training[{place}].started"


def _exact_results(disclosed: Disclosed) -> Iterator[str]:
    for place, result in enumerate(disclosed.card.evaluations if disclosed.card else ()):
        exact = result.dataset_split or result.dataset_revision or result.benchmark_task
        if (result.dataset or result.dataset_name) and exact:
            yield f"card: evaluations[{place}]"


def _measured(disclosed: Disclosed) -> Iterator[str]:
    for place, result in enumerate(disclosed.card.evaluations if disclosed.card else ()):
        if result.source_name or result.source:
            yield f"card: evaluations[{place}]"


def _locations(disclosed: Disclosed) -> Iterator[str]:
    for place, _ in enumerate(disclosed.release.locations if disclosed.release else ()):
        yield f"release: locations[{place}]"


def _version(disclosed: Disclosed) -> Iterator[str]:
    if disclosed.release is not None:
        yield "release: version, model.model_digest"


def _table(disclosed: Disclosed) -> Iterator[str]:
    if disclosed.release is not None and disclosed.release.model.tensors is not None:
        yield "release: model.tensors"


def _security(disclosed: Disclosed) -> Iterator[str]:
    for place, contact in enumerate(disclosed.card.contacts if disclosed.card else ()):
        if contact.role == "security":
            yield f"card: contacts[{place}]"


def _answered(disclosed: Disclosed) -> Iterator[str]:
    if disclosed.warnings is not None and disclosed.warnings.answered:
        yield f"positions of its owners: {disclosed.warnings.answered} of {disclosed.warnings.total} warnings"


def _nothing(_disclosed: Disclosed) -> Iterable[str]:
    return ()


_RULES: Final[dict[str, Callable[[Disclosed], Iterable[str]]]] = {
    "developer": _members("identity.producer", "identity.developers"),
    "dependencies": _parents,
    "training_data": _any(_uses, _members("data.references", "data.description")),
    "public_data": _any(_placed, _members("data.references.*.location"), _source("public_datasets")),
    "exact_data": _pinned,
    "data_licences": _any(_members("data.references.*.license"), _described),
    "data_size": _members("data.sizes"),
    "data_period": _members("data.latest"),
    "data_languages": _members("data.languages"),
    "data_characteristics": _members("data.characteristics"),
    "crawling": _source("crawled"),
    "licensed_data": _source("private_licensed", "private_other"),
    "user_data": _source("user_data"),
    "synthetic_data": _source("synthetic"),
    "data_processing": _members("data.curation"),
    "copyright_policy": _members("data.opt_outs"),
    "illegal_content": _members("data.illegal_content"),
    "training_stages": _stages,
    "training_method": _processes,
    "hyperparameters": _members("training.*.hyperparameters"),
    "post_training": _later,
    "training_code": _component("training_code"),
    "compute": _members("training.*.compute_petaflop"),
    "hardware": _members("training.*.hardware"),
    "training_time": _durations,
    "energy": _members("training.*.energy.kilowatt_hours"),
    "emissions": _members("training.*.energy.co2_grams"),
    "inference_cost": _members("inference.petaflop", "inference.kilowatt_hours"),
    "architecture": _members("description.architecture"),
    "size": _members("description.parameters"),
    "modalities": _both("description.input_modalities", "description.output_modalities"),
    "context_length": _members("description.context_length", "description.input_limits"),
    "weights": _any(_component("model_parameters_final"), _locations),
    "quantization": _table,
    "system_prompt": _nothing,
    "evaluation": _members("evaluations"),
    "evaluation_data": _exact_results,
    "evaluation_source": _measured,
    "limitations": _risks("limitation"),
    "bias": _any(_risks("bias"), _members("data.biases")),
    "safety": _risks("safety", "security", "privacy"),
    "mitigations": _members("risks.*.mitigation"),
    "licence": _members("licenses.distribution", "licenses.code", "licenses.data", "licenses.document"),
    "intended_uses": _members("uses.intended"),
    "restricted_uses": _members("uses.out_of_scope"),
    "acceptable_use": _members("uses.acceptable_use_policy"),
    "requirements": _members("uses.hardware", "uses.software", "uses.integration", "identity.library"),
    "distribution": _any(_locations, _link("repository", "demo")),
    "versioning": _version,
    "change_log": _link("changelog"),
    "incidents": _security,
    "warnings_answered": _answered,
    "contacts": _members("contacts"),
}
