# SPDX-License-Identifier: Apache-2.0
"""The digests that name a model: recomputed by hand, and what they do and do not survive."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import replace
from importlib.resources import files as files_of
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import safetensors, sharded_model, single_file, tensor, tiny_model, tiny_tensors, write
from weighbridge.errors import BundleError, EnumerationError
from weighbridge.weighing import (
    Tensor,
    WeighedFile,
    model_digest,
    read_tensor_table,
    root_digest,
    tensor_table,
    weigh,
    weights_digest,
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def merkle(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, written down as the RFC says it."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


def test_every_digest_of_a_model_can_be_recomputed_by_hand(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    weighed = weigh(folder, algorithms=("sha256", "blake3", "blake2b"))
    assert weighed.name == "tiny"
    paths = ["1_Pooling/config.json", "config.json", "data_config.json", "model.safetensors"]
    paths += ["tokenizer.json", "tokenizer_config.json"]
    assert [file.path for file in weighed.files] == paths
    contents = {path: (folder / path).read_bytes() for path in paths}
    for file in weighed.files:
        content = contents[file.path]
        assert file.size == len(content)
        assert file.sha256 == sha256(content)
        assert file.digests["blake2b"] == hashlib.blake2b(content).hexdigest()
        assert file.git_sha1 == hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()  # noqa: S324 - git's
    leaves = [f"weighbridge/file/v1\n{len(contents[p])}\n{sha256(contents[p])}\n{p}".encode() for p in paths]
    assert weighed.model_digest == merkle(leaves).hex()
    assert weighed.root_digest == sha256(b"".join(bytes.fromhex(sha256(contents[p])) for p in paths))
    lines = []
    for name, (dtype, shape, data) in sorted(tiny_tensors().items()):
        leaf = {"dtype": dtype, "name": name, "nbytes": len(data), "sha256": sha256(data), "shape": shape}
        lines.append(
            json.dumps(leaf | {"v": "weighbridge/tensor/v1"}, sort_keys=True, separators=(",", ":")).encode()
        )
    assert weighed.weights_digest == merkle(lines).hex()
    assert tensor_table(weighed.tensors) == b"".join(line + b"\n" for line in lines)


def test_weigh_reports_the_document_of_the_design(tmp_path: Path) -> None:
    document = weigh(tiny_model(tmp_path / "tiny")).to_json()
    assert document["model_digest"].startswith("sha256:")
    assert document["root_digest"].startswith("sha256:")
    assert document["weights_digest"].startswith("sha256:")
    assert document["tensors"] == {"count": 6, "bytes": 1024 + 256 + 32 + 128 + 128 + 128}
    assert document["files"][0]["path"] == "1_Pooling/config.json"
    assert json.loads(json.dumps(document)) == document


def test_the_readme_is_bound_by_the_card_and_not_by_the_model_digest(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    before = weigh(folder)
    (folder / "README.md").write_text("# Another card\n")
    after = weigh(folder)
    assert (before.model_digest, before.root_digest) == (after.model_digest, after.root_digest)
    assert before.readme
    assert after.readme
    assert before.readme.sha256 != after.readme.sha256
    whole = weigh(folder, exclude_readme=False)
    assert whole.model_digest == after.model_digest
    assert whole.root_digest != after.root_digest
    assert "README.md" in [file.path for file in whole.files]
    assert "README.md" in after.ignored
    assert "README.md" not in whole.ignored


def test_a_readme_below_the_top_level_is_a_file_like_any_other(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    before = weigh(folder).model_digest
    write(folder / "1_Pooling" / "README.md", "more")
    assert weigh(folder).model_digest != before


def test_resharding_keeps_the_weights_digest_and_changes_the_model_digest(tmp_path: Path) -> None:
    whole = weigh(tiny_model(tmp_path / "whole"))
    seen = {whole.model_digest}
    for shards in (1, 2, 3, 6):
        split = weigh(sharded_model(tmp_path / f"split{shards}", shards=shards))
        assert split.weights_digest == whole.weights_digest
        assert tensor_table(split.tensors) == tensor_table(whole.tensors)
        assert split.model_digest not in seen
        seen.add(split.model_digest)


def test_other_weights_have_another_weights_digest(tmp_path: Path) -> None:
    one = weigh(tiny_model(tmp_path / "one"))
    two = weigh(tiny_model(tmp_path / "two", seed=1))
    assert one.weights_digest != two.weights_digest


def test_a_renamed_file_keeps_the_root_digest_and_changes_the_model_digest(tmp_path: Path) -> None:
    """Names are not in the OMS root: that is why the model digest exists."""
    folder = tiny_model(tmp_path / "tiny")
    before = weigh(folder)
    (folder / "tokenizer_config.json").rename(folder / "tokenizer_setup.json")
    after = weigh(folder)
    assert after.root_digest == before.root_digest
    assert after.model_digest != before.model_digest


def test_the_place_and_the_name_of_the_folder_do_not_matter(tmp_path: Path) -> None:
    one = weigh(tiny_model(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "two")
    two = weigh(tmp_path / "elsewhere" / "two")
    assert (one.model_digest, one.root_digest) == (two.model_digest, two.root_digest)


def test_a_single_file_is_weighed_under_its_base_name(tmp_path: Path) -> None:
    path = single_file(tmp_path / "tiny.safetensors")
    write(tmp_path / "unrelated.txt", "not looked at")
    weighed = weigh(path)
    assert weighed.is_file
    assert weighed.name == "tiny.safetensors"
    assert [file.path for file in weighed.files] == ["tiny.safetensors"]
    assert weighed.ignored == ("tiny.safetensors.provenance.jsonl", "tiny.safetensors.sig")
    assert len(weighed.tensors) == 6


def test_a_model_without_tensors_has_no_weights_digest(tmp_path: Path) -> None:
    write(tmp_path / "m" / "config.json", "{}")
    weighed = weigh(tmp_path / "m")
    assert weighed.weights_digest is None
    assert weighed.to_json()["weights_digest"] is None


def test_empty_files_are_weighed(tmp_path: Path) -> None:
    write(tmp_path / "m" / "__init__.py", b"")
    weighed = weigh(tmp_path / "m")
    assert weighed.files[0].sha256 == sha256(b"")
    assert weighed.files[0].git_sha1 == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_a_name_in_two_shards_of_one_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = sharded_model(tmp_path / "m")
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(safetensors({"embeddings.weight": tensor("F32", (32, 8), 99)}))
    with pytest.raises(EnumerationError, match=r"'embeddings\.weight' is there twice") as caught:
        weigh(folder)
    assert caught.value.step == 1


def test_two_checkpoints_side_by_side_have_no_weights_digest_and_a_reason(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "m")
    shutil.copy(folder / "model.safetensors", folder / "model.fp16.safetensors")
    weighed = weigh(folder)
    assert weighed.weights_digest is None
    assert weighed.tensors == ()
    assert "--ignore" in weighed.warnings[0]
    assert weigh(folder, ignore=["model.fp16.safetensors"]).weights_digest is not None


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.permutations(sorted(tiny_tensors())))
def test_any_distribution_of_the_tensors_over_shards_has_the_same_weights_digest(
    places: list[int], order: list[str]
) -> None:
    """Which shard a tensor lies in, and where in it, is no part of the weights' identity."""
    everything = tiny_tensors()
    with tempfile.TemporaryDirectory() as place:
        for shard in set(places):
            part = {name: everything[name] for name, at in zip(order, places, strict=True) if at == shard}
            write(Path(place, "m", f"model-{shard:05d}-of-00004.safetensors"), safetensors(part))
        found = weigh(Path(place, "m")).tensors
    assert weights_digest(found) == weights_digest(WHOLE)
    assert tensor_table(found) == tensor_table(WHOLE)


