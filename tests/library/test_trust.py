# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from weighbridge.errors import ConfigurationError, NoteError
from weighbridge.tlog import Algorithm, Signer
from weighbridge.trust import TrustStore

LOG = Signer("log.example/one", bytes(range(32))).verifier.vkey
OTHER = Signer("log.example/two", bytes(range(32))).verifier.vkey
IMPOSTOR = Signer("log.example/one", bytes(32)).verifier.vkey
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_an_empty_folder_trusts_nothing_and_reading_makes_no_files(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "config")
    assert store.logs() == ()
    assert store.find("log.example/one") is None
    assert not store.forget("log.example/one")
    assert not (tmp_path / "config").exists()


def test_a_pinned_log_is_found_again(tmp_path: Path) -> None:
    pinned = TrustStore(tmp_path / "c").trust(LOG, "http://127.0.0.1:8484", now=NOW)
    TrustStore(tmp_path / "c").trust(OTHER)
    store = TrustStore(tmp_path / "c")
    assert [log.origin for log in store.logs()] == ["log.example/one", "log.example/two"]
    assert store.find("log.example/one") == pinned
    assert pinned.added == "2026-11-23T09:00:00Z"
    assert pinned.fingerprint == sha256(LOG.encode()).hexdigest()
    assert pinned.verifier.vkey == LOG


def test_files_and_folder_are_private(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "c")
    store.trust(LOG)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700


def test_another_key_for_a_pinned_log_is_refused(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.trust(LOG, now=NOW)
    with pytest.raises(ConfigurationError, match="trusted with another key") as caught:
        store.trust(IMPOSTOR)
    assert "impostor" in caught.value.hint
    assert [log.vkey for log in store.logs()] == [LOG]
    store.trust(IMPOSTOR, replace=True)
    assert [log.vkey for log in store.logs()] == [IMPOSTOR]


def test_pinning_again_keeps_the_date_and_takes_the_new_address(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.trust(LOG, "http://a", now=NOW)
    assert store.trust(LOG).url == "http://a"
    again = store.trust(LOG, "http://b")
    assert (again.url, again.added) == ("http://b", "2026-11-23T09:00:00Z")
    assert store.logs() == (again,)


def test_a_log_can_be_forgotten(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.trust(LOG)
    assert store.forget("log.example/one")
    assert store.logs() == ()


def test_a_witness_is_no_log(tmp_path: Path) -> None:
    witness = Signer("w.example", bytes(32), Algorithm.ED25519_COSIGNATURE).verifier.vkey
    with pytest.raises(NoteError, match="witness"):
        TrustStore(tmp_path).trust(witness)
    with pytest.raises(NoteError):
        TrustStore(tmp_path).trust("nonsense")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"v": 2, "logs": []}',
        '{"v": 1}',
        '{"v": 1, "logs": 5}',
        '{"v": 1, "logs": [5]}',
        '{"v": 1, "logs": [{}]}',
        '{"v": 1, "logs": [{"origin": "o", "vkey": "x", "url": "", "added": ""}]}',
        '{"v": 1, "logs": [{"origin": "o", "vkey": "' + LOG + '", "url": "", "added": ""}]}',
        '{"v": 1, "logs": [{"origin": "o", "vkey": "' + LOG + '", "url": "", "added": "", "more": ""}]}',
        "\x00" * 100,
    ],
)
def test_a_spoilt_store_is_an_error_and_never_empty_trust(tmp_path: Path, content: str) -> None:
    store = TrustStore(tmp_path)
    store.path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"logs\.json is spoilt") as caught:
        store.logs()
    assert caught.value.exit_code == 2
    with pytest.raises(ConfigurationError):
        store.trust(LOG)
    assert store.path.read_text() == content
