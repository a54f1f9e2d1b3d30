# SPDX-License-Identifier: Apache-2.0
"""The leaf: the bytes of one log entry, `{"bundle":"sha256:…","received":<seconds>,"v":1}`.

A leaf binds a bundle to the time at which the operator says to have received it, and holds
nothing personal: a log can never forget (DESIGN section 1, `docs/spec/log.md`). It is
canonical JSON (RFC 8785) of a fixed shape, so there is exactly one spelling of each leaf, and
whatever is spelt otherwise is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from weighbridge.errors import LogError

__all__ = ["Leaf", "encode_leaf", "parse_leaf"]

_MAX_INTEGER = 2**53 - 1
_HEX = re.compile(r"[0-9a-f]{64}")
_LEAF = re.compile(rb'\{"bundle":"sha256:([0-9a-f]{64})","received":(0|[1-9][0-9]{0,15}),"v":1\}')


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf says: which bundle, and when the operator says to have received it.

    `bundle_sha256` is bare hex of the SHA-256 of the bundle's bytes; `received` is in seconds
    since the Unix epoch, the operator's word only.
    """

    bundle_sha256: str
    received: int


def encode_leaf(bundle_sha256: str, received: int) -> bytes:
    """Spell the leaf of a bundle, canonically.

    Raises `LogError` for a digest that is not 64 lowercase hex digits or a time that is
    negative or above 2^53 - 1.
    """
    if not _HEX.fullmatch(bundle_sha256):
        raise LogError(f"not a bare SHA-256 in lowercase hex: {bundle_sha256[:80]!r}")
    if not 0 <= received <= _MAX_INTEGER:
        raise LogError(f"not a time in seconds that a leaf can hold: {received}")
    return b'{"bundle":"sha256:%b","received":%d,"v":1}' % (bundle_sha256.encode(), received)


def parse_leaf(data: bytes) -> Leaf:
    """Read a leaf strictly; raises `LogError` for anything but its one canonical spelling."""
    match = _LEAF.fullmatch(data)
    if match is None:
        raise LogError(
            "a log entry is not a canonical leaf",
            hint="it was written by other software or changed on the way; fetch it again",
            evidence={"leaf": repr(data[:200])},
        )
    received = int(match[2])
    if received > _MAX_INTEGER:
        raise LogError(f"a leaf's time is out of range: {received}")
    return Leaf(bundle_sha256=match[1].decode(), received=received)
