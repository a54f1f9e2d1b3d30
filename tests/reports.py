# SPDX-License-Identifier: Apache-2.0
"""Hold what commands print with `--json` against the published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

__all__ = ["check"]

SCHEMA = json.loads(
    (
        Path(__file__).resolve().parents[1] / "schemas/weighbridge_schemas/schema/reports.schema.json"
    ).read_text()
)


def check(name: str, document: Any) -> None:
    """Hold a document against one report's schema, and see that the schema refuses a spoilt one."""
    schema = {**SCHEMA, "$ref": f"#/$defs/{name}"}
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(document)
    for member in schema["$defs"][name]["required"]:
        spoilt = {key: value for key, value in document.items() if key != member}
        assert not validator.is_valid(spoilt), member
    assert not validator.is_valid({**document, "v": 2})
