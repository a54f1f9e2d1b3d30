# SPDX-License-Identifier: Apache-2.0
"""What two tensor tables say: which relations they show, which claims they refute, what they never say."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
import operator
import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files as files_of

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.resemblance import (
    BANDS,
    bands,
    compare_tables,
    distance,
    is_telling,
    positions,
    threshold,
)
from weighbridge.weighing import Tensor, read_tensor_table, tensor_table

VECTORS = json.loads(
    (files_of("weighbridge_schemas") / "vectors" / "resemblance.json").read_text(encoding="utf-8")
)
SHAPES = ((384, 384), (384, 384), (1536, 384), (384, 1536))
BITS = random.Random(20)  # noqa: S311 - the same tables in every run


def sketch() -> int:
    return BITS.getrandbits(256)


def noisy(bits: int, share: float) -> int:
    """Flip each bit with this probability, as a small change of the weights does."""
    return bits ^ sum((BITS.random() < share) << place for place in range(256))


def one(name: str, shape: tuple[int, ...], bits: int | None, content: str = "") -> Tensor:
    digest = hashlib.sha256((content or f"{name}{bits}").encode()).hexdigest()
    return Tensor(
        name,
        "F32",
        shape,
        4 * math.prod(shape),
        digest,
        sketch="" if bits is None else f"{bits:064x}",
    )


def model(layers: int = 6, prefix: str = "layer") -> list[Tensor]:
    """A table of layers with four matrices and a vector each."""
    made = []
    for layer in range(layers):
        made += [one(f"{prefix}.{layer}.{n}.weight", shape, sketch()) for n, shape in enumerate(SHAPES)]
        made.append(one(f"{prefix}.{layer}.norm.bias", (384,), None, content="zeros"))
    return made


def changed(table: Sequence[Tensor], share: float, prefix: str | None = None) -> list[Tensor]:
    """The same table after a change of all matrices; vectors change, too."""
    found = []
    for number, tensor in enumerate(table):
        name = f"{prefix}.{number}" if prefix else tensor.name
        bits = noisy(int(tensor.sketch, 16), share) if tensor.sketch else None
        found.append(one(name, tensor.shape, bits, content=f"changed {number} {share}"))
    return found


def test_the_same_tensors_are_equal_whatever_they_are_called() -> None:
    parent = model()
    assert compare_tables(parent, parent).verdict("quantized").word == "equal"
    renamed = [replace(tensor, name=f"x.{tensor.name}") for tensor in parent]
    found = compare_tables(renamed, parent)
    assert (found.equal, found.renamed, found.percent_equal) == (0, 30, 100)
    assert found.verdict().word == "equal"
    assert found.verdict().sentence == "all 30 tensors are equal, 30 under another name"


def test_a_part_of_a_model_shares_with_it_and_is_not_equal_to_it() -> None:
    parent = model()
    found = compare_tables(parent[:10], parent)
    assert found.verdict().word == "shares"
    assert found.percent_equal == 100
    assert "10 of 10 tensors are equal (100.00 % of the bytes)" in found.verdict().sentence


def test_a_child_that_kept_some_layers_shares_them_and_resembles_in_the_others() -> None:
    parent = model()
    child = [*parent[:15], *changed(parent[15:], 0.05)]
    found = compare_tables(child, parent)
    assert (found.verdict().word, found.equal, found.near) == ("shares", 15, 12)
    assert "12 of 12 others resemble one of its shape" in found.verdict().sentence
    assert found.median == pytest.approx(0.05, abs=0.02)
    assert found.error is not None
    assert 0 < found.error < 0.02


@pytest.mark.parametrize("share", [0.01, 0.04, 0.1, 0.2, 0.25])
@pytest.mark.parametrize("prefix", [None, "blk"])
def test_small_changes_resemble_whatever_the_names(share: float, prefix: str | None) -> None:
    parent = model()
    found = compare_tables(changed(parent, share, prefix), parent)
    assert found.verdict("finetune").word == "resembles"
    assert found.near >= 20
    assert found.median is not None
    assert found.error is not None
    assert abs(found.median - share) < 4 * found.error


def test_unrelated_models_show_no_sign_and_that_is_said_to_mean_nothing() -> None:
    found = compare_tables(model(), model())
    for relation in ("finetune", "continued_pretraining", "merge", "pruned"):
        verdict = found.verdict(relation)
        assert verdict.word == "no sign"
        assert "usually resembles its parent, but need not" in verdict.sentence
    for other in ("distilled", "from_scratch", "adapter", None):
        assert found.verdict(other).word == "no sign"
    assert found.median == pytest.approx(0.5, abs=0.03)
    assert "where chance gives 50 %" in found.verdict().sentence


def test_unrelated_models_under_other_names_pick_the_nearest_and_still_show_no_sign() -> None:
    """The nearest of many is nearer than half: the threshold knows how many it was chosen from."""
    found = compare_tables(model(40), model(40, prefix="other"))
    assert (found.near, found.verdict().word) == (0, "no sign")
    assert found.median is not None
    assert found.median < 0.47


def test_a_quantised_copy_that_resembles_nothing_is_contradicted() -> None:
    found = compare_tables(model(), model())
    for relation in ("quantized", "converted"):
        verdict = found.verdict(relation)
        assert verdict.word == "contradicts"
        assert f"{relation} keeps the values but for rounding" in verdict.sentence
        assert "unless the weights were also rotated" in verdict.sentence


def test_absence_refutes_nothing_where_little_could_be_compared() -> None:
    """Other shapes, no sketches, three matrices only, or a search that was cut short."""
    parent = model()
    without = [replace(tensor, sketch="") for tensor in parent]
    packed = [replace(tensor, shape=(*tensor.shape[:-1], 48)) for tensor in model()]
    for child, other in (
        (changed(without, 0), parent),
        (model(), without),
        (packed, parent),
        (model()[:3], parent),
        ([*model()[:4], one("huge", (9000, 9000), sketch())], parent),
        ([], parent),
        (model(), []),
    ):
        assert compare_tables(child, other).verdict("quantized").word == "no sign"


def test_one_matrix_that_stayed_keeps_the_claim_of_a_quantised_copy() -> None:
    """llama.cpp reorders query and key: all else still resembles."""
    parent = model()
    child = model()
    child[2] = changed(parent, 0.04)[2]
    found = compare_tables(child, parent)
    assert (found.near, found.verdict("quantized").word) == (1, "no sign")


def test_from_scratch_is_refuted_by_any_model_that_it_shares_with_or_resembles() -> None:
    parent = model()
    for child in (parent, parent[:7], changed(parent, 0.1)):
        verdict = compare_tables(child, parent).verdict("from_scratch")
        assert verdict.word == "contradicts"
        assert "from scratch has nothing of another" in verdict.sentence


def test_biases_of_zeros_and_masks_are_no_sign_of_a_parent() -> None:
    parent, child = model(), model()
    mask = Tensor("mask", "F32", (1024, 1024), 4 << 20, "c" * 64)
    found = compare_tables([*child, mask], [*parent, mask])
    assert (found.equal, found.telling, found.verdict().word) == (7, 0, "no sign")
    assert found.verdict("from_scratch").word == "no sign"


def test_what_is_telling() -> None:
    assert is_telling(one("w", (384, 384), 1))
    assert is_telling(Tensor("conv", "F32", (64, 3, 7, 7), 37_632, "0" * 64))
    assert is_telling(Tensor("counts", "I64", (384, 384), 1 << 20, "0" * 64))
    assert not is_telling(one("w", (384, 384), None))
    assert is_telling(one("w", (384, 384), None), sketched=False)
    assert not is_telling(one("w", (384, 4), None))
    assert not is_telling(Tensor("bias", "F32", (1 << 20,), 4 << 20, "0" * 64))


def lora(layer: str, rank: int, out: int, inside: int) -> list[Tensor]:
    return [
        one(f"{layer}.lora_A.weight", (rank, inside), None),
        one(f"{layer}.lora_B.weight", (out, rank), None),
    ]


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "base_model.model.model.", "x.y."])
def test_an_adapter_fits_the_layers_of_its_model_by_name_and_shape(prefix: str) -> None:
    parent = model()
    child = [each for n in range(6) for each in lora(f"{prefix}layer.{n}.2", 8, 1536, 384)]
    found = compare_tables(child, parent)
    assert found.adapter == (12, 12, 12)
    assert found.verdict("adapter").word == "fits"
    assert "values cannot be compared" in found.verdict().sentence
    gguf = [replace(each, name=each.name.replace(".lora_A.weight", ".weight.lora_a")) for each in child[:1]]
    assert compare_tables(gguf, parent).adapter == (1, 1, 1)


def test_an_adapter_of_other_shapes_is_refuted_and_one_of_other_names_is_not() -> None:
    parent = model()
    wide = [each for n in range(6) for each in lora(f"layer.{n}.2", 8, 4096, 2048)]
    assert compare_tables(wide, parent).verdict("adapter").word == "contradicts"
    assert compare_tables(wide, parent).verdict("finetune").word == "no sign"
    elsewhere = [each for n in range(6) for each in lora(f"decoder.{n}.q", 8, 4096, 2048)]
    assert compare_tables(elsewhere, parent).verdict("adapter").word == "no sign"


def test_one_alike_among_many_is_not_enough_and_the_only_one_is() -> None:
    parent, child = model(), model()
    child[0] = changed(parent, 0.02)[0]
    assert compare_tables(child, parent).verdict().word == "no sign"
    assert compare_tables(child[:1], parent).verdict().word == "resembles"
    child[1] = changed(parent, 0.02)[1]
    assert compare_tables(child, parent).verdict().word == "resembles"


def test_a_layer_that_was_copied_twice_resembles_twice() -> None:
    """Models are made deeper by repeating layers: a parent's tensor may be the nearest of several."""
    parent = model()
    child = [
        replace(tensor, name=f"{copy}.{tensor.name}", sha256=f"{copy:064x}")
        for copy in range(2)
        for tensor in changed(parent, 0.03)
    ]
    assert compare_tables(child, parent).near == 48


