# SPDX-License-Identifier: Apache-2.0
"""Names of files inside a model: which are taken, which are left out, in which order.

A name is data from strangers that ends in terminals, web pages and file systems. It must mean the
same file everywhere, so a name that some system reads differently is refused, not repaired
(OMS v1.0 section 5.3: byte-exact, no normalisation).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = [
    "DEFAULT_IGNORES",
    "MAX_PATH_CHARACTERS",
    "README",
    "IgnoreRules",
    "collisions",
    "name_fault",
    "shown",
]

README: Final = "README.md"
"""The file at a model's top level that the card binds, and the model digest therefore leaves out."""

DEFAULT_IGNORES: Final = (
    ".cache/huggingface",
    ".git",
    ".gitattributes",
    ".github",
    ".gitignore",
    "model.sig",
    "provenance.jsonl",
)
"""Never weighed at a model's top level, and always in the signed ignore paths (DESIGN section 6)."""

MAX_PATH_CHARACTERS: Final = 1024
"""Longest path that a statement may hold."""

# Controls, line separators, direction marks and overrides, characters without a shape, and what is
# no character: with them two different names look alike. Exactly what the documents' schemas refuse.
_DECEPTIVE = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffc\ufffe\uffff\U000e0000-\U000e00ff"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(1, 17))
    + "]"
)
_DRIVE = re.compile(r"[A-Za-z]:")


def name_fault(path: str) -> str:  # noqa: C901, PLR0911 - one rule, one line
    """Return what is wrong with a file's path inside a model, or "" if nothing is.

    The path is POSIX and relative: no empty, `.` or `..` part, so it cannot leave the folder.
    """
    if not path:
        return "is empty"
    if len(path) > MAX_PATH_CHARACTERS:
        return f"is longer than {MAX_PATH_CHARACTERS} characters"
    if not path.isascii() or not path.isprintable():
        if any("\ud800" <= character <= "\udfff" for character in path):
            return "is not valid UTF-8"
        if _DECEPTIVE.search(path):
            return "has control, direction or invisible characters"
    if "\\" in path:
        return "has a backslash, which is a folder separator on Windows"
    if _DRIVE.match(path):
        return "begins with a drive letter"
    if path.startswith("/"):
        return "is absolute"
    parts = path.split("/")
    if "" in parts:
        return "has an empty part (//, or / at the end)"
    if "." in parts or ".." in parts:
        return "has '.' or '..' as a part"
    return ""


def shown(path: str) -> str:
    """Return a path as it may be shown: what would deceive a reader is written as an escape."""
    if path.isascii() and path.isprintable():
        return path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _DECEPTIVE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class IgnoreRules:
    """Exact relative paths that are left out together with all that is below them. No patterns."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths: tuple[str, ...] = tuple(sorted(set(paths)))
        self._set = frozenset(self.paths)
        self._tops = {path.partition("/")[0] for path in self.paths}
        self._depths = sorted({path.count("/") + 1 for path in self.paths})

    def covers(self, path: str) -> bool:
        """Tell whether `path` is one of the rules or lies below one."""
        if path in self._set:
            return True
        top, slash, _ = path.partition("/")
        if not slash or top not in self._tops:
            return False
        parts = path.split("/")
        return any("/".join(parts[:depth]) in self._set for depth in self._depths if depth < len(parts))


def collisions(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of paths that differ only by case or Unicode form.

    macOS and Windows keep only one file of such a group, so a model that has one cannot be
    unpacked, and therefore not be verified, there.
    """
    groups: dict[str, list[str]] = {}
    for path in paths:
        folded = path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
        groups.setdefault(folded, []).append(path)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]
