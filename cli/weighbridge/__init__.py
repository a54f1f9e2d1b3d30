# SPDX-License-Identifier: Apache-2.0
"""Weigh, sign, verify and look up AI models.

    weighbridge.weigh(path)      hash a model: its files, its tensors, its fingerprints
    weighbridge.sign(path, …)    sign its manifest (OpenSSF Model Signing v1.0)
    weighbridge.verify(path, …)  return only if it is what the signer whom you name released; else raise
    weighbridge.tlog             the transparency log's proofs and notes
    weighbridge.errors           every error that these raise

The three functions load what they need when they are first asked for: `import weighbridge` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge import errors, tlog
    from weighbridge.signing import sign
    from weighbridge.verification import verify
    from weighbridge.weighing import weigh

__all__ = ["__version__", "errors", "sign", "tlog", "verify", "weigh"]

__version__ = "0.1.0"

_FUNCTIONS = {
    "sign": "weighbridge.signing",
    "verify": "weighbridge.verification",
    "weigh": "weighbridge.weighing",
}
_MODULES = ("errors", "tlog")


def __getattr__(name: str) -> Any:
    """Load one of the public names on first use (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"weighbridge.{name}")
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_FUNCTIONS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
