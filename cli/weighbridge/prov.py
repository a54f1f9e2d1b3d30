# SPDX-License-Identifier: Apache-2.0
"""Where a model comes from, in PROV-JSON (W3C Member Submission of 24 April 2013; PROV-DM for the meaning).

Two sources, one vocabulary: what a release's signed documents say of it (`describe_release`, offline), and
the graph that a registry draws around a digest (`describe_graph`). Entities are named by their digests, so
that documents of several releases and of several registries can be put together:

    entity      models, parents, data sets, signed statements
    activity    making a model, each stage of training, evaluating it, signing the release
    agent       signers; namespaces, on whose behalf they sign; whom the card calls producer or developer

Only what somebody declared becomes a derivation: what a registry merely noticed in tensors does not. Nothing
here is proved by being written down; each derivation says in `wb:level` how much stands behind it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from weighbridge import canonical

if TYPE_CHECKING:
    from weighbridge.cards import ExportSubject
    from weighbridge_schemas.api import GraphEdge, LineageGraph, LineageNode
    from weighbridge_schemas.card import Card, TrainingStage
    from weighbridge_schemas.lineage import DatasetUse, Parent

__all__ = ["Provenance", "describe_graph", "describe_release"]

_PREFIXES: Final = {
    "sha256": "urn:sha256:",
    "model": "urn:weighbridge:model:",
    "released": "urn:weighbridge:released:",
    "dataset": "urn:weighbridge:dataset:",
    "card": "urn:weighbridge:card:",
    "signer": "urn:weighbridge:signer:",
    "namespace": "urn:weighbridge:namespace:",
    "name": "urn:weighbridge:name:",
    "making": "urn:weighbridge:making:",
    "stage": "urn:weighbridge:stage:",
    "evaluating": "urn:weighbridge:evaluating:",
    "signing": "urn:weighbridge:signing:",
    "wb": "https://weighbridge/prov/v1#",
}
_STAGES: Final = {
    "pretrain": ("pretraining",),
    "midtrain": ("midtraining",),
    "sft": ("finetuning", "post_training"),
    "preference": ("post_training", "finetuning"),
    "rl": ("post_training", "finetuning"),
}
"""Stages of training in which data of a stage can have been used, the likeliest first."""
_ENDS: Final = {
    "wasGeneratedBy": ("entity", "activity"),
    "used": ("activity", "entity"),
    "wasAttributedTo": ("entity", "agent"),
    "wasAssociatedWith": ("activity", "agent"),
    "actedOnBehalfOf": ("delegate", "responsible"),
    "wasInformedBy": ("informed", "informant"),
    "wasDerivedFrom": ("generatedEntity", "usedEntity"),
    "alternateOf": ("alternate1", "alternate2"),
}
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Provenance:
    """One PROV-JSON document. What is said twice of a thing is joined, so sources can be put together."""

    def __init__(self) -> None:
        self._things: dict[str, dict[str, dict[str, list[Any]]]] = {"entity": {}, "activity": {}, "agent": {}}
        self._relations: dict[str, dict[str, dict[str, Any]]] = {}

    def thing(self, sort: str, id_: str, kind: str, **attributes: Any) -> str:
        """Write an entity, activity or agent; our attributes begin with `wb_`, those of PROV with `prov_`."""
        told = self._things[sort].setdefault(id_, {})
        values = {"prov:type": {"$": f"wb:{kind}", "type": "prov:QUALIFIED_NAME"}} | _attributes(attributes)
        for name, value in values.items():
            if value not in told.setdefault(name, []):
                told[name].append(value)
        return id_

    def relate(self, kind: str, first: str, second: str, **attributes: Any) -> None:
        """Write a relation once; another one between the same two needs other attributes."""
        ends = {f"prov:{end}": thing for end, thing in zip(_ENDS[kind], (first, second), strict=True)}
        told = {**ends, **_attributes(attributes)}
        name = hashlib.sha256(canonical.encode([kind, told])).hexdigest()[:32]
        self._relations.setdefault(kind, {})[f"_:{name}"] = told

    def write(self) -> str:
        """Return the document; the same things give the same text."""
        found: dict[str, Any] = {"prefix": _PREFIXES}
        for sort, things in self._things.items():
            if things:
                found[sort] = {
                    id_: {name: values[0] if len(values) == 1 else values for name, values in told.items()}
                    for id_, told in sorted(things.items())
                }
        for kind in _ENDS:
            if kind in self._relations:
                found[kind] = dict(sorted(self._relations[kind].items()))
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _attributes(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes that say something, with the names that PROV-JSON has for them."""
    return {
        name.replace("_", ":", 1): value for name, value in told.items() if value is not None and value != ""
    }


def _named(prefix: str, text: str) -> str:
    """Return the name of something that has no digest: by what people call it."""
    return f"{prefix}:{quote(text, safe='')}"


