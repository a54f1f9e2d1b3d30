# SPDX-License-Identifier: Apache-2.0
"""Strict base64 and decimal: one spelling for each value, or none.

A second spelling of the same bytes would let a signed or hashed text be changed without
changing what it says, so both readers here refuse whatever they would not write themselves.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

__all__ = ["decode_base64", "decode_decimal", "encode_base64"]

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_INT64_MAX = 2**63 - 1


def encode_base64(data: bytes) -> str:
    """Spell bytes in standard base64 (RFC 4648 section 4), padded."""
    return b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Read canonical standard base64; raises `ValueError` for any other spelling.

    Line breaks, the URL-safe alphabet, missing or superfluous padding and set padding bits are
    all refused, by encoding again and comparing.
    """
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    if b64encode(data).decode("ascii") != text:
        raise ValueError("not canonical base64")
    return data


def decode_decimal(text: str) -> int:
    """Read a non-negative decimal below 2^63 without sign, spaces or leading zeros, or raise `ValueError`."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a decimal number without leading zeros")
    value = int(text)
    if value > _INT64_MAX:
        raise ValueError("a number beyond 63 bits")
    return value
