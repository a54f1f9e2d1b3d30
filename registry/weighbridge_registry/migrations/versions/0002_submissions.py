# SPDX-License-Identifier: Apache-2.0
"""The queue of submissions, which all workers share; facts of bundles, which the log is replayed for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the queue."""
    op.create_table(
        "submission",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("bundles", sa.String(), nullable=False),
        sa.Column("submitted", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
    )
    op.create_index("submission_token", "submission", ["token"], unique=True)
    op.create_index("submission_expires", "submission", ["expires"])
    op.create_index(
        "submission_waiting",
        "submission",
        ["number"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    # State has facts since that 0.1 did not keep: who leads next makes all of them anew.
    op.execute("INSERT INTO meta (key, value) VALUES ('stale', '0002')")
