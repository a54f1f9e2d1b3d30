# SPDX-License-Identifier: Apache-2.0
"""Lineage around a digest, and what stands on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from weighbridge_registry.queries.graphs import place_of

from .documents import export_response, json_response
from .problems import BadRequestError
from .service import Answers, Digest, number

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")

_LONGEST_NAME = 256


@router.get("/lineage/{sha256}")
def lineage(
    sha256: Digest,
    answers: Answers,
    up: str | None = None,
    down: str | None = None,
    form: Annotated[str | None, Query(alias="format")] = None,
) -> Response:
    """Give the releases around a digest: one step up and one down, if nothing else is asked for."""
    above, below = number(up, "up"), number(down, "down")
    steps = (1 if above is None else above, 1 if below is None else below)
    if form == "prov-json":
        return export_response(answers.lineage_export(sha256, *steps))
    if form is not None:
        raise BadRequestError(
            f"there is no format {form[:40]} of a lineage", hint="leave it out, or prov-json"
        )
    return json_response(answers.lineage(sha256, *steps))


@router.get("/impact/{sha256}")
def impact(sha256: Digest, answers: Answers, cursor: str | None = None, limit: str | None = None) -> Response:
    """List what descends from a release or its weights, or was made with a data set."""
    return json_response(answers.impact(sha256, _place(cursor), number(limit, "limit") or 100))


@router.get("/impact")
def dataset_impact(
    answers: Answers, dataset: str = "", cursor: str | None = None, limit: str | None = None
) -> Response:
    """List what was made with a data set, given by the name that publishers call it."""
    if not dataset or len(dataset) > _LONGEST_NAME or not dataset.isprintable():
        raise BadRequestError(
            "say whose impact is asked for", hint="/api/v1/impact?dataset=NAME, or /impact/SHA-256"
        )
    return json_response(answers.dataset_impact(dataset, _place(cursor), number(limit, "limit") or 100))


def _place(cursor: str | None) -> tuple[int, int]:
    found = place_of(cursor)
    if found is None:
        raise BadRequestError("the cursor is none of this list", hint="pass `next` of the page before")
    return found
