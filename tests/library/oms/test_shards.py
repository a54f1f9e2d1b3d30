# SPDX-License-Identifier: Apache-2.0
"""Manifests of shards (OMS v1.0 section 6.3.2): made to the letter, read strictly, read fast."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.library.oms.test_manifest import parse, refused, resource, value
from tests.models import tiny_model, write
from weighbridge.errors import DigestError, InputError
from weighbridge.oms import compare, oms_statement, parse_manifest, serialize
from weighbridge.statements import parse_statement
from weighbridge.weighing import weigh
from weighbridge.weighing.hashing import SegmentHash, digest_of
from weighbridge.weighing.shards import MIN_SHARD_SIZE, Sharding

SIZE = MIN_SHARD_SIZE


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of one file that has three shards, one of exactly one shard, small ones and an empty one."""
    folder = tiny_model(tmp_path / "m")
    write(folder / "weights.bin", os.urandom(2 * SIZE + 500_000))
    write(folder / "exact.bin", os.urandom(SIZE))
    write(folder / "code" / "__init__.py", b"")
    return folder


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b", "blake3"])
def test_what_is_made_is_what_the_specification_says(model: Path, algorithm: str) -> None:
    made = serialize(model, algorithm=algorithm, shard_size=SIZE)
    payload = json.loads(oms_statement(made.manifest, made.name))
    serialization = payload["predicate"]["serialization"]
    assert serialization["method"] == "shards"
    assert serialization["hash_type"] == algorithm
    assert serialization["shard_size"] == SIZE
    assert type(serialization["shard_size"]) is int
    resources = payload["predicate"]["resources"]
    names = [each["name"] for each in resources]
    assert names == sorted(names)
    assert [name for name in names if name.startswith("weights")] == [
        f"weights.bin:0:{SIZE}",
        f"weights.bin:{SIZE}:{2 * SIZE}",
        f"weights.bin:{2 * SIZE}:{2 * SIZE + 500_000}",
    ]
    assert [name for name in names if name.startswith("exact")] == [f"exact.bin:0:{SIZE}"]
    assert not any("__init__" in name for name in names)
    assert made.warnings == ("not signed, because shards know no files without bytes: code/__init__.py",)
    content = (model / "weights.bin").read_bytes()
    digests = {each["name"]: each["digest"] for each in resources}
    assert digests[f"weights.bin:{SIZE}:{2 * SIZE}"] == digest_of(algorithm, content[SIZE : 2 * SIZE])
    assert {each["algorithm"] for each in resources} == {algorithm}


def test_it_reads_back_and_holds_and_says_what_it_does_not_cover(model: Path) -> None:
    made = serialize(model, shard_size=SIZE)
    manifest, warnings = parse_manifest(parse_statement(oms_statement(made.manifest, made.name), strict=True))
    assert (manifest, warnings) == (made.manifest, ())
    found = compare(manifest, model)
    assert found.enumeration_error() is None
    assert found.digest_error() is None
    assert found.unsigned == ("code/__init__.py",)
    assert found.checked == found.signed == len(weigh(model, exclude_readme=False).files) - 1


def test_a_changed_byte_is_named_with_its_shard(model: Path) -> None:
    manifest = serialize(model, shard_size=SIZE).manifest
    content = bytearray((model / "weights.bin").read_bytes())
    content[SIZE + 1] ^= 1
    (model / "weights.bin").write_bytes(content)
    error = compare(manifest, model).digest_error()
    assert isinstance(error, DigestError)
    assert [each["path"] for each in error.evidence["changed"]] == [f"weights.bin:{SIZE}:{2 * SIZE}"]


@pytest.mark.parametrize("change", [-1, 1, -SIZE, SIZE])
def test_a_file_of_another_length_is_named_with_both_sizes(model: Path, change: int) -> None:
    """An appended or a removed shard leaves all other shards as they were."""
    manifest = serialize(model, shard_size=SIZE).manifest
    size = 2 * SIZE + 500_000
    os.truncate(model / "weights.bin", size + change)
    error = compare(manifest, model).digest_error()
    assert error is not None
    assert error.evidence["changed"] == [
        {"path": "weights.bin", "algorithm": "size", "signed": str(size), "found": str(size + change)}
    ]


def test_a_strangers_huge_file_is_refused_by_its_size_without_reading_it(model: Path) -> None:
    manifest = serialize(model, shard_size=SIZE).manifest
    os.truncate(model / "weights.bin", 1 << 42)  # sparse: four terabytes that nobody should hash
    for identify in (False, True):
        assert compare(manifest, model, identify=identify).digest_error() is not None


def test_an_emptied_file_is_refused(model: Path) -> None:
    """A signed file must not pass as one of those that shards do not know."""
    manifest = serialize(model, shard_size=SIZE).manifest
    write(model / "weights.bin", b"")
    assert compare(manifest, model).digest_error() is not None


