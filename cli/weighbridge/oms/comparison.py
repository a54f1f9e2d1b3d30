# SPDX-License-Identifier: Apache-2.0
"""Steps 1 and 2 of a verification: the files on disk against a signed manifest.

Called only after steps 3, 4 and 5 succeeded, so that nothing unauthenticated steers what is read.
Files are found by enumerating the folder, never by opening a name out of the manifest: a signed
name cannot reach outside, and what the manifest does not name is noticed.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from weighbridge.errors import DigestError, EnumerationError
from weighbridge.weighing import README, Progress, WeighedModel
from weighbridge.weighing.copying import ModelCopy
from weighbridge.weighing.hashing import Watch
from weighbridge.weighing.names import IgnoreRules, shown
from weighbridge.weighing.reading import FileReader, Found
from weighbridge.weighing.scale import assemble, ignore_rules, model_read, read_all
from weighbridge.weighing.snapshots import open_tree
from weighbridge.weighing.tree import Listed, Tree

from .manifest import Manifest, Serialization, SignedFile

__all__ = ["Change", "Comparison", "compare"]

_SHOWN: Final = 5
_LISTED: Final = 1000


class Change(NamedTuple):
    """A file, or a shard of one, whose bytes are not the signed ones; digests in lowercase hex.

    `path` names a shard as the manifest does, `PATH:START:END`. Where the size alone shows the difference,
    as it does with shards, `algorithm` is `size` and both values are numbers of bytes.
    """

    path: str
    algorithm: str
    signed: str
    found: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the disk holds, compared with what was signed. All paths are sorted.

    `missing` are signed and not here, `extra` are here and neither signed nor ignored, `changed`
    are here with other bytes. `unsigned` are the files that an ignore path, or the wish to ignore
    unsigned files, let through: whoever uses the model uses them unchecked. An ignored folder of
    version control or of a hub's cache is listed as itself, with a slash at its end. `checked`
    counts the signed files that are here and were read, `size` their bytes. `weighed` is set if
    it was asked for.
    """

    algorithm: str
    signed: int
    checked: int
    size: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[Change, ...]
    unsigned: tuple[str, ...]
    subset: bool
    warnings: tuple[str, ...]
    weighed: WeighedModel | None

    def enumeration_error(self) -> EnumerationError | None:
        """Return why step 1 fails, or None if it does not."""
        if not self.extra and (not self.missing or self.subset):
            return None
        parts = []
        if self.missing:
            parts.append(f"{_counted(self.missing, 'signed file')} missing ({_listed(self.missing)})")
        if self.extra:
            parts.append(f"{_counted(self.extra, 'unsigned file')} present ({_listed(self.extra)})")
        return EnumerationError(
            f"The files are not the signed ones: {'; '.join(parts)}.",
            hint=self._advice(),
            evidence={"missing": list(self.missing), "extra": list(self.extra)},
        )

    def _advice(self) -> str:
        if self.missing and self.checked and not self.extra:
            return "Download the rest, or use --allow-subset to check only the files that are here."
        if not self.checked:
            return "Give the folder or file that this signature was made for."
        return "Remove what does not belong, or name it with --ignore if you know why it is there."

    def digest_error(self) -> DigestError | None:
        """Return why step 2 fails, or None if it does not."""
        if not self.changed:
            return None
        paths = tuple(change.path for change in self.changed[:_LISTED])
        counted = _counted(self.changed, "file")
        return DigestError(
            f"{counted} not as signed ({_listed(paths, len(self.changed))}).",
            hint="Do not use the model. Get it again from its publisher; if it still differs, report it.",
            evidence={
                "changed": [
                    {"path": c.path, "algorithm": c.algorithm, "signed": c.signed, "found": c.found}
                    for c in self.changed[:_LISTED]
                ]
            },
        )


