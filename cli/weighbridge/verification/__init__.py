# SPDX-License-Identifier: Apache-2.0
"""Verification: whether a model is, byte for byte, what the wanted signer released and recorded.

`verify` raises unless the verdict is good; `check` returns every verdict, for programs that show it.
The steps, and why they run in that order, are in docs/spec/verification.md. The parts:

- `request`, `wanted`: what is asked, and whom the caller trusts;
- `evidence`, `registries`: where signatures and records come from;
- `entries`, `ownership`, `signatures`, `releases`, `contents`: pure judgement over bytes;
- `signers` (4), `manifests` (5, 1, 2), `standing` (6, 9, 10), `recorded` (7), `witnesses` (8): the steps;
- `hubs`: 1, 2 and 6 of a model that is still on a hub; `cached`: every model in a hub's cache;
- `demands` (11) with `cards`, `origins` and `hearing`, what third parties say; `rechecked`: the same in a
graph;
- `course`: their order; `advice`: what to tell people.
"""

from __future__ import annotations

from weighbridge.bounded_files import read_bounded

from .cached import CachedVerdict, check_cached, worst
from .course import check, draft_policy, verify
from .evidence import record_beside, signature_beside
from .rechecked import recheck
from .request import Options, WantedRelease

__all__ = [
    "CachedVerdict",
    "Options",
    "WantedRelease",
    "check",
    "check_cached",
    "draft_policy",
    "read_bounded",
    "recheck",
    "record_beside",
    "signature_beside",
    "verify",
    "worst",
]
