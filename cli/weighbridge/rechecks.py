# SPDX-License-Identifier: Apache-2.0
"""A re-check of a lineage edge, as the position/v1 that somebody may sign about it.

Pure: what a comparison of two weighed models found, in, the members of the predicate out, without `logs` and
`previous`, which depend on where it is recorded.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import InputError
from weighbridge.weighing import tensor_table

if TYPE_CHECKING:
    from weighbridge.resemblance import TableComparison
    from weighbridge.weighing import WeighedModel

__all__ = ["position_on"]

_LONGEST: Final = 1024
_STANCES: Final = {
    "equal": "acknowledges",
    "shares": "acknowledges",
    "resembles": "acknowledges",
    "contradicts": "disputes",
}


def position_on(
    child: WeighedModel, parent: WeighedModel, found: TableComparison, relation: str | None
) -> dict[str, Any]:
    """Return what can be signed of a comparison: acknowledged if tensors bear it out, else disputed.

    Raises InputError if there is nothing to sign: no sign, an adapter that merely fits, one model twice, or
    `from_scratch`, which is no edge.
    """
    verdict = found.verdict(relation)
    stance = _STANCES.get(verdict.word)
    if stance is None:
        raise InputError(
            f"there is no position to take: {verdict.sentence}",
            hint="only equal tensors, resemblance or a contradiction can be signed as a re-check",
        )
    if relation == "from_scratch" or child.model_digest == parent.model_digest:
        raise InputError(
            "there is no edge between these two that a position could be about",
            hint="give two different models and a relation other than from_scratch",
        )
    edge = {"child": f"sha256:{child.model_digest}", "parent": f"sha256:{parent.model_digest}"}
    return {
        "stance": stance,
        "edge": edge | ({"relation": relation} if relation else {}),
        "basis": "recomputed",
        "comparison": {
            "tensors": found.tensors,
            "equal_tensors": found.equal + found.renamed,
            "bytes": found.bytes,
            "equal_bytes": found.bytes_equal,
        },
        "reason": verdict.sentence[:_LONGEST],
        "evidence": [
            {"note": f"tensor table of the {which}, computed anew", "digest": _table_digest(model)}
            for which, model in (("child", child), ("parent", parent))
        ],
    }


def _table_digest(model: WeighedModel) -> str:
    return f"sha256:{hashlib.sha256(tensor_table(model.tensors)).hexdigest()}"
