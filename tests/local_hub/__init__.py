# SPDX-License-Identifier: Apache-2.0
"""A small hub on loopback, enough for the real huggingface_hub: metadata, tree, resolve, LFS digests.

`HF_ENDPOINT` points the client here, so that the cache under test is one that the real client wrote. Tests
change what the hub says (`metadata`) or serves (`served`) to make it lie.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.library.servers import Asked, Handler, scripted_server

__all__ = ["LFS_FROM", "LocalHub", "local_hub"]

LFS_FROM = 4096
"""Bytes from which the hub keeps a file in LFS; the real one begins at 10 MB."""


@dataclass
class Revision:
    """A commit: its files by path, and what the hub says of them."""

    commit: str
    files: dict[str, bytes]
    metadata: list[dict[str, Any]]
    served: dict[str, bytes] = field(default_factory=dict)


@dataclass
class LocalHub:
    """Repositories by name, each with its revisions by branch and commit."""

    url: str
    repos: dict[str, dict[str, Revision]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, repo: str, folder: Path, *, branch: str = "main") -> Revision:
        """Upload a folder as the newest commit of a branch."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()  # noqa: S324 - as git does
        revision = Revision(commit, files, [describe(path, data) for path, data in files.items()])
        self.repos.setdefault(repo, {}).update({branch: revision, commit: revision})
        return revision


def blob_id(data: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - as git does


def describe(path: str, data: bytes) -> dict[str, Any]:
    """What the hub's API tells of a file."""
    told: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": blob_id(data)}
    if len(data) >= LFS_FROM:
        told["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return told


@contextmanager
def local_hub(cache: Path) -> Iterator[LocalHub]:
    """Run a hub and point huggingface_hub at it, with `cache` as its cache."""
    import huggingface_hub.constants as constants  # noqa: PLC0415, PLR0402 - only here

    with scripted_server(lambda handler, asked: _answer(hub, handler, asked)) as server:
        hub = LocalHub(server.url)
        settings = {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        with (
            mock.patch.dict(os.environ, settings),
            mock.patch.multiple(
                constants,
                ENDPOINT=server.url,
                HUGGINGFACE_CO_URL_TEMPLATE=template,
                HF_HUB_CACHE=str(cache),
                HF_HUB_DISABLE_XET=True,
            ),
        ):
            yield hub


def _answer(hub: LocalHub, handler: Handler, asked: Asked) -> None:
    path = urllib.parse.unquote(urllib.parse.urlsplit(asked.path).path)
    hub.asked.append(path)
    if path.startswith("/api/models/"):
        _metadata(hub, handler, path.removeprefix("/api/models/"))
    else:
        _content(hub, handler, asked.method, path)


def _find(hub: LocalHub, repo: str, revision: str) -> Revision | None:
    return hub.repos.get(repo, {}).get(revision)


def _missing(handler: Handler, hub: LocalHub, repo: str) -> None:
    code = "RevisionNotFound" if repo in hub.repos else "RepoNotFound"
    handler.answer(404, b'{"error":"not found"}', X_Error_Code=code, X_Error_Message="not found")


def _metadata(hub: LocalHub, handler: Handler, rest: str) -> None:
    for verb in ("/revision/", "/tree/"):
        repo, found, revision_name = rest.partition(verb)
        if found:
            break
    revision = _find(hub, repo, revision_name.partition("/")[0] if found else "main")
    if revision is None:
        _missing(handler, hub, repo)
        return
    if verb == "/tree/" and found:
        told: Any = [
            {
                "type": "file",
                "path": each["rfilename"],
                "size": each["size"],
                "oid": each["blobId"],
                **({"lfs": {**each["lfs"], "oid": each["lfs"]["sha256"]}} if "lfs" in each else {}),
            }
            for each in revision.metadata
        ]
    else:
        told = {"id": repo, "modelId": repo, "sha": revision.commit, "siblings": revision.metadata}
    handler.answer(200, json.dumps(told).encode())


def _content(hub: LocalHub, handler: Handler, method: str, path: str) -> None:
    repo, _, rest = path[1:].partition("/resolve/")
    name, _, file = rest.partition("/")
    revision = _find(hub, repo, name)
    if revision is None:
        _missing(handler, hub, repo)
        return
    data = revision.served.get(file, revision.files.get(file))
    if data is None:
        handler.answer(404, b"", X_Error_Code="EntryNotFound")
        return
    original = revision.files.get(file, data)
    etag = hashlib.sha256(original).hexdigest() if len(original) >= LFS_FROM else blob_id(original)
    headers = {"X_Repo_Commit": revision.commit, "ETag": f'"{etag}"', "Accept_Ranges": "bytes"}
    if method == "HEAD":
        handler.send_response(200)
        for header, value in headers.items():
            handler.send_header(header.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        return
    handler.answer(200, data, "application/octet-stream", **headers)
