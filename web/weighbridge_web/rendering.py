# SPDX-License-Identifier: Apache-2.0
"""Templates to HTML: autoescape on, every unknown name an error, the filters of `weighbridge_web.formats`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from weighbridge_web import formats, owners, words
from weighbridge_web.assets import asset_url
from weighbridge_web.lineages import edge_groups

if TYPE_CHECKING:
    from fastapi import Response

__all__ = ["page", "render"]


def page(template: str, *, status_code: int = 200, **context: Any) -> Response:
    """Render a template as an HTML answer that is asked for anew each time: the record grows."""
    headers = {"Cache-Control": "no-cache"}
    return HTMLResponse(render(template, **context), status_code=status_code, headers=headers)


def render(template: str, **context: Any) -> str:
    """Render a template to text."""
    return _environment().get_template(template).render(**context)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("weighbridge_web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "bare",
        "day",
        "file_size",
        "grouped",
        "moment",
        "plural",
        "rfc3339",
        "said",
        "short",
        "who",
    ):
        environment.filters[name] = getattr(formats, name)
    environment.filters |= {
        "edge_groups": edge_groups,
        "local": formats.local,
        "owner_fingerprint": owners.owner_fingerprint,
        "owner_words": owners.owner_words,
        "pretty": pretty,
    }
    environment.globals |= {
        "asset": asset_url,
        "child_relations": words.CHILD_RELATIONS,
        "generations": words.generation,
        "glossary": words.GLOSSARY,
        "kinds": words.KINDS,
        "levels": words.LEVELS,
        "matches": words.MATCHES,
        "section": "",
    }
    return environment


def pretty(value: Any) -> str:
    """Return JSON for reading: indented, characters as they are but for those that hide or reorder text."""
    return formats.visible_controls(json.dumps(value, indent=2, ensure_ascii=False))
