# SPDX-License-Identifier: Apache-2.0
"""The real `--json` output of weigh, sign, verify and of errors, held against the published JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.commands import weighbridge_here
from tests.library.hub.conftest import Hub, hub
from tests.models import sharded_model, tiny_model, write
from tests.records import Published, published
from weighbridge import keys

__all__ = ["hub"]  # the fixture

SCHEMA = json.loads(
    (
        Path(__file__).resolve().parents[2] / "schemas/weighbridge_schemas/schema/reports.schema.json"
    ).read_text()
)


def check(name: str, document: Any) -> None:
    """Hold a document against one report's schema, and see that the schema refuses a spoilt one."""
    schema = {**SCHEMA, "$ref": f"#/$defs/{name}"}
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(document)
    for member in schema["$defs"][name]["required"]:
        spoilt = {key: value for key, value in document.items() if key != member}
        assert not validator.is_valid(spoilt), member
    assert not validator.is_valid({**document, "v": 2})


@pytest.fixture
def release(tmp_path: Path, config_folder: Path) -> Published:
    return published(tiny_model(tmp_path / "tiny"))


@pytest.fixture
def key(tmp_path: Path, config_folder: Path) -> Path:
    keys.write_private_key(tmp_path / "k.pem", keys.generate_private_key(), None)
    return tmp_path / "k.pem"


@pytest.mark.parametrize("options", [(), ("--tensors",)])
def test_weigh(tmp_path: Path, options: tuple[str, ...]) -> None:
    model = tiny_model(tmp_path / "m")
    document = weighbridge_here("weigh", model, "--json", *options).json()
    check("WeighReport", document)
    assert document["chat_templates"], "the tiny model has one in its tokenizer_config.json"
    assert ("list" in document["tensors"]) == bool(options)


def test_weigh_of_a_single_file_without_tensors(tmp_path: Path) -> None:
    check("WeighReport", weighbridge_here("weigh", write(tmp_path / "x.txt", "x"), "--json").json())


def test_compare(tmp_path: Path) -> None:
    first, second = tiny_model(tmp_path / "a"), sharded_model(tmp_path / "b", seed=1)
    for other in (second, first):
        check("CompareReport", weighbridge_here("weigh", first, "--compare", other, "--json").json())


@pytest.mark.parametrize("options", [(), ("--hash", "blake3"), ("--shard-size", "1000000")])
def test_sign(tmp_path: Path, key: Path, options: tuple[str, ...]) -> None:
    model = tiny_model(tmp_path / "m")
    document = weighbridge_here("sign", model, "--key", key, "--json", *options).json()
    check("SignReport", document)
    assert (document["model_digest"] is None) == bool(options)


def test_verify_good_bad_and_undecided(release: Published, tmp_path: Path) -> None:
    public = write(tmp_path / "acme.pub", release.publisher.pem)
    log = ("--log-key", release.log.vkey)
    for options, verdict in (
        (("--release", release.title, *log), "verified"),
        (("--public-key", public, *log), "verified"),
        (("--public-key", public), "undecided"),
        ((), "untrusted"),
    ):
        document = weighbridge_here("verify", release.model, "--json", *options).json()
        check("VerifyReport", document)
        assert document["verdict"] == verdict
    write(release.model / "config.json", "{}")
    document = weighbridge_here("verify", release.model, "--json", "--public-key", public, *log).json()
    check("VerifyReport", document)
    assert document["verdict"] == "failed"


def test_the_cache_and_the_hub(hub: Hub, tmp_path: Path, config_folder: Path) -> None:
    public = write(tmp_path / "acme.pub", hub.published.publisher.pem)
    wanted = ("--public-key", public, "--log-key", hub.published.log.vkey)
    check("VerifyReport", weighbridge_here("verify", "hf:acme/tiny", "--remote", "--json", *wanted).json())
    hub.download()
    document = weighbridge_here("verify", "--all-cached", "--json", *wanted).json()
    check("CachedReport", document)
    assert document["models"][0]["result"] == "verified"


@pytest.mark.parametrize(
    "arguments",
    [
        ["weigh", "nothing-here", "--json"],
        ["weigh", "--json"],
        ["sign", "nothing-here", "--json", "--key", "no.pem"],
        ["verify", "nothing-here", "--json"],
        ["verify", "hf:../x", "--json"],
    ],
)
def test_errors(config_folder: Path, arguments: list[str]) -> None:
    done = weighbridge_here(*arguments)
    assert done.exit_code == 2
    check("ErrorReport", done.json())


def test_an_error_at_a_step(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    document = weighbridge_here("weigh", tmp_path / "m", "--json").json()
    check("ErrorReport", document)
    assert document["error"]["step"] == {"n": 1, "name": "files"}
