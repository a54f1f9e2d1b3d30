# SPDX-License-Identifier: Apache-2.0
"""`.eval_results/*.yaml` of a hub's repository → evaluation results of a card.

One file is a list of entries: a benchmark's data set and task, a value, and who measured it, when and how.
The benchmark's own definition says what is measured, so there is no metric. The form is the hub's
(`huggingface_hub.EvalResultEntry`); what has no place here is noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import InputError
from weighbridge.strict_yaml import MAX_BYTES, read_yaml

from .members import Members, safe_line

if TYPE_CHECKING:
    from weighbridge_schemas.card import EvaluationResult

__all__ = ["read_eval_results"]

_MOST: Final = 1024
_HINT: Final = "The form is described in the hub's documentation of evaluation results (.eval_results)."


def read_eval_results(data: bytes, path: str) -> tuple[tuple[EvaluationResult, ...], tuple[str, ...]]:
    """Return the results of one file, and notes of what was not understood.

    Raises InputError if the file is not YAML of that form at all.
    """
    entries = _entries(data, path)
    notes: list[str] = []
    if len(entries) > _MOST:
        notes.append(f"{safe_line(path, 80)}: only the first {_MOST} of {len(entries)} entries were kept")
    results = []
    for number, entry in enumerate(entries[:_MOST]):
        result, more = _entry(entry, f"{path} entry {number}")
        notes += more
        if result is not None:
            results.append(result)
    return tuple(results), tuple(notes)


def _entries(data: bytes, path: str) -> list[Any]:
    if len(data) > MAX_BYTES:
        raise InputError(f"{path} is longer than {MAX_BYTES:,} bytes")
    try:
        value = read_yaml(data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}") from error
    if not isinstance(value, list):
        raise InputError(f"{path} is not a list of evaluation results", hint=_HINT)
    return value


def _entry(entry: Any, where: str) -> tuple[EvaluationResult | None, tuple[str, ...]]:
    from weighbridge_schemas.card import EvaluationResult

    members = Members(entry if isinstance(entry, dict) else {}, source=where)
    if not isinstance(entry, dict):
        members.note("entry", "is not a mapping")
        return None, members.notes()
    dataset = _part(members, "dataset", where)
    source = _part(members, "source", where)
    if members.take("verifyToken") is not None:
        members.note("verifyToken", "was not kept: it is for the hub, which can check it")
    stated = {
        "dataset": dataset.take("id"),
        "benchmark_task": dataset.take("task_id"),
        "dataset_revision": dataset.take("revision"),
        "value": members.take("value"),
        "measured": _optional(members, "date", members.take("date")),
        "note": _optional(members, "note", members.take("notes")),
        "source": _optional(source, "source", source.take("url")),
        "source_name": source.take("name") or source.take("org") or source.take("user"),
    }
    stated = {name: value for name, value in stated.items() if value is not None}
    result: EvaluationResult | None = members.fit("entry", stated, EvaluationResult)
    return result, (*members.notes(), *dataset.notes(), *source.notes())


def _part(members: Members, name: str, where: str) -> Members:
    value = members.take(name)
    if value is not None and not isinstance(value, dict):
        members.note(name, "is not a mapping")
    return Members(value if isinstance(value, dict) else {}, source=f"{where} {name}")


def _optional(members: Members, name: str, value: Any) -> Any:
    """Return a value that the result can do without: a bad one is noted, and the result is kept."""
    from weighbridge_schemas.card import EvaluationResult

    fields = {"date": "measured", "note": "note", "source": "source"}
    field = EvaluationResult.model_fields[fields[name]]
    return members.fit(name, value, field.annotation) if value is not None else None
