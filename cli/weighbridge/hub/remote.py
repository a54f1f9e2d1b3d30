# SPDX-License-Identifier: Apache-2.0
"""What a hub says that it holds, before anything large is downloaded.

The hub is believed no more than a mirror: its list of files and digests is its word. It is asked by its own
API (`access`), and every name and digest in its answer is checked here before it is used. Contents are
fetched at one commit, each with a limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from weighbridge.errors import EnumerationError

from .access import HubAccess
from .names import HubName

__all__ = ["MAX_SMALL_FILE", "RemoteFile", "RemoteModel", "ask"]

MAX_SMALL_FILE: Final = 10 * 1024 * 1024
"""Largest file that a hub keeps outside of LFS, and that is fetched to compare it."""

MAX_FILES: Final = 100_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub tells it: size in bytes; SHA-256 of those in LFS, git blob id of the others."""

    path: str
    size: int | None
    sha256: str | None
    git_sha1: str | None


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A revision of a model on a hub: the commit that the revision was, and its files by path."""

    name: HubName
    commit: str
    files: Mapping[str, RemoteFile]
    access: HubAccess

    def __str__(self) -> str:
        """Give `hf:ORG/NAME@COMMIT`."""
        return f"hf:{self.name.repo}@{self.commit}"

    def fetch(self, path: str, limit: int) -> bytes:
        """Download one file of this commit, of at most `limit` bytes, into memory.

        Raises `DigestError` if it is longer, `UnavailableError` if the hub does not give it.
        """
        return self.access.content(self.name, self.commit, path, limit)


def ask(name: HubName) -> RemoteModel:
    """Ask the hub for a revision's files (main if none is named).

    Raises `UnavailableError` (exit 3) if the hub does not answer, `InputError` (exit 2) if it has no such
    model or revision, and EnumerationError (step 1) for an answer that is no list of files.
    """
    access = HubAccess()
    told = access.describe(name)
    commit = told.get("sha")
    if not isinstance(commit, str) or not _SHA1.fullmatch(commit):
        raise EnumerationError(f"The hub does not say which commit {name} is.")
    if name.is_commit and commit != name.revision:
        raise EnumerationError(f"The hub was asked for {name} and answers with commit {commit}.")
    siblings = told.get("siblings")
    if not isinstance(siblings, list):
        raise EnumerationError(f"The hub lists no files for {name}.")
    if len(siblings) > MAX_FILES:
        raise EnumerationError(f"The hub lists more than {MAX_FILES:,} files for {name}.")
    files: dict[str, RemoteFile] = {}
    for sibling in siblings:
        file = _file(sibling)
        if file.path in files:
            raise EnumerationError(f"The hub lists {file.path} twice for {name}.")
        files[file.path] = file
    return RemoteModel(name, commit, files, access)


def _file(sibling: Any) -> RemoteFile:
    """Read one file of the list: `{rfilename, size, blobId}`, and `lfs: {sha256, size}` of large ones."""
    from weighbridge.weighing.names import name_fault, shown

    told = sibling if isinstance(sibling, dict) else {}
    path = told.get("rfilename")
    fault = name_fault(path) if isinstance(path, str) else "is no text"
    if fault or not isinstance(path, str):
        raise EnumerationError(
            f"The hub lists a file '{shown(str(path))[:200]}', whose name {fault}.",
            hint="Do not download this model.",
            evidence={"path": ascii(path)[:1024]},
        )
    lfs = told.get("lfs")
    if isinstance(lfs, dict):
        return RemoteFile(path, _size(lfs.get("size")), _matching(_SHA256, lfs.get("sha256")), None)
    return RemoteFile(path, _size(told.get("size")), None, _matching(_SHA1, told.get("blobId")))


def _size(value: object) -> int | None:
    """Return a size in bytes; anything else (true is an int to Python) is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _matching(form: re.Pattern[str], value: object) -> str | None:
    """Return a digest that has its form; anything else is no digest."""
    return value if isinstance(value, str) and form.fullmatch(value) else None
