# SPDX-License-Identifier: Apache-2.0
"""A model's folder as its card needs it: listed, not weighed.

Only the files that a card is made from are read, and only those are hashed that a card gives a digest of: the
weights of a large model are left alone unless the card names their digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical
from weighbridge.bounded_files import read_bounded
from weighbridge.cards import MAX_CARD_BYTES, card_from_model, side_files
from weighbridge.cards.members import keep
from weighbridge.errors import BundleError, InputError
from weighbridge.openness import Evidence
from weighbridge.weighing import DEFAULT_IGNORES, README
from weighbridge.weighing.formats import recognise
from weighbridge.weighing.tree import Listed, Tree

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, Component, Description

__all__ = ["ModelFolder"]

_CONFIG: Final = "config.json"
_CONTEXT: Final = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_NOT_HASHED: Final = "not hashed"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The files of a folder, README.md and what is never weighed included or not as a release has them."""

    path: Path
    files: tuple[Listed, ...]

    @classmethod
    def open(cls, path: Path) -> ModelFolder:
        """List a folder; raises InputError or EnumerationError for what does not belong in a model."""
        with Tree(path) as tree:
            if tree.is_file:
                raise InputError(f"{path} is a file", hint="give the model's folder")
            files, _ = tree.listing(skip=lambda name: name in DEFAULT_IGNORES)
        return cls(path, tuple(files))

    def readme(self) -> bytes | None:
        """Return README.md, or None."""
        return self._read(README) if any(file.path == README for file in self.files) else None

    def card(self) -> Card | None:
        """Return the card that the folder's files state, as `publish` would; None without README.md."""
        return card_from_model(self.readme(), self._side_files())

    def draft(self) -> Card:
        """Return what can be said of the model from its files, to be filled in by its publisher.

        README.md is not bound: it may still change. What an import could not place stays listed.
        """
        from weighbridge_schemas.card import Card

        card = self.card() or Card()
        names = {component.name for component in card.components}
        suggested = [one for one in self._suggested() if one.name not in names]
        return card.model_copy(
            update={
                "readme": None,
                "description": self._description(card.description),
                "components": (*card.components, *suggested),
            }
        )

    def evidence(self, card: Card) -> Evidence:
        """Return what the folder holds of what a card names, hashing no more than that."""
        wanted = set(self._hashed_for(card))
        digests = {
            file.path: self._sha256(file.path) if file.path in wanted else _NOT_HASHED
            for file in self.files
            if file.path != README
        }
        readme = self.readme()
        return Evidence(
            files=digests, readme=hashlib.sha256(readme).hexdigest() if readme is not None else None
        )

    def _hashed_for(self, card: Card) -> Iterable[str]:
        paths = {file.path for file in self.files}
        digested = [one for one in card.components if one.present and one.digest is not None]
        if any(one.location not in paths for one in digested):
            return paths
        return {one.location for one in digested if one.location is not None}

    def _side_files(self) -> dict[str, bytes | None]:
        sizes = {file.path: file.size for file in self.files}
        return {
            name: self._read(name) if sizes[name] <= MAX_CARD_BYTES else None for name in side_files(sizes)
        }

    def _read(self, name: str) -> bytes:
        return read_bounded(self.path / name, MAX_CARD_BYTES, "file")

    def _sha256(self, name: str) -> str:
        with (self.path / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _suggested(self) -> Iterator[Component]:
        """Name the components that lie here: the weights, where they are one file, and README.md."""
        from weighbridge_schemas.card import Component

        weights = [file.path for file in self.files if recognise(file.path, b"").role == "weights"]
        if weights:
            location = weights[0] if len(weights) == 1 else None
            yield Component(name="model_parameters_final", present=True, location=location)
        if any(file.path == README for file in self.files):
            yield Component(name="model_card", present=True, location=README)

    def _description(self, stated: Description | None) -> Description | None:
        """Add to a description what config.json says of architecture and context."""
        from weighbridge_schemas.base import Count, Line
        from weighbridge_schemas.card import Description

        config = self._config()
        architectures = config.get("architectures")
        described = stated or Description()
        found = {
            "architecture": keep(architectures[0], Line)
            if isinstance(architectures, list) and architectures
            else None,
            "context_length": next((n for name in _CONTEXT if (n := keep(config.get(name), Count))), None),
        }
        missing = {name: value for name, value in found.items() if value and getattr(described, name) is None}
        described = described.model_copy(update=missing)
        return described if described != Description() else None

    def _config(self) -> dict[str, Any]:
        if not any(file.path == _CONFIG and file.size <= MAX_CARD_BYTES for file in self.files):
            return {}
        try:
            value = canonical.decode(self._read(_CONFIG), max_bytes=MAX_CARD_BYTES, max_depth=32)
        except BundleError:
            return {}
        return value if isinstance(value, dict) else {}
