# SPDX-License-Identifier: Apache-2.0
"""Models of a Hugging Face hub: in its cache on this disk, or still on the hub.

- `names` reads `hf:ORG/NAME[@REV]`;
- `cache` finds snapshots in the local cache, without the network and without huggingface_hub;
- `remote` asks a hub what it holds, before anything is downloaded; `access` is how it is asked.
"""

from __future__ import annotations

from .cache import CachedSnapshot, cached_snapshots, find_snapshot, located, snapshot_at
from .names import HubName

__all__ = ["CachedSnapshot", "HubName", "cached_snapshots", "find_snapshot", "located", "snapshot_at"]
