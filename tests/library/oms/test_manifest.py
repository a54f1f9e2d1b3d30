# SPDX-License-Identifier: Apache-2.0
"""The signed manifest: made in one form, and every way in which a hostile signer could bend it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models import single_file, tiny_model
from weighbridge.canonical import encode
from weighbridge.errors import InputError, StatementError
from weighbridge.oms import Manifest, Resource, Serialization, manifest_of, oms_statement, parse_manifest
from weighbridge.statements import parse_statement
from weighbridge.weighing import weigh

Value = dict[str, Any]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def resource(name: str, content: bytes = b"x", algorithm: str = "sha256") -> dict[str, str]:
    return {"name": name, "digest": hashlib.new(algorithm, content).hexdigest(), "algorithm": algorithm}


def value(*resources: dict[str, str], **serialization: Any) -> Value:
    """A statement as a signer might make it; the root digest always fits the resources."""
    given = {"method": "files", "hash_type": "sha256", "allow_symlinks": False} | serialization
    digests = b"".join(bytes.fromhex(each["digest"]) for each in resources)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": sha256(digests)}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": list(resources), "serialization": given},
    }


def parse(statement: Value) -> tuple[Manifest, tuple[str, ...]]:
    return parse_manifest(parse_statement(encode(statement)))


def refused(statement: Value, words: str) -> None:
    with pytest.raises(StatementError, match=words) as caught:
        parse(statement)
    assert caught.value.step == 5


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b", "blake3"])
def test_what_is_made_is_what_a_registry_admits_and_reads_back(tmp_path: Path, algorithm: str) -> None:
    weighed = weigh(tiny_model(tmp_path / "m"), algorithms=[algorithm])
    manifest = manifest_of(weighed, algorithm=algorithm)
    payload = oms_statement(manifest, weighed.name)
    statement = parse_statement(payload, strict=True)
    assert statement.kind == "oms"
    assert statement.subject.name == "m"
    assert parse_manifest(statement) == (manifest, ())
    predicate = json.loads(payload)["predicate"]
    assert predicate["serialization"] == {
        "method": "files",
        "hash_type": algorithm,
        "allow_symlinks": False,
        "ignore_paths": sorted(weighed.ignored),
    }
    names = [each["name"] for each in predicate["resources"]]
    assert names == sorted(names)
    assert "README.md" not in names
    assert "README.md" in predicate["serialization"]["ignore_paths"]


def test_a_single_file_is_signed_under_its_base_name(tmp_path: Path) -> None:
    weighed = weigh(single_file(tmp_path / "tiny.safetensors"))
    manifest, _ = parse_manifest(parse_statement(oms_statement(manifest_of(weighed), weighed.name)))
    assert [each.name for each in manifest.resources] == ["tiny.safetensors"]


def test_a_manifest_needs_the_digests_it_lists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without blake3"):
        manifest_of(weigh(single_file(tmp_path / "a.safetensors")), algorithm="blake3")


names = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="\\:"), min_size=1
)


@given(
    st.lists(names.filter(lambda name: not set(name.split("/")) & {"", ".", ".."}), min_size=1, unique=True)
)
def test_a_manifest_reads_back_as_it_was_made(paths: list[str]) -> None:
    manifest = Manifest(
        tuple(Resource(path, sha256(path.encode()), "sha256") for path in sorted(paths)), Serialization()
    )
    statement = parse_statement(oms_statement(manifest, "m"))
    assert parse_manifest(statement) == (manifest, ())


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a/./b",
        "..",
        "",
        "a\\..\\b",
        "C:/windows",
        "a\nb",
        "a\x1b[2Jb",
        "a\u202egnp.exe",
        "a\u200bb",
        "x" * 1025,
    ],
)
def test_a_signed_name_that_is_no_plain_path_is_refused(name: str) -> None:
    """A trusted signer's `../x` made model-signing read outside the model (its pull request 647)."""
    refused(value(resource(name)), "file name")


def test_a_name_listed_twice_is_refused() -> None:
    refused(value(resource("a", b"good"), resource("a", b"evil")), "lists 'a' twice")


def test_an_empty_manifest_is_refused() -> None:
    refused(value(), "lists no files")


