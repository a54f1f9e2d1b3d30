# SPDX-License-Identifier: Apache-2.0
"""PROV-JSON, read by the PROV library of the University of Southampton: who, from what, by which activity."""

from __future__ import annotations

from typing import Any

import prov.model
from hypothesis import given, settings
from prov.constants import (
    PROV_ASSOCIATION,
    PROV_ATTRIBUTION,
    PROV_COMMUNICATION,
    PROV_DELEGATION,
    PROV_DERIVATION,
    PROV_GENERATION,
    PROV_LABEL,
    PROV_TYPE,
    PROV_USAGE,
)

from tests.library.cards.documents import cards, full_card
from tests.library.cards.test_spdx import subject
from weighbridge.cards import ExportSubject, export_card
from weighbridge.prov import Provenance, describe_graph
from weighbridge_schemas.api import LineageGraph
from weighbridge_schemas.card import Card

MODEL, STATEMENT, SIGNER = "1" * 64, "9" * 64, "7" * 64
RELEASE = subject(release_statement=f"sha256:{STATEMENT}")
WB = "https://weighbridge/prov/v1#"


def read(text: str) -> prov.model.ProvDocument:
    document = prov.model.ProvDocument.deserialize(content=text, format="json")
    again = prov.model.ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
    assert document == again, "PROV's own writer says the same"
    return document


def export(card: Card, of: ExportSubject | None = None) -> prov.model.ProvDocument:
    return read(export_card(card, "prov-json", of).text)


def pairs(document: prov.model.ProvDocument, kind: Any) -> set[tuple[str, str]]:
    """Return the two ends of each relation of a kind."""
    found = set()
    for record in document.get_records():
        if record.get_type() == kind:
            first, second = (str(value) for _, value in record.formal_attributes[:2])
            found.add((first, second))
    return found


def ours(record: Any, name: str) -> Any:
    values = {value for attribute, value in record.attributes if attribute.uri == f"{WB}{name}"}
    return next(iter(values), None)


def test_the_library_finds_all_that_a_release_says_of_its_origin() -> None:
    document = export(full_card(), RELEASE)
    making, stage = f"making:{MODEL}", f"stage:{MODEL}-0"
    assert pairs(document, PROV_DERIVATION) == {
        (f"sha256:{MODEL}", f"sha256:{'3' * 64}"),
        (f"sha256:{MODEL}", f"released:{'5' * 64}"),
        (f"sha256:{MODEL}", "model:pkg%3Ahuggingface%2Forg%2Fother%40c9745ed1"),
    }
    levels = {
        ours(record, "relation"): ours(record, "level")
        for record in document.get_records()
        if record.get_type() == PROV_DERIVATION
    }
    assert levels == {"quantized": 1, "merge": 1, None: 0}
    assert pairs(document, PROV_USAGE) >= {
        (making, f"sha256:{'3' * 64}"),
        (stage, "dataset:org%2Fmails"),
        (f"evaluating:{MODEL}", f"sha256:{'6' * 64}"),
        (f"evaluating:{MODEL}", f"sha256:{MODEL}"),
        (making, "dataset:org%2Fmore"),
    }
    assert pairs(document, PROV_COMMUNICATION) == {(making, stage)}
    assert pairs(document, PROV_GENERATION) == {
        (f"sha256:{MODEL}", making),
        (f"sha256:{STATEMENT}", f"signing:{STATEMENT}"),
    }
    assert pairs(document, PROV_ATTRIBUTION) == {
        (f"sha256:{STATEMENT}", f"signer:{SIGNER}"),
        (f"sha256:{MODEL}", "name:Ada"),
        (f"sha256:{MODEL}", "name:Tiny%20Lab"),
    }
    assert pairs(document, PROV_ASSOCIATION) == {(f"signing:{STATEMENT}", f"signer:{SIGNER}")}
    assert pairs(document, PROV_DELEGATION) == {(f"signer:{SIGNER}", "namespace:tiny")}


def test_every_thing_is_of_a_kind_and_every_relation_is_between_things_of_the_document() -> None:
    document = export(full_card(), RELEASE)
    known = {str(record.identifier) for record in document.get_records() if record.is_element()}
    for record in document.get_records():
        if record.is_element():
            assert record.get_attribute(PROV_TYPE), record.identifier
        else:
            assert {str(value) for _, value in record.formal_attributes[:2]} <= known


