# SPDX-License-Identifier: Apache-2.0
"""The suite's own promises: skips are told, and under CI they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs

_CONFTEST = Path(__file__).with_name("conftest.py")
_SUITE = """
import os
import pytest
from tests import programs

programs.PROGRAMS["trebuchet"] = programs.Program(("trebuchet-0",), "ask a carpenter")

@pytest.mark.needs("trebuchet")
def test_throws(): ...

def test_walks():
    assert "CI" not in os.environ
    assert "WEIGHBRIDGE_KEY" not in os.environ

@pytest.mark.xfail(reason="known")
def test_flies():
    raise AssertionError
"""


def _run(folder: Path, *how: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(_CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "test_it.py").write_text(_SUITE, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs(*tools): x\n", encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    clean.pop("PYTEST_ADDOPTS", None)
    clean["PYTHONPATH"] = str(_CONFTEST.parent.parent)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *how, "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=folder,
        env={**clean, "WEIGHBRIDGE_KEY": "/a/personal/key", **environment},
    )


def test_a_missing_program_skips_the_test_and_one_table_says_how_to_get_it(tmp_path: Path) -> None:
    run = _run(tmp_path, "-p", "no:xdist", CI="")
    assert run.returncode == 0, run.stdout
    assert "not run on this machine" in run.stdout
    assert "no trebuchet on this machine: ask a carpenter" in run.stdout
    assert "1 passed, 1 skipped, 1 xfailed" in run.stdout


def test_under_ci_the_same_skip_is_a_failure(tmp_path: Path) -> None:
    """Also in a worker of a run, which does not see CI itself."""
    run = _run(tmp_path, "-n", "1", CI="true")
    assert run.returncode == 1, run.stdout
    assert "under CI=true a skip fails: no trebuchet on this machine" in run.stdout
    assert "1 passed, 1 xfailed, 1 error" in run.stdout


def test_a_tool_that_nobody_has_described_is_missing_and_named() -> None:
    assert programs.missing("abacus") == "unknown to tests/programs.py: abacus"


@pytest.mark.needs("unprivileged")
def test_the_unprivileged_user_is_not_root() -> None:
    account = programs.unprivileged()
    assert account is not None
    said = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True, **account.process())
    assert int(said.stdout) == account.uid != 0
