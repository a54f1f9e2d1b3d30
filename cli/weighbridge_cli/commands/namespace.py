# SPDX-License-Identifier: Apache-2.0
"""`weighbridge namespace`: who may publish under a name."""

from __future__ import annotations

import click

from weighbridge_cli.operators import owner_words
from weighbridge_cli.options import json_option, registry_option


@click.group("namespace")
def command() -> None:
    """Show who may publish under a name."""


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
    terminal.note(f"This is the word of {client.url}. What it proves is in the record file of each release.")


def _counted(owners: int) -> str:
    return "1 owner" if owners == 1 else f"{owners} owners"
