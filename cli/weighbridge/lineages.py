# SPDX-License-Identifier: Apache-2.0
"""Lineage of a model from what its publisher wrote: the README, or a file of its own.

Bytes in, lineage out. What a README's front matter says are names, so its edges are claims; a
lineage file can name digests and so pin the exact parent (docs/spec/lineage.md has an example).
Errors name the member that is wrong, because a lineage that is silently shorter than what its
publisher meant is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from . import canonical
from .cards.adapters import ADAPTER_CONFIG, read_adapter_config
from .cards.readmes import split_readme
from .errors import BundleError, InputError
from .strict_yaml import read_yaml
from .validation import first_fault

if TYPE_CHECKING:
    from weighbridge_schemas.lineage import Lineage, Parent

__all__ = ["MAX_LINEAGE_BYTES", "lineage_from_model", "lineage_from_readme", "read_lineage"]

MAX_LINEAGE_BYTES: Final = 1024 * 1024
"""Longest lineage file that is read."""

_README_HINT: Final = "Correct README.md's front matter, or give the lineage in a file with --lineage."
_FILE_HINT: Final = "The format is described in docs/spec/lineage.md."


def lineage_from_readme(readme: bytes) -> Lineage | None:
    """Return the lineage that a README's front matter claims; None if it claims nothing.

    `base_model` with `base_model_relation` gives parents, `datasets` gives data sets whose stage
    is not said. All of them are names. Raises InputError naming the member that is wrong.
    """
    members = split_readme(readme).members
    relation = members.get("base_model_relation")
    parents = [{"relation": relation, "name": name} for name in _names(members, "base_model")]
    datasets = [{"stage": None, "name": name} for name in _names(members, "datasets")]
    if not parents and not datasets:
        return None
    return _lineage({"parents": parents, "datasets": datasets}, "README.md", _README_HINT)


def lineage_from_model(readme: bytes | None, files: Mapping[str, bytes | None]) -> Lineage | None:
    """Return the lineage that a model's own files claim: the README's, and an adapter's base model.

    `files` are those of `cards.side_files`. A base model that both name is one parent, with the revision that
    `adapter_config.json` gives; different ones are two. A configuration that cannot be read claims nothing:
    the card lists it.
    """
    from weighbridge_schemas.lineage import Lineage

    stated = lineage_from_readme(readme) if readme is not None else None
    adapted = _adapted(files)
    if adapted is None:
        return stated
    stated = stated or Lineage()
    parents = [
        adapted if parent.name == adapted.name and parent.relation in (None, "adapter") else parent
        for parent in stated.parents
    ]
    if adapted not in parents:
        parents.append(adapted)
    return Lineage(parents=tuple(parents), datasets=stated.datasets)


def _adapted(files: Mapping[str, bytes | None]) -> Parent | None:
    data = files.get(ADAPTER_CONFIG)
    if data is None:
        return None
    try:
        return read_adapter_config(data).parent
    except InputError:
        return None


def read_lineage(data: bytes, name: str) -> Lineage:
    """Read a lineage file; `name` says where it stands and, ending in .json, that it is JSON.

    Members are those of the `lineage` document, with two short cuts: a parent or data set that is
    just text is its name, and `relation` or `stage` may be left out where it is not known. Raises
    InputError naming the member that is wrong.
    """
    value = _read(data, name)
    if not isinstance(value, dict):
        raise InputError(f"{name}: needs `parents:` and `datasets:`", hint=_FILE_HINT)
    document = dict(value)
    for member, unsaid in (("parents", "relation"), ("datasets", "stage")):
        if isinstance(edges := document.get(member), list):
            document[member] = [_edge(edge, unsaid) for edge in edges]
        elif edges is None:
            document.pop(member, None)
    lineage = _lineage(document, name, _FILE_HINT)
    if not lineage.parents and not lineage.datasets:
        raise InputError(f"{name}: states neither parents nor datasets", hint=_FILE_HINT)
    return lineage


def _read(data: bytes, name: str) -> Any:
    if len(data) > MAX_LINEAGE_BYTES:
        raise InputError(f"{name} has {len(data):,} bytes; the limit is {MAX_LINEAGE_BYTES:,}")
    if PurePath(name).suffix.lower() == ".json":
        try:
            return canonical.decode(data, max_depth=32)
        except BundleError as error:
            raise InputError(f"{name}: {error.message}", hint=_FILE_HINT) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 at byte {error.start}") from error
    return read_yaml(text, name)


def _edge(edge: Any, unsaid: str) -> Any:
    if isinstance(edge, str):
        edge = {"name": edge}
    return {unsaid: None} | edge if isinstance(edge, dict) else edge


def _names(members: Any, member: str) -> list[Any]:
    """Return a front-matter member that is one name or a list of names, each once."""
    value = members.get(member)
    items = value if isinstance(value, list) else [] if value is None else [value]
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise InputError(f"README.md: {member}[{index}] is not a name", hint=_README_HINT)
    return list(dict.fromkeys(items))


def _lineage(document: dict[str, Any], name: str, hint: str) -> Lineage:
    from pydantic import ValidationError

    from weighbridge_schemas.lineage import Lineage

    try:
        return Lineage.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{name}: {first_fault(error)}", hint=hint) from error
