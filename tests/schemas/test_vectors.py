# SPDX-License-Identifier: Apache-2.0
"""Vectors: what another implementation must accept, refuse and compute.

Digests are computed here with hashlib alone, from the words of docs/spec/digests.md, so that a
mistake of the library cannot confirm itself.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import weighbridge_schemas
from weighbridge import canonical
from weighbridge.errors import StatementError
from weighbridge.statements import parse_statement
from weighbridge_schemas.kinds import PREDICATES, kind_of

PACKAGE = Path(weighbridge_schemas.__file__).parent
KINDS = sorted(kind_of(type_) for type_ in PREDICATES)


def read(folder: str, name: str) -> Any:
    return json.loads((PACKAGE / folder / name).read_text())


VECTORS = {kind: read("vectors", f"{kind}.json") for kind in KINDS}
DIGESTS = read("vectors", "digests.json")
VALID = [
    pytest.param(kind, case, id=f"{kind}-{case['name']}") for kind in KINDS for case in VECTORS[kind]["valid"]
]
INVALID = [
    pytest.param(case["payload"].encode(), id=f"{kind}-{case['name']}")
    for kind in KINDS
    for case in VECTORS[kind]["invalid"]
]


@pytest.mark.parametrize(("kind", "case"), VALID)
def test_a_valid_statement_is_canonical_and_survives_the_round_trip(kind: str, case: dict[str, Any]) -> None:
    payload = case["payload"].encode()
    statement = parse_statement(payload, strict=True)
    assert (statement.kind, statement.predicate_type) == (kind, VECTORS[kind]["predicate_type"])
    assert canonical.encode(canonical.decode(payload)) == payload
    document = statement.document()
    assert type(document).model_validate(document.to_json()) == document
    # Members that hold their default are left out of what we write; OMS signers write them.
    assert kind == "oms" or document.to_json() == statement.predicate


@pytest.mark.parametrize(("kind", "case"), VALID)
def test_a_statement_digest_is_the_hash_of_the_pae(kind: str, case: dict[str, Any]) -> None:
    payload, type_ = case["payload"].encode(), VECTORS[kind]["payload_type"]
    pae = f"DSSEv1 {len(type_)} {type_} {len(payload)} ".encode() + payload
    assert case["statement_digest"] == f"sha256:{hashlib.sha256(pae).hexdigest()}"


@pytest.mark.parametrize(("kind", "case"), VALID)
def test_the_published_schema_takes_what_the_models_take(kind: str, case: dict[str, Any]) -> None:
    schema = read("schema", f"{kind}.schema.json")
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == VECTORS[kind]["predicate_type"]
    Draft202012Validator(schema).validate(json.loads(case["payload"])["predicate"])


@pytest.mark.parametrize("payload", INVALID)
def test_an_invalid_statement_is_refused_at_step_5(payload: bytes) -> None:
    with pytest.raises(StatementError) as caught:
        parse_statement(payload, strict=True)
    assert caught.value.step == 5
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()


def test_every_kind_has_vectors_that_are_refused() -> None:
    assert all(len(VECTORS[kind]["invalid"]) >= 5 for kind in KINDS)


# --- digests -----------------------------------------------------------------------------------


def tree(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


@pytest.mark.parametrize("case", DIGESTS["models"], ids=lambda case: case["name"])
def test_a_model_digest_is_what_the_specification_says(case: dict[str, Any]) -> None:
    files = sorted(case["files"], key=lambda file: file["path"].encode())
    leaves = [f"weighbridge/file/v1\n{f['size']}\n{f['sha256']}\n{f['path']}".encode() for f in files]
    assert case["model_digest"] == f"sha256:{tree(leaves).hex()}"


@pytest.mark.parametrize("case", DIGESTS["weights"], ids=lambda case: case["name"])
def test_a_weights_digest_is_what_the_specification_says(case: dict[str, Any]) -> None:
    leaves = []
    for tensor in sorted(case["tensors"], key=lambda tensor: tensor["name"]):
        members = {**tensor, "v": "weighbridge/tensor/v1"}
        leaves.append(json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    assert case["weights_digest"] == f"sha256:{tree(leaves).hex()}"


@pytest.mark.parametrize("case", DIGESTS["roots"], ids=lambda case: case["name"])
def test_a_root_digest_is_what_oms_says(case: dict[str, Any]) -> None:
    digest = hashlib.sha256(b"".join(map(bytes.fromhex, case["resource_digests"]))).hexdigest()
    assert case["root_digest"] == f"sha256:{digest}"


@pytest.mark.parametrize("case", DIGESTS["leaves"], ids=lambda case: case["name"])
def test_a_leaf_is_what_the_specification_says(case: dict[str, Any]) -> None:
    leaf = f'{{"bundle":"sha256:{case["bundle_sha256"]}","received":{case["received"]},"v":1}}'
    assert case["leaf"] == leaf
    assert case["leaf_hash"] == hashlib.sha256(b"\0" + leaf.encode()).hexdigest()


def test_the_other_digests_are_what_the_specification_says() -> None:
    for case in DIGESTS["statements"]:
        type_, payload = case["payload_type"], case["payload"]
        pae = f"DSSEv1 {len(type_)} {type_} {len(payload)} {payload}"
        assert case["statement_digest"] == f"sha256:{hashlib.sha256(pae.encode()).hexdigest()}"
    for case in DIGESTS["abstract_subjects"]:
        text = f"weighbridge/subject/v1\n{case['kind']}\n{case['name']}"
        assert case["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    for case in DIGESTS["names"]:
        assert case["folded"] == "".join(c for c in case["name"] if c not in "-_.").lower()
    for case in DIGESTS["signers"]:
        assert case["id"] == hashlib.sha256(case["canonical"].encode()).hexdigest()
        assert canonical.encode(json.loads(case["canonical"])).decode() == case["canonical"]


def test_the_examples_belong_together() -> None:
    release, oms, card = (
        json.loads(VECTORS[kind]["valid"][0]["payload"]) for kind in ("release", "oms", "card")
    )
    model = release["predicate"]["model"]
    assert model["model_digest"] == DIGESTS["models"][0]["model_digest"]
    assert model["weights_digest"] == DIGESTS["weights"][0]["weights_digest"]
    assert model["root_digests"][0]["root_digest"] == f"sha256:{oms['subject'][0]['digest']['sha256']}"
    assert (
        VECTORS["release"]["valid"][0]["statement_digest"]
        == f"sha256:{card['subject'][0]['digest']['sha256']}"
    )


# --- mutations ---------------------------------------------------------------------------------


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*way, name)
            yield from places(member, (*way, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield (*way, index)
            yield from places(item, (*way, index))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(-1e15, 1e15),
    st.text(max_size=20),
    st.sampled_from(["sha256:" + "0" * 64, "0" * 64, "https://example.org", "../x", "a\u202eb", "1.json"]),
    st.lists(st.none() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.none(), max_size=3),
)


@given(st.data())
def test_one_changed_member_gives_a_statement_or_a_statement_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    value = copy.deepcopy(json.loads(VECTORS[kind]["valid"][0]["payload"]))
    *way, last = data.draw(st.sampled_from(list(places(value))))
    parent = value
    for part in way:
        parent = parent[part]
    parent[last] = data.draw(JUNK)
    payload = json.dumps(value).encode()
    try:
        statement = parse_statement(payload, strict=True)
    except StatementError:
        return
    if statement.kind != "attestation":
        document = statement.document()
        assert type(document).model_validate(document.to_json()) == document
