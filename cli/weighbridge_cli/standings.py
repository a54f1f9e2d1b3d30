# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a release, as a registry tells it: its owners' word, warnings, its origins' troubles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge_schemas.api import ReleaseDocument, StatementAbout, UpstreamNote

__all__ = ["release_of", "standing", "troubles"]

_MOST = 5
_STEPS = {0: "a data set of it", 1: "its parent", 2: "its grandparent"}
_WHAT = {"yanked": "was yanked", "advisory": "is warned of", "data_withdrawn": "was withdrawn"}


def release_of(client: RegistryClient, title: str) -> ReleaseDocument | None:
    """Fetch the release of a title (`NS/NAME@VERSION`); None for what is none, or is withheld."""
    from weighbridge.errors import WithheldError
    from weighbridge.releases import ReleaseName

    if "/" not in title or "@" not in title:
        return None
    name = ReleaseName.parse(title)
    try:
        return client.release(name.namespace, name.name, name.version)
    except WithheldError:
        return None


def standing(release: ReleaseDocument) -> dict[str, Any]:
    """Return what is wrong with a release as JSON."""
    return {
        "release": f"{release.namespace}/{release.name}@{release.version}",
        "status": release.status.model_dump(mode="json", by_alias=True),
        "upstream": [note.model_dump(mode="json", by_alias=True) for note in release.upstream],
        "advisories": [one.model_dump(mode="json", by_alias=True) for one in _advisories(release)],
    }


def troubles(release: ReleaseDocument) -> Iterator[str]:
    """Yield what is wrong with a release, a line each; nothing if nobody says anything."""
    from weighbridge_cli.terminal import short

    status = release.status
    if status.state != "released":
        reason = f": {status.reason}" if status.reason else ""
        who = "the operator of the log" if status.state == "withheld" else "its owners"
        yield f"{status.state} by {who}{reason}"
    for one in _first(_advisories(release)):
        yield f"warning, by {short(one.signer.label)}: {one.summary}"
    for note in _first(release.upstream):
        yield _upstream(note)
    left = max(0, len(_advisories(release)) - _MOST) + max(0, len(release.upstream) - _MOST)
    if left:
        yield f"and {left} more, on its page"


def _upstream(note: UpstreamNote) -> str:
    from weighbridge_cli.terminal import short

    who = "its owners" if note.by_owner else short(note.signer.label)
    steps = _STEPS.get(note.generation, f"an origin {note.generation} steps up")
    return f"{steps}, {note.name}, {_WHAT[note.kind]} by {who}: {note.text}"


def _advisories(release: ReleaseDocument) -> list[StatementAbout]:
    return [one for one in release.statements if one.kind == "advisory" and not one.replaced]


def _first(items: Any) -> Any:
    return items[:_MOST]
