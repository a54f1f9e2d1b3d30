# SPDX-License-Identifier: Apache-2.0
"""A registry's writer in a process of its own, told what to do line by line, for `strace` to interfere with.

    python -m tests.registry.appending DATA SOCKET

It takes `append` and `reopen` from a socket, given by its number, and answers each with one line of JSON: a
socket, since no read or write that may fail is one of ours then. `signed` in an answer are
the checkpoints that this process has signed so far, shown to anybody or not.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from tests.registry.publishers import Publisher
from weighbridge import tlog
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings


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
        return open_service(Settings(data=self.data, public_sigstore=False))

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


def main(data: Path, wire: socket.socket) -> None:
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