def test_with_a_release_the_same_read_gives_the_identity_of_the_model(model: Path) -> None:
    made = serialize(model, shard_size=SIZE, exclude_readme=True)
    found = compare(made.manifest, model, identify=True)
    assert found.digest_error() is None
    assert found.weighed is not None
    weighed = weigh(model)
    assert found.weighed.weights_digest == weighed.weights_digest
    # The empty file is let through, not signed: it is no part of what a release of this manifest names.
    assert {file.path for file in weighed.files} - {file.path for file in found.weighed.files} == {
        "code/__init__.py"
    }


def test_a_single_file_in_shards(tmp_path: Path) -> None:
    path = write(tmp_path / "one.bin", os.urandom(SIZE + 1))
    manifest = serialize(path, shard_size=SIZE).manifest
    assert [each.name for each in manifest.resources] == [f"one.bin:0:{SIZE}", f"one.bin:{SIZE}:{SIZE + 1}"]
    assert compare(manifest, path).digest_error() is None


def test_too_small_shards_and_nothing_but_empty_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "m" / "a", b"")
    with pytest.raises(InputError, match="too small"):
        serialize(tmp_path / "m", shard_size=1000)
    with pytest.raises(InputError, match="empty"):
        serialize(tmp_path / "m", shard_size=SIZE)


def sharded(*resources: dict[str, str], size: Any = 10) -> dict[str, Any]:
    return value(*resources, method="shards", shard_size=size)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a:0:10", "a:10:15"], ""),
        (["ab:c:0:10"], ""),
        (["ab:0:5:0:10"], ""),
        (["a:0:10", "a:20:25"], "do not cover"),
        (["a:10:20"], "do not cover"),
        (["a:0:10", "a:5:15"], "do not cover"),
        (["a:0:5", "a:5:10"], "do not cover"),
        (["a:0:20"], "do not cover"),
        (["a:0:5", "a:5:15"], "do not cover"),
        (["a:0:10", "a:0:9"], "do not cover"),
        (["a:5:4"], "do not cover"),
        (["a:0:9007199254740991"], "do not cover"),
        (["a:0:0"], "PATH:START:END"),
        (["a"], "PATH:START:END"),
        (["a:0"], "PATH:START:END"),
        (["a:00:10"], "PATH:START:END"),
        (["a:0:010"], "PATH:START:END"),
        (["a:-1:10"], "PATH:START:END"),
        (["a:0:+10"], "PATH:START:END"),
        (["a:0:1e1"], "PATH:START:END"),
        (["a:0:\u0661\u0660"], "PATH:START:END"),
        (["a:0: 10"], "PATH:START:END"),
        (["a:0:99999999999999999"], "PATH:START:END"),
        ([":0:10"], "PATH:START:END"),
        (["../a:0:10"], "part"),
        (["a/../b:0:10"], "part"),
        (["/a:0:10"], "absolute"),
        (["C:x:0:10"], "drive letter"),
        (["a:0:10", "a:0:10"], "twice"),
        ([".:0:10", "a:0:10"], "'.' among others"),
    ],
)
def test_shards_must_cover_their_files_exactly(names: list[str], words: str) -> None:
    statement = sharded(*(resource(name) for name in names))
    if words:
        refused(statement, words)
        return
    manifest, _ = parse(statement)
    assert [each.name for each in manifest.resources] == names


@pytest.mark.parametrize("size", [0, -1, True, "10", None, 10.5, [10]])
def test_a_shard_size_is_a_number_of_bytes(size: object) -> None:
    refused(sharded(resource("a:0:10"), size=size), "not a number of bytes")


def test_the_references_own_names_for_algorithms_are_read_if_they_agree() -> None:
    """It names the algorithm of shards after their size, and cannot read that again (test_released.py)."""
    item = resource("a:0:10") | {"algorithm": "sha256-sharded-10"}
    statement = sharded(item)
    statement["predicate"]["serialization"]["hash_type"] = "sha256-sharded-10"
    manifest, _ = parse(statement)
    assert manifest.serialization.shard_size == 10
    assert manifest.resources[0].algorithm == "sha256"
    refused(sharded(resource("a:0:10") | {"algorithm": "sha256-sharded-11"}), "listed with")


@given(st.integers(1, 50), st.integers(0, 400), st.integers(1, 60))
def test_shards_are_a_partition_however_the_bytes_arrive(size: int, length: int, step: int) -> None:
    sharding = Sharding("sha256", size)
    ranges = sharding.ranges(length)
    assert len(ranges) == sharding.count(length)
    data = os.urandom(length)
    assert b"".join(data[start:end] for start, end in ranges) == data
    segments = SegmentHash(ranges)
    for position in range(0, length, step):
        segments.update(data[position : position + step])
    assert segments.digests == [hashlib.sha256(data[start:end]).hexdigest() for start, end in ranges]
