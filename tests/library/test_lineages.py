# SPDX-License-Identifier: Apache-2.0
"""Lineage from a README and from a publisher's file."""

from __future__ import annotations

import json

import pytest

from weighbridge.errors import InputError
from weighbridge.lineages import lineage_from_readme, read_lineage
from weighbridge_schemas.lineage import DatasetUse, Lineage, Parent

DIGEST = "sha256:" + "ab" * 32

FILE = f"""
parents:
  - relation: finetune
    name: org/base
    digest: {DIGEST}
    location: pkg:huggingface/org/base@0123456789abcdef
    revision: 0123456789abcdef
datasets:
  - stage: sft
    name: org/instructions
    location: https://example.org/instructions
    note: the English half
  - org/corpus
"""


def test_a_readme_claims_names() -> None:
    readme = b"---\nbase_model: org/base\nbase_model_relation: quantized\ndatasets: [a, b, a]\n---\n"
    assert lineage_from_readme(readme) == Lineage(
        parents=(Parent(relation="quantized", name="org/base"),),
        datasets=(DatasetUse(stage=None, name="a"), DatasetUse(stage=None, name="b")),
    )


def test_several_base_models_are_several_parents_with_one_relation() -> None:
    lineage = lineage_from_readme(b"---\nbase_model: [org/a, org/b]\nbase_model_relation: merge\n---\n")
    assert lineage
    assert [(p.relation, p.name) for p in lineage.parents] == [("merge", "org/a"), ("merge", "org/b")]


def test_a_relation_that_is_not_said_stays_unsaid() -> None:
    lineage = lineage_from_readme(b"---\nbase_model: org/a\n---\n")
    assert lineage
    assert lineage.parents[0].relation is None


@pytest.mark.parametrize(
    "readme", [b"", b"# Title", b"---\nlicense: mit\n---\n", b"---\nbase_model: []\n---\n"]
)
def test_a_readme_that_claims_nothing_gives_no_lineage(readme: bytes) -> None:
    assert lineage_from_readme(readme) is None


@pytest.mark.parametrize(
    ("readme", "member"),
    [
        (b"---\nbase_model: 7\n---\n", "base_model"),
        (b"---\nbase_model: [a, {b: c}]\n---\n", r"base_model\[1\]"),
        (b"---\nbase_model: a\nbase_model_relation: cousin\n---\n", r"parents\[0\]\.relation"),
        (b"---\nbase_model: a\nbase_model_relation: from_scratch\n---\n", "from_scratch names no parent"),
        (b'---\ndatasets: ["a\\u202Eb"]\n---\n', r"datasets\[0\]\.name: holds U\+202E"),
        (b"---\ndatasets: &d [a]\nbase_model: *d\n---\n", "alias"),
    ],
)
def test_a_wrong_member_of_a_readme_is_named(readme: bytes, member: str) -> None:
    with pytest.raises(InputError, match=member) as caught:
        lineage_from_readme(readme)
    assert caught.value.hint


def test_a_file_pins_the_exact_parent() -> None:
    lineage = read_lineage(FILE.encode(), "lineage.yaml")
    assert lineage.parents[0].digest == DIGEST
    assert lineage.datasets == (
        DatasetUse(
            stage="sft",
            name="org/instructions",
            location="https://example.org/instructions",
            note="the English half",
        ),
        DatasetUse(stage=None, name="org/corpus"),
    )


def test_the_same_lineage_in_json_is_the_same() -> None:
    lineage = read_lineage(FILE.encode(), "lineage.yaml")
    assert read_lineage(json.dumps(lineage.to_json()).encode(), "lineage.JSON") == lineage


def test_from_scratch_is_an_explicit_claim() -> None:
    lineage = read_lineage(b"parents: [{relation: from_scratch}]", "l.yaml")
    assert lineage.parents == (Parent(relation="from_scratch"),)


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "l.yaml", "needs `parents:`"),
        (b"[]", "l.json", "needs `parents:`"),
        (b"{}", "l.yaml", "states neither"),
        (b"parents:\ndatasets:\n", "l.yaml", "states neither"),
        (b"parents: org/base", "l.yaml", "parents: "),
        (b"parents: [{relation: cousin, name: a}]", "l.yaml", r"parents\[0\]\.relation"),
        (b"parents: [{relation: finetune}]", "l.yaml", "needs a name, digest"),
        (b"parents: [{name: a, digest: abc}]", "l.yaml", r"parents\[0\]\.digest"),
        (b"parents: [{name: a, sha256: abc}]", "l.yaml", r"parents\[0\]\.sha256: there is no such member"),
        (b"parents: [a, a]", "l.yaml", "stated twice"),
        (b"parents: [a, {relation: from_scratch}]", "l.yaml", "excludes every other parent"),
        (b"parents: [{name: a, location: 'file:///x'}]", "l.yaml", r"parents\[0\]\.location"),
        (b"datasets: [{name: a, stage: breakfast}]", "l.yaml", r"datasets\[0\]\.stage"),
        (b"models: [a]", "l.yaml", "models: there is no such member"),
        (b"parents: [&x a, *x]", "l.yaml", "alias"),
        (b"parents: [a", "l.yaml", "not valid YAML"),
        (b"\xff", "l.yaml", "not UTF-8"),
        (b'{"parents":["a"],"parents":["b"]}', "l.json", "appears twice"),
        (b"{", "l.json", "not JSON"),
        (b" " * (1024 * 1024 + 1), "l.yaml", "the limit is"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_member(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_lineage(data, name)
    assert caught.value.message.startswith(name)
