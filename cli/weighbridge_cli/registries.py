# SPDX-License-Identifier: Apache-2.0
"""Which registry a command talks to, and what this user trusts and remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.config import config_folder, read_settings
from weighbridge.errors import InputError

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.pending import PendingStore
    from weighbridge.trust import TrustStore

__all__ = ["memory", "open_registry", "pending_store", "trust_store", "trusted_vkey"]


def open_registry(url: str | None) -> RegistryClient:
    """Return the client for --registry, else WEIGHBRIDGE_REGISTRY, else config.toml's registry."""
    from weighbridge.client import RegistryClient

    chosen = url or read_settings(config_folder()).registry
    if not chosen:
        raise InputError(
            "no registry is named",
            hint="add --registry URL, or set WEIGHBRIDGE_REGISTRY (run one yourself: weighbridge serve)",
        )
    return RegistryClient(chosen)


def trust_store() -> TrustStore:
    """Return this user's trusted logs."""
    from weighbridge.trust import TrustStore

    return TrustStore(config_folder())


def trusted_vkey(address: str) -> str | None:
    """Return the key that is pinned for a registry's address, or None."""
    for log in trust_store().logs():
        if log.url and log.url.rstrip("/") == address.rstrip("/"):
            return log.vkey
    return None


def memory() -> Memory:
    """Return what this user has seen; off when CI is set."""
    from weighbridge.memory import Memory

    return Memory(config_folder())


def pending_store() -> PendingStore:
    """Return this user's signed bundles that wait for a registry."""
    from weighbridge.pending import PendingStore

    return PendingStore(config_folder() / "pending")
