# SPDX-License-Identifier: Apache-2.0
"""The step of action.yml that runs weighbridge: inputs from the environment, outputs to the runner's files.

No shell sees an input, no output can begin a second one, and a private key exists as a file only
while weighbridge runs.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Input → option, for each command. `path` comes first in all of them.
OPTIONS = {
    "publish": {"registry": "--registry", "lineage": "--lineage", "trust-config": "--trust-config"},
    "sign": {"trust-config": "--trust-config"},
    "verify": {
        "release": "--release",
        "public-key": "--public-key",
        "identity": "--identity",
        "issuer": "--issuer",
        "record": "--record",
        "registry": "--registry",
        "log-key": "--log-key",
        "trust-config": "--trust-config",
    },
}
PASSPHRASE = "WEIGHBRIDGE_ACTION_PASSPHRASE"  # noqa: S105 - the name of a variable, no password


def given(name: str) -> str:
    """Return an input, or the empty string."""
    return os.environ.get(f"INPUT_{name.upper().replace('-', '_')}", "")


def refuse(words: str) -> None:
    """End with a message that the runner shows at the top of the job."""
    print(f"::error title=weighbridge::{words}")
    sys.exit(2)


@contextlib.contextmanager
def key_file() -> Iterator[list[str]]:
    """Options for signing; the key lies in a file of the runner's private folder meanwhile."""
    key = given("key")
    if not key:
        yield []
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("RUNNER_TEMP")) as folder:
        path = Path(folder) / "key.pem"
        path.touch(mode=0o600)
        path.write_text(key if key.endswith("\n") else f"{key}\n", encoding="ascii")
        yield ["--key", str(path), *(["--password-env", PASSPHRASE] if given("key-passphrase") else [])]


def run_weighbridge(command: str) -> subprocess.CompletedProcess[str]:
    """Run the one command that was asked for."""
    arguments = [os.environ["PROGRAM"], command, given("path")]
    if command == "publish":
        arguments.append(given("release"))
    for name, option in OPTIONS[command].items():
        if given(name):
            arguments.append(f"{option}={given(name)}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INPUT_KEY")}
    environment[PASSPHRASE] = given("key-passphrase")
    with key_file() if command != "verify" else contextlib.nullcontext([]) as signing:
        arguments += [*signing, "--json"]
        return subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=False)


def write_outputs(values: dict[str, Any]) -> None:
    """Give the job its outputs, one line each."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        for name, value in values.items():
            line = "" if value is None else str(value)
            if "\n" in line or "\r" in line:
                refuse(f"the output {name} has more than one line")
            file.write(f"{name}={line}\n")


def write_summary(title: str, rows: list[tuple[str, str]]) -> None:
    """Show the result on the job's page. Names are strangers' text: nothing of them is markup."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td><code>{html.escape(value)}</code></td></tr>\n"
        for name, value in rows
    )
    with Path(target).open("a", encoding="utf-8") as file:
        file.write(f"### {html.escape(title)}\n\n<table>\n{cells}</table>\n")


def tell(command: str, document: dict[str, Any]) -> None:
    """Turn weighbridge's JSON into outputs and a summary."""
    if "error" in document:
        error = document["error"]
        write_outputs({"verdict": "failed"} if command == "verify" else {})
        rows = [("error", error["message"])]
        if error.get("step"):
            rows.append(("step", f"{error['step']['n']} ({error['step']['name']})"))
        rows += [("do", error["hint"])] if error.get("hint") else []
        write_summary(f"weighbridge {command}: refused", rows)
        print(f"::error title=weighbridge {command}::{_annotation(error['message'])}")
    elif command == "verify":
        write_outputs({"verdict": document["verdict"]})
        steps = [(f"{s['n']} {s['name']}", f"{s['result']}: {s['reason']}") for s in document["steps"]]
        write_summary(f"weighbridge verify: {document['verdict']}", steps)
    else:
        names = ("model_digest", "url", "index", "signature", "record")
        write_outputs({name.replace("_", "-"): document.get(name) for name in names if name in document})
        rows = [
            (name.replace("_", " "), str(document[name])) for name in names if document.get(name) is not None
        ]
        write_summary(f"weighbridge {command}: {document.get('release', given('path'))}", rows)


def _annotation(text: str) -> str:
    """Escape what has a meaning in a runner's command line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def main() -> int:
    """Run, tell, and end as weighbridge ended."""
    command = given("command")
    if command not in OPTIONS:
        refuse(f"command is one of {', '.join(OPTIONS)}")
    if not given("path"):
        refuse("path is missing")
    if given("path").startswith("-"):
        refuse("path begins with a dash: write ./ before it")
    if command == "publish" and not (given("release") and given("registry")):
        refuse("publish needs release and registry")
    ended = run_weighbridge(command)
    print(ended.stdout, end="")
    try:
        tell(command, json.loads(ended.stdout))
    except (ValueError, KeyError, TypeError):
        return ended.returncode or 1
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
