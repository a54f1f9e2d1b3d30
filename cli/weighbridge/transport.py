# SPDX-License-Identifier: Apache-2.0
"""HTTP to a registry, or a hub of models, that may be down, slow, broken or hostile.

Every answer is bounded in size and time before it is looked at, must be of the expected content
type, and comes from the address that the user named: redirects to elsewhere are not followed.
What goes away by itself (no connection, a cut-off answer, 429, 502, 503, 504) is tried again
with growing pauses, or after the pause that the server asks for.
"""

from __future__ import annotations

import os
import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from weighbridge.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["ANY_TYPE", "Answer", "Request", "Transport", "is_loopback"]

ANY_TYPE: Final = ("*/*",)
"""`Request.accept` where the content type says nothing: a file is whatever its bytes are."""

_CHUNK = 1 << 16
_MAX_ERROR_BODY = 1 << 18
_WITHHELD = 451
_MAX_WITHHELD_BODY = 8 << 20
"""A 451 answer proves itself: it carries a statement, a receipt, and what the withheld entry did."""
_MAX_REDIRECTS = 3
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 8.0
_TRANSIENT = frozenset({429, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: `limit` bounds the answer's bytes after decompression, `accept` its content type.

    `ANY_TYPE` takes what is verified whatever it is called. `retry_for` is in seconds from the first attempt;
    0 tries once. `path` is below the registry's URL.
    """

    path: str
    limit: int
    accept: tuple[str, ...]
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    retry_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, content type without parameters, body, and where it came from.

    `headers` are as the server wrote them, by names that ignore case; nothing in them is checked.
    """

    status: int
    content_type: str
    data: bytes
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 section 15.3


class _TransientError(Exception):
    """This attempt failed in a way that may pass; `pause` is what the server asked for, in seconds."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Transport:
    """Bounded HTTP to one registry.

    `timeout` (seconds) is the longest silence, and four times that the longest answer.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, what: str = "registry") -> None:
        """Take the address of a registry, or of `what` else people call the server."""
        self.url = _checked(url, what)
        self._what = what
        self._timeout = timeout
        self._pool: PoolManager | None = None

    def send(self, request: Request) -> Answer:
        """Send a request and read the whole answer, whatever its status.

        Raises `UnavailableError`: no answer within `retry_for`, an answer that is too large, too
        slow, of another content type (2xx only) or a redirect to elsewhere.
        """
        started = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._once(request)
            except _TransientError as error:
                wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, hides nothing
                wait = wait if error.pause is None else error.pause
                if time.monotonic() - started + wait > request.retry_for:
                    raise self._gone(error) from error
                time.sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def absolute(self, address: str) -> str:
        """Give the whole URL of an address that the registry wrote, for people to open."""
        return urljoin(f"{self.url}/", address)

    def broken(self, why: str, **evidence: object) -> UnavailableError:
        """Make the error for an answer that no working registry gives."""
        return UnavailableError(
            f"{self.url} {why}",
            hint=f"check that this is the address of a {self._what}, and tell its operator",
            evidence={"url": self.url, **evidence},
        )

    def _once(self, request: Request) -> Answer:
        """Make one attempt, following redirects within the same registry."""
        url = f"{self.url}{request.path}"
        for _ in range(_MAX_REDIRECTS + 1):
            answer, location, pause = self._exchange(request, url)
            if answer.status in _TRANSIENT:
                raise _TransientError(_status_text(answer.status), pause)
            if answer.status not in _REDIRECTS:
                return answer
            url = self._redirected(request, url, location)
        raise self.broken("redirects without end")

    def _exchange(self, request: Request, url: str) -> tuple[Answer, str, float | None]:
        """Send once and read all: the answer, its `Location` and its `Retry-After`."""
        from urllib3.exceptions import HTTPError, SSLError

        deadline = time.monotonic() + 4 * self._timeout
        response: BaseHTTPResponse | None = None
        try:
            response = self._connect().request(
                request.method,
                url,
                body=request.body,
                headers={
                    "Accept": ", ".join((*request.accept, "application/problem+json")),
                    "Accept-Encoding": "gzip, identity",
                    "User-Agent": _user_agent(),
                    **(request.headers or {}),
                },
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=self._timeout,
            )
            answer = self._read(request, url, response, deadline)
            location = response.headers.get("Location", "")
            pause = _retry_after(response.headers.get("Retry-After", ""))
            response.release_conn()
        except SSLError as error:
            raise UnavailableError(
                f"{self.url} has no valid TLS certificate: {error}",
                hint="check the address; if the registry is private, add its CA to this system",
                evidence={"url": self.url},
            ) from error
        except (HTTPError, OSError) as error:
            raise _TransientError(_reason(error)) from error
        finally:
            if response is not None:
                response.close()
        return answer, location, pause

    def _read(self, request: Request, url: str, response: BaseHTTPResponse, deadline: float) -> Answer:
        """Read a body within its limit and deadline, and check its type."""
        content_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        answer = Answer(response.status, content_type, b"", url)
        if answer.ok and request.accept != ANY_TYPE and content_type not in request.accept:
            raise self.broken(
                f"answers with {content_type[:80] or 'no content type'}, not {request.accept[0]}"
            )
        refused = _MAX_WITHHELD_BODY if answer.status == _WITHHELD else _MAX_ERROR_BODY
        limit = request.limit if answer.ok else refused
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise self.broken(f"answers in the encoding {encoding[:40]!r}, which was not asked for")
        unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        data = bytearray()
        while True:
            chunk = response.read1(_CHUNK, decode_content=False)
            if not chunk:
                break
            data += self._unpacked(chunk, unpack, limit + 1 - len(data)) if unpack else chunk
            if len(data) > limit:
                if answer.ok:
                    raise self.broken(f"answers with more than {limit:,} bytes", limit=limit)
                break
            if time.monotonic() > deadline:
                raise self.broken(f"needs more than {4 * self._timeout:g} seconds for one answer")
        if unpack is not None and not unpack.eof and answer.ok:
            raise _TransientError("its answer was cut off")
        return Answer(response.status, content_type, bytes(data), url, response.headers)

    def _unpacked(self, chunk: bytes, unpack: zlib._Decompress, room: int) -> bytes:
        """Decompress no more than there is room for: a small answer may unpack to gigabytes."""
        try:
            return unpack.decompress(chunk, max(1, room))
        except zlib.error as error:
            raise self.broken("answers with something that is not gzip, though it says so") from error

    def _redirected(self, request: Request, url: str, location: str) -> str:
        """Follow a redirect only within the same registry, and only when nothing was sent."""
        target = urljoin(url, location)
        if request.method == "GET" and _address(urlsplit(target)) == _address(urlsplit(self.url)):
            return target
        raise UnavailableError(
            f"{self.url} redirects to {target[:200]!r}, which is not followed",
            hint=f"if that is where the {self._what} now is, give its address instead",
            evidence={"url": self.url, "location": target[:200]},
        )

    def _gone(self, error: _TransientError) -> UnavailableError:
        pause = "" if error.pause is None else f" (it asks to wait {error.pause:g} seconds)"
        return UnavailableError(
            f"{self.url} does not answer: {error}{pause}",
            hint=f"check that {self.url} is the {self._what}'s address and that it runs, then try again",
            evidence={"url": self.url, "retry_after": error.pause},
        )

    def _connect(self) -> PoolManager:
        """Make the pool at first use: through the proxy of the environment, but never to loopback."""
        if self._pool is None:
            import urllib3

            proxy = _proxy(urlsplit(self.url), os.environ)
            self._pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
        return self._pool


def _checked(url: str, what: str) -> str:
    """Check and normalise the address of a server; raises `InputError`."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        plain = parts.username is None and not parts.query and not parts.fragment
        if usable and plain:
            return parts.geturl().rstrip("/")
        why = ""
    except ValueError as error:
        why = f" ({error})"
    raise InputError(
        f"not the address of a {what}: {_without_secret(url)[:200]!r}{why}",
        hint="give one like https://server.example or http://127.0.0.1:8484",
    )


def _without_secret(url: str) -> str:
    """Hide a user name and password in an address before it is shown or logged."""
    scheme, separator, rest = url.rpartition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}{separator}{'…@' if '@' in authority else ''}{host}{slash}{path}"


def _address(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Give what makes two URLs go to the same server."""
    try:
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return parts.scheme, None, None


def _proxy(parts: SplitResult, environment: Mapping[str, str]) -> str | None:
    """Find the proxy that the environment names for a registry; none for this very machine."""
    from urllib.request import getproxies, proxy_bypass

    host = parts.hostname or ""
    if is_loopback(host):
        return None
    if not any(name.lower().endswith("_proxy") for name in environment) or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this very machine: `localhost` or a loopback address (RFC 6761, RFC 5735)."""
    from ipaddress import ip_address

    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _retry_after(value: str) -> float | None:
    """Read a `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3); None if there is none."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - some thirty years
        return float(text)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _status_text(status: int) -> str:
    return {429: "too many requests (429)", 503: "it is busy or starting (503)"}.get(
        status, f"status {status}"
    )


def _reason(error: Exception) -> str:
    """Say in a few words why there was no answer."""
    from urllib3 import exceptions

    if isinstance(error, exceptions.NameResolutionError):
        return "its name cannot be resolved"
    if isinstance(error, exceptions.NewConnectionError):
        return "no connection"
    if isinstance(error, (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError)):
        return "it does not respond in time"
    if any(isinstance(one, exceptions.IncompleteRead) for one in (error, *error.args)):
        return "its answer was cut off"
    return f"the connection broke ({type(error).__name__})"


def _user_agent() -> str:
    from weighbridge import __version__

    return f"weighbridge/{__version__}"
