# SPDX-License-Identifier: Apache-2.0
"""YAML of strangers: bounded, without aliases and tags, with the scalars of YAML 1.2.

A short text with aliases can expand to gigabytes, so aliases are refused before anything is
built; so are explicit tags, duplicate keys, deep nesting and long documents. Scalars follow the
YAML 1.2 core schema as the hub's own reader does: `no` is a language, not false, and a date
stays text.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from .errors import InputError

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_EVENTS", "read_yaml", "write_yaml"]

MAX_BYTES: Final = 1024 * 1024
"""Longest YAML text that is read."""

MAX_DEPTH: Final = 32
"""Deepest nesting."""

MAX_EVENTS: Final = 200_000
"""Most scalars and collections."""

_EXACT: Final = 2.0**53
_TAG: Final = "tag:yaml.org,2002:"
_BREAKS: Final = "\x85\u2028\u2029"
"""Line breaks of YAML 1.1 that JSON and people do not take for any."""
_SCALARS: Final = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?(?:0|[1-9][0-9]{0,15})$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}\.[0-9]{0,40}|[0-9]{1,40}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?$",
        list("-+.0123456789"),
    ),
)


def read_yaml(text: str, name: str, *, first_line: int = 1) -> Any:
    """Read one YAML document.

    `name` and `first_line` say where the text stands, for errors. Returns None for an empty
    document. Raises InputError naming the line.
    """
    import yaml

    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InputError(f"{name}: YAML is longer than {MAX_BYTES:,} bytes")
    try:
        _scan(text, name, first_line)
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader with less, not more
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + first_line}" if mark else ""
        problem = str(error.problem or error.context or "cannot be read")[:200]
        raise InputError(f"{name}: not valid YAML{where}: {problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{name}: not valid YAML: {reason}") from error


def write_yaml(value: Any) -> str:
    """Write a JSON value as YAML that `read_yaml` and readers of YAML 1.1 both read as that value.

    Text that either of them would take for something else is quoted; nothing is written as an alias. A whole
    number is written without a point, as JSON writes it.
    """
    import yaml

    return yaml.dump(_whole(value), Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100)


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {name: _whole(member) for name, member in value.items()}
        case list() | tuple():
            return [_whole(item) for item in value]
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        case _:
            return value


@functools.cache
def _dumper() -> type[yaml.SafeDumper]:
    import yaml

    class StrictDumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

        def represent_text(self, text: str) -> yaml.ScalarNode:
            # Between single quotes such a line break would be folded into a space.
            style = '"' if any(character in text for character in _BREAKS) else None
            return self.represent_scalar(f"{_TAG}str", text, style=style)

    StrictDumper.add_representer(str, StrictDumper.represent_text)
    for kind, pattern, first in _SCALARS:
        StrictDumper.add_implicit_resolver(f"{_TAG}{kind}", re.compile(pattern), first)
    return StrictDumper


def _scan(text: str, name: str, first_line: int) -> None:
    """Refuse by its events, one after the other, what must not be built."""
    import yaml

    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_base()), 1):
        line = first_line + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent):
            raise InputError(
                f"{name}: line {line} uses a YAML alias, which can expand without bound",
                hint="Write the value out in full.",
            )
        if isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent) and event.tag is not None:
            raise InputError(f"{name}: line {line} has a YAML tag", hint="Remove the tag (`!…`).")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InputError(f"{name}: line {line} is nested deeper than {MAX_DEPTH} levels")
        if number > MAX_EVENTS:
            raise InputError(f"{name}: YAML has more than {MAX_EVENTS:,} parts")


@functools.cache
def _base() -> type[yaml.SafeLoader]:
    import yaml

    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    """Return a safe loader with YAML 1.2 scalars that refuses duplicate and non-text keys."""
    import yaml

    class StrictLoader(_base()):  # type: ignore[misc]  # the C loader, where there is one
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - read by PyYAML in this form

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                    raise yaml.MarkedYAMLError(problem="a key is not text", problem_mark=key.start_mark)
                if key.value in seen:
                    problem = f"key {key.value[:80]!r} appears twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    for kind, pattern, first in _SCALARS:
        StrictLoader.add_implicit_resolver(f"{_TAG}{kind}", re.compile(pattern), first)
    return StrictLoader
