# SPDX-License-Identifier: Apache-2.0
"""Where signatures and records are looked for: the only place that opens evidence files.

Search order (docs/spec/verification.md): `--signature`, `--record`, the record beside, `model.sig`, the
registry. Nothing read here is believed; it is bounded bytes with a name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from weighbridge.bounded_files import read_bounded
from weighbridge.bundle_files import MAX_BUNDLES, MAX_SIGNATURE_FILE_BYTES, split_bundles
from weighbridge.errors import BundleError, DigestError, InputError, LogError, WeighbridgeError
from weighbridge.records import MAX_RECORD_BYTES, RecordLine, parse_record

if TYPE_CHECKING:
    from weighbridge.hub.remote import RemoteModel

__all__ = [
    "Evidence",
    "Found",
    "Spoilt",
    "gather",
    "gather_remote",
    "lines_found",
    "record_beside",
    "signature_beside",
]

RECORD_NAME: Final = "provenance.jsonl"
SIGNATURE_NAME: Final = "model.sig"


class Found(NamedTuple):
    """One bundle that was found: `source` says where, `line` is its record line if it came with one.

    The source of one of several bundles of a file ends with the number of its line. `named`: it is from a
    file that the caller named.
    """

    source: str
    bundle: bytes
    line: RecordLine | None = None
    named: bool = False


class Spoilt(NamedTuple):
    """Evidence that could not be read as what it should be.

    `named`: the caller asked for this file. `record`: it is a record or a line of one, not a signature.
    """

    source: str
    error: WeighbridgeError
    named: bool
    record: bool


class Evidence(NamedTuple):
    """All that was found on disk.

    `signature_named` says that only the bundle given as `--signature` counts for steps 3 to 5.
    `has_record` says that a record file was there (even a spoilt one): it asks for step 7. `inside`
    are the named files that lie inside the model's folder, as paths relative to it: never weighed.
    """

    found: tuple[Found, ...] = ()
    spoilt: tuple[Spoilt, ...] = ()
    signature_named: bool = False
    has_record: bool = False
    inside: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()


def gather(path: Path, *, signatures: Sequence[Path] = (), record: Path | None = None) -> Evidence:
    """Read the evidence beside a model, in the order of the specification.

    Raises `InputError` (exit 2) if the model, or a file that was named, is not there, or if more than 32
    signature files are named.
    """
    if not path.exists():
        raise InputError(f"There is no file or folder {path}.", hint="Give the path of a model.")
    if len(signatures) > MAX_BUNDLES:
        raise InputError(f"{len(signatures)} signature files were named; at most {MAX_BUNDLES} are read.")
    found: list[Found] = []
    spoilt: list[Spoilt] = []
    looked_at: list[str] = []
    for signature in signatures:
        _take_bundles(signature, found, spoilt, named=True)
    has_record = False
    record_paths = [record] if record is not None else [record_beside(path)]
    for candidate in record_paths:
        looked_at.append(candidate.name)
        if record is not None or _is_there(candidate):
            has_record = True
            _take_record(candidate, found, spoilt, named=record is not None)
    if not signatures:
        beside = signature_beside(path)
        looked_at.append(beside.name)
        if _is_there(beside):
            _take_bundles(beside, found, spoilt, named=False)
    inside = [_inside(path, each) for each in (*signatures, record) if each is not None]
    return Evidence(
        found=tuple(found),
        spoilt=tuple(spoilt),
        signature_named=bool(signatures),
        has_record=has_record,
        inside=tuple(name for name in inside if name),
        looked_at=tuple(looked_at),
    )


def gather_remote(
    remote: RemoteModel, *, signatures: Sequence[Path] = (), record: Path | None = None
) -> Evidence:
    """Fetch the signature and the record of a model that is still on a hub; files that are named come first.

    Raises `UnavailableError` if the hub does not give what it lists.
    """
    found: list[Found] = []
    spoilt: list[Spoilt] = []
    for signature in signatures:
        _take_bundles(signature, found, spoilt, named=True)
    if record is not None:
        _take_record(record, found, spoilt, named=True)
    elif RECORD_NAME in remote.files:
        try:
            lines = parse_record(remote.fetch(RECORD_NAME, MAX_RECORD_BYTES))
        except (DigestError, LogError) as error:
            spoilt.append(Spoilt(RECORD_NAME, error, named=False, record=True))
        else:
            found.extend(lines_found(RECORD_NAME, lines, named=False))
    if not signatures and SIGNATURE_NAME in remote.files:
        try:
            data = remote.fetch(SIGNATURE_NAME, MAX_SIGNATURE_FILE_BYTES)
        except DigestError as error:
            spoilt.append(Spoilt(SIGNATURE_NAME, error, named=False, record=False))
        else:
            _take_content(SIGNATURE_NAME, data, found, spoilt, named=False)
    return Evidence(
        found=tuple(found),
        spoilt=tuple(spoilt),
        signature_named=bool(signatures),
        has_record=record is not None or RECORD_NAME in remote.files,
        looked_at=(RECORD_NAME, SIGNATURE_NAME),
    )


def record_beside(path: Path) -> Path:
    """Return where a model's record file lies: `DIR/provenance.jsonl` or `FILE.provenance.jsonl`."""
    return path / RECORD_NAME if path.is_dir() else path.with_name(f"{path.name}.{RECORD_NAME}")


