# SPDX-License-Identifier: Apache-2.0
"""Registries' writers in processes of their own, told what to do line by line, for `strace` to spoil.

    python -m tests.registry.appending SOCKET

imports everything once, and forks a writer for each data folder that comes through the socket of that number,
with a socket for its orders; answers with its process number, and to `end NUMBER` when it has ended.

A writer takes `append` and `reopen`, and answers each with one line of JSON: through a
socket, since no read or write that may fail is one of ours then. `signed` in an answer are
the checkpoints that this process has signed so far, shown to anybody or not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import prometheus_client  # noqa: F401 - else loaded in the first append, whose calls would be those that fail

from tests.registry.publishers import Publisher
from weighbridge import tlog
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Limits, Settings

_LIMITS = Limits(waiting_seconds=5)
"""Who waits for an answer gets one soon, also from a disk that never reads again."""


class Writer:
    """One open service, a publisher and what has been signed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.signed: list[str] = []
        self.service = self.open()
        self.publisher = Publisher(self.service.origin, f"p{time.time_ns()}", f"p{time.time_ns()}")
        self.service.submit([self.publisher.introduction()]).result(60)
        self.number = 0

    def open(self) -> Service:
        return open_service(Settings(data=self.data, public_sigstore=False, limits=_LIMITS))

    def append(self) -> dict[str, Any]:
        """Submit a statement that was never submitted before; where it stands, or why it does not."""
        self.number += 1
        bundle = self.publisher.oms({"weights.bin": b"%d" % self.number})
        try:
            (place,) = self.service.submit([bundle]).result(60)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
            return {"refused": f"{type(error).__name__}: {error}"}
        return {"index": place.index, "bundle": bundle.decode()}

    def reopen(self) -> dict[str, Any]:
        self.service.close()
        self.service = self.open()
        return {"size": self.service.queries.log().size}


def write(data: Path, wire: socket.socket) -> None:
    """Be a writer until nobody gives orders any more."""

    def say(answer: dict[str, Any]) -> None:
        wire.sendall(json.dumps(answer).encode() + b"\n")

    sign = tlog.sign_checkpoint
    signed: list[str] = []

    def recorded(checkpoint: tlog.Checkpoint, signer: tlog.Signer) -> bytes:
        note = sign(checkpoint, signer)
        signed.append(note.decode())
        return note

    tlog.sign_checkpoint = recorded
    writer = Writer(data)
    say({"ready": os.getpid(), "vkey": writer.service.keys.log.verifier.vkey})
    while line := wire.recv(100):
        answer = writer.append() if line == b"append\n" else writer.reopen()
        say(answer | {"signed": signed})


def main(control: socket.socket) -> None:
    """Fork and end writers until nobody gives orders any more."""
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not order:
            return
        if not descriptors:
            number = int(order.removeprefix(b"end "))
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            control.sendall(b"ended\n")
        elif number := os.fork():
            os.close(descriptors[0])
            control.sendall(b"%d\n" % number)
        else:
            control.close()
            write(Path(os.fsdecode(order)), socket.socket(fileno=descriptors[0]))
            os._exit(0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
