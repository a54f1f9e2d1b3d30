# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import LogError
from weighbridge.leaves import Leaf, encode_leaf, parse_leaf

DIGEST = "ab" * 32
LEAF = encode_leaf(DIGEST, 1_700_000_000)


def test_the_leaf_is_what_the_design_says() -> None:
    assert b'{"bundle":"sha256:' + DIGEST.encode() + b'","received":1700000000,"v":1}' == LEAF


@given(digest=st.binary(min_size=32, max_size=32), received=st.integers(0, 2**53 - 1))
def test_encoding_and_reading_are_inverse_and_canonical(digest: bytes, received: int) -> None:
    leaf = encode_leaf(digest.hex(), received)
    assert parse_leaf(leaf) == Leaf(digest.hex(), received)
    assert rfc8785.dumps(json.loads(leaf)) == leaf


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        LEAF + b"\n",
        b" " + LEAF,
        LEAF.replace(b":1700", b": 1700"),
        LEAF.replace(b"1700000000", b"1700000000.0"),
        LEAF.replace(b"1700000000", b"1.7e9"),
        LEAF.replace(b"1700000000", b"01700000000"),
        LEAF.replace(b"1700000000", b"-1700000000"),
        LEAF.replace(b"1700000000", b"9007199254740992"),
        LEAF.replace(b"1700000000", b"99999999999999999999"),
        LEAF.replace(b"1700000000", b"true"),
        LEAF.replace(DIGEST.encode(), DIGEST.upper().encode()),
        LEAF.replace(DIGEST.encode(), DIGEST[:-1].encode()),
        LEAF.replace(b"sha256:", b""),
        LEAF.replace(b'"v":1', b'"v":2'),
        LEAF.replace(b'"v":1', b'"v":1,"v":1'),
        LEAF.replace(b'"v":1', b'"v":1,"x":1'),
        LEAF.replace(b'"v":1', b'"note":"hello","v":1'),
        b'{"received":1700000000,"bundle":"sha256:' + DIGEST.encode() + b'","v":1}',
        b"[" * 100_000,
    ],
)
def test_every_other_spelling_is_refused(bad: bytes) -> None:
    assert bad != LEAF
    with pytest.raises(LogError) as caught:
        parse_leaf(bad)
    assert caught.value.step == 7


def test_what_no_leaf_can_hold_is_not_written() -> None:
    for digest, received in ((DIGEST.upper(), 0), (f"sha256:{DIGEST}", 0), (DIGEST, -1), (DIGEST, 2**53)):
        with pytest.raises(LogError):
            encode_leaf(digest, received)
