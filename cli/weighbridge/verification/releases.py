# SPDX-License-Identifier: Apache-2.0
"""Releases in the evidence: finding the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.errors import StatementError
from weighbridge.statements import parse_statement

from .entries import Entry
from .request import WantedRelease

if TYPE_CHECKING:
    from weighbridge_schemas.release import Release

__all__ = ["FoundRelease", "find_release", "names_of"]


@dataclass(frozen=True, slots=True)
class FoundRelease:
    """A release statement that names what was asked for, valid of its kind, not yet compared with files."""

    entry: Entry
    document: Release

    @property
    def title(self) -> str:
        """Its full name, as its publisher writes it."""
        return f"{self.document.namespace}/{self.document.name}@{self.document.version}"

    def holds_root(self, root_sha256: str) -> bool:
        """Tell whether the release names a manifest's root digest among its own."""
        return any(each.root_digest == f"sha256:{root_sha256}" for each in self.document.model.root_digests)


def names_of(entries: Iterable[Entry]) -> list[str]:
    """List what releases the evidence claims to hold, for messages."""
    names = {
        "{}/{}@{}".format(
            *(str(each.statement.predicate.get(key, "?"))[:96] for key in ("namespace", "name", "version"))
        )
        for each in entries
        if each.kind == "release"
    }
    return sorted(names)


def _same_name(predicate: Mapping[str, Any], wanted: WantedRelease) -> bool:
    """Compare names as they are unique, and the version exactly."""
    called = wanted.is_called(predicate.get("namespace", ""), predicate.get("name", ""))
    return called and wanted.version in (None, predicate.get("version"))


def find_release(
    entries: Iterable[Entry], wanted: WantedRelease, root_sha256: str | None
) -> FoundRelease | None:
    """Choose the release that was asked for: of several, one that holds the manifest's root, proved first.

    Raises `StatementError` if the one chosen is not valid of its kind.
    """
    named = [
        each for each in entries if each.kind == "release" and _same_name(each.statement.predicate, wanted)
    ]
    if not named:
        return None
    best = max(named, key=lambda each: (_claims_root(each, root_sha256), each.proved, each.index))
    return FoundRelease(best, _document(best))


def _claims_root(entry: Entry, root_sha256: str | None) -> bool:
    model = entry.statement.predicate.get("model")
    roots = model.get("root_digests") if isinstance(model, dict) else None
    return isinstance(roots, list) and any(
        isinstance(root, dict) and root.get("root_digest") == f"sha256:{root_sha256}" for root in roots
    )


def _document(entry: Entry) -> Release:
    from weighbridge_schemas.release import Release

    document = parse_statement(entry.bundle.payload, strict=True).document()
    if not isinstance(document, Release):
        raise StatementError(f"{entry.source}: not a release statement.", step=6)
    return document
