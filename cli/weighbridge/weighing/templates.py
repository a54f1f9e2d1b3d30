# SPDX-License-Identifier: Apache-2.0
"""Chat templates of a model, wherever they are kept.

A chat template is a program that runs before the model sees a word, so a release records the
digest of each: in its own file, inside tokenizer_config.json or processor files, or in GGUF
metadata. The text is never rendered here.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from .names import shown
from .weighed import ChatTemplate

__all__ = ["MAX_TEMPLATES", "MAX_TEMPLATE_FILE", "holds_templates", "label", "templates_in"]

MAX_TEMPLATE_FILE: Final = 32 * 1024 * 1024
"""Largest file that is searched for templates."""

MAX_TEMPLATES: Final = 256
"""Most templates that a release lists."""

_MAX_LABEL: Final = 256
_MAX_NODES: Final = 2_000_000  # 32 MiB of empty arrays would take most of a gigabyte
_JSON_NAMES: Final = frozenset({"chat_template.json", "processor_config.json", "tokenizer_config.json"})


def holds_templates(path: str) -> bool:
    """Tell whether a file of this name may hold chat templates."""
    name = path.rpartition("/")[2]
    return name in _JSON_NAMES or name.endswith((".jinja", ".jinja2"))


def templates_in(path: str, content: bytes) -> tuple[ChatTemplate, ...]:
    """Return the chat templates in a file's content; a malformed JSON file holds none.

    A file that no reader can parse is weighed like any other: its digest binds it.
    """
    if path.rpartition("/")[2] not in _JSON_NAMES:
        return (ChatTemplate(path, None, hashlib.sha256(content).hexdigest()),)
    if content.count(b"[") + content.count(b"{") + content.count(b",") > _MAX_NODES:
        return ()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return ()
    value = document.get("chat_template") if isinstance(document, dict) else None
    return tuple(
        ChatTemplate(path, label(name), hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
        for name, text in _named(value)[:MAX_TEMPLATES]
    )


def label(name: str | None) -> str | None:
    """Return a template's name as a statement may hold it: nothing deceptive, not too long."""
    return shown(name)[:_MAX_LABEL] if name else None


def _named(value: Any) -> list[tuple[str | None, str]]:
    """Return (name, text) of a template member: text, a list of {name, template}, or a mapping."""
    if isinstance(value, str):
        return [(None, value)]
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(item.get("name"), item.get("template")) for item in value if isinstance(item, dict)]
    else:
        return []
    return [(name, text) for name, text in pairs if isinstance(name, str) and isinstance(text, str)]
