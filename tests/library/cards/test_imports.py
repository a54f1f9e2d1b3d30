# SPDX-License-Identifier: Apache-2.0
"""Evaluation results, adapter configurations, MOF files: placed in the card, or listed with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.cards import card_from_model, read_mof, side_files
from weighbridge.cards.adapters import read_adapter_config
from weighbridge.cards.evaluations import read_eval_results
from weighbridge.errors import InputError
from weighbridge.lineages import lineage_from_model
from weighbridge.strict_yaml import write_yaml

HLE = b"""
- dataset: {id: cais/hle, task_id: default, revision: 5503434d}
  value: 20.90
  verifyToken: eyJhbGciOi
  date: "2025-01-15T10:30:00Z"
  source: {url: "https://huggingface.co/datasets/cais/hle", name: CAIS HLE, org: cais}
  notes: no-tools
- dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}
  value: 0.412
  date: yesterday
  harness: lighteval
- dataset: {id: no/value, task_id: x}
- 7
"""
ADAPTER = {
    "base_model_name_or_path": "org/base",
    "revision": "c9745ed1",
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.05,
    "target_modules": ["v_proj", "q_proj"],
    "inference_mode": True,
    "auto_mapping": None,
}
README = b"---\nlicense: mit\nbase_model: org/base\n---\n# Tiny\n"
BOMB = b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


# .eval_results


def test_evaluation_results_are_placed_and_the_rest_is_listed() -> None:
    results, notes = read_eval_results(HLE, ".eval_results/hle.yaml")
    first, second = results
    assert (first.dataset, first.benchmark_task, first.value) == ("cais/hle", "default", 20.9)
    assert (first.measured, first.note, first.source_name) == ("2025-01-15T10:30:00Z", "no-tools", "CAIS HLE")
    assert (second.metric, second.measured) == (None, None)
    text = "\n".join(notes)
    for words in (
        "entry 0: verifyToken",
        "entry 1: date: ",
        "entry 1: harness",
        "entry 2: entry: value",
        "entry 3: entry",
    ):
        assert words in text, words
    assert all(note.startswith(".eval_results/hle.yaml") for note in notes)


@pytest.mark.parametrize("data", [b"a: b", b"\xff", BOMB, b"[" * 99, b"x" * 2_000_000])
def test_a_file_that_is_no_list_of_results_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="results"):
        read_eval_results(data, ".eval_results/x.yaml")


# adapter_config.json


def test_an_adapter_names_its_parent_and_how_it_was_tuned() -> None:
    adapter = read_adapter_config(json.dumps(ADAPTER).encode())
    assert adapter.parent
    assert (adapter.parent.relation, adapter.parent.name, adapter.parent.revision) == (
        "adapter",
        "org/base",
        "c9745ed1",
    )
    assert adapter.stage
    assert adapter.stage.hyperparameters["r"] == 8
    assert adapter.stage.hyperparameters["target_modules"] == "q_proj, v_proj"
    assert adapter.notes == ("adapter_config.json: inference_mode",)


@pytest.mark.parametrize("path", ["/home/ada/models/base", "./base", "../base", "C:\\models\\base", "a/b/c"])
def test_a_path_of_somebodys_machine_is_no_parent(path: str) -> None:
    adapter = read_adapter_config(json.dumps({"base_model_name_or_path": path}).encode())
    assert adapter.parent is None
    assert "not a name" in adapter.notes[0]


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"r": NaN}', b'{"r": 1, "r": 2}', b"[" * 5000])
def test_a_configuration_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"adapter_config\.json"):
        read_adapter_config(data)


# the model's own files together


def test_a_card_of_a_model_has_what_lies_beside_the_readme() -> None:
    files = {"adapter_config.json": json.dumps(ADAPTER).encode(), ".eval_results/hle.yaml": HLE}
    card = card_from_model(README, files)
    assert card
    assert [one.benchmark_task for one in card.evaluations] == ["default", "gpqa_diamond"]
    assert [one.stage for one in card.training] == ["finetuning"]
    assert card.imported
    assert any("verifyToken" in note for note in card.imported.not_understood)


@pytest.mark.parametrize("content", [b"{", None, BOMB])
def test_a_side_file_that_cannot_be_read_is_listed_and_stops_nothing(content: bytes | None) -> None:
    card = card_from_model(README, {"adapter_config.json": content, ".eval_results/x.yml": content})
    assert card
    assert card.imported
    assert [note.split(" ")[0] for note in card.imported.not_understood] == [
        ".eval_results/x.yml",
        "adapter_config.json",
    ]
    lineage = lineage_from_model(README, {"adapter_config.json": content})
    assert lineage
    assert [parent.name for parent in lineage.parents] == ["org/base"]


def test_a_base_model_that_both_name_is_one_parent_with_the_revision() -> None:
    files = {"adapter_config.json": json.dumps(ADAPTER).encode()}
    lineage = lineage_from_model(README, files)
    assert lineage
    (parent,) = lineage.parents
    assert (parent.relation, parent.revision) == ("adapter", "c9745ed1")
    other = lineage_from_model(README.replace(b"org/base", b"org/other"), files)
    assert other
    assert [parent.name for parent in other.parents] == ["org/other", "org/base"]
    alone = lineage_from_model(None, files)
    assert alone
    assert len(alone.parents) == 1


def test_only_the_files_that_are_meant_are_read() -> None:
    paths = [
        "adapter_config.json",
        "x/adapter_config.json",
        ".eval_results/a.yaml",
        ".eval_results/b/c.yaml",
        "README.md",
    ]
    assert side_files([*paths, ".eval_results/a.txt"]) == (".eval_results/a.yaml", "adapter_config.json")
    assert len(side_files([f".eval_results/{n}.yaml" for n in range(1000)])) == 64


# Model Openness Tool


OLD_FORM = """
framework: {name: Model Openness Framework, version: '1.0', date: '2024-12-15', url: x}
release:
  name: Old
  version: 7B
  date: '2024-12-26'
  type: language
  architecture: ''
  origin: ''
  producer: Somebody
  contact: ''
  components:
  - {name: Model architecture, description: d, location: '', license_name: MIT, license_path: ''}
  - {name: Training code, description: d, location: '', license_name: Component not included}
  - {name: Model card, description: d, location: '', license_name: License not specified, license_path: ''}
  - {name: 'Model parameters (Final)', description: d, license_name: Own Agreement, license_path: /LICENSE}
  - {name: Magic, description: d}
  - {name: Model card, description: d}
  - 5
