# SPDX-License-Identifier: Apache-2.0
"""A registry on a loopback port in a thread of the test: real HTTP, and no process to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.registries import Registry
from tests.web.serving import served
from weighbridge_registry.api import create_api
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Limits, Settings

__all__ = ["registry_here"]


@contextmanager
def registry_here(folder: Path, **limits: Any) -> Iterator[Registry]:
    """Serve a new registry until the block ends. It can be asked, but not killed."""
    settings = Settings(data=folder / "data", public_sigstore=False, limits=Limits(**limits))
    with served(create_api(open_service(settings))) as url:
        yield Registry(settings.data, int(url.rpartition(":")[2]))
