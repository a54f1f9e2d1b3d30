# SPDX-License-Identifier: Apache-2.0
"""`weighbridge identify`: what a registry knows of a model, a file or a digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import ignore_option, json_option, registry_option

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.weighing import WeighedModel
    from weighbridge_schemas.api import DigestAnswer, DigestMatch

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_STRENGTH = ("model", "root", "weights", "table", "file", "tensor", "readme", "statement", "bundle")
_WHOLE = ("model", "root", "weights", "table")
_WORDS = {
    "model": "all files are the same",
    "root": "all files are the same",
    "weights": "the weights are the same, other files differ",
    "table": "the tensor table is the same",
    "tensor": "holds this tensor",
    "readme": "has this README.md",
    "statement": "is this very statement",
    "bundle": "is this very signature",
}
_MOST_NAMES = 5
_MOST_RELEASES = 20
_MOST_STANDINGS = 5
_CANDIDATES = 5


@click.command("identify")
@click.argument("what", metavar="[PATH|DIGEST]", required=False)
@click.option("--name", metavar="NAME", help="A closed model or a service, by its exact name.")
@registry_option
@ignore_option
@json_option
def command(
    what: str | None, *, name: str | None, registry: str | None, ignore: tuple[str, ...], as_json: bool
) -> None:
    """Ask a registry what it knows of a model (whatever it is called now), of a file, or of a SHA-256.

    And what is wrong with it: its owners' word, warnings of others, what its origins suffer from.

    With --name: what is said of a closed model, or of a service, that nobody can weigh.

    Nothing but digests is sent. Exit code 0 if it is known; 1 if it is not, also when only some of a
    model's files are: which says nothing against it.
    """
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import open_registry

    if (what is None) == (name is None):
        raise click.UsageError("Give a PATH, a DIGEST, or --name NAME.")
    client = open_registry(registry)
    if what is None:
        _by_name(name or "", client, as_json=as_json)
        return
    question = _question(what, ignore)
    answers = [answer for answer in client.digests(list(question.digests)).answers if answer.matches]
    found = _by_release(question, answers)
    known = any(one.kind in _WHOLE or not question.is_folder for one in found)
    if as_json:
        terminal.print_json(_document(question, answers, found, client, known=known))
    else:
        _show(question, found, client)
    click.get_current_context().exit(0 if known else 1)


def _by_name(name: str, client: RegistryClient, *, as_json: bool) -> None:
    from weighbridge_cli import terminal
    from weighbridge_cli.named import find_named, lines, report

    found = find_named(client, name)
    document = report(found)
    if as_json:
        terminal.print_json(document)
    elif not document["known"]:
        terminal.put(f"Unknown to {client.url}: {name}")
        terminal.note("Names are compared letter by letter; nobody there speaks of one that is written so.")
    else:
        for line in lines(found, client):
            terminal.put(line)
        terminal.note("Each is the word of who signed it; a registry does not know who the vendor is.")
    click.get_current_context().exit(0 if document["known"] else 1)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked: digests (bare hex), and which file of ours a digest is of."""

    what: str
    is_folder: bool
    digests: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    """One release that has something of it: the strongest match, and which files of ours."""

    release: str
    match: DigestMatch
    kind: str
    files: set[str] = field(default_factory=set)
    rarity: float = 0.0
    their_names: set[str] = field(default_factory=set)


def _question(what: str, ignore: tuple[str, ...]) -> _Question:
    """Weigh what is asked for, unless it is a digest already."""
    if match := _DIGEST.fullmatch(what):
        return _Question(what, is_folder=False, digests=(match[1],))
    from weighbridge.weighing import weigh
    from weighbridge_cli import terminal

    path = Path(what)
    with terminal.Progress(f"weighing {path.name}") as progress:
        weighed = weigh(path, ignore=ignore, progress=progress)
    return _about(what, weighed)


def _about(what: str, weighed: WeighedModel) -> _Question:
    files = {file.path: file.sha256 for file in weighed.files}
    whole = [
        weighed.model_digest,
        weighed.root_digest,
        *([weighed.weights_digest] if weighed.weights_digest else []),
    ]
    digests = dict.fromkeys([*whole, *files.values()])
    return _Question(what, is_folder=not weighed.is_file, digests=tuple(digests), files=files)