def describe_release(document: Provenance, card: Card, subject: ExportSubject) -> tuple[str, ...]:
    """Write what a release's signed documents say of its origin; return what PROV has no place for."""
    model = _model(document, card, subject)
    making = document.thing("activity", f"making:{_local(model)}", "Making")
    document.relate("wasGeneratedBy", model, making)
    stages = _stages(document, card, making, _local(model))
    _people(document, card, model)
    _signing(document, subject, model)
    for parent in subject.lineage.parents if subject.lineage is not None else ():
        _descent(document, model, making, parent)
    for use in subject.lineage.datasets if subject.lineage is not None else ():
        _use(document, use, model, making, stages)
    return tuple(_lost(card, subject))


def _local(id_: str) -> str:
    return id_.partition(":")[2]


def _model(document: Provenance, card: Card, subject: ExportSubject) -> str:
    title = card.identity.title if card.identity is not None else None
    name = f"{subject.namespace}/{subject.name}@{subject.version}" if subject.namespace else title
    own = f"card:{hashlib.sha256(canonical.encode(card.to_json())).hexdigest()}"
    id_ = subject.model_digest or own  # a card file knows no model: its digest stands for what it describes
    parents = subject.lineage.parents if subject.lineage is not None else ()
    scratch = any(parent.relation == "from_scratch" for parent in parents)
    return document.thing(
        "entity",
        id_,
        "Model",
        prov_label=name,
        wb_weights_digest=subject.weights_digest,
        wb_from_scratch=True if scratch else None,
    )


def _stages(document: Provenance, card: Card, making: str, model: str) -> dict[str, list[str]]:
    """Write the stages of training, each of which the making rests on; return them by their kind."""
    found: dict[str, list[str]] = {}
    for number, stage in enumerate(card.training):
        id_ = document.thing("activity", f"stage:{model}-{number}", "TrainingStage", **_stage(stage))
        document.relate("wasInformedBy", making, id_)
        found.setdefault(stage.stage, []).append(id_)
    return found


def _stage(stage: TrainingStage) -> dict[str, Any]:
    return {
        "prov_startTime": stage.started,
        "prov_endTime": stage.ended,
        "wb_stage": stage.stage,
        "wb_process": stage.process,
        "wb_hardware": stage.hardware,
    }


def _people(document: Provenance, card: Card, model: str) -> None:
    """Write whom the card names: claims of the signer, so they are names and no more."""
    identity = card.identity
    for name in identity.developers if identity is not None else ():
        agent = document.thing("agent", _named("name", name), "Named", prov_label=name)
        document.relate("wasAttributedTo", model, agent, wb_role="developer")
    if identity is not None and identity.producer is not None:
        name = identity.producer
        agent = document.thing("agent", _named("name", name), "Named", prov_label=name)
        document.relate("wasAttributedTo", model, agent, wb_role="producer")


def _signing(document: Provenance, subject: ExportSubject, model: str) -> None:
    """Write the signed statement, who signed it, and on whose behalf."""
    if subject.statement:
        document.thing("entity", subject.statement, "Statement")
    if not (subject.release_statement and subject.model_digest):
        return
    statement = document.thing("entity", subject.release_statement, "Statement", wb_kind="release")
    signing = document.thing("activity", f"signing:{_local(statement)}", "Signing")
    document.relate("used", signing, model)
    document.relate("wasGeneratedBy", statement, signing, prov_time=subject.released_at)
    _released(document, statement, model)
    if subject.signer_id:
        signer = _signer(document, subject.signer_id, subject.signer, subject.namespace)
        document.relate("wasAssociatedWith", signing, signer)
        document.relate("wasAttributedTo", statement, signer)


def _released(document: Provenance, statement: str, model: str) -> None:
    """Say which model a release statement releases: a child may name its parent by that alone."""
    released = document.thing("entity", f"released:{_local(statement)}", "Model", wb_statement=statement)
    document.relate("alternateOf", released, model)


def _signer(document: Provenance, signer_id: str, label: str, namespace: str) -> str:
    signer = document.thing("agent", f"signer:{signer_id}", "Signer", prov_label=label)
    if namespace:
        known = document.thing("agent", _named("namespace", namespace), "Namespace", prov_label=namespace)
        document.relate("actedOnBehalfOf", signer, known)
    return signer


def _descent(document: Provenance, model: str, making: str, parent: Parent) -> None:
    if parent.relation == "from_scratch":
        return
    name = parent.name or parent.location or ""
    if parent.digest is not None:
        id_ = parent.digest
    elif parent.statement is not None:
        id_ = f"released:{parent.statement.sha256}"
    else:
        id_ = _named("model", name)
    told = {"wb_location": parent.location, "wb_revision": parent.revision}
    statement = f"sha256:{parent.statement.sha256}" if parent.statement is not None else None
    document.thing("entity", id_, "Model", prov_label=name, wb_statement=statement, **told)
    level = 0 if parent.digest is None and parent.statement is None else 1
    _derived(document, model, id_, making, relation=parent.relation, level=level)


