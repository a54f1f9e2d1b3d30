# SPDX-License-Identifier: Apache-2.0
"""Files of memory that hold JSON of the right version and the wrong shape are named, not tripped over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import ConfigurationError
from weighbridge.memory import Memory
from weighbridge.tlog import Checkpoint, Signer, parse_checkpoint, sign_checkpoint

ORIGIN = "log.example/spoilt"
ROOT = "ab" * 32


def spoil(folder: Path, change: dict[str, Any]) -> Path:
    (path,) = (each for each in (folder / "memory").rglob("*") if each.is_file() and each.name != ".lock")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    return path


@pytest.mark.parametrize(
    "releases",
    [3, None, "x", [3], [{}], [{"origin": 1, "release": "a/b@1", "received": 1, "seen": "x"}]],
    ids=repr,
)
def test_a_list_of_releases_of_another_shape_is_spoilt(tmp_path: Path, releases: Any) -> None:
    memory = Memory(tmp_path, enabled=True)
    memory.remember_logged(ORIGIN, [ROOT], release="a/b@1", received=1)
    path = spoil(tmp_path, {"releases": releases})
    with pytest.raises(ConfigurationError, match="is spoilt") as caught:
        memory.known_logged(ROOT)
    assert caught.value.evidence["path"] == str(path)


def test_nothing_is_added_to_a_list_of_another_shape(tmp_path: Path) -> None:
    memory = Memory(tmp_path, enabled=True)
    memory.remember_logged(ORIGIN, [ROOT], release="a/b@1", received=1)
    path = spoil(tmp_path, {"releases": [3]})
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="is spoilt"):
        memory.remember_logged(ORIGIN, [ROOT], release="a/b@2", received=2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("members", [{"head": 3}, {"waiting": 3}, {"waiting": [3]}, {"grown": 3}], ids=repr)
def test_checkpoints_of_another_shape_are_spoilt(tmp_path: Path, members: dict[str, Any]) -> None:
    signer = Signer.generate(ORIGIN)
    small, large = (
        parse_checkpoint(
            sign_checkpoint(Checkpoint(ORIGIN, size, bytes([size]) * 32), signer), [signer.verifier]
        )
        for size in (1, 2)
    )
    memory = Memory(tmp_path, enabled=True)
    memory.remember_checkpoint(large)
    spoil(tmp_path, members)
    with pytest.raises(ConfigurationError, match="is spoilt"):
        memory.remember_checkpoint(small, live=True)
