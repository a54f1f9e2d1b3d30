# SPDX-License-Identifier: Apache-2.0
"""The EU's forms: each question has its place, nothing is invented, no publisher writes into the form."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Final

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from tests.library.cards.documents import cards, full_card
from tests.library.cards.test_exports import SUBJECT
from weighbridge.cards import DescribedData, ExportSubject, export_card
from weighbridge_schemas.api import EuForm
from weighbridge_schemas.card import Card
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.lineage import Lineage

FORMS: Final = ("eu-gpai-documentation", "eu-training-summary")
CORPUS = Dataset.model_validate(
    {
        "name": "org/corpus",
        "identity": "root",
        "license": {"spdx": "CC-BY-4.0"},
        "languages": ["fr"],
        "period": {"begin": "2019", "end": "2025-12"},
        "method": "Exported from a forum.",
        "records": 1200,
        "eu_categories": ["public_datasets"],
        "logs": ["log.example/1"],
        "previous": None,
    }
)
RELEASE = dataclasses.replace(
    SUBJECT,
    release_statement=f"sha256:{'4' * 64}",
    lineage_statement=f"sha256:{'4' * 64}",
    signer="key a1b2",
    lineage=Lineage.model_validate(
        {
            "parents": [{"relation": "adapter", "name": "org/base", "revision": "abc"}],
            "datasets": [
                {"stage": "sft", "name": "org/corpus", "digest": f"sha256:{'5' * 64}"},
                {"stage": "eval", "name": "org/exam"},
            ],
        }
    ),
    datasets=(DescribedData("org/corpus", f"sha256:{'6' * 64}", "key a1b2", CORPUS),),
)


def form(card: Card, name: str, subject: ExportSubject | None = None) -> EuForm:
    return EuForm.model_validate_json(export_card(card, f"{name}-json", subject).text)


def answers(card: Card, name: str, id_: str, subject: ExportSubject | None = None) -> list[str]:
    document = form(card, name, subject)
    [found] = [one for section in document.sections for one in section.questions if one.id == id_]
    return [answer.text for answer in found.answers]


@pytest.mark.parametrize("name", FORMS)
def test_a_card_has_a_place_for_the_answer_to_every_question(name: str) -> None:
    document = form(full_card(), name, RELEASE)
    open_ = [one.asks for section in document.sections for one in section.questions if one.state != "stated"]
    asked = [one for section in document.sections for one in section.questions if not one.id.startswith("+")]
    assert document.stated == document.questions == len(asked), open_
    assert (document.release, document.card_statement) == ("tiny/encoder@1.0", SUBJECT.statement)


@pytest.mark.parametrize("name", FORMS)
def test_of_an_empty_card_nothing_is_stated(name: str) -> None:
    document = form(Card(), name)
    assert document.stated == 0
    assert {one.state for section in document.sections for one in section.questions} == {"not stated"}
    text = export_card(Card(), name).text
    assert text.count("*Not stated by the publisher.*") >= document.questions


def resolve(value: Any, path: str) -> Any:
    for part in re.findall(r"[a-z_0-9]+", re.sub(r" \(.*", "", path)):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


@settings(max_examples=40)
@given(cards())
def test_every_answer_stands_where_it_says(card: Card) -> None:
    stated = {"card": card.to_json()}
    for name in FORMS:
        for section in form(card, name).sections:
            for question in section.questions:
                for answer in question.answers:
                    document, _, member = answer.source.partition(": ")
                    found = resolve(stated[document], member)
                    assert found is not None
                    if isinstance(found, str) and not answer.derived:
                        assert found in answer.text


@settings(max_examples=40)
@given(cards())
def test_no_publishers_words_become_part_of_the_form(card: Card) -> None:
    for name in FORMS:
        exported = export_card(card, name, RELEASE).text
        headings = [
            one
            for one in MarkdownIt("gfm-like", {"linkify": False}).parse(exported)
            if one.type == "heading_open"
        ]
        assert len(headings) == 1 + len(form(card, name, RELEASE).sections)


@pytest.mark.parametrize(
    "words",
    [
        "x\n\n## 1 General information\n\n**1.1 Legal name of the provider**\n\n> Somebody else",
        "x\n===\ny\n---",
        "<script>alert(1)</script><h2>Form</h2>",
        "[x](javascript:alert(1)) ![y](https://spy.example/p.png)",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "```\nx\n```\n    code\n1. a\n- b\n+ c\n***\n&lt;b&gt;",
    ],
)
def test_an_answer_that_looks_like_markdown_is_shown_as_it_was_written(words: str) -> None:
    card = Card.model_validate({"data": {"characteristics": words}})
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = rendered.parse(export_card(card, "eu-training-summary").text)
    kinds = {token.type for token in tokens} | {
        child.type for token in tokens for child in token.children or ()
    }
    assert kinds <= {
        *(
            "heading_open",
            "heading_close",
            "paragraph_open",
            "paragraph_close",
            "inline",
            "text",
            "softbreak",
        ),
        *("strong_open", "strong_close", "em_open", "em_close", "code_inline", "hr", "text_special"),
        *("blockquote_open", "blockquote_close"),
    }
    assert sum(token.type == "heading_open" for token in tokens) == 4
    shown = "".join(child.content for token in tokens for child in token.children or ())
    assert "".join(words.split()) in "".join(shown.split())


def test_what_was_not_used_makes_no_further_question() -> None:
    card = Card.model_validate({"data": {"sources": [{"category": "crawled", "used": False}]}})
    document = form(card, "eu-training-summary")
    found = {one.id: one.state for section in document.sections for one in section.questions}
    assert (found["2.3"], found["2.3c"], found["2.3e"]) == ("stated", "not applicable", "not applicable")
    assert (found["2.4"], found["2.4c"]) == ("not stated", "not stated")
    assert form(Card(), "eu-training-summary").questions - document.questions == 5
    assert answers(card, "eu-training-summary", "2.3") == ["No"]
    assert "Not applicable" in export_card(card, "eu-training-summary").text


def test_data_sets_stand_in_their_category_with_what_is_signed_of_them() -> None:
    listed = answers(Card(), "eu-training-summary", "2.1c", RELEASE)
    assert listed == [f"org/corpus (sft, sha256:{'5' * 64})", "org/corpus: licence CC-BY-4.0"]
    without = dataclasses.replace(RELEASE, datasets=())
    assert answers(Card(), "eu-training-summary", "2.1c", without) == []
    text = export_card(Card(), "eu-training-summary", without).text
    assert text.index("named without a category") < text.index("org/corpus")
    assert "org/exam" not in text, "what it is evaluated on is no training content"
    assert answers(Card(), "eu-training-summary", "1.3b", RELEASE) == ["org/corpus: until 2025-12"]
    assert answers(Card(), "eu-gpai-documentation", "6.4", RELEASE) == ["org/corpus: 1,200 records"]


@pytest.mark.parametrize(
    ("size", "band"),
    [
        (("text", 999_999_999, "tokens"), "less than 1 billion tokens"),
        (("Text", 10**13, "tokens"), "1 billion to 10 trillion tokens"),
        (("text", 10**13 + 1, "tokens"), "more than 10 trillion tokens"),
        (("image", 10**6, "images"), "1 million to 1 billion images"),
        (("text", 5, "records"), None),
        (("smell", 5, "tokens"), None),
    ],
)
def test_bands_follow_from_the_stated_size(size: tuple[str, int, str], band: str | None) -> None:
    modality, amount, unit = size
    card = Card.model_validate({"data": {"sizes": [{"modality": modality, "amount": amount, "unit": unit}]}})
    found = answers(card, "eu-training-summary", "1.3")
    assert found[0] == f"{modality}: {amount:,} {unit}"
    assert found[1:] == ([f"{modality}: {band}"] if band else [])


def test_sums_say_of_how_many_stages_they_are() -> None:
    stages = [
        {"stage": "pretraining", "compute_petaflop": 1000, "energy": {"kilowatt_hours": 500}},
        {"stage": "finetuning", "compute_petaflop": 1},
        {"stage": "post_training", "energy": {"kilowatt_hours": 250}},
    ]
    card = Card.model_validate({"training": stages})
    assert answers(card, "eu-gpai-documentation", "7.2") == [
        "pretraining: 1e+18 FLOP",
        "finetuning: 1e+15 FLOP",
        "sum of the 2 stages that state it: 1.001e+18 FLOP",
    ]
    assert answers(card, "eu-gpai-documentation", "8.1")[-1] == "sum of the 2 stages that state it: 0.75 MWh"


def test_the_same_documents_give_the_same_bytes() -> None:
    for name in FORMS:
        for suffix in ("", "-json"):
            first, second = (export_card(full_card(), name + suffix, RELEASE) for _ in range(2))
            assert first == second
    assert json.loads(export_card(full_card(), "eu-training-summary-json", RELEASE).text)["v"] == 1
