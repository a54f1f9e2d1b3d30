# SPDX-License-Identifier: Apache-2.0
"""A snapshot in the hub's cache: a folder whose files are links into the cache's own folders of blobs.

In a model no link is followed (`tree`). In a snapshot exactly two kinds are, each once, each checked as text
before it is used: a file's link to `blobs/<name>` of its repository, and that blob's link to
`blobs/<xx>/<hash>` of the cache. Every folder and the blob itself are opened without following anything, and
compared with what was listed: whoever turns a link or a blob meanwhile is noticed, and no link leads out.
A link to a blob that is not there is a file that was not downloaded: it is missing, not refused.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from weighbridge.errors import EnumerationError
from weighbridge.hub.cache import snapshot_at

from .tree import FOLDER_FLAGS, RELATIVE, Listed, Tree, changed, is_link, open_error

__all__ = ["Snapshot", "open_tree"]

_BLOB = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_SHARED = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")
_MAX_LINK: Final = 4096


def open_tree(path: str | os.PathLike[str]) -> Tree:
    """Return the tree of a model: a snapshot where the folder is one in a hub's cache, else a plain one."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if RELATIVE and snapshot_at(absolute) is not None:
        return Snapshot(absolute)
    return Tree(path)


class Snapshot(Tree):
    """A snapshot, `<cache>/models--ORG--NAME/snapshots/<commit>`; the module says which links it follows."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._repository = self.path.parent.parent

    def _status(self, folder: int | str, path: str, status: os.stat_result) -> os.stat_result | None:
        """Return the status of the blob that a file's link means, None if it was not downloaded.

        A link of any other kind keeps its own status, so that it is refused unless it is ignored.
        """
        if not is_link(status):
            return status
        blob = self._blob(folder, path)
        if blob is None:
            return status
        try:
            with self._opened_blobs(blob) as (blobs, name):
                found = os.stat(name, dir_fd=blobs, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise open_error(path, error) from error
        if not stat.S_ISREG(found.st_mode):
            raise EnumerationError(
                f"{path} is a link to something in the cache that is no file.",
                hint="The cache is damaged, or somebody put it there: delete it and download it again.",
                evidence={"path": path, "kind": "link"},
            )
        return found

    def _refused(self, path: str, status: os.stat_result) -> EnumerationError:
        if not is_link(status):
            return super()._refused(path, status)
        return EnumerationError(
            f"{path} is a link that leads out of the hub's cache.",
            hint="huggingface_hub makes no such link: delete this model from the cache, download it again.",
            evidence={"path": path, "kind": "link"},
        )

    def _open(self, folder: int | str, file: Listed) -> int:
        name = file.path.rpartition("/")[2]
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)  # type: ignore[arg-type]  # a descriptor
        if not is_link(status):
            return super()._open(folder, file)
        blob = self._blob(folder, file.path)
        if blob is None:
            raise changed(file.path, "was replaced")
        with self._opened_blobs(blob) as (blobs, blob_name):
            return self._open_name(blobs, blob_name)

    def _blob(self, folder: int | str, path: str) -> str | None:
        """Return the blob's name if a file's link says `blobs/<name>` of this repository, else None."""
        target = self._target(folder, path.rpartition("/")[2], self.path / path)
        expected = self._repository / "blobs"
        if target is None or target.parent != expected or not _BLOB.fullmatch(target.name):
            return None
        return target.name

    def _target(self, folder: int | str, name: str, place: Path) -> Path | None:
        """Return where a link says to lead, as text: nothing is looked up on the way."""
        try:
            text = os.readlink(name, dir_fd=folder)  # type: ignore[arg-type]  # a descriptor
        except OSError:
            return None
        if not text or len(text) > _MAX_LINK:
            return None
        return Path(posixpath.normpath(os.fspath(place.parent / text)))

    @contextmanager
    def _opened_blobs(self, blob: str) -> Iterator[tuple[int, str]]:
        """Open the folder in which a blob really lies; yields it and the name there."""
        repository = os.open(self._repository, FOLDER_FLAGS)
        handles = [repository]
        try:
            handles.append(os.open("blobs", FOLDER_FLAGS, dir_fd=repository))
            name = blob
            if is_link(os.stat(blob, dir_fd=handles[-1], follow_symlinks=False)):
                place = self._repository / "blobs" / blob
                target, store = self._target(handles[-1], blob, place), self._repository.parent / "blobs"
                shared = os.fspath(target)[len(os.fspath(store)) + 1 :] if target else ""
                if target is None or target != store / shared or not _SHARED.fullmatch(shared):
                    raise self._refused(
                        f"blobs/{blob}", os.stat(blob, dir_fd=handles[-1], follow_symlinks=False)
                    )
                handles.append(os.open(store, FOLDER_FLAGS))
                prefix, name = shared.split("/")
                handles.append(os.open(prefix, FOLDER_FLAGS, dir_fd=handles[-1]))
            yield handles[-1], name
        finally:
            for handle in handles:
                os.close(handle)
