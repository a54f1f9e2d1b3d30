# SPDX-License-Identifier: Apache-2.0
"""What operators are given to start from: the unit for systemd, the compose file, and what prepares it.

No container runs here. The commands of the compose file do, as they stand in it, each as a process of this
machine: two registries, a real PostgreSQL, a real S3 server, a witness.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.commands import environment
from tests.registries import Registry, free_port
from tests.registry.publishers import Publisher
from tests.registry.test_workers import wait_for
from weighbridge_cli.commands.log import command as log_command
from weighbridge_cli.commands.serve import command as serve_command

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "weighbridge.service"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]


@pytest.mark.needs("systemd")
def test_systemd_takes_the_unit_and_finds_little_that_it_could_do(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/weighbridge/bin/weighbridge", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False, timeout=60
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", copy],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", rated.stdout)
    assert level is not None, rated.stdout
    assert float(level[1]) <= 1.5


def test_the_commands_that_operators_are_given_are_ones_that_there_are() -> None:
    given = [one["command"] for one in SERVICES.values() if one.get("image") == "weighbridge"]
    started = [words for words in given if words[0] in {"serve", "log"}]
    assert sorted(words[0] for words in started) == ["log", "serve", "serve"]
    unit = next(line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart="))
    started.append(unit.split()[1:-1])
    for name, *words in started:
        command: click.Command = serve_command if name == "serve" else log_command
        assert command.make_context(name, list(words), resilient_parsing=True)
        options = {option for one in serve_command.params for option in one.opts}
        if name == "serve":
            assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options


def test_no_password_stands_in_the_compose_file() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for name in ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        assert "${" + name + ":?}" in text
        assert not re.search(r"\$\{" + name + r"(?!:\?\})", text), "without a value it does not start"


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command of weighbridge until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "weighbridge_cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.faults
@pytest.mark.needs("postgresql", "unprivileged")
def test_the_processes_of_the_compose_file_work_together(tmp_path: Path) -> None:
    from tests.registry.postgres import running_cluster  # noqa: PLC0415 - with what few tests need
    from tests.registry.s3 import running_s3  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster())
        s3 = stack.enter_context(running_s3())
        ports = {name: free_port() for name in ("witness", "registry1", "registry2")}
        translated = _translated(tmp_path, cluster.address, s3.address("log"), ports)
        prepare = [
            sys.executable,
            str(ROOT / "deploy" / "prepare.py"),
            *translated(SERVICES["prepare"]["command"], "registry1"),
        ]
        for _ in range(2):  # run again it changes nothing
            made = subprocess.run(
                prepare, capture_output=True, text=True, check=False, timeout=600, env=environment()
            )
            assert made.returncode == 0, made.stdout + made.stderr
        witness = translated(SERVICES["witness"]["command"], "witness")
        assert stack.enter_context(running(*witness, "--port", str(ports["witness"]))).stdout is not None
        registries = {}
        for name in ("registry1", "registry2"):
            words = translated(SERVICES[name]["command"], name)
            one = registries[name] = _Composed(tmp_path / name, ports[name], words[1:])
            stack.callback(one.kill)
            one.start()
        first, second = registries["registry1"], registries["registry2"]
        origin = first.origin
        assert second.origin == origin
        assert first.post(Publisher(origin, "one", "one").start()).status == 201
        assert second.post(Publisher(origin, "two", "two").start()).status == 201
        wait_for(lambda: first.get("/api/v1/log")["size"] == second.get("/api/v1/log")["size"] == 5)
        assert [first.get("/api/v1/log")["quorum"], second.get("/api/v1/log")["quorum"]] == ["met", "met"]
        assert len(first.get("/api/v1/log")["witnesses"]) == 1
        first.kill()  # whichever leads: the other goes on
        wait_for(_takes(second, Publisher(origin, "three", "three").start()))
        first.start()
        second.kill()
        wait_for(_takes(first, Publisher(origin, "four", "four").start()))
        assert first.get("/api/v1/log")["size"] == 9
        assert first.get("/api/v1/log")["quorum"] == "met"
        place = ("--database-url", cluster.address, "--storage", s3.address("log"))
        checked = subprocess.run(
            [sys.executable, "-m", "weighbridge_cli", "log", "fsck", "--data", str(first.data), *place],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            env=environment(),
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert first.stop() == 0


class _Composed(Registry):
    """A registry with the very options that the compose file gives it."""

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "weighbridge_cli", "serve", *self.arguments, "--port", str(self.port)]


def _takes(registry: Registry, bundles: list[bytes]) -> Callable[[], bool]:
    return lambda: registry.post(bundles).status in {200, 201}


def _translated(
    folder: Path, database: str, storage: str, ports: dict[str, int]
) -> Callable[[list[str], str], list[str]]:
    """Put folders and addresses of this machine for those of the containers; options stay as they are."""

    def translate(words: list[str], name: str) -> list[str]:
        changed = []
        for word in words:
            option, equals, value = word.partition("=")
            if value.startswith("/policy/"):
                value = f"{folder}{value}"
            elif value.startswith("/"):
                value = str(folder / {"/data": name, "/data2": "registry2", "/witness": "witness"}[value])
            elif option == "--host":
                value = "127.0.0.1"
            elif option == "--database-url":
                value = database
            elif option == "--storage":
                value = storage
            elif value.startswith("http://"):
                value = f"http://127.0.0.1:{ports[value.removeprefix('http://').partition(':')[0]]}"
            changed.append(f"{option}{equals}{value}")
        return changed

    return translate
