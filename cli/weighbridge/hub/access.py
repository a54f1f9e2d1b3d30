# SPDX-License-Identifier: Apache-2.0
"""Asking a hub over HTTP, by its documented API, with every bound in our own hands.

huggingface_hub reads an answer whole however long it is, and follows redirects to any host. Here an answer
is bounded in bytes and time, all of them together in time and number, and a redirect is followed only to the
same scheme, host and port (`weighbridge.transport`). So a token goes to HF_ENDPOINT and nowhere else, and
never in clear text over a network.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from weighbridge.errors import (
    ConfigurationError,
    DigestError,
    EnumerationError,
    InputError,
    UnavailableError,
    WeighbridgeError,
)
from weighbridge.transport import ANY_TYPE, Answer, Request, Transport, is_loopback

from .cache import first_bytes, hub_home
from .names import HubName

__all__ = ["HubAccess"]

MAX_LIST_BYTES: Final = 48 * 1024 * 1024
"""Longest answer that is read as a list of files: 100,000 of them fit."""

_ENDPOINT: Final = "https://huggingface.co"
_MAX_NODES: Final = 2_000_000
_MAX_REQUESTS: Final = 1000
_SECONDS: Final = 30.0
_SECONDS_TOGETHER: Final = 600.0
_RETRY_SECONDS: Final = 10.0
_MAX_TOKEN: Final = 4096
_TOKEN = re.compile(r"[!-~]{1,4096}")
_TRUE: Final = frozenset({"1", "ON", "YES", "TRUE"})
_SERVER_ERROR: Final = 500  # RFC 9110 section 15.6
_NOT_LOGGED_IN: Final = frozenset({401, 403})


class HubAccess:
    """One hub, as HF_ENDPOINT names it, for the length of one verification.

    After 1,000 requests or ten minutes nothing more is asked.
    """

    def __init__(self) -> None:
        """Read the environment as huggingface_hub does; raises `InputError` (exit 2) if it is unusable."""
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            if _is_true(name):
                raise InputError(f"--remote asks the hub, and {name} forbids that.", hint=f"Unset {name}.")
        self._transport = Transport(os.environ.get("HF_ENDPOINT") or _ENDPOINT, timeout=_SECONDS, what="hub")
        parts = urlsplit(self._transport.url)
        self._in_clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
        token = None if self._in_clear else _token()
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._left = _MAX_REQUESTS
        self._deadline = time.monotonic() + _SECONDS_TOGETHER

    def describe(self, name: HubName) -> dict[str, Any]:
        """Return what the hub's API says of a revision (main if none is named): the JSON object, unchecked.

        Raises `InputError` (exit 2) if it has no such model or revision or does not show it,
        `UnavailableError` (exit 3) if it does not answer, and `EnumerationError` (step 1) for an answer that
        is no JSON object.
        """
        revision = quote(name.revision or "main", safe="")
        answer = self._get(
            f"/api/models/{name.repo}/revision/{revision}?blobs=true", MAX_LIST_BYTES, ("application/json",)
        )
        if not answer.ok:
            raise self._refusal(answer, name)
        try:
            return _json_object(answer.data)
        except ValueError as error:
            raise EnumerationError(f"The hub's answer for {name} is no list of files: {error}.") from error

    def content(self, name: HubName, commit: str, path: str, limit: int) -> bytes:
        """Return a file of a commit, of at most `limit` bytes.

        Raises `DigestError` if it is longer, `UnavailableError` (exit 3) if the hub does not give it.
        """
        try:
            answer = self._get(f"/{name.repo}/resolve/{commit}/{quote(path)}", limit, ANY_TYPE)
        except UnavailableError as error:
            if "limit" in error.evidence:
                raise DigestError(
                    f"The hub's {path} is longer than {limit:,} bytes, more than it should be.",
                    evidence={"path": path, "limit": limit},
                ) from error
            if "location" in error.evidence:
                raise UnavailableError(
                    f"The hub keeps {path} of {name} at another address, which is not followed.",
                    hint=f"Download it (hf download {name.repo} --revision {commit}), then verify that.",
                    evidence=error.evidence,
                ) from error
            raise
        if not answer.ok:
            raise UnavailableError(
                f"The hub lists {path} for {name} and does not give it (status {answer.status}).",
                hint="Try again later.",
            )
        return answer.data

    def _get(self, path: str, limit: int, accept: tuple[str, ...]) -> Answer:
        self._left -= 1
        if self._left < 0:
            raise UnavailableError(
                f"More than {_MAX_REQUESTS:,} files would have to be fetched to compare them."
            )
        if time.monotonic() > self._deadline:
            raise UnavailableError(f"The hub needs more than {_SECONDS_TOGETHER:g} seconds for one model.")
        return self._transport.send(
            Request(path=path, limit=limit, accept=accept, headers=self._headers, retry_for=_RETRY_SECONDS)
        )

    def _refusal(self, answer: Answer, name: HubName) -> WeighbridgeError:
        """Return our error for a status that is none of success, by the code that the hub puts beside it."""
        code = answer.headers.get("X-Error-Code", "")
        if code == "GatedRepo":
            return InputError(
                f"The hub shows {name} only to those whom its publisher lets in.",
                hint=f"Ask for access on its page, then {self._login()}.",
            )
        if code == "RevisionNotFound":
            return InputError(f"The hub has no revision {name.revision or 'main'} of {name.repo}.")
        if code == "RepoNotFound" or answer.status in _NOT_LOGGED_IN:
            return InputError(
                f"The hub has no model {name.repo}, or does not show it to you.",
                hint=f"Check the name; if it is private, {self._login()}.",
            )
        if answer.status < _SERVER_ERROR:
            return InputError(f"The hub refuses {name}: status {answer.status}.")
        return UnavailableError(
            f"The hub does not answer for {name}: status {answer.status}.", hint="Try again later."
        )

    def _login(self) -> str:
        if self._in_clear:
            return "name the hub with https:// in HF_ENDPOINT: no token is sent over plain http"
        return "log in (hf auth login)"


def _token() -> str | None:
    """Return the token that the environment or `hf auth login` left, None without one. Never shown."""
    if _is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        return None
    text = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    where = "the environment variable HF_TOKEN"
    if not text:
        named = os.environ.get("HF_TOKEN_PATH")
        path = Path(os.path.expandvars(named)).expanduser() if named else hub_home() / "token"
        where = str(path)
        text = first_bytes(path, _MAX_TOKEN + 1).decode("utf-8", "replace")
    text = text.strip()
    if text and not _TOKEN.fullmatch(text):
        raise ConfigurationError(
            f"What {where} holds is no token of a hub.", hint="Log in again: hf auth login."
        )
    return text or None


def _is_true(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in _TRUE


def _json_object(data: bytes) -> dict[str, Any]:
    """Read JSON that was bounded in bytes, with a bound for what it becomes; raises ValueError."""
    if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_NODES:
        raise ValueError(f"it has more than {_MAX_NODES:,} members")
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - a stranger's data, not a caller's argument
    return value
