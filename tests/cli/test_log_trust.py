# SPDX-License-Identifier: Apache-2.0
"""`log trust`: trust is given by a person, to one key, knowingly."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.commands import weighbridge_here as weighbridge
from tests.registries import Registry
from weighbridge.tlog import Signer
from weighbridge.trust import TrustStore, fingerprint


def test_the_fingerprint_that_was_told_decides(registry: Registry, config_folder: Path) -> None:
    told = fingerprint(registry.vkey)
    added = weighbridge("log", "trust", "add", registry.url, "--fingerprint", told, "--json")
    assert added.exit_code == 0, added.stderr
    assert added.json()["fingerprint"] == told
    listed = weighbridge("log", "trust", "list", "--json").json()["logs"]
    assert [(log["origin"], log["url"]) for log in listed] == [(registry.origin, registry.url)]
    assert stat.S_IMODE((config_folder / "logs.json").stat().st_mode) == 0o600
    assert registry.origin in weighbridge("log", "trust", "list").stdout


def test_another_fingerprint_is_refused_and_nothing_is_trusted(
    registry: Registry, config_folder: Path
) -> None:
    added = weighbridge("log", "trust", "add", registry.url, "--fingerprint", "0" * 64)
    assert added.exit_code == 1
    assert "not the one that you were told" in added.stderr
    assert TrustStore(config_folder).logs() == ()


def test_nobody_is_asked_where_nobody_can_answer(registry: Registry, config_folder: Path) -> None:
    added = weighbridge("log", "trust", "add", registry.url)
    assert added.exit_code == 2
    assert fingerprint(registry.vkey) in added.stderr
    assert "--fingerprint" in added.stderr
    assert TrustStore(config_folder).logs() == ()


def test_a_key_can_be_named_directly_or_in_a_file(tmp_path: Path, config_folder: Path) -> None:
    vkey = Signer.generate("example.org/log").verifier.vkey
    assert weighbridge("log", "trust", "add", vkey, "--yes").exit_code == 0
    (tmp_path / "log.vkey").write_text(f"{vkey}\n", encoding="ascii")
    assert weighbridge("log", "trust", "add", tmp_path / "log.vkey", "--yes").exit_code == 0
    assert [log.origin for log in TrustStore(config_folder).logs()] == ["example.org/log"]


def test_another_key_for_a_trusted_log_is_what_an_impostor_looks_like(config_folder: Path) -> None:
    for attempt, code in (("first", 0), ("second", 2)):
        added = weighbridge("log", "trust", "add", Signer.generate("example.org/log").verifier.vkey, "--yes")
        assert added.exit_code == code, attempt
    assert "impostor" in added.stderr
    assert len(TrustStore(config_folder).logs()) == 1


def test_trust_can_be_taken_back(config_folder: Path) -> None:
    weighbridge("log", "trust", "add", Signer.generate("example.org/log").verifier.vkey, "--yes")
    assert weighbridge("log", "trust", "remove", "example.org/log").exit_code == 0
    assert TrustStore(config_folder).logs() == ()
    again = weighbridge("log", "trust", "remove", "example.org/log")
    assert again.exit_code == 2
    assert "log trust list" in again.stderr


def test_what_is_no_key_is_refused(config_folder: Path) -> None:
    for text in ("nonsense", "example.org/log+00000000+AAAA", "/no/such/file"):
        added = weighbridge("log", "trust", "add", text, "--yes")
        assert added.exit_code in {1, 2}, text
        assert "error:" in added.stderr
    assert TrustStore(config_folder).logs() == ()


def test_a_registry_that_does_not_answer_is_exit_3(config_folder: Path) -> None:
    added = weighbridge("log", "trust", "add", "http://127.0.0.1:9", "--yes")
    assert added.exit_code == 3
    assert TrustStore(config_folder).logs() == ()
