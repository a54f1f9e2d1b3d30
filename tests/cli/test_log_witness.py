# SPDX-License-Identifier: Apache-2.0
"""`log witness` beside `serve --witness-policy`: two processes, as two people would run them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from tests.commands import environment, weighbridge_here
from weighbridge import tlog


@contextmanager
def running(*arguments: str) -> Iterator[list[str]]:
    """Run a command that serves; gives the first two lines that it prints, and stops it as Ctrl-C would."""
    process = subprocess.Popen(
        [sys.executable, "-m", "weighbridge_cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        yield [process.stdout.readline().strip() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.stdout.close()


def log_of(line: str) -> dict[str, object]:
    url = line.rpartition(" ")[2]
    document: dict[str, object] = urllib3.request("GET", f"{url}api/v1/log", timeout=30, retries=False).json()
    return document


def test_the_printed_line_is_the_policy_s_and_the_registry_is_cosigned(tmp_path: Path) -> None:
    serve = ["serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with running(*serve) as (ready, _):
        vkey = str(log_of(ready)["vkey"])
    witness = ["log", "witness", "--data", str(tmp_path / "w"), "--name", "witness.example/w1"]
    with running(*witness, "--log", vkey, "--port", "0") as (ready, line):
        assert ready.startswith("weighbridge witness is ready: http://127.0.0.1:")
        assert line.startswith("witness witness.example/w1 witness.example/w1+")
        policy = tmp_path / "policy"
        policy.write_text(f"log {vkey}\n{line}\nquorum witness.example/w1\n")
        with running(*serve, "--witness-policy", str(policy), "--witness-timeout", "20") as (address, _):
            end = time.monotonic() + 30
            while not (document := log_of(address))["witnesses"]:
                assert time.monotonic() < end
                time.sleep(0.1)
        assert document["quorum"] == "met"
        parsed = tlog.WitnessPolicy.parse(policy.read_text())
        signed = tlog.parse_checkpoint(str(document["checkpoint"]).encode(), parsed.log_verifiers)
        assert len(parsed.satisfied(signed.note)) == 1


def test_what_a_witness_cannot_start_with_is_told(tmp_path: Path) -> None:
    data = str(tmp_path / "w")
    for arguments, code, words in (
        ([], 2, "at least one log"),
        (["--log", "nonsense"], 2, "not a verifier key"),
        (["--policy", str(tmp_path / "missing")], 2, "can't read"),
    ):
        done = weighbridge_here("log", "witness", "--data", data, *arguments)
        assert done.exit_code == code, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    done = weighbridge_here("log", "witness")
    assert done.exit_code == 2
    assert "--data" in done.stderr


def test_a_policy_that_asks_nobody_is_refused_before_anything_starts(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("quorum none\n")
    done = weighbridge_here("serve", "--data", str(tmp_path / "d"), "--witness-policy", str(policy))
    assert done.exit_code == 2
    assert "no witness with an address" in done.stderr
