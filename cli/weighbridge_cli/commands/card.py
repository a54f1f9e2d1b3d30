# SPDX-License-Identifier: Apache-2.0
"""`weighbridge card`: what a publisher says about a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.commands.card_revise import command as revise
from weighbridge_cli.options import EXISTING, json_option, registry_option

if TYPE_CHECKING:
    from weighbridge.cards import MemberChange
    from weighbridge_cli.cards import FoundCard
    from weighbridge_schemas.api import Openness

FORMATS = (
    *("hf", "cyclonedx-1.6", "cyclonedx-1.7", "mof"),
    *("spdx-3.0.1", "prov-json"),
    *("eu-gpai-documentation", "eu-gpai-documentation-json"),
    *("eu-training-summary", "eu-training-summary-json"),
)
"""Names of the export formats; a test holds them against the library's."""


@click.group("card")
def command() -> None:
    """Write, check, show, compare, export and revise model cards."""


command.add_command(revise)


@command.command("init")
@click.argument("path", type=EXISTING, default=".")
@click.option("--output", type=EXISTING, metavar="FILE", help="Where to write it (default: PATH.card.yaml).")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def init(path: Path, *, output: Path | None, force: bool, as_json: bool) -> None:
    """Write a card file to fill in, from what the model's files in PATH say already.

    README.md, .eval_results, adapter_config.json and config.json are read. The card file lies beside the
    folder, not in it, so that it does not become a file of the model.
    """
    from weighbridge.atomic import write_atomically
    from weighbridge.cards import card_template
    from weighbridge.errors import InputError
    from weighbridge.model_folders import ModelFolder
    from weighbridge_cli import terminal

    card = ModelFolder.open(path).draft()
    whole = path.resolve()
    target = output or whole.with_name(f"{whole.name}.card.yaml")
    if target.exists() and not force:
        raise InputError(f"{target} is there already", hint="add --force to write over it, or --output FILE")
    not_understood = card.imported.not_understood if card.imported is not None else ()
    text = card_template(card.model_copy(update={"imported": None}))
    write_atomically(target, text.encode())
    if as_json:
        terminal.print_json({"v": 1, "file": str(target), "not_understood": list(not_understood)})
        return
    terminal.put(f"wrote {target}")
    for note in not_understood:
        terminal.warn(f"a card has no place for: {note}")
    terminal.note(f"fill it in, then: weighbridge card check {target} --model {path}")


@command.command("check")
@click.argument("what", metavar="PATH|FILE|NS/NAME@VERSION")
@click.option("--model", type=EXISTING, metavar="PATH", help="The model's folder that a card FILE is about.")
@registry_option
@json_option
def check(what: str, *, model: Path | None, registry: str | None, as_json: bool) -> None:
    """Check a card file, or the card that a model's folder states, and say how open it makes the model.

    Nothing is sent; a registry is asked only for the card of a release. Exit code 1 if something in it is
    wrong: a licence that SPDX does not know, or a digest or file that is not this model's.
    """
    from weighbridge.openness import describe_openness
    from weighbridge_cli import terminal
    from weighbridge_cli.cards import find_card, show_openness

    found = find_card(what, registry, model=model)
    openness = describe_openness(found.card, found.evidence)
    problems = _problems(openness)
    if as_json:
        told = {"v": 1, "name": found.name, "card": found.card.to_json()}
        told |= {"openness": openness.model_dump(mode="json", by_alias=True), "problems": problems}
        terminal.print_json(told | {"not_understood": list(found.not_understood)})
    else:
        terminal.put(f"{found.name}: a valid card", bold=True)
        show_openness(openness)
        for problem in problems:
            terminal.warn(problem)
        for note in found.not_understood:
            terminal.warn(f"a card has no place for: {note}")
    click.get_current_context().exit(1 if problems else 0)


def _problems(openness: Openness) -> list[str]:
    from weighbridge.openness import BY_NAME

    unknown = [f"SPDX does not know the licence {one}" for one in openness.unknown_licenses]
    wrong = [
        f"{BY_NAME[one.name].title}: {warning}"
        for one in openness.components
        for warning in one.warnings
        if one.evidence is None and "this release" in warning
    ]
    return [*unknown, *wrong]


