# SPDX-License-Identifier: Apache-2.0
"""Lineage in the database: names of parents, uses of data sets, what tensor tables have in common."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Widen the edges, make the tables beside them."""
    op.add_column("edge", sa.Column("name", sa.String(), nullable=True))
    op.drop_index("digest_number", "digest")
    op.create_index("digest_number", "digest", ["number", "role"])
    op.create_table(
        "datause",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
    )
    op.create_index("datause_digest", "datause", ["digest", "number"])
    op.create_index("datause_name", "datause", ["name", "number"])
    op.create_table(
        "likeness",
        sa.Column("child", sa.String(), primary_key=True),
        sa.Column("parent", sa.String(), primary_key=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("tensors", "equal")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("bytes", "equal_bytes")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("compared", "near")),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in ("differing", "error")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("finding", "words", "refuted")),
    )
    op.create_index("likeness_parent", "likeness", ["parent", "equal_bytes"])
    op.create_table(
        "band",
        sa.Column("key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("table", sa.String(), primary_key=True),
    )
    op.create_index("band_table", "band", ["table"])
    # The edges of what was recorded before have no names yet, and its tables were not compared.
    op.execute("DELETE FROM meta WHERE key = 'stale'")
    op.execute("INSERT INTO meta (key, value) VALUES ('stale', '0004')")
