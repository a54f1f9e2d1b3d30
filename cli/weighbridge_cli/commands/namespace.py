# SPDX-License-Identifier: Apache-2.0
"""`weighbridge namespace`: who may publish under a name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.operators import OwnerOptions, owner_options, owner_words
from weighbridge_cli.options import json_option, registry_option, signing_options

if TYPE_CHECKING:
    from weighbridge_schemas.namespace import Owner


@click.group("namespace")
def command() -> None:
    """Show and change who may publish under a name."""


@command.command("show")
@click.argument("namespace", metavar="NS")
@registry_option
@json_option
def show(namespace: str, *, registry: str | None, as_json: bool) -> None:
    """Show the owners of NS, and every change of them, as the registry says.

    A namespace proves nothing about a name in real life: look at its owners. Exit code 1 if nobody has
    claimed it.
    """
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import open_registry

    client = open_registry(registry)
    document = client.namespace(namespace)
    if document is None:
        if as_json:
            terminal.print_json({"v": 1, "namespace": namespace, "claimed": False})
        else:
            terminal.put(f"Nobody has claimed {namespace} on {client.url}.")
        click.get_current_context().exit(1)
    if as_json:
        terminal.print_json({"v": 1, "claimed": True, **document.model_dump(mode="json", by_alias=True)})
        return
    terminal.put(document.namespace, bold=True)
    for owner in document.owners:
        terminal.put(f"  owner: {owner_words(owner)}")
    terminal.put(f"  since entry {document.index} of {document.as_of.origin}, epoch {document.epoch}")
    terminal.put(f"  models: {', '.join(model.name for model in document.models) or 'none yet'}")
    for change in document.history:
        added, removed = _counted(len(change.added)), _counted(len(change.removed))
        who = terminal.short(change.signer.label)
        terminal.put(f"  entry {change.index}: {added} added, {removed} removed, signed by {who}")
        if change.by_operator:
            terminal.put(f"    given to other owners by the operator: epoch {change.epoch} begins")
    terminal.note(f"This is the word of {client.url}. What it proves is in the record file of each release.")


def _counted(owners: int) -> str:
    return "1 owner" if owners == 1 else f"{owners} owners"


@command.command("add-owner")
@click.argument("namespace", metavar="NS")
@owner_options
@click.option("--confirm/--no-confirm", default=True, help="Show the new list and ask.")
@registry_option
@signing_options
@json_option
def add_owner(namespace: str, **options: Any) -> None:
    """Let others publish under NS, too: they own it as you do, and can remove you.

    Signed by you, an owner, and recorded for everybody to see.
    """
    _change(namespace, options, adding=True)


@command.command("remove-owner")
@click.argument("namespace", metavar="NS")
@owner_options
@click.option("--confirm/--no-confirm", default=True, help="Show the new list and ask.")
@registry_option
@signing_options
@json_option
def remove_owner(namespace: str, **options: Any) -> None:
    """Take NS from an owner, such as a key that was stolen. Their earlier releases stay what they are.

    Sign as another owner. From that entry on the registry takes nothing of theirs under NS.
    """
    _change(namespace, options, adding=False)


def _change(namespace: str, options: dict[str, Any], *, adding: bool) -> None:
    from weighbridge.namespaces import change_owners
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import memory, open_registry, trust_store
    from weighbridge_cli.signers import SigningOptions, choose_signer

    as_json, ask = options.pop("as_json"), options.pop("confirm")
    named = OwnerOptions.take(options).owners()
    client = open_registry(options.pop("registry"))
    changed = change_owners(
        namespace,
        registry=client,
        signer=choose_signer(SigningOptions.take(options)),
        trust=trust_store(),
        memory=memory(),
        add=named if adding else (),
        remove=() if adding else named,
        confirm=_ask if ask else lambda _: None,
    )
    if as_json:
        owners = [owner.to_json() for owner in changed.owners]
        found = {"v": 1, "namespace": changed.namespace, "owners": owners, "index": changed.index}
        terminal.print_json(found | {"statement": f"sha256:{changed.statement}", "log": changed.origin})
        return
    terminal.rows(
        [("namespace", changed.namespace), ("recorded", f"entry {changed.index} of {changed.origin}")]
        + [("owner", owner_words(owner)) for owner in changed.owners]
    )


def _ask(owners: tuple[Owner, ...]) -> None:
    """Show the list that is about to be signed: it is the whole of who may publish from then on."""
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal

    for owner in owners:
        terminal.note(f"owner from now on: {owner_words(owner)}")
    if not sys.stdin.isatty():
        raise InputError(
            "there is no terminal to ask whether that is right",
            hint="add --no-confirm if you have checked it",
        )
    if not click.confirm("Sign and record this list?", err=True):
        raise InputError("nothing was signed")
