# SPDX-License-Identifier: Apache-2.0
"""Documents as answers: always whole, with every member, so that readers need no defaults."""

from __future__ import annotations

import json

from fastapi.responses import Response

from weighbridge_registry.queries.exports import ExportedCard
from weighbridge_schemas.base import Document

__all__ = ["IMMUTABLE", "export_response", "json_response"]

IMMUTABLE = "public, max-age=31536000, immutable"
"""For what a digest or a position in the log names: it never changes."""


def json_response(document: Document, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a document as JSON. Views may change with each entry: caches must ask again."""
    return Response(
        document.model_dump_json(by_alias=True),
        status,
        {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", **(headers or {})},
        "application/json",
    )


def export_response(exported: ExportedCard) -> Response:
    """Return an export as a file; a header lists what its format has no place for."""
    headers = {
        "Cache-Control": "no-cache",
        "Content-Disposition": f'attachment; filename="{exported.file_name}"',
        "Weighbridge-Left-Out": json.dumps(exported.lost),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(exported.text, headers=headers, media_type=exported.media_type)
