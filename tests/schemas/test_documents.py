# SPDX-License-Identifier: Apache-2.0
"""Documents: what is built can be sent and read back unchanged; cross-checks between members."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from weighbridge_schemas import api
from weighbridge_schemas.base import Document, Reference
from weighbridge_schemas.lineage import DatasetUse, Lineage, Parent
from weighbridge_schemas.release import TensorSummary

NAMES = st.text("abc/日本-", min_size=1, max_size=12)
DIGESTS = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)
PARENTS = st.builds(
    Parent,
    relation=st.sampled_from(["finetune", "adapter", "merge", None]),
    name=NAMES,
    digest=st.none() | DIGESTS,
    statement=st.none() | st.builds(Reference, kind=st.just("release"), sha256=st.just("0" * 64)),
)
DATASETS = st.builds(
    DatasetUse, stage=st.sampled_from(["sft", "eval", None]), name=NAMES, digest=st.none() | DIGESTS
)
LINEAGES = st.builds(
    Lineage,
    parents=st.lists(PARENTS, max_size=4, unique=True).map(tuple),
    datasets=st.lists(DATASETS, max_size=4, unique=True).map(tuple),
)


@given(LINEAGES)
def test_a_document_survives_json(lineage: Lineage) -> None:
    assert Lineage.model_validate(lineage.to_json()) == lineage
    assert Lineage.model_validate_json(json.dumps(lineage.to_json())) == lineage


def test_required_nulls_are_written_and_optional_ones_left_out() -> None:
    assert Parent(relation=None, name="a").to_json() == {"relation": None, "name": "a"}


def test_the_class_of_openness_is_called_class_in_json() -> None:
    openness = api.Openness.model_validate({"class": 3, "ruleset": "MOF 1.1", "missing": []})
    assert openness.class_ == 3
    assert openness.to_json() == {"class": 3, "ruleset": "MOF 1.1"}


@pytest.mark.parametrize("document", [d for d in map(api.__dict__.get, api.__all__) if isinstance(d, type)])
def test_every_api_document_and_member_is_described(document: type[Document]) -> None:
    assert issubclass(document, Document)
    assert document.__doc__
    for name, field in document.model_fields.items():
        assert field.description, f"{document.__name__}.{name}"


@pytest.mark.parametrize("digests", [["0" * 64], ["sha256:" + "0" * 64], ["0" * 64] * 10_000, []])
def test_a_digest_question_takes_bare_and_tagged_digests(digests: list[str]) -> None:
    assert len(api.DigestsQuery.model_validate({"digests": digests}).digests) == len(digests)


@pytest.mark.parametrize("digests", [["A" * 64], ["0" * 63], [7], ["0" * 64] * 10_001, None])
def test_a_digest_question_refuses_what_is_no_digest(digests: Any) -> None:
    with pytest.raises(ValidationError):
        api.DigestsQuery.model_validate({"digests": digests})


@pytest.mark.parametrize("count", [0, True, "1", 1.0, 10_000_001])
def test_a_tensor_count_is_a_whole_number_above_zero(count: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(TensorSummary).validate_python(
            {"count": count, "bytes": 0, "table_digest": "sha256:" + "0" * 64}
        )
