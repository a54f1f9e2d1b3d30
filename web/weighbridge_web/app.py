# SPDX-License-Identifier: Apache-2.0
"""The whole service: a registry's interface and its pages in one application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge_registry.api import create_api
from weighbridge_registry.read_only import open_read_only
from weighbridge_registry.service import open_service
from weighbridge_web import assets, pages, problems, testimony_pages
from weighbridge_web.headers import SecurityHeaders
from weighbridge_web.records import Records, RegistryRecords

if TYPE_CHECKING:
    from fastapi import FastAPI

    from weighbridge_registry.log.bells import Crew
    from weighbridge_registry.settings import Settings

__all__ = ["add_pages", "create_app"]


def create_app(settings: Settings, crew: Crew | None = None) -> FastAPI:
    """Open the registry of `settings` and return the application that serves it, pages included.

    `crew` is given to each of several worker processes. The application closes the registry when it
    shuts down. Raises what `open_service` raises.
    """
    service = open_read_only(settings) if settings.read_only else open_service(settings, crew=crew)
    try:
        records = RegistryRecords(service.queries, service.attachments)
        return add_pages(create_api(service), records, base_url=settings.base_url)
    except BaseException:
        service.close()
        raise


def add_pages(app: FastAPI, records: Records, *, base_url: str = "") -> FastAPI:
    """Add the pages over `records` to an application; its own routes come first.

    `base_url` is the address that readers see, without a trailing slash; empty takes it from each request.
    """
    app.state.records = records
    app.state.base_url = base_url
    app.include_router(assets.router)
    app.include_router(pages.router)
    app.include_router(testimony_pages.router)
    problems.install(app)
    app.add_middleware(SecurityHeaders)
    return app
