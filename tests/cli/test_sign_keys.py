# SPDX-License-Identifier: Apache-2.0
"""Private keys as other tools write them: three curves, two PEM forms, locked and open, as typed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import PrivateFormat

from tests import programs
from tests.commands import weighbridge_here
from tests.models import tiny_model
from weighbridge import keys

pytestmark = pytest.mark.usefixtures("config_folder")

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - made up
FORMS = {"PKCS#8": PrivateFormat.PKCS8, "SEC1": PrivateFormat.TraditionalOpenSSL}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


def verified(model: Path, private: Path, password: bytes | None = None) -> int:
    """Verify with the public half of a private key file."""
    public = private.with_suffix(".pub")
    public.write_bytes(keys.public_pem(keys.load_private_key(private, password).public_key()))
    return weighbridge_here("verify", model, "--public-key", public).exit_code


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
@pytest.mark.parametrize("locked", [False, True], ids=["open", "locked"])
def test_a_key_of_each_kind_signs_what_its_public_half_verifies(
    model: Path, tmp_path: Path, curve: str, form: str, *, locked: bool
) -> None:
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(PASSPHRASE.encode()) if locked else serialization.NoEncryption()
    )
    path = tmp_path / "key.pem"
    pem = keys.generate_private_key(curve).private_bytes(serialization.Encoding.PEM, FORMS[form], encryption)
    path.write_bytes(pem)
    assert (b"EC PRIVATE KEY" in pem) is (form == "SEC1")
    assert (b"ENCRYPTED" in pem) is locked
    options = ("--password-env", "PW") if locked else ()
    done = weighbridge_here("sign", model, "--key", path, *options, PW=PASSPHRASE)
    assert done.exit_code == 0, done.stderr
    assert verified(model, path, PASSPHRASE.encode() if locked else None) == 0
    if locked:
        unasked = weighbridge_here("sign", model, "--key", path)
        wrong = weighbridge_here("sign", model, "--key", path, *options, PW="incorrect horse")
        assert (unasked.exit_code, wrong.exit_code) == (2, 2)
        assert "--password-env" in unasked.stderr
        assert "passphrase does not open" in wrong.stderr
        assert "horse" not in unasked.stderr + wrong.stderr


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("parameters", [True, False], ids=["with-parameters", "bare"])
def test_a_key_that_openssl_wrote_is_read_with_or_without_its_parameters(
    model: Path, tmp_path: Path, *, parameters: bool
) -> None:
    """Without -noout, openssl puts a block `EC PARAMETERS` before the key."""
    path = tmp_path / "key.pem"
    command = [str(programs.find("openssl")), "ecparam", "-name", "prime256v1", "-genkey", "-out", str(path)]
    subprocess.run(
        [*command, *([] if parameters else ["-noout"])], check=True, capture_output=True, timeout=30
    )
    assert (b"EC PARAMETERS" in path.read_bytes()) is parameters
    done = weighbridge_here("sign", model, "--key", path)
    assert done.exit_code == 0, done.stderr
    assert verified(model, path) == 0


@pytest.mark.needs("openssl")
def test_a_key_that_openssl_locked_the_old_way_is_opened(model: Path, tmp_path: Path) -> None:
    openssl, path, locked = str(programs.find("openssl")), tmp_path / "key.pem", tmp_path / "locked.pem"
    for command in (
        ["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out", str(path)],
        ["ec", "-in", str(path), "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", str(locked)],
    ):
        subprocess.run([openssl, *command], check=True, capture_output=True, timeout=30)
    assert b"Proc-Type: 4,ENCRYPTED" in locked.read_bytes()
    done = weighbridge_here("sign", model, "--key", locked, "--password-env", "PW", PW=PASSPHRASE)
    assert done.exit_code == 0, done.stderr
    assert verified(model, path) == 0
