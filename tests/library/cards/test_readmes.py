# SPDX-License-Identifier: Apache-2.0
"""README.md → card: everything is placed or listed, nothing hostile gets through."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.cards import card_from_readme, split_readme
from weighbridge.errors import InputError
from weighbridge_schemas.card import Card, EvaluationResult

README = b"""---
language:
- en
- no
- multilingual
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
tags: [tiny, demo]
datasets: org/corpus
metrics: [accuracy]
base_model: org/base
base_model_relation: finetune
new_version: acme/tiny-2
co2_eq_emissions:
  emissions: 12.5
  source: CodeCarbon
  training_type: fine-tuning
  geographical_location: Norway
  hardware_used: 1 x A100
model-index:
- name: tiny
  results:
  - task: {type: text-classification, name: Text Classification}
    dataset: {name: GLUE, type: glue, config: sst2, split: validation, revision: abc123}
    metrics:
    - {type: accuracy, value: 0.92, name: Accuracy}
    - {type: f1, value: 0.9}
    source: {name: Leaderboard, url: "https://example.org/board"}
widget:
- text: Hello
---

# Tiny *model*

![badge](https://example.org/b.svg)

A **small** model for [tests](https://example.org),
in two lines.

More.
"""


def card_of(front_matter: str, body: str = "") -> Card:
    return card_from_readme(f"---\n{front_matter}\n---\n{body}".encode())


def notes_of(card: Card) -> tuple[str, ...]:
    assert card.imported
    return card.imported.not_understood


def test_a_hub_readme_becomes_a_card_with_every_member_placed_or_listed() -> None:
    card = card_from_readme(README)
    assert card.identity
    assert card.identity.title == "Tiny *model*"
    assert card.identity.languages == ("en", "no", "mul")
    assert (card.identity.library, card.identity.task) == ("transformers", "text-classification")
    assert card.identity.tags == ("tiny", "demo")
    assert card.identity.replaced_by == "acme/tiny-2"
    assert card.description
    assert card.description.summary == "A small model for tests, in two lines."
    assert card.licenses
    assert card.licenses.distribution
    assert card.licenses.distribution.spdx == "Apache-2.0"
    assert card.data
    assert [reference.name for reference in card.data.references] == ["org/corpus"]
    assert card.metrics == ("accuracy",)
    (stage,) = card.training
    assert (stage.stage, stage.hardware) == ("finetuning", "1 x A100")
    assert stage.energy
    assert (stage.energy.co2_grams, stage.energy.location) == (12.5, "Norway")
    assert card.readme
    assert card.readme.sha256 == hashlib.sha256(README).hexdigest()
    assert card.readme.size == len(README)
    assert notes_of(card) == ("widget",)


def test_model_index_becomes_one_result_for_each_metric() -> None:
    accuracy, f1 = card_from_readme(README).evaluations
    assert accuracy == EvaluationResult(
        task="text-classification",
        task_name="Text Classification",
        dataset="glue",
        dataset_name="GLUE",
        dataset_config="sst2",
        dataset_split="validation",
        dataset_revision="abc123",
        metric="accuracy",
        metric_name="Accuracy",
        value=0.92,
        source_name="Leaderboard",
        source="https://example.org/board",
    )
    assert (f1.metric, f1.value) == ("f1", 0.9)


@pytest.mark.parametrize(
    "readme", [b"", b"# Only a title\n", b"plain text", b"---\n---\n", b"---\n\n---\n", b"--- never closed\n"]
)
def test_a_readme_without_front_matter_is_bound_all_the_same(readme: bytes) -> None:
    card = card_from_readme(readme)
    assert card.readme
    assert card.readme.size == len(readme)
    assert card.imported is None


@pytest.mark.parametrize(
    ("license_", "spdx", "text"),
    [
        ("license: MIT", "MIT", None),
        ("license: cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0", None),
        ("license: gpl-3.0", "GPL-3.0-only", None),
        ("license: [mit]", "MIT", None),
        ("license: [mit, apache-2.0]", None, "mit, apache-2.0"),
        ("license: llama3", None, "llama3"),
        ("license: other\nlicense_name: my-terms", None, "my-terms"),
        ("license_name: apache-2.0", "Apache-2.0", None),
    ],
)
def test_a_licence_maps_to_spdx_or_stays_text(license_: str, spdx: str | None, text: str | None) -> None:
    licenses = card_of(license_).licenses
    assert licenses
    assert licenses.distribution
    assert (licenses.distribution.spdx, licenses.distribution.text) == (spdx, text)


def test_a_licence_link_is_an_address_or_a_file() -> None:
    linked = card_of("license: other\nlicense_name: x\nlicense_link: https://example.org/terms").licenses
    assert linked
    assert linked.distribution
    assert linked.distribution.url == "https://example.org/terms"
    filed = card_of("license: other\nlicense_name: x\nlicense_link: LICENSE.txt").licenses
    assert filed
    assert filed.distribution
    assert filed.distribution.path == "LICENSE.txt"
    hostile = card_of("license: other\nlicense_name: x\nlicense_link: ../../etc/passwd")
    assert any(note.startswith("license_link: must be relative") for note in notes_of(hostile))
    lonely = card_of("license_link: https://example.org/terms")
    assert notes_of(lonely) == ("license_link: there is no license or license_name beside it",)


@pytest.mark.parametrize(
    ("front_matter", "note"),
    [
        ("tags: {a: b}", "tags: "),
        ("library_name: [a]", "library_name: "),
        ("datasets: [good, 7]", "datasets: "),
        ("language: not a tag", "language: "),
        ('pipeline_tag: "gnp\\u202Etxt"', "pipeline_tag: holds U+202E"),
        ("model-index: 7", "model-index: cannot be read"),
        ("model-index: [{name: x}]", "model-index: cannot be read"),
        ("model-index: [[[]]]", "model-index: cannot be read"),
        ("eval_results: [1]", "eval_results"),
        ("self: 1", "self"),
        ("ignore_metadata_errors: true", "ignore_metadata_errors"),
        ("co2_eq_emissions: lots", "co2_eq_emissions.emissions: "),
        ("co2_eq_emissions: {emissions: 1, mood: good}", "co2_eq_emissions.mood: "),
        ("co2_eq_emissions: -1", "co2_eq_emissions.emissions: "),
        ('"bad\\u202Ekey": 1', "bad\\u202ekey"),
    ],
)
def test_a_member_that_does_not_fit_is_listed_and_not_dropped(front_matter: str, note: str) -> None:
    assert any(listed.startswith(note) for listed in notes_of(card_of(front_matter)))


def test_a_bad_item_does_not_take_the_good_ones_with_it() -> None:
    card = card_of('tags: [good, 7, "also good", "good"]')
    assert card.identity
    assert card.identity.tags == ("good", "also good")
    assert len(notes_of(card)) == 1


def test_evaluations_keep_what_fits_and_list_the_rest() -> None:
    result = "task: {type: t}, dataset: {type: d, name: D}"
    metrics = "metrics: [{type: a, value: {k: 1}}, {type: b, value: 2}]"
    source = "source: {url: 'http://x', name: s}"
    card = card_of(f"model-index: [{{name: x, results: [{{{result}, {metrics}, {source}}}]}}]")
    (kept,) = card.evaluations
    assert (kept.metric, kept.value, kept.source) == ("b", 2, None)
    assert any("result 0" in note for note in notes_of(card))
    assert any("no https address" in note for note in notes_of(card))


@pytest.mark.parametrize(
    ("readme", "reason"),
    [
        (b"---\na: [\n---\n", r"not valid YAML at line"),
        (b"---\n- a\n- b\n---\n", "not a list of `name: value`"),
        (b"---\njust text\n---\n", "not a list of `name: value`"),
        (b"---\na: &x [1]\nb: *x\n---\n", "line 3 uses a YAML alias"),
        (b"---\na: 1\na: 2\n---\n", "line 3: key 'a' appears twice"),
        (b"---\na: " + b"[" * 100_000 + b"\n---\n", "deeper than 32|maximum nesting depth"),
        (b"---\na: '" + b"x" * 1_100_000 + b"'\n---\n", "longer than"),
        (b"---\na: \xff\n---\n", "not UTF-8 at byte 7"),
        (b"x" * (4 * 1024 * 1024 + 1), "the limit is"),
    ],
)
def test_a_readme_that_cannot_be_read_is_an_error_that_says_where(readme: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        card_from_readme(readme)
    assert caught.value.message.startswith("README.md")
    assert caught.value.exit_code == 2


def test_a_byte_order_mark_and_windows_line_ends_do_not_hide_the_front_matter() -> None:
    card = card_from_readme(b"\xef\xbb\xbf---\r\nlicense: mit\r\n---\r\n\r\n# Title\r\n\r\nWords.\r\n")
    assert card.licenses
    assert card.identity
    assert card.identity.title == "Title"
    assert card.description
    assert card.description.summary == "Words."


def test_a_script_in_the_readme_is_neither_title_nor_summary() -> None:
    body = (
        "<script>alert(1)</script>\n\n# <img src=x onerror=alert(1)>Name\n\n"
        "```\n# not a title\n```\n\nWords <b>bold</b>.\n"
    )
    card = card_of("license: mit", body)
    assert card.identity
    assert card.identity.title == "Name"
    assert card.description
    assert card.description.summary == "Words bold."


def test_a_long_summary_is_cut_at_a_word() -> None:
    summary = card_of("license: mit", "word " * 1000).description
    assert summary
    assert summary.summary
    assert summary.summary.endswith("word …")
    assert len(summary.summary) < 610


def test_reading_a_card_contacts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert card_from_readme(README).evaluations


FRONTED = st.text(max_size=200).map(lambda text: f"---\n{text}\n---\n".encode("utf-8", "ignore"))


@given(st.binary(max_size=200) | FRONTED)
def test_any_bytes_give_a_card_or_an_input_error(readme: bytes) -> None:
    try:
        card = card_from_readme(readme)
    except InputError:
        return
    assert Card.model_validate(card.to_json()) == card


KEYS = st.sampled_from(
    [
        "language",
        "license",
        "license_name",
        "license_link",
        "library_name",
        "pipeline_tag",
        "tags",
        "datasets",
        "metrics",
        "base_model",
        "new_version",
        "model-index",
        "model_name",
        "co2_eq_emissions",
        "widget",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["name", "results", "emissions"]), v),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_front_matter_gives_a_valid_card(members: dict[str, Any]) -> None:
    readme = f"---\n{json.dumps(members)}\n---\n".encode()
    if not split_readme(readme).members:
        return
    card = card_from_readme(readme)
    assert Card.model_validate(card.to_json()) == card
