# SPDX-License-Identifier: Apache-2.0
"""Watch a log for somebody: `weighbridge log monitor`.

`rules` decides what of an entry somebody must hear (pure), `states` remembers how far the log was
read and which alerts wait, `delivery` brings them, `runs` puts it together.
"""

from __future__ import annotations

from .delivery import Outputs
from .rules import Alert, Watch
from .runs import Monitor, RunReport

__all__ = ["Alert", "Monitor", "Outputs", "RunReport", "Watch"]
