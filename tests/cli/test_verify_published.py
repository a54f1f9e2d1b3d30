# SPDX-License-Identifier: Apache-2.0
"""From `publish` to `verify` against a real registry: the way of a publisher and of a stranger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import weighbridge_here as weighbridge
from tests.models import tiny_model
from tests.registries import Registry, registry_here

RELEASE = "acme/tiny@1.0"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry_here(tmp_path_factory.mktemp("registry")) as one:
        yield one


@pytest.fixture(scope="module")
def published(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that somebody published from a computer of their own."""
    folder = tmp_path_factory.mktemp("publisher")
    model, key = tiny_model(folder / "tiny"), folder / "key.pem"
    own = {"WEIGHBRIDGE_CONFIG_DIR": str(folder / "config")}
    made = weighbridge("key", "new", key, "--no-passphrase", **own)
    assert made.exit_code == 0, made.stderr
    done = weighbridge("publish", model, RELEASE, "--registry", registry.url, "--key", key, **own)
    assert done.exit_code == 0, done.stderr
    return model


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """What a stranger has downloaded."""
    return Path(shutil.copytree(published, tmp_path / "download"))


@pytest.mark.usefixtures("config_folder")
def test_a_stranger_trusts_the_log_once_and_verifies_offline(registry: Registry, copy: Path) -> None:
    before = weighbridge("verify", copy, "--release", RELEASE)
    assert before.exit_code == 3
    assert "log trust add" in before.stdout
    assert weighbridge("log", "trust", "add", registry.url, "--yes").exit_code == 0
    told = weighbridge("verify", copy, "--release", RELEASE, "--offline", "--json")
    assert told.exit_code == 0, told.stdout + told.stderr
    results = {step["n"]: step["result"] for step in told.json()["steps"]}
    assert [results[n] for n in range(1, 8)] == ["pass"] * 7
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(200)
        byte = file.read(1)
        file.seek(200)
        file.write(bytes([byte[0] ^ 1]))
    refused = weighbridge("verify", copy, "--release", RELEASE)
    assert refused.exit_code == 1
    assert "step 2 (digests) failed" in " ".join(refused.stdout.split())


@pytest.mark.usefixtures("config_folder")
def test_files_alone_are_enough_with_the_registry(registry: Registry, copy: Path) -> None:
    (copy / "model.sig").unlink()
    (copy / "provenance.jsonl").unlink()
    options = ("--release", RELEASE, "--log-key", registry.vkey)
    assert weighbridge("verify", copy, *options).exit_code == 1
    told = weighbridge("verify", copy, *options, "--registry", registry.url)
    assert told.exit_code == 0, told.stdout + told.stderr
    assert "none reported as of entry" in " ".join(told.stdout.split())


def test_the_publisher_notices_a_deleted_record(published: Path, registry: Registry, copy: Path) -> None:
    """`publish` remembers what it recorded; the record of the download is gone."""
    own = {"WEIGHBRIDGE_CONFIG_DIR": str(published.parent / "config")}
    (copy / "provenance.jsonl").unlink()
    told = weighbridge("verify", copy, "--release", RELEASE, **own)
    assert told.exit_code == 3, told.stdout + told.stderr
    assert weighbridge("verify", copy, "--release", RELEASE, "--registry", registry.url, **own).exit_code == 0
