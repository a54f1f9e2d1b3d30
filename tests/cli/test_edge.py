# SPDX-License-Identifier: Apache-2.0
"""The edge of the program: whatever happens inside, words and an exit code come out."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.commands import environment, weighbridge
from weighbridge.errors import InputError, LogError, UnavailableError, WeighbridgeError
from weighbridge_cli import main as edge
from weighbridge_cli import terminal


def _present() -> list[str]:
    names = [f"weighbridge_cli.commands.{name}" for name in edge.COMMANDS]
    return [name for name in names if importlib.util.find_spec(name)]


@pytest.mark.parametrize("module", _present())
def test_each_command_has_the_name_and_the_help_of_the_table(module: str) -> None:
    command = importlib.import_module(module).command
    name = module.rsplit(".", 1)[-1]
    assert isinstance(command, click.Command)
    assert command.name == name
    told = weighbridge(name, "-h")
    assert told.exit_code == 0
    assert told.stdout.startswith(f"Usage: weighbridge {name} ")


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from weighbridge_cli.main import run; code = run(['--help']);"
        "heavy = {'pydantic', 'cryptography', 'sigstore', 'rich', 'fastapi', 'urllib3', 'weighbridge'};"
        "found = sorted(heavy & sys.modules.keys()); print('LOADED', found); sys.exit(code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=60,
    )
    assert "LOADED []" in run.stdout
    for name in edge.COMMANDS:
        assert f"\n  {name} " in run.stdout


def test_the_version_is_the_packages() -> None:
    assert weighbridge("--version").stdout.startswith("weighbridge ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["key", "new", "--curve", "P-999"], "'P-999' is not one of"),
        (["key", "new", "--no-such"], "No such option"),
    ],
)
def test_a_wrong_command_is_exit_2_with_the_way_to_its_help(arguments: list[str], words: str) -> None:
    told = weighbridge(*arguments)
    assert told.exit_code == 2
    assert words in told.stderr
    assert "→ see: weighbridge" in told.stderr
    assert told.stdout == ""


def test_a_wrong_command_with_json_is_told_in_json() -> None:
    told = weighbridge("key", "new", "--no-such", "--json")
    assert told.exit_code == 2
    assert told.json()["error"]["type"] == "InputError"


def test_no_command_at_all_shows_the_help_and_is_exit_2() -> None:
    told = weighbridge()
    assert told.exit_code == 2
    assert "Usage: weighbridge" in told.stderr


class _Scene:
    """A command that fails in one way, run through the edge in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = monkeypatch, capsys

    def run(self, error: BaseException, *arguments: str) -> tuple[int, str, str]:
        @click.command("key")
        @click.option("--json", "as_json", is_flag=True)
        def failing(as_json: bool) -> None:  # noqa: FBT001 - click calls it
            del as_json
            raise error

        module = importlib.import_module("weighbridge_cli.commands.key")
        self._patch.setattr(module, "command", failing)
        code = edge.run(["key", *arguments])
        out, err = self._capture.readouterr()
        return code, out, err


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> _Scene:
    return _Scene(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no"), 2),
        (LogError("no"), 1),
        (UnavailableError("no"), 3),
        (FileNotFoundError(2, "No such file or directory", "model"), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (ZeroDivisionError("ours"), 1),
        (RecursionError("deep"), 1),
        (MemoryError(), 1),
    ],
)
def test_every_way_to_fail_has_its_exit_code_and_no_traceback(
    scene: _Scene, error: BaseException, code: int
) -> None:
    found, out, err = scene.run(error)
    assert found == code
    assert out == ""
    assert "Traceback" not in err
    assert err.strip()


def test_an_error_says_what_which_step_and_what_to_do(scene: _Scene) -> None:
    code, _, err = scene.run(LogError("the receipt is of another log", hint="ask for the right one\nor stop"))
    assert code == 1
    assert err.splitlines() == [
        "error: the receipt is of another log",
        "  step 7 (recorded)",
        "  → ask for the right one",
        "  → or stop",
    ]


def test_with_json_the_error_is_a_document_with_its_evidence(scene: _Scene) -> None:
    error = WeighbridgeError("no", step=2, evidence={"expected": "a", "found": b"b"})
    code, out, err = scene.run(error, "--json")
    assert code == 1
    assert err == ""
    told = json.loads(out)["error"]
    assert told["step"] == {"n": 2, "name": "digests"}
    assert told["evidence"]["expected"] == "a"


def test_with_json_a_defect_is_a_document_too(scene: _Scene) -> None:
    code, out, err = scene.run(ZeroDivisionError("ours"), "--json")
    assert (code, err) == (1, "")
    told = json.loads(out)["error"]
    assert told["type"] == "UnexpectedError"
    assert "WEIGHBRIDGE_DEBUG=1" in told["hint"]


def test_a_hostile_name_in_an_error_cannot_drive_the_terminal(scene: _Scene) -> None:
    _, _, err = scene.run(InputError("no such file: \x1b[2J\x1b[32mverified\r\n\u202egood"))
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert len(err.splitlines()) == 1


def test_a_defect_shows_its_traceback_only_to_who_asks(
    scene: _Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = scene.run(ZeroDivisionError("ours"))
    assert code == 1
    assert "WEIGHBRIDGE_DEBUG=1" in err
    monkeypatch.setenv("WEIGHBRIDGE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        scene.run(ZeroDivisionError("ours"))


@pytest.mark.needs("bash")
def test_a_reader_that_goes_away_is_no_error_to_shout_about(tmp_path: Path) -> None:
    """`weighbridge … | head -1`: the pipe closes while we write."""
    script = (
        f'"{sys.executable}" -c "import weighbridge_cli.main as m, click, sys; '
        "import importlib; k = importlib.import_module('weighbridge_cli.commands.key'); "
        "k.command = click.Command('key', callback=lambda: [click.echo('x' * 9999) for _ in range(99)]); "
        "sys.exit(m.run(['key']))\" | head -c 10"
    )
    run = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment(), timeout=60
    )
    assert run.stdout == "x" * 10
    assert run.stderr == ""


def test_json_output_holds_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"name": "a\x7f\u009b31m\u202eb\u2028\U000e0041", "kept": "ä \u6f22 🙂"}
    terminal.print_json(document)
    told = capsys.readouterr().out
    assert json.loads(told) == document
    assert all(c.isprintable() or c == "\n" for c in told)
    assert "ä \u6f22 🙂" in told