def signature_beside(path: Path) -> Path:
    """Return where a model's signature lies: `DIR/model.sig` or `FILE.sig`."""
    return path / SIGNATURE_NAME if path.is_dir() else path.with_name(f"{path.name}.sig")


def _take_bundles(path: Path, found: list[Found], spoilt: list[Spoilt], *, named: bool) -> None:
    """Read a signature file: one bundle, or JSON Lines of several by different signers."""
    source = str(path) if named else path.name
    try:
        data = read_bounded(path, MAX_SIGNATURE_FILE_BYTES, "signature", too_long=BundleError)
    except WeighbridgeError as error:
        if named and isinstance(error, InputError):
            raise
        spoilt.append(Spoilt(source, error, named=named, record=False))
        return
    _take_content(source, data, found, spoilt, named=named)


def _take_content(source: str, data: bytes, found: list[Found], spoilt: list[Spoilt], *, named: bool) -> None:
    try:
        bundles = split_bundles(data)
        _require_room([each.bundle for each in found if each.line is None], [each for _, each in bundles])
    except BundleError as error:
        spoilt.append(Spoilt(source, error, named=named, record=False))
        return
    found.extend(Found(f"{source}:{n}" if n else source, bundle, named=named) for n, bundle in bundles)


def _require_room(taken: Sequence[bytes], more: Sequence[bytes]) -> None:
    """Refuse what would be too much in all signature files together: each of them is somebody else's."""
    if len(taken) + len(more) > MAX_BUNDLES or sum(map(len, (*taken, *more))) > MAX_SIGNATURE_FILE_BYTES:
        raise BundleError(
            f"all signature files together hold more than {MAX_BUNDLES} bundles or "
            f"{MAX_SIGNATURE_FILE_BYTES:,} bytes",
            hint="name fewer of them with --signature",
        )


def _take_record(path: Path, found: list[Found], spoilt: list[Spoilt], *, named: bool) -> None:
    source = str(path) if named else path.name
    try:
        lines = parse_record(read_bounded(path, MAX_RECORD_BYTES, "record file", too_long=LogError))
    except WeighbridgeError as error:
        if named and isinstance(error, InputError):
            raise
        spoilt.append(Spoilt(source, error, named=named, record=True))
        return
    found.extend(lines_found(source, lines, named=named))


def lines_found(source: str, lines: Sequence[RecordLine], *, named: bool) -> list[Found]:
    """Name each line of a record by its number, from 1, as an editor would."""
    return [Found(f"{source}:{n}", line.bundle, line, named) for n, line in enumerate(lines, start=1)]


def _is_there(path: Path) -> bool:
    """Tell whether something is at a path, be it a link to nowhere."""
    return os.path.lexists(path)


def _inside(root: Path, path: Path) -> str:
    """Return the path relative to the model's folder, "" if it is not inside."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix() if root.is_dir() else ""
    except ValueError:
        return ""
