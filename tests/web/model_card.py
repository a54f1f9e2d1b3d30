# SPDX-License-Identifier: Apache-2.0
"""The README and the card of the model that the pages of these tests show."""

from __future__ import annotations

import hashlib

from weighbridge_schemas.card import Card

README = b"""---
license: apache-2.0
---
# Tiny encoder

Maps sentences to **384-dimensional** vectors. See the [paper](https://example.org/paper).

![architecture](https://example.org/picture.png)

| task | score |
|---|--:|
| STS | 0.82 |

```python
from tiny import load
load("encoder")
```
"""


def card() -> Card:
    """Return a card that says something in every group."""
    return Card.model_validate(
        {
            "identity": {
                "title": "Tiny encoder",
                "developers": ["Ada Example", "Grace Example"],
                "library": "sentence-transformers",
                "task": "sentence-similarity",
                "languages": ["en", "de"],
                "tags": ["feature-extraction", "sentence-similarity"],
            },
            "description": {
                "summary": "Maps sentences to vectors.",
                "architecture": "BERT, 6 layers",
                "parameters": 22_713_216,
            },
            "licenses": {
                "distribution": {"spdx": "Apache-2.0", "url": "https://spdx.org/licenses/Apache-2.0"}
            },
            "uses": {
                "intended": ["Semantic search and clustering."],
                "out_of_scope": ["Decisions about people."],
            },
            "risks": [
                {
                    "category": "bias",
                    "description": "Mirrors the bias of web text.",
                    "mitigation": "Measure before use.",
                }
            ],
            "training": [
                {
                    "stage": "finetuning",
                    "process": "Contrastive.",
                    "hyperparameters": {"epochs": 3, "lr": 2e-5},
                }
            ],
            "data": {
                "references": [{"name": "s2orc", "location": "https://example.org/s2orc"}, {"name": "snli"}]
            },
            "evaluations": [{"task": "sts", "dataset": "STSb", "metric": "spearman", "value": 0.82}],
            "components": [
                {"name": "model_card", "present": True, "location": "README.md"},
                {"name": "model_parameters_final", "present": True, "location": "model.safetensors"},
                {"name": "training_code", "present": True, "location": "https://example.org/train"},
                {"name": "datasets", "present": False},
            ],
            "links": [{"rel": "paper", "url": "https://example.org/paper", "title": "The paper"}],
            "contacts": [{"role": "security", "address": "security@example.org"}],
            "readme": {"sha256": hashlib.sha256(README).hexdigest(), "size": len(README)},
            "imported": {"source": "huggingface", "not_understood": ["widget"]},
        }
    )
