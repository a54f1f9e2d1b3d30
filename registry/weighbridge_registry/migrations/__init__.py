# SPDX-License-Identifier: Apache-2.0
"""Changes of the database's tables, in order (Alembic): `versions/NNNN_….py` leads to schema NNNN.

How a revision is added is in docs/spec/registry.md, "Migrations".
"""
