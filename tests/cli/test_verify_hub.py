# SPDX-License-Identifier: Apache-2.0
"""`weighbridge verify hf:…`, `--all-cached` and `--remote`, as typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commands import weighbridge, weighbridge_here
from tests.library.hub.conftest import Hub, hub
from tests.models import tiny_model, write

__all__ = ["hub"]  # the fixture


@pytest.fixture
def wanted(hub: Hub, config_folder: Path) -> list[str]:
    """Give the options that name the publisher and their log."""
    key = write(hub.config / "acme.pub", hub.published.publisher.pem)
    return ["--public-key", str(key), "--log-key", hub.published.log.vkey]


def test_a_cached_model_is_verified_by_its_name(hub: Hub, wanted: list[str]) -> None:
    snapshot = hub.download()
    done = weighbridge_here("verify", "hf:acme/tiny", *wanted)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert f"commit {snapshot.name[:12]} of acme/tiny" in done.stdout
    bare = weighbridge_here("verify", "hf:acme/tiny")
    assert bare.exit_code == 1
    assert f"weighbridge verify hf:acme/tiny@{snapshot.name} --release acme/tiny@1.0" in bare.stdout
    unknown = weighbridge_here("verify", "hf:acme/none", *wanted)
    assert unknown.exit_code == 2
    assert "hf download acme/none" in unknown.stderr


def test_in_a_process_of_its_own_nothing_of_huggingface_hub_is_needed(hub: Hub, wanted: list[str]) -> None:
    hub.download()
    done = weighbridge("verify", "hf:acme/tiny", "--offline", *wanted, HF_HUB_CACHE=str(hub.cache))
    assert done.exit_code == 0, done.stdout + done.stderr


def test_the_whole_cache_in_one_table(hub: Hub, wanted: list[str], tmp_path: Path) -> None:
    hub.download()
    alone = weighbridge_here("verify", "--all-cached", *wanted)
    assert alone.exit_code == 0, alone.stdout
    assert "1 of 1 models verified." in alone.stdout
    hub.server.add("acme/unsigned", tiny_model(tmp_path / "unsigned"))
    hub.download("acme/unsigned")
    done = weighbridge_here("verify", "--all-cached", *wanted)
    assert done.exit_code == 1
    assert "unsigned   acme/unsigned@" in done.stdout
    assert "1 of 2 models verified." in done.stdout
    told: dict[str, Any] = weighbridge_here("verify", "--all-cached", "--json", *wanted).json()
    assert [(each["repo"], each["result"]) for each in told["models"]] == [
        ("acme/tiny", "verified"),
        ("acme/unsigned", "unsigned"),
    ]
    nobody = weighbridge_here("verify", "--all-cached")
    assert nobody.exit_code == 1
    assert "0 of 2 models verified." in nobody.stdout


def test_a_hub_is_asked_before_a_download(hub: Hub, wanted: list[str]) -> None:
    done = weighbridge_here("verify", "hf:acme/tiny", "--remote", *wanted)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "Matches: what the hub says" in done.stdout
    assert "Verified" not in done.stdout
    assert (
        weighbridge_here("verify", "hf:acme/tiny", "--remote", "--json", *wanted).json()["verdict"]
        == "matches"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "x", "--all-cached"],
        ["verify", "hf:acme/tiny", "--remote", "--offline"],
        ["verify", "x", "--remote"],
        ["verify", "hf:../x"],
        ["verify", "--all-cached", "--release", "acme/tiny"],
        ["verify", "--all-cached", "--remote"],
    ],
)
def test_contradictions_are_wrong_commands(hub: Hub, config_folder: Path, arguments: list[str]) -> None:
    done = weighbridge_here(*arguments)
    assert done.exit_code == 2, done.stdout + done.stderr