def _derived(
    document: Provenance,
    child: str,
    parent: str,
    making: str,
    *,
    relation: str | None,
    level: int,
    contradicted: bool = False,
) -> None:
    """Write a derivation with its activity, and that the activity used the parent."""
    told = {"wb_relation": relation, "wb_level": level, "wb_contradicted": True if contradicted else None}
    document.relate("used", making, parent, wb_role="parent")
    document.relate("wasDerivedFrom", child, parent, prov_activity=making, **told)


def _use(
    document: Provenance, use: DatasetUse, model: str, making: str, stages: Mapping[str, list[str]]
) -> None:
    """Write a data set, and which activity used it: its stage of training if just one can be meant."""
    statement = f"sha256:{use.statement.sha256}" if use.statement is not None else None
    if statement is not None:
        document.thing("entity", statement, "Statement", wb_kind="dataset")
    data = document.thing(
        "entity",
        use.digest or _named("dataset", use.name),
        "Dataset",
        prov_label=use.name,
        wb_location=use.location,
        wb_revision=use.revision,
        wb_described_by=statement,
    )
    activity = making
    if use.stage == "eval":
        activity = document.thing("activity", f"evaluating:{_local(model)}", "Evaluating")
        document.relate("used", activity, model)
    for kind in _STAGES.get(use.stage or "", ()):
        if len(stages.get(kind, ())) == 1:
            activity = stages[kind][0]
            break
    document.relate("used", activity, data, wb_stage=use.stage, wb_note=use.note)


def _lost(card: Card, subject: ExportSubject) -> list[str]:
    """Name what a document on origin has no place for: what a model is, and what it scored."""
    groups = (
        "description",
        "licenses",
        "uses",
        "risks",
        "evaluations",
        "metrics",
        "components",
        "links",
        "inference",
    )
    found = [name for name in (*groups, "contacts", "data", "readme") if getattr(card, name)]
    told = ("hyperparameters", "compute_petaflop", "accelerator_hours", "energy", "funding")
    if any(getattr(stage, name) for stage in card.training for name in told):
        found.append("training: hyperparameters, compute, energy, funding")
    identity = card.identity
    if identity is not None and (identity.languages or identity.tags or identity.task or identity.library):
        found.append("identity: languages, tags, task, library")
    if subject.files:
        found.append("files: the model stands for all of them")
    return found


def describe_graph(document: Provenance, graph: LineageGraph) -> tuple[str, ...]:
    """Write the releases of a registry's graph and the declared edges; return what is left out."""
    nodes = {node.statement: node for node in graph.nodes if node.statement is not None}
    for node in nodes.values():
        _node(document, node)
    proposed = 0
    for edge in graph.edges:
        if edge.declared:
            _edge(document, edge)
        else:
            proposed += 1
    found = [f"{proposed} likenesses that nobody declared"] if proposed else []
    if graph.truncated or any(node.more_up or node.more_down for node in graph.nodes):
        found.append("releases farther away, or beyond what a registry lists")
    return tuple(found)


def _node(document: Provenance, node: LineageNode) -> None:
    if node.digest is None or node.statement is None:
        return
    name = f"{node.namespace}/{node.model}@{node.version}"
    document.thing("entity", node.digest, "Model", prov_label=name)
    statement = document.thing("entity", node.statement, "Statement", wb_kind="release", wb_state=node.state)
    signing = document.thing("activity", f"signing:{_local(statement)}", "Signing")
    document.relate("used", signing, node.digest)
    document.relate("wasGeneratedBy", statement, signing)
    _released(document, statement, node.digest)
    if node.signer is not None and _HEX.fullmatch(node.signer.id):
        signer = _signer(document, node.signer.id, node.signer.label, node.namespace or "")
        document.relate("wasAssociatedWith", signing, signer)
        document.relate("wasAttributedTo", statement, signer)


def _edge(document: Provenance, edge: GraphEdge) -> None:
    parent = edge.parent or _named("model", edge.name or edge.location or "unnamed")
    name = f"{edge.namespace}/{edge.model}@{edge.version}" if edge.namespace else edge.name
    document.thing("entity", parent, "Model", prov_label=name)
    making = document.thing("activity", f"making:{_local(edge.child)}", "Making")
    document.relate("wasGeneratedBy", edge.child, making)
    _derived(
        document,
        edge.child,
        parent,
        making,
        relation=edge.relation,
        level=edge.level,
        contradicted=edge.contradicted,
    )
