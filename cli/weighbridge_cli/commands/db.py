# SPDX-License-Identifier: Apache-2.0
"""`weighbridge db`: the database of a registry."""

from __future__ import annotations

from pathlib import Path

import click

from weighbridge.config import default_data_folder
from weighbridge_cli.options import (
    EXISTING,
    INSTALL_REGISTRY,
    admitted_sigstore_option,
    json_option,
    read_small_file,
)


@click.group("db")
def command() -> None:
    """Migrate a registry's database to this release, or move it elsewhere."""


@command.command("upgrade")
@click.option("--data", type=EXISTING, metavar="DIR", help="Data folder of the registry (else: yours).")
@click.option("--database-url", metavar="U", help="PostgreSQL, postgresql+psycopg://… (else: SQLite in DIR).")
def upgrade(*, data: Path | None, database_url: str | None) -> None:
    """Migrate the database, once, with every registry on it stopped.

    SQLite is copied beside itself first; back PostgreSQL up yourself. All or nothing: a migration
    that fails leaves the database as it was.
    """
    from weighbridge.errors import InputError

    try:
        from weighbridge_registry.upgrading import upgrade_database
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    found, now = upgrade_database((data or default_data_folder()).absolute(), database_url)
    if found == now:
        click.echo(f"nothing to do: the database has schema {now}")
    else:
        click.echo(f"migrated from schema {found} to {now}")


@command.command("move")
@click.option("--data", type=EXISTING, metavar="DIR", help="Data folder of the registry (else: yours).")
@click.option(
    "--to",
    metavar="U",
    required=True,
    help="Where to: an empty database, postgresql+psycopg://…, or sqlite for a new file in DIR.",
)
@click.option("--database-url", metavar="U", help="Where it is now, if not SQLite in DIR.")
@click.option("--storage", metavar="U", help="The registry's bucket, s3://…, if it has one.")
@admitted_sigstore_option
@json_option
def move(
    *,
    data: Path | None,
    to: str,
    database_url: str | None,
    storage: str | None,
    trust_configs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Move a stopped registry into another database.

    From SQLite to PostgreSQL or back, or to another server; then it is checked as log fsck does. The newest
    signed checkpoint, what was begun and the queue are copied, all else is made anew from the log. The old
    database is kept, and can't be served any more. If it fails or is killed, run it again.
    """
    from weighbridge.errors import InputError

    try:
        from weighbridge_registry.fsck import fsck
        from weighbridge_registry.moving import SQLITE
        from weighbridge_registry.moving import move as move_database
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    from weighbridge_cli import terminal

    folder = (data or default_data_folder()).absolute()
    configs = tuple(read_small_file(path) for path in trust_configs)
    moved = move_database(folder, to, database_url=database_url, storage=storage, trust_configs=configs)
    place = None if to == SQLITE else to
    report = fsck(folder, database_url=place, storage=storage, trust_configs=configs)
    if as_json:
        terminal.print_json({**report.to_json(), "moved": moved.to_json() if moved is not None else None})
    else:
        if moved is None:
            terminal.put("it had moved there before; looked at again")
        terminal.rows(
            [("log", report.origin), ("size", f"{report.size:,} entries"), ("root", f"sha256:{report.root}")]
        )
        if moved is not None and moved.rebuilt.staged:
            terminal.put(f"{moved.rebuilt.staged:,} more entries wait: the next start finishes them")
        for one in report.checks:
            for problem in one.problems:
                terminal.put(f"BAD  {one.name}: {problem}")
        undecided = "UNKNOWN: not all could be judged" if report.undecided else "NOT whole: see above"
        terminal.put("moved: everything agrees" if report.ok else undecided, bold=True)
        option = "without --database-url" if place is None else "with that address as --database-url"
        terminal.put(f"start it {option} from now on")
    click.get_current_context().exit(0 if report.ok else 3 if report.undecided else 1)