@pytest.mark.parametrize("vector", VECTORS["thresholds"], ids=str)
def test_thresholds_are_those_of_the_specification(vector: dict[str, object]) -> None:
    shape = tuple(vector["shape"])  # type: ignore[arg-type]  # a list of two integers
    assert threshold(shape, vector["comparisons"]) == vector["bits"]  # type: ignore[arg-type]


def test_the_threshold_holds_for_coins_and_for_columns_that_drown_the_rest() -> None:
    """The worst structure of unrelated tensors: every value is its column's, and columns are random."""
    for rows, columns in ((2000, 32), (800, 64), (384, 384)):
        pairs = [(a % columns, b % columns) for a, b in positions((rows, columns))]
        made = []
        for _ in range(60):
            order = list(range(columns))
            BITS.shuffle(order)
            made.append(sum((order[a] > order[b]) << n for n, (a, b) in enumerate(pairs)))
        found = [(a ^ b).bit_count() / 256 for a, b in itertools.combinations(made, 2)]
        mean = sum(found) / len(found)
        spread = math.sqrt(sum((each - mean) ** 2 for each in found) / len(found))
        assert spread < 1.15 * math.sqrt(1 / 1024 + 1 / (9 * columns))
        assert min(found) * 256 > threshold((rows, columns))


