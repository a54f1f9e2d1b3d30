# SPDX-License-Identifier: Apache-2.0
"""`weighbridge db`: the database of a registry."""

from __future__ import annotations

from pathlib import Path

import click

from weighbridge.config import default_data_folder
from weighbridge_cli.options import EXISTING, INSTALL_REGISTRY


@click.group("db")
def command() -> None:
    """Migrate a registry's database to this release."""


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
