# SPDX-License-Identifier: Apache-2.0
"""Make what several registries of one log share before they run: keys, entry 0, a witness policy.

    prepare.py --data DIR --copy DIR… --witness DIR --witness-url URL --policy FILE -- SERVE-OPTIONS…

Starts a registry on `--data` once, so that keys and entry 0 are made; starts a witness on `--witness` once,
so that its key is made for this log; writes the policy by which the registries ask it; copies the log key,
and nothing else, to each `--copy`. What is there already is left alone: run again, it changes nothing.
SERVE-OPTIONS are those of `weighbridge serve` that all the registries have (`--database-url`, `--storage`,
`--origin`).

A witness that you run yourself proves nothing to others: it shows that the configuration works. Add other
people's lines to the policy (docs/operate.md).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY = "log.key"
PROGRAM = [sys.executable, "-m", "weighbridge_cli"]


def main() -> None:
    """Read the arguments, and make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("data", "witness", "policy"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--copy", type=Path, action="append", default=[])
    parser.add_argument("--witness-url", required=True)
    parser.add_argument("serve", nargs="*")
    given = parser.parse_args()
    if not given.policy.exists():
        vkey = log_key(given.data, given.serve)
        name, witness_vkey = witness_key(given.witness, vkey)
        text = (
            f"log {vkey}\nwitness {name} {witness_vkey} {given.witness_url}\n"
            f"group own all {name}\nquorum own\n"
        )
        given.policy.parent.mkdir(parents=True, exist_ok=True)
        new = given.policy.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(given.policy)
    for copy in given.copy:
        copy_key(given.data / "keys", copy / "keys")
    print(given.policy.read_text(encoding="utf-8"), end="")


def log_key(data: Path, options: list[str]) -> str:
    """Start a registry on a data folder, and ask for the log's key."""
    with started("serve", "--data", str(data), "--port", "0", *options) as line:
        url = line.removeprefix("weighbridge is ready: ").strip()
        with urllib.request.urlopen(f"{url}api/v1/log", timeout=30) as answer:  # noqa: S310 - our own, loopback
            return str(json.load(answer)["vkey"])


def witness_key(data: Path, vkey: str) -> tuple[str, str]:
    """Start a witness for a log, and read its name and key from the line that it prints."""
    name = f"{vkey.partition('+')[0]}/own-witness"
    with started(
        "log", "witness", "--data", str(data), "--name", name, "--log", vkey, "--port", "0", lines=2
    ) as line:
        _, found, key, _ = line.split()
        return found, key


@contextmanager
def started(*arguments: str, lines: int = 1) -> Iterator[str]:
    """Run a command until the block ends; gives the last of the first lines that it prints."""
    with subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise SystemExit("no output")
            line = ""
            for _ in range(lines):
                line = process.stdout.readline()
            if not line:
                raise SystemExit(f"weighbridge {arguments[0]} did not start")
            yield line
        finally:
            process.terminate()
            process.wait(30)


def copy_key(keys: Path, to: Path) -> None:
    """Copy the log key to another registry of the same log, unless it has it; the operator's stays here."""
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (to / KEY).exists():
        return
    new = to / f"{KEY}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write((keys / KEY).read_bytes())
        file.flush()
        os.fsync(file.fileno())
    new.replace(to / KEY)


if __name__ == "__main__":
    main()
