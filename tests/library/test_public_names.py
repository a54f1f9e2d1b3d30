# SPDX-License-Identifier: Apache-2.0
"""`import weighbridge` is light, and gives the names that programs use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import weighbridge
from tests.commands import environment

HEAVY = (
    "pydantic",
    "cryptography",
    "sigstore",
    "rich",
    "huggingface_hub",
    "urllib3",
    "click",
    "blake3",
    "yaml",
)


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = f"import sys, weighbridge; print([name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=30,
    )
    assert run.stdout.strip() == "[]"


def test_the_public_names_are_there_and_are_functions_not_modules() -> None:
    for name in ("weigh", "sign", "verify"):
        assert callable(getattr(weighbridge, name))
    assert weighbridge.tlog.leaf_hash(b"").hex().startswith("6e340b9c")
    assert issubclass(weighbridge.errors.NotVerifiedError, weighbridge.errors.RefusedError)
    assert set(dir(weighbridge)) == set(weighbridge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'wiegh'"):
        _ = weighbridge.wiegh
