# SPDX-License-Identifier: Apache-2.0
"""`adapter_config.json` of PEFT → the parent that an adapter is for, and how it was tuned.

The base model is a name that the training program was given: a claim, like a README's `base_model`. A path of
somebody's machine is no name and is left out, with a note. Few of the file's many members say something about
the training; those become hyperparameters, the others are listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical
from weighbridge.errors import BundleError, InputError

from .members import Members

if TYPE_CHECKING:
    from weighbridge_schemas.card import TrainingStage
    from weighbridge_schemas.lineage import Parent

__all__ = ["ADAPTER_CONFIG", "Adapter", "read_adapter_config"]

ADAPTER_CONFIG: Final = "adapter_config.json"
"""Where a repository keeps it."""

_MAX_BYTES: Final = 1024 * 1024
_HYPERPARAMETERS: Final = (
    "peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "use_dora",
    "num_virtual_tokens", "init_lora_weights",
)  # fmt: skip
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an adapter's configuration says, and what of it was not understood."""

    parent: Parent | None
    stage: TrainingStage | None
    notes: tuple[str, ...]


def read_adapter_config(data: bytes, path: str = ADAPTER_CONFIG) -> Adapter:
    """Read one file; raises InputError if it is not a JSON object."""
    try:
        value = canonical.decode(data, max_bytes=_MAX_BYTES, max_depth=32)
    except BundleError as error:
        raise InputError(f"{path}: {error.message}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object")
    members = Members(value, source=path)
    parent = _parent(members)
    stage = _stage(members)
    return Adapter(parent, stage, members.notes())


def _parent(members: Members) -> Parent | None:
    from weighbridge_schemas.base import Name, Revision
    from weighbridge_schemas.lineage import Parent

    name = members.fit("base_model_name_or_path", members.take("base_model_name_or_path"), Name)
    revision = members.fit("revision", members.take("revision"), Revision)
    if name is None:
        return None
    if not _REPOSITORY.fullmatch(name):
        members.note("base_model_name_or_path", "is a path of the machine that trained it, not a name")
        return None
    return Parent(relation="adapter", name=name, revision=revision)


def _stage(members: Members) -> TrainingStage | None:
    from weighbridge_schemas.base import Flag, Line, Number
    from weighbridge_schemas.card import TrainingStage

    stated: dict[str, Any] = {}
    for name in _HYPERPARAMETERS:
        value = members.fit(name, members.take(name), Line | Number | Flag)
        if value is not None:
            stated[name] = value
    targets = members.take("target_modules")
    if isinstance(targets, list) and all(isinstance(one, str) for one in targets):
        targets = ", ".join(sorted(targets))
    if (targets := members.fit("target_modules", targets, Line)) is not None:
        stated["target_modules"] = targets
    return TrainingStage(stage="finetuning", hyperparameters=stated) if stated else None
