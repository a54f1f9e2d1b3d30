# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: runs revisions on the connection, and in the transaction, of `store.schema`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # SQLite's and PostgreSQL's both are, in the transaction that is open
    render_as_batch=True,
)
context.run_migrations()
