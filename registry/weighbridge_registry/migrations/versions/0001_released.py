# SPDX-License-Identifier: Apache-2.0
"""The schema of weighbridge 0.1."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables: truth first, then the facts, then the views."""
    _truth()
    _entries()
    _releases()
    _occurrences()


def _truth() -> None:
    op.create_table("meta", _text("key", primary_key=True), _text("value"))
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer(), primary_key=True),
        _number("size"),
        _text("root"),
        sa.Column("note", sa.LargeBinary(), nullable=False),
    )
    op.create_table("staged", _own("start"), sa.Column("leaves", sa.LargeBinary(), nullable=False))
    op.create_table("fact", _bytewise("key"), _text("value"))
    op.create_table(
        "blob",
        _text("sha256", primary_key=True),
        _text("role"),
        _text("namespace"),
        _number("size"),
        _number("stored"),
    )
    op.create_index("blob_namespace", "blob", ["namespace"])


def _entries() -> None:
    op.create_table(
        "entry",
        _own("number"),
        *(_text(name) for name in ("kind", "statement", "bundle", "signer", "subject", "subject_name")),
        _number("received"),
        _text("namespace", nullable=True),
        _number("release", nullable=True),
        _text("release_page", nullable=True),
        _text("summary"),
    )
    op.create_index("entry_statement", "entry", ["statement", "number"])
    op.create_index("entry_bundle", "entry", ["bundle"])
    op.create_index("entry_signer", "entry", ["signer", "number"])
    op.create_index("entry_subject", "entry", ["subject", "kind", "number"])
    op.create_index("entry_namespace", "entry", ["namespace", "number"])
    op.create_table(
        "signer",
        _text("id", primary_key=True),
        _text("identity"),
        _number("first"),
        _number("introduction", nullable=True),
        _text("label", nullable=True),
    )
    op.create_table("owner", _text("namespace", primary_key=True), _text("signer", primary_key=True))
    op.create_index("ix_owner_signer", "owner", ["signer"])


def _releases() -> None:
    op.create_table(
        "model",
        _bytewise("key"),
        _text("namespace"),
        _number("latest"),
        sa.Column("releases", sa.Integer(), nullable=False),
    )
    op.create_index("model_latest", "model", ["latest"])
    op.create_index("model_namespace", "model", ["namespace", "latest"])
    op.create_table(
        "release",
        _own("number"),
        *(_text(name) for name in ("model", "namespace", "name", "version", "statement", "bundle", "signer")),
        _number("received"),
        _text("released_at"),
        _text("model_digest"),
        _text("weights_digest", nullable=True),
        _text("headline"),
        _number("card", nullable=True),
        _number("lineage", nullable=True),
    )
    op.create_index("release_model", "release", ["model", "number"])
    op.create_index("release_version", "release", ["model", "version"], unique=True)
    op.create_index("release_statement", "release", ["statement"])


def _occurrences() -> None:
    op.create_table(
        "digest",
        _text("sha256", primary_key=True),
        _own("number"),
        _text("role", primary_key=True),
        _place(),
        _text("name", nullable=True),
    )
    op.create_index("digest_number", "digest", ["number"])
    op.create_table(
        "tensor", _text("sha256", primary_key=True), _text("table", primary_key=True), _place(), _text("name")
    )
    op.create_index("tensor_table", "tensor", ["table"])
    op.create_table(
        "edge", _own("number"), _place(), _text("relation", nullable=True), _text("digest", primary_key=True)
    )
    op.create_index("edge_digest", "edge", ["digest", "number"])
    op.create_table("term", _bytewise("word"), _bytewise("model"))
    op.create_index("term_model", "term", ["model"])


def _text(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable, primary_key=primary_key)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _own(name: str) -> sa.Column[Any]:
    """Return a key whose numbers are the log's, not the database's."""
    return sa.Column(name, sa.BigInteger(), primary_key=True, autoincrement=False)


def _place() -> sa.Column[Any]:
    return sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False)


def _bytewise(name: str) -> sa.Column[Any]:
    """Return a key that sorts by its bytes."""
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, kind, primary_key=True)
