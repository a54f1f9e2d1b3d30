# SPDX-License-Identifier: Apache-2.0
"""The step of action.yml that runs weighbridge: inputs from the environment, answers to the runner's files.

- No shell sees an input, and an input is never an option: `--option=value`, and `--` before the rest.
- A private key exists as a file only while weighbridge runs, readable by this user only.
- Models and registries are strangers. Their text can't command the runner (its log is quoted with
  stop-commands), can't begin a second output (random delimiters), and is no markup in the summary.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
# Which inputs a command takes, beside `path` and `program`; what it does not take is refused, not ignored.
INPUTS = {
    "publish": ("release", "registry", "key", "key-passphrase", "card", "lineage", "log-key", "trust-config"),
    "sign": ("key", "key-passphrase", "trust-config"),
    "verify": (
        *(
            "release",
            "registry",
            "public-key",
            "identity",
            "issuer",
            "record",
            "log-key",
            "policy",
            "trust-config",
        ),
    ),
}
EVERY_INPUT = sorted({name for names in INPUTS.values() for name in names})
# Answers of `publish --json` and `sign --json` → outputs of the action.
OUTPUTS = {
    "model_digest": "model-digest",
    "signature": "signature",
    "record": "record",
    "index": "entry",
    "url": "page",
}
EXECUTION_ORDER = (3, 4, 5, 1, 2, 6, 7, 8, 9, 10, 11)  # the first step that fails in it is the reason
PASSPHRASE = "WEIGHBRIDGE_ACTION_PASSPHRASE"  # noqa: S105 - the name of a variable, no password
PEM = "-----BEGIN "
MAX_CELL = 1000  # characters; a runner refuses summaries longer than 1 MiB
MAX_KEY_FILE = 4096  # bytes
MAX_WARNINGS = 10  # a runner shows no more than ten of a step
USAGE = 2

Rows = Sequence[tuple[str, str]]


def given(name: str) -> str:
    """Return an input, or the empty string."""
    return os.environ.get(f"INPUT_{name.upper().replace('-', '_')}", "")


def printable(text: str) -> str:
    """Text of a stranger in one line: control characters and what turns the direction are shown, not done."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def annotate(level: str, title: str, text: str) -> None:
    """Put a message at the top of the job (`level`: error, warning). `title` is ours, `text` anybody's."""
    escaped = printable(text).replace("%", "%25")
    print(f"::{level} title={title}::{escaped}", flush=True)


@contextlib.contextmanager
def quoted() -> Iterator[None]:
    """Let nothing that is printed meanwhile be a command to the runner."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", flush=True)


def refuse(words: str) -> NoReturn:
    """End with a message that the runner shows at the top of the job."""
    annotate("error", "weighbridge", words)
    sys.exit(USAGE)


def check_inputs(command: str) -> None:
    """Refuse what can only be a mistake, before anything is read or signed."""
    if command not in INPUTS:
        refuse(f"command is {command!r}; it is one of {', '.join(INPUTS)}")
    if not given("path"):
        refuse("path is missing")
    foreign = [name for name in EVERY_INPUT if given(name) and name not in INPUTS[command]]
    if foreign:
        refuse(f"{command} takes no {', '.join(foreign)}")
    if command == "publish" and not (given("release") and given("registry")):
        refuse("publish needs release and registry")
    if given("key") and not given("key").lstrip().startswith(PEM):
        refuse("key is not a private key in PEM form: give the text itself, from a secret, not a file's name")


def program() -> str:
    """Return the weighbridge to run: the one that was named, or this action's own."""
    if given("program"):
        return given("program")
    own = ROOT / ".venv" / ("Scripts/weighbridge.exe" if os.name == "nt" else "bin/weighbridge")
    if not own.exists():
        refuse("weighbridge is not installed: the step before this one has to do it")
    return str(own)


def write_private(path: Path, text: str) -> Path:
    """Write a file that nobody else can read, not even for a moment."""
    text = text.strip().replace("\r\n", "\n") + "\n"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib opens no descriptor
        file.write(text)
    return path


def options(command: str, folder: Path) -> list[str]:
    """Turn inputs into options; keys that came as text become files in `folder`."""
    found = []
    for name in INPUTS[command]:
        value = given(name)
        if name in {"key-passphrase", "log-key"} or (name, command) == ("release", "publish"):
            continue  # these are no options of the same name
        if name == "key":
            found += [f"--key={write_private(folder / 'key.pem', value)}"] if value else ["--keyless"]
        elif name == "public-key" and value.lstrip().startswith(PEM):
            found.append(f"--public-key={write_private(folder / 'wanted.pub', value)}")
        elif value:
            found.append(f"--{name}={value}")
    if given("key-passphrase"):
        found.append(f"--password-env={PASSPHRASE}")
    if command == "verify" and given("log-key"):
        found.append(f"--log-key={given('log-key')}")
    return found


def environment(command: str) -> dict[str, str]:
    """Give weighbridge what it needs and no more: no key as a variable, no token that it won't use."""
    keyless = command != "verify" and not given("key")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("INPUT_") and (keyless or not name.startswith("ACTIONS_"))
    }
    kept.setdefault("CI", "true")  # nobody is there to be asked
    kept["NO_COLOR"] = "1"
    if given("key-passphrase"):
        kept[PASSPHRASE] = given("key-passphrase")
    return kept


