# SPDX-License-Identifier: Apache-2.0
"""Every question that the interface and the pages ask, answered with the documents of the interface.

Each answer is made from one snapshot of the database and names the number of entries that it is
of. None means that the thing is not known here; who asks makes a 404 of it.
"""

from __future__ import annotations

from .facade import Queries

__all__ = ["Queries"]