@command.command("show")
@click.argument("release", metavar="NS/NAME@VERSION")
@registry_option
@json_option
def show(release: str, *, registry: str | None, as_json: bool) -> None:
    """Show the card of a release as it now stands, and how open it makes the model."""
    from weighbridge.errors import InputError
    from weighbridge.releases import ReleaseName
    from weighbridge.strict_yaml import write_yaml
    from weighbridge_cli import terminal
    from weighbridge_cli.cards import show_openness
    from weighbridge_cli.registries import open_registry

    client = open_registry(registry)
    name = ReleaseName.parse(release)
    document = client.release(name.namespace, name.name, name.version)
    if document is None:
        raise InputError(f"{client.url} has no release {name}")
    if as_json:
        dumped = document.model_dump(mode="json", by_alias=True)
        told = {key: dumped[key] for key in ("card_statement", "openness", "as_of")}
        card = document.card.to_json() if document.card is not None else None
        terminal.print_json({"v": 1, "release": str(name), "card": card} | told)
        return
    if document.card is None:
        terminal.put(f"{name} has no card: its publisher disclosed nothing beyond the files.")
        return
    for line in write_yaml(document.card.to_json()).splitlines():
        terminal.put(line)
    if document.openness is not None:
        show_openness(document.openness)
    terminal.note(
        f"This is the word of {client.url}; weighbridge verify --release {name} checks what was signed."
    )


@command.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@registry_option
@json_option
def diff(first: str, second: str | None, *, registry: str | None, as_json: bool) -> None:
    """Show each member that differs between two cards, with its old and new value.

    A and B are card files, folders, or releases: NS/NAME@VERSION is its newest card, NS/NAME@VERSION#N the
    card of revision N, #0 the one that it was released with. Without B, A is a release and its last revision
    is compared with the one before. Exit code 0 also if they differ.
    """
    from weighbridge.cards import compare_cards
    from weighbridge_cli import terminal
    from weighbridge_cli.cards import find_card, tell_whose_word

    before, after = (
        (find_card(first, registry), find_card(second, registry)) if second else _last_two(first, registry)
    )
    changes = compare_cards(before.card, after.card)
    if as_json:
        listed = [{"path": one.path, "old": one.old, "new": one.new} for one in changes]
        told = {"v": 1, "first": before.name, "second": after.name, "same": not changes, "changes": listed}
        terminal.print_json(told)
        return
    terminal.put(f"{before.name} → {after.name}", bold=True)
    if not changes:
        terminal.put("no difference")
    _put_changes(changes)
    tell_whose_word(before, after)


def _last_two(what: str, registry: str | None) -> tuple[FoundCard, FoundCard]:
    from weighbridge.errors import InputError
    from weighbridge_cli.cards import find_card

    newest = find_card(what, registry)
    release, hash_, number = newest.name.rpartition("#")
    if newest.subject is None or not hash_:
        raise InputError("a second card is missing", hint="weighbridge card diff A B")
    if number == "0":
        raise InputError(f"the card of {release} was never revised", hint="weighbridge card diff A B")
    return find_card(f"{release}#{int(number) - 1}", registry), newest


def _put_changes(changes: tuple[MemberChange, ...]) -> None:
    from weighbridge_cli import terminal
    from weighbridge_cli.cards import json_text

    for change in changes:
        terminal.put(change.path)
        terminal.put(f"  - {json_text(change.old)}", colour="red")
        terminal.put(f"  + {json_text(change.new)}", colour="green")


@command.command("export")
@click.argument("what", metavar="FILE|NS/NAME@VERSION")
@click.option("--format", "name", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option("--output", type=EXISTING, metavar="FILE", help="Write it here (else: standard output).")
@click.option(
    "--record", type=EXISTING, metavar="FILE", help="Take the release from this provenance.jsonl, offline."
)
@registry_option
@json_option
def export(
    what: str,
    *,
    name: str,
    output: Path | None,
    record: Path | None,
    registry: str | None,
    as_json: bool,
) -> None:
    """Write a card in a format that others read; what that has no place for is said on standard error.

    With --record nothing is asked of a registry, and nothing in the record is checked: verify does that.
    """
    from weighbridge.atomic import write_atomically
    from weighbridge.cards import export_card
    from weighbridge_cli import terminal
    from weighbridge_cli.cards import find_card, tell_whose_word

    found = find_card(what, registry, record=record)
    exported = export_card(found.card, name, found.subject)
    told: dict[str, Any] = {"v": 1, "format": name, "text": exported.text, "lost": list(exported.lost)}
    if output is not None:
        write_atomically(output, exported.text.encode())
    if as_json:
        terminal.print_json(told)
    elif output is None:
        click.echo(exported.text, nl=False)  # a card holds no control characters
    for lost in exported.lost if not as_json else ():
        terminal.warn(f"{name} has no place for: {lost}")
    tell_whose_word(found)
