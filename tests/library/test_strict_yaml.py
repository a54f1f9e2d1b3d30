# SPDX-License-Identifier: Apache-2.0
"""YAML of strangers: bounded before anything is built."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from weighbridge.errors import InputError
from weighbridge.strict_yaml import read_yaml, write_yaml

NAMES = "abcdefghijklmnopqrstu"
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(NAMES))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "line 2 uses a YAML alias"),
        ("a: !!python/object/apply:os.system ['true']", "YAML tag"),
        ("a: !!binary AAAA", "YAML tag"),
        ("a: ! x", "YAML tag"),
        ("a: 1\nb: 2\na: 3", "line 3: key 'a' appears twice"),
        ("1: a", "line 1: a key is not text"),
        ("? [a]\n: b", "a key is not text"),
        ("a: " + "[" * 40, "deeper than 32"),
        ("a: [" + "1," * 200_001 + "]", "more than 200,000"),
        ("a" * 1_100_000, "longer than"),
        ("a: 'open", "line 1"),
        ("a: \x07", "not valid YAML"),
        ("a: \ud800", "not valid YAML"),
        ("--- a\n--- b", "not valid YAML"),
    ],
)
def test_what_could_grow_mislead_or_run_is_refused_with_its_line(text: str, reason: str) -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match=reason) as caught:
        read_yaml(text, "lineage.yaml")
    assert caught.value.message.startswith("lineage.yaml")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("no", "no"),
        ("[no, yes, on, True, false, ~, null]", ["no", "yes", "on", True, False, None, None]),
        ("2024-01-02", "2024-01-02"),
        ("1:30", "1:30"),
        ("[010, 10, -3, 0x10, 1_000]", ["010", 10, -3, "0x10", "1_000"]),
        ("[1.5, .5, 1., 1e3, -2E-2, '1.5']", [1.5, 0.5, 1.0, 1000.0, -0.02, "1.5"]),
        ("9" * 5000, "9" * 5000),
        ("a: {<<: {b: 1}}", {"a": {"<<": {"b": 1}}}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    assert read_yaml(text, "x.yaml") == value


PLAIN_TEXT = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)))
SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | PLAIN_TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_a_yaml_writer_writes_is_read_back(value: Any) -> None:
    text = yaml.dump(value, Dumper=_NoAliases)
    assert read_yaml(text, "x.yaml") == value


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(
            ["no", "1e5", "0o17", "1_0", "~", "", " x ", "<<", "=", "12:30:45", "2026-01-01", "- a", "#"]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_VALUES)
@example({"\x85": None})
@example(["a\u2028b", "\u2029", "\x85\n"])
def test_what_is_written_is_read_back_by_us_and_by_others(value: Any) -> None:
    text = write_yaml({"value": value})
    assert read_yaml(text, "x")["value"] == value
    assert yaml.safe_load(text)["value"] == value
    assert "&id" not in write_yaml({"a": [value], "b": [value]})
