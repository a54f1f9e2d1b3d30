# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log rebuild`: make a registry's database anew from its log."""

from __future__ import annotations

from pathlib import Path

import click

from weighbridge_cli.options import (
    EXISTING,
    INSTALL_REGISTRY,
    admitted_sigstore_option,
    database_option,
    json_option,
    read_small_file,
)


@click.command("rebuild")
@click.option("--data", type=EXISTING, metavar="DIR", help="The registry's data folder (else: yours).")
@database_option
@click.option("--storage", metavar="U", help="The registry's bucket, s3://…, if it has one.")
@admitted_sigstore_option
@json_option
def command(
    *,
    data: Path | None,
    database_url: str | None,
    storage: str | None,
    trust_configs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Make a registry's database anew from its log.

    Tiles, statements and attached files are the truth; facts and look-up tables are made from them. Stop the
    registry first. If the database is lost, it is made from the files and the published checkpoint. Until all
    is done the old rows stay.
    """
    from weighbridge.config import default_data_folder
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal

    try:
        from weighbridge_registry.rebuilding import rebuild
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    done = rebuild(
        (data or default_data_folder()).absolute(),
        database_url=database_url,
        storage=storage,
        trust_configs=tuple(read_small_file(path) for path in trust_configs),
    )
    for problem in done.problems:
        terminal.warn(f"an attachment was left out: {problem}")
    if done.restored:
        terminal.warn("the database had lost the checkpoint; the published one took its place")
    if as_json:
        terminal.print_json(done.to_json())
        return
    terminal.rows(
        [
            ("log", done.origin),
            ("size", f"{done.size:,} entries"),
            ("root", f"sha256:{done.root}"),
            ("state", f"sha256:{done.state_digest}"),
            ("attachments", f"{done.attachments:,}"),
        ]
    )
    if done.staged:
        terminal.put(f"{done.staged:,} more entries wait: the next start of the registry finishes them")
    terminal.put("made anew: everything follows from the log", bold=True)
