# SPDX-License-Identifier: Apache-2.0
"""Who signs: from the options of `sign` and `publish` to one signer."""

from __future__ import annotations

from pathlib import Path

from weighbridge.config import config_folder

__all__ = ["default_key"]


def default_key() -> Path:
    """Where `key new` puts a key without being told, and where signing looks for one."""
    return config_folder() / "key.pem"
