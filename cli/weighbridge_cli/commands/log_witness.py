# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log witness`: cosign the checkpoints of logs that only grow."""

from __future__ import annotations

from pathlib import Path

import click

from weighbridge_cli.options import EXISTING, INSTALL_REGISTRY, read_small_file

__all__ = ["witness"]


@click.command("witness")
@click.option("--data", type=EXISTING, required=True, metavar="DIR", help="Where key and register are kept.")
@click.option(
    "--log",
    "vkeys",
    multiple=True,
    metavar="VKEY[,ORIGIN]",
    help="Serve the log with this key. May be given again.",
)
@click.option("--policy", type=EXISTING, metavar="FILE", help="Serve the logs of this policy file too.")
@click.option("--name", metavar="N", help="Name of the witness, at the first start only (else: random).")
@click.option("--host", metavar="H", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8485, show_default=True, help="0: any."
)
def witness(
    *, data: Path, vkeys: tuple[str, ...], policy: Path | None, name: str | None, host: str, port: int
) -> None:
    """Run a witness for other people's logs, until Ctrl-C.

    It cosigns a checkpoint only if the log did nothing but grow since the last one. The first start makes
    its key in DIR; give the printed line to the logs' operators, and to those who shall rely on you.
    """
    from weighbridge.errors import InputError
    from weighbridge.tlog import WitnessPolicy

    try:
        from weighbridge_registry.serving import serve
        from weighbridge_registry.witness import WitnessSettings, create_app, open_witness, read_logs
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    logs = read_logs(vkeys, WitnessPolicy.parse(read_small_file(policy)) if policy else None)
    opened = open_witness(WitnessSettings(data.absolute(), logs, name))
    verifier = opened.verifier

    def ready(address: str) -> None:
        click.echo(f"weighbridge witness is ready: {address}/")
        click.echo(f"witness {verifier.name} {verifier.vkey} {address}")
        for origin in sorted(logs):
            click.echo(f"serves {origin}", err=True)
        click.echo(f"key and register in {data.absolute()}; stop with Ctrl-C", err=True)

    try:
        serve(create_app(opened), host, port, on_ready=ready)
    finally:
        opened.close()
