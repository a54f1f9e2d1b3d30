# SPDX-License-Identifier: Apache-2.0
"""`weighbridge identify`: what a registry knows of a model, a file or a digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighbridge_cli.options import ignore_option, json_option, registry_option

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.weighing import WeighedModel
    from weighbridge_schemas.api import DigestAnswer, DigestMatch

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_WORDS = {
    "model": "the same files",
    "weights": "the same weights",
    "root": "the same files, by OMS root digest",
    "file": "the same file",
    "readme": "the same README.md",
    "tensor": "the same tensor",
    "table": "the same tensor table",
    "statement": "this very statement",
    "bundle": "this very signature",
}


@click.command("identify")
@click.argument("what", metavar="PATH|DIGEST")
@registry_option
@ignore_option
@json_option
def command(what: str, *, registry: str | None, ignore: tuple[str, ...], as_json: bool) -> None:
    """Ask a registry what it knows of a model (whatever it is called now), of a file, or of a SHA-256.

    The model itself is not sent, only digests. Exit code 0 if it is known, 1 if it is unknown here,
    which says nothing against it.
    """
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import open_registry

    client = open_registry(registry)
    digests = _digests(what, ignore)
    found = [answer for answer in client.digests(list(digests)).answers if answer.matches]
    if as_json:
        terminal.print_json(
            {
                "v": 1,
                "known": bool(found),
                "asked": [{"digest": f"sha256:{digest}", "of": of} for digest, of in digests.items()],
                "answers": [answer.model_dump(mode="json", by_alias=True) for answer in found],
            }
        )
    else:
        _show(what, digests, found, client)
    click.get_current_context().exit(0 if found else 1)


def _digests(what: str, ignore: tuple[str, ...]) -> dict[str, str]:
    """Return the digests to ask for, most telling first, each with what it is the digest of."""
    if match := _DIGEST.fullmatch(what):
        return {match[1]: "the digest you gave"}
    from weighbridge.weighing import weigh
    from weighbridge_cli import terminal

    path = Path(what)
    with terminal.Progress(f"weighing {path.name}") as progress:
        weighed = weigh(path, ignore=ignore, progress=progress)
    return _model_digests(weighed)


def _model_digests(weighed: WeighedModel) -> dict[str, str]:
    wanted = [(weighed.model_digest, "all files")]
    if weighed.weights_digest:
        wanted.append((weighed.weights_digest, "the weights"))
    wanted.append((weighed.root_digest, "all files, by OMS root digest"))
    wanted += [(file.sha256, f"file {file.path}") for file in weighed.files]
    digests: dict[str, str] = {}
    for digest, of in wanted:
        digests.setdefault(digest, of)
    return digests


def _show(what: str, digests: dict[str, str], found: Sequence[DigestAnswer], client: RegistryClient) -> None:
    from weighbridge_cli import terminal

    if not found:
        terminal.put(f"Unknown to {client.url}: {what}")
        terminal.note("Unknown is not bad: it was not published there, or it was changed since.")
        return
    best: dict[str, tuple[DigestMatch, list[str]]] = {}
    for answer in found:
        of = digests.get(answer.digest.removeprefix("sha256:"), "")
        for match in answer.matches:
            _add(best, match, of)
    for release, (match, parts) in best.items():
        terminal.put(release, bold=True)
        terminal.put(f"  {'; '.join(parts)}")
        if match.signer is not None:
            terminal.put(f"  signed by {match.signer.label}")
        terminal.put(f"  entry {match.index}, {_day(match.received)}: {client.absolute(match.url)}")
    terminal.note(
        f"This is the word of {client.url}; to be sure, verify: weighbridge verify PATH --release …"
    )


def _add(best: dict[str, tuple[DigestMatch, list[str]]], match: DigestMatch, of: str) -> None:
    """Put a match under its release; name single files only where nothing bigger matches."""
    named = match.namespace and match.name and match.version
    release = f"{match.namespace}/{match.name}@{match.version}" if named else f"entry {match.index}"
    kept, parts = best.setdefault(release, (match, []))
    words = _WORDS[match.kind]
    if match.kind in {"file", "tensor", "readme"}:
        if kept.kind in {"model", "weights", "root"}:
            return
        words = f"{words}: {match.path}" if match.path else words
    elif match.kind == "root" and kept.kind == "model":
        return
    if of.startswith("file ") and match.path and of != f"file {match.path}":
        words += f" (yours is called {of.removeprefix('file ')})"
    if words not in parts:
        parts.append(words)


def _day(received: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(received, UTC).strftime("%Y-%m-%d %H:%M UTC")
