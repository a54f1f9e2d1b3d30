# SPDX-License-Identifier: Apache-2.0
"""OpenSSF Model Signing v1.0: the manifest that any tool verifies (ossf/model-signing-spec).

`manifest` makes and reads the signed statement and does no I/O; `serializing` makes a manifest from the
files on disk, `reusing` says what an older signature spares it, `comparison` holds one against them, steps 1
and 2 of a verification.
"""

from __future__ import annotations

from .comparison import Change, Comparison, compare
from .manifest import (
    PREDICATE_TYPE,
    Manifest,
    Resource,
    Serialization,
    SignedFile,
    manifest_of,
    oms_statement,
    parse_manifest,
)
from .reusing import reuse_of
from .serializing import Serialized, serialize

__all__ = [
    "PREDICATE_TYPE",
    "Change",
    "Comparison",
    "Manifest",
    "Resource",
    "Serialization",
    "Serialized",
    "SignedFile",
    "compare",
    "manifest_of",
    "oms_statement",
    "parse_manifest",
    "reuse_of",
    "serialize",
]