def _by_release(question: _Question, answers: Sequence[DigestAnswer]) -> list[_Found]:
    """Gather the matches of each release, strongest release first."""
    found: dict[str, _Found] = {}
    for answer in answers:
        digest = answer.digest.removeprefix("sha256:")
        ours = [path for path, sha256 in question.files.items() if sha256 == digest]
        for match in answer.matches:
            named = match.namespace and match.name and match.version
            release = f"{match.namespace}/{match.name}@{match.version}" if named else f"entry {match.index}"
            one = found.setdefault(release, _Found(release, match, match.kind))
            if _STRENGTH.index(match.kind) < _STRENGTH.index(one.kind):
                one.match, one.kind = match, match.kind
            if match.kind == "file":
                one.files.update(ours)
                one.rarity += 1 / len(answer.matches)
                one.their_names.update([match.path] if match.path else [])
    released = [one for one in found.values() if one.match.namespace]
    # A statement of its own (an OMS signature, say) tells nothing beside the release that it belongs to.
    return sorted(
        released or found.values(),
        key=lambda one: (_STRENGTH.index(one.kind), -len(one.files), one.match.index),
    )


def _closest(question: _Question, found: Sequence[_Found], client: RegistryClient) -> _Found:
    """Find the release with most of the files, by the lists of those that have the rarest ones.

    A look-up shows a bounded number of releases for each digest, so a file that half the world has (a
    licence, say) hides the release that is meant; its own list of files does not.
    """
    candidates = sorted(found, key=lambda one: (-one.rarity, one.match.index))[:_CANDIDATES]
    for one in candidates:
        match = one.match
        if match.namespace and match.name and match.version:
            document = client.release(match.namespace, match.name, match.version)
            theirs = {file.sha256 for file in document.files} if document else set()
            one.files.update(path for path, sha256 in question.files.items() if sha256 in theirs)
    return max(candidates, key=lambda one: (len(one.files), -one.match.index))


def _document(
    question: _Question,
    answers: Iterable[DigestAnswer],
    found: Sequence[_Found],
    client: RegistryClient,
    *,
    known: bool,
) -> dict[str, Any]:
    from weighbridge_cli.standings import release_of, standing

    releases = [release_of(client, one.release) for one in found[:_MOST_STANDINGS]]
    files = {digest: path for path, digest in question.files.items()}
    return {
        "v": 1,
        "known": known,
        "asked": [{"digest": f"sha256:{digest}", "file": files.get(digest)} for digest in question.digests],
        "answers": [answer.model_dump(mode="json", by_alias=True) for answer in answers],
        "standings": [standing(release) for release in releases if release is not None],
    }


def _show(question: _Question, found: Sequence[_Found], client: RegistryClient) -> None:
    from weighbridge_cli import terminal
    from weighbridge_cli.standings import release_of, troubles

    if not found:
        terminal.put(f"Unknown to {client.url}: {question.what}")
        terminal.note("That is not bad: it was not published there, or it was changed since.")
        return
    if question.is_folder and found[0].kind not in _WHOLE:
        best = _closest(question, found, client)
        terminal.put(f"This exact model is not registered here. {_parts(question, best)}", colour="yellow")
        found = [best]
    for place, one in enumerate(found[:_MOST_RELEASES]):
        terminal.put(one.release, bold=True)
        terminal.put(f"  {_words(question, one)}")
        if one.match.signer is not None:
            terminal.put(f"  signed by {terminal.short(one.match.signer.label)}")
        terminal.put(
            f"  entry {one.match.index}, {_day(one.match.received)}: {client.absolute(one.match.url)}"
        )
        release = release_of(client, one.release) if place < _MOST_STANDINGS else None
        for line in troubles(release) if release is not None else ():
            terminal.put(f"  {line}", colour="yellow")
    if len(found) > _MOST_RELEASES:
        terminal.put(f"and {len(found) - _MOST_RELEASES} more")
    terminal.note(
        f"This is the word of {client.url}. To be sure: weighbridge verify PATH --release NS/NAME@VERSION"
    )


def _words(question: _Question, one: _Found) -> str:
    if one.kind == "file":
        if question.is_folder:
            return f"has {len(one.files)} of its {len(question.files)} files"
        return f"has this file: {_names(one.their_names)}"
    return _WORDS[one.kind]


def _parts(question: _Question, best: _Found) -> str:
    """Say how much of a model a release has, and which files it does not have."""
    missing = question.files.keys() - best.files
    if not best.files:
        return ""
    return (
        f"{len(best.files)} of its {len(question.files)} files are in {best.release}; "
        f"unknown there: {_names(missing)}."
    )


def _names(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more


def _day(received: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(received, UTC).strftime("%Y-%m-%d %H:%M UTC")
