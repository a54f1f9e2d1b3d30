# SPDX-License-Identifier: Apache-2.0
"""A real model and its family, made here: every relation is found from the tensor tables, strangers are not.

all-MiniLM-L6-v2 is resharded, cast, quantised into GGUF under llama.cpp's names, fine-tuned, merged, pruned,
given an adapter; beside it models of the same shapes that have nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests import families
from tests.families import WORDS, Weights, changed, matrices, noise, table_of, weighed
from weighbridge.resemblance import TableComparison, compare_tables
from weighbridge.weighing import Tensor

pytestmark = [pytest.mark.needs("model"), pytest.mark.xdist_group("family")]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return families.real_weights()


@pytest.fixture(scope="module")
def parent(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, ...]:
    return table_of(weights, tmp_path_factory.mktemp("parent"))


@pytest.fixture
def compared(parent: tuple[Tensor, ...], tmp_path: Path) -> Callable[[Weights], TableComparison]:
    """Write a child, weigh it, and compare its table, as read back, with the parent's."""
    return lambda child: compare_tables(table_of(child, tmp_path / "child"), parent)


def test_a_resharded_copy_is_equal(weights: Weights, parent: tuple[Tensor, ...], tmp_path: Path) -> None:
    families.reshard(weights, tmp_path)
    found = compare_tables(weighed(tmp_path), parent)
    assert (found.finding, found.equal, found.percent_equal) == ("equal", 104, 100)


def test_a_cast_to_half_precision_resembles(
    weights: Weights, compared: Callable[..., TableComparison]
) -> None:
    found = compared(families.half(weights))
    assert (found.verdict("converted").word, found.near, len(found.likenesses)) == ("resembles", 39, 39)
    assert found.median is not None
    assert found.median < 0.005


@pytest.mark.parametrize(("kind", "most"), [("Q8_0", 0.01), ("Q4_0", 0.07)])
def test_a_quantised_gguf_under_llama_cpp_names_resembles(
    weights: Weights, parent: tuple[Tensor, ...], tmp_path: Path, kind: str, most: float
) -> None:
    """No name is the parent's: all is found by shape."""
    families.quantise(weights, tmp_path, kind)
    found = compare_tables(weighed(tmp_path), parent)
    assert (found.verdict("quantized").word, found.near) == ("resembles", 13)
    assert found.median is not None
    assert found.median < most
    pairs = {each.child: each.parent for each in found.likenesses}
    assert pairs["blk.1.ffn_up.weight"] == "encoder.layer.1.intermediate.dense.weight"
    assert pairs["position_embd.weight"] == "embeddings.position_embeddings.weight"


def test_a_fine_tune_that_changes_some_tensors_shares_the_rest(
    weights: Weights, compared: Callable[..., TableComparison]
) -> None:
    found = compared(families.tune_a_layer(weights))
    assert found.verdict("finetune").word == "shares"
    assert (found.equal, found.near, len(found.likenesses)) == (87, 6, 6)


@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
def test_a_fine_tune_of_everything_resembles(
    weights: Weights, compared: Callable[..., TableComparison], share: float
) -> None:
    found = compared(changed({**weights, WORDS: np.zeros(1)}, noise(share)))
    assert found.verdict("finetune").word == "resembles"
    assert len(found.likenesses) == 38
    assert found.near >= (38 if share < 1 else 34)


def test_a_merge_resembles_both_of_its_parents(
    weights: Weights, parent: tuple[Tensor, ...], tmp_path: Path
) -> None:
    other, merged = families.merge(weights)
    table = table_of(merged, tmp_path / "merged")
    for one in (parent, table_of(other, tmp_path / "other")):
        found = compare_tables(table, one)
        assert found.verdict("merge").word == "resembles"
        assert found.near == 36


def test_an_adapter_alone_fits_the_layers_it_is_for(
    weights: Weights, compared: Callable[..., TableComparison]
) -> None:
    found = compared(families.adapter(weights))
    assert found.verdict("adapter").word == "fits"
    assert found.adapter == (36, 36, 36)


def test_pruned_to_half_of_its_values_it_still_resembles_or_says_nothing(
    weights: Weights, compared: Callable[..., TableComparison]
) -> None:
    """A quarter of the pairs are two zeros then: too many ties for a sketch, and nothing is claimed."""
    small = {name: value for name, value in matrices(weights).items() if "layer.0" in name}
    half = compared(changed(small, lambda _, value: np.where(abs(value) > np.median(abs(value)), value, 0)))
    assert (half.sketched, half.verdict("pruned").word) == (0, "no sign")
    some = compared(changed(small, lambda _, value: np.where(abs(value) > 0.2 * value.std(), value, 0)))
    assert (some.near, some.verdict("pruned").word) == (6, "resembles")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_stranger_of_the_same_shapes_shows_no_sign_and_refutes_a_false_claim(
    weights: Weights, compared: Callable[..., TableComparison], seed: int
) -> None:
    found = compared(families.stranger(weights, seed))
    assert found.near == 0
    assert found.verdict("finetune").word == "no sign"
    assert found.verdict("quantized").word == "contradicts"


def test_trained_strangers_are_as_far_apart_as_random_ones(parent: tuple[Tensor, ...]) -> None:
    """The layers of one model are trained, structured, and not copies of each other."""
    layers = [
        [each for each in parent if each.sketch and each.name.startswith(f"encoder.layer.{n}.")]
        for n in range(6)
    ]
    for first in range(6):
        for second in range(6):
            found = compare_tables(layers[first], layers[second])
            assert found.finding == ("equal" if first == second else "no sign")
            assert found.near == 0


def test_reordered_hidden_units_hide_a_copy_and_the_page_says_so(
    weights: Weights, compared: Callable[..., TableComparison]
) -> None:
    """The same function, other order: missing resemblance acquits nobody. What cannot be reordered stays."""
    order = np.random.default_rng(4).permutation(1536)
    child = {
        name: value[order] if "intermediate" in name else value[:, order]
        for name, value in matrices(weights).items()
        if "intermediate" in name or (name.endswith("output.dense.weight") and "attention" not in name)
    }
    found = compared({name: np.ascontiguousarray(value) for name, value in child.items()})
    assert (found.near, found.verdict("finetune").word) == (0, "no sign")
    page = (Path(__file__).resolve().parents[2] / "docs/spec/resemblance.md").read_text(encoding="utf-8")
    assert "A\n  resemblance that is missing acquits nobody" in page
