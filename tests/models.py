# SPDX-License-Identifier: Apache-2.0
"""Small real models for tests: safetensors weights, config, tokenizer, a card, its training data.

Made byte by byte, so that the tests need no library of the field and always get the same bytes.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

README = """\
---
license: apache-2.0
language:
- en
library_name: transformers
pipeline_tag: text-classification
tags:
- tiny
datasets:
- example/reviews
base_model: example/tiny-base
model-index:
- name: tiny
  results:
  - task:
      type: text-classification
    dataset:
      name: Reviews
      type: example/reviews
    metrics:
    - type: accuracy
      value: 0.75
---

# Tiny

A model for tests. It knows **nothing**.

## Limitations

All of them.
"""

DATA_CONFIG = [
    {"name": "reviews.jsonl.gz", "lines": 1200, "weight": 2},
    {"name": "questions.jsonl.gz", "lines": 340, "weight": 1},
]

_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I8": 1, "U8": 1}


def safetensors(
    tensors: Mapping[str, tuple[str, Sequence[int], bytes]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return a safetensors file of (dtype, shape, data) by name, laid out in the order given."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [position, position + len(data)],
        }
        position += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def tensor(dtype: str, shape: Sequence[int], seed: int) -> tuple[str, Sequence[int], bytes]:
    """Return one tensor of pseudo-random bytes."""
    count = _BYTES[dtype]
    for dimension in shape:
        count *= dimension
    return dtype, tuple(shape), random.Random(seed).randbytes(count)  # noqa: S311 - test data


def tiny_tensors(seed: int = 0) -> dict[str, tuple[str, Sequence[int], bytes]]:
    """Return the weights of the tiny model."""
    return {
        "embeddings.weight": tensor("F32", (32, 8), seed * 100 + 1),
        "encoder.layer.0.weight": tensor("F32", (8, 8), seed * 100 + 2),
        "encoder.layer.0.bias": tensor("F32", (8,), seed * 100 + 3),
        "encoder.layer.1.weight": tensor("BF16", (8, 8), seed * 100 + 4),
        "pooler.weight": tensor("F16", (8, 8), seed * 100 + 5),
        "position_ids": tensor("I64", (1, 16), 6),
    }


def write(path: Path, content: bytes | str) -> Path:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tiny_model(folder: Path, *, seed: int = 0, readme: bool = True) -> Path:
    """Make a small but real model in `folder` and return it; another seed gives other weights."""
    write(folder / "model.safetensors", safetensors(tiny_tensors(seed), {"format": "pt"}))
    config = {"architectures": ["TinyModel"], "hidden_size": 8, "model_type": "tiny", "vocab_size": 32}
    write(folder / "config.json", json.dumps(config, indent=2) + "\n")
    write(folder / "tokenizer.json", json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {}}}))
    write(
        folder / "tokenizer_config.json",
        json.dumps({"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}),
    )
    write(folder / "1_Pooling" / "config.json", '{"pooling_mode_mean_tokens": true}\n')
    write(folder / "data_config.json", json.dumps(DATA_CONFIG, indent=2) + "\n")
    if readme:
        write(folder / "README.md", README)
    return folder


def sharded_model(folder: Path, *, shards: int = 2, seed: int = 0, readme: bool = True) -> Path:
    """Make the tiny model with the same tensors spread over several safetensors files."""
    tiny_model(folder, seed=seed, readme=readme)
    (folder / "model.safetensors").unlink()
    tensors = tiny_tensors(seed)
    index: dict[str, str] = {}
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = dict(list(tensors.items())[number::shards])
        write(folder / name, safetensors(part, {"format": "pt"}))
        index |= dict.fromkeys(part, name)
    write(folder / "model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def single_file(path: Path, *, seed: int = 0) -> Path:
    """Make a model that is one safetensors file."""
    return write(path, safetensors(tiny_tensors(seed)))
