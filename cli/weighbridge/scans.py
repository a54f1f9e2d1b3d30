# SPDX-License-Identifier: Apache-2.0
"""Reports of scanners of model files, turned into an in-toto test result (docs/spec/attestation.md).

Pure. Reports are read as hostile: bounded, and nothing of them is taken that is not a line of text.
Understood are the JSON report of modelscan (`modelscan -r json`) and the output of picklescan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from weighbridge import canonical
from weighbridge.errors import BundleError, InputError

__all__ = ["MAX_REPORT_BYTES", "TEST_RESULT", "scan_predicate"]

TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
"""Predicate type of what is made."""

MAX_REPORT_BYTES: Final = 8 * 1024 * 1024
"""Longest report that is read."""

_MOST: Final = 4000
_LONGEST: Final = 512
_DANGEROUS: Final = ("HIGH", "CRITICAL")
_HINT: Final = "give the JSON report of modelscan (-r json -o FILE), or the whole output of picklescan"
_LONGEST_LINE: Final = 8192
_FINDING: Final = re.compile(
    r"(?P<file>.{1,4096}?): (?P<how>dangerous|suspicious|unknown) import '(?P<what>.+)' FOUND"
)
_COUNT: Final = re.compile(r"(?P<what>Scanned|Infected) files: (?P<count>[0-9]{1,9})")
_UNPRINTABLE: Final = re.compile(
    r"[^\x20-\x7e\xa0-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\uf8ff]"
)


def scan_predicate(report: bytes, name: str) -> dict[str, Any]:
    """Return the predicate of a test result for a scanner's report; `name` is for messages.

    `result` is FAILED if anything dangerous was found, WARNED if anything doubtful was, a file could not
    be read or none was scanned at all is an error: PASSED means that files were scanned and nothing was
    found. Raises `InputError` for what is no such report.
    """
    if len(report) > MAX_REPORT_BYTES:
        raise InputError(f"{name} has {len(report):,} bytes; the limit is {MAX_REPORT_BYTES:,}")
    if report.lstrip()[:1] == b"{":
        try:
            value = canonical.decode(report.strip(), max_bytes=MAX_REPORT_BYTES, max_depth=16)
        except BundleError as error:
            raise InputError(f"{name}: {error.message}", hint=_HINT) from error
        return _modelscan(value, name)
    try:
        return _picklescan(report.decode(), name)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 at byte {error.start}", hint=_HINT) from error


def _modelscan(value: Any, name: str) -> dict[str, Any]:
    match value:
        case {
            "summary": {"modelscan_version": str(version), "scanned": dict(scanned)},
            "issues": list(issues),
            "errors": list(errors),
        }:
            pass
        case _:
            raise InputError(f"{name} is no report of modelscan", hint=_HINT)
    files = [file for file in scanned.get("scanned_files") or [] if isinstance(file, str)]
    failed: list[str] = []
    warned: list[str] = []
    touched: set[str] = set()
    for issue in issues:
        match issue:
            case {"source": str(source), "description": str(what), "severity": str(severity)}:
                touched.add(source)
                (failed if severity in _DANGEROUS else warned).append(f"{source}: {what} ({severity})")
            case _:
                raise InputError(f"{name}: an issue has no source, description and severity", hint=_HINT)
    for error in errors:
        what = error.get("description", "error") if isinstance(error, dict) else error
        source = error.get("source", "?") if isinstance(error, dict) else "?"
        warned.append(f"{source}: could not be scanned: {what}")
        touched.add(str(source))
    if not files and not issues:
        raise InputError(f"{name}: modelscan has scanned no file", hint="a scan of nothing shows nothing")
    return _result(f"modelscan {version}", [file for file in files if file not in touched], warned, failed)


def _picklescan(text: str, name: str) -> dict[str, Any]:
    counts = {found["what"]: int(found["count"]) for found in _COUNT.finditer(text)}
    if set(counts) != {"Scanned", "Infected"}:
        raise InputError(f"{name} is no report that can be read: it has no summary of picklescan", hint=_HINT)
    failed: list[str] = []
    warned: list[str] = []
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE:
            raise InputError(f"{name} has a line of {len(line):,} characters", hint=_HINT)
        if found := _FINDING.fullmatch(line.strip()):
            finding = f"{found['file']}: {found['how']} import {found['what']}"
            (failed if found["how"] == "dangerous" else warned).append(finding)
        elif line.startswith("ERROR:"):
            warned.append(f"could not be scanned: {line.removeprefix('ERROR:').strip()}")
    if counts["Infected"] and not failed:
        failed.append(f"{counts['Infected']} files with a finding")
    clean = counts["Scanned"] - counts["Infected"]
    if counts["Scanned"] == 0:
        raise InputError(f"{name}: picklescan has scanned no file", hint="a scan of nothing shows nothing")
    passed = [f"{clean} of {counts['Scanned']} files"] if clean > 0 else []
    return _result("picklescan", passed, warned, failed)


def _result(
    scanner: str, passed: Iterable[str], warned: Iterable[str], failed: Iterable[str]
) -> dict[str, Any]:
    lists = {"passedTests": _lines(passed), "warnedTests": _lines(warned), "failedTests": _lines(failed)}
    result = "FAILED" if lists["failedTests"] else "WARNED" if lists["warnedTests"] else "PASSED"
    return {"result": result, "configuration": [{"name": _line(scanner)}], **lists}


def _lines(texts: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(map(_line, texts)))
    if len(found) <= _MOST:
        return found
    return [*found[:_MOST], f"and {len(found) - _MOST} more"]


def _line(text: str) -> str:
    """Return a text as one printable line of bounded length."""
    line = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
