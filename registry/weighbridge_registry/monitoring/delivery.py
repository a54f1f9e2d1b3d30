# SPDX-License-Identifier: Apache-2.0
"""Ways by which an alert reaches somebody: a line, a program, a web hook, a feed.

Each takes one alert at a time and says whether it has it. What fails is tried again at the next run,
so whoever receives alerts compares their ids.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import urllib3

from weighbridge import __version__
from weighbridge.atomic import write_atomically
from weighbridge.errors import InputError

__all__ = ["Outputs", "write_feed"]

_COMMAND_SECONDS: Final = 30.0
_HOOK_SECONDS: Final = 10.0
_HOOK_TRIES: Final = 3
_ATOM: Final = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True, repr=False)
class Outputs:
    """Where alerts go. `show` gets each document; the others are optional.

    `command` is run without a shell, with the document on its standard input, and has 30 s.
    `webhook` gets it by POST; its address may hold a secret and is never shown. `feed` is a file.
    """

    show: Callable[[dict[str, Any]], None]
    command: tuple[str, ...] = ()
    webhook: str | None = None
    feed: Path | None = None

    def __post_init__(self) -> None:
        if self.webhook is not None:
            try:
                parts = urlsplit(self.webhook)
                usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise InputError("--webhook is not an http or https address")

    @property
    def names(self) -> list[str]:
        """The outputs that there are."""
        return ["show", *(["command"] if self.command else []), *(["webhook"] if self.webhook else [])]

    def send(self, output: str, alert: dict[str, Any]) -> str | None:
        """Bring an alert to one output; return why that failed, or None."""
        match output:
            case "show":
                self.show(alert)
                return None
            case "command":
                return _run(self.command, _bytes(alert))
            case _:
                return _post(self.webhook or "", _bytes(alert))


def _bytes(alert: dict[str, Any]) -> bytes:
    return json.dumps(alert, sort_keys=True).encode() + b"\n"


def _run(command: Sequence[str], data: bytes) -> str | None:
    """Run a program that the user named, without a shell, for a bounded time."""
    try:
        done = subprocess.run(  # noqa: S603 - the very program that the user asked for
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {_COMMAND_SECONDS:g} s"
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"
    return None if done.returncode == 0 else f"{command[0]} ended with {done.returncode}"


def _post(address: str, data: bytes) -> str | None:
    """Send to a web hook; a refusal is final for this run, silence is tried again."""
    host = urlsplit(address).hostname
    why = "it does not answer"
    for attempt in range(_HOOK_TRIES):
        if attempt:
            time.sleep(attempt)
        try:
            answer = urllib3.request(
                "POST",
                address,
                body=data,
                headers={"Content-Type": "application/json", "User-Agent": f"weighbridge/{__version__}"},
                timeout=_HOOK_SECONDS,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            why = type(error).__name__
            continue
        status = answer.status
        answer.close()
        if status // 100 == 2:  # noqa: PLR2004 - RFC 9110 section 15.3
            return None
        why = f"it answers {status}"
        if status < 500 and status != 429:  # noqa: PLR2004 - RFC 9110 section 15.6, RFC 6585 section 4
            break
    return f"the web hook at {host} did not take it: {why}"


def write_feed(path: Path, alerts: Sequence[dict[str, Any]], origin: str, now: float) -> None:
    """Write the newest alerts as an Atom feed (RFC 4287), atomically. Raises `InputError`."""
    feed = ET.Element(f"{{{_ATOM}}}feed")
    _add(feed, "title", f"Alerts of {origin}")
    _add(feed, "id", f"tag:weighbridge,2026:monitor/{origin}")
    _add(feed, "updated", _time(now))
    for alert in alerts:
        entry = ET.SubElement(feed, f"{{{_ATOM}}}entry")
        _add(entry, "title", alert["message"])
        _add(entry, "id", f"tag:weighbridge,2026:alert/{alert['id']}")
        _add(entry, "updated", _time(alert["received"] or now))
        author = ET.SubElement(entry, f"{{{_ATOM}}}author")
        _add(author, "name", alert["signed_by"] or origin)
        where = f"Entry {alert['index']} of the log {origin}. " if alert["index"] is not None else ""
        _add(entry, "summary", f"{where}Rule: {alert['rule']}.")
    ET.register_namespace("", _ATOM)
    write_atomically(path, ET.tostring(feed, encoding="utf-8", xml_declaration=True) + b"\n")


def _add(parent: ET.Element, name: str, text: str) -> None:
    child = ET.SubElement(parent, f"{{{_ATOM}}}{name}")
    child.text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _time(seconds: float) -> str:
    """Say a time in RFC 3339; one that no calendar has is the epoch."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"
