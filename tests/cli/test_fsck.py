# SPDX-License-Identifier: Apache-2.0
"""`log fsck`: whole is proved, anything else is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import models
from tests.commands import weighbridge, weighbridge_here
from tests.registries import Registry, registry_here


def _publish(registry: Registry, folder: Path) -> None:
    weighbridge_here("key", "new", folder / "k.pem", "--no-passphrase")
    done = weighbridge_here(
        "publish",
        models.tiny_model(folder / "m"),
        "acme/tiny@1",
        "--registry",
        registry.url,
        "--key",
        folder / "k.pem",
    )
    assert done.exit_code == 0, done.stderr


@pytest.mark.files
def test_a_whole_log_is_whole_in_its_folder_and_at_its_address(tmp_path: Path, config_folder: Path) -> None:
    with registry_here(tmp_path / "r") as one:
        _publish(one, tmp_path)
        folder = weighbridge("log", "fsck", "--data", one.data)
        assert folder.exit_code == 0, folder.stdout + folder.stderr
        assert "whole: everything agrees" in folder.stdout
        address = weighbridge_here("log", "fsck", "--data", one.url, "--json")
        assert address.exit_code == 0, address.stderr
        told = address.json()
        assert (told["ok"], told["size"], told["origin"]) == (True, 5, one.origin)
        as_the_log_page_says = weighbridge_here("log", "fsck", one.url)
        assert as_the_log_page_says.exit_code == 0, as_the_log_page_says.stderr
        assert "whole: everything agrees" in as_the_log_page_says.stdout
        assert config_folder.exists()


@pytest.mark.files
def test_a_bundle_that_was_changed_on_disk_is_named(tmp_path: Path, config_folder: Path) -> None:
    with registry_here(tmp_path / "r") as one:
        _publish(one, tmp_path)
        one.stop()
        bundle = next(p for p in sorted(one.data.rglob("*")) if p.is_file() and "bundles" in p.parts)
        data = bytearray(bundle.read_bytes())
        data[len(data) // 2] ^= 1
        bundle.chmod(0o644)
        bundle.write_bytes(data)
        told = weighbridge_here("log", "fsck", "--data", one.data)
        assert told.exit_code == 1
        assert "NOT whole" in told.stdout
        assert "BAD" in told.stdout
    assert config_folder.exists()


def test_an_address_is_not_believed_without_a_pinned_key(tmp_path: Path, config_folder: Path) -> None:
    with registry_here(tmp_path / "r") as one:
        told = weighbridge_here("log", "fsck", "--data", one.url)
        assert told.exit_code == 2
        assert "log trust add" in told.stderr
    assert not (config_folder / "logs.json").exists()


def test_two_places_at_once_are_refused(tmp_path: Path) -> None:
    told = weighbridge_here("log", "fsck", "http://127.0.0.1:9", "--data", tmp_path)
    assert told.exit_code == 2
    assert "not both" in told.stderr


def test_no_registry_there_is_exit_2(tmp_path: Path) -> None:
    told = weighbridge_here("log", "fsck", "--data", tmp_path)
    assert told.exit_code == 2
    assert "no registry" in told.stderr
