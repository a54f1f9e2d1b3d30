# SPDX-License-Identifier: Apache-2.0
"""Bundles that wait for a registry: kept, found again, never mistaken for another request's."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.pending import PendingKey, PendingStore

_KEY = PendingKey("log.example", "acme/tiny@1", "a" * 64, "b" * 64)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=32))
def test_what_was_saved_is_found(tmp_path_factory: pytest.TempPathFactory, bundles: list[bytes]) -> None:
    store = PendingStore(tmp_path_factory.mktemp("pending") / "new" / "folder")
    store.save(_KEY, bundles)
    assert store.find(_KEY) == tuple(bundles)
    store.remove(_KEY)
    assert store.find(_KEY) is None
    store.remove(_KEY)


@pytest.mark.parametrize("field", ["origin", "release", "model_digest", "request"])
def test_another_request_never_gets_them(tmp_path: Path, field: str) -> None:
    store = PendingStore(tmp_path)
    store.save(_KEY, [b"signed"])
    assert store.find(dataclasses.replace(_KEY, **{field: "c" * 64})) is None
    # Not even if its file is put in the other's place.
    other = dataclasses.replace(_KEY, **{field: "c" * 64})
    (tmp_path / _KEY.file_name).rename(tmp_path / other.file_name)
    assert store.find(other) is None


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    store = PendingStore(tmp_path / "pending")
    store.save(_KEY, [b"signed"])
    assert stat.S_IMODE((tmp_path / "pending").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "pending" / _KEY.file_name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"v":2}', b"\xff", b'{"v":1,"bundles":["*"]}', b"[" * 100_000]
)
def test_a_damaged_file_is_none_so_that_is_signed_again(tmp_path: Path, text: bytes) -> None:
    (tmp_path / _KEY.file_name).write_bytes(text)
    assert PendingStore(tmp_path).find(_KEY) is None


def test_damaged_bundles_are_none(tmp_path: Path) -> None:
    store = PendingStore(tmp_path)
    store.save(_KEY, [b"signed"])
    path = tmp_path / _KEY.file_name
    path.write_bytes(path.read_bytes().replace(b"c2lnbmVk", b"c2ln*mVk"))
    assert store.find(_KEY) is None
