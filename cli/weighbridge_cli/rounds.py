# SPDX-License-Identifier: Apache-2.0
"""Commands that do the same again and again until somebody stops them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

__all__ = ["every"]


def every(seconds: float | None, work: Callable[[], int]) -> int:
    """Do `work` once, or every so many seconds until SIGINT or SIGTERM; return its last exit code.

    A signal lets the round under way end only where it waits: work must bear being interrupted.
    Stopping is no failure: after a signal the exit code is 0.
    """
    if seconds is None:
        return work()
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while True:
            work()
            stopped.wait(seconds)
    except KeyboardInterrupt:
        if not stopped.is_set():
            raise
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
