# SPDX-License-Identifier: Apache-2.0
"""Copies of logs on this machine: `--mirror DIR`, wherever a command asks one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge_cli.options import INSTALL_REGISTRY

if TYPE_CHECKING:
    from weighbridge_registry.replicas import Replica

__all__ = ["open_replica"]

_SECONDS = 5.0


def open_replica(folder: Path, trust_configs: Sequence[bytes] = ()) -> Replica:
    """Open a mirror's folder, or a registry's own. Raises `InputError` (exit 2) if it holds no log."""
    from weighbridge.errors import InputError

    try:
        from weighbridge_registry.replicas import Replica
    except ImportError as error:
        raise InputError(
            f"--mirror needs the registry, which is not installed: {error}", hint=INSTALL_REGISTRY
        ) from error
    return Replica(folder.absolute(), trust_configs=trust_configs, progress=_told())


def _told() -> Callable[[int, int], None]:
    """Return what says on standard error, every few seconds, how far a replay is."""
    from weighbridge_cli.terminal import note

    begun = time.monotonic()
    last = [begun]

    def tell(done: int, total: int) -> None:
        now = time.monotonic()
        if now >= last[0] + _SECONDS and done < total:
            last[0] = now
            note(f"replaying the log: {done:,} of {total:,} entries")

    return tell
