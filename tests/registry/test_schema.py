# SPDX-License-Identifier: Apache-2.0
"""Databases of releases that people run: migrated when they may be, refused when not, never lost."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import Connection, create_engine, inspect, text
from sqlmodel import SQLModel

from tests.registry.postgres import running_postgres
from tests.registry.publishers import Publisher
from weighbridge.errors import ConfigurationError
from weighbridge_cli.commands.db import command as db
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store import schema
from weighbridge_registry.store.database import open_database
from weighbridge_registry.store.tables import SCHEMA_VERSION

RELEASED = Path(__file__).parent / "released"
SCHEMAS = sorted(int(path.name.split("-")[1].split(".")[0]) for path in RELEASED.glob("schema-*.tar.gz"))
VERSIONS = Path(schema.__file__).parent.parent / "migrations" / "versions"


def released(number: int, folder: Path) -> Path:
    """The data folder that a release with this schema wrote."""
    with tarfile.open(RELEASED / f"schema-{number}.tar.gz") as archive:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4; warned of if absent from 3.12 on
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder)  # noqa: S202 - our own archive
    return folder / "data"


def tables_of(connection: Connection) -> dict[str, object]:
    """Tables with their columns, keys and indexes, as the database tells them."""
    found = inspect(connection)
    return {
        table: (
            sorted((one["name"], str(one["type"]), one["nullable"]) for one in found.get_columns(table)),
            found.get_pk_constraint(table)["constrained_columns"],
            sorted(
                (str(one["name"]), one["column_names"], one["unique"]) for one in found.get_indexes(table)
            ),
        )
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def test_revisions_are_numbered_and_the_last_is_the_schema_of_this_release() -> None:
    numbers = [int(path.name[:4]) for path in sorted(VERSIONS.glob("0*.py"))]
    assert numbers == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("number", SCHEMAS)
def test_revisions_make_what_the_release_made(number: int, tmp_path: Path) -> None:
    data = released(number, tmp_path)
    fresh = create_engine("sqlite://")
    old = create_engine(f"sqlite:///{data / 'registry.db'}")
    with fresh.begin() as one, old.begin() as other:
        schema.revise(one, 0, number)
        assert tables_of(one) == tables_of(other)
    fresh.dispose()
    old.dispose()


def test_all_revisions_together_make_the_tables_of_the_code() -> None:
    fresh = create_engine("sqlite://")
    with fresh.begin() as connection:
        schema.revise(connection, 0)
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    fresh.dispose()


@pytest.mark.files
@pytest.mark.parametrize("number", SCHEMAS)
def test_a_released_registry_is_copied_migrated_and_goes_on(number: int, tmp_path: Path) -> None:
    data = released(number, tmp_path)
    with closing(sqlite3.connect(data / "registry.db")) as before:
        facts = before.execute("SELECT key, value FROM fact ORDER BY key").fetchall()
    with pytest.raises(ConfigurationError, match="schema version 1"):
        fsck(data, public_sigstore=False)
    service = open_service(Settings(data=data, public_sigstore=False))
    release = service.queries.release("acme", "tiny")
    assert release is not None
    assert release.version == "1.1"
    assert service.submit(Publisher(service.origin, "new", "new").start()).result(10)[0].created
    service.close()
    report = fsck(data, public_sigstore=False)
    assert report.ok, report.to_json()
    with closing(sqlite3.connect(data / f"registry.db.schema-{number}.backup")) as backup:
        assert backup.execute("SELECT key, value FROM fact ORDER BY key").fetchall() == facts
        assert backup.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == (str(number),)


def test_the_command_migrates_once(tmp_path: Path) -> None:
    data = released(1, tmp_path)
    first = CliRunner().invoke(db, ["upgrade", "--data", str(data)])
    assert first.output == f"migrated from schema 1 to {SCHEMA_VERSION}\n", first.exception
    assert "nothing to do" in CliRunner().invoke(db, ["upgrade", "--data", str(data)]).output


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = released(1, tmp_path)
    url = f"sqlite:///{data / 'registry.db'}"
    revise = schema.revise

    def torn(connection: Connection, found: int) -> None:
        revise(connection, found)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "revise", torn)
        with pytest.raises(OSError, match="No space"):
            open_database(url, upgrade=True)
    with closing(sqlite3.connect(data / "registry.db")) as after:
        assert after.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("1",)
        assert not after.execute("SELECT 1 FROM sqlite_master WHERE name = 'submission'").fetchall()
    open_database(url, upgrade=True).close()


@pytest.mark.needs("postgresql", "unprivileged")
def test_postgresql_is_migrated_only_when_somebody_says_so(tmp_path: Path) -> None:
    data = released(1, tmp_path)
    with running_postgres() as address:
        engine = create_engine(address)
        with engine.begin() as new, closing(sqlite3.connect(data / "registry.db")) as old:
            schema.revise(new, 0, 1)
            new.execute(text("DELETE FROM meta"))
            for table in [row for row in inspect(new).get_table_names() if row != "alembic_version"]:
                rows = old.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names of our own tables
                names = [column[0] for column in rows.description]
                target = ", ".join(f'"{name}"' for name in names)
                values = ", ".join(f":{name}" for name in names)
                copied = [dict(zip(names, row, strict=True)) for row in rows]
                if copied:
                    new.execute(text(f'INSERT INTO "{table}" ({target}) VALUES ({values})'), copied)  # noqa: S608 - as above
        settings = Settings(data=data, database_url=address, public_sigstore=False)
        with pytest.raises(ConfigurationError) as refused:
            open_service(settings)
        assert "weighbridge db upgrade" in refused.value.hint
        done = CliRunner().invoke(db, ["upgrade", "--data", str(data), "--database-url", address])
        assert done.output == f"migrated from schema 1 to {SCHEMA_VERSION}\n", done.exception
        with engine.begin() as connection:
            assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        engine.dispose()
        service = open_service(settings)
        assert service.submit(Publisher(service.origin, "new", "new").start()).result(10)[0].created
        service.close()
        assert fsck(data, database_url=address, public_sigstore=False).ok
