# SPDX-License-Identifier: Apache-2.0
"""Several worker processes of one registry: a parent that starts them, restarts them, and stops them.

The parent opens the socket and takes the data folder, then forks. It has no database and no
threads: nothing that a fork would tear. The first worker starts alone, since it may have to make
keys, migrate the database and heal the log; the others follow when it answers. A worker that dies is
started again, after a pause that grows while it dies at once. Workers end when the parent does:
they hold one end of a pipe that closes with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn

from starlette.types import ASGIApp

from . import metrics
from .log.bells import Crew
from .service import take_folder
from .serving import DRAIN_SECONDS, address_of, listen, serve_on
from .settings import Settings
from .store.files import DataFolder
from .store.locks import FileLock

__all__ = ["serve_workers"]

_LOG: Final = logging.getLogger("weighbridge.registry")
_LOOK_SECONDS: Final = 0.1
_KILL_SECONDS: Final = DRAIN_SECONDS + 2
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 30.0
_STEADY_SECONDS: Final = 60.0


def serve_workers(
    make_app: Callable[[Crew], ASGIApp],
    settings: Settings,
    workers: int,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve with several processes until SIGTERM or SIGINT.

    `make_app` is called in each worker; `on_ready` in the parent, when the first of them answers.
    Returns in the parent only; what a worker raises while it starts leaves this function in that
    worker. Raises `SystemExit` with the code of a first worker that could not start; it has said
    why. Raises `InputError` as `serving.listen` does, and if another registry has the data folder.
    """
    parent = os.getpid()
    folder = DataFolder(settings.data)
    folder.make()
    lock = FileLock(folder.lock)
    with contextlib.closing(listen(settings.host, settings.port)) as listening:
        if settings.database_url is None:
            take_folder(lock)
        counted = tempfile.mkdtemp(prefix="weighbridge-metrics-")
        os.environ[metrics.FOLDER_VARIABLE] = counted
        try:
            _Supervisor(make_app, listening, workers, on_ready).run()
        finally:
            if os.getpid() == parent:
                shutil.rmtree(counted, ignore_errors=True)
                os.environ.pop(metrics.FOLDER_VARIABLE, None)
            lock.release()


@dataclass(slots=True)
class _Worker:
    """One place of the crew, and the process that has it now."""

    number: int
    pid: int | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    due: float = 0.0
    """Monotonic time at which it is to be started."""


class _Supervisor:
    """The parent's loop."""

    def __init__(
        self,
        make_app: Callable[[Crew], ASGIApp],
        listening: socket.socket,
        workers: int,
        on_ready: Callable[[str], None] | None,
    ) -> None:
        self._make_app = make_app
        self._listening = listening
        self._on_ready = on_ready
        self._crew = Crew.of(workers)
        self._workers = [_Worker(number) for number in range(workers)]
        self._alive, self._held = os.pipe()  # the parent alone keeps the second end
        self._readied, self._ready = os.pipe()
        self._answers = False
        self._stopping = False

    def run(self) -> None:
        """Start workers and look after them; returns when they have ended."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self._stopping:
                self._start_due()
                if select.select([self._readied], [], [], _LOOK_SECONDS)[0]:
                    os.read(self._readied, 64)
                    self._tell_ready()
                self._reap()
            self._end()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _tell_ready(self) -> None:
        if not self._answers:
            self._answers = True
            if self._on_ready is not None:
                self._on_ready(address_of(self._listening))

    def _start_due(self) -> None:
        for worker in self._workers if self._answers else self._workers[:1]:
            if worker.pid is None and time.monotonic() >= worker.due:
                self._fork(worker)

    def _fork(self, worker: _Worker) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        both = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches us through the parent
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        if pid == 0:
            self._work(worker.number)
        worker.pid, worker.started = pid, time.monotonic()

    def _work(self, number: int) -> NoReturn:
        """Be a worker, and end without taking the interpreter apart: everything is closed."""
        os.close(self._held)
        threading.Thread(
            target=_end_with, args=(self._alive,), name="weighbridge-parent", daemon=True
        ).start()
        app = self._make_app(self._crew.member(number))
        serve_on(self._listening, app, lambda _url: _write(self._ready), (signal.SIGTERM,))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _reap(self) -> None:
        """Note who has died, and when to start again."""
        for worker in self._workers:
            if worker.pid is None:
                continue
            found, status = os.waitpid(worker.pid, os.WNOHANG)
            if not found:
                continue
            code = os.waitstatus_to_exitcode(status)
            if not self._answers and code > 0:
                raise SystemExit(code)
            lived = time.monotonic() - worker.started
            worker.pause = _FIRST_PAUSE if lived > _STEADY_SECONDS else min(worker.pause * 2, _LONGEST_PAUSE)
            worker.pid, worker.due = None, time.monotonic() + worker.pause
            _LOG.warning(
                "worker %d ended (%d); it is started again in %.1f s", worker.number, code, worker.pause
            )

    def _end(self) -> None:
        """Ask all workers to drain, and kill those that do not."""
        running = {worker.pid for worker in self._workers if worker.pid is not None}
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _KILL_SECONDS
        while running and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS / 4)
            running = {pid for pid in running if not os.waitpid(pid, os.WNOHANG)[0]}
        for pid in running:
            _LOG.error("a worker did not end in %d s; it is killed", _KILL_SECONDS)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _end_with(parent: int) -> None:
    """Wait for the end of the parent, then drain; a process that hangs in that is ended."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_KILL_SECONDS)
    os._exit(1)


def _write(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # the parent has gone
        os.write(descriptor, b"!")
