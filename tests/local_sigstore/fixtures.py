# SPDX-License-Identifier: Apache-2.0
"""The fixture `local_sigstore`, for tests/conftest.py to import."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local_sigstore import LocalSigstore, start

__all__ = ["local_sigstore"]


@pytest.fixture(scope="session")
def local_sigstore() -> Iterator[LocalSigstore]:
    """A running local Sigstore, one for each worker; mark the test needs("node", "npm")."""
    with start() as sigstore:
        yield sigstore
