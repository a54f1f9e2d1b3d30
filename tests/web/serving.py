# SPDX-License-Identifier: Apache-2.0
"""An ASGI application on a free loopback port, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
import uvicorn
from fastapi import FastAPI

from tests.web.documents import MemoryRecords
from weighbridge_web.app import add_pages


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve `app` until the block ends; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > end or not thread.is_alive():
            raise RuntimeError("the application did not start")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def pages_over(records: MemoryRecords, base_url: str = "") -> FastAPI:
    """Return the pages alone, over documents in memory."""
    return add_pages(FastAPI(openapi_url=None), records, base_url=base_url)


class Reader:
    """Somebody who reads pages with a plain HTTP client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = urllib3.PoolManager(retries=False, timeout=20)

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """Ask for a path without following redirects."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._http.request("GET", self.url + path, headers=names, redirect=False)

    def post(self, path: str, body: bytes, content_type: str) -> urllib3.BaseHTTPResponse:
        """Send a body."""
        headers = {"Content-Type": content_type}
        return self._http.request("POST", self.url + path, body=body, headers=headers, redirect=False)

    def text(self, path: str) -> str:
        """Return the body of a page that is there."""
        response = self.get(path)
        assert response.status == 200, (path, response.status, response.data[:400])
        return response.data.decode()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.clear()