def compare(
    manifest: Manifest,
    path: str | os.PathLike[str],
    *,
    ignore: Iterable[str] = (),
    ignore_unsigned_files: bool = False,
    allow_subset: bool = False,
    identify: bool = False,
    algorithms: Sequence[str] = (),
    copy: ModelCopy | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Comparison:
    """Compare the files at `path` with a manifest; a difference is reported, not raised.

    Ignored are the signed ignore paths, the defaults that are never weighed, and `ignore`; a
    signed file is compared even where one of them covers it. With `identify` the same read also
    gives the digests that name the model (`weighed`), as step 6 needs them; `algorithms` are
    computed in addition. `copy` takes the bytes of the signed files as they are read; whether they are
    the signed ones is known afterwards.

    Raises InputError if something cannot be read, and EnumerationError if something does not
    belong in a model or changed while it was read.
    """
    serialization = manifest.serialization
    with open_tree(path) as tree:
        signed = _signed(manifest, tree)
        rules = ignore_rules(tree, [*ignore, *serialization.ignore_paths])
        skip = _skipping(signed, rules, everything=ignore_unsigned_files)
        # Step 6 compares README.md with the card, so it is read although no manifest covers it.
        apart = README if identify and not tree.is_file and skip(README) else ""
        listed, skipped = tree.listing(lambda path: path != apart and skip(path))
        here = [file for file in listed if file.path in signed]
        readme = [file for file in listed if file.path == apart]
        others = [file for file in listed if file.path not in signed and file.path != apart]
        # A manifest of shards cannot name a file of no bytes: it is let through, and said.
        empty = [file.path for file in others if file.size == 0 and serialization.sharding]
        extra = tuple(file.path for file in others if file.size or not serialization.sharding)
        reader = FileReader(
            _algorithms(manifest, identify, algorithms),
            Watch(),
            git=identify,
            tensors=identify,
            sharding=serialization.sharding,
            kinds=identify,
            copy=copy,
        )
        changed = [change for file in here if (change := _size_differs(file, signed))]
        read = [file for file in here if not _size_differs(file, signed)]
        found = read_all(tree, read, reader, progress=progress, workers=workers)
        if readme:
            beside = replace(reader, watch=Watch(), copy=None, sharding=None)
            found += read_all(tree, readme, beside, workers=workers)
        tree.relist(listed, lambda path: path != apart and skip(path))
        unsigned = _unsigned(tree, [*skipped, *empty, *(file.path for file in readme)])
        weighed = assemble(model_read(tree, found, apart, rules)) if identify and read else None
    missing = tuple(sorted(signed.keys() - {file.path for file in here}))
    for one in found:
        if one.file.path in signed:
            changed += _changes(one, signed[one.file.path], serialization)
    return Comparison(
        algorithm=serialization.hash_type,
        signed=len(signed),
        checked=len(here),
        size=sum(file.size for file in here),
        missing=missing,
        extra=extra,
        changed=tuple(sorted(changed, key=lambda change: change.path)),
        unsigned=unsigned,
        subset=bool(missing and allow_subset and here),
        warnings=tuple(_lookalikes(missing, extra)),
        weighed=weighed,
    )


def _signed(manifest: Manifest, tree: Tree) -> dict[str, SignedFile]:
    """Return what is signed by path; model-signing's name for a single file becomes its base name."""
    files = manifest.files()
    if manifest.is_single_file:
        if not tree.is_file:
            raise EnumerationError(
                f"This signature is of a single file, and {tree.path} is a folder.",
                hint="Give the path of the file itself.",
            )
        return {tree.name: next(iter(files.values()))}
    return files


def _size_differs(file: Listed, signed: Mapping[str, SignedFile]) -> Change | None:
    """Tell from the size alone that a file is not the signed one, before anything of it is read.

    A stranger's file may be larger than the signed one by any factor: its shards are not even counted.
    """
    size = signed[file.path].size
    return None if size in {None, file.size} else Change(file.path, "size", str(size), str(file.size))


def _changes(one: Found, signed: SignedFile, serialization: Serialization) -> list[Change]:
    """Compare the digests of a file, or of its shards, with the signed ones."""
    algorithm, path = serialization.hash_type, one.file.path
    if serialization.sharding is None:
        names, found = [path], [one.file.digests[algorithm]]
    else:
        names = [f"{path}:{start}:{end}" for start, end in serialization.sharding.ranges(one.file.size)]
        found = list(one.shards)
    return [
        Change(name, algorithm, was, now)
        for name, was, now in zip(names, signed.digests, found, strict=True)
        if was != now
    ]


def _algorithms(manifest: Manifest, identify: bool, more: Sequence[str]) -> tuple[str, ...]:  # noqa: FBT001 - private
    serialization = manifest.serialization
    whole = () if serialization.sharding else (serialization.hash_type,)
    return tuple(dict.fromkeys((*whole, *(["sha256"] if identify else []), *more)))


def _skipping(
    signed: Mapping[str, SignedFile], rules: IgnoreRules, *, everything: bool
) -> Callable[[str], bool]:
    """Return the test for paths that are not entered: ignored, and nothing signed is there or below."""
    above = {path[:i] for path in signed for i, character in enumerate(path) if character == "/"}

    def skip(path: str) -> bool:
        return path not in signed and path not in above and (everything or rules.covers(path))

    return skip


_OWN: Final = ("model.sig", "provenance.jsonl")
_COLLAPSED: Final = frozenset({".cache/huggingface/", ".git/"})


def _unsigned(tree: Tree, skipped: Sequence[str]) -> tuple[str, ...]:
    """List what was let through, file by file; the record and signature themselves are not counted."""
    own = (f"{tree.name}.sig", f"{tree.name}.provenance.jsonl") if tree.is_file else _OWN
    names: list[str] = []
    for path in skipped:
        if path.endswith("/") and path not in _COLLAPSED:
            names += tree.names_below(path[:-1]) or [shown(path)]
        elif path not in own:
            names.append(shown(path))
    return tuple(sorted(names))


def _lookalikes(missing: Sequence[str], extra: Sequence[str]) -> list[str]:
    """Tell of names that differ only by case or Unicode form: the usual doing of macOS and Windows."""
    folded = {unicodedata.normalize("NFC", path).casefold(): path for path in extra}
    return [
        f"{path} is signed, {folded[key]} is here: the same name in another case or Unicode form"
        for path in missing
        if (key := unicodedata.normalize("NFC", path).casefold()) in folded
    ]


def _counted(paths: Sequence[object], what: str) -> str:
    return f"1 {what} is" if len(paths) == 1 else f"{len(paths)} {what}s are"


def _listed(paths: Sequence[str], count: int | None = None) -> str:
    more = (len(paths) if count is None else count) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
