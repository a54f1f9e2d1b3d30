# SPDX-License-Identifier: Apache-2.0
"""Disclosure is counted by rule, with places, under one name; no noise changes what was said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import weighbridge_schemas
from tests.library.cards.documents import cards, full_card
from tests.registry.publishers import model_of
from weighbridge.disclosures import (
    BY_ID,
    GROUPS,
    INDICATORS,
    RULESET,
    Disclosed,
    Warnings,
    describe_score,
    find_answered,
    find_stated,
)
from weighbridge_schemas.card import Card
from weighbridge_schemas.disclosure import Disclosure
from weighbridge_schemas.lineage import Lineage
from weighbridge_schemas.release import Release

VECTORS: dict[str, Any] = json.loads(
    (Path(weighbridge_schemas.__file__).parent / "vectors" / "disclosure-score.json").read_text()
)
LINEAGE = Lineage.model_validate(
    {
        "parents": [{"relation": "finetune", "name": "org/base"}],
        "datasets": [{"stage": "sft", "name": "org/c", "digest": f"sha256:{'1' * 64}"}],
    }
)
RELEASE = Release.model_validate(
    {
        "namespace": "acme",
        "name": "tiny",
        "version": "1",
        "released_at": "2026-11-23T12:00:00Z",
        "model": {
            **model_of({"model.safetensors": b"x"}),
            "weights_digest": f"sha256:{'2' * 64}",
            "tensors": {"count": 1, "bytes": 1, "table_digest": f"sha256:{'3' * 64}"},
        },
        "card": None,
        "lineage": None,
        "locations": ["https://example.org/tiny"],
        "logs": ["log.example/1"],
    }
)


def states(disclosed: Disclosed) -> dict[str, str]:
    return {one.indicator.id: one.state for one in find_stated(disclosed)}


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any]) -> None:
    assert VECTORS["ruleset"] == RULESET
    if "disclosure" in case:
        found = find_answered(Disclosure.model_validate(case["disclosure"]))
    else:
        card = None if case["card"] is None else Card.model_validate(case["card"])
        lineage = Lineage.model_validate(case["lineage"]) if "lineage" in case else None
        found = find_stated(Disclosed(card, lineage=lineage))
    for state in ("stated", "left open", "not asked"):
        listed = [one.indicator.id for one in found if one.state == state]
        assert listed == case[state.replace(" ", "_")]
    assert {one.indicator.id: list(one.places) for one in found if one.state == "stated"} == case["places"]


def test_everything_that_can_be_said_of_a_release_can_be_met() -> None:
    said = {
        **full_card().to_json(),
        "links": [
            {"rel": "changelog", "url": "https://example.org/log"},
            {"rel": "repository", "url": "https://example.org/r"},
        ],
        "risks": [
            {"category": "limitation", "description": "a", "mitigation": "b"},
            {"category": "bias", "description": "a"},
            {"category": "safety", "description": "a"},
        ],
        "evaluations": [
            {
                "dataset": "glue",
                "metric": "accuracy",
                "value": 1,
                "dataset_split": "test",
                "source_name": "us",
            }
        ],
    }
    said["uses"]["out_of_scope"] = ["War."]
    card = Card.model_validate(said)
    disclosed = Disclosed(
        card, lineage=LINEAGE, release=RELEASE, licensed=("org/c",), warnings=Warnings(2, 1)
    )
    found = states(disclosed)
    assert {id_ for id_, state in found.items() if state != "stated"} == {"system_prompt"}
    score = describe_score(find_stated(disclosed))
    assert score.stated == score.asked == len(INDICATORS) - 1
    assert sum(group.stated for group in score.groups) == score.stated
    assert [group.group for group in score.groups] == list(GROUPS)
    assert not any(one.fix for one in score.indicators)


def test_each_indicator_has_a_source_and_a_way_to_meet_it() -> None:
    assert len(BY_ID) == len(INDICATORS)
    members = {name for model in (Card,) for name in model.model_fields}
    for one in INDICATORS:
        assert re.fullmatch(r"[a-z_]+", one.id)
        assert all(source.split()[0] in ("FMTI", "EU", "MOF", "OSAID") for source in one.sources)
        named = re.findall(r"`([a-z]+)\.", one.how)
        assert set(named) <= members | {"energy", "inference"}, one.how


@settings(max_examples=40)
@given(cards())
def test_saying_more_never_takes_anything_away(card: Card) -> None:
    """Every member of a card can only add indicators; and a card cannot unask one."""
    whole = states(Disclosed(card, release=RELEASE))
    for name in Card.model_fields:
        less = card.model_copy(update={name: Card.model_fields[name].default})
        found = states(Disclosed(less, release=RELEASE))
        assert {id_ for id_, state in found.items() if state == "stated"} <= {
            id_ for id_, state in whole.items() if state == "stated"
        }
        assert {id_ for id_, state in found.items() if state == "not asked"} == {
            id_ for id_, state in whole.items() if state == "not asked"
        }


def test_warnings_of_strangers_make_a_question_and_take_nothing_away() -> None:
    quiet = states(Disclosed(Card(), release=RELEASE, warnings=Warnings(0, 0)))
    warned = states(Disclosed(Card(), release=RELEASE, warnings=Warnings(64, 0)))
    assert {**quiet, "warnings_answered": "not stated"} == warned
    assert quiet["warnings_answered"] == "not asked"
    assert states(Disclosed(Card(), warnings=Warnings(64, 1)))["warnings_answered"] == "stated"


def test_a_closed_model_is_counted_by_what_is_answered() -> None:
    fields = [{"id": one.id, "answer": "x"} for one in INDICATORS]
    said = {"name": "C/1", "vendor": "C", "by_vendor": False, "logs": ["l.example/1"], "previous": None}
    score = describe_score(find_answered(Disclosure.model_validate(said | {"fields": fields})))
    assert (score.stated, score.left_open, score.asked) == (len(INDICATORS), 0, len(INDICATORS))
    open_ = [{"id": "energy", "left_open": "secret"}]
    score = describe_score(find_answered(Disclosure.model_validate(said | {"fields": open_})))
    assert (score.stated, score.left_open, score.asked) == (0, 1, len(INDICATORS) - 2)
    [energy] = [one for one in score.indicators if one.id == "energy"]
    assert (energy.state, energy.evidence, energy.fix) == ("left open", ("secret",), None)
    [compute] = [one for one in score.indicators if one.id == "compute"]
    assert (compute.state, compute.fix) == ("not stated", "answer the field “compute”, or leave it open")


def test_places_are_bounded() -> None:
    card = Card.model_validate({"risks": [{"category": "bias", "description": "x"}] * 200})
    [bias] = [one for one in find_stated(Disclosed(card)) if one.indicator.id == "bias"]
    assert (len(bias.places), bias.places[-1]) == (9, "and 192 more places")
