# SPDX-License-Identifier: Apache-2.0
"""`serve`: a registry in seconds, and plain words where it can't."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import urllib3

from tests.commands import environment, weighbridge


def _start(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "weighbridge_cli", "serve", "--data", str(folder), "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    return process, process.stdout.readline()


def _stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    finally:
        process.kill()
        if process.stdout:
            process.stdout.close()


def test_it_says_where_it_is_serves_pages_and_keeps_its_log(tmp_path: Path) -> None:
    process, line = _start(tmp_path / "data")
    url = line.removeprefix("weighbridge is ready: ").strip()
    try:
        page = urllib3.request("GET", url, timeout=30, retries=False)
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        log = urllib3.request("GET", f"{url}api/v1/log", timeout=30, retries=False).json()
        assert log["size"] == 1
    finally:
        assert _stop(process) == 0
    keys = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and "key" in path.name]
    assert keys
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
    process, line = _start(tmp_path / "data")
    url = line.removeprefix("weighbridge is ready: ").strip()
    try:
        again = urllib3.request("GET", f"{url}api/v1/log", timeout=30, retries=False).json()
        assert (again["origin"], again["size"]) == (log["origin"], 1)
    finally:
        assert _stop(process) == 0


def test_a_taken_port_names_the_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = weighbridge("serve", "--data", tmp_path / "data", "--port", str(port))
    assert told.exit_code == 2
    assert "--port" in told.stderr


def test_two_registries_on_one_folder_are_refused(tmp_path: Path) -> None:
    process, _ = _start(tmp_path / "data")
    try:
        told = weighbridge("serve", "--data", tmp_path / "data", "--port", "0")
        assert told.exit_code == 2
        assert "another registry is running" in told.stderr
    finally:
        _stop(process)


def test_a_log_cannot_be_given_another_name(tmp_path: Path) -> None:
    process, _ = _start(tmp_path / "data", "--origin", "example.org/log")
    _stop(process)
    told = weighbridge("serve", "--data", tmp_path / "data", "--port", "0", "--origin", "example.org/other")
    assert told.exit_code == 2
    assert "example.org/log" in told.stderr


def test_a_trust_configuration_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_text("{}", encoding="ascii")
    told = weighbridge(
        "serve", "--data", tmp_path / "data", "--port", "0", "--trust-config", tmp_path / "trust.json"
    )
    assert told.exit_code == 2
    missing = weighbridge(
        "serve", "--data", tmp_path / "d", "--port", "0", "--trust-config", tmp_path / "no.json"
    )
    assert missing.exit_code == 2
    assert "no.json" in missing.stderr
