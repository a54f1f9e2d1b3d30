# SPDX-License-Identifier: Apache-2.0
"""Real registries for tests: a process of its own, on a free loopback port, in a temporary folder.

    def test_something(registry: Registry) -> None:      # one registry for a module
        RegistryClient(registry.url).log()

    with running_registry() as registry: ...             # one of your own
        registry.kill(); registry.start()                # dies and comes back on the same port

`weighbridge serve` is what runs, with pages; knobs (small limits, a crash at a step) run
`tests.registry_process`, which has none.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.homes import arguments_of

__all__ = ["Registry", "free_port", "registry", "registry_here", "running_registry"]

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("schemas", "cli", "registry", "web", ".")
_READY_SECONDS = 110.0


@dataclass
class Registry:
    """One registry, running or not. `data` is its data folder, `url` where it answers."""

    data: Path
    port: int
    arguments: Sequence[str] = ()
    knobs: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    end_here: Callable[[], None] | None = None
    """Stops one that runs in this process (`registry_here`)."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    @property
    def _output(self) -> Path:
        return self.data.with_name(f"{self.data.name}.output")

    @property
    def origin(self) -> str:
        return str(self.get("/api/v1/log")["origin"])

    @property
    def vkey(self) -> str:
        return str(self.get("/api/v1/log")["vkey"])

    def start(self, *, wait: bool = True) -> None:
        """Start the process; with `wait` until it answers `/readyz`."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(_ROOT / name) for name in _PACKAGES)}
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self._command(),
                env=environment,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if wait:
            self._wait()

    def start_restored(self) -> None:
        """Start from an old copy as an operator does who claims that it is the newest."""
        shown = (self.data / "public" / "checkpoint").read_text()
        claim = self.data.with_name(f"{self.data.name}.claim")
        claim.write_text(shown)
        arguments, knobs = self.arguments, self.knobs
        if knobs:
            self.knobs = knobs | {"saw_checkpoints": [shown]}
        else:
            self.arguments = [*arguments, "--saw-checkpoint", str(claim)]
        self.start()
        self.arguments, self.knobs = arguments, knobs

    def stop(self) -> int:
        """Ask it to stop, wait, return its exit code."""
        if self.end_here is not None:
            self.end_here()
            return 0
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would: nothing is finished, nothing is closed."""
        self._end(signal.SIGKILL)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait until it has ended by itself."""
        assert self.process is not None
        return self.process.wait(timeout)

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return urllib3.request("GET", self.url + path, retries=False, timeout=30).json()

    def post(self, bundles: Sequence[bytes]) -> urllib3.BaseHTTPResponse:
        """Submit bundles as JSON Lines."""
        return urllib3.request(
            "POST",
            f"{self.url}/api/v1/statements",
            body=b"\n".join(bundles) + b"\n",
            headers={"Content-Type": "application/jsonl"},
            retries=False,
            timeout=60,
        )

    def _command(self) -> list[str]:
        told = {"--database-url", "--storage", "--read-only"} & {*self.arguments}
        place = {} if told else arguments_of(self.data)
        if self.knobs or importlib.util.find_spec("weighbridge_cli.commands.serve") is None:
            knobs = json.dumps(place | self.knobs)
            module = ["tests.registry_process", str(self.data), str(self.port), knobs]
        else:
            module = ["weighbridge_cli", "serve", "--data", str(self.data), "--port", str(self.port)]
            module += [f"--{name.replace('_', '-')}={value}" for name, value in place.items()]
        return [sys.executable, "-m", *module, *self.arguments]

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the registry ended with {self.process.returncode}:\n{self.output}")
            try:
                if urllib3.request("GET", f"{self.url}/readyz", retries=False, timeout=2).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the registry is not ready after {_READY_SECONDS} s:\n{self.output}")

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(10)
            self.process = None


@contextmanager
def running_registry(
    folder: Path | None = None, *, arguments: Sequence[str] = (), wait: bool = True, **knobs: Any
) -> Iterator[Registry]:
    """Run a registry until the block ends. Its data folder goes with it unless `folder` is given.

    `arguments` go to `weighbridge serve`; `knobs` are those of `tests.registry_process`.
    """
    temporary = None if folder is not None else tempfile.mkdtemp(prefix="weighbridge-registry-")
    parent = folder if folder is not None else Path(str(temporary))
    one = Registry(parent / "data", free_port(), arguments, knobs)
    try:
        one.start(wait=wait)
        yield one
    finally:
        one.kill()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def registry_here(folder: Path, **settings: Any) -> Iterator[Registry]:
    """Run a registry with pages in a thread of this process: over real HTTP, and much faster to start.

    It stops with the block, or when it is told to; its data stay in `folder`. `settings` are those of
    `Settings`.
    """
    from tests.web.serving import served  # noqa: PLC0415 - takes seconds, and tests/conftest.py needs this module
    from weighbridge_registry.settings import Settings  # noqa: PLC0415 - as above
    from weighbridge_web.app import create_app  # noqa: PLC0415 - as above

    app = create_app(Settings(data=folder / "data", public_sigstore=False, **settings))
    with ExitStack() as running:
        url = running.enter_context(served(app))
        yield Registry(folder / "data", int(url.rpartition(":")[2]), end_here=running.close)


def free_port() -> int:
    """A loopback port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """A fresh registry for the tests of one module."""
    with running_registry() as one:
        yield one
