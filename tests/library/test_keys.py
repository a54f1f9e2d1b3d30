# SPDX-License-Identifier: Apache-2.0
"""Keys: three curves, files nobody else can read, and a clear word for each wrong file."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests import programs
from weighbridge import keys
from weighbridge.errors import InputError

CURVES = ["P-256", "P-384", "P-521"]


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_a_key_is_read_back_as_it_was_written(tmp_path: Path, curve: str, password: bytes | None) -> None:
    key = keys.generate_private_key(curve)
    keys.write_private_key(tmp_path / "key.pem", key, password)

    again = keys.load_private_key(tmp_path / "key.pem", password)

    assert keys.fingerprint(again.public_key()) == keys.fingerprint(key.public_key())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_new_key_file_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys.write_private_key(tmp_path / "key.pem", keys.generate_private_key(), None)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_a_key_is_never_written_over_another(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    keys.write_private_key(path, keys.generate_private_key(), None)
    before = path.read_bytes()

    with pytest.raises(InputError, match="exists and is not overwritten"):
        keys.write_private_key(path, keys.generate_private_key(), None)
    assert path.read_bytes() == before


def test_an_empty_passphrase_is_not_taken_for_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="passphrase is empty"):
        keys.write_private_key(tmp_path / "key.pem", keys.generate_private_key(), b"")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't write"):
        keys.write_private_key(tmp_path / "no" / "key.pem", keys.generate_private_key(), None)


@pytest.mark.parametrize("curve", CURVES)
def test_hint_and_fingerprint_are_of_the_pem_and_of_the_der(curve: str) -> None:
    public = keys.generate_private_key(curve).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    assert keys.hint(public) == hashlib.sha256(pem).hexdigest()
    assert keys.spki_sha256(public) == hashlib.sha256(der).hexdigest()
    assert keys.fingerprint(public) == f"sha256:{keys.spki_sha256(public)}"
    assert keys.hint(keys.load_public_key(keys.public_pem(public))) == keys.hint(public)


@pytest.mark.parametrize(
    ("curve", "algorithm"), [("P-256", "sha256"), ("P-384", "sha384"), ("P-521", "sha512")]
)
def test_each_curve_signs_with_its_own_hash(curve: str, algorithm: str) -> None:
    key = keys.generate_private_key(curve)
    assert keys.hash_of(key.public_key()).name == algorithm

    signature = keys.sign(key, b"message")

    assert keys.verify(key.public_key(), signature, b"message")
    assert not keys.verify(key.public_key(), signature, b"massage")
    assert not keys.verify(keys.generate_private_key(curve).public_key(), signature, b"message")
    assert not keys.verify(key.public_key(), b"no DER", b"message")
    assert not keys.verify(key.public_key(), signature + b"trailing text", b"message")


def test_an_unknown_curve_is_refused() -> None:
    with pytest.raises(InputError, match="no such curve: P-192"):
        keys.generate_private_key("P-192")


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


WRONG_FILES = {
    "no key at all": (b"hello", "not a private key"),
    "a binary file": (bytes(range(256)), "not a private key"),
    "an RSA key": (_pem(rsa.generate_private_key(65537, 2048)), "holds a RSA key"),
    "an Ed25519 key": (_pem(ed25519.Ed25519PrivateKey.generate()), "holds a Ed25519 key"),
    "a key on another curve": (_pem(ec.generate_private_key(ec.SECP256K1())), "curve secp256k1"),
    "a public key": (keys.public_pem(keys.generate_private_key().public_key()), "not a private key"),
    "a huge file": (b"-" * 100_000, "too large"),
}


@pytest.mark.parametrize("what", WRONG_FILES)
def test_each_wrong_file_has_its_own_message(tmp_path: Path, what: str) -> None:
    content, message = WRONG_FILES[what]
    (tmp_path / "key.pem").write_bytes(content)

    with pytest.raises(InputError, match=message):
        keys.load_private_key(tmp_path / "key.pem")


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no key file") as caught:
        keys.load_private_key(tmp_path / "key.pem")
    assert "key new" in caught.value.hint


def test_passphrases_missing_wrong_and_needless_are_told_apart(tmp_path: Path) -> None:
    keys.write_private_key(tmp_path / "locked.pem", keys.generate_private_key(), b"right")
    keys.write_private_key(tmp_path / "open.pem", keys.generate_private_key(), None)

    with pytest.raises(InputError, match="encrypted and no passphrase"):
        keys.load_private_key(tmp_path / "locked.pem")
    with pytest.raises(InputError, match="does not open"):
        keys.load_private_key(tmp_path / "locked.pem", b"wrong")
    with pytest.raises(InputError, match="not encrypted, but"):
        keys.load_private_key(tmp_path / "open.pem", b"needless")


def test_a_private_key_given_for_a_public_one_is_pointed_out() -> None:
    with pytest.raises(InputError, match="private key where a public key is wanted"):
        keys.load_public_key(_pem(keys.generate_private_key()))


@pytest.mark.parametrize(
    "pem", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(InputError, match="not a public key"):
        keys.load_public_key(pem)


def test_a_public_key_of_another_kind_is_refused() -> None:
    pem = (
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(InputError, match="Ed25519"):
        keys.load_public_key(pem)


@pytest.mark.needs("openssl")
def test_a_key_that_openssl_made_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    openssl = programs.find("openssl")
    command = [str(openssl), "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)

    assert keys.load_private_key(path).curve.name == "secp384r1"
