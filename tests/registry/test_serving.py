# SPDX-License-Identifier: Apache-2.0
"""Connections that hold on to a server without ever asking for anything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from weighbridge_registry.serving import PatientProtocol


class Impatient(PatientProtocol):
    head_seconds = 0.4


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse("here")(scope, receive, send)


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="error",
        lifespan="off",
        http=Impatient,
        timeout_keep_alive=20,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join(20)


@pytest.mark.parametrize("head", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_that_never_ends_ends_the_connection(address: tuple[str, int], head: bytes) -> None:
    with socket.create_connection(address, timeout=20) as slow:
        slow.sendall(head)
        assert slow.recv(100) == b""


def test_a_head_that_drips_ends_it_too(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")

        def drip() -> None:
            for _ in range(400):
                slow.sendall(b"X: y\r\n")
                time.sleep(0.05)

        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            drip()


@pytest.mark.parametrize("line", [b"X: %b\r\n" % (b"y" * 70_000), b"X: y\r\n" * 12_000, b"X" * 70_000])
def test_a_head_without_measure_is_refused(address: tuple[str, int], line: bytes) -> None:
    with socket.create_connection(address, timeout=20) as large:
        large.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n")
        assert large.recv(100).startswith(b"HTTP/1.1 400 ")
        while large.recv(1000):
            pass


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n0123",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\nY: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    ],
    ids=["two lengths", "two numbers", "control characters", "folded"],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(address: tuple[str, int], head: bytes) -> None:
    with socket.create_connection(address, timeout=20) as smuggler:
        smuggler.sendall(head)
        assert smuggler.recv(100).startswith(b"HTTP/1.1 400 ")


def test_requests_one_after_the_other_are_served_and_the_later_head_is_watched(
    address: tuple[str, int],
) -> None:
    with socket.create_connection(address, timeout=20) as client:
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"here"):
                more = client.recv(1000)
                assert more
                answer += more
            time.sleep(0.5)  # longer than a head may take: an idle connection is kept all the same
        client.sendall(b"GET / HTT")
        assert client.recv(100) == b""
