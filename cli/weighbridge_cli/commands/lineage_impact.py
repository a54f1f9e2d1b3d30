# SPDX-License-Identifier: Apache-2.0
"""`weighbridge lineage impact`: what stands on a release, a data set, or what a warning is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from weighbridge_cli.commands.lineage_show import digest_of, served
from weighbridge_cli.options import json_option, registry_option

if TYPE_CHECKING:
    from weighbridge_schemas.api import ImpactDocument, ImpactItem

_LINES = 200


@click.command("impact")
@click.argument("what", metavar="[NS/NAME[@VERSION]|DIGEST]", required=False)
@click.option("--dataset", metavar="NAME", help="What was made with the data set that publishers call so.")
@registry_option
@json_option
def command(what: str | None, *, dataset: str | None, registry: str | None, as_json: bool) -> None:
    """List the releases that stand on a release, a data set, or what an advisory is about, nearest first.

    DIGEST is that of a model, of weights, of a data set, or of a statement: a release's, an advisory's.
    Only declared steps are followed that name their parent by a digest. Exit code 0, also if there are none.
    """
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import open_registry

    if (what is None) == (dataset is None):
        raise InputError(
            "say whose impact is asked for, and of one thing only",
            hint="weighbridge lineage impact NS/NAME@VERSION, or a DIGEST, or --dataset NAME",
        )
    client = open_registry(registry)
    found = client.impact(None if what is None else digest_of(what, client), dataset=dataset)
    if as_json:
        terminal.print_json({"v": 1, "impact": found.model_dump(mode="json", by_alias=True)})
        return
    _show(found, what or dataset or "", client.url)


def _show(found: ImpactDocument, what: str, url: str) -> None:
    from weighbridge_cli import terminal

    if not found.items:
        terminal.put(f"Nothing that is recorded at {url} says that it stands on {what}.")
    for item in found.items[:_LINES]:
        terminal.put(_line(item))
    for line in served(found.deployments[:_LINES]):
        terminal.put(line)
    if found.more_deployments or len(found.deployments) > _LINES:
        terminal.note("There are more deployments than are listed.")
    if len(found.items) > _LINES:
        terminal.note(f"and {len(found.items) - _LINES} more, with --json")
    if found.truncated:
        terminal.note("There is more than a registry lists at once.")
    terminal.note(
        f"This is the word of {url}; whoever gives only a name as parent, or keeps silent, is not in it."
    )


def _line(item: ImpactItem) -> str:
    from weighbridge_cli.terminal import short

    how = f" ({item.relation})" if item.relation else ""
    state = "" if item.state == "released" else f", {item.state}"
    away = {0: "itself", 1: "1 step"}.get(item.distance, f"{item.distance} steps")
    name = f"{item.namespace}/{item.model}@{item.version}"
    return f"{away:>8}  {name}{how}{state}, signed by {short(item.signer.label)}"
