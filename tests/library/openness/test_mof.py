# SPDX-License-Identifier: Apache-2.0
"""The class of a card: the published vectors, a second evaluator, and what evidence is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge_schemas
from weighbridge.openness import BY_NAME, COMPONENTS, RULESET, Assessment, Evidence, assess, describe_openness
from weighbridge.openness.mof import ComponentFinding
from weighbridge_schemas.card import Card

VECTORS = json.loads((Path(weighbridge_schemas.__file__).parent / "vectors" / "openness.json").read_text())

LICENSES: list[tuple[dict[str, str] | None, bool]] = [
    (None, False),
    ({"spdx": "Apache-2.0"}, True),
    ({"spdx": "CC-BY-4.0"}, True),
    ({"spdx": "CDLA-Sharing-1.0"}, True),
    ({"spdx": "OpenMDW-1.0"}, True),
    ({"spdx": "OGL-UK-3.0"}, True),
    ({"spdx": "CC-BY-NC-4.0"}, False),
    ({"spdx": "BUSL-1.1"}, False),
    ({"spdx": "NOSUCH-1.0"}, False),
    ({"text": "Community Licence"}, False),
]
_OPEN = {json.dumps(license_): is_open for license_, is_open in LICENSES}

III = ["model_architecture", "model_parameters_final", "evaluation_results", "model_card", "data_card"]
II = ["training_code", "inference_code", "evaluation_code", "evaluation_data"]
I = ["datasets", "data_preprocessing_code", "model_parameters_intermediate"]  # noqa: E741 - the class's name
CODE = {"model_architecture", "data_preprocessing_code", *II[:3], "supporting_libraries"}
DATA = {
    "model_parameters_final",
    "model_parameters_intermediate",
    "evaluation_data",
    "datasets",
    "model_metadata",
}


def class_by_hand(card: dict[str, Any]) -> int:
    """The rules written a second time, from the specification's words and without the library."""
    licenses = card.get("licenses", {})
    counted = set()
    for one in card.get("components", []):
        kind = "code" if one["name"] in CODE else "data" if one["name"] in DATA else "document"
        license_ = one.get("license") or licenses.get(kind) or licenses.get("distribution")
        if one["present"] and _OPEN[json.dumps(license_)]:
            counted.add(one["name"])
    report = {"technical_report", "research_paper"} & counted
    if not (set(III) <= counted and report):
        return 0
    if not set(II) <= counted:
        return 3
    return 1 if {*I, "research_paper"} <= counted else 2


def licensed() -> st.SearchStrategy[dict[str, str] | None]:
    return st.sampled_from([license_ for license_, _ in LICENSES])


@st.composite
def cards(draw: st.DrawFn) -> dict[str, Any]:
    """Cards that mostly declare much, so that every class comes up."""
    components = []
    for rule in COMPONENTS:
        said = draw(st.sampled_from(["yes", "yes", "yes", "yes", "yes", "yes", "no", "nothing"]))
        if said == "nothing":
            continue
        own = draw(st.one_of(st.none(), st.none(), st.none(), licensed()))
        components.append(
            {"name": rule.name, "present": said == "yes"} | ({"license": own} if own is not None else {})
        )
    groups = {
        name: license_
        for name in ("distribution", "code", "data", "document")
        if (license_ := draw(st.one_of(st.just(LICENSES[1][0]), licensed()))) is not None
    }
    return {"components": components} | ({"licenses": groups} if groups else {})


def assessed(card: dict[str, Any], evidence: Evidence | None = None) -> Assessment:
    return assess(Card.model_validate(card), evidence)


def finding(card: dict[str, Any], name: str, evidence: Evidence | None = None) -> ComponentFinding:
    return next(one for one in assessed(card, evidence).components if one.rule.name == name)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_published_vector(case: dict[str, Any]) -> None:
    found = assessed(case["card"])
    assert VECTORS["ruleset"] == RULESET == found.ruleset
    assert found.class_ == case["class"]
    assert [one.rule.name for one in found.components if one.counts] == case["counted"]
    assert list(found.missing) == case["missing"]


def test_every_class_is_among_the_vectors() -> None:
    assert {case["class"] for case in VECTORS["cases"]} == {0, 1, 2, 3}


@settings(max_examples=15)
@given(cards())
def test_a_second_evaluator_finds_the_same_class(card: dict[str, Any]) -> None:
    assert assessed(card).class_ == class_by_hand(card)


@settings(max_examples=15)
@given(cards())
def test_adding_what_is_missing_reaches_the_next_class(card: dict[str, Any]) -> None:
    found = assessed(card)
    assert (found.missing == ()) == (found.class_ == 1)
    for one in found.components:
        assert (one.fix is None) == one.counts
    if found.class_ == 1:
        return
    others = [one for one in card["components"] if one["name"] not in found.missing]
    added = [{"name": name, "present": True, "license": {"spdx": "OpenMDW-1.0"}} for name in found.missing]
    reached = assessed(card | {"components": [*others, *added]}).class_
    assert 0 < reached <= (found.next_class or 0)  # it may go further, if all above is there already


