# SPDX-License-Identifier: Apache-2.0
"""What is counted, for Prometheus.

With several worker processes prometheus_client keeps its numbers in files of a folder that the
parent names in PROMETHEUS_MULTIPROC_DIR; a scrape of any worker then gives the sum of all.
prometheus_client looks for that name when it is imported, so it is imported at the first number.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import Metric

__all__ = [
    "CONTENT_TYPE",
    "FOLDER_VARIABLE",
    "batch",
    "limited",
    "request",
    "scrape",
    "witness_cosigned",
    "witness_failed",
    "witnesses",
]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ENTRIES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request; `route` is a pattern (`/api/v1/entries/{index}`), never what a stranger wrote."""
    counted = _counted()
    counted.requests.labels(method, route, str(status)).inc()
    counted.request_seconds.labels(route).observe(seconds)


def batch(entries: int, seconds: float) -> None:
    """Count what the sequencer of this process has decided; `entries` may be 0: none was new."""
    counted = _counted()
    counted.batch_seconds.observe(seconds)
    if entries:
        counted.batch_entries.observe(entries)


def limited(what: str) -> None:
    """Count a request that a rate limit refused; `what` names the limit (`rates.Gate`)."""
    _counted().limited.labels(what).inc()


def witnesses(names: Iterable[str]) -> None:
    """Name the witnesses that will be asked, so that one which never fails is shown with 0 failures."""
    for name in names:
        _counted().witness_failures.labels(name)


def witness_failed(name: str) -> None:
    """Count that a witness was asked and did not do as it should."""
    _counted().witness_failures.labels(name).inc()


def witness_cosigned(name: str, size: int, moment: float) -> None:
    """Note that a witness has cosigned `size` entries at a moment in Unix seconds."""
    _counted().witness_size.labels(name).set(size)
    _counted().witness_time.labels(name).set(moment)


def scrape(values: dict[str, tuple[str, float]]) -> bytes:
    """Return all numbers as text: those counted, and `values` (name → help, value) of this moment."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see above
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - see above

    counted = _counted().registry
    if FOLDER_VARIABLE in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    now = CollectorRegistry()
    now.register(_Moment(values))
    return generate_latest(counted) + generate_latest(now)


class _Moment:
    """Numbers that are true of this moment, whichever process says them."""

    def __init__(self, values: dict[str, tuple[str, float]]) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        """Yield them as gauges."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - see above

        for name, (text, value) in self._values.items():
            yield GaugeMetricFamily(name, text, value)


class _Counted:
    """The counters of this process."""

    def __init__(self) -> None:
        from prometheus_client import (  # noqa: PLC0415 - see above
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
        )

        registry = CollectorRegistry()
        self.registry: CollectorRegistry = registry
        self.requests: Counter = Counter(
            "weighbridge_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.request_seconds: Histogram = Histogram(
            "weighbridge_request_seconds", "Time to answer.", ("route",), registry=registry, buckets=_SECONDS
        )
        self.batch_seconds: Histogram = Histogram(
            "weighbridge_batch_seconds",
            "Time to decide and write a batch.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.batch_entries: Histogram = Histogram(
            "weighbridge_batch_entries",
            "Entries added with one checkpoint.",
            registry=registry,
            buckets=_ENTRIES,
        )
        self.limited: Counter = Counter(
            "weighbridge_limited", "Requests refused by a rate limit.", ("limit",), registry=registry
        )
        self.witness_failures: Counter = Counter(
            "weighbridge_witness_failures",
            "Times that a witness was asked and did not do as it should.",
            ("witness",),
            registry=registry,
        )
        # Whoever leads asks: the largest of all processes is that of the one which asked last.
        self.witness_size: Gauge = Gauge(
            "weighbridge_witness_cosigned_entries",
            "Entries of the newest checkpoint that a witness has cosigned.",
            ("witness",),
            registry=registry,
            multiprocess_mode="max",
        )
        self.witness_time: Gauge = Gauge(
            "weighbridge_witness_cosigned_seconds",
            "When a witness last cosigned, in Unix seconds of the registry's clock.",
            ("witness",),
            registry=registry,
            multiprocess_mode="max",
        )


@functools.cache
def _counted() -> _Counted:
    return _Counted()
