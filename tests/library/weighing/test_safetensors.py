# SPDX-License-Identifier: Apache-2.0
"""safetensors headers from strangers: no length is trusted, no byte may hide."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from tests.fuzzing import examples
from tests.models import safetensors, tensor, tiny_tensors, write
from weighbridge.errors import EnumerationError
from weighbridge.weighing import weigh
from weighbridge.weighing.safetensors import MAX_HEADER_BYTES, read_header
from weighbridge.weighing.spans import Prefix, Span, SpanError


def file_of(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, dtype: str = "U8", shape: list[int] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def header_of(content: bytes) -> tuple[Span, ...]:
    return read_header(Prefix(content, len(content), lambda _: b"")).spans


def refused(tmp_path: Path, content: bytes, words: str) -> None:
    write(tmp_path / "m" / "model.safetensors", content)
    with pytest.raises(EnumerationError, match=words) as caught:
        weigh(tmp_path / "m")
    assert caught.value.step == 1
    assert "model.safetensors" in caught.value.message
    assert caught.value.message.isprintable()


ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "too few"),
    "seven bytes": (b"\0" * 7, "too few"),
    "length bomb": (struct.pack("<Q", 2**64 - 1) + b"{}", "the format allows"),
    "just over the cap": (struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{}", "the format allows"),
    "longer than the file": (file_of({}, length=3), "has only 2 after"),
    "no JSON": (file_of(b"PK\x03\x04garbage"), "no JSON object"),
    "a JSON array": (file_of([]), "no JSON object"),
    "text after the object": (file_of(b"{}x"), "malformed"),
    "not UTF-8": (file_of(b'{"\xff":1}'), "malformed"),
    "too deep": (file_of(b'{"a":' * 100_000), "malformed"),
    "a huge number": (file_of(b'{"a":' + b"9" * 5000 + b"}"), "malformed"),
    "NaN": (file_of(b'{"a":NaN}'), "not JSON"),
    "a name twice": (
        file_of(
            b'{"a":%b,"a":%b}' % (json.dumps(entry(0, 1)).encode(), json.dumps(entry(1, 2)).encode()), b"xy"
        ),
        "'a' appears twice",
    ),
    "a member twice": (
        file_of(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"x"),
        "'dtype' appears twice",
    ),
    "overlapping": (file_of({"a": entry(0, 4), "b": entry(2, 6)}, b"123456"), "overlapping"),
    "the same bytes twice": (file_of({"a": entry(0, 4), "b": entry(0, 4)}, b"1234"), "overlapping"),
    "a gap": (file_of({"a": entry(0, 2), "b": entry(4, 6)}, b"123456"), "2 bytes before tensor 'b'"),
    "a gap at the start": (file_of({"a": entry(1, 2)}, b"12"), "1 bytes before tensor 'a'"),
    "bytes at the end": (file_of({"a": entry(0, 2)}, b"12evil"), "4 bytes after the last tensor"),
    "only bytes": (file_of({}, b"evil"), "4 bytes after the last tensor"),
    "out of the file": (file_of({"a": entry(0, 100)}, b"12"), "ending at byte"),
    "far out of the file": (file_of({"a": entry(0, 2**62, "U8")}, b"12"), "dimension"),
    "backwards": (file_of({"a": entry(4, 2, shape=[2])}, b"1234"), "out of order"),
    "negative": (file_of({"a": entry(-2, 2)}, b"1234"), "out of order"),
    "offsets of thousands of digits": (file_of({"a": entry(10**4299, 10**4299)}), "beyond the end"),
    "offsets beyond 64 bits": (file_of({"a": entry(2**64, 2**64 + 1)}, b"1"), "beyond the end"),
    "negative beyond 64 bits": (file_of({"a": entry(-(2**64), 1, shape=[1])}, b"1"), "beyond the end"),
    "shape and bytes disagree": (file_of({"a": entry(0, 4, "F32", [2])}, b"1234"), "do not fit"),
    "a shape that overflows": (file_of({"a": entry(0, 0, "U8", [2**40, 2**40, 0])}), "more elements"),
    "a negative dimension": (file_of({"a": entry(0, 1, "U8", [-1, -1])}, b"1"), "dimension"),
    "a true dimension": (file_of({"a": entry(0, 1, "U8", [True])}, b"1"), "dimension"),
    "a fraction": (file_of(b'{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', b"1"), "dimension"),
    "many dimensions": (file_of({"a": entry(0, 1, "U8", [1] * 33)}, b"1"), "at most 32"),
    "fractional offsets": (
        file_of(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}}', b"1"),
        "two integers",
    ),
    "three offsets": (
        file_of(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', b"1"),
        "two integers",
    ),
    "no dtype": (
        file_of({"a": {"dtype": None, "shape": [], "data_offsets": [0, 1]}}, b"1"),
        "dtype that is no text",
    ),
    "other members": (file_of({"a": entry(0, 1) | {"evil": 1}}, b"1"), "other members"),
    "no object": (file_of({"a": 1}), "other members"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}}), "__metadata__"),
    "metadata of nothing": (file_of({"__metadata__": None}), "__metadata__"),
    "an empty name": (file_of({"": entry(0, 1)}, b"1"), "tensor name of 0"),
    "a name of controls": (file_of({"a\u001b[2J": entry(0, 1)}, b"1"), "control"),
    "half a character": (
        file_of(b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
        "control",
    ),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "Git LFS pointer",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malformed_header_is_refused_in_words(tmp_path: Path, attack: str) -> None:
    refused(tmp_path, *ATTACKS[attack])


def test_a_pointer_comes_with_what_to_do(tmp_path: Path) -> None:
    write(tmp_path / "m" / "model.safetensors", ATTACKS["a pointer"][0])
    with pytest.raises(EnumerationError) as caught:
        weigh(tmp_path / "m")
    assert "git lfs pull" in caught.value.hint


def test_a_length_bomb_costs_no_memory() -> None:
    tracemalloc.start()
    with pytest.raises(SpanError):
        read_header(Prefix(struct.pack("<Q", 2**40), 2**50, bytes))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_malformed_header_is_no_matter_where_tensors_are_not_asked_for(tmp_path: Path) -> None:
    """Signing must not depend on parsing: the manifest covers the bytes, whatever they are."""
    write(tmp_path / "m" / "model.safetensors", b"garbage")
    assert weigh(tmp_path / "m", tensors=False).files[0].size == 7


def test_a_dtype_of_the_future_costs_the_weights_digest_and_not_the_weighing(tmp_path: Path) -> None:
    write(tmp_path / "m" / "model.safetensors", file_of({"a": entry(0, 1, "U9")}, b"1"))
    write(tmp_path / "m" / "other.safetensors", safetensors(tiny_tensors()))
    weighed = weigh(tmp_path / "m")
    assert weighed.weights_digest is None
    assert weighed.tensors == ()
    assert len(weighed.files) == 2
    assert "model.safetensors has tensor 'a' of unknown dtype 'U9'" in weighed.warnings[0]


@pytest.mark.parametrize("size", [0, 1, 1_048_576, 1_048_577, 5_000_000])
@pytest.mark.parametrize("workers", [1, 3])
def test_tensors_are_hashed_in_the_same_read_whatever_the_size(
    tmp_path: Path, size: int, workers: int
) -> None:
    parts = {
        "empty": tensor("F32", (0,), 1),
        "large": tensor("U8", (size,), 2),
        "scalar": tensor("F32", (), 3),
        "empty.too": tensor("I64", (3, 0), 4),
        "rows": tensor("F16", (size // 3, 2), 5),
        "last": tensor("I8", (7,), 6),
    }
    content = safetensors(parts)
    write(tmp_path / "m" / "model.safetensors", content)
    weighed = weigh(tmp_path / "m", workers=workers, algorithms=["blake3"])
    assert weighed.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert {t.name: (t.dtype, t.shape, t.nbytes, t.sha256) for t in weighed.tensors} == {
        name: (dtype, tuple(shape), len(data), hashlib.sha256(data).hexdigest())
        for name, (dtype, shape, data) in parts.items()
    }


def test_a_header_longer_than_any_buffer(tmp_path: Path) -> None:
    parts = {f"layer.{number:05d}.{'x' * 200}": tensor("U8", (3,), number) for number in range(8000)}
    write(tmp_path / "m" / "model.safetensors", safetensors(parts))
    weighed = weigh(tmp_path / "m")
    assert len(weighed.tensors) == 8000
    for found in weighed.tensors[::999]:
        assert found.sha256 == hashlib.sha256(parts[found.name][2]).hexdigest()


def test_the_reference_reader_sees_the_same_tensors() -> None:
    content = safetensors(tiny_tensors(), {"format": "pt"})
    spans = header_of(content)
    assert {span.name: (span.dtype, list(span.shape), content[span.start : span.end]) for span in spans} == {
        name: (found["dtype"], found["shape"], bytes(found["data"])) for name, found in deserialize(content)
    }


REFERENCE_ACCEPTS = {"a name twice", "a member twice", "other members", "an empty name", "a name of controls"}
"""Deliberately stricter than the reference reader: these deceive another reader or a person."""


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_reference_reader_refuses_the_same(attack: str) -> None:
    content = ATTACKS[attack][0]
    try:
        deserialize(content)
    except SafetensorError:
        return
    assert attack in REFERENCE_ACCEPTS | {"many dimensions", "metadata of nothing"}


@settings(max_examples=examples(100))
@given(st.data())
def test_no_changed_byte_of_a_header_makes_the_parser_fail_otherwise(data: st.DataObject) -> None:
    content = bytearray(safetensors(tiny_tensors()))
    length = int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 8 + length - 1))] = data.draw(st.integers(0, 255))
    try:
        spans = header_of(bytes(content))
    except SpanError:
        return
    if not spans:
        return  # a dtype that is not known: no tensors, which the reader says in a note
    position = 8 + int.from_bytes(content[:8], "little")
    for span in spans:
        assert span.start == position
        position = span.end
    assert position == len(content)


@settings(max_examples=examples(100))
@given(st.binary(max_size=64))
def test_any_header_text_is_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(SpanError):
        header_of(file_of(b"{" + text))


def test_a_header_of_empty_arrays_is_refused_before_it_takes_gigabytes(tmp_path: Path) -> None:
    header = b'{"a":[' + b"[]," * 4_000_001 + b"[]]}"
    bomb = tmp_path / "model.safetensors"
    bomb.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(EnumerationError, match="members and elements"):
        weigh(bomb)
