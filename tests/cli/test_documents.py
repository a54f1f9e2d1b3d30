# SPDX-License-Identifier: Apache-2.0
"""What cli/README.md and CHANGELOG.md say is so."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from tests import models
from weighbridge_cli.main import COMMANDS

_ROOT = Path(__file__).resolve().parents[2]
_README = (_ROOT / "cli/README.md").read_text(encoding="utf-8")
_CHANGELOG = (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models.tiny_model(tmp_path / "path/to/model")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", _README, flags=re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        script = tmp_path / f"{number}.py"
        script.write_text(block, encoding="utf-8")
        runpy.run_path(str(script))
    assert re.fullmatch(r"[0-9a-f]{64}\n", capsys.readouterr().out)


def test_the_trust_core_named_is_the_one_held_to_its_contract() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (core,) = [contract for contract in contracts if contract["name"] == "The trust core does no I/O"]
    sentence = _README[_README.index("The **trust core**") : _README.index("takes\nbytes and a clock")]
    named = re.findall(r"`(\w+)`", sentence)
    assert named
    assert {f"weighbridge.{name}" for name in named} <= set(core["source_modules"])


def test_every_command_is_in_the_changelog() -> None:
    for name in COMMANDS:
        assert f"`weighbridge {name}" in _CHANGELOG


def test_every_link_of_these_pages_leads_somewhere() -> None:
    for page in ("CHANGELOG.md", "cli/README.md"):
        text = (_ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert ((_ROOT / page).parent / target).exists(), f"{page}: {target}"
