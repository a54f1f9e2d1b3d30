# SPDX-License-Identifier: Apache-2.0
"""Licences along an edge: what is dropped is told, what is unknown is never fine, nothing crashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weighbridge.license_terms import (
    OBLIGATIONS,
    RULESET,
    compare_data_license,
    compare_licenses,
    license_of_data,
    read_license,
    row_of,
    rows,
    stated_license,
    unregistered_parent,
)
from weighbridge.openness import spdx_list
from weighbridge_schemas.api import LicenseCheck, StatedLicense
from weighbridge_schemas.card import Card

VECTORS = json.loads(
    (Path(__file__).parents[2] / "schemas/weighbridge_schemas/vectors/license-terms.json").read_text()
)


def stated(spdx: str | None = None, text: str | None = None, **more: Any) -> StatedLicense:
    return StatedLicense(spdx=spdx, text=text, of="distribution", **more)


def of(said: dict[str, str] | None) -> StatedLicense | None:
    return stated(**said) if said is not None else None


def named(identifier: str) -> StatedLicense:
    return stated(identifier) if identifier in spdx_list.IDENTIFIERS else stated(text=identifier)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["name"] for case in VECTORS["cases"]])
def test_vectors(case: dict[str, Any]) -> None:
    found = compare_licenses(
        of(case["child"]), of(case["parent"]), relation=case["relation"], names=case["names"]
    )
    assert (found.result, found.words) == (case["result"], case["words"])
    assert [one.obligation for one in found.findings] == case["obligations"]
    assert [one.words for one in found.findings] == case["findings"]
    assert (found.child, found.parent, found.ruleset) == (of(case["child"]), of(case["parent"]), RULESET)


def test_the_vectors_are_of_this_ruleset_and_reach_every_obligation() -> None:
    assert VECTORS["ruleset"] == RULESET
    assert {one for case in VECTORS["cases"] for one in case["obligations"]} == set(OBLIGATIONS)


# the table


def test_every_row_is_of_the_list_or_of_a_model_with_an_address_and_accepts_itself() -> None:
    for row in rows():
        assert row.identifier in spdx_list.IDENTIFIERS or not row.source.startswith("https://spdx.org/")
        assert row.passes_as <= spdx_list.IDENTIFIERS | {row.identifier}
        assert ("share_alike" in row.asks) <= (row.identifier in row.passes_as)
        assert ("naming" in row.asks) == bool(row.begins)
        assert not row.asks or "attribution" in row.asks


@pytest.mark.parametrize("identifier", [row.identifier for row in rows()])
def test_the_same_licence_drops_nothing_but_a_right_that_nobody_gave(identifier: str) -> None:
    found = compare_licenses(named(identifier), named(identifier), relation="finetune")
    row = row_of(identifier)
    assert row is not None
    if "no_derivatives" in row.asks:
        assert [each.obligation for each in found.findings] == ["no_derivatives"]
    else:
        assert (found.result, found.findings) == ("nothing found", ())


@pytest.mark.parametrize("identifier", [row.identifier for row in rows() if row.asks])
def test_whatever_asks_for_something_is_not_kept_by_a_dedication_to_the_public(identifier: str) -> None:
    assert compare_licenses(stated("CC0-1.0"), named(identifier)).result == "conflict"


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("Llama 3.1 Community License Agreement", "llama3.1"),
        ("LLAMA-3.2", "llama3.2"),
        ("Meta Llama 3 Community License", "llama3"),
        ("Gemma Terms of Use", "gemma"),
        ("apache-2.0", "Apache-2.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("llama3.9", "llama3.9"),
        ("cc", "cc"),
    ],
)
def test_names_that_people_write_mean_one_licence(text: str, identifier: str) -> None:
    [[part]] = read_license(stated(text=text)).alternatives
    assert part.identifier == identifier
    assert (part.row is None) == (identifier in ("llama3.9", "cc"))


# what a card states


def test_the_licence_of_the_weights_is_the_nearest_that_the_card_states() -> None:
    whole: dict[str, Any] = {"distribution": {"spdx": "MIT", "path": "LICENSE"}}
    found = stated_license(Card.model_validate({"licenses": whole}), "b" * 64, {"LICENSE": "a" * 64})
    assert found is not None
    assert (found.spdx, found.of, found.sha256) == ("MIT", "distribution", "a" * 64)
    assert found.statement == f"sha256:{'b' * 64}"
    whole["data"] = {"spdx": "CC-BY-4.0"}
    data = stated_license(Card.model_validate({"licenses": whole}))
    component = {"name": "model_parameters_final", "present": True, "license": {"text": "llama2"}}
    weights = stated_license(Card.model_validate({"licenses": whole, "components": [component]}))
    assert [(one.of, one.spdx or one.text) for one in (data, weights) if one is not None] == [
        ("data", "CC-BY-4.0"),
        ("weights", "llama2"),
    ]
    code = Card.model_validate({"licenses": {"code": {"spdx": "MIT"}}})
    assert stated_license(code) is stated_license(None) is license_of_data(None, None) is None


# data sets


def test_of_a_data_set_only_what_speaks_of_more_than_copies_is_looked_at() -> None:
    def check(spdx: str, stage: Any = "sft") -> LicenseCheck | None:
        return compare_data_license(stated("MIT"), stated(spdx), stage=stage)

    def obligations(spdx: str) -> list[str]:
        found = check(spdx)
        return [one.obligation for one in found.findings] if found is not None else []

    assert obligations("CC-BY-NC-4.0") == ["non_commercial"]
    assert obligations("CC-BY-NC-ND-4.0") == ["non_commercial", "no_derivatives"]
    assert obligations("CC-BY-SA-4.0") == []
    assert check("CC-BY-NC-4.0", "eval") is None
    assert compare_data_license(stated("MIT"), None) is None
    found = check("CC-BY-NC-4.0")
    assert found is not None
    assert found.words.startswith("The child says MIT; the data set's licence is CC-BY-NC-4.0. ")


def test_a_parent_that_is_not_registered_is_unknown() -> None:
    assert unregistered_parent(stated("MIT")).result == "unknown"


# bad input


@pytest.mark.parametrize(
    "expression",
    [
        "MIT AND",
        "(" * 200 + "MIT" + ")" * 200,
        "MIT MIT",
        ":::",
        "MIT WITH MIT",
        "+",
        " AND ".join(["(MIT OR CC-BY-NC-4.0)"] * 22),
        " OR ".join(["MIT", "ISC"] * 50)[:512],
    ],
)
def test_what_cannot_be_read_is_never_fine(expression: str) -> None:
    bad, nc = stated(expression), stated("CC-BY-NC-4.0")
    assert compare_licenses(bad, nc).result in ("unknown", "conflict")
    assert compare_licenses(bad, None).result == "unknown"
    assert compare_licenses(stated("MIT"), bad).result != "conflict"


def test_a_child_that_only_looks_like_its_parents_licence_is_not_taken_for_it() -> None:
    parent = stated(text="llama3.1")
    for text in ("not llama3.1", "llama3.1 but free", "llama 3 1", "ｌｌａｍａ3.1"):  # noqa: RUF001 - the attack
        assert compare_licenses(stated(text=text), parent).result == "unknown"


def test_words_stay_short_whatever_a_card_says() -> None:
    found = compare_licenses(stated(text="x" * 1024), stated(text="y" * 1024), names=["z" * 1024])
    assert len(found.words) <= 1024
    told = compare_licenses(
        stated(text="llama3"), stated(text="llama3"), names=["z" * 1024, "; the child unknown"]
    )
    assert (told.result, len(told.findings[0].words) <= 1024) == ("conflict", True)
    assert "Llama 3" in told.words


_IDENTIFIERS = st.sampled_from([row.identifier for row in rows() if row.identifier in spdx_list.IDENTIFIERS])
_EXPRESSIONS = st.recursive(
    st.one_of(_IDENTIFIERS, st.just("No-Such-1.0")),
    lambda below: st.builds(
        lambda one, how, other: f"({one} {how} {other})", below, st.sampled_from(["AND", "OR"]), below
    ),
    max_leaves=5,
)


@settings(max_examples=60)
@given(_EXPRESSIONS, _EXPRESSIONS)
@example("MIT", "No-Such-1.0")
def test_a_choice_never_helps_the_child_and_never_harms_under_the_parent(one: str, other: str) -> None:
    order = {"nothing found": 0, "unknown": 1, "conflict": 2}

    def result(child: str, parent: str) -> int:
        return order[compare_licenses(stated(child), stated(parent)).result]

    assert result(f"{one} OR MIT", other) >= result(one, other)
    assert result(one, f"{other} OR MIT") <= result(one, other)
    assert result(one, f"{other} AND MIT") >= result(one, other)


_PIECES = st.sampled_from(
    [
        "MIT",
        "GPL-2.0+",
        "CC-BY-NC-4.0",
        "AND",
        "OR",
        "WITH",
        "(",
        ")",
        "+",
        ":",
        "-",
        " ",
        "x",
        "LLVM-exception",
    ]
)


@settings(max_examples=300)
@given(st.lists(_PIECES, min_size=1, max_size=12).map(" ".join), st.lists(_PIECES, min_size=1).map("".join))
def test_any_string_of_the_form_is_compared(child: str, parent: str) -> None:
    found = compare_licenses(stated(child), stated(parent[:512]))
    assert found.result in ("conflict", "unknown", "nothing found")
    assert len(found.words) <= 1024


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_any_text_is_compared_and_what_the_table_lacks_is_unknown(child: str, parent: str) -> None:
    text, other = ("".join(c for c in one if c.isprintable()) or "x" for one in (child, parent))
    found = compare_licenses(stated(text=text), stated(text=other))
    [[part]] = read_license(stated(text=other)).alternatives
    assert found.result == "unknown" or part.row is not None
