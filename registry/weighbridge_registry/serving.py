# SPDX-License-Identifier: Apache-2.0
"""Serve an app on an address, until a signal: what `weighbridge serve` and the demo run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import ClassVar, Final

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from weighbridge.errors import InputError

__all__ = ["DRAIN_SECONDS", "PatientProtocol", "address_of", "listen", "serve", "serve_on"]

DRAIN_SECONDS: Final = 10
"""From the signal to the end, at most: requests under way get most of it."""
_REQUEST_SECONDS: Final = 8
_CONNECTIONS: Final = 1000
_BACKLOG: Final = 512
_LONG_HEAD: Final = "The head of the request is too long."


def serve(app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests under way get 8 s to finish.

    Port 0 takes a free one. `on_ready` is called once with the address, when requests are
    answered. Raises `InputError` if the address can't be used: its message names --port.
    """
    with contextlib.closing(listen(host, port)) as listening:
        serve_on(listening, app, on_ready, (signal.SIGINT, signal.SIGTERM))


def serve_on(
    listening: socket.socket,
    app: ASGIApp,
    on_ready: Callable[[str], None] | None,
    signals: Sequence[signal.Signals],
) -> None:
    """Serve on a socket that listens, until one of the signals."""
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        loop="uvloop",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_REQUEST_SECONDS,
        lifespan="on",
        ws="none",
    )
    _Server(config, address_of(listening), on_ready, signals).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises `InputError` if the address can't be used."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(
            f"{host} is no address of this machine: {error.strerror}", hint="give another --host"
        ) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="something else uses this port: choose another with --port, or --port 0 for a free one",
        ) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the address at which a socket listens, as a URL without a path."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn, which waits only so long for the end of a head, and only so many bytes."""

    head_seconds: ClassVar[float] = 10.0
    """From the connection, or from the first byte of a later request, to the end of its head."""
    head_bytes: ClassVar[int] = 64 * 1024
    """Longest head that is taken, in bytes."""
    _head: int | None = 0
    """Bytes of a head that is not complete; None while a body comes or an answer goes."""
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take bytes; wait on if they do not complete a head."""
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > self.head_bytes:
            self.send_400_response(_LONG_HEAD)
        self._look()

    def on_message_begin(self) -> None:
        """Begin a head."""
        if self._head is None:
            self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head; one that came whole at once may be too long, too."""
        self._head = None
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.head_bytes:
            raise httptools.HttpParserError(_LONG_HEAD)  # which is answered with 400
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self._head is None:
            self._stop()
        elif self._watch is None and not self.transport.is_closing():
            self._watch = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _give_up(self) -> None:
        self._watch = None
        if self._head is not None and not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """Says when it is ready, and tells the app at once when it is asked to stop."""

    def __init__(
        self,
        config: uvicorn.Config,
        url: str,
        on_ready: Callable[[str], None] | None,
        signals: Sequence[signal.Signals],
    ) -> None:
        super().__init__(config)
        self._url = url
        self._on_ready = on_ready
        self._signals = signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then tell."""
        await super().startup(sockets=sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(self._url)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: what comes from now on is told to come again."""
        service = getattr(getattr(self.config.app, "state", None), "service", None)
        if service is not None:
            service.drain()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on the signals; uvicorn's own would let the process die of them afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in self._signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
