# SPDX-License-Identifier: Apache-2.0
"""A published model on a local hub, and in a cache that the real huggingface_hub filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.local_hub import LFS_FROM, LocalHub, local_hub
from tests.models import tiny_model, write
from tests.records import Published, published
from weighbridge.memory import Memory
from weighbridge.trust import TrustStore
from weighbridge.verdict import Verdict
from weighbridge.verification import check


@dataclass
class Hub:
    """A hub that has acme/tiny, what was published, and how to check what is named."""

    server: LocalHub
    published: Published
    cache: Path
    config: Path

    def download(self, repo: str = "acme/tiny", **options: Any) -> Path:
        """Fetch with the real client, as a person would with `hf download`."""
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow, and only here

        return Path(snapshot_download(repo, cache_dir=self.cache, **options))

    def check(self, name: str | Path = "hf:acme/tiny", **options: Any) -> Verdict:
        """Check by the publisher's key unless told otherwise, with its log pinned for the run."""
        own: dict[str, Any] = {
            "trust": TrustStore(self.config),
            "memory": Memory(self.config, enabled=False),
            "log_keys": [self.published.log.vkey],
        }
        if not {"public_key", "release"} & options.keys():
            own["public_key"] = self.published.publisher.pem
        return check(name, **(own | options))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Publish a model with a file large enough for LFS, and upload it."""
    folder = tiny_model(tmp_path / "tiny")
    write(folder / "big.bin", bytes(range(256)) * (LFS_FROM // 128))
    release = published(folder)
    with local_hub(tmp_path / "cache") as server:
        server.add("acme/tiny", folder)
        yield Hub(server, release, tmp_path / "cache", tmp_path / "config")
