# SPDX-License-Identifier: Apache-2.0
"""A signature file: one bundle, or one bundle per line where several signers signed the same model.

JSON Lines was chosen because nobody's signature changes when another one is added, and because each
line can be counted, named and refused by itself. Takes bytes, does no I/O, believes nothing.
"""

from __future__ import annotations

import io
from itertools import islice
from typing import Final

from weighbridge import canonical
from weighbridge.bundles import MAX_BUNDLE_BYTES
from weighbridge.errors import BundleError

__all__ = ["MAX_BUNDLES", "MAX_SIGNATURE_FILE_BYTES", "split_bundles"]

MAX_BUNDLES: Final = 32
"""Most bundles of one signature file."""

MAX_SIGNATURE_FILE_BYTES: Final = 2 * MAX_BUNDLE_BYTES
"""A signature file is at most 32 MiB, each bundle in it at most 16."""

_MAX_LINES: Final = 4096  # a file of more is no signature file, and not looked at line by line
_TOP: Final = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope"})


def split_bundles(data: bytes) -> list[tuple[int, bytes]]:
    """Return the bundles of a signature file, each with the number of its line from 1.

    0 is the number of a bundle that is the whole file, on one line or on many: the file is taken to hold
    one bundle per line only if one of several lines is by itself an object with a bundle's members, which
    no line inside of a bundle is. Empty lines do not count; every other line does, readable or not: that
    is for `parse_bundle` to say. Raises `BundleError` (step 3) if there are too many.
    """
    numbered = ((n, line.strip()) for n, line in enumerate(io.BytesIO(data), start=1))
    lines = list(islice(((n, line) for n, line in numbered if line), _MAX_LINES + 1))
    if not 1 < len(lines) <= _MAX_LINES or not any(_stands_alone(line) for _, line in lines):
        return [(0, data)]
    if len(lines) > MAX_BUNDLES:
        raise BundleError(
            f"the signature file holds {len(lines):,} lines; at most {MAX_BUNDLES} bundles are read",
            hint="give the signature that you want checked as a file of its own, with --signature",
            evidence={"lines": len(lines), "limit": MAX_BUNDLES},
        )
    return lines


def _stands_alone(line: bytes) -> bool:
    if not line.startswith(b"{") or not line.endswith(b"}"):
        return False
    try:
        value = canonical.decode(line)
    except BundleError:
        return False
    return isinstance(value, dict) and not _TOP.isdisjoint(value)
