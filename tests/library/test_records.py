# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import LogError
from weighbridge.records import RecordLine, format_record, parse_record

LINE = RecordLine(b'{"bundle": 1}', b"leaf", "c2sp.org/tlog-proof@v1\n— é".encode())
DATA = format_record([LINE])
TEXT = DATA.decode()


def test_a_line_is_what_the_specification_says() -> None:
    assert json.loads(DATA) == {
        "v": 1,
        "bundle": "eyJidW5kbGUiOiAxfQ==",
        "leaf": "bGVhZg==",
        "receipt": "c2sp.org/tlog-proof@v1\n— é",
    }
    assert DATA.count(b"\n") == 1


TEXTS = st.text(st.characters(exclude_categories=("Cs",))).map(str.encode)


@given(st.lists(st.builds(RecordLine, st.binary(), st.binary(), TEXTS), min_size=1, max_size=5))
def test_formatting_and_reading_are_inverse(lines: list[RecordLine]) -> None:
    data = format_record(lines)
    assert parse_record(data) == tuple(lines)
    assert parse_record(data.replace(b"\n", b"\r\n")) == tuple(lines), "a checkout may change line ends"
    assert parse_record(data.removesuffix(b"\n")) == tuple(lines)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "\n",
        TEXT + "\n",
        "\n" + TEXT,
        TEXT[:-10],
        TEXT[:40],
        "[]\n",
        "null\n",
        "<html>\n",
        TEXT.replace('"v":1', '"v":2'),
        TEXT.replace('"v":1', '"v":true'),
        TEXT.replace('"v":1', '"v":1.0'),
        TEXT.replace('"v":1', '"v":"1"'),
        TEXT.replace('"v":1', '"v":1,"v":1'),
        TEXT.replace('"v":1', '"v":1,"more":1'),
        TEXT.replace(',"v":1', ""),
        TEXT.replace("fQ==", "fQ"),
        TEXT.replace("fQ==", "fR=="),
        TEXT.replace("fQ==", "fQ==\\n"),
        TEXT.replace('"bGVhZg=="', "null"),
        TEXT.replace('"bGVhZg=="', '["bGVhZg=="]'),
        TEXT.replace('"bGVhZg=="', '"' + "A" * 100_000 + '"'),
        TEXT.replace("\u00e9", "\\ud800"),
        '{"v":1,"bundle":"","leaf":"","receipt":1}',
        '{"v":1,"bundle":"","leaf":"","receipt":"' + "x" * 2_000_000 + '"}',
        "[" * 100_000,
        TEXT * 1025,
    ],
)
def test_malformed_records_are_refused_as_step_7(bad: str) -> None:
    assert bad != TEXT
    with pytest.raises(LogError) as caught:
        parse_record(bad.encode("utf-8", "surrogatepass"))
    assert caught.value.step == 7


def test_the_line_is_named() -> None:
    with pytest.raises(LogError, match="line 2 of the record file"):
        parse_record(DATA + b"{}\n")


def test_limits_are_the_callers_to_lower() -> None:
    with pytest.raises(LogError, match="over the limit of 10"):
        parse_record(DATA, max_bytes=10)
    with pytest.raises(LogError, match="more than 1 lines"):
        parse_record(DATA * 2, max_lines=1)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(LogError):
        parse_record(b"\xff\xfe" + DATA)
