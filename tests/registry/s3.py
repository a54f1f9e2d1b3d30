# SPDX-License-Identifier: Apache-2.0
"""A real S3 server for tests (moto's, over HTTP on loopback), and a hostile proxy in front of it.

    with running_s3() as s3:                      # one server; the environment has its credentials
        s3.address("some-prefix")                 # for --storage, straight to the server
        with running_proxy(s3) as proxy:
            proxy.address("some-prefix")          # the same objects, through the proxy
            with proxy.fault(cut, "PUT", "/tile/"): ...

A fault decides about requests of one method to names that hold a text, and no others.
"""

from __future__ import annotations

import http.client
import logging
import os
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3
from moto.server import ThreadedMotoServer

__all__ = [
    "BUCKET",
    "KEY_ID",
    "S3",
    "SECRET",
    "Answer",
    "Fault",
    "Proxy",
    "answering",
    "running_proxy",
    "running_s3",
]

BUCKET = "weighbridge-tests"
KEY_ID = "AKIATESTTESTTESTTEST"
SECRET = "a-secret-that-nobody-may-see"  # noqa: S105 - of a server that checks none
_AUTHORIZED = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20261126/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"  # moto asks who, and checks no signature
}
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})


@dataclass(frozen=True)
class S3:
    """A running server, with one bucket."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, prefix: str, bucket: str = BUCKET, **options: str) -> str:
        """The address for `--storage`."""
        query = urllib.parse.urlencode({"endpoint": self.url, "region": "us-east-1"} | options)
        return f"s3://{bucket}/{prefix}?{query}"

    def object(self, name: str) -> urllib3.BaseHTTPResponse:
        """What a cache reads: the object as it lies there, not decompressed."""
        return self._request("GET", name, decode_content=False)

    def overwrite(self, name: str, data: bytes) -> None:
        """Change an object behind everybody's back; its headers go."""
        self._request("PUT", name, body=data)

    def remove(self, name: str) -> None:
        """Delete an object behind everybody's back."""
        self._request("DELETE", name)

    def make_bucket(self) -> None:
        """Make the bucket of these tests."""
        assert self._request("PUT", "").status == 200

    def _request(self, method: str, name: str, **more: Any) -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            method, f"{self.url}/{BUCKET}/{name}", headers=_AUTHORIZED, retries=False, timeout=20, **more
        )


@contextmanager
def running_s3() -> Iterator[S3]:
    """Run a server, with credentials for it in the environment and nobody else's."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ |= {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        s3 = S3(server.get_host_and_port()[1])
        s3.make_bucket()
        yield s3
    finally:
        server.stop()
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ |= before


@dataclass
class Answer:
    """What the server answered, or what the proxy makes of it; `cut` ends the body in its middle."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut: bool = False


Ask = Callable[[], Answer]
Fault = Callable[[str, str, Ask], Answer | None]
"""Gets method, path and how to ask the server; None hangs up without an answer."""


@dataclass
class Proxy:
    """Stands between a registry and its storage."""

    s3: S3
    port: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    ignored: str = ""
    """A header of requests that the storage behind does not understand."""
    _fault: tuple[Fault, str, str] | None = None

    def address(self, prefix: str, **options: str) -> str:
        """The address for `--storage`, through this proxy; times out soon."""
        return S3(self.port).address(prefix, **({"timeout": "1.5"} | options))

    @contextmanager
    def fault(self, fault: Fault, method: str = "", part: str = "") -> Iterator[None]:
        """Let a fault decide about requests with this method whose path holds this part."""
        self._fault = fault, method, part
        try:
            yield
        finally:
            self._fault = None

    def answer(self, method: str, path: str, ask: Ask) -> Answer | None:
        self.seen.append((method, path))
        fault = self._fault
        if fault is not None and fault[1] in method and fault[2] in path:
            return fault[0](method, path, ask)
        return ask()


def answering(status: int, body: bytes, *headers: tuple[str, str]) -> Fault:
    """Always the same answer, without asking the server."""
    return lambda _method, _path, _ask: Answer(status, list(headers), body)


@contextmanager
def running_proxy(s3: S3) -> Iterator[Proxy]:
    """Run a proxy without any fault yet."""
    proxy = Proxy(s3)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def handle_all(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def ask() -> Answer:
                connection = http.client.HTTPConnection("127.0.0.1", s3.port, timeout=20)
                headers = {key: text for key, text in self.headers.items() if key.lower() != proxy.ignored}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                data = response.read()
                connection.close()
                return Answer(response.status, response.getheaders(), data)

            self.give(proxy.answer(self.command, self.path, ask))

        def give(self, answer: Answer | None) -> None:
            self.close_connection = answer is None or answer.cut
            if answer is None:
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_all  # noqa: N815 - http.server names them

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            """A client that gave up is what some of these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
