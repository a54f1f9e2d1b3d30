# SPDX-License-Identifier: Apache-2.0
"""Deployments by the digests of the models that they name; lists of closed models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table; what was recorded before is projected into it at the next start."""
    bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "deployed",
        sa.Column("chain", bytewise, primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("speaker", sa.String(), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
    )
    op.create_index("deployed_digest", "deployed", ["digest", "number"])
    op.create_index("deployed_speaker", "deployed", ["digest", "speaker", "number"])
    op.create_index("deployed_number", "deployed", ["number"])
    op.create_index("description_kind", "description", ["kind", "number"])
    op.execute("DELETE FROM meta WHERE key = 'stale'")
    op.execute("INSERT INTO meta (key, value) VALUES ('stale', '0006')")
