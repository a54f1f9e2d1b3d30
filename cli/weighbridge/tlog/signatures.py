# SPDX-License-Identifier: Apache-2.0
"""The signature algorithms of signed notes: what is signed, and how a signature is checked.

C2SP signed-note section "Signature types" and tlog-cosignature. Supported:

- 0x01 Ed25519 over the note's text: how a log signs its checkpoint;
- 0x04 Ed25519 cosignature: a time, and a signature over `cosignature/v1`, the time and the text;
- 0x06 ML-DSA-44 cosignature: a time, and a signature over a structure naming cosigner, log and tree.

A note in any of the other types is left to those who know its key; such lines are ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from hashlib import sha256
from typing import Any

from weighbridge.errors import NoteError
from weighbridge.tlog.encodings import decode_base64, decode_decimal

__all__ = ["Algorithm", "check_signature", "cosigned_message", "key_id", "sign_message"]

_MAX_TIME = 2**63 - 1
_U8_MAX = 255


class Algorithm(IntEnum):
    """A signature type byte of C2SP signed-note."""

    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    ML_DSA_44_COSIGNATURE = 0x06

    @property
    def key_size(self) -> int:
        """Bytes of a public key."""
        return 1312 if self is Algorithm.ML_DSA_44_COSIGNATURE else 32

    @property
    def signature_size(self) -> int:
        """Bytes of a signature, with the eight bytes of time that a cosignature starts with."""
        return {
            Algorithm.ED25519: 64,
            Algorithm.ED25519_COSIGNATURE: 8 + 64,
            Algorithm.ML_DSA_44_COSIGNATURE: 8 + 2420,
        }[self]

    @property
    def timed(self) -> bool:
        """Whether a signature carries the time at which it was made, as a witness's must."""
        return self is not Algorithm.ED25519

    @property
    def for_logs(self) -> bool:
        """Whether a log may sign its checkpoints so (tlog-checkpoint); type 04 is for witnesses only."""
        return self is not Algorithm.ED25519_COSIGNATURE


def key_id(name: str, algorithm: Algorithm, key: bytes) -> bytes:
    """Compute the four bytes that a signature line names its key with: SHA-256(name ‖ LF ‖ type ‖ key)."""
    return sha256(name.encode() + b"\n" + bytes((algorithm,)) + key).digest()[:4]


def cosigned_message(name: str, algorithm: Algorithm, text: str, time: int) -> bytes:
    """Build the bytes that a cosigner signs (tlog-cosignature, "signed message").

    `time` is in POSIX seconds. Raises `NoteError` for a time beyond 2^63 - 1, and, for
    ML-DSA-44, for a text that is no checkpoint.
    """
    if not 0 <= time <= _MAX_TIME:
        raise NoteError(f"a cosignature's time is out of range: {time}")
    if algorithm is Algorithm.ED25519_COSIGNATURE:
        return b"cosignature/v1\ntime %d\n%b" % (time, text.encode())
    origin, size, root = _tree(text)
    cosigner, log = name.encode(), origin.encode()
    if not 0 < len(cosigner) <= _U8_MAX or not 0 < len(log) <= _U8_MAX:
        raise NoteError("a cosigner's or log's name is too long for a subtree cosignature")
    return b"".join(
        (
            b"subtree/v1\n\x00",
            bytes((len(cosigner),)) + cosigner,
            struct.pack(">Q", time),
            bytes((len(log),)) + log,
            struct.pack(">QQ", 0, size),
            root,
        )
    )


def check_signature(name: str, algorithm: Algorithm, key: bytes, text: str, signature: bytes) -> int | None:
    """Verify the signature of a known key over a note's text; the time if it carries one.

    Raises `NoteError` if it does not hold.
    """
    if len(signature) != algorithm.signature_size:
        raise NoteError(f"the signature of {name} has {len(signature)} bytes, not {algorithm.signature_size}")
    time: int | None = None
    if algorithm.timed:
        time = int.from_bytes(signature[:8], "big")
        message, signature = cosigned_message(name, algorithm, text, time), signature[8:]
    else:
        message = text.encode()
    verify = _ml_dsa_verify if algorithm is Algorithm.ML_DSA_44_COSIGNATURE else _ed25519_verify
    if not verify(key, signature, message):
        raise NoteError(
            f"the signature of {name} does not hold",
            hint="the text was changed after it was signed, or signed with another key",
            evidence={"key_name": name, "key_id": key_id(name, algorithm, key).hex()},
        )
    return time


def sign_message(
    name: str, algorithm: Algorithm, sign: Callable[[bytes], bytes], text: str, time: int
) -> bytes:
    """Make the signature bytes of a note line; `time` (POSIX seconds) counts for cosignatures only."""
    if not algorithm.timed:
        return sign(text.encode())
    return struct.pack(">Q", time) + sign(cosigned_message(name, algorithm, text, time))


def _tree(text: str) -> tuple[str, int, bytes]:
    """Read origin, size and root of a checkpoint's first three lines."""
    lines = text.split("\n", 3)
    try:
        origin, size, root, _ = lines
        return origin, decode_decimal(size), decode_base64(root)
    except ValueError as error:
        raise NoteError("a subtree cosignature stands on a text that is no checkpoint") from error


def _ed25519_verify(key: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ml_dsa_verify(key: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _ml_dsa().MLDSA44PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ml_dsa() -> Any:
    """Load ML-DSA, which older versions of cryptography, or builds of OpenSSL, do not have."""
    from importlib import import_module

    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.mldsa")
    except ImportError as error:
        raise NoteError(
            "an ML-DSA-44 signature cannot be checked with the installed cryptography package",
            hint="upgrade it: pip install --upgrade cryptography",
        ) from error
