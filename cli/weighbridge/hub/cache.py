# SPDX-License-Identifier: Apache-2.0
"""The hub's cache on this disk: `models--ORG--NAME/{refs,snapshots,blobs}` below one folder.

Read here rather than through huggingface_hub, because that takes a second to import and follows whatever
link it meets. A snapshot's files are links, `snapshots/<commit>/f → ../../blobs/<etag>`; since
huggingface_hub 1.32 a blob may itself be one, `blobs/<etag> → ../../blobs/<xx>/<xet hash>`, into a store that
all models share. How these are followed is `weighbridge.weighing.snapshots`' business.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weighbridge.errors import InputError

from .names import HubName

__all__ = [
    "CachedSnapshot",
    "cache_folder",
    "cached_snapshots",
    "find_snapshot",
    "first_bytes",
    "hub_home",
    "located",
    "snapshot_at",
]

_PREFIX: Final = "models--"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORTEST_COMMIT: Final = 7
_MAX_REF_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class CachedSnapshot:
    """A model of a hub, as of one commit, on this disk. `refs` are the branches and tags that mean it."""

    repo: str
    commit: str
    path: Path
    refs: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Give `hf:ORG/NAME@COMMIT`."""
        return f"hf:{self.repo}@{self.commit}"


def cache_folder() -> Path:
    """Return where the hub's cache is, by the same variables as huggingface_hub; it need not exist."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(name):
            return _expanded(value)
    return hub_home() / "hub"


def hub_home() -> Path:
    """Return the folder of all that the hub's programs keep: the cache, unless it is elsewhere, the token."""
    if home := os.environ.get("HF_HOME"):
        return _expanded(home)
    base = os.environ.get("XDG_CACHE_HOME")
    return (_expanded(base) if base else Path.home() / ".cache") / "huggingface"


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()


def located(path: str | os.PathLike[str]) -> Path:
    """Return a path of this disk as it is, and `hf:ORG/NAME[@REV]` as its snapshot in the cache.

    Raises `InputError` (exit 2) if the cache does not have it.
    """
    return find_snapshot(HubName.parse(os.fspath(path))).path if HubName.names(path) else Path(path)


def find_snapshot(name: HubName) -> CachedSnapshot:
    """Find a snapshot: by branch or tag (main if none is named), by commit, or by the beginning of one.

    No network. Raises `InputError` (exit 2) with the revisions that are there.
    """
    folder = cache_folder() / f"{_PREFIX}{name.repo.replace('/', '--')}"
    wanted = name.revision or "main"
    get = f"hf download {name.repo}" + (f" --revision {name.revision}" if name.revision else "")
    here = list(_snapshots(folder, name.repo))
    if not here:
        raise InputError(
            f"{name.repo} is not in the hub's cache {cache_folder()}.",
            hint=f"Download it ({get}), or ask the hub before that: --remote.",
        )
    found = [each for each in here if wanted in each.refs or wanted == each.commit]
    if not found and len(wanted) >= _SHORTEST_COMMIT:
        found = [each for each in here if each.commit.startswith(wanted)]
    if len(found) != 1:
        known = ", ".join(f"{each.commit[:12]} ({', '.join(each.refs) or 'no ref'})" for each in here[:10])
        what = "is not in the cache" if not found else "could be several commits"
        raise InputError(
            f"{name.repo}@{wanted} {what}; of this model there are: {known}.",
            hint=f"Name one of these, or download it: {get}.",
        )
    return found[0]


def cached_snapshots() -> list[CachedSnapshot]:
    """Return every snapshot of every model in the cache, sorted; raises `InputError` if there is no cache."""
    folder = cache_folder()
    try:
        repos = sorted(entry.name for entry in os.scandir(folder) if entry.name.startswith(_PREFIX))
    except OSError as error:
        raise InputError(
            f"The hub's cache {folder} cannot be read: {error.strerror}.",
            hint="Is it elsewhere? HF_HUB_CACHE or HF_HOME says where.",
        ) from error
    return [
        each
        for name in repos
        for each in _snapshots(folder / name, name.removeprefix(_PREFIX).replace("--", "/", 1))
    ]


def snapshot_at(path: Path) -> CachedSnapshot | None:
    """Tell which snapshot a folder is, None if it is none: `…/models--ORG--NAME/snapshots/<commit>`."""
    folder = path.parent.parent
    is_one = path.parent.name == "snapshots" and folder.name.startswith(_PREFIX) and path.is_dir()
    if not is_one or not (folder / "blobs").is_dir():
        return None
    repo = folder.name.removeprefix(_PREFIX).replace("--", "/", 1)
    return CachedSnapshot(repo, path.name, path)


def _snapshots(folder: Path, repo: str) -> Iterator[CachedSnapshot]:
    refs: dict[str, list[str]] = {}
    for ref, commit in _refs(folder / "refs"):
        refs.setdefault(commit, []).append(ref)
    try:
        names = sorted(entry.name for entry in os.scandir(folder / "snapshots"))
    except OSError:
        return
    for name in names:
        if _COMMIT.fullmatch(name):
            yield CachedSnapshot(repo, name, folder / "snapshots" / name, tuple(sorted(refs.get(name, ()))))


def _refs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (branch or tag, commit) of the files below `refs`; what is malformed is no ref."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            commit = first_bytes(path, _MAX_REF_BYTES).decode("ascii", "replace").strip()
            if _COMMIT.fullmatch(commit):
                yield path.relative_to(folder).as_posix(), commit


def first_bytes(path: Path, limit: int) -> bytes:
    """Return the beginning of a small file, nothing if there is none or it is no regular file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""
        with path.open("rb") as file:
            return file.read(limit)
    except OSError:
        return b""
