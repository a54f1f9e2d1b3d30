# SPDX-License-Identifier: Apache-2.0
"""The whole service: a registry's API and its pages in one application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge_web import assets, pages, problems
from weighbridge_web.headers import SecurityHeaders

if TYPE_CHECKING:
    from fastapi import FastAPI

    from weighbridge_web.records import Records

__all__ = ["add_pages"]


def add_pages(app: FastAPI, records: Records, *, base_url: str = "") -> FastAPI:
    """Add the pages over `records` to an application; its own routes come first.

    `base_url` is the address that readers see, without a trailing slash; empty takes it from each request.
    """
    app.state.records = records
    app.state.base_url = base_url
    app.include_router(assets.router)
    app.include_router(pages.router)
    problems.install(app)
    app.add_middleware(SecurityHeaders)
    return app
