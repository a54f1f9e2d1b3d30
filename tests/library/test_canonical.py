# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON out, strict JSON in."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import canonical
from weighbridge.errors import BundleError

TEXT = st.text(max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
    | st.floats(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_encoded_decodes_to_the_same_value(value: Any) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(VALUES)
def test_both_ways_of_encoding_agree_with_rfc_8785(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_canonical_bytes_do_not_depend_on_how_the_text_was_written(value: Any) -> None:
    written_otherwise = json.dumps(value, indent=3).encode()
    assert canonical.encode(canonical.decode(written_otherwise)) == canonical.encode(value)


def test_keys_beyond_the_basic_plane_sort_by_utf_16_units() -> None:
    # U+10000 is D800 DC00 in UTF-16, hence before U+FB33 (RFC 8785 section 3.2.3).
    assert canonical.encode({"\ufb33": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ufb33":1}'.encode()


def test_the_example_of_rfc_8785_comes_out_byte_for_byte() -> None:
    source = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical.encode(canonical.decode(source)) == expected.encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":1}', "appears twice"),
        (b'{"x":{"a":1,"\\u0061":2}}', "appears twice"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b"1e999", "too large"),
        (b"9007199254740992", "beyond 2^53"),
        (b"[" + b"9" * 5000 + b"]", "beyond 2^53"),
        (b"-9007199254740992", "beyond 2^53"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff":0}', "surrogate"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'\xef\xbb\xbf"bom"', "not JSON"),
        (b"[1] []", "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b"01", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b'{"a":' * 65 + b"0" + b"}" * 65, "deeper than 64"),
        (b"[" * 1_000_000, "deeper than 64"),
    ],
)
def test_text_that_two_readers_could_understand_differently_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(BundleError, match=reason.replace("^", r"\^")) as caught:
        canonical.decode(text)
    assert caught.value.step == 3


def test_nesting_up_to_the_limit_is_read() -> None:
    assert canonical.decode(b"[" * 64 + b"]" * 64) is not None
    with pytest.raises(BundleError):
        canonical.decode(b"[[[]]]", max_depth=2)


def test_a_text_over_the_size_limit_is_not_parsed() -> None:
    with pytest.raises(BundleError, match="over the limit"):
        canonical.decode(b" " * (canonical.MAX_BYTES + 1))


def test_many_members_with_one_twin_at_the_end_do_not_take_long() -> None:
    members = ",".join(f'"{number}":0' for number in range(100_000))
    started = time.monotonic()
    with pytest.raises(BundleError, match="'99999' appears twice"):
        canonical.decode(f'{{{members},"99999":1}}'.encode())
    assert time.monotonic() - started < 5


def test_a_small_text_that_would_fill_the_memory_is_not_parsed() -> None:
    with pytest.raises(BundleError, match="more than 2,000,000"):
        canonical.decode(b"[" + b"[]," * 2_000_000 + b"0]")


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, 1e20, "\ud800", {"\ud800": 1}, {1: 2}, b"bytes", {1, 2}, object()],
)
def test_a_value_without_canonical_json_is_refused(value: Any) -> None:
    with pytest.raises(BundleError, match="no canonical JSON"):
        canonical.encode({"value": value})


def test_a_value_that_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(BundleError, match="deeper"):
        canonical.encode(ring)
