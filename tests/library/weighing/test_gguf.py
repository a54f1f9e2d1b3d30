# SPDX-License-Identifier: Apache-2.0
"""GGUF headers from strangers, and the same tensors as the reference library reads."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzing import examples
from tests.models import write
from weighbridge.errors import EnumerationError
from weighbridge.weighing import gguf as ours
from weighbridge.weighing import weigh
from weighbridge.weighing.spans import Layout, Prefix, SpanError

Tensors = Sequence[tuple[str, Sequence[int], int, int]]  # name, dimensions innermost first, type, offset


def text(value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(value)) + value


def pair(key: bytes | str, type_: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", type_) + value


def header(
    tensors: Tensors = (),
    pairs: Sequence[bytes] = (),
    *,
    version: int = 3,
    tensor_count: int | None = None,
    pair_count: int | None = None,
) -> bytes:
    content = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(pairs) if pair_count is None else pair_count,
    )
    content += b"".join(pairs)
    for name, dimensions, type_, offset in tensors:
        content += text(name) + struct.pack("<I", len(dimensions))
        content += b"".join(struct.pack("<Q", n) for n in dimensions) + struct.pack("<IQ", type_, offset)
    return content


def file_of(tensors: Tensors, data: bytes, pairs: Sequence[bytes] = (), alignment: int = 32) -> bytes:
    content = header(tensors, pairs)
    return content + b"\0" * (-len(content) % alignment) + data


def layout_of(content: bytes) -> Layout:
    return ours.read_header(Prefix(content, len(content), lambda _: b""))


def written(path: Path, write_values: Callable[[reference.GGUFWriter], Any]) -> Path:
    writer = reference.GGUFWriter(path, "tiny")
    write_values(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def rich(writer: reference.GGUFWriter) -> None:
    """All kinds of metadata and several kinds of tensors."""
    random = np.random.default_rng(1)
    writer.add_block_count(2)
    writer.add_float32("tiny.float", 1.5)
    writer.add_bool("tiny.flag", True)
    writer.add_uint64("tiny.big", 2**60)
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "ä", "b" * 1000] * 100)
    writer.add_array("tokenizer.ggml.scores", [0.5] * 300)
    writer.add_chat_template(
        [{"name": "default", "template": "{{ a }}"}, {"name": "rag", "template": "{{ b }}"}]
    )
    writer.add_tensor("token_embd.weight", random.standard_normal((300, 32)).astype(np.float32))
    writer.add_tensor("blk.0.attn.weight", random.standard_normal((5, 7)).astype(np.float16))
    writer.add_tensor("blk.0.bias", random.standard_normal(3).astype(np.float32))
    quantized = random.integers(0, 255, (4, 34), dtype=np.uint8)
    writer.add_tensor("output.weight", quantized, raw_dtype=reference.GGMLQuantizationType.Q8_0)


@pytest.mark.parametrize("large", [False, True])
def test_the_reference_library_reads_the_same_tensors(tmp_path: Path, *, large: bool) -> None:
    def values(writer: reference.GGUFWriter) -> None:
        rich(writer)
        if large:
            writer.add_tensor("large", np.arange(700_001, dtype=np.float32).reshape(1, -1))

    path = written(tmp_path / "tiny.gguf", values)
    weighed = weigh(path, workers=2)
    read = reference.GGUFReader(path)
    expected = {
        str(tensor.name): (
            tensor.tensor_type.name,
            tuple(int(n) for n in reversed(tensor.shape)),
            int(tensor.n_bytes),
            hashlib.sha256(tensor.data.tobytes()).hexdigest(),
        )
        for tensor in read.tensors
    }
    assert {t.name: (t.dtype, t.shape, t.nbytes, t.sha256) for t in weighed.tensors} == expected
    assert expected["output.weight"][:2] == ("Q8_0", (4, 32))
    assert expected["token_embd.weight"][1] == (300, 32)
    assert weighed.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {(each.name, each.sha256) for each in weighed.chat_templates} == {
        (None, hashlib.sha256(b"{{ a }}").hexdigest()),
        ("rag", hashlib.sha256(b"{{ b }}").hexdigest()),
    }


def test_another_alignment_is_honoured(tmp_path: Path) -> None:
    def values(writer: reference.GGUFWriter) -> None:
        writer.add_custom_alignment(256)
        rich(writer)

    weighed = weigh(written(tmp_path / "tiny.gguf", values))
    assert len(weighed.tensors) == 4


def test_a_file_with_only_a_vocabulary_has_no_tensors(tmp_path: Path) -> None:
    weighed = weigh(written(tmp_path / "vocab.gguf", lambda writer: writer.add_array("t", ["a", "b"])))
    assert weighed.weights_digest is None
    assert weighed.warnings == ()


def test_block_sizes_are_the_reference_ones() -> None:
    sizes = {int(kind): (kind.name, *size) for kind, size in reference.GGML_QUANT_SIZES.items()}
    for number, known in ours._TYPES.items():
        assert sizes[number] == known


ONE = [("a", [8], 24, 0)]  # eight I8

ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "ends in the middle"),
    "not GGUF": (b"PK\x03\x04" + b"\0" * 40, "no GGUF header"),
    "cut": (header(ONE)[:-3], "ends in the middle"),
    "tensors bomb": (header(tensor_count=2**63), "claims 9223372036854775808 tensors"),
    "pairs bomb": (header(pair_count=2**63), "metadata pairs"),
    "claimed tensors": (header(tensor_count=1000), "ends in the middle"),
    "text bomb": (
        header(pairs=[struct.pack("<Q", 2**63)], pair_count=1),
        "text of 9223372036854775808 bytes",
    ),
    "value bomb": (header(pairs=[pair("a", 8, struct.pack("<Q", 2**50))]), "header of more than"),
    "array bomb": (header(pairs=[pair("a", 9, struct.pack("<IQ", 10, 2**61))]), "header of more than"),
    "many empty texts": (
        header(pairs=[pair("a", 9, struct.pack("<IQ", 8, 2**40))]),
        "more than 4000000 texts",
    ),
    "arrays in arrays": (header(pairs=[pair("a", 9, struct.pack("<IQ", 9, 1) * 50)]), "too deep"),
    "unknown metadata": (header(pairs=[pair("a", 99, b"")]), "unknown type 99"),
    "a key twice": (header(pairs=[pair("a", 0, b"1"), pair("a", 0, b"2")]), "key 'a' twice"),
    "alignment of three": (
        header(pairs=[pair("general.alignment", 4, struct.pack("<I", 3))]),
        "power of two",
    ),
    "alignment of zero": (header(pairs=[pair("general.alignment", 4, struct.pack("<I", 0))]), "power of two"),
    "alignment to hide in": (
        header(pairs=[pair("general.alignment", 4, struct.pack("<I", 2**30))]),
        "power of two",
    ),
    "alignment as text": (header(pairs=[pair("general.alignment", 8, text("32"))]), "power of two"),
    "many templates": (
        header(pairs=[pair(f"tokenizer.chat_template.{n}", 8, text("x")) for n in range(65)]),
        "more than 64 chat templates",
    ),
    "two of a name": (file_of([*ONE, ("a", [8], 24, 32)], b"\0" * 64), "same name"),
    "overlapping": (file_of([*ONE, ("b", [8], 24, 0)], b"\0" * 64), "overlapping"),
    "a gap": (file_of([*ONE, ("b", [8], 24, 64)], b"\0" * 96), "32 bytes before tensor 'b'"),
    "bytes at the end": (file_of(ONE, b"\0" * 33), "after the last tensor"),
    "data without tensors": (file_of([], b"evil"), "after the last tensor"),
    "out of the file": (file_of([("a", [800], 24, 0)], b"\0" * 32), "ending at byte"),
    "far out of the file": (file_of([("a", [8], 24, 2**63)], b"\0" * 32), "ending at byte"),
    "unaligned": (file_of([("a", [8], 24, 8)], b"\0" * 32), "not aligned"),
    "a shape that overflows": (file_of([("a", [2**40, 2**40], 24, 0)], b"\0" * 32), "more elements"),
    "huge dimension": (file_of([("a", [2**63], 24, 0)], b"\0" * 32), "dimension"),
    "nine dimensions": (file_of([("a", [1] * 9, 24, 0)], b"\0" * 32), "9 dimensions"),
    "half a block": (file_of([("a", [33], 8, 0)], b"\0" * 64), "whole blocks of Q8_0"),
    "an empty name": (file_of([("", [8], 24, 0)], b"\0" * 32), "tensor name of 0"),
    "a name of controls": (file_of([("a\x1b[2J", [8], 24, 0)], b"\0" * 32), "control"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Git LFS pointer"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malformed_header_is_refused_in_words(tmp_path: Path, attack: str) -> None:
    content, words = ATTACKS[attack]
    write(tmp_path / "m" / "model.gguf", content)
    with pytest.raises(EnumerationError, match=words) as caught:
        weigh(tmp_path / "m")
    assert caught.value.step == 1
    assert caught.value.message.isprintable()


def test_padding_at_the_end_may_be_there_or_not() -> None:
    assert layout_of(file_of(ONE, b"\1" * 8)).spans == layout_of(file_of(ONE, b"\1" * 8 + b"\0" * 24)).spans


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header(version=1), "version 1"),
        (header(version=4), "version 4"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (file_of([("a", [8], 999, 0)], b"\0" * 32), "unknown type 999"),
    ],
)
def test_what_is_newer_or_rarer_costs_the_weights_digest_and_not_the_weighing(
    tmp_path: Path, content: bytes, words: str
) -> None:
    write(tmp_path / "m" / "model.gguf", content)
    weighed = weigh(tmp_path / "m")
    assert weighed.weights_digest is None
    assert words in weighed.warnings[0]


@settings(max_examples=examples(100))
@given(st.data())
def test_no_changed_byte_makes_the_parser_fail_otherwise(data: st.DataObject) -> None:
    pairs = [
        pair("general.alignment", 4, struct.pack("<I", 16)),
        pair("tokens", 9, struct.pack("<IQ", 8, 3) + text("a") + text("b") + text("c")),
        pair("tokenizer.chat_template", 8, text("{{ x }}")),
    ]
    head = header([("a", [8, 2], 24, 0), ("b", [32], 8, 16)], pairs)
    content = bytearray(head + b"\0" * (-len(head) % 16) + b"\1" * 16 + b"\2" * 34)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(head) - 1))] = data.draw(st.integers(0, 255))
    try:
        layout = layout_of(bytes(content))
    except SpanError:
        return
    for before, after in zip(layout.spans, layout.spans[1:], strict=False):
        assert before.end <= after.start
    assert all(span.end <= len(content) for span in layout.spans)