"""


def test_the_older_form_of_mof_files_is_read() -> None:
    card = read_mof(OLD_FORM.encode(), "old.yml")
    found = {one.name: one for one in card.components}
    assert found["model_architecture"].license
    assert found["model_architecture"].license.spdx == "MIT"
    assert not found["training_code"].present
    assert (found["model_card"].present, found["model_card"].license) == (True, None)
    assert found["model_parameters_final"].license
    assert found["model_parameters_final"].license.text == "Own Agreement"
    assert card.imported
    text = "\n".join(card.imported.not_understood)
    for words in (
        "version: ",
        "type: ",
        "“language”",
        "Magic is no component",
        "is listed twice",
        "components[6]",
        "framework.url",
    ):
        assert words in text, words


@pytest.mark.parametrize("text", ["release: []", "a: b", "- x", "framework: {}\nrelease: &r {}\nx: *r"])
def test_what_is_no_mof_file_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"x\.yml"):
        read_mof(text.encode(), "x.yml")


# whatever strangers write


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "dataset",
                    "id",
                    "task_id",
                    "value",
                    "source",
                    "url",
                    "name",
                    "license",
                    "components",
                    "path",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=15)
@given(_JSON)
def test_no_import_crashes_on_odd_shapes(value: Any) -> None:
    listed = write_yaml(value if isinstance(value, list) else [value]).encode()
    files = {
        ".eval_results/x.yaml": listed,
        "adapter_config.json": json.dumps({"revision": value, "r": value}).encode(),
    }
    assert card_from_model(README, files)
    release = {"license": value, "components": value, "name": value}
    assert read_mof(write_yaml({"framework": value, "release": release}).encode(), "x.yml").imported
