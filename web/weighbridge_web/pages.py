# SPDX-License-Identifier: Apache-2.0
"""The pages: each asks the record for one document and writes it out; `….json` is that document unchanged.

A name may itself end in `.json`; the twin of the shorter name comes first, so that no one can take its
address by claiming the longer one.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from weighbridge_registry.queries.graphs import place_of
from weighbridge_web.badges import badge
from weighbridge_web.comparing import compare
from weighbridge_web.feeds import advisory_feed, namespace_feed, release_feed
from weighbridge_web.records import Ask, NotKnownError
from weighbridge_web.release_page import release_context
from weighbridge_web.rendering import page
from weighbridge_web.signer_page import identity_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighbridge_schemas.base import Document

__all__ = ["Cursor", "bare_hex", "base_url", "router", "twin"]

PAGE_ENTRIES = 50
"""Entries on one page of the log."""
MAX_QUERY = 200
"""Characters of a search."""
MAX_NAMES = 300
"""Characters of namespace, name and version together."""

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,100}\Z")
_RELEASE = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)/([A-Za-z0-9][A-Za-z0-9._-]*)[@/]([A-Za-z0-9][A-Za-z0-9._+-]*)\Z"
)
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?\Z|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?\Z")
_JSON = ".json"

router = APIRouter(include_in_schema=False)
Cursor = Annotated[int | None, Query(ge=0, lt=2**53)]
Steps = Annotated[int, Query(ge=0, le=10)]


def base_url(request: Request) -> str:
    """Return the address of this registry as the operator set it, else as the reader's browser wrote it.

    A `Host` header is whatever a client sends: one that is no host name is not repeated on a page.
    """
    configured: str = request.app.state.base_url
    if configured:
        return configured.rstrip("/")
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if _HOST.match(host) else "http://REGISTRY"


@router.get("/")
def home(request: Request, ask: Ask) -> Response:
    """Say what this is; search, the latest releases, the head of the log."""
    return page("home.html", latest=ask.models("", None), log=ask.log(), base_url=base_url(request))


@router.get("/models")
@router.get("/models.json")
def models(
    request: Request, ask: Ask, q: Annotated[str, Query(max_length=MAX_QUERY)] = "", cursor: Cursor = None
) -> Response:
    """Search results; a digest goes straight to its own page."""
    query = "".join(character for character in q if character.isprintable()).strip()
    found = _DIGEST.match(query)
    as_json = request.url.path.endswith(_JSON)
    if found and not as_json:
        return RedirectResponse(f"/digests/{found.group(1).lower()}", status_code=303)
    document = ask.models(query, cursor)
    if as_json:
        return twin(document)
    return page("models.html", found=document, base_url=base_url(request), section="models")


@router.get("/models/{namespace}")
def models_of(namespace: str) -> Response:
    """Lead from the first half of a name to the namespace, which lists its models."""
    return RedirectResponse(f"/namespaces/{_name(namespace)}", status_code=308)


@router.get("/models/{namespace}/{name}")
def model(namespace: str, name: str, ask: Ask) -> Response:
    """Show a model and its releases."""

    def html(name: str) -> Response:
        document = ask.model(_name(namespace), _name(name))
        if (document.namespace, document.name) != (namespace, name):
            return RedirectResponse(f"/models/{document.namespace}/{document.name}", status_code=308)
        signers = {release.signer.id for release in document.versions}
        return page("model.html", model=document, signers=signers, section="models")

    return _twin_or_page(name, lambda name: ask.model(_name(namespace), _name(name)), html)


@router.get("/models/{namespace}/{name}/{version}")
def release(
    namespace: str, name: str, version: str, request: Request, ask: Ask, up: Steps = 1, down: Steps = 1
) -> Response:
    """Show one release: the page that all others lead to."""
    if version.endswith(_JSON):  # no version ends so
        return twin(ask.release(*_names(namespace, name, version.removesuffix(_JSON))))
    document = ask.release(*_names(namespace, name, version))
    if (document.namespace, document.name) != (namespace, name):
        address = f"/models/{document.namespace}/{document.name}/{document.version}"
        return RedirectResponse(address, status_code=308)
    context = release_context(document, ask, up=up, down=down)
    return page("release.html", **context, base_url=base_url(request), section="models")


@router.get("/models/{namespace}/{name}/{version}/provenance.jsonl")
def record_file(namespace: str, name: str, version: str, ask: Ask) -> Response:
    """Give the record file of a release as a download: the name that `weighbridge verify` looks for."""
    document = ask.provenance(*_names(namespace, name, version))
    lines = "".join(f"{line.model_dump_json()}\n" for line in document.lines)
    headers = {
        "Cache-Control": "no-cache",
        "Content-Disposition": 'attachment; filename="provenance.jsonl"',
    }
    return Response(lines, media_type="application/jsonl", headers=headers)


@router.get("/signers/{signer}")
def signer(signer: str, ask: Ask, cursor: Cursor = None) -> Response:
    """Show what one signer did here."""
    document = ask.signer(bare_hex(signer.removesuffix(_JSON)), cursor)
    if signer.endswith(_JSON):
        return twin(document)
    return page("signer.html", signer=document, identity_rows=identity_rows(document.identity))


@router.get("/namespaces/{namespace}")
def namespace(namespace: str, ask: Ask) -> Response:
    """Show a namespace, its owners, its models."""

    def html(name: str) -> Response:
        document = ask.namespace(_name(name))
        if document.namespace != name:
            return RedirectResponse(f"/namespaces/{document.namespace}", status_code=308)
        return page("namespace.html", namespace=document)

    return _twin_or_page(namespace, lambda name: ask.namespace(_name(name)), html)


@router.get("/digests/{sha256}")
def digest(sha256: str, request: Request, ask: Ask) -> Response:
    """Show what is known of a digest; unknown is an answer too."""
    document = ask.digest(bare_hex(sha256.removesuffix(_JSON)))
    if sha256.endswith(_JSON):
        return twin(document)
    impact = ask.impact(bare_hex(sha256), (0, 0))
    return page("digest.html", answer=document, impact=impact, base_url=base_url(request))


@router.get("/impact/{sha256}")
def impact(sha256: str, ask: Ask, cursor: Annotated[str | None, Query(max_length=32)] = None) -> Response:
    """Show what stands on a model, its weights, or a data set."""
    after = place_of(cursor)
    if after is None:
        raise HTTPException(400, "That is no place in such a list.")
    document = ask.impact(bare_hex(sha256.removesuffix(_JSON)), after)
    return twin(document) if sha256.endswith(_JSON) else page("impact.html", found=document)


@router.get("/compare")
def compare_releases(
    ask: Ask,
    a: Annotated[str, Query(max_length=MAX_NAMES)] = "",
    b: Annotated[str, Query(max_length=MAX_NAMES)] = "",
) -> Response:
    """Show two releases side by side; without them, ask for which."""
    asked = (a.strip(), b.strip())
    if not all(asked):
        return page("compare.html", asked=asked, found=None)
    releases = tuple(ask.release(*_release_named(name)) for name in asked)
    found = compare(releases[0], releases[1], ask)
    return page("compare.html", asked=asked, found=found, releases=releases)


@router.get("/log")
def log(request: Request, ask: Ask, before: Annotated[int | None, Query(ge=0, lt=2**53)] = None) -> Response:
    """Show the head of the log, how to check it, and its entries, newest first."""
    head = ask.log()
    end = head.size if before is None else min(before, head.size)
    start = max(0, end - PAGE_ENTRIES)
    events = ask.events(start, end - start)
    newer = min(end + PAGE_ENTRIES, head.size) if end < head.size else None
    return page(
        "log.html",
        log=head,
        events=events,
        newer=newer,
        older=start or None,
        base_url=base_url(request),
        section="log",
    )


@router.get("/log.json")
def log_twin(ask: Ask) -> Response:
    """Return the head of the log as JSON."""
    return twin(ask.log())


@router.get("/log/{index}")
def entry(index: str, ask: Ask) -> Response:
    """Show one line of the log."""
    number = index.removesuffix(_JSON)
    if not _INDEX.match(number):
        raise HTTPException(400, "An entry is named by its number, counted from 0.")
    document = ask.entry(int(number))
    if index.endswith(_JSON):
        return twin(document)
    leaf = base64.b64decode(document.leaf).decode("utf-8", errors="replace")
    return page("entry.html", entry=document, leaf=leaf, section="log")


@router.get("/about/trust")
def trust(ask: Ask) -> Response:
    """Say what a signature proves and what not, and explain every label."""
    return page("trust.html", log=ask.log(), section="trust")


@router.get("/feed.atom")
def feed(request: Request, ask: Ask) -> Response:
    """Feed of the newest releases."""
    size = ask.log().size
    start = max(0, size - 2 * PAGE_ENTRIES)
    return release_feed(ask.events(start, size - start), base_url(request))


@router.get("/advisories/feed.atom")
def feed_of_advisories(request: Request, ask: Ask) -> Response:
    """Feed of the newest advisories."""
    return advisory_feed(ask.advisories(None, None), base_url(request))


@router.get("/namespaces/{namespace}/feed.atom")
def feed_of_namespace(namespace: str, request: Request, ask: Ask) -> Response:
    """Feed of a namespace: its releases and every change of its owners."""
    return namespace_feed(ask.namespace(_name(namespace)), base_url(request))


@router.get("/badges/{namespace}/{name}.svg")
@router.get("/badges/{namespace}/{name}/{version}.svg")
def release_badge(namespace: str, name: str, ask: Ask, version: str = "") -> Response:
    """Draw a badge for a release, or for a model's latest; what is unknown gets one that says so."""
    status = 200
    try:
        latest = version or ask.model(_name(namespace), _name(name)).latest
        document = ask.release(*_names(namespace, name, latest))
    except NotKnownError:
        text, state, status = "not recorded here", "unknown", 404
    else:
        withdrawn = document.status.state == "yanked"
        text = f"{document.version} {'withdrawn' if withdrawn else 'signed and recorded'}"
        state = "withdrawn" if withdrawn else "recorded"
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(badge("weighbridge", text, state), status, media_type="image/svg+xml", headers=headers)


