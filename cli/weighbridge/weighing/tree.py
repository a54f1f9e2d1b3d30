# SPDX-License-Identifier: Apache-2.0
"""The files of a model: enumerated and opened without ever following a link.

Every folder and file is opened relative to its parent's descriptor with O_NOFOLLOW, so that a
folder that is swapped for a link between listing and opening is noticed, not followed (the race
that a check of the path beforehand leaves open). Where the platform lacks that (Windows), paths
are checked part by part before opening and the opened file is compared with the listed one.

A file is the one that was listed if device, inode, size, change and modification time agree.
Whoever can write into the folder during a weighing and set the clock can defeat the times, not
the content: the digests are true of the bytes that were read.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

from weighbridge.errors import EnumerationError, InputError, WeighbridgeError

from .names import name_fault, shown

__all__ = [
    "FOLDER_FLAGS",
    "MAX_DEPTH",
    "MAX_FILES",
    "MAX_NAMES",
    "RELATIVE",
    "Listed",
    "Tree",
    "changed",
    "is_link",
    "open_error",
]

MAX_DEPTH: Final = 64
"""Deepest folder that is entered."""

MAX_FILES: Final = 100_000
"""Most files in one model, as in the release document."""

MAX_NAMES: Final = 1000
"""Most names that are listed of an ignored folder."""

RELATIVE: Final = {os.open, os.stat} <= os.supports_dir_fd and os.scandir in os.supports_fd
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
FOLDER_FLAGS: Final[int] = (
    os.O_RDONLY | _NOFOLLOW | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
)
# Without O_NONBLOCK, opening a FIFO that took a file's place would wait for ever for a writer.
_FILE_FLAGS: Final[int] = (
    os.O_RDONLY
    | _NOFOLLOW
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOCTTY", 0)
)

# The bit of a Windows reparse tag that says "another name is meant": links and junctions have it,
# placeholders of cloud storage do not.
_NAME_SURROGATE: Final = 0x20000000

_KINDS: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


class Listed(NamedTuple):
    """A regular file as it was listed; two listings are equal if the file is the same and unchanged."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


