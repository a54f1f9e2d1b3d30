# SPDX-License-Identifier: Apache-2.0
"""The HTTP interface: routers over a `Service` (docs/spec/registry.md)."""

from __future__ import annotations

from .app import create_api

__all__ = ["create_api"]
