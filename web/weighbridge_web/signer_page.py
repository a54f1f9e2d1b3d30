# SPDX-License-Identifier: Apache-2.0
"""A canonical signer as labelled lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Line", "identity_rows"]

_LABELS = {
    "anchor": "Authority (SHA-256)",
    "anchor_sha256": "Authority (SHA-256)",
    "issuer": "Account at",
    "spki_sha256": "Key (SHA-256)",
    "subject": "Account",
    "trust_domain": "Sigstore (SHA-256 of its root)",
}
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Line:
    """One value, and whether it is a digest."""

    text: str
    digest: bool


def identity_rows(identity: Mapping[str, Any]) -> tuple[tuple[str, Line], ...]:
    """Return the members of a canonical signer with plain labels; members for machines only are left out."""
    return tuple(
        (_LABELS[name], Line(str(value), bool(_DIGEST.match(str(value)))))
        for name, value in identity.items()
        if name in _LABELS
    )
