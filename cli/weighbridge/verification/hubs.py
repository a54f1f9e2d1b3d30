# SPDX-License-Identifier: Apache-2.0
"""Steps 1, 2 and 6 of a model that is still on a hub: its word, held against what was signed.

Nothing here passes. What the hub says can differ from the signed statements, and then the step fails before
anything was downloaded; or it agrees, and is `reported`: only the files themselves could prove it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from weighbridge.errors import DigestError, ReleaseError
from weighbridge.hub.remote import MAX_SMALL_FILE, RemoteFile, RemoteModel
from weighbridge.oms import Manifest
from weighbridge.verdict import Result
from weighbridge.weighing import DEFAULT_IGNORES, README
from weighbridge.weighing.hashing import digest_of
from weighbridge.weighing.names import IgnoreRules

from .case import Case
from .contents import compare_with_manifest
from .evidence import RECORD_NAME, SIGNATURE_NAME
from .releases import FoundRelease

__all__ = ["compare_with_hub", "judge_hub"]

_SHOWN: Final = 5
_LISTED: Final = 1000
_MAX_FETCHED: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _Found:
    """What the hub's files are, one by one."""

    changed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)


def judge_hub(case: Case, remote: RemoteModel, manifest: Manifest) -> bool:
    """Conclude steps 1 and 2 from the hub's list of files and digests."""
    signed = manifest.files()
    here = {path: file for path, file in remote.files.items() if path in signed}
    missing = sorted(signed.keys() - here.keys())
    extra, unsigned = _not_signed(case, remote, manifest)
    evidence = {
        "hub": remote.name.repo,
        "commit": remote.commit,
        "missing": missing[:_LISTED],
        "extra": extra[:_LISTED],
        "unsigned": unsigned[:_LISTED],
    }
    faults = [
        f"{what}: {_listed(names)}"
        for what, names in (("not there", missing), ("not signed", extra))
        if names
    ]
    where = f"commit {remote.commit[:12]} of {remote.name.repo}"
    if faults:
        case.put(
            1,
            Result.FAIL,
            f"The files that the hub lists at {where} are not the signed ones; {'; '.join(faults)}.",
            evidence,
        )
        return case.put(2, Result.SKIPPED, "not compared: step 1 failed")
    told = [f"the hub lists the {len(signed)} signed files at {where}"]
    if let_through := case.unexpected(unsigned):
        told.append(f"NOT SIGNED, let through: {_listed(let_through)}")
    elif unsigned:
        told.append(f"not signed, as agreed: {_listed(unsigned)}")
    case.put(1, Result.REPORTED, "; ".join(told), evidence)
    return _judge_digests(case, _compare(remote, manifest, here))


def _not_signed(case: Case, remote: RemoteModel, manifest: Manifest) -> tuple[list[str], list[str]]:
    """Return the files that nobody signed: those that fail step 1, and those that are let through."""
    rules = IgnoreRules([*DEFAULT_IGNORES, *case.request.ignore, *manifest.serialization.ignore_paths])
    signed, sharded = manifest.files(), manifest.serialization.sharding is not None
    extra: list[str] = []
    unsigned: list[str] = []
    for path, file in sorted(remote.files.items()):
        if path in signed or path in {SIGNATURE_NAME, RECORD_NAME}:
            continue
        # A manifest of shards cannot name a file of no bytes.
        is_let = rules.covers(path) or case.request.ignore_unsigned_files or (sharded and file.size == 0)
        (unsigned if is_let else extra).append(path)
    return extra, unsigned


def _compare(remote: RemoteModel, manifest: Manifest, here: dict[str, RemoteFile]) -> _Found:
    """Compare each file: by the hub's SHA-256, or by fetching what is small."""
    found, left = _Found(), _MAX_FETCHED
    algorithm, signed = manifest.serialization.hash_type, manifest.files()
    for path, file in sorted(here.items()):
        wanted = signed[path]
        if wanted.size is not None and file.size is not None and wanted.size != file.size:
            found.changed.append(path)
        elif file.sha256 is not None:
            if algorithm != "sha256" or manifest.serialization.sharding is not None:
                found.open.append(path)
            else:
                (found.told if file.sha256 == wanted.digests[0] else found.changed).append(path)
        elif file.size is not None and file.size <= min(MAX_SMALL_FILE, left):
            left -= file.size
            is_signed = _digests_there(remote, manifest, file, file.size) == wanted.digests
            (found.fetched if is_signed else found.changed).append(path)
        else:
            found.open.append(path)
    return found


def _digests_there(
    remote: RemoteModel, manifest: Manifest, file: RemoteFile, size: int
) -> tuple[str, ...] | None:
    """Fetch a small file and digest it as the manifest does; None if it is longer than the hub says."""
    try:
        return _digests(manifest, remote.fetch(file.path, size))
    except DigestError:
        return None


def _digests(manifest: Manifest, content: bytes) -> tuple[str, ...]:
    algorithm, sharding = manifest.serialization.hash_type, manifest.serialization.sharding
    if sharding is None:
        return (digest_of(algorithm, content),)
    return tuple(digest_of(algorithm, content[start:end]) for start, end in sharding.ranges(len(content)))


def _judge_digests(case: Case, found: _Found) -> bool:
    if found.changed:
        return case.put(
            2,
            Result.FAIL,
            f"What the hub has is not as signed: {_listed(found.changed)}. Do not download it.",
            {"changed": found.changed[:_LISTED]},
        )
    told = [
        f"{len(paths)} files {what}"
        for paths, what in (
            (found.told, "as signed, by the hub's word"),
            (found.fetched, "fetched, as signed"),
        )
        if paths
    ]
    if found.open:
        told.append(f"cannot be compared before a download: {_listed(found.open)}")
    evidence = {
        "told": found.told[:_LISTED],
        "fetched": found.fetched[:_LISTED],
        "open": found.open[:_LISTED],
    }
    if found.open and case.request.release is None:
        return case.put(2, Result.UNKNOWN, "; ".join(told), evidence)
    case.put(2, Result.REPORTED, "; ".join(told), evidence)
    return True


def compare_with_hub(found: FoundRelease, remote: RemoteModel, manifest: Manifest) -> str:
    """Hold the release, which knows SHA-256 and git blob id of every file, against the hub's word.

    Returns what to report. Raises `ReleaseError` (step 6) for a difference, also between the two signed
    statements.
    """
    compare_with_manifest(found, manifest)
    open_ = []
    for signed in found.document.model.files:
        file = remote.files.get(signed.path)
        pairs = () if file is None else ((file.sha256, signed.sha256), (file.git_sha1, signed.git_sha1))
        known = [(is_, was) for is_, was in pairs if is_ is not None and was is not None]
        if file is not None and any(is_ != was for is_, was in known):
            raise ReleaseError(
                f"The hub's {signed.path} is not the one of {found.title}.", evidence={"path": signed.path}
            )
        if not known:
            open_.append(signed.path)
    if open_:
        raise ReleaseError(
            f"The hub gives no digest of {_listed(open_)} that {found.title} could be compared with."
        )
    readme = found.document.card.readme if found.document.card is not None else None
    changed = ""
    if readme is not None and README in remote.files and not _is_readme(remote, readme.sha256):
        changed = "; README.md was edited after the release"
    return f"the hub says that it has exactly the files of {found.title}{changed}"


def _is_readme(remote: RemoteModel, sha256: str) -> bool:
    try:
        return hashlib.sha256(remote.fetch(README, MAX_SMALL_FILE)).hexdigest() == sha256
    except DigestError:
        return False


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
