# SPDX-License-Identifier: Apache-2.0
"""Weighing: every file and tensor of a model, hashed in one read, and the digests that name it.

- `tree` enumerates and opens files without following links;
- `reading` reads a file once: digests, tensors, what it is;
- `scale` runs that on all cores and puts the model together (`weigh`);
- `compared` says what differs between two models;
- `weighed` has the results, and the pure functions behind every digest;
- `names` says which names are taken and which are ignored;
- `formats`, `safetensors`, `spans`, `templates`, `hashing` are what reading needs.
"""

from __future__ import annotations

from .names import DEFAULT_IGNORES, README
from .scale import Progress, weigh
from .weighed import (
    ChatTemplate,
    Tensor,
    WeighedFile,
    WeighedModel,
    model_digest,
    read_tensor_table,
    root_digest,
    tensor_table,
    weights_digest,
)

__all__ = [
    "DEFAULT_IGNORES",
    "README",
    "ChatTemplate",
    "Progress",
    "Tensor",
    "WeighedFile",
    "WeighedModel",
    "model_digest",
    "read_tensor_table",
    "root_digest",
    "tensor_table",
    "weigh",
    "weights_digest",
]
