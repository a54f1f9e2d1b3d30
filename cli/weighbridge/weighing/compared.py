# SPDX-License-Identifier: Apache-2.0
"""What differs between two weighed models: files by path, tensors by name, both by content.

Pure: two weighings in, a comparison out. A file or tensor whose very bytes are in both models under different
names is *moved*; under the same name with other bytes, dtype or shape it is *changed*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from .weighed import Tensor, WeighedFile, WeighedModel

__all__ = ["ComparedModels", "Differences", "compare_models"]

VERSION: Final = 1
"""`v` of the JSON form."""

_Item = TypeVar("_Item", Tensor, WeighedFile)


@dataclass(frozen=True, slots=True)
class Differences(Generic[_Item]):
    """What became of the items of the first model in the second; all sorted by name.

    `moved` and `changed` are pairs, first and second. Sizes are in bytes, of the first model's items, but
    `bytes_added` and `bytes_second`.
    """

    equal: tuple[_Item, ...]
    changed: tuple[tuple[_Item, _Item], ...]
    moved: tuple[tuple[_Item, _Item], ...]
    removed: tuple[_Item, ...]
    added: tuple[_Item, ...]
    bytes_equal: int
    bytes_changed: int
    bytes_moved: int
    bytes_removed: int
    bytes_added: int
    bytes_first: int
    bytes_second: int

    @property
    def percent_equal(self) -> float:
        """How much of the first model's bytes is in the second too, whatever it is called there; 0 to 100.

        100 for nothing in nothing.
        """
        if not self.bytes_first:
            return 0.0 if self.bytes_second else 100.0
        return 100 * (self.bytes_equal + self.bytes_moved) / self.bytes_first


@dataclass(frozen=True, slots=True)
class ComparedModels:
    """Two models side by side."""

    first: WeighedModel
    second: WeighedModel
    files: Differences[WeighedFile]
    tensors: Differences[Tensor]

    @property
    def same(self) -> bool:
        """Whether both are the same model: all files but README.md are equal."""
        return self.first.model_digest == self.second.model_digest

    @property
    def same_weights(self) -> bool:
        """Whether both have the same tensors, however they are spread over files."""
        digest = self.first.weights_digest
        return digest is not None and digest == self.second.weights_digest

    def to_json(self) -> dict[str, Any]:
        """Return the document that `weighbridge weigh A --compare B --json` prints."""
        return {
            "v": VERSION,
            "same": self.same,
            "same_weights": self.same_weights,
            "model_digests": [_digest(each.model_digest) for each in (self.first, self.second)],
            "weights_digests": [_digest(each.weights_digest) for each in (self.first, self.second)],
            "files": _told(self.files, lambda file: {"path": file.path, "size": file.size}),
            "tensors": _told(
                self.tensors,
                lambda tensor: {
                    "name": tensor.name,
                    "dtype": tensor.dtype,
                    "shape": list(tensor.shape),
                    "nbytes": tensor.nbytes,
                },
            ),
        }


def compare_models(first: WeighedModel, second: WeighedModel) -> ComparedModels:
    """Compare two weighings; both must have been made with SHA-256, as all of `weigh` are."""
    return ComparedModels(
        first,
        second,
        _differences(
            {file.path: file for file in first.files},
            {file.path: file for file in second.files},
            lambda file: file.sha256,
            lambda file: file.size,
        ),
        _differences(
            {tensor.name: tensor for tensor in first.tensors},
            {tensor.name: tensor for tensor in second.tensors},
            lambda tensor: (tensor.dtype, tensor.shape, tensor.sha256),
            lambda tensor: tensor.nbytes,
        ),
    )


def _differences(
    first: Mapping[str, _Item],
    second: Mapping[str, _Item],
    content: Callable[[_Item], object],
    size: Callable[[_Item], int],
) -> Differences[_Item]:
    shared = sorted(first.keys() & second.keys())
    equal = [first[name] for name in shared if content(first[name]) == content(second[name])]
    changed = [
        (first[name], second[name]) for name in shared if content(first[name]) != content(second[name])
    ]
    gone, new = first.keys() - second.keys(), second.keys() - first.keys()
    found: dict[object, list[str]] = {}
    for name in sorted(new, reverse=True):
        if size(second[name]):  # what is empty is everywhere
            found.setdefault(content(second[name]), []).append(name)
    moved = [
        (first[name], second[found[content(first[name])].pop()])
        for name in sorted(gone)
        if found.get(content(first[name]))
    ]
    moved_names = {id(each) for pair in moved for each in pair}
    removed = [first[name] for name in sorted(gone) if id(first[name]) not in moved_names]
    added = [second[name] for name in sorted(new) if id(second[name]) not in moved_names]
    return Differences(
        tuple(equal),
        tuple(changed),
        tuple(moved),
        tuple(removed),
        tuple(added),
        bytes_equal=sum(map(size, equal)),
        bytes_changed=sum(size(before) for before, _ in changed),
        bytes_moved=sum(size(before) for before, _ in moved),
        bytes_removed=sum(map(size, removed)),
        bytes_added=sum(map(size, added)),
        bytes_first=sum(map(size, first.values())),
        bytes_second=sum(map(size, second.values())),
    )


def _told(found: Differences[_Item], describe: Callable[[_Item], dict[str, Any]]) -> dict[str, Any]:
    return {
        "equal": len(found.equal),
        "equal_bytes": found.bytes_equal,
        "percent_equal": round(found.percent_equal, 4),
        "changed": [{"first": describe(a), "second": describe(b)} for a, b in found.changed],
        "moved": [{"first": describe(a), "second": describe(b)} for a, b in found.moved],
        "removed": [describe(each) for each in found.removed],
        "added": [describe(each) for each in found.added],
        "bytes": {"first": found.bytes_first, "second": found.bytes_second},
    }


def _digest(value: str | None) -> str | None:
    return f"sha256:{value}" if value else None
