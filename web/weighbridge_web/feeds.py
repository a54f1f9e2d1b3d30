# SPDX-License-Identifier: Apache-2.0
"""Atom feeds (RFC 4287): who publishes watches their own namespace for a release that they did not make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Response

from weighbridge_web.formats import local, rfc3339
from weighbridge_web.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighbridge_schemas.api import AdvisoryList, EventList, NamespaceDocument

__all__ = ["Item", "advisory_feed", "namespace_feed", "release_feed"]

MAX_ITEMS = 50
_WATCHED = {"release", "namespace", "status", "operator"}


@dataclass(frozen=True)
class Item:
    """One entry of a feed; `index` is its entry in the log, which never changes."""

    index: int
    title: str
    path: str
    author: str
    received: int


def release_feed(events: EventList, base_url: str) -> Response:
    """Return the newest releases, changes of owners, withdrawals and decisions of the operator."""
    items = [
        Item(
            event.index,
            event.summary,
            local(event.url),
            event.signer.label if event.signer else "unknown",
            event.received,
        )
        for event in events.events
        if event.kind in _WATCHED
    ]
    return _atom("Signed and recorded models", "/", "/feed.atom", events.as_of.origin, items, base_url)


def namespace_feed(namespace: NamespaceDocument, base_url: str) -> Response:
    """Return one namespace's latest releases and each change of its owners."""
    name = namespace.namespace
    items = [
        Item(
            model.index,
            f"{model.namespace}/{model.name} {model.version} was released",
            f"/models/{model.namespace}/{model.name}/{model.version}",
            model.signer.label,
            model.received,
        )
        for model in namespace.models
    ]
    items += [
        Item(
            change.index,
            f"The operator gave {name} to other owners"
            if change.by_operator
            else f"The owners of {name} changed",
            f"/log/{change.index}",
            change.signer.label,
            change.received,
        )
        for change in namespace.history
    ]
    path = f"/namespaces/{name}"
    return _atom(f"Namespace {name}", path, f"{path}/feed.atom", namespace.as_of.origin, items, base_url)


def advisory_feed(advisories: AdvisoryList, base_url: str) -> Response:
    """Return the newest advisories, each with who warns: anyone may."""
    items = [
        Item(
            one.index,
            f"{'Taken back: ' if one.withdrawn else ''}{one.id} ({one.severity}): {one.summary}",
            local(one.url),
            one.signer.label,
            one.received,
        )
        for one in advisories.advisories
    ]
    path = "/advisories"
    return _atom("Advisories", path, f"{path}/feed.atom", advisories.as_of.origin, items, base_url)


def _atom(title: str, path: str, feed: str, origin: str, items: Iterable[Item], base_url: str) -> Response:
    newest = sorted(items, key=lambda item: item.index, reverse=True)[:MAX_ITEMS]
    text = render(
        "feed.xml",
        title=title,
        path=path,
        feed=feed,
        origin=origin,
        items=newest,
        updated=rfc3339(newest[0].received if newest else 0),
        base_url=base_url,
    )
    return Response(text, media_type="application/atom+xml", headers={"Cache-Control": "public, max-age=60"})
