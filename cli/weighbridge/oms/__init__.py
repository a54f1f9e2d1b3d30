# SPDX-License-Identifier: Apache-2.0
"""OpenSSF Model Signing v1.0: the manifest that any tool verifies (ossf/model-signing-spec).

`manifest` makes and reads the signed statement and does no I/O; `comparison` holds a manifest
against the files on disk, steps 1 and 2 of a verification.
"""

from __future__ import annotations

from .comparison import Change, Comparison, compare
from .manifest import (
    LEGACY_PREDICATE_TYPE,
    PREDICATE_TYPE,
    Manifest,
    Resource,
    Serialization,
    manifest_of,
    oms_statement,
    parse_manifest,
)

__all__ = [
    "LEGACY_PREDICATE_TYPE",
    "PREDICATE_TYPE",
    "Change",
    "Comparison",
    "Manifest",
    "Resource",
    "Serialization",
    "compare",
    "manifest_of",
    "oms_statement",
    "parse_manifest",
]
