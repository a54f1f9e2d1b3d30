# SPDX-License-Identifier: Apache-2.0
"""Download the real model that some tests and the demo use, pinned by its digest; once.

Without a network nothing is lost: those tests are skipped, and say so.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / part) for part in ("schemas", "cli")]

from weighbridge_cli import demo_model  # noqa: E402 - the clone's own packages come first

demo_model.fetch(print)
