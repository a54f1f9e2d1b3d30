# SPDX-License-Identifier: Apache-2.0
"""The documents of weighbridge: pydantic models, generated JSON Schemas, vectors."""
