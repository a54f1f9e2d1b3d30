# SPDX-License-Identifier: Apache-2.0
"""A card file: a whole card as its publisher writes it, in YAML or JSON; and a commented one to fill in.

The members are those of the card (docs/spec/card.md); a member without a value is not said. README.md and
files of the Model Openness Tool are taken as card files too, by what they are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from weighbridge import canonical
from weighbridge.errors import BundleError, InputError
from weighbridge.openness import COMPONENTS
from weighbridge.strict_yaml import read_yaml, write_yaml
from weighbridge.validation import first_fault

from .mof import read_mof
from .readmes import card_from_readme

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from weighbridge_schemas.card import Card

__all__ = ["MAX_CARD_BYTES", "card_template", "is_readme", "read_card"]

MAX_CARD_BYTES: Final = 4 * 1024 * 1024
"""Longest card file that is read."""

_HINT: Final = (
    "Members and their types are listed in docs/spec/card.md; weighbridge card init writes an example."
)
_HEAD: Final = """\
# A model card for weighbridge. Fill in what you can say; what you leave out is “not said”, never “no”.
# See how far it gets you:  weighbridge card check FILE
# Publish it:               weighbridge publish PATH NS/NAME@VERSION --card FILE
"""
_WIDTH: Final = 100
_ROMAN: Final = {1: "I", 2: "II", 3: "III"}
_MADE_BY_TOOLS: Final = ("readme", "imported")


def is_readme(name: str) -> bool:
    """Tell whether a card file is a README, by its name."""
    return name.lower().endswith((".md", ".markdown"))


def read_card(data: bytes, name: str) -> Card:
    """Read a card file; `name` says where it stands and, by its end, what it is.

    Raises InputError naming the member that is wrong.
    """
    from pydantic import ValidationError

    from weighbridge_schemas.card import Card

    if is_readme(name):
        return card_from_readme(data)
    value = _value(data, name)
    if not isinstance(value, dict):
        raise InputError(f"{name} is no card: it has no members", hint=_HINT)
    if "framework" in value and "release" in value:
        return read_mof(data, name)
    try:
        return Card.model_validate(_said(value))
    except ValidationError as error:
        raise InputError(f"{name}: {first_fault(error)}", hint=_HINT) from error


def _value(data: bytes, name: str) -> Any:
    if len(data) > MAX_CARD_BYTES:
        raise InputError(f"{name} has {len(data):,} bytes; the limit is {MAX_CARD_BYTES:,}")
    if name.lower().endswith(".json"):
        try:
            return canonical.decode(data, max_depth=32)
        except BundleError as error:
            raise InputError(f"{name}: {error.message}", hint=_HINT) from error
    try:
        return read_yaml(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 at byte {error.start}") from error


def _said(value: Any) -> Any:
    """Return a value without members that have none: an empty line of a form says nothing."""
    if isinstance(value, dict):
        members = {name: _said(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None}
    if isinstance(value, list):
        return [_said(item) for item in value]
    return value


# --- a file to fill in -------------------------------------------------------------------------


def card_template(card: Card) -> str:
    """Return a card file that says what `card` says, and names what else could be said, in comments."""
    from weighbridge_schemas.card import Card

    stated = card.to_json()
    parts = [_HEAD]
    for name, field in Card.model_fields.items():
        if name in _MADE_BY_TOOLS and name not in stated:
            continue
        parts.append("\n".join(_group(name, field, stated)) + "\n")
    return "\n".join(parts)


def _group(name: str, field: FieldInfo, stated: dict[str, Any]) -> Iterator[str]:
    yield from _comment(_meaning(field))
    inner = _document(field.annotation)
    if name == "components":
        yield "components:"
        yield from _components(stated.get(name, []))
    elif inner is None or get_origin(field.annotation) is tuple:
        if stated.get(name):
            yield from write_yaml({name: stated[name]}).splitlines()
            return
        yield f"{name}:"
        if inner is not None:
            yield from _item(inner)
    else:
        yield f"{name}:"
        yield from _members(inner, stated.get(name, {}))


def _members(model: type[BaseModel], stated: dict[str, Any]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in stated:
            yield from textwrap.indent(write_yaml({name: stated[name]}), "  ").splitlines()
        else:
            yield f"  # {name}: {_example(field)}".ljust(32) + f"# {_meaning(field)}"


def _item(model: type[BaseModel]) -> Iterator[str]:
    """Show what one item of a list may say."""
    for number, (name, field) in enumerate(model.model_fields.items()):
        yield f"  # {'-' if number == 0 else ' '} {name}:".ljust(32) + f"# {_meaning(field)}"


def _components(stated: list[dict[str, Any]]) -> Iterator[str]:
    """Write all components: those that are stated, and the others in comments."""
    by_name = {component["name"]: component for component in stated}
    for rule in COMPONENTS:
        needed = f"class {_ROMAN[rule.needed_by]}" if rule.required else "optional"
        yield from textwrap.indent(
            "\n".join(_comment(f"{rule.title}: {rule.description} ({needed}). To add it: {rule.how}.")), "  "
        ).splitlines()
        if rule.name in by_name:
            yield from textwrap.indent(write_yaml([by_name[rule.name]]), "  ").splitlines()
        else:
            yield f"  # - name: {rule.name}"
            yield "  #   present: true"
            yield "  #   location:"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH - 4)]


def _meaning(field: FieldInfo) -> str:
    """Return what a member means, in its first sentence, and what it can be if that is a choice."""
    from typing import Literal

    words = " ".join((field.description or "").split())
    choices = [
        str(choice)
        for part in (field.annotation, *get_args(field.annotation))
        if get_origin(part) is Literal
        for choice in get_args(part)
    ]
    return f"{words.rstrip('.')}: {', '.join(choices)}." if 1 < len(choices) < 7 else words  # noqa: PLR2004 - a line


def _example(field: FieldInfo) -> str:
    return "[]" if get_origin(field.annotation) is tuple else ""


def _document(annotation: Any) -> type[BaseModel] | None:
    """Return the document that a member holds, itself or in a list."""
    from weighbridge_schemas.base import Document

    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, Document):
            return part
    return None
