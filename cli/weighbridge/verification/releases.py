# SPDX-License-Identifier: Apache-2.0
"""Releases in the evidence: finding the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.errors import ReleaseError, StatementError
from weighbridge.statements import parse_statement

from .entries import Entry
from .request import WantedRelease

if TYPE_CHECKING:
    from weighbridge_schemas.release import Release

__all__ = ["FoundRelease", "Releases", "claimed_roots", "names_of"]


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


class Releases:
    """The release statements of the evidence that bear the name asked for.

    Which one belongs to a manifest is looked up for each of a thousand candidates, in a record that a
    stranger may have filled with large releases: so the claims are read once, and only the release that
    is chosen in the end is read as a whole.
    """

    def __init__(self, entries: Iterable[Entry], wanted: WantedRelease) -> None:
        self._named = [
            (each, claimed_roots(each))
            for each in entries
            if each.kind == "release" and _same_name(each.statement.predicate, wanted)
        ]
        self._claimed = frozenset[str]().union(*(roots for _, roots in self._named))

    def claims(self, root_sha256: str) -> bool:
        """Tell whether any of them claims a manifest's root digest."""
        return root_sha256 in self._claimed

    def entry(self, root_sha256: str | None) -> Entry | None:
        """Choose the release of a manifest: one that claims its root, proved first; unread."""
        if not self._named:
            return None
        return max(self._named, key=lambda one: (root_sha256 in one[1], one[0].proved, one[0].index))[0]

    def find(self, root_sha256: str | None) -> FoundRelease | None:
        """Read the release of a manifest.

        Raises `StatementError` if it is not valid of its kind, `ReleaseError` if its log holds another one
        of the same version.
        """
        entry = self.entry(root_sha256)
        if entry is None:
            return None
        found = FoundRelease(entry, _document(entry))
        self._require_only_one(found)
        return found

    def _require_only_one(self, found: FoundRelease) -> None:
        """Refuse two models under one version: a log that admitted both can show either to anybody."""
        version, subject = found.document.version, found.entry.statement.subject.sha256
        for each, _ in self._named:
            if not (found.entry.proved and each.proved and each.origin == found.entry.origin):
                continue
            other = each.statement.subjects[0].sha256
            if each.statement.predicate.get("version") == version and other != subject:
                raise ReleaseError(
                    f"The log {each.origin} holds two different models as {found.title}, at its entries "
                    f"{min(each.index, found.entry.index)} and {max(each.index, found.entry.index)}.",
                    hint="A version is admitted once: its operator broke that rule. Keep the record.",
                    evidence={"models": [subject, other], "entries": [found.entry.index, each.index]},
                )


def claimed_roots(entry: Entry) -> frozenset[str]:
    """Return the root digests (bare hex) that a release claims, before it is known to be well formed."""
    model = entry.statement.predicate.get("model")
    roots = model.get("root_digests") if isinstance(model, dict) else None
    texts = [root.get("root_digest") for root in roots or () if isinstance(root, dict)]
    return frozenset(text.removeprefix("sha256:") for text in texts if isinstance(text, str))


def _document(entry: Entry) -> Release:
    from weighbridge_schemas.release import Release

    document = parse_statement(entry.bundle.payload, strict=True).document()
    if not isinstance(document, Release):
        raise StatementError(f"{entry.source}: not a release statement.", step=6)
    return document
