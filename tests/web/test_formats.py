# SPDX-License-Identifier: Apache-2.0
"""Numbers, times, digests and other people's words as pages write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge_web import formats


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1\u202f023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (90_868_376, "86.7 MiB"),
        (2**40, "1 TiB"),
        (2**53, "8192 TiB"),
    ],
)
def test_sizes_have_three_digits_and_binary_units(count: int, text: str) -> None:
    assert formats.file_size(count) == text


def test_times_are_in_utc_whatever_they_were_given_as() -> None:
    expected = "23 November 2026, 08:48 UTC"
    assert formats.moment(1_795_423_680) == expected
    assert formats.moment("2026-11-23T08:48:00Z") == expected
    assert formats.moment("2026-11-23T09:48:00+01:00") == expected
    assert formats.moment(datetime(2026, 11, 23, 8, 48, tzinfo=UTC)) == expected
    assert formats.rfc3339(1_795_423_680) == "2026-11-23T08:48:00Z"


def test_a_short_digest_is_for_the_eye_only() -> None:
    assert formats.short("sha256:" + "ab" * 32) == "abababababab…"
    assert formats.who(f"the holder of the key sha256:{'ab' * 32}") == (
        "the holder of the key sha256:abababababab…"
    )


def test_an_address_of_ours_stays_on_the_host_that_the_reader_used() -> None:
    assert formats.local("https://registry.example/models/a/b/1") == "/models/a/b/1"
    assert formats.local("/log/4?x=1") == "/log/4?x=1"
    assert formats.local("//evil.example/x") == "/x"
    assert formats.local("javascript:alert(1)").startswith("/")


@given(st.text(max_size=200))
def test_no_text_of_others_hides_or_reorders_anything(text: str) -> None:
    shown = formats.said(text)
    assert not any(ord(c) < 0x20 and c not in "\t\n\r" for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200f\ufeff")


@given(st.text(min_size=11, max_size=200))
def test_text_of_others_is_bounded(text: str) -> None:
    assert len(formats.said(text.replace("\x00", ""), 10)) <= 11
