# SPDX-License-Identifier: Apache-2.0
"""The operator's desk behind the commands `log takedown`, `restore`, `reassign` and `allow`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from weighbridge_cli.operators import DeskOptions
from weighbridge_cli.options import INSTALL_REGISTRY, read_small_file

if TYPE_CHECKING:
    from weighbridge_registry.decisions import Desk

__all__ = ["open_operators_desk"]


def open_operators_desk(options: DeskOptions) -> AbstractContextManager[Desk]:
    """Open the desk that the options mean; raises `InputError` where the registry is not installed."""
    from weighbridge.errors import InputError

    try:
        from weighbridge_registry.decisions import open_desk
        from weighbridge_registry.settings import Settings
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    registry = None
    if options.registry is not None:
        from weighbridge.client import RegistryClient

        registry = RegistryClient(options.registry)
    settings = Settings(
        data=options.folder,
        database_url=options.database_url,
        storage=options.storage,
        trust_configs=tuple(read_small_file(path) for path in options.trust_configs),
    )
    return open_desk(settings, key=options.operator_key, registry=registry)
