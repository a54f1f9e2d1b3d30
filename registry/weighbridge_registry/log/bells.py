# SPDX-License-Identifier: Apache-2.0
"""Bells that wake threads of this and of other processes of one run.

A bell is heard sooner or later than what it announces: who hears it looks into the database, and
looks there now and then without one. So a bell that is lost costs time, and nothing else.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bell", "Crew"]


class Bell:
    """One thread waits; any thread, of a process forked after the bell was made too, may ring."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._heard.setblocking(False)
        self._rung.setblocking(False)

    def ring(self) -> None:
        """Wake who waits, or who waits next. Never blocks."""
        with contextlib.suppress(OSError):  # full: it rings already; closed: nobody waits
            self._rung.send(b"!")

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most so long; tell whether it rang."""
        try:
            if not select.select([self._heard], [], [], seconds)[0]:
                return False
            while self._heard.recv(1):
                pass
        except BlockingIOError:
            return True
        except (OSError, ValueError):  # closed
            return False
        return True

    def close(self) -> None:
        """Let go of it in this process."""
        self._heard.close()
        self._rung.close()


@dataclass(frozen=True)
class Crew:
    """The processes of one run: a pair of bells for each, one for its sequencer, one for its desk."""

    work: Sequence[Bell]
    """Rung when submissions wait; only the leader listens."""
    done: Sequence[Bell]
    """Rung when outcomes are written."""
    number: int = 0
    """Which of them this process is."""

    @classmethod
    def of(cls, size: int) -> Crew:
        """Make the bells of a run of `size` processes, before they are forked."""
        return cls([Bell() for _ in range(size)], [Bell() for _ in range(size)])

    def member(self, number: int) -> Crew:
        """Return the crew as one of its processes sees it."""
        return Crew(self.work, self.done, number)

    def ring_work(self) -> None:
        """Tell every sequencer that submissions wait."""
        for bell in self.work:
            bell.ring()

    def ring_done(self) -> None:
        """Tell every desk that there are outcomes."""
        for bell in self.done:
            bell.ring()

    def close(self) -> None:
        """Close the bells in this process."""
        for bell in (*self.work, *self.done):
            bell.close()
