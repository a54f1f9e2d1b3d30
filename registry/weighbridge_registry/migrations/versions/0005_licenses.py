# SPDX-License-Identifier: Apache-2.0
"""Stated licences in the database: of releases, of card revisions, of data sets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "license",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("of", sa.String(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("spdx", "text", "url", "path", "sha256")),
    )
    # What was recorded before stands in no row yet.
    op.execute("DELETE FROM meta WHERE key = 'stale'")
    op.execute("INSERT INTO meta (key, value) VALUES ('stale', '0005')")
