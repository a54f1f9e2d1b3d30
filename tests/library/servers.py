# SPDX-License-Identifier: Apache-2.0
"""A small real HTTP server on loopback that answers as a test tells it, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Asked", "ScriptedServer", "scripted_server"]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Script = Callable[["Handler", Asked], None]


@dataclass
class ScriptedServer:
    """Where the server listens, what it was asked, and how it answers."""

    url: str
    script: Script
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Passes each request to the script."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer(
        self, status: int, body: bytes = b"", content_type: str = "application/json", **headers: str
    ) -> None:
        """Answer well-formed HTTP."""
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self) -> None:
        """Read a request and let the script answer it."""
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        self.server.scripted.asked.append(asked)
        try:
            self.server.scripted.script(self, asked)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has had enough, as it should

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815 - http.server looks for these names

    def log_message(self, *_args: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """Knows its script."""

    daemon_threads = True
    scripted: ScriptedServer


@contextmanager
def scripted_server(script: Script) -> Iterator[ScriptedServer]:
    """Run a server for the length of a block."""
    server = Server(("127.0.0.1", 0), Handler)
    scripted = server.scripted = ScriptedServer(f"http://127.0.0.1:{server.server_port}", script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        scripted.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
