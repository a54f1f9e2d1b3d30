# SPDX-License-Identifier: Apache-2.0
"""Licence expressions: what is open, unknown, or cannot be read; nothing that a card holds crashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.openness import OPEN_DATA, read_terms
from weighbridge.openness.spdx_list import IDENTIFIERS, OSI_APPROVED


@pytest.mark.parametrize(
    ("expression", "is_open"),
    [
        ("MIT", True),
        ("mit", True),
        ("Apache-2.0+", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("MIT OR LicenseRef-own", True),
        ("MIT AND LicenseRef-own", False),
        ("MIT AND (CC-BY-4.0 OR CC-BY-NC-4.0)", True),
        ("CC-BY-ND-4.0", False),
        ("CC-BY-NC-SA-4.0", False),
        ("SSPL-1.0", False),
        ("MIT WITH No-such-exception", False),
    ],
)
def test_what_is_open(expression: str, is_open: bool) -> None:  # noqa: FBT001 - a table
    assert read_terms(expression).is_open is is_open


@pytest.mark.parametrize(
    "text", ["", "MIT AND", "(MIT", "MIT Apache-2.0", "AND", "()", "foo bar", ")(" * 200]
)
def test_what_is_no_expression_says_so_and_is_not_open(text: str) -> None:
    terms = read_terms(text)
    assert terms.problem
    assert not terms.is_open


def test_unknown_and_deprecated_identifiers_are_named() -> None:
    assert read_terms("ODC-PDDL-1.0 OR MIT").unknown == ("ODC-PDDL-1.0",)
    assert read_terms("GPL-3.0").deprecated == ("GPL-3.0",)


def test_only_what_can_be_chosen_decides_what_a_licence_is_made_for() -> None:
    assert read_terms("CC-BY-NC-4.0 OR MIT").fits == {"code"}
    assert read_terms("CC-BY-4.0 OR MIT").fits == {"code", "data", "document"}
    assert read_terms("CC-BY-4.0 AND MIT").fits == set()


def test_the_lists_are_of_one_spelling() -> None:
    assert OPEN_DATA < IDENTIFIERS
    assert OSI_APPROVED < IDENTIFIERS
    assert {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0-IGO", "CDLA-Permissive-2.0", "PDDL-1.0"} < OPEN_DATA
    assert not [one for one in OPEN_DATA if "NC" in one or "ND" in one]


@given(st.text("MITAPCBY-NDORWH ().+:02", max_size=512))
def test_whatever_a_card_may_hold_is_read(text: str) -> None:
    terms = read_terms(text)
    assert not (terms.is_open and (terms.problem or terms.unknown == (text,)))


@given(st.sampled_from(sorted(IDENTIFIERS)), st.sampled_from(sorted(IDENTIFIERS)))
def test_the_operators_are_those_of_logic(one: str, other: str) -> None:
    first, second = read_terms(one), read_terms(other)
    assert read_terms(f"{one} OR {other}").is_open == (first.is_open or second.is_open)
    assert read_terms(f"{one} AND {other}").is_open == (first.is_open and second.is_open)
