# SPDX-License-Identifier: Apache-2.0
"""Documents as answers: always whole, with every member, so that readers need no defaults."""

from __future__ import annotations

from typing import Final

from fastapi.responses import Response

from weighbridge.cards import Exported
from weighbridge_schemas.base import Document

__all__ = ["IMMUTABLE", "export_response", "json_response"]

IMMUTABLE = "public, max-age=31536000, immutable"
"""For what a digest or a position in the log names: it never changes."""

_YAML: Final = ("application/yaml", "yaml")
_EXPORTS: Final = {
    "hf": ("text/markdown", "md"),
    "mof": _YAML,
    "spdx-3.0.1": ("application/spdx+json", "spdx3.json"),
    "cyclonedx-1.6": ("application/vnd.cyclonedx+json", "cdx.json"),
    "cyclonedx-1.7": ("application/vnd.cyclonedx+json", "cdx.json"),
    "prov-json": ("application/json", "prov.json"),
}
"""Media type and ending of each export."""


def json_response(document: Document, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a document as JSON. Views may change with each entry: caches must ask again."""
    return Response(
        document.model_dump_json(by_alias=True),
        status,
        {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", **(headers or {})},
        "application/json",
    )


def export_response(exported: Exported, form: str, name: str) -> Response:
    """Return an export as a file. What the format has no place for stands in `Weighbridge-Lost`."""
    media_type, ending = _EXPORTS.get(form, ("text/plain", "txt"))
    lost = "; ".join(exported.lost).encode("ascii", "replace").decode()
    headers = {
        "Cache-Control": "no-cache",
        "Content-Disposition": f'attachment; filename="{name}.{ending}"',
        "X-Content-Type-Options": "nosniff",
        **({"Weighbridge-Lost": lost} if lost else {}),
    }
    return Response(exported.text, 200, headers, media_type)
