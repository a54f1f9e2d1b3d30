# SPDX-License-Identifier: Apache-2.0
"""`sign`: who signs, what is written, and what nobody is ever surprised by."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import stat
import time
from pathlib import Path
from unittest import mock

import pytest
from cryptography.hazmat.primitives import serialization

from tests import models
from tests.authorities import Authority
from tests.commands import weighbridge
from tests.commands import weighbridge_here as here
from weighbridge import bundles, keys
from weighbridge.config import config_folder as folder_of_config
from weighbridge.errors import InputError
from weighbridge.file_tables import FileTables
from weighbridge.signing import CertificateSigner, KeySigner
from weighbridge.statements import parse_statement
from weighbridge_cli.signers import SigningOptions, choose_signer


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key without passphrase."""
    path = tmp_path / "signer.pem"
    keys.write_private_key(path, keys.generate_private_key(), None)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.tiny_model(tmp_path / "tiny")


def test_a_key_signs_a_folder_and_the_signature_lies_in_it(
    model: Path, key: Path, config_folder: Path
) -> None:
    done = weighbridge("sign", model, "--key", key, "--json")
    assert done.exit_code == 0, done.stderr
    told = done.json()
    bundle = bundles.parse_bundle((model / "model.sig").read_bytes(), strict=True)
    statement = parse_statement(bundle.payload, strict=True)
    assert told["signature"] == str(model / "model.sig")
    assert told["root_digest"] == f"sha256:{statement.subject.sha256}"
    assert told["reused"] == {"files": 0, "bytes": 0}
    assert done.stderr == ""
    kept = [path for path in config_folder.rglob("*") if path.is_file()]
    assert [path.parent.name for path in kept] == ["hashed"], "how the files stood, for --reuse; nothing else"
    assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600


def test_a_single_file_has_its_signature_beside_it(model: Path, key: Path) -> None:
    done = weighbridge("sign", model / "model.safetensors", "--key", key)
    assert done.exit_code == 0, done.stderr
    assert (model / "model.safetensors.sig").is_file()
    assert "1 files" in done.stdout


def test_the_key_that_key_new_made_is_found_without_being_named(model: Path, config_folder: Path) -> None:
    weighbridge("key", "new", "--no-passphrase")
    assert (config_folder / "key.pem").is_file()
    done = weighbridge("sign", model)
    assert done.exit_code == 0, done.stderr
    fingerprint = keys.fingerprint(keys.load_private_key(config_folder / "key.pem").public_key())
    assert fingerprint in done.stdout


def test_the_environment_names_a_key_and_the_option_wins(model: Path, key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    keys.write_private_key(other, keys.generate_private_key(), None)
    spki = {path: keys.spki_sha256(keys.load_private_key(path).public_key()) for path in (key, other)}
    by_environment = weighbridge("sign", model, "--json", WEIGHBRIDGE_KEY=str(other)).json()
    assert spki[other] in by_environment["signer"]
    by_option = weighbridge("sign", model, "--json", "--key", key, WEIGHBRIDGE_KEY=str(other)).json()
    assert spki[key] in by_option["signer"]


def test_with_nobody_to_sign_both_ways_out_are_told(model: Path, config_folder: Path) -> None:
    done = weighbridge("sign", model)
    assert done.exit_code == 2
    assert "weighbridge key new" in done.stderr
    assert "--keyless" in done.stderr
    assert not (model / "model.sig").exists()
    assert not config_folder.exists()


def test_an_encrypted_key_asks_where_nobody_can_answer(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked.pem"
    keys.write_private_key(path, keys.generate_private_key(), b"open sesame")
    refused = weighbridge("sign", model, "--key", path)
    assert refused.exit_code == 2
    assert "--password-env" in refused.stderr
    wrong = weighbridge("sign", model, "--key", path, "--password-env", "PW", PW="open barley")
    assert wrong.exit_code == 2
    assert "passphrase does not open" in wrong.stderr
    done = weighbridge("sign", model, "--key", path, "--password-env", "PW", PW="open sesame")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "k.pem", "--keyless"],
        ["--key", "k.pem", "--staging"],
        ["--chain", "c.pem"],
        ["--certificate", "c.pem"],
        ["--key", "no-such.pem"],
        ["--hash", "md5"],
    ],
)
def test_options_that_contradict_each_other_sign_nothing(
    model: Path, config_folder: Path, arguments: list[str]
) -> None:
    done = weighbridge("sign", model, *arguments)
    assert done.exit_code == 2
    assert "error:" in done.stderr
    assert not (model / "model.sig").exists()
    assert not config_folder.exists()


def test_nobody_becomes_public_without_saying_yes(model: Path, config_folder: Path) -> None:
    done = weighbridge("sign", model, "--keyless")
    assert done.exit_code == 2
    assert "e-mail address public for ever" in done.stderr
    assert "--yes" in done.stderr
    assert not config_folder.exists()


def test_a_signature_replaces_the_one_before_and_is_readable_by_all(model: Path, key: Path) -> None:
    (model / "model.sig").write_text("old", encoding="ascii")
    assert weighbridge("sign", model, "--key", key).exit_code == 0
    assert (model / "model.sig").read_bytes().startswith(b"{")
    assert stat.S_IMODE((model / "model.sig").stat().st_mode) & 0o400


