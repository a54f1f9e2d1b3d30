# SPDX-License-Identifier: Apache-2.0
"""Health, and the schemas of the documents."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from weighbridge_registry.health import examine
from weighbridge_registry.metrics import CONTENT_TYPE, scrape

from .problems import NotKnownError, problem, response
from .service import Open

__all__ = ["router"]

router = APIRouter()

_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")


@router.get("/healthz")
def healthz() -> Response:
    """Say that the process runs."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@router.get("/readyz")
def readyz(service: Open) -> Response:
    """Say whether statements are taken and questions answered, and if not, why not."""
    health = examine(service)
    if health.problems:
        told = "; ".join(health.problems.values())
        return response(problem(503, told, hint="look at the registry's log", evidence=health.problems))
    return JSONResponse(
        {
            "status": "ready",
            "origin": service.origin,
            "size": health.size,
            "sequencer": "here" if health.leads else "elsewhere",
            "waiting": health.waiting,
        },
        headers={"Cache-Control": "no-store"},
    )


@router.get("/metrics")
def metrics(service: Open) -> Response:
    """Give numbers for Prometheus."""
    health = examine(service)
    text = scrape(
        {
            "weighbridge_log_size": ("Entries in the published checkpoint.", health.size),
            "weighbridge_queue_waiting": ("Submissions that wait for the sequencer.", health.waiting),
            "weighbridge_sequencer_led": ("Whether some process leads the log.", int(health.led)),
            "weighbridge_free_bytes": ("Room on the data folder's disk.", health.free),
            "weighbridge_ready": ("Whether /readyz says ready.", int(not health.problems)),
        }
    )
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE)


@router.get("/schemas/{kind}.json")
def schema(kind: str) -> Response:
    """Give the JSON Schema of a statement kind or a document of this interface."""
    if not _NAME.fullmatch(kind):
        raise NotKnownError("there is no schema of that name")
    file = resources.files("weighbridge_schemas") / "schema" / f"{kind}.schema.json"
    if not file.is_file():
        raise NotKnownError(
            f"there is no schema named {kind}", hint="kinds are listed in docs/spec/README.md"
        )
    return Response(
        file.read_bytes(),
        headers={"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"},
        media_type="application/schema+json",
    )
