# SPDX-License-Identifier: Apache-2.0
"""`key new`: a key that nobody else can read and that nothing overwrites."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.commands import weighbridge_here as weighbridge
from weighbridge import keys


def test_a_new_key_is_private_and_its_public_half_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = weighbridge("key", "new", "release.pem", "--no-passphrase", "--json")
    assert made.exit_code == 0, made.stderr
    told = made.json()
    private, public = tmp_path / "release.pem", tmp_path / "release.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    key = keys.load_private_key(private)
    assert keys.public_pem(key.public_key()) == public.read_bytes()
    assert told["fingerprint"] == keys.fingerprint(key.public_key())
    assert told["encrypted"] is False


def test_people_are_told_what_to_keep_and_what_to_give_away(tmp_path: Path) -> None:
    made = weighbridge("key", "new", tmp_path / "k.key", "--no-passphrase")
    assert "keep it secret" in made.stdout
    assert "k.pub" in made.stdout
    assert "sha256:" in made.stdout
    assert "Back up the private key now" in made.stderr


def test_without_a_name_the_key_is_where_signing_finds_it(config_folder: Path) -> None:
    made = weighbridge("key", "new", "--no-passphrase")
    assert made.exit_code == 0, made.stderr
    assert (config_folder / "key.pem").is_file()
    assert (config_folder / "key.pub").is_file()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    weighbridge("key", "new", path, "--no-passphrase")
    before = path.read_bytes()
    again = weighbridge("key", "new", path, "--no-passphrase")
    assert again.exit_code == 2
    assert "never overwritten" in again.stderr
    assert path.read_bytes() == before


def test_a_public_key_in_the_way_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text("somebody's", encoding="ascii")
    made = weighbridge("key", "new", tmp_path / "key.pem", "--no-passphrase")
    assert made.exit_code == 2
    assert not (tmp_path / "key.pem").exists()


def test_the_passphrase_comes_from_the_environment_where_there_is_no_terminal(tmp_path: Path) -> None:
    refused = weighbridge("key", "new", tmp_path / "a.pem")
    assert refused.exit_code == 2
    assert "--password-env" in refused.stderr
    unset = weighbridge("key", "new", tmp_path / "a.pem", "--password-env", "NOT_SET")
    assert unset.exit_code == 2
    assert "NOT_SET is not set" in unset.stderr
    made = weighbridge("key", "new", tmp_path / "a.pem", "--password-env", "PW", PW="correct horse battery")
    assert made.exit_code == 0, made.stderr
    assert b"ENCRYPTED" in (tmp_path / "a.pem").read_bytes()
    keys.load_private_key(tmp_path / "a.pem", b"correct horse battery")


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_each_curve_of_the_specification_can_be_had(tmp_path: Path, curve: str) -> None:
    made = weighbridge("key", "new", tmp_path / "k.pem", "--no-passphrase", "--curve", curve, "--json")
    assert made.json()["curve"] == curve


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = weighbridge("key", "new", tmp_path / "no" / "such" / "k.pem", "--no-passphrase", "--json")
    assert made.exit_code == 2
    assert "k.pem" in made.json()["error"]["message"]
