# SPDX-License-Identifier: Apache-2.0
"""What a case of the corpus is, and the honest model and bundle that each one spoils."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.library.oms.test_manifest import resource, value
from weighbridge import bundles, dsse, keys
from weighbridge.canonical import encode

__all__ = ["FILES", "Case", "bundle", "honest", "key", "signed", "write_model"]

FILES = {"a.txt": b"one", "b.txt": b"two", "deep/er/weights.bin": bytes(range(256)) * 8}
"""The honest model."""


@dataclass(frozen=True)
class Case:
    """A spoilt model: `build` makes it in an empty folder; verifying it must fail at `step`, saying `words`.

    `options` are those of `weighbridge.verification.check` beside the wanted key, which is the honest one.
    """

    name: str
    step: int
    words: str
    build: Callable[[Path], None]
    options: Mapping[str, Any] = field(default_factory=dict)


def key(name: str = "honest") -> Any:
    """Return a private key, the same for a name throughout a run."""
    return _made(name)


@functools.cache
def _made(_name: str) -> Any:
    return keys.generate_private_key()


def honest() -> dict[str, Any]:
    """Return the honest statement."""
    return value(*(resource(path, content) for path, content in sorted(FILES.items())))


def signed(statement: Any, by: str = "honest") -> bytes:
    """Sign a statement (or a payload as it is) and return the bundle."""
    payload = statement if isinstance(statement, bytes) else encode(statement)
    private = key(by)
    signature = keys.sign(private, dsse.pae(dsse.IN_TOTO, payload))
    return bundles.encode_key_bundle(payload, signature, keys.hint(private.public_key()))


def bundle() -> dict[str, Any]:
    """Return the honest bundle as a document to be spoilt."""
    document: dict[str, Any] = json.loads(signed(honest()))
    return document


def payload_of(document: dict[str, Any]) -> bytes:
    """Return a bundle's payload."""
    return base64.b64decode(document["dsseEnvelope"]["payload"])


def write_model(folder: Path, signature: bytes | None = None) -> None:
    """Write the honest model, with a signature if one is given."""
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "model.sig").write_bytes(signed(honest()) if signature is None else signature)