def test_a_threshold_never_goes_up_with_comparisons_and_a_row_is_never_near() -> None:
    assert threshold((384, 384), 1) > threshold((384, 384), 10) > threshold((384, 384), 10**9)
    assert threshold((1, 50_000)) == -1
    assert threshold((4096, 4096)) < 0.36 * 256


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_distance_is_a_metric_on_bits_and_bands_are_the_sketch(first: int, second: int) -> None:
    a, b = f"{first:064x}", f"{second:064x}"
    assert distance(a, b) == distance(b, a) == ((first ^ second).bit_count(), 256)
    assert distance(a, a) == (0, 256)
    assert len(bands(a)) == BANDS
    assert "".join(f"{band:04x}" for band in bands(a)) == a


@pytest.mark.parametrize("count", [20_000, pytest.param(90_000, marks=pytest.mark.faults)])
def test_ninety_thousand_tensors_are_read_and_compared_in_bounded_time(count: int) -> None:
    """A mixture of experts: most tensors have one shape, so comparing all with all is out of the question."""
    made = random.Random(1)  # noqa: S311 - the same tables in every run
    parent = [
        Tensor(
            f"model.layers.{n // 384}.mlp.experts.{n % 384}.weight",
            "BF16",
            (2048, 768),
            2 * 2048 * 768,
            made.randbytes(32).hex(),
            sketch=made.randbytes(32).hex(),
        )
        for n in range(count)
    ]
    child = []
    for n, tensor in enumerate(parent[:1000]):
        flipped = functools.reduce(operator.and_, (made.getrandbits(256) for _ in range(4)))
        near = f"{int(tensor.sketch, 16) ^ flipped:064x}"
        child.append(replace(tensor, name=f"blk.{n}", sha256=made.randbytes(32).hex(), sketch=near))
    table = tensor_table(parent)
    assert len(read_tensor_table(table)) == count
    found = compare_tables(child, parent)
    assert not found.complete
    assert found.verdict("quantized").word == "resembles"
    assert found.near > 900


def test_sketches_that_are_all_alike_cost_no_more() -> None:
    """A hostile table: every band of every tensor is the same, so an index alone would not help."""
    parent = [one(f"p{n}", (384, 384), 0, content=str(n)) for n in range(4000)]
    child = [one(f"c{n}", (384, 384), (1 << 200) - 1, content=f"c{n}") for n in range(4000)]
    assert compare_tables(child, parent).verdict().word == "no sign"
