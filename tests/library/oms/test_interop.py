# SPDX-License-Identifier: Apache-2.0
"""Payloads against the reference implementation, model-signing 1.1.1: same files, same root, both ways."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import json_format

from tests.models import tiny_model, write
from weighbridge.errors import StatementError
from weighbridge.oms import compare, manifest_of, oms_statement, parse_manifest
from weighbridge.statements import parse_statement
from weighbridge.weighing import weigh


class Theirs(NamedTuple):
    signing: Any
    hashing: Any


@pytest.fixture(scope="module")
def theirs() -> Theirs:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies' deprecations are not ours to fix
        return Theirs(
            importlib.import_module("model_signing._signing.signing"),
            importlib.import_module("model_signing.hashing"),
        )


def their_payload(
    theirs: Theirs, folder: Path, ignore: list[str], algorithm: str = "sha256"
) -> dict[str, Any]:
    config = theirs.hashing.Config().use_file_serialization(hashing_algorithm=algorithm)
    config.set_ignored_paths(paths=[folder / path for path in ignore])
    payload: dict[str, Any] = json_format.MessageToDict(
        theirs.signing.Payload(config.hash(folder)).statement.pb
    )
    payload["_type"] = payload.pop("type", payload.get("_type"))
    return payload


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b", "blake3"])
def test_our_manifest_of_a_folder_is_theirs(tmp_path: Path, theirs: Theirs, algorithm: str) -> None:
    folder = tiny_model(tmp_path / "tiny")
    weighed = weigh(folder, algorithms=[algorithm])
    ours = json.loads(oms_statement(manifest_of(weighed, algorithm=algorithm), weighed.name))
    name = {"blake2b": "blake2"}.get(algorithm, algorithm)
    other = their_payload(theirs, folder, list(weighed.ignored), name)
    assert ours["subject"] == other["subject"]
    assert ours["predicateType"] == other["predicateType"]
    assert ours["predicate"]["resources"] == other["predicate"]["resources"]
    serialization = other["predicate"]["serialization"]
    serialization["ignore_paths"] = sorted(serialization["ignore_paths"])
    assert ours["predicate"]["serialization"] == serialization


def test_they_read_our_payload_and_find_their_own_manifest(tmp_path: Path, theirs: Theirs) -> None:
    folder = tiny_model(tmp_path / "tiny")
    write(folder / "a.txt", "1")
    write(folder / "a" / "b.txt", "2")
    weighed = weigh(folder)
    ours = json.loads(oms_statement(manifest_of(weighed), weighed.name))
    config = theirs.hashing.Config()
    config.set_ignored_paths(paths=[folder / path for path in weighed.ignored])
    assert theirs.signing.dsse_payload_to_manifest(ours) == config.hash(folder)


def test_we_read_their_payload_in_path_order_with_a_warning(tmp_path: Path, theirs: Theirs) -> None:
    folder = tiny_model(tmp_path / "tiny")
    write(folder / "a.txt", "1")
    write(folder / "a" / "b.txt", "2")
    payload = json.dumps(their_payload(theirs, folder, ["README.md"])).encode()
    manifest, found = parse_manifest(parse_statement(payload))
    names = [each.name for each in manifest.resources]
    assert names != sorted(names)
    assert "code-point order" in found[0]
    comparison = compare(manifest, folder)
    assert comparison.enumeration_error() is None
    assert comparison.digest_error() is None


def test_we_read_their_payload_of_a_single_file(tmp_path: Path, theirs: Theirs) -> None:
    path = write(tmp_path / "weights.bin", b"weights")
    payload = json.dumps(their_payload(theirs, path, [])).encode()
    manifest, found = parse_manifest(parse_statement(payload))
    assert found == ()
    assert manifest.is_single_file
    assert compare(manifest, path).digest_error() is None
    write(path, b"other")
    assert compare(manifest, path).digest_error()


def test_their_empty_model_is_refused(tmp_path: Path, theirs: Theirs) -> None:
    (tmp_path / "empty").mkdir()
    payload = json.dumps(their_payload(theirs, tmp_path / "empty", [])).encode()
    with pytest.raises(StatementError, match="lists no files"):
        parse_manifest(parse_statement(payload))
