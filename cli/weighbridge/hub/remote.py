# SPDX-License-Identifier: Apache-2.0
"""What a hub says that it holds, before anything large is downloaded.

The hub is believed no more than a mirror: its list of files and digests is its word. It comes from
`huggingface_hub` (so HF_ENDPOINT and HF_TOKEN count), is bounded, and every name and digest in it is checked
here before it is used. Contents are fetched at one commit, each with a limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import EnumerationError, InputError, UnavailableError, WeighbridgeError

from .names import HubName

if TYPE_CHECKING:
    from weighbridge.weighing.names import IgnoreRules

__all__ = ["MAX_SMALL_FILE", "RemoteFile", "RemoteModel", "ask"]

MAX_SMALL_FILE: Final = 10 * 1024 * 1024
"""Largest file that a hub keeps outside of LFS, and that is fetched to compare it."""

MAX_FILES: Final = 100_000

_SECONDS: Final = 30
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

    def __str__(self) -> str:
        """Give `hf:ORG/NAME@COMMIT`."""
        return f"hf:{self.name.repo}@{self.commit}"

    def fetch(self, path: str, limit: int) -> bytes:
        """Download one file of this commit, of at most `limit` bytes, into memory.

        Raises `UnavailableError` if the hub does not give it, `InputError` if it is longer.
        """
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils._headers import build_hf_headers

        url = hf_hub_url(self.name.repo, path, revision=self.commit)
        data = bytearray()
        try:
            with get_session().stream(
                "GET", url, headers=build_hf_headers(), follow_redirects=True, timeout=_SECONDS
            ) as answer:
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    data += piece
                    if len(data) > limit:
                        break
        except Exception as error:
            raise _explained(error, self.name) from error
        if len(data) > limit:
            raise InputError(f"{path} of {self} is longer than {limit:,} bytes, more than it should be.")
        return bytes(data)

    def listed(self, rules: IgnoreRules) -> dict[str, RemoteFile]:
        """Return the files that are not ignored."""
        return {path: file for path, file in self.files.items() if not rules.covers(path)}


def ask(name: HubName) -> RemoteModel:
    """Ask the hub for a revision's files (main if none is named).

    Raises `UnavailableError` (exit 3) if the hub does not answer, `InputError` (exit 2) if it has no such
    model or revision, and EnumerationError (step 1) for an answer that is no list of files.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(
            name.repo, revision=name.revision or "main", files_metadata=True, timeout=_SECONDS
        )
    except Exception as error:
        raise _explained(error, name) from error
    commit = info.sha
    if not isinstance(commit, str) or not _SHA1.fullmatch(commit):
        raise EnumerationError(f"The hub does not say which commit {name} is.")
    if name.is_commit and commit != name.revision:
        raise EnumerationError(f"The hub was asked for {name} and answers with commit {commit}.")
    siblings = info.siblings or []
    if len(siblings) > MAX_FILES:
        raise EnumerationError(f"The hub lists more than {MAX_FILES} files for {name}.")
    files: dict[str, RemoteFile] = {}
    for sibling in siblings:
        file = _file(sibling)
        if file.path in files:
            raise EnumerationError(f"The hub lists {file.path} twice for {name}.")
        files[file.path] = file
    return RemoteModel(name, commit, files)


def _file(sibling: Any) -> RemoteFile:
    from weighbridge.weighing.names import name_fault, shown

    path = sibling.rfilename
    fault = name_fault(path) if isinstance(path, str) else "is no text"
    if fault:
        raise EnumerationError(
            f"The hub lists a file '{shown(str(path))[:200]}', whose name {fault}.",
            hint="Do not download this model.",
            evidence={"path": ascii(path)[:1024]},
        )
    lfs = sibling.lfs
    sha256 = lfs.sha256 if lfs is not None else None
    size = lfs.size if lfs is not None else sibling.size
    blob = sibling.blob_id if lfs is None else None
    return RemoteFile(
        path,
        size if type(size) is int and size >= 0 else None,
        sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
        blob if isinstance(blob, str) and _SHA1.fullmatch(blob) else None,
    )


def _explained(error: Exception, name: HubName) -> WeighbridgeError:
    """Return our error for what huggingface_hub or the network raised."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, WeighbridgeError):
        return error
    if isinstance(error, GatedRepoError):
        return InputError(
            f"The hub shows {name} only to those whom its publisher lets in.",
            hint="Ask for access on its page, then log in: hf auth login.",
        )
    if isinstance(error, RevisionNotFoundError):
        return InputError(f"The hub has no revision {name.revision or 'main'} of {name.repo}.")
    if isinstance(error, RepositoryNotFoundError):
        return InputError(
            f"The hub has no model {name.repo}, or does not show it to you.", hint="Check the name; log in?"
        )
    text = str(error).strip().splitlines() or [type(error).__name__]
    told = "".join(c if c.isprintable() else "?" for c in text[0][:200])
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response else None
    if status is not None and status < 500:  # noqa: PLR2004 - a server's errors begin there
        return InputError(f"The hub refuses {name}: {told}")
    return UnavailableError(f"The hub does not answer for {name}: {told}", hint="Try again later.")
