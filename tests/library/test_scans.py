# SPDX-License-Identifier: Apache-2.0
"""Reports of scanners, honest and hostile, as test results: nothing scanned is never a pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import InputError
from weighbridge.scans import TEST_RESULT, scan_predicate
from weighbridge_schemas.attestation import read_attestation


def modelscan(**changes: Any) -> bytes:
    """A report as modelscan 0.8 writes it."""
    report: dict[str, Any] = {
        "summary": {
            "total_issues_by_severity": {"LOW": 0, "MEDIUM": 0, "HIGH": 0, "CRITICAL": 0},
            "total_issues": 0,
            "input_path": "/models/m",
            "absolute_path": "/models/m",
            "modelscan_version": "0.8.1",
            "timestamp": "2026-11-26T12:00:00",
            "scanned": {"total_scanned": 2, "scanned_files": ["a.bin", "b.pkl"]},
            "skipped": {"total_skipped": 0, "skipped_files": []},
        },
        "issues": [],
        "errors": [],
    }
    return json.dumps(report | changes).encode()


def issue(severity: str, source: str = "b.pkl") -> dict[str, str]:
    return {
        "description": "Use of unsafe operator 'system' from module 'posix'",
        "operator": "system",
        "module": "posix",
        "source": source,
        "scanner": "modelscan.scanners.PickleUnsafeOpScan",
        "severity": severity,
    }


def test_a_clean_report_of_modelscan() -> None:
    found = scan_predicate(modelscan(), "r.json")
    assert found == {
        "result": "PASSED",
        "configuration": [{"name": "modelscan 0.8.1"}],
        "passedTests": ["a.bin", "b.pkl"],
        "warnedTests": [],
        "failedTests": [],
    }


@pytest.mark.parametrize(
    ("severity", "result"), [("CRITICAL", "FAILED"), ("HIGH", "FAILED"), ("LOW", "WARNED")]
)
def test_a_finding_of_modelscan(severity: str, result: str) -> None:
    found = scan_predicate(modelscan(issues=[issue(severity)]), "r.json")
    assert (found["result"], found["passedTests"]) == (result, ["a.bin"])
    assert read_attestation(TEST_RESULT, found, 100).result == result.lower()


def test_a_file_that_could_not_be_scanned_has_not_passed() -> None:
    error = {"category": "PICKLE", "description": "Parsing error", "source": "b.pkl"}
    found = scan_predicate(modelscan(errors=[error]), "r.json")
    assert (found["result"], found["passedTests"]) == ("WARNED", ["a.bin"])
    assert found["warnedTests"] == ["b.pkl: could not be scanned: Parsing error"]


PICKLESCAN = """\
/models/m/a.bin: dangerous import '__builtin__ eval' FOUND
/models/m/c.bin: suspicious import 'mymodule thing' FOUND
----------- SCAN SUMMARY -----------
Scanned files: 4
Infected files: 2
Dangerous globals: 1
"""


def test_a_report_of_picklescan() -> None:
    found = scan_predicate(PICKLESCAN.encode(), "r.txt")
    assert found["failedTests"] == ["/models/m/a.bin: dangerous import __builtin__ eval"]
    assert found["warnedTests"] == ["/models/m/c.bin: suspicious import mymodule thing"]
    assert (found["result"], found["passedTests"]) == ("FAILED", ["2 of 4 files"])
    clean = scan_predicate(b"Scanned files: 1\nInfected files: 0\n", "r.txt")
    assert (clean["result"], clean["passedTests"]) == ("PASSED", ["1 of 1 files"])
    odd = scan_predicate(b"Scanned files: 1\nInfected files: 1\n", "r.txt")
    assert odd["result"] == "FAILED", "infected files without a line that can be read are no pass"


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"all is well",
        b"Scanned files: 0\nInfected files: 0\n",
        b"Scanned files: 1\n",
        b"\xff\xfe",
        modelscan(issues=[{"source": 1}]),
        modelscan(summary={"modelscan_version": "1", "scanned": {"total_scanned": 0}}),
        b'{"summary": {}, "summary": {}}',
        b"{" + b'"a":{' * 64 + b"}" * 65,
        b"x" * 9000 + b" import 'a' FOUND\nScanned files: 1\nInfected files: 0\n",
    ],
)
def test_what_is_no_report_is_refused(report: bytes) -> None:
    with pytest.raises(InputError):
        scan_predicate(report, "r")


def test_names_of_files_are_strangers_text() -> None:
    """Control characters, bidirectional overrides and length are tamed: this ends on pages and terminals."""
    evil = "a\x1b[31m\u202e" + "b" * 5000
    found = scan_predicate(modelscan(issues=[issue("HIGH", evil)]), "r.json")
    [line] = found["failedTests"]
    assert len(line) <= 512
    assert not {"\x1b", "\u202e"} & set(line)
    many = scan_predicate(modelscan(issues=[issue("HIGH", str(n)) for n in range(5000)]), "r.json")
    assert len(many["failedTests"]) == 4001
    assert many["failedTests"][-1] == "and 1000 more"


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_give_a_result_or_an_input_error(report: bytes) -> None:
    try:
        found = scan_predicate(report, "r")
    except InputError:
        return
    assert found["result"] in {"PASSED", "WARNED", "FAILED"}