@pytest.mark.parametrize("path", [".", "", "./", "/", "./.", "..", "logs/..", "../..", "a/../..", "//"])
def test_an_ignore_path_that_covers_everything_is_refused(path: str) -> None:
    refused(value(resource("a"), ignore_paths=["logs", path]), "covers the whole model")


def test_foreign_ignore_paths_that_match_nothing_are_fine() -> None:
    ignored = ["./logs/", "/abs/olute", "a/../b", "tmp", "logs", ".git/"]
    manifest, warnings = parse(value(resource("a"), ignore_paths=ignored))
    assert manifest.serialization.ignore_paths == (".git", "logs", "tmp")
    assert warnings == ()


def test_resources_in_path_order_are_accepted_with_a_warning() -> None:
    """model-signing sorts by path components, so `a/b` comes before `a.txt`."""
    manifest, warnings = parse(value(resource("a/b"), resource("a.txt")))
    assert len(manifest.resources) == 2
    assert len(warnings) == 1
    assert "code-point order" in warnings[0]


def test_the_root_digest_must_be_the_one_of_the_resources() -> None:
    statement = value(resource("a"))
    statement["subject"][0]["digest"]["sha256"] = sha256(b"of another model")
    refused(statement, "root digest")


def test_a_dot_is_only_for_single_files() -> None:
    manifest, _ = parse(value(resource(".")))
    assert manifest.is_single_file
    refused(value(resource("."), resource("a")), "single-file")


def changed(change: Callable[[Value], Any]) -> Value:
    statement = value(resource("a"))
    change(statement)
    return statement


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (value(resource("a"), method="shards", shard_size=1000), "PATH:START:END"),
        (value(resource("a"), method="tensors"), "not known"),
        (value(resource("a"), method=["files"]), "not known"),
        (value(resource("a"), hash_type="md5"), "not one of"),
        (value(resource("a"), hash_type=None), "not one of"),
        (value(resource("a"), hash_type="blake3"), "says blake3, but 'a' is listed with 'sha256'"),
        (value(resource("a"), shard_size=1000), "not the method shards"),
        (value(resource("a"), allow_symlinks="false"), "allow_symlinks"),
        (value(resource("a"), ignore_paths="a"), "ignore_paths"),
        (value(resource("a"), ignore_paths=[1]), "ignore_paths"),
        (value(resource("a"), ignore_paths=["x"] * 10_001), "more than"),
        (value(resource("a"), follow="everything"), "not known"),
        (value(resource("a", algorithm="sha1")), "listed with 'sha1'"),
        (value(resource("a") | {"digest": sha256(b"x").upper()}), "lowercase hex"),
        (value(resource("a") | {"digest": "00"}), "lowercase hex"),
        (changed(lambda s: s["predicate"].pop("serialization")), "does not say"),
        (changed(lambda s: s["predicate"].pop("resources")), "lists no files"),
        (changed(lambda s: s["predicate"].update(resources={"a": "b"})), "lists no files"),
        (changed(lambda s: s["predicate"].update(resources=["a"])), "no resource"),
        (changed(lambda s: s["predicate"].update(resources=[{"digest": "00"}])), "without a name"),
        (changed(lambda s: s["subject"].append(s["subject"][0])), "one subject"),
        (
            changed(lambda s: s.update(predicateType="https://slsa.dev/provenance/v1")),
            "not a model signature",
        ),
    ],
)
def test_whatever_else_is_not_to_the_letter_is_refused(statement: Value, words: str) -> None:
    refused(statement, words)


def test_members_that_the_specification_does_not_name_are_ignored_in_resources() -> None:
    """OMS v1.0 lets a predicate and a resource grow; only the serialisation must be understood."""
    statement = value(resource("a") | {"size": "1"})
    statement["predicate"]["annotations"] = {"x": 1}
    manifest, warnings = parse(statement)
    assert [each.name for each in manifest.resources] == ["a"]
    assert warnings == ()


def test_a_signer_who_followed_links_is_pointed_out() -> None:
    _, warnings = parse(value(resource("a"), allow_symlinks=True))
    assert warnings == ("the signer followed links; links are not followed here",)
