# SPDX-License-Identifier: Apache-2.0
"""Sketches: the specification's bits, by another way of computing them, however the bytes come."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import safetensors, write
from weighbridge.errors import BundleError
from weighbridge.weighing import Tensor, read_tensor_table, tensor_table, weigh, weighed, weights_digest
from weighbridge.weighing.elements import ELEMENTS, Places
from weighbridge.weighing.sketches import SketchTaker, may_have_sketch, positions, sketch_of
from weighbridge.weighing.spans import Span

VECTORS = json.loads(
    (files_of("weighbridge_schemas") / "vectors" / "resemblance.json").read_text(encoding="utf-8")
)
SHAPE = (200, 256)
BLOCKS = sorted(
    set(ELEMENTS) & {kind.name for kind in gguf.GGMLQuantizationType} - {"F64", "F32", "F16", "I8"}
)


def pairs_by_the_page(rows: int, columns: int) -> list[tuple[int, int]]:
    """Follow docs/spec/resemblance.md word by word, with none of our code."""
    found = []
    for block in range(128):
        digest = hashlib.sha256(f"weighbridge/sketch/v1\n{rows}x{columns}\n{block}".encode()).digest()
        u0, u1, u2, u3 = struct.unpack(">4Q", digest)
        for first, second in ((u0, u1), (u2, u3)):
            a, b = first % (rows * columns), second % (rows * columns - 1)
            found.append((a, b + 1 if b >= a else b))
    return found


def sketch_by_the_page(values: Any) -> str:
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    rows, columns = values.shape
    bits = ["1" if flat[a] > flat[b] else "0" for a, b in pairs_by_the_page(rows, columns)]
    return "".join(f"{int(''.join(bits[at : at + 4]), 2):x}" for at in range(0, 256, 4))


def taken(dtype: str, shape: tuple[int, ...], data: bytes, piece: int = 1 << 20, start: int = 0) -> str:
    taker = SketchTaker([Span("t", dtype, shape, start, start + len(data))])
    whole = b"\xff" * start + data
    for at in range(0, len(whole), piece):
        taker.update(whole[at : at + piece])
    return taker.sketches[0]


def normal(seed: int, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def mix(count: int) -> Any:
    return (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)) >> np.uint64(16)


def rule_bytes(dtype: str) -> bytes:
    """The bytes of a vector's tensor, by the rule that schemas/resemblance_vectors.py states."""
    elements, count = ELEMENTS[dtype], math.prod(SHAPE)
    numbers = (mix(count) % np.uint64(251)).astype(np.int64) - 125
    plain = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I8": "i1"}
    if dtype in plain:
        return numbers.astype(plain[dtype]).tobytes()
    if dtype == "BF16":
        return (numbers.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    units = count // elements.per_unit
    made = (mix(units * elements.nbytes) % np.uint64(256)).astype(np.uint8)
    if dtype.startswith("F8"):
        return (made & 0xBF).tobytes()
    blocks = made.reshape(units, elements.nbytes)
    scale = (0.5 + (mix(units) % np.uint64(1024)).astype(np.float64) / 2048).astype("<f2")
    at = 208 if dtype == "Q6_K" else 0
    blocks[:, at : at + 2] = scale.view(np.uint8).reshape(units, 2)
    if dtype in {"Q4_1", "Q5_1", "Q4_K", "Q5_K"}:
        blocks[:, 2:4] = (scale / 2).astype("<f2").view(np.uint8).reshape(units, 2)
    return blocks.tobytes()


@pytest.mark.parametrize("vector", VECTORS["positions"], ids=lambda vector: str(vector["shape"]))
def test_positions_are_those_of_the_specification(vector: dict[str, Any]) -> None:
    rows, columns = vector["shape"]
    pairs = [list(pair) for pair in pairs_by_the_page(rows, columns)]
    assert [list(pair) for pair in positions((rows, columns))] == pairs
    assert pairs[:4] == vector["first"]
    text = json.dumps(pairs, separators=(",", ":")).encode()
    assert hashlib.sha256(text).hexdigest() == vector["sha256"]


@given(st.integers(1, 2**20), st.integers(2, 2**20))
@settings(max_examples=30)
def test_a_pair_is_two_different_elements_of_the_tensor(rows: int, columns: int) -> None:
    for a, b in positions((rows, columns)):
        assert a != b
        assert 0 <= min(a, b) <= max(a, b) < rows * columns


def test_what_has_no_two_elements_has_no_pairs() -> None:
    for shape in ((1, 1), (0, 5)):
        with pytest.raises(ValueError, match="fewer than two"):
            positions(shape)


@pytest.mark.parametrize("vector", VECTORS["sketches"], ids=lambda vector: vector["dtype"])
def test_sketches_are_those_of_the_specification(vector: dict[str, Any]) -> None:
    data = rule_bytes(vector["dtype"])
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert taken(vector["dtype"], SHAPE, data) == vector["sketch"]


@pytest.mark.parametrize("dtype", BLOCKS)
def test_blocks_have_the_values_that_the_gguf_library_gives(dtype: str) -> None:
    """Every element of random blocks, not only those that a sketch looks at."""
    kind, elements = gguf.GGMLQuantizationType[dtype], ELEMENTS[dtype]
    made = np.random.default_rng(5).integers(0, 256, (64, elements.nbytes), dtype=np.uint8)
    scale = np.linspace(-3, 4, 128).astype("<f2").view(np.uint8).reshape(2, 64, 2)
    if elements.per_unit > 1:
        at = 208 if dtype == "Q6_K" else 0
        made[:, at : at + 2] = scale[0]
        if dtype in {"Q4_1", "Q5_1", "Q4_K", "Q5_K"}:
            made[:, 2:4] = scale[1]
    elif dtype == "BF16":
        made[:, 1] &= 0xBF  # finite
    theirs = gguf.dequantize(made, kind).reshape(-1)
    units = np.repeat(np.arange(64), elements.per_unit).tolist()
    inners = np.tile(np.arange(elements.per_unit), 64).tolist()
    ours = np.array(elements.values(made.tobytes(), Places(tuple(units), tuple(inners))))
    assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert len(set(ours.tolist())) > 30


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_a_quantised_tensor_has_the_sketch_of_its_own_values(dtype: str) -> None:
    kind = gguf.GGMLQuantizationType[dtype]
    packed = gguf.quantize(normal(1), kind)
    assert taken(dtype, SHAPE, packed.tobytes()) == sketch_by_the_page(gguf.dequantize(packed, kind))


def test_eight_bit_floats_have_the_values_of_their_standard() -> None:
    """OCP 8-bit Floating Point Specification 1.0, table 1."""
    known = {
        "F8_E4M3": {0x00: 0.0, 0x80: -0.0, 0x01: 2**-9, 0x08: 2**-6, 0x38: 1.0, 0x7E: 448.0, 0xFE: -448.0},
        "F8_E5M2": {0x00: 0.0, 0x01: 2**-16, 0x04: 2**-14, 0x3C: 1.0, 0x7B: 57344.0, 0xFC: -math.inf},
    }
    for dtype, values in known.items():
        codes = bytes(values)
        found = ELEMENTS[dtype].values(codes, Places(tuple(range(len(codes))), (0,) * len(codes)))
        assert list(found) == list(values.values())
    for dtype, codes in (("F8_E4M3", b"\x7f\xff"), ("F8_E5M2", b"\x7d\x7e\x7f\xfd")):
        found = ELEMENTS[dtype].values(codes, Places(tuple(range(len(codes))), (0,) * len(codes)))
        assert all(map(math.isnan, found))


@given(
    st.sampled_from(["F64", "F32", "BF16", "I8", "Q4_0", "Q6_K"]),
    st.integers(0, 300),
    st.lists(st.integers(1, 90_000), min_size=1, max_size=12),
)
@settings(max_examples=40)
def test_the_bytes_may_come_in_any_pieces(dtype: str, start: int, pieces: list[int]) -> None:
    """An element may be cut by two buffers, or a block by several."""
    data = b"\xff" * start + rule_bytes(dtype) + rule_bytes(dtype)
    size = (len(data) - start) // 2
    spans = [Span(str(n), dtype, SHAPE, start + n * size, start + (n + 1) * size) for n in range(2)]
    taker = SketchTaker(spans)
    at = 0
    for number in range(10_000):
        piece = pieces[number % len(pieces)]
        taker.update(data[at : at + piece])
        at += piece
        if at >= len(data):
            break
        if number == 200:
            taker.update(data[at:])
            break
    expected = next(each["sketch"] for each in VECTORS["sketches"] if each["dtype"] == dtype)
    assert taker.sketches == [expected, expected]


def test_one_byte_at_a_time_gives_the_same() -> None:
    data = rule_bytes("Q4_K")
    assert taken("Q4_K", SHAPE, data, piece=1) == taken("Q4_K", SHAPE, data)


@pytest.mark.parametrize("vector", VECTORS["none"], ids=lambda vector: vector["why"])
def test_what_is_not_finite_takes_the_sketch_away_if_it_is_compared(vector: dict[str, Any]) -> None:
    values = np.frombuffer(rule_bytes("F32"), "<f4").copy()
    for index, text in vector["changes"].items():
        values[int(index)] = float(text)
    assert (taken("F32", SHAPE, values.tobytes()) or None) == vector["sketch"]


def test_more_than_five_percent_of_ties_take_the_sketch_away() -> None:
    values = normal(2).reshape(-1)
    for tied, (a, b) in enumerate(positions(SHAPE)):
        assert bool(taken("F32", SHAPE, values.tobytes())) == (tied <= 12)
        values[b] = values[a]
        if tied > 14:
            break


def test_minus_zero_ties_with_zero() -> None:
    assert sketch_of([0.0] * 13 + [1.0] * 243, [-0.0] * 13 + [0.0] * 243) == ""
    assert sketch_of([0.0] * 12 + [1.0] * 244, [-0.0] * 12 + [0.0] * 244) == "000" + "f" * 61


def test_sparse_constant_small_and_other_tensors_have_none() -> None:
    sparse = normal(3)
    sparse[np.random.default_rng(4).random(SHAPE) < 0.7] = 0
    assert taken("F32", SHAPE, sparse.tobytes()) == ""
    assert taken("F32", SHAPE, np.ones(SHAPE, np.float32).tobytes()) == ""
    for dtype, shape in (
        ("F32", (1, 49_999)),
        ("F32", (51_200,)),
        ("F32", (2, 100, 256)),
        ("F32", (0, 2**40)),
        ("I64", SHAPE),
        ("BOOL", SHAPE),
        ("U8", SHAPE),
        ("F4", SHAPE),
        ("IQ2_XS", SHAPE),
    ):
        assert not may_have_sketch(dtype, shape)
        assert taken(dtype, shape, b"\1" * 400_000) == ""


@pytest.mark.parametrize(
    "vector", VECTORS["tables"], ids=lambda vector: vector.get("name") or vector["reason"]
)
def test_lines_of_a_table_are_taken_or_refused_as_the_specification_says(vector: dict[str, Any]) -> None:
    table = vector["table"].encode()
    if "reason" in vector:
        with pytest.raises(BundleError, match="line 1 of the tensor table"):
            read_tensor_table(table)
        return
    tensors = read_tensor_table(table)
    assert tensor_table(tensors) == table
    assert f"sha256:{weights_digest(tensors)}" == vector["weights_digest"]


def tensors() -> st.SearchStrategy[list[Tensor]]:
    hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
    plain = st.builds(
        Tensor,
        st.text(min_size=1, max_size=8),
        st.sampled_from(["F32", "I64"]),
        st.lists(st.integers(0, 300), max_size=3).map(tuple),
        st.integers(0, 2**53 - 1),
        hexes,
    )
    sketched = st.builds(
        lambda name, shape, digest, sketch: Tensor(name, "BF16", shape, 2, digest, sketch=sketch),
        st.text(min_size=1, max_size=8),
        st.tuples(st.integers(300, 900), st.integers(300, 900)),
        hexes,
        hexes,
    )
    return st.lists(st.one_of(plain, sketched), max_size=8, unique_by=lambda tensor: tensor.name)


@given(tensors())
def test_a_table_with_sketches_reads_back_and_proves_the_same_weights(some: list[Tensor]) -> None:
    table, leaves = tensor_table(some), tensor_table(some, sketches=False)
    assert list(read_tensor_table(table)) == sorted(some, key=lambda tensor: tensor.name)
    assert (
        weights_digest(read_tensor_table(leaves))
        == weights_digest(some)
        == weights_digest(read_tensor_table(table))
    )
    assert (table == leaves) == (not any(tensor.sketch for tensor in some))


@given(tensors().filter(bool), st.data())
def test_the_fast_and_the_careful_reader_of_a_line_agree(some: list[Tensor], data: st.DataObject) -> None:
    """Where the fast one takes a line at all, it takes what the other takes, and as the same."""
    lines = tensor_table(some).splitlines() if all(tensor.name.isprintable() for tensor in some) else []
    for line in lines:
        spoilt = bytearray(line)
        spoilt[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        for each in (line, bytes(spoilt)):
            if plain := weighed._PLAIN_LINE.fullmatch(each):
                try:
                    careful = weighed._any_tensor(each, 1)
                except BundleError:
                    with pytest.raises(BundleError):
                        read_tensor_table(each + b"\n")
                    continue
                assert weighed._tensor(each, 1) == careful, plain


def test_two_tensors_of_one_name_are_refused_with_sketches_too() -> None:
    line = VECTORS["tables"][0]["table"].encode()
    with pytest.raises(BundleError, match="there twice"):
        read_tensor_table(line + line)


def test_weighing_takes_sketches_in_the_same_read_however_files_are_cut(tmp_path: Path) -> None:
    """Small files are read in one piece, large ones in buffers: 3 MB here, with a tensor across each edge."""
    made = {f"layer.{n}": ("F32", (300, 400), normal(n, (300, 400)).tobytes()) for n in range(6)}
    made["a.bias"] = ("F32", (401,), normal(9, (401,)).tobytes())
    write(tmp_path / "whole" / "model.safetensors", safetensors(made))
    for number, name in enumerate(made):
        shard = f"model-{number + 1:05d}-of-00007.safetensors"
        write(tmp_path / "split" / shard, safetensors({name: made[name]}))
    whole, split = weigh(tmp_path / "whole"), weigh(tmp_path / "split")
    assert tensor_table(whole.tensors) == tensor_table(split.tensors)
    found = {tensor.name: tensor.sketch for tensor in whole.tensors}
    assert found.pop("a.bias") == ""
    assert found == {
        name: sketch_by_the_page(np.frombuffer(data, "<f4").reshape(shape))
        for name, (_, shape, data) in made.items()
        if name != "a.bias"
    }