WHOLE = [
    Tensor(name, dtype, tuple(shape), len(data), sha256(data))
    for name, (dtype, shape, data) in tiny_tensors().items()
]
VECTORS = json.loads(
    (files_of("weighbridge_schemas") / "vectors" / "digests.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("vector", VECTORS["models"], ids=lambda vector: vector["name"])
def test_model_digests_are_those_of_the_specification(vector: dict[str, Any]) -> None:
    listed = [
        WeighedFile(file["path"], file["size"], {"sha256": file["sha256"]}, "", "other", "text", False)
        for file in vector["files"]
    ]
    assert f"sha256:{model_digest(listed)}" == vector["model_digest"]


@pytest.mark.parametrize("vector", VECTORS["weights"], ids=lambda vector: vector["name"])
def test_weights_digests_are_those_of_the_specification(vector: dict[str, Any]) -> None:
    listed = [Tensor(**(tensor | {"shape": tuple(tensor["shape"])})) for tensor in vector["tensors"]]
    assert f"sha256:{weights_digest(listed)}" == vector["weights_digest"]
    assert list(read_tensor_table(tensor_table(listed))) == sorted(listed, key=lambda each: each.name)


@pytest.mark.parametrize("vector", VECTORS["roots"], ids=lambda vector: vector["name"])
def test_root_digests_are_those_of_the_specification(vector: dict[str, Any]) -> None:
    digests = [bytes.fromhex(digest) for digest in vector["resource_digests"]]
    assert f"sha256:{root_digest(digests)}" == vector["root_digest"]


def files() -> st.SearchStrategy[list[WeighedFile]]:
    names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)
    file = st.builds(
        lambda path, size, digest: WeighedFile(path, size, {"sha256": digest}, "", "other", "text", False),
        names,
        st.integers(0, 2**53 - 1),
        st.binary(min_size=32, max_size=32).map(bytes.hex),
    )
    return st.lists(file, min_size=1, max_size=12, unique_by=lambda file: file.path).filter(
        lambda files: all(file.path != "README.md" for file in files)
    )


@given(files(), st.randoms(use_true_random=False))
def test_the_model_digest_does_not_depend_on_the_order_of_the_walk(
    some: list[WeighedFile], random: Random
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    assert model_digest(shuffled) == model_digest(some)


@given(files(), st.data())
def test_the_model_digest_changes_with_any_name_size_or_content(
    some: list[WeighedFile], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(some) - 1))
    old = some[index]
    flipped = f"{int(old.sha256[0], 16) ^ 1:x}{old.sha256[1:]}"
    for new in (
        replace(old, path=old.path + "x"),
        replace(old, size=old.size + 1),
        replace(old, digests={"sha256": flipped}),
    ):
        changed = [*some[:index], new, *some[index + 1 :]]
        assert model_digest(changed) != model_digest(some)
    if len(some) > 1:
        assert model_digest(some[:index] + some[index + 1 :]) != model_digest(some)


def tensors() -> st.SearchStrategy[list[Tensor]]:
    one = st.builds(
        Tensor,
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20),
        st.sampled_from(["F32", "BF16", "I8", "Q4_K"]),
        st.lists(st.integers(0, 2**20), max_size=4).map(tuple),
        st.integers(0, 2**53 - 1),
        st.binary(min_size=32, max_size=32).map(bytes.hex),
    )
    return st.lists(one, max_size=10, unique_by=lambda tensor: tensor.name)