def _listed(path: str, status: os.stat_result) -> Listed:
    # st_ctime is the creation time on Windows, where it stays as it is: nothing is lost by comparing.
    return Listed(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def _is_same(file: Listed, status: os.stat_result) -> bool:
    """Tell whether this is still the file that was listed; cheaper than listing it again."""
    return (
        status.st_ino == file.inode
        and status.st_size == file.size
        and status.st_mtime_ns == file.mtime_ns
        and status.st_ctime_ns == file.ctime_ns
        and status.st_dev == file.device
    )


def is_link(status: os.stat_result) -> bool:
    """Tell whether this is a symbolic link, or on Windows a link or junction."""
    if stat.S_ISLNK(status.st_mode):
        return True
    return sys.platform == "win32" and bool(status.st_reparse_tag & _NAME_SURROGATE)


def _not_regular(path: str, status: os.stat_result) -> EnumerationError:
    if is_link(status):
        return EnumerationError(
            f"{path} is a link; links in a model are not followed.",
            hint="Replace it by the file itself (cp -L), or leave it out with --ignore.",
            evidence={"path": path, "kind": "link"},
        )
    kind = next((words for test, words in _KINDS if test(status.st_mode)), "not a regular file")
    return EnumerationError(
        f"{path} is {kind}; a model consists of regular files.",
        hint="Remove it, or leave it out with --ignore.",
        evidence={"path": path, "kind": kind},
    )


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(
        f"Cannot read {path}: {error.strerror or error}.",
        hint="Check that you may read it (permissions), or leave it out with --ignore.",
        evidence={"path": path},
    )


def changed(path: str, what: str) -> EnumerationError:
    """Return the error for a file that did not hold still."""
    return EnumerationError(
        f"{path} {what} while the model was being read.",
        hint="Wait until nothing writes to the model, then run again.",
        evidence={"path": path},
    )


class Tree:
    """A model on disk: a folder with everything below it, or a single file.

    `path` itself may be reached through a link to a folder (you named it); nothing below it may.
    Use as a context manager. Errors: InputError if the path or something in it cannot be read,
    EnumerationError (step 1) if something in it does not belong in a model.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        try:
            single = not stat.S_ISDIR(self.path.stat().st_mode)
        except OSError as error:
            raise InputError(
                f"Cannot read {os.fspath(path)!r}: {error.strerror or error}.",
                hint="Give the path of a model folder or of a single model file.",
            ) from error
        self.is_file = single
        self.name = self.path.name or "model"
        self.folder = self.path.parent if single else self.path
        self._root = -1

    def __enter__(self) -> Self:
        if RELATIVE:
            try:
                # The root may be a link: the person who runs this named it. So no O_NOFOLLOW here.
                self._root = os.open(self.folder, FOLDER_FLAGS & ~_NOFOLLOW)
            except OSError as error:
                raise _unreadable(str(self.folder), error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def listing(self, skip: Callable[[str], bool] = lambda _: False) -> tuple[list[Listed], list[str]]:
        """Return all regular files in code-point order of their paths, and what `skip` left out.

        `skip` is asked once for every path; a skipped folder is not entered, and is returned with
        a slash at its end.
        """
        skipped: list[str] = []
        files: list[Listed] = []
        for path, status in self._regular(skip, skipped):
            files.append(_listed(path, status))
            if len(files) > MAX_FILES:
                raise EnumerationError(
                    f"{self.path} has more than {MAX_FILES} files.",
                    hint="Pack what is not part of the model, or leave it out with --ignore.",
                )
        files.sort(key=lambda file: file.path)
        return files, sorted(skipped)

    def _regular(
        self, skip: Callable[[str], bool], skipped: list[str], known: Container[str] = ()
    ) -> Iterator[tuple[str, os.stat_result]]:
        """Yield all regular files; names that are `known` from an earlier listing are not judged again."""
        if self.is_file:
            yield self._single()
            return
        waiting = [""]
        while waiting:
            for path, status in self._entries(waiting.pop()):
                regular = stat.S_ISREG(status.st_mode) and not is_link(status)
                if regular and path in known:
                    yield path, status
                    continue
                is_folder = stat.S_ISDIR(status.st_mode) and not is_link(status)
                if skip(path):
                    skipped.append(path + "/" if is_folder else path)
                    continue
                if fault := name_fault(path):
                    raise _bad_name(path, fault)
                if is_folder:
                    waiting.append(path)
                elif regular:
                    yield path, status
                else:
                    raise self._refused(path, status)

    def _status(self, _folder: int | str, _path: str, status: os.stat_result) -> os.stat_result | None:
        """Return the status that counts for an entry of an opened folder, None for what is not there."""
        return status

    def _refused(self, path: str, status: os.stat_result) -> EnumerationError:
        """Return why something that is neither file nor folder does not belong in a model."""
        return _not_regular(path, status)

    def _single(self) -> tuple[str, os.stat_result]:
        if fault := name_fault(self.name):
            raise _bad_name(self.name, fault)
        try:
            status = self.path.lstat()
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if is_link(status) or not stat.S_ISREG(status.st_mode):
            raise _not_regular(self.name, status)
        return self.name, status

    def _entries(self, folder: str) -> list[tuple[str, os.stat_result]]:
        """Return path and status of everything in `folder` ("" is the root)."""
        if folder and folder.count("/") >= MAX_DEPTH:
            raise EnumerationError(
                f"{folder} is more than {MAX_DEPTH} folders deep.",
                hint="Flatten the model, or leave that part out with --ignore.",
            )
        prefix = f"{folder}/" if folder else ""
        found: list[tuple[str, os.stat_result]] = []
        with self.opened_folder(folder) as handle:
            try:
                with os.scandir(handle) as entries:
                    for entry in entries:
                        # On Windows an entry knows neither inode nor device: ask the path.
                        own = entry.stat(follow_symlinks=False) if RELATIVE else os.lstat(entry.path)
                        status = self._status(handle, prefix + entry.name, own)
                        if status is not None:
                            found.append((prefix + entry.name, status))
            except FileNotFoundError as error:
                raise changed(folder or str(self.path), "changed") from error
            except OSError as error:
                raise _unreadable(folder or str(self.path), error) from error
        return found

    @contextmanager
    def opened_folder(self, folder: str) -> Iterator[int | str]:
        """Open a folder below the root, part by part and never through a link.

        Yields a descriptor for `os.open(…, dir_fd=…)`, or the path where the platform has none.
        """
        parts = folder.split("/") if folder else []
        if not RELATIVE:
            yield self._checked_path(parts)
            return
        handle = os.dup(self._root)
        try:
            for part in parts:
                try:
                    inner = os.open(part, FOLDER_FLAGS, dir_fd=handle)
                except OSError as error:
                    raise open_error(folder, error) from error
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _checked_path(self, parts: list[str]) -> str:
        """Return the path of a folder after checking that none of its parts is a link."""
        path = self.folder
        for part in parts:
            path /= part
            try:
                status = path.lstat()
            except OSError as error:
                raise open_error("/".join(parts), error) from error
            if is_link(status) or not stat.S_ISDIR(status.st_mode):
                raise changed("/".join(parts), "was replaced")
        return str(path)

    def open_file(self, folder: int | str, file: Listed) -> int:
        """Open a listed file in its opened folder and return its descriptor, to be closed by the caller.

        Raises EnumerationError if it is no longer what was listed. That it stays so while it is
        read is for `relist` to find.
        """
        try:
            handle = self._open(folder, file)
        except OSError as error:
            raise open_error(file.path, error) from error
        if not _is_same(file, os.fstat(handle)):
            os.close(handle)
            raise changed(file.path, "changed or was replaced")
        return handle

    def _open(self, folder: int | str, file: Listed) -> int:
        return self._open_name(folder, file.path.rpartition("/")[2])

    def _open_name(self, folder: int | str, name: str) -> int:
        if isinstance(folder, int):
            return os.open(name, _FILE_FLAGS, dir_fd=folder)
        return os.open(Path(folder, name), _FILE_FLAGS)

    def names_below(self, folder: str) -> list[str]:
        """Return the paths of what lies below an ignored folder, at most MAX_NAMES, for display only.

        Whatever is there is neither opened nor judged; folders that cannot be entered are named.
        """
        names: list[str] = []
        waiting = [folder]
        while waiting and len(names) < MAX_NAMES:
            inner = waiting.pop()
            try:
                entries = self._entries(inner)
            except WeighbridgeError:
                names.append(f"{inner}/")
                continue
            for path, status in entries:
                if stat.S_ISDIR(status.st_mode) and not is_link(status):
                    waiting.append(path)
                else:
                    names.append(path)
        return [shown(name) for name in names[:MAX_NAMES]]

    def relist(self, files: list[Listed], skip: Callable[[str], bool]) -> None:
        """Enumerate again and raise EnumerationError unless exactly `files` are there, unchanged.

        Together with the check at opening this shows that what was read is what was listed: the
        same inode all the time, with no change to it recorded.
        """
        left = {file.path: file for file in files}
        for path, status in self._regular(skip, [], frozenset(left)):
            file = left.pop(path, None)
            if file is None:
                raise changed(path, "appeared")
            if not _is_same(file, status):
                raise changed(path, "changed")
        if left:
            raise changed(min(left), "disappeared")


def open_error(path: str, error: OSError) -> EnumerationError | InputError:
    """Tell what vanished or became a link after it was listed from what may not be read."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
        return changed(path, "was replaced by a link or another kind of file")
    if error.errno in {errno.ENOENT, errno.ENXIO}:
        return changed(path, "disappeared")
    return _unreadable(path, error)


def _bad_name(path: str, fault: str) -> EnumerationError:
    return EnumerationError(
        f"The file name '{shown(path)}' {fault}.",
        hint="Rename the file: a name must read the same everywhere, or leave it out with --ignore.",
        evidence={"path": ascii(path)},
    )
