# SPDX-License-Identifier: Apache-2.0
"""Two models side by side: what a person wants to know of a copy, a fine-tune, a rename."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import safetensors, sharded_model, tensor, tiny_model, tiny_tensors, write
from weighbridge.weighing import weigh
from weighbridge.weighing.compared import compare_models


def test_a_copy_is_equal_to_the_last_byte(tmp_path: Path) -> None:
    found = compare_models(weigh(tiny_model(tmp_path / "a")), weigh(tiny_model(tmp_path / "b")))
    assert found.same
    assert found.tensors.percent_equal == 100
    assert found.files.percent_equal == 100
    assert not found.files.changed
    assert not found.files.removed
    assert not found.files.added


def test_other_shards_hold_the_same_weights_in_other_files(tmp_path: Path) -> None:
    found = compare_models(weigh(tiny_model(tmp_path / "a")), weigh(sharded_model(tmp_path / "b")))
    assert not found.same
    assert found.same_weights
    assert found.tensors.percent_equal == 100
    assert [file.path for file in found.files.removed] == ["model.safetensors"]


def test_a_fine_tune_changes_some_a_rename_moves_some_and_all_is_counted(tmp_path: Path) -> None:
    first = tiny_model(tmp_path / "a")
    tensors = tiny_tensors()
    tensors["encoder.layer.0.weight"] = tensor("F32", (8, 8), 99)
    tensors["pooler.weight"] = ("BF16", (8, 8), tensors["pooler.weight"][2])  # the same bytes, another dtype
    tensors["decoder.bias"] = tensors.pop("encoder.layer.0.bias")
    tensors["head.weight"] = tensor("F32", (4, 4), 5)
    del tensors["position_ids"]
    second = tiny_model(tmp_path / "b")
    write(second / "model.safetensors", safetensors(tensors))
    (second / "config.json").rename(second / "model_config.json")

    found = compare_models(weigh(first), weigh(second))

    assert [a.name for a, _ in found.tensors.changed] == ["encoder.layer.0.weight", "pooler.weight"]
    assert [(a.name, b.name) for a, b in found.tensors.moved] == [("encoder.layer.0.bias", "decoder.bias")]
    assert [each.name for each in found.tensors.added] == ["head.weight"]
    assert [each.name for each in found.tensors.removed] == ["position_ids"]
    equal = 32 * 8 * 4 + 8 * 8 * 2
    moved = 8 * 4
    total = sum(len(data) for _, _, data in tiny_tensors().values())
    assert found.tensors.bytes_equal == equal
    assert found.tensors.percent_equal == pytest.approx(100 * (equal + moved) / total)
    assert [(a.path, b.path) for a, b in found.files.moved] == [("config.json", "model_config.json")]
    parts = found.tensors
    counted = parts.bytes_equal + parts.bytes_changed + parts.bytes_moved + parts.bytes_removed
    assert counted == parts.bytes_first == total


def test_empty_things_are_moved_nowhere(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "x", b"").parent, write(tmp_path / "b" / "y", b"").parent
    found = compare_models(weigh(first), weigh(second))
    assert not found.files.moved
    assert [each.path for each in found.files.removed] == ["x"]


def test_models_without_tensors_have_none_in_common_and_none_missing(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "x", b"1").parent, write(tmp_path / "b" / "x", b"2").parent
    found = compare_models(weigh(first), weigh(second))
    assert found.tensors.percent_equal == 100
    assert not found.same_weights
    assert found.to_json()["tensors"]["bytes"] == {"first": 0, "second": 0}