@settings(max_examples=15)
@given(cards(), st.sampled_from([rule.name for rule in COMPONENTS]))
def test_opening_a_component_never_lowers_the_class(card: dict[str, Any], name: str) -> None:
    before = assessed(card).class_ or 4
    others = [one for one in card["components"] if one["name"] != name]
    opened = {"name": name, "present": True, "license": {"spdx": "MIT"}}
    assert (assessed(card | {"components": [*others, opened]}).class_ or 4) <= before


@settings(max_examples=15)
@given(cards())
def test_evidence_changes_no_class(card: dict[str, Any]) -> None:
    seen = Evidence(files={"model.safetensors": "a" * 64}, readme="b" * 64)
    assert assessed(card, seen).class_ == assessed(card).class_


def test_the_seventeen_components_are_those_of_the_card() -> None:
    assert len(COMPONENTS) == len(BY_NAME) == 17
    assert [rule.name for rule in COMPONENTS if rule.required and rule.needed_by == 3] == [
        *III,
        "technical_report",
    ]
    assert {rule.name for rule in COMPONENTS if rule.content == "code"} == CODE
    assert {rule.name for rule in COMPONENTS if rule.content == "data"} == DATA


# what a declaration rests on

WEIGHTS, README = "1" * 64, "2" * 64
RELEASE = Evidence(files={"model.safetensors": WEIGHTS, "src/train.py": "3" * 64}, readme=README)


def declared(name: str = "model_parameters_final", **said: Any) -> dict[str, Any]:
    return {
        "licenses": {"distribution": {"spdx": "MIT"}},
        "components": [{"name": name, "present": True, **said}],
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"location": "model.safetensors"}, "is the file model.safetensors of this release"),
        ({"location": "model.safetensors", "digest": f"sha256:{WEIGHTS}"}, "is the file model.safetensors"),
        ({"digest": f"sha256:{WEIGHTS}"}, "has the digest of the file model.safetensors"),
        ({"location": "https://example.org/w", "digest": f"sha256:{WEIGHTS}"}, "has the digest of the file"),
        ({"location": "src"}, "is the folder src of this release"),
        ({"location": "README.md"}, "is the file README.md"),
        ({"digest": f"sha256:{README}"}, "README.md that the card binds"),
    ],
)
def test_what_stands_in_the_release_is_evidence(said: dict[str, str], words: str) -> None:
    found = finding(declared(**said), "model_parameters_final", RELEASE)
    assert found.basis == "evidence seen"
    assert words in str(found.evidence)
    assert not [one for one in found.warnings if "release" in one]


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ({"digest": f"sha256:{'9' * 64}"}, "its digest is of nothing in this release"),
        (
            {"location": "model.safetensors", "digest": f"sha256:{'9' * 64}"},
            "is not that of model.safetensors",
        ),
        ({"location": "other.safetensors"}, "there is no file other.safetensors in this release"),
        ({}, "neither where it is nor its digest is said"),
    ],
)
def test_another_models_digest_or_file_is_declared_and_doubted(said: dict[str, str], doubt: str) -> None:
    found = finding(declared(**said), "model_parameters_final", RELEASE)
    assert (found.basis, found.counts) == ("declared", True)
    assert any(doubt in one for one in found.warnings)


def test_an_attachment_is_evidence_and_an_address_alone_is_none() -> None:
    attached = Evidence(attachments=frozenset([WEIGHTS]))
    assert finding(declared(digest=f"sha256:{WEIGHTS}"), "model_parameters_final", attached).evidence
    elsewhere = finding(declared(location="https://example.org/w"), "model_parameters_final", RELEASE)
    assert (elsewhere.basis, elsewhere.evidence) == ("declared", None)


def test_results_within_the_model_card_are_seen_with_it() -> None:
    card = declared("model_card", location="README.md")
    card["components"].append({"name": "evaluation_results", "present": True, "within": "model_card"})
    found = finding(card, "evaluation_results", RELEASE)
    assert found.evidence == "stands in the model card, is the file README.md of this release"


def test_a_licence_for_other_content_counts_with_a_warning() -> None:
    found = finding(declared(location="model.safetensors"), "model_parameters_final", RELEASE)
    assert (found.counts, found.appropriate) == (True, False)
    assert found.warnings == ("MIT is open, but made for something else than data",)


def test_all_that_a_stranger_may_write_fits_the_document() -> None:
    long = "x" * 1024
    card = {
        "licenses": {"distribution": {"text": long}, "code": {"spdx": "A" * 512}},
        "components": [
            {
                "name": rule.name,
                "present": True,
                "location": f"{'y' * 500}/{'z' * 500}",
                "digest": f"sha256:{'9' * 64}",
            }
            for rule in COMPONENTS
        ],
        "data": {"references": [{"name": f"{n}{'d' * 200}"} for n in range(50)]},
    }
    document = describe_openness(Card.model_validate(card), Evidence())
    assert document.class_ is None
    assert document.unknown_licenses == ("A" * 512,)