def test_a_model_that_cannot_be_weighed_leaves_the_old_signature(model: Path, key: Path) -> None:
    (model / "model.sig").write_text("old", encoding="ascii")
    (model / "link").symlink_to("/etc/passwd")
    done = weighbridge("sign", model, "--key", key)
    assert done.exit_code == 1
    assert "step 1" in done.stderr
    assert (model / "model.sig").read_text(encoding="ascii") == "old"


def _certificate(
    folder: Path, *, days: tuple[int, int] = (-1, 1), anchor_days: tuple[int, int] = (-9, 9)
) -> tuple[Path, Path, Path]:
    """A key, its certificate and the anchor that issued it, valid from and until so many days from now."""
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    key = keys.generate_private_key()
    anchor = Authority("Acme CA", start=now + anchor_days[0] * day, end=now + anchor_days[1] * day)
    leaf = anchor.issue("Acme Models", key.public_key(), start=now + days[0] * day, end=now + days[1] * day)
    paths = (folder / "leaf-key.pem", folder / "leaf.pem", folder / "anchor.pem")
    keys.write_private_key(paths[0], key, None)
    paths[1].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(anchor.pem)
    return paths


def test_a_certificate_signs_with_its_chain(model: Path, tmp_path: Path) -> None:
    key, leaf, anchor = _certificate(tmp_path)
    done = weighbridge("sign", model, "--key", key, "--certificate", leaf, "--chain", anchor, "--json")
    assert done.exit_code == 0, done.stderr
    assert "CN=Acme Models" in done.json()["signer"]
    signer = choose_signer(SigningOptions(key=key, certificate=leaf, chain=(anchor,)))
    assert isinstance(signer, CertificateSigner)
    assert signer.anchor_pem == anchor.read_bytes()


@pytest.mark.parametrize("command", ["sign", "publish"])
def test_an_expired_certificate_is_refused_before_anything_else(
    model: Path, tmp_path: Path, command: str
) -> None:
    """Exit 2, as for any other file that cannot be used; no registry or authority is asked."""
    key, leaf, anchor = _certificate(tmp_path, days=(-3, -1))
    rest = ["acme/tiny@1", "--registry", "http://127.0.0.1:1"] if command == "publish" else []
    signing = ("--key", key, "--certificate", leaf, "--chain", anchor, "--tsa-url", "http://127.0.0.1:1/")
    done = here(command, model, *rest, *signing)
    assert done.exit_code == 2
    assert "the certificate CN=Acme Models has expired: it was valid until" in done.stderr
    assert "no time stamp can cure this" in done.stderr
    assert not (model / "model.sig").exists()


@pytest.mark.parametrize("command", ["sign", "publish"])
def test_a_file_with_the_signatures_of_several_people_is_kept(model: Path, key: Path, command: str) -> None:
    here("sign", model, "--key", key)
    one = (model / "model.sig").read_bytes()
    (model / "model.sig").write_bytes(one + b"\n" + one + b"\n")
    rest = ["acme/tiny@1", "--registry", "http://127.0.0.1:1"] if command == "publish" else []
    done = here(command, model, *rest, "--key", key)
    assert done.exit_code == 2
    assert "holds 2 signatures" in done.stderr
    assert (model / "model.sig").read_bytes() == one + b"\n" + one + b"\n"


def test_reuse_says_what_was_hashed_and_why(model: Path, key: Path) -> None:
    with mock.patch.object(FileTables, "now", return_value=time.time_ns() + 3600 * 10**9):
        assert here("sign", model, "--key", key).exit_code == 0
    (model / "config.json").write_text("{}\n", encoding="utf-8")
    shutil.copy(model / "model.sig", model.parent / "old.sig")
    told = here("sign", model, "--key", key, "--reuse", model / "model.sig", "--json").json()
    assert told["reused"]["files"] == told["files"] - 1
    assert 0 < told["reused"]["bytes"] < told["size"]
    assert told["why_hashed"] == "1 changed"
    shown = here("sign", model, "--key", key, "--reuse", model.parent / "old.sig")
    assert shown.exit_code == 0, shown.stderr
    assert re.search(r"reused +6 files, .*, as in .*old.sig", shown.stdout)
    assert re.search(r"hashed +1 file, 3 B: 1 changed", shown.stdout)
    (model / "unknown.sig").write_text("x", encoding="ascii")
    nothing = here("sign", model, "--key", key, "--reuse", model / "unknown.sig", "--ignore", "unknown.sig")
    assert nothing.exit_code == 0, nothing.stderr
    assert "reused       0 files" in nothing.stdout
    assert "not made here" in nothing.stdout
    assert here("sign", model, "--key", key, "--reuse", "no-such.sig").exit_code == 2


def test_a_certificate_of_another_key_is_refused(model: Path, tmp_path: Path, key: Path) -> None:
    _, leaf, anchor = _certificate(tmp_path)
    done = weighbridge("sign", model, "--key", key, "--certificate", leaf, "--chain", anchor)
    assert done.exit_code == 2
    assert "for another key" in done.stderr


def test_options_left_out_mean_the_configured_key(config_folder: Path, key: Path) -> None:
    config_folder.mkdir()
    (folder_of_config() / "config.toml").write_text(f'key = "{key}"\n', encoding="utf-8")
    assert isinstance(choose_signer(SigningOptions()), KeySigner)


def test_a_ci_system_without_the_permission_says_which_one(
    config_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(InputError, match="identity token") as caught:
        choose_signer(SigningOptions())
    assert "id-token: write" in caught.value.hint
    assert not config_folder.exists()