@settings(max_examples=20)
@given(cards())
def test_any_card_is_read_with_each_stage_and_name(card: Card) -> None:
    for of in (None, RELEASE):
        document = export(card, of)
        stages = [one for one in document.get_records() if str(one.identifier).startswith("stage:")]
        assert len(stages) == len(card.training)
        labels = {str(label) for one in document.get_records() for label in one.get_attribute(PROV_LABEL)}
        assert set(card.identity.developers if card.identity is not None else ()) <= labels


def test_no_name_of_a_stranger_becomes_the_name_of_something_else() -> None:
    def data(name: str) -> set[str]:
        text = {"data": [{"stage": "sft", "name": name}]}
        lineage = type(RELEASE.lineage).model_validate({"datasets": text["data"]})
        document = export(Card(), subject(lineage=lineage))
        return {str(one.identifier) for one in document.get_records() if one.is_element()}

    assert f"sha256:{MODEL}" in data(f"sha256:{MODEL}")
    assert f"dataset:sha256%3A{MODEL}" in data(f"sha256:{MODEL}")
    assert "dataset:_%3Ax%7D%22%2C" in data('_:x}",')


def node(name: str, generation: int) -> dict[str, Any]:
    digest = {"base": "3", "small": MODEL[0]}[name] * 64
    return {
        "digest": f"sha256:{digest}",
        "statement": f"sha256:{'5' * 64 if name == 'base' else STATEMENT}",
        "generation": generation,
        "namespace": "tiny",
        "model": name,
        "version": "1",
        "state": "released",
        "signer": {"id": SIGNER, "kind": "key", "label": "key 1234", "url": "/signers/x"},
    }


def edge(**changes: Any) -> dict[str, Any]:
    told = {"child": f"sha256:{MODEL}", "parent": f"sha256:{'3' * 64}", "relation": "quantized", "level": 3}
    told |= {"declared": True, "evidence": [], "child_statement": f"sha256:{STATEMENT}"}
    return told | {"parent_statement": f"sha256:{'5' * 64}"} | changes


def graph(*edges: dict[str, Any]) -> LineageGraph:
    nodes = [node("small", 0), node("base", -1)]
    told = {"digest": f"sha256:{MODEL}", "up": 1, "down": 1, "nodes": nodes, "edges": list(edges)}
    return LineageGraph.model_validate(
        told | {"as_of": {"size": 9, "origin": "log.example/0123456789abcdef"}}
    )


def test_a_graph_and_a_release_speak_of_the_same_things() -> None:
    written = Provenance()
    lost = describe_graph(written, graph(edge(), edge(declared=False, relation=None, level=0)))
    assert lost == ("1 likenesses that nobody declared",)
    document = read(written.write())
    assert pairs(document, PROV_DERIVATION) == {(f"sha256:{MODEL}", f"sha256:{'3' * 64}")}
    (derivation,) = (one for one in document.get_records() if one.get_type() == PROV_DERIVATION)
    assert (ours(derivation, "relation"), ours(derivation, "level")) == ("quantized", 3)
    whole = export(full_card(), RELEASE)
    whole.update(document)
    joined = whole.unified()
    ids = [str(one.identifier) for one in joined.get_records() if one.is_element()]
    assert len(ids) == len(set(ids)), "one thing has one name in both"
    assert {f"sha256:{MODEL}", f"signer:{SIGNER}", f"released:{'5' * 64}"} <= set(ids)


def test_what_tables_refute_and_what_nobody_registered_is_said() -> None:
    written = Provenance()
    refuted = edge(contradicted=True, level=1)
    named = edge(parent=None, parent_statement=None, name="org/elsewhere", level=0)
    describe_graph(written, graph(refuted, named))
    document = read(written.write())
    assert {(ours(one, "level"), ours(one, "contradicted")) for one in document.get_records()} >= {
        (1, True),
        (0, None),
    }
    assert (f"sha256:{MODEL}", "model:org%2Felsewhere") in pairs(document, PROV_DERIVATION)


def test_the_same_things_give_the_same_text() -> None:
    assert export_card(full_card(), "prov-json", RELEASE) == export_card(full_card(), "prov-json", RELEASE)
