# SPDX-License-Identifier: Apache-2.0
"""`weighbridge lineage export`: the releases around one as PROV-JSON."""

from __future__ import annotations

from pathlib import Path

import click

from weighbridge_cli.commands.lineage_show import MOST_STEPS, digest_of
from weighbridge_cli.options import EXISTING, json_option, registry_option


@click.command("export")
@click.argument("what", metavar="NS/NAME[@VERSION]|DIGEST")
@click.option(
    "--format",
    "name",
    type=click.Choice(["prov-json"]),
    default="prov-json",
    help="What to write: PROV-JSON.",
)
@click.option(
    "--up", type=click.IntRange(0, MOST_STEPS), default=1, help="Steps to parents (1).", metavar="N"
)
@click.option(
    "--down", type=click.IntRange(0, MOST_STEPS), default=1, help="Steps to children (1).", metavar="N"
)
@click.option("--output", type=EXISTING, metavar="FILE", help="Write it here (else: standard output).")
@registry_option
@json_option
def command(
    what: str, *, name: str, up: int, down: int, output: Path | None, registry: str | None, as_json: bool
) -> None:
    """Write the releases around one, what each was made from and who signed them, as W3C PROV-JSON.

    Only what somebody declared is in it. Of one release alone, with its data sets and stages of training:
    card export --format prov-json. Exit code 1 if it is unknown there.
    """
    from weighbridge.atomic import write_atomically
    from weighbridge.prov import Provenance, describe_graph
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import open_registry

    client = open_registry(registry)
    graph = client.lineage(digest_of(what, client), up=up, down=down)
    document = Provenance()
    lost = describe_graph(document, graph)
    text = document.write()
    if output is not None and graph.nodes:
        write_atomically(output, text.encode())
    if as_json:
        terminal.print_json({"v": 1, "format": name, "text": text, "lost": list(lost)})
    elif not graph.nodes:
        terminal.warn(f"unknown to {client.url}: {what}")
    elif output is None:
        click.echo(text, nl=False)
    for one in lost if not as_json else ():
        terminal.warn(f"not in it: {one}")
    terminal.note(f"This is the word of {client.url}; weighbridge verify --release checks what was signed.")
    click.get_current_context().exit(0 if graph.nodes else 1)