def twin(document: Document) -> Response:
    """Return the API's document itself."""
    headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    return Response(document.model_dump_json(by_alias=True), media_type="application/json", headers=headers)


def _twin_or_page(name: str, ask: Callable[[str], Document], html: Callable[[str], Response]) -> Response:
    """Answer `name.json` with the twin of `name` if that is recorded, else with the page of `name.json`."""
    if not name.endswith(_JSON):
        return html(name)
    try:
        return twin(ask(name.removesuffix(_JSON)))
    except NotKnownError:
        return html(name)


def _name(text: str) -> str:
    """Return a part of a name that could be recorded; no other reaches the database."""
    if not _NAME.match(text):
        raise HTTPException(404, f"{text[:100]} is no name that could be recorded here")
    return text


def _names(namespace: str, name: str, version: str) -> tuple[str, str, str]:
    return _name(namespace), _name(name), _name(version)


def _release_named(text: str) -> tuple[str, str, str]:
    """Read `namespace/name@version`, or the end of a release page's address."""
    found = _RELEASE.match(text)
    if found is None:
        raise HTTPException(400, f"{text[:100]} is no release; write namespace/name@version")
    return found.group(1), found.group(2), found.group(3)


def bare_hex(text: str) -> str:
    """Return a SHA-256 in an address as bare lowercase hex; 400 if it is none."""
    found = _DIGEST.match(text)
    if not found:
        raise HTTPException(400, "A SHA-256 has 64 hexadecimal digits.")
    return found.group(1).lower()
