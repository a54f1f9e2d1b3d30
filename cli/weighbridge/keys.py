# SPDX-License-Identifier: Apache-2.0
"""Elliptic curve keys: the three curves of OMS, their files and their names.

OMS v1.0 section 5 requires P-256, P-384 and P-521, each with the SHA-2 of its strength. Other
kinds of key are refused with the reason, rather than half supported.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from weighbridge.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey as PrivateKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePublicKey as PublicKey,
    )
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

__all__ = [
    "SigningKey",
    "fingerprint",
    "generate_private_key",
    "hash_of",
    "hint",
    "load_private_key",
    "load_public_key",
    "public_der",
    "public_pem",
    "require_supported",
    "sign",
    "spki_sha256",
    "verify",
    "write_private_key",
]

_MAX_KEY_FILE_BYTES = 64 * 1024
_CURVE_NAMES = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}
_NEW_KEY = "make a key with: weighbridge key new FILE"


class SigningKey(Protocol):
    """Whatever signs as a private key of cryptography does: one in memory, or one on a token."""

    def public_key(self) -> PublicKey:
        """Return the key's public half."""
        ...

    def sign(self, data: bytes, signature_algorithm: Any, /) -> bytes:
        """Return the DER signature of a message."""
        ...


def generate_private_key(curve: str = "P-256") -> PrivateKey:
    """Return a fresh private key on P-256, P-384 or P-521."""
    from cryptography.hazmat.primitives.asymmetric import ec

    curves: dict[str, ec.EllipticCurve] = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
    }
    if curve not in curves:
        raise InputError(f"no such curve: {curve}", hint="one of " + ", ".join(curves))
    return ec.generate_private_key(curves[curve])


def write_private_key(path: Path, key: PrivateKey, password: bytes | None) -> None:
    """Write a PKCS#8 PEM file, readable by its owner only, never over an existing file.

    The file is created exclusively with mode 0600, so no other user can read it even for a moment.
    Raises `InputError` if the file exists or can't be written, or if the passphrase is empty.
    """
    from cryptography.hazmat.primitives import serialization

    if password == b"":
        raise InputError("the passphrase is empty", hint="give one, or say that you want none")
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise InputError(
            f"{path} exists and is not overwritten",
            hint="a lost key can't be made again: choose another name, or move the old key away",
        ) from error
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def load_private_key(path: Path, password: bytes | None = None) -> PrivateKey:
    """Read a PEM private key of one of the three curves.

    Raises `InputError` saying whether the file is missing, not a key, encrypted, or of a kind that
    OMS doesn't have.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _read(path)
    try:
        key = load_pem_private_key(pem, password)
    except TypeError as error:
        if password is None:
            raise InputError(
                f"{path} is encrypted and no passphrase was given",
                hint="give it with --password-env VARIABLE",
            ) from error
        raise InputError(
            f"{path} is not encrypted, but a passphrase was given", hint="leave --password-env out"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if password is not None and b"ENCRYPTED" in pem:
            raise InputError(f"the passphrase does not open {path}") from error
        raise InputError(f"{path} is not a private key in PEM form", hint=_NEW_KEY) from error
    return _private(key, str(path))


@functools.lru_cache(maxsize=256)
def load_public_key(pem: bytes) -> PublicKey:
    """Return the public key of PEM text (SubjectPublicKeyInfo); raises `InputError`.

    A private key is refused by name: people give the wrong one of two files, and must learn it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in pem[:_MAX_KEY_FILE_BYTES]:
        raise InputError(
            "this is a private key where a public key is wanted",
            hint="give the public key (.pub); never hand out the private one",
        )
    if len(pem) > _MAX_KEY_FILE_BYTES:
        raise InputError(f"a public key of {len(pem)} bytes: that is no key")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError("this is not a public key in PEM form") from error
    return require_supported(key)


def public_pem(key: PublicKey) -> bytes:
    """Return the PEM text (SubjectPublicKeyInfo, LF line ends) of a public key."""
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_der(key: PublicKey) -> bytes:
    """Return the DER SubjectPublicKeyInfo of a public key."""
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def hint(key: PublicKey) -> str:
    """Return the bare hex SHA-256 of the key's PEM text: `publicKey.hint` of OMS bundles."""
    return hashlib.sha256(public_pem(key)).hexdigest()


def spki_sha256(key: PublicKey) -> str:
    """Return the bare hex SHA-256 of the key's DER SubjectPublicKeyInfo: its identity."""
    return hashlib.sha256(public_der(key)).hexdigest()


def fingerprint(key: PublicKey) -> str:
    """Return `sha256:<hex>` of the SubjectPublicKeyInfo: what people compare by eye or telephone."""
    return f"sha256:{spki_sha256(key)}"


def hash_of(key: PublicKey) -> HashAlgorithm:
    """Return the hash that OMS pairs with the key's curve: SHA-256, SHA-384 or SHA-512."""
    from cryptography.hazmat.primitives import hashes

    pairs: dict[str, HashAlgorithm] = {
        "secp256r1": hashes.SHA256(),
        "secp384r1": hashes.SHA384(),
        "secp521r1": hashes.SHA512(),
    }
    return pairs[key.curve.name]


def sign(key: SigningKey, message: bytes) -> bytes:
    """Return the DER ECDSA signature of a message, with the hash of the key's curve."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return key.sign(message, ec.ECDSA(hash_of(key.public_key())))


def verify(
    key: PublicKey, signature: bytes, message: bytes, *, algorithm: HashAlgorithm | None = None
) -> bool:
    """Tell whether the signature is the key's over the message, with the hash of its curve or a given one."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key.verify(signature, message, ec.ECDSA(algorithm or hash_of(key)))
    except InvalidSignature:
        return False
    return True


def require_supported(key: object) -> PublicKey:
    """Return the key if it is of one of the three curves; raises `InputError` otherwise."""
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InputError(
            f"a key of this kind can't be used: {type(key).__name__.removesuffix('PublicKey')}",
            hint="OpenSSF Model Signing knows elliptic curve keys on P-256, P-384 and P-521",
        )
    if key.curve.name not in _CURVE_NAMES.values():
        raise InputError(
            f"a key on the curve {key.curve.name} can't be used",
            hint="OpenSSF Model Signing knows P-256, P-384 and P-521",
        )
    return key


def _private(key: object, where: str) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(
            f"{where} holds a {type(key).__name__.removesuffix('PrivateKey')} key",
            hint=f"OpenSSF Model Signing knows elliptic curve keys only; {_NEW_KEY}",
        )
    require_supported(key.public_key())
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_KEY_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"there is no key file {path}", hint=_NEW_KEY) from error
    except OSError as error:
        raise InputError(f"can't read the key file {path}: {error.strerror}") from error
    if len(data) > _MAX_KEY_FILE_BYTES:
        raise InputError(f"{path} is too large for a key file")
    return data
