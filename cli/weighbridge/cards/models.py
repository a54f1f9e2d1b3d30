# SPDX-License-Identifier: Apache-2.0
"""The card that a model's own files state: README.md, `.eval_results/*.yaml`, `adapter_config.json`.

`side_files` says which files are read, so that whoever has the model (a folder that was weighed, a hub) reads
those and no others. A side file that cannot be read is noted in the card and stops nothing: the README is the
card, the rest is beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from weighbridge.errors import InputError

from .adapters import ADAPTER_CONFIG, read_adapter_config
from .evaluations import read_eval_results
from .members import bounded, safe_line
from .readmes import card_from_readme

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, EvaluationResult, TrainingStage

__all__ = ["MAX_SIDE_FILES", "card_from_model", "side_files"]

MAX_SIDE_FILES: Final = 64
"""Most files beside the README that are read for a card."""

_MOST_RESULTS: Final = 4096
_EVAL_RESULTS: Final = re.compile(r"\.eval_results/[^/]+\.ya?ml")


def side_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of a model's paths that a card is made from beside README.md, sorted."""
    found = sorted(path for path in paths if path == ADAPTER_CONFIG or _EVAL_RESULTS.fullmatch(path))
    return tuple(found[:MAX_SIDE_FILES])


def card_from_model(readme: bytes | None, files: Mapping[str, bytes | None]) -> Card | None:
    """Return the card that README.md and side files state; None without a README.

    `files` are paths with their content, None for one that is too long to be read.

    Without a README there is nothing that a person reads, and so no card. Raises InputError for a README that
    cannot be read at all.
    """
    from weighbridge_schemas.card import Imported

    if readme is None:
        return None
    card = card_from_readme(readme)
    results: list[EvaluationResult] = [*card.evaluations]
    stages: list[TrainingStage] = [*card.training]
    notes = list(card.imported.not_understood if card.imported else ())
    for path in side_files(files):
        data = files[path]
        try:
            if data is None:
                notes.append(safe_line(f"{path} was not read: it is too long", 400))
            elif path == ADAPTER_CONFIG:
                adapter = read_adapter_config(data)
                stages += [adapter.stage] if adapter.stage else []
                notes += adapter.notes
            else:
                more, said = read_eval_results(data, path)
                results += more
                notes += said
        except InputError as error:
            notes.append(safe_line(f"{path} was not read: {error.message}", 400))
    if len(results) > _MOST_RESULTS:
        notes.append(f"only the first {_MOST_RESULTS} of {len(results)} evaluation results were kept")
    told = card.imported is not None or notes
    return card.model_copy(
        update={
            "evaluations": tuple(results[:_MOST_RESULTS]),
            "training": tuple(stages),
            "imported": Imported(source="huggingface", not_understood=bounded(notes)) if told else None,
        }
    )