def run_program(arguments: Sequence[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Run weighbridge and return its exit code and its answer; progress goes to the job's log."""
    try:
        ended = subprocess.run(
            [program(), *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sys.stdout,  # one stream, so that stop-commands comes before it
            check=False,
        )
    except (OSError, ValueError) as error:  # no such program; a NUL in an input
        print(printable(f"can't run weighbridge: {error}"), flush=True)
        return USAGE, ""
    code = ended.returncode if ended.returncode >= 0 else 128 - ended.returncode
    return code, ended.stdout.decode("utf-8", "replace")


def pin_log(env: Mapping[str, str]) -> tuple[int, str]:
    """Have publish refuse any log but the one of `log-key`."""
    key = given("log-key")
    if Path(key).is_file():
        key = Path(key).read_bytes()[:MAX_KEY_FILE].decode("utf-8", "replace")
    fingerprint = hashlib.sha256(key.strip().encode()).hexdigest()
    return run_program(
        ["log", "trust", "add", f"--fingerprint={fingerprint}", "--json", "--", given("registry")], env
    )


def run(command: str) -> tuple[int, str]:
    """Run the command that was asked for; whatever it needed as a file is gone afterwards."""
    positional = [given("path"), *([given("release")] if command == "publish" else [])]
    env = environment(command)
    with tempfile.TemporaryDirectory(prefix="weighbridge-", dir=os.environ.get("RUNNER_TEMP")) as folder:
        arguments = [command, *options(command, Path(folder)), "--json", "--", *positional]
        with quoted():
            if command == "publish" and given("log-key"):
                code, answer = pin_log(env)
                if code:
                    return code, answer
            return run_program(arguments, env)


def write_outputs(values: Mapping[str, Any]) -> None:
    """Give the job its outputs. The delimiter is random: no value can hold it."""
    target = os.environ.get("GITHUB_OUTPUT")
    if not target:
        return
    with Path(target).open("a", encoding="utf-8") as file:
        for name, value in values.items():
            delimiter = f"end-{secrets.token_hex(16)}"
            file.write(f"{name}<<{delimiter}\n{'' if value is None else value}\n{delimiter}\n")


def show(title: str, rows: Rows) -> None:
    """Show the result in the job's log and on its page. Title and row names are ours, values anybody's."""
    shown = [(name, printable(value)) for name, value in rows]
    print(title)
    with quoted():
        for name, value in shown:
            print(f"  {name:<14} {value}")
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    # One block of HTML without an empty line: nothing in it is Markdown, and in <code> nothing is a link.
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td><code>{html.escape(value[:MAX_CELL])}</code></td></tr>\n"
        for name, value in shown
    )
    with Path(target).open("a", encoding="utf-8") as file:
        file.write(f"### {html.escape(title)}\n\n<table>\n{cells}</table>\n\n")


def tell_error(command: str, error: Mapping[str, Any]) -> None:
    """Tell why there is no result."""
    rows = [("error", str(error["message"]))]
    if step := error.get("step"):
        rows.append(("step", f"{step['n']} {step['name']}"))
    if hint := error.get("hint"):
        rows.append(("do", str(hint)))
    show(f"weighbridge {command}: refused", rows)
    annotate("error", f"weighbridge {command}", " · ".join(value for _, value in rows))


def tell_verdict(verdict: Mapping[str, Any], code: int) -> None:
    """Tell a verdict with all its steps, and the decisive one again at the top of the job."""
    conclusion = str(verdict["verdict"])
    write_outputs({"verdict": conclusion})
    steps = {step["n"]: step for step in verdict["steps"]}
    rows = [(f"{n} {step['name']}", f"{step['result']}: {step['reason']}") for n, step in steps.items()]
    signers = [("signer", who["description"]) for who in verdict["signers"] if who["wanted"]]
    show(f"weighbridge verify: {conclusion}", [("path", given("path")), *signers, *rows])
    if code:
        decisive = [
            steps[n]
            for result in ("fail", "unknown")
            for n in EXECUTION_ORDER
            if n in steps and steps[n]["result"] == result
        ]
        why = [f"step {step['n']} ({step['name']}): {step['reason']}" for step in decisive[:1]]
        annotate("error", "weighbridge verify", " · ".join([conclusion, *why]))


def tell_done(command: str, document: Mapping[str, Any]) -> None:
    """Tell what was signed or recorded."""
    found = {output: document[name] for name, output in OUTPUTS.items() if document.get(name) is not None}
    write_outputs(found)
    rows = [("release", str(document["release"]))] if "release" in document else [("path", given("path"))]
    rows += [("signer", str(document["signer"])), *((name, str(value)) for name, value in found.items())]
    show(f"weighbridge {command}: done", rows)
    for warning in document.get("warnings", [])[:MAX_WARNINGS]:
        annotate("warning", f"weighbridge {command}", str(warning))


def tell(command: str, code: int, document: Any) -> None:
    """Turn weighbridge's answer into outputs, a summary and annotations."""
    if "error" in document:
        tell_error(command, document["error"])
    elif command == "verify":
        tell_verdict(document, code)
    else:
        tell_done(command, document)


def stop(number: int, _frame: object) -> NoReturn:
    """End as after an error when the job is cancelled, so that the key's file is removed."""
    sys.exit(128 + number)


def main() -> int:
    """Run, tell, and end as weighbridge ended."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # Names may hold what this runner's locale can't say; a message is no reason to die.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]  # they are files here
    command = given("command") or "publish"
    check_inputs(command)
    code, answer = run(command)
    try:
        tell(command, code, json.loads(answer))
    except (ValueError, LookupError, TypeError, AttributeError):
        with quoted():
            print(answer)
        annotate("error", f"weighbridge {command}", "weighbridge gave no answer: see the log above")
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main())
