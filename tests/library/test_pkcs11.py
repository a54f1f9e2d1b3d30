# SPDX-License-Identifier: Apache-2.0
"""Keys on tokens: SoftHSM stands for hardware, through the same module interface; and URIs that mislead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from tests import programs
from tests.authorities import Authority
from tests.commands import Outcome, weighbridge
from tests.models import tiny_model, write
from weighbridge import keys
from weighbridge.errors import InputError
from weighbridge.pkcs11_uris import KeyUri

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
PIN = "98765432"
FORM = "pkcs11:token=acme;object=release?module-path=/m.so"


@dataclass
class Token:
    """A SoftHSM token in a folder of its own."""

    folder: Path
    module: str
    config: Path

    def run(self, *arguments: str) -> None:
        """Run softhsm2-util."""
        subprocess.run(
            [str(programs.find("softhsm2")), *arguments],
            env={**os.environ, "SOFTHSM2_CONF": str(self.config)},
            check=True,
            capture_output=True,
            timeout=30,
        )

    def add(self, label: str, id_: str, *, curve: str = "P-256") -> bytes:
        """Put a key on the token and return its public PEM."""
        key = keys.generate_private_key(curve)
        path = self.folder / f"{label}-{id_}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.run("--import", str(path), "--token", "acme", "--label", label, "--id", id_, "--pin", PIN)
        return keys.public_pem(key.public_key())

    def uri(self, path: str = "token=acme;object=release", query: str = "") -> str:
        """Return a URI of this token."""
        return f"pkcs11:{path}?module-path={self.module}{query}"

    def sign(self, model: Path, uri: str, *options: str | Path, **env: str) -> Outcome:
        """Sign in a process of its own: a module keeps state in the process that loads it."""
        return weighbridge(
            "sign", model, "--pkcs11-uri", uri, *options, SOFTHSM2_CONF=str(self.config), **env
        )


@pytest.fixture
def token(tmp_path: Path, config_folder: Path) -> Token:
    module = next((path for path in MODULES if Path(path).exists()), MODULES[0])
    folder = tmp_path / "token"
    (folder / "store").mkdir(parents=True)
    config = write(
        folder / "softhsm2.conf", f"directories.tokendir = {folder / 'store'}\nlog.level = ERROR\n"
    )
    made = Token(folder, module, config)
    made.run("--init-token", "--free", "--label", "acme", "--pin", PIN, "--so-pin", PIN)
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


@pytest.mark.needs("softhsm2")
@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_a_key_on_a_token_signs_and_anybody_verifies(
    tmp_path: Path, token: Token, model: Path, curve: str
) -> None:
    public = write(tmp_path / "k.pub", token.add("release", "01", curve=curve))
    done = token.sign(model, token.uri(), "--password-env", "TOKEN_PIN", TOKEN_PIN=PIN)
    assert done.exit_code == 0, done.stderr
    assert weighbridge("verify", model, "--public-key", public).exit_code == 0


@pytest.mark.needs("softhsm2")
def test_the_pin_comes_from_the_uri_or_a_file_and_is_never_shown(
    tmp_path: Path, token: Token, model: Path
) -> None:
    token.add("release", "01")
    pin_file = write(tmp_path / "pin", f"{PIN}\n")
    for query in (f"&pin-value={PIN}", f"&pin-source=file:{pin_file}", f"&pin-source={pin_file}"):
        done = token.sign(model, token.uri(query=query))
        assert done.exit_code == 0, done.stderr
        assert PIN not in done.stdout + done.stderr
    wrong = token.sign(model, token.uri(query="&pin-value=11112222"))
    assert wrong.exit_code == 2
    assert "the PIN is wrong" in wrong.stderr
    assert "11112222" not in wrong.stdout + wrong.stderr


@pytest.mark.needs("softhsm2")
def test_a_certificate_for_a_key_on_a_token(tmp_path: Path, token: Token, model: Path) -> None:
    public = keys.load_public_key(token.add("release", "01"))
    now = datetime.now(UTC)
    root = Authority("Acme Root", start=now - timedelta(days=1), end=now + timedelta(days=1))
    leaf = root.issue("release", public, start=now - timedelta(days=1), end=now + timedelta(days=1))
    certificate = write(tmp_path / "leaf.pem", leaf.public_bytes(serialization.Encoding.PEM))
    anchor = write(tmp_path / "root.pem", root.pem)
    uri = token.uri(query=f"&pin-value={PIN}")
    done = token.sign(model, uri, "--certificate", certificate, "--chain", anchor)
    assert done.exit_code == 0, done.stderr
    assert weighbridge("verify", model, "--certificate-chain", anchor).exit_code == 0


@pytest.mark.needs("softhsm2")
def test_what_is_missing_or_ambiguous_is_told_and_nothing_is_written(token: Token, model: Path) -> None:
    token.add("release", "01")
    token.add("twice", "02")
    token.add("twice", "03")
    pin = f"&pin-value={PIN}"
    cases = [
        (token.uri("token=other;object=release", pin), "No tokens of this name"),
        (token.uri("token=acme;object=none", pin), "no private key"),
        (token.uri("token=acme;object=twice", pin), "2 private key"),
        (token.uri("token=acme;object=release;id=%02", pin), "no private key"),
        (token.uri(), "no private key"),
        (f"pkcs11:token=acme;object=release?module-path=/no/such.so{pin}", "cannot be used"),
    ]
    for uri, words in cases:
        done = token.sign(model, uri)
        assert done.exit_code == 2, (uri, done.stderr)
        assert words in done.stderr
        assert "→" in done.stderr
    assert not (model / "model.sig").exists()
    chosen = token.sign(model, token.uri("token=acme;object=twice;id=%03", pin))
    assert chosen.exit_code == 0, chosen.stderr


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("release.pem", "not a PKCS #11 URI"),
        ("pkcs11:token=acme?module-path=/m.so", "names no key"),
        ("pkcs11:token=acme;object=release", "which module"),
        ("pkcs11:object=a;object=b?module-path=/m.so", "twice"),
        ("pkcs11:object=a;slot-id=3?module-path=/m.so", "not known here"),
        ("pkcs11:object=a;x-evil=1?module-path=/m.so", "not known here"),
        ("pkcs11:object=a;type=public?module-path=/m.so", "something else than a private key"),
        ("pkcs11:object=%zz?module-path=/m.so", "percent-encoded"),
        ("pkcs11:object=%ff?module-path=/m.so", "UTF-8"),
        ("pkcs11:object=a b?module-path=/m.so", "percent-encoded"),
        ("pkcs11:object=a?module-path=/m.so&module-path=/n.so", "twice"),
        (FORM + "x" * 5000, "not a PKCS #11 URI"),
    ],
)
def test_a_uri_that_is_not_understood_is_refused(uri: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        KeyUri.parse(uri)


def test_a_uri_is_decoded_and_hides_its_pin() -> None:
    uri = KeyUri.parse("pkcs11:token=My%20token;id=%01%ff;serial=12?module-path=/m.so&pin-value=se%26cret")
    assert (uri.token, uri.id, uri.serial, uri.pin) == ("My token", b"\x01\xff", b"12", "se&cret")
    assert "cret" not in repr(uri)


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_a_wrong_command(text: str) -> None:
    parse: Callable[[str], KeyUri] = KeyUri.parse
    for candidate in (text, f"pkcs11:{text}", f"{FORM}&{text}"):
        try:
            found = parse(candidate)
        except InputError:
            continue
        assert found.module
        assert found.label or found.id
