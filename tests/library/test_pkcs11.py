# SPDX-License-Identifier: Apache-2.0
"""Keys on tokens: SoftHSM stands for hardware, through the same module interface; and URIs that mislead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from tests import programs
from tests.authorities import Authority
from tests.commands import Outcome, environment, weighbridge, weighbridge_here
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


SESSION = """
import sys, pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from weighbridge import keys
from weighbridge.errors import InputError
from weighbridge.pkcs11_keys import HardwareKey
from weighbridge.pkcs11_uris import KeyUri

uri, pin = KeyUri.parse(sys.argv[1]), sys.argv[2]
token = next(t for t in pkcs11.lib(uri.module).get_tokens() if t.label == "acme")

def private_keys():
    with token.open() as session:
        return len(list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})))
"""


def run(token: Token, script: str) -> str:
    """Run a program that has a PKCS #11 module to itself; it gets the token's URI and PIN."""
    done = subprocess.run(
        [sys.executable, "-c", SESSION + script, token.uri(), PIN],
        env=environment(SOFTHSM2_CONF=str(token.config)),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs("softhsm2")
def test_a_key_that_is_closed_leaves_nobody_logged_in(token: Token) -> None:
    """A module's log-in is the whole process's: whatever runs in it later could sign, too."""
    token.add("release", "01")
    script = """
with HardwareKey(uri, pin) as key:
    print(private_keys())
    keys.sign(key, b"message")
key.close()
print(private_keys())
try:
    keys.sign(key, b"message")
except InputError as error:
    print(error.message)
try:
    HardwareKey(KeyUri.parse(sys.argv[1].replace("release", "none")), pin)
except InputError:
    print(private_keys())
"""
    assert run(token, script).splitlines() == ["1", "0", "this token's key was closed", "0"]


@pytest.mark.needs("softhsm2")
def test_a_key_that_wants_its_pin_each_time_gets_it(token: Token) -> None:
    """CKA_ALWAYS_AUTHENTICATE: the signing slot of many smart cards."""
    script = """
with token.open(rw=True, user_pin=pin) as session:
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC,
        {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("secp256r1")},
        local=True,
    )
    always = {pkcs11.Attribute.ALWAYS_AUTHENTICATE: True}
    parameters.generate_keypair(store=True, label="release", id=b"\\x01", private_template=always)
with HardwareKey(uri, pin) as key:
    for message in (b"one", b"two"):
        signature = keys.sign(key, message)
        key.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
        print("signed")
    print(pin in repr(vars(key)["_uri"]))
"""
    assert run(token, script).splitlines() == ["signed", "signed", "False"]


@pytest.mark.needs("softhsm2")
def test_a_uri_as_other_tools_print_it_is_taken_and_must_fit(token: Token, model: Path) -> None:
    """p11tool prints every attribute that a token has."""
    token.add("release", "01")
    parts = "manufacturer=SoftHSM%20project;token=acme;id=%01;object=release;type=private"
    pin = f"&pin-value={PIN}"
    done = token.sign(model, token.uri(f"model=SoftHSM%20v2;{parts}", pin))
    assert done.exit_code == 0, done.stderr
    assert "seen by everybody" in done.stderr
    for false in (f"model=Other;{parts}", parts.replace("project", "copy")):
        refused = token.sign(model, token.uri(false, pin))
        assert refused.exit_code == 2
        assert "No tokens of this name" in refused.stderr


@pytest.mark.needs("softhsm2")
def test_what_cannot_be_a_pin_is_never_tried(tmp_path: Path, token: Token, model: Path) -> None:
    """Each wrong PIN counts, and a token locks itself after a few."""
    token.add("release", "01")
    cases = {"empty": b"\n", "two lines": b"1234\n5678\n", "binary": b"\xff\xfe", "long": b"1" * 300}
    sign = partial(weighbridge_here, "sign", model)
    for name, content in cases.items():
        path = tmp_path / f"{name.replace(' ', '-')}.pin"
        path.write_bytes(content)
        done = sign("--pkcs11-uri", token.uri(query=f"&pin-source=file:{path}"))
        assert done.exit_code == 2, name
        assert "PIN" in done.stderr
        assert "the token refuses" not in done.stderr.lower()
        assert "1234" not in done.stderr
    unset = sign("--pkcs11-uri", token.uri(), "--password-env", "TOKEN_PIN", TOKEN_PIN="")
    assert unset.exit_code == 2
    assert "not set, or empty" in unset.stderr
    spaced = write(tmp_path / "crlf.pin", f"{PIN}\r\n")
    assert token.sign(model, token.uri(query=f"&pin-source=file://{spaced}")).exit_code == 0


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
        ("pkcs11:object=?module-path=/m.so", "names nothing"),
        ("pkcs11:object=a;id=?module-path=/m.so", "names nothing"),
        ("pkcs11:token=;object=a?module-path=/m.so", "names nothing"),
        ("pkcs11:object=a?module-path=m.so", "not absolute"),
        ("pkcs11:object=a?module-path=./m.so", "not absolute"),
        ("pkcs11:object=a?module-path=/m.so%00/../x", "control characters"),
        ("pkcs11:object=a%1b[2J?module-path=/m.so", "control characters"),
        ("pkcs11:object=a?module-name=m", "not known here"),
        (f"{FORM}&pin-value=1234&pin-source=/p", "PIN twice"),
        (f"{FORM}&pin-source=|cat%20/p", "is a command"),
        (f"{FORM}&pin-source=https://x/p", "not a file"),
        (f"{FORM}&pin-source=file://elsewhere/p", "another machine"),
        (f"{FORM}&pin-source=file:", "names no file"),
    ],
)
def test_a_uri_that_is_not_understood_is_refused(uri: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        KeyUri.parse(uri)


def test_a_uri_is_decoded_and_hides_its_pin() -> None:
    uri = KeyUri.parse("pkcs11:token=My%20token;id=%01%ff;serial=12?module-path=/m.so&pin-value=se%26cret")
    assert (uri.token, uri.id, uri.serial, uri.pin) == ("My token", b"\x01\xff", b"12", "se&cret")
    assert "cret" not in repr(uri)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("/run/pin", "/run/pin"),
        ("file:/run/pin", "/run/pin"),
        ("file:///run/pin", "/run/pin"),
        ("file://localhost/run/pin", "/run/pin"),
        ("FILE:pin", "pin"),
        ("pin%20of%20mine", "pin of mine"),
        ("C:/pin", "C:/pin"),
    ],
)
def test_the_file_of_a_pin_is_named_by_its_path_or_a_file_uri(source: str, path: str) -> None:
    assert KeyUri.parse(f"{FORM}&pin-source={source}").pin_source == path


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
