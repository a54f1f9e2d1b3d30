# SPDX-License-Identifier: Apache-2.0
"""Every case of the corpus is refused at its step, for its reason, without anything else happening."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import environment
from tests.corpus import Case, cases
from tests.corpus.case import key, write_model
from tests.library.verification.conftest import Check, verify_it
from tests.library.verification.expectations import assert_refused, assert_verified
from weighbridge import keys

__all__ = ["verify_it"]  # the fixture

CASES = cases()


def wanted() -> bytes:
    return keys.public_pem(key().public_key())


def test_the_honest_model_that_all_cases_spoil_is_verified(tmp_path: Path, verify_it: Check) -> None:
    (tmp_path / "m").mkdir()
    write_model(tmp_path / "m")
    assert_verified(verify_it(tmp_path / "m", public_key=wanted()))


def test_there_are_at_least_a_hundred() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_at_its_step(case: Case, tmp_path: Path, verify_it: Check) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    case.build(folder)
    options: dict[str, Any] = {"public_key": wanted(), **case.options}
    assert_refused(verify_it(folder, **options), case.step, case.words)


def test_it_can_be_written_out_for_other_tools(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.corpus", str(tmp_path / "out")],
        cwd=root,
        env=environment(PYTHONWARNINGS=""),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert {each["name"] for each in index} == {case.name for case in CASES}
