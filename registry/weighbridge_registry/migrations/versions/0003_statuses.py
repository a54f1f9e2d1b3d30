# SPDX-License-Identifier: Apache-2.0
"""What owners say of releases, and what anyone says of data sets, models and digests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _bytewise() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns and tables. Older logs have no statement of these kinds, so nothing is replayed."""
    op.add_column("release", sa.Column("status", sa.String(), nullable=True))
    op.add_column("release", sa.Column("status_entry", sa.BigInteger(), nullable=True))
    op.add_column("release", sa.Column("status_statement", sa.String(), nullable=True))
    op.add_column("release", sa.Column("reason", sa.String(), nullable=True))
    op.add_column("release", sa.Column("superseded_by", sa.String(), nullable=True))
    op.create_index("release_status_entry", "release", ["status_entry"])
    op.create_table(
        "about",
        sa.Column("sha256", sa.String(), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("role", sa.String(), nullable=False),
    )
    op.create_index("about_number", "about", ["number"])
    op.create_table(
        "description",
        sa.Column("chain", _bytewise(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
    )
    op.create_index("description_subject", "description", ["kind", "subject", "number"])
    op.create_index("description_number", "description", ["number"])
    op.create_table(
        "advisory",
        sa.Column("chain", _bytewise(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("propagates", sa.String(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
    )
    op.create_index("advisory_subject", "advisory", ["subject", "number"])
    op.create_index("advisory_number", "advisory", ["number"])
    op.create_table(
        "position",
        sa.Column("chain", _bytewise(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("stance", sa.String(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
    )
    op.create_index("position_subject", "position", ["subject", "number"])
    op.create_index("position_number", "position", ["number"])