@given(tensors(), st.randoms(use_true_random=False))
def test_the_tensor_table_reads_back_and_its_order_is_fixed(some: list[Tensor], random: Random) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    table = tensor_table(some)
    assert tensor_table(shuffled) == table
    assert weights_digest(shuffled) == weights_digest(some)
    assert list(read_tensor_table(table)) == sorted(some, key=lambda tensor: tensor.name)


@given(tensors().filter(bool), st.data())
def test_a_tensor_table_with_any_byte_changed_is_refused_or_another_table(
    some: list[Tensor], data: st.DataObject
) -> None:
    table = bytearray(tensor_table(some))
    table[data.draw(st.integers(0, len(table) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = read_tensor_table(bytes(table))
    except BundleError:
        return
    assert tensor_table(other) == bytes(table)
    assert weights_digest(other) != weights_digest(some)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'{"dtype":"F32","name":"a","nbytes":4,"sha256":"00","shape":[1],"v":"weighbridge/tensor/v1"}',
        b'{"dtype":"F32","name":"a","nbytes":-4,"sha256":"%b","shape":[1],"v":"weighbridge/tensor/v1"}'
        % (b"0" * 64),
        b'{"dtype":"F32","name":"a","nbytes":true,"sha256":"%b","shape":[1],"v":"weighbridge/tensor/v1"}'
        % (b"0" * 64),
        b'{"dtype":"F32","name":"a","nbytes":4,"sha256":"%b","shape":[-1],"v":"weighbridge/tensor/v1"}'
        % (b"0" * 64),
        b'{"dtype":"F32","name":"a","nbytes":4,"sha256":"%b","shape":[1],"v":"weighbridge/tensor/v2"}'
        % (b"0" * 64),
        b'{"dtype":"F32","name":"a","nbytes":4,"sha256":"%b","shape":[1],"v":"weighbridge/tensor/v1","x":1}'
        % (b"0" * 64),
    ],
)
def test_lines_that_are_no_tensors_are_refused(line: bytes) -> None:
    with pytest.raises(BundleError):
        read_tensor_table(line + b"\n")


def test_a_table_in_another_order_is_refused() -> None:
    lines = tensor_table(
        [Tensor("a", "F32", (1,), 4, "0" * 64), Tensor("b", "F32", (1,), 4, "0" * 64)]
    ).splitlines()
    with pytest.raises(BundleError, match="canonical form"):
        read_tensor_table(b"\n".join(reversed(lines)) + b"\n")
    with pytest.raises(BundleError, match="there twice"):
        read_tensor_table(b"\n".join([lines[0], lines[0]]) + b"\n")
