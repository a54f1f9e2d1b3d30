# SPDX-License-Identifier: Apache-2.0
"""Steps 5, 1 and 2: is the signed statement a manifest, and are these the files that it lists.

Step 5 reads bytes that are already authentic. Only when it has passed are the model's files opened.
"""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.errors import DigestError, EnumerationError, StatementError
from weighbridge.oms import Comparison, compare, parse_manifest
from weighbridge.verdict import Result

from .case import Case

__all__ = ["judge_files", "judge_statement"]

_SHOWN = 5
_LISTED = 1000
_EVERY_ALGORITHM = ("blake3",)


def judge_statement(case: Case) -> bool:
    """Conclude step 5: the chosen statement is a sound OMS manifest, true to its own root digest."""
    if case.chosen is None:
        return case.put(5, Result.SKIPPED, "no signature by the wanted signer to read")
    try:
        manifest, warnings = parse_manifest(case.chosen.statement)
    except StatementError as error:
        return case.put_error(5, error)
    case.manifest = manifest
    files = _count(len(manifest.files()), "file")
    if manifest.serialization.sharding is not None:
        files += f" in {_count(len(manifest.resources), 'shard')}"
    what = f"OpenSSF Model Signing v1.0, {files}, root sha256:{manifest.root_digest[:12]}…"
    evidence = {"root_digest": f"sha256:{manifest.root_digest}", "files": len(manifest.files())}
    result = Result.WARN if warnings else Result.PASS
    return case.put(5, result, "; ".join([what, *warnings]), evidence)


def judge_files(case: Case) -> bool:
    """Conclude steps 1 and 2: read the model once and hold it against the manifest."""
    manifest, request = case.manifest, case.request
    if manifest is None or not case.passed(3, 4, 5):
        for n in (1, 2):
            case.put(n, Result.SKIPPED, "not read: nothing unauthenticated may say which files to open")
        return False
    if case.remote is not None:
        from .hubs import judge_hub

        return judge_hub(case, case.remote, manifest)
    try:
        comparison = compare(
            manifest,
            case.path,
            ignore=(*request.ignore, *case.evidence.inside),
            ignore_unsigned_files=request.ignore_unsigned_files,
            allow_subset=request.allow_subset,
            identify=request.release is not None or request.policy is not None,
            algorithms=_EVERY_ALGORITHM if request.all_digests else (),
            copy=case.copy,
            progress=request.progress,
        )
    except (EnumerationError, DigestError) as error:
        case.put_error(1, error)
        return case.put(2, Result.SKIPPED, "not compared: step 1 failed")
    case.comparison = comparison
    enumerated = _judge_enumeration(case, comparison)
    return _judge_digests(case, comparison) and enumerated


def _judge_enumeration(case: Case, comparison: Comparison) -> bool:
    error = comparison.enumeration_error()
    let_through = case.unexpected(comparison.unsigned)
    evidence = {
        "missing": list(comparison.missing[:_LISTED]),
        "extra": list(comparison.extra[:_LISTED]),
        "unsigned": list(comparison.unsigned[:_LISTED]),
        "signed": comparison.signed,
    }
    if case.snapshot is not None:
        evidence |= {"hub": case.snapshot.repo, "commit": case.snapshot.commit}
    if error is not None:
        case.put_error(1, error)
        return case.put(1, Result.FAIL, case.steps[1].reason, evidence)
    told = [f"{comparison.checked} of {_count(comparison.signed, 'signed file')} here"]
    if case.snapshot is not None:
        told.append(f"commit {case.snapshot.commit[:12]} of {case.snapshot.repo}, from the hub's cache")
    if comparison.missing:
        told.append(f"missing: {_listed(comparison.missing)}")
    if let_through:
        told.append(f"NOT SIGNED, let through: {_listed(let_through)}")
    elif comparison.unsigned:
        told.append(f"not signed, as agreed: {_listed(comparison.unsigned)}")
    told.extend(comparison.warnings)
    warned = bool(comparison.missing or let_through or comparison.warnings)
    return case.put(1, Result.WARN if warned else Result.PASS, "; ".join(told), evidence)


def _judge_digests(case: Case, comparison: Comparison) -> bool:
    error = comparison.digest_error()
    if error is not None:
        return case.put_error(2, error)
    if not comparison.checked:
        return case.put(2, Result.FAIL, "none of the signed files is here, so nothing was compared")
    algorithm = {"sha256": "SHA-256", "blake2b": "BLAKE2b", "blake3": "BLAKE3"}.get(
        comparison.algorithm, comparison.algorithm
    )
    what = f"{_count(comparison.checked, 'file')} ({comparison.size:,} bytes) as signed, by {algorithm}"
    return case.put(2, Result.PASS, what, {"algorithm": comparison.algorithm, "bytes": comparison.size})


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
