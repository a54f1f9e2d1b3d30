# SPDX-License-Identifier: Apache-2.0
"""Copies of logs on this machine: `--mirror DIR`, wherever a command asks one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge_cli.options import INSTALL_REGISTRY

if TYPE_CHECKING:
    from weighbridge_registry.replicas import Replica

__all__ = ["open_replica"]


def open_replica(folder: Path, trust_configs: Sequence[bytes] = ()) -> Replica:
    """Open a mirror's folder, or a registry's own. Raises `InputError` (exit 2) if it holds no log."""
    from weighbridge.errors import InputError

    try:
        from weighbridge_registry.replicas import Replica
    except ImportError as error:
        raise InputError(
            f"--mirror needs the registry, which is not installed: {error}", hint=INSTALL_REGISTRY
        ) from error
    return Replica(folder.absolute(), trust_configs=trust_configs)
