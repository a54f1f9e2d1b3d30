# SPDX-License-Identifier: Apache-2.0
"""Card files: what is written is read as it was, what is wrong is named; what changed between two cards."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from tests.library.cards.documents import cards, full_card
from weighbridge.cards import card_template, compare_cards, read_card
from weighbridge.errors import InputError
from weighbridge_schemas.card import Card


def in_order(card: Card) -> Card:
    """The card with its components sorted: a card file lists them in the framework's order."""
    return card.model_copy(update={"components": tuple(sorted(card.components, key=lambda one: one.name))})


@settings(max_examples=15)
@given(cards())
def test_a_card_file_says_the_card_that_it_was_written_from(card: Card) -> None:
    assert in_order(read_card(card_template(card).encode(), "card.yaml")) == in_order(card)


@settings(max_examples=15)
@given(cards())
def test_json_is_a_card_file_too(card: Card) -> None:
    assert read_card(json.dumps(card.to_json()).encode(), "card.json") == card


def test_an_empty_form_says_nothing_and_names_everything() -> None:
    form = card_template(Card())
    assert read_card(form.encode(), "card.yaml") == Card()
    for words in ("# title:", "data_card", "class III", "To add it:", "# out_of_scope: []"):
        assert words in form


def test_the_whole_card_survives_with_readme_and_components() -> None:
    assert in_order(read_card(card_template(full_card()).encode(), "c.yml")) == in_order(full_card())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("identity: {titel: Tiny}", "identity.titel: there is no such member"),
        ("components: [{name: model_card, present: maybe}]", "components[0].present"),
        ("components: [{name: data_card, present: true, within: research_paper}]", "does not stand within"),
        ("licenses: {code: {spdx: 'MIT; rm -rf'}}", "is not an SPDX licence expression"),
        ("links: [{rel: homepage, url: 'javascript:alert(1)'}]", "is not an https address"),
        ("evaluations: [{value: 1}]", "needs metric or benchmark_task"),
        ("description: {summary: !!python/object:os.system x}", "has a YAML tag"),
        ("identity: {title: a, title: b}", "appears twice"),
        ("a: &a [x, x]\nb: [*a, *a]", "uses a YAML alias"),
        ('identity: {title: "a\\u202eb"}', "holds U+202E"),
        ("just words", "has no members"),
        ("[" * 60, "nested deeper"),
    ],
)
def test_a_wrong_file_is_refused_with_the_member(text: str, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        read_card(text.encode(), "card.yaml")
    assert fault in caught.value.message
    assert "card.yaml" in caught.value.message


@pytest.mark.parametrize(
    ("data", "name"), [(b"\xff\xfe", "c.yaml"), (b"{", "c.json"), (b"x" * 5_000_000, "c.yaml")]
)
def test_what_is_no_text_of_its_kind_is_refused(data: bytes, name: str) -> None:
    with pytest.raises(InputError, match="c"):
        read_card(data, name)


# comparison


def test_each_changed_member_is_named_with_old_and_new() -> None:
    old = full_card()
    new = Card.model_validate(
        old.to_json()
        | {
            "identity": old.to_json()["identity"] | {"title": "Tiny 2", "tags": ["tiny", "new"]},
            "components": [{"name": "training_code", "present": True}, *old.to_json()["components"][:2]],
            "links": [],
        }
    )
    found = {change.path: (change.old, change.new) for change in compare_cards(old, new)}
    assert found["identity.title"] == ("Tiny", "Tiny 2")
    assert found["identity.tags[new]"] == (None, "new")
    assert found["components[training_code].present"] == (False, True)
    assert found["links[paper https://example.org/p]"][1] is None
    assert len(found) == 4


@settings(max_examples=15)
@given(cards(), cards())
def test_only_equal_cards_have_no_differences_and_direction_only_swaps(first: Card, second: Card) -> None:
    assert compare_cards(first, first) == ()
    there, back = compare_cards(first, second), compare_cards(second, first)
    assert (there == ()) == (in_order(first) == in_order(second))
    assert {(one.path, json.dumps([one.old, one.new])) for one in there} == {
        (one.path, json.dumps([one.new, one.old])) for one in back
    }


def test_a_first_card_is_all_new() -> None:
    assert {change.old for change in compare_cards(None, full_card())} == {None}
