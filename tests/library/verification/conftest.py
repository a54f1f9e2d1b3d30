# SPDX-License-Identifier: Apache-2.0
"""An honestly published model for each attack to start from, and short ways to verify it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models import tiny_model
from tests.records import Published, published
from weighbridge.memory import Memory
from weighbridge.trust import TrustStore
from weighbridge.verdict import Verdict
from weighbridge.verification import check

Check = Callable[..., Verdict]


@pytest.fixture
def honest(tmp_path: Path) -> Published:
    """Give acme/tiny@1.0, signed, released and recorded, with its evidence beside it."""
    return published(tiny_model(tmp_path / "tiny"))


@pytest.fixture
def verify_it(tmp_path: Path) -> Check:
    """Check a model with an empty trust store and no memory, unless a test brings its own."""

    def run(path: Path, **options: Any) -> Verdict:
        own = {"trust": TrustStore(tmp_path / "config"), "memory": Memory(tmp_path / "config", enabled=False)}
        return check(path, **(own | options))  # type: ignore[arg-type]  # options of many types, checked by check

    return run


@pytest.fixture
def by_key(verify_it: Check) -> Check:
    """Check a published model for its publisher's key, and its record against its log."""

    def run(release: Published, /, **options: Any) -> Verdict:
        given = {"public_key": release.publisher.pem, "log_keys": [release.log.vkey]}
        return verify_it(release.model, **(given | options))

    return run


@pytest.fixture
def by_release(verify_it: Check) -> Check:
    """Check a published model as the release that it is, owners and all."""

    def run(release: Published, /, **options: Any) -> Verdict:
        given = {"release": release.title, "log_keys": [release.log.vkey]}
        return verify_it(release.model, **(given | options))

    return run
