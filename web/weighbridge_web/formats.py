# SPDX-License-Identifier: Apache-2.0
"""How pages write digests, sizes, times and other people's words.

Everything here is a pure function of its argument; `weighbridge_web.rendering` makes filters of them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

__all__ = [
    "bare",
    "day",
    "file_size",
    "grouped",
    "local",
    "moment",
    "plural",
    "rfc3339",
    "said",
    "short",
    "visible_controls",
    "who",
]

_KIB = 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_SHORT = 12
_MAX_SAID = 4000

_LONG_HEX = re.compile(r"\b[0-9a-f]{64}\b")
# Characters that reorder, hide or break text: C0 and C1 controls but tab, LF and CR; bidirectional
# embeddings, overrides, isolates and marks; zero-width characters; the byte order mark; interlinear
# annotations; tags.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def visible_controls(text: str) -> str:
    """Show characters that reorder or hide text by their number, so that nobody reads what is not written."""
    return _CONTROLS.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def said(value: object, limit: int = _MAX_SAID) -> str:
    """Return what a publisher said as bounded text that hides nothing; the template still escapes it."""
    text = visible_controls(str(value))
    return text if len(text) <= limit else f"{text[:limit]}…"


def bare(digest: str) -> str:
    """Return a digest without its `sha256:` prefix, as URLs have it."""
    return digest.removeprefix("sha256:")


def short(digest: str) -> str:
    """Return the first twelve hex digits: enough to tell two apart at a glance, never enough to rely on."""
    text = bare(digest)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def who(label: object, limit: int = 200) -> str:
    """Return a signer's own words with long digests cut; the whole label goes beside it as a title."""
    return said(_LONG_HEX.sub(lambda found: short(found.group()), str(label)), limit)


def local(address: str) -> str:
    """Return the path of one of our own addresses: a page stays where the reader is.

    Documents hold absolute addresses where the registry knows its own; a link to them would move a
    reader who came by another name for the same host.
    """
    parts = urlsplit(address)
    path = "/" + parts.path.lstrip("/")
    return f"{path}?{parts.query}" if parts.query else path


def file_size(count: int) -> str:
    """Return a size in binary units with three significant digits."""
    if count < _KIB:
        return plural(count, "byte")
    value, units = count / _KIB, iter(_UNITS)
    unit = next(units)
    while value >= _KIB and (larger := next(units, None)):
        value, unit = value / _KIB, larger
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"  # noqa: PLR2004 - three digits


def grouped(count: int) -> str:
    """Return an integer with thin spaces between groups of three digits."""
    return f"{count:,}".replace(",", "\u202f")


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: `1 file`, `12 files`."""
    return f"{grouped(count)} {one if count == 1 else many or one + 's'}"


def moment(value: datetime | str | int) -> str:
    """Return a time in UTC to the minute, as a person writes it: `23 November 2026, 08:48 UTC`."""
    then = _instant(value)
    return f"{then.day} {then:%B %Y, %H:%M} UTC"


def day(value: datetime | str | int) -> str:
    """Return a day in UTC: `23 November 2026`."""
    then = _instant(value)
    return f"{then.day} {then:%B %Y}"


def rfc3339(value: datetime | str | int) -> str:
    """Return a time as RFC 3339 in UTC, for `datetime` attributes and feeds."""
    return _instant(value).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(value: datetime | str | int) -> datetime:
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return value.astimezone(UTC)
