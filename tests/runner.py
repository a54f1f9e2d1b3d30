# SPDX-License-Identifier: Apache-2.0
"""A runner of GitHub Actions, as far as a composite action meets it: files, variables, log commands.

Stricter than the real one: an expression that it doesn't know, an input that the action doesn't have
and a malformed output file are errors here, where a runner shrugs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Job", "Runner", "evaluate", "executed_commands"]

_EXPRESSION = re.compile(r"\$\{\{\s*([a-z]+(?:\.[A-Za-z0-9_-]+)+)\s*\}\}")
_HEREDOC = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)<<(\S+)")
_SINGLE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)=(.*)")
_COMMAND = re.compile(r"\s*::([a-z-]+)(?: ([^:]*))?::(.*)")
_OLD_COMMAND = re.compile(r"##\[([a-z-]+)[^\]]*\](.*)")
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_SECONDS = 100


def evaluate(text: str, contexts: Mapping[str, Any]) -> str:
    """Replace each `${{ a.b }}` by its value; whatever else stands between braces is an error."""

    def value(match: re.Match[str]) -> str:
        found: Any = contexts
        for name in match[1].split("."):
            found = found[name]
        assert isinstance(found, str), f"{match[0]} is no text"
        return found

    assert "${{" not in _EXPRESSION.sub("", text), f"an expression that this evaluator doesn't know: {text}"
    return _EXPRESSION.sub(value, text)


def executed_commands(log: str) -> list[tuple[str, str]]:
    """Which lines of a step's log the runner would obey, as (command, text)."""
    found: list[tuple[str, str]] = []
    waiting_for: str | None = None
    for line in re.split(r"\r\n|\r|\n", log):
        command = _COMMAND.fullmatch(line)
        if waiting_for is not None:
            if line.strip() == f"::{waiting_for}::":
                waiting_for = None
            continue
        if command is not None and command[1] == "stop-commands":
            waiting_for = command[3]
        elif command is not None:
            found.append((command[1], command[3]))
        elif (old := _OLD_COMMAND.search(line)) is not None:
            found.append((old[1], old[2]))
    assert waiting_for is None, "the log is quoted to its end"
    return found


@dataclass
class Job:
    """What an action's steps left behind."""

    exit_code: int = 0
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What the runner would have obeyed."""
        return executed_commands(self.log)

    @property
    def errors(self) -> str:
        """The messages at the top of the job."""
        return "\n".join(text for command, text in self.commands if command == "error")


@dataclass
class Runner:
    """One machine with its workspace; `action` is the folder that holds action.yml."""

    action: Path
    workspace: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP."""
        return self.workspace.with_name("runner-temp")

    def environment(self, **more: str) -> dict[str, str]:
        """Variables of a step; nothing of whoever runs the suite gets in."""
        home = self.workspace.with_name("runner-home")
        for folder in (home, self.temp, self.workspace):
            folder.mkdir(exist_ok=True)
        files = {
            name: self.temp.with_name(name.lower())
            for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_ENV")
        }
        for file in files.values():
            file.write_text("", encoding="utf-8")
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            **{name: str(file) for name, file in files.items()},
            "HOME": str(home),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION_PATH": str(self.action),
            "RUNNER_TEMP": str(self.temp),
            **self.variables,
            **more,
        }

    def definition(self) -> dict[str, Any]:
        """Give action.yml as a document."""
        document = yaml.safe_load((self.action / "action.yml").read_text(encoding="utf-8"))
        assert isinstance(document, dict)
        return document

    def use(self, inputs: Mapping[str, str]) -> Job:
        """Run the action as `uses:` with these inputs does."""
        definition = self.definition()
        known = definition["inputs"]
        assert set(inputs) <= set(known), f"inputs that the action doesn't have: {set(inputs) - set(known)}"
        contexts: dict[str, Any] = {
            "inputs": {name: inputs.get(name, member.get("default", "")) for name, member in known.items()},
            "steps": {},
        }
        job = Job()
        for step in definition["runs"]["steps"]:
            self._run_step(step, contexts, job)
            if job.exit_code:
                break
        outputs = {
            name: evaluate(member["value"], _Forgiving(contexts))
            for name, member in definition["outputs"].items()
        }
        job.outputs = {name: value for name, value in outputs.items() if value}
        return job

    def script(
        self, step: Mapping[str, Any], contexts: Mapping[str, Any]
    ) -> tuple[list[str], dict[str, str]]:
        """Give the command line and the environment of one `run:` step."""
        assert step["shell"] == "bash"
        env = self.environment(
            **{name: evaluate(value, contexts) for name, value in step.get("env", {}).items()}
        )
        script = self.temp.with_name("step.sh")
        script.write_text(evaluate(step["run"], contexts), encoding="utf-8")
        return ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], env

    def _run_step(self, step: Mapping[str, Any], contexts: dict[str, Any], job: Job) -> None:
        command, env = self.script(step, contexts)
        done = subprocess.run(
            command,
            cwd=self.workspace,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
        job.exit_code = done.returncode
        job.log += done.stdout.decode()
        job.summary += Path(env["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")
        assert not Path(env["GITHUB_PATH"]).read_text(encoding="utf-8")
        assert not Path(env["GITHUB_ENV"]).read_text(encoding="utf-8")
        outputs = _read_outputs(Path(env["GITHUB_OUTPUT"]).read_text(encoding="utf-8"))
        if "id" in step:
            contexts["steps"][step["id"]] = {"outputs": outputs}


class _Forgiving(dict[str, Any]):
    """Contexts in which an output that no step has set is empty, as on a runner."""

    def __getitem__(self, name: str) -> Any:
        found = self.get(name, "")
        return _Forgiving(found) if isinstance(found, dict) else found


def _read_outputs(text: str) -> dict[str, str]:
    """Read a GITHUB_OUTPUT file; each name once."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if (start := _HEREDOC.fullmatch(line)) is not None:
            value = []
            for inner in lines:
                if inner == start[2]:
                    break
                value.append(inner)
            else:
                raise AssertionError(f"the output {start[1]} does not end")
            name, content = start[1], "\n".join(value)
        else:
            single = _SINGLE.fullmatch(line)
            assert single is not None, f"not an output: {line!r}"
            name, content = single[1], single[2]
        assert name not in found, f"the output {name} was set twice"
        found[name] = content
    return found
