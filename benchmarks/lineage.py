# SPDX-License-Identifier: Apache-2.0
"""How fast lineage is walked in a registry of a million releases.

    python benchmarks/lineage.py [--releases 1000000] [--database-url U] [--questions 500] [--folder F]

Fills the views of a real registry with synthetic releases: each names one parent or two by digest, old ones
far more often than young ones, so that some have a hundred thousand descendants; one family has exactly
10,000. All name a tensor table, and of three edges in ten the tables were compared. Then asks the
registry over HTTP: the graph two levels up and two down around random releases, and lists of descendants.
PostgreSQL is filled with COPY; give an empty database. Seconds are this machine's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from log import Publisher, Registry, quantile, registry

FAMILY = 10_000
"""Descendants of one release: 100 children with 99 children each."""
TOLD_EVERY = 10
"""Of ten edges three are between tables that were compared."""


def digest(what: str, number: int) -> str:
    """Return the digest that a synthetic release has as this or that."""
    return hashlib.sha256(f"{what}{number}".encode()).hexdigest()


def parents(number: int, family: int, chosen: random.Random) -> Sequence[int]:
    """Return the parents of a release, counted from 0: the last 10,001 are the family."""
    if number >= family:
        place = number - family
        if place == 0:
            return ()
        return (family,) if place <= 100 else (family + 1 + (place - 101) % 100,)  # noqa: PLR2004 - as above
    if number == 0:
        return ()
    count = 2 if number % TOLD_EVERY == 0 else 1
    return tuple({int(number * chosen.random() ** 3) for _ in range(count)})


class Filling:
    """Synthetic rows of a number of releases, beside those of a real one."""

    def __init__(self, template: dict[str, Any], releases: int) -> None:
        self._template = template
        self.first = template["number"] + 1
        self._releases = releases
        self.family = releases - FAMILY - 1

    def tables(self) -> Iterator[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
        """Yield the name of each table, its columns and its rows."""
        yield "release", list(self._template), self._release_rows()
        columns = ("sha256", "number", "role", "position", "name")
        yield "digest", columns, self._digest_rows()
        yield "edge", ("number", "position", "relation", "digest", "name"), self._edge_rows()
        columns = ("child", "parent", "tensors", "equal", "bytes", "equal_bytes", "compared", "near")
        columns = (*columns, "differing", "error", "finding", "words", "refuted")
        yield "likeness", columns, self._likeness_rows()

    def edges(self) -> Iterator[tuple[int, int, int]]:
        """Yield child, place and parent of each edge, the same each time."""
        chosen = random.Random(7)  # noqa: S311 - a sample, no secret
        for number in range(self._releases):
            for place, parent in enumerate(parents(number, self.family, chosen)):
                yield number, place, parent

    def _release_rows(self) -> Iterator[Sequence[Any]]:
        for number in range(self._releases):
            own = {
                "number": self.first + number,
                "version": f"v{number}",
                "statement": digest("s", number),
                "bundle": digest("b", number),
                "model_digest": digest("m", number),
                "weights_digest": digest("w", number),
            }
            yield list({**self._template, **own}.values())

    def _digest_rows(self) -> Iterator[Sequence[Any]]:
        for number in range(self._releases):
            for role in ("model", "root", "weights", "table"):
                yield digest(role[0], number), self.first + number, role, 0, None

    def _edge_rows(self) -> Iterator[Sequence[Any]]:
        for child, place, parent in self.edges():
            yield self.first + child, place, "finetune", digest("m", parent), "org/base"

    def _likeness_rows(self) -> Iterator[Sequence[Any]]:
        for child, place, parent in self.edges():
            if child % TOLD_EVERY < 3 and place == 0:  # noqa: PLR2004 - three in ten
                yield (
                    *(digest("t", child), digest("t", parent), 200, 150, 10**9, 7 * 10**8, 50, 50, 40, 5),
                    *("shares", "150 of 200 tensors are equal (70.00 % of the bytes)", "{}"),
                )


def fill(path: Path, database_url: str | None, releases: int) -> Filling:
    """Write the rows."""
    if database_url is None:
        return _fill_sqlite(path, releases)
    import psycopg  # noqa: PLC0415 - for this only
    from psycopg.rows import dict_row  # noqa: PLC0415 - as above

    address = database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address) as database:
        with database.cursor(row_factory=dict_row) as cursor:
            template = cursor.execute("SELECT * FROM release ORDER BY number DESC LIMIT 1").fetchone()
        filling = Filling(dict(template or {}), releases)
        for table, columns, rows in filling.tables():
            names = ", ".join(f'"{column}"' for column in columns)
            with database.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
    with psycopg.connect(
        database_url.replace("postgresql+psycopg", "postgresql"), autocommit=True
    ) as database:
        database.execute("VACUUM ANALYZE")  # as autovacuum would by and by, but not while this measures
        database.execute("CHECKPOINT")
    return filling


def _fill_sqlite(path: Path, releases: int) -> Filling:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    for setting in ("synchronous=OFF", "journal_mode=OFF", "cache_size=-2000000", "temp_store=MEMORY"):
        database.execute(f"PRAGMA {setting}")  # nothing to lose, and random keys want the index in memory
    template = dict(database.execute("SELECT * FROM release ORDER BY number DESC LIMIT 1").fetchone())
    filling = Filling(template, releases)
    with database:
        for table, columns, rows in filling.tables():
            names = ", ".join(f'"{column}"' for column in columns)
            marks = ", ".join("?" for _ in columns)
            database.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 - our own names
    database.close()
    return filling


def asked(one: Registry, path: str) -> tuple[float, Any]:
    """Ask the registry; return seconds and the answer."""
    started = time.perf_counter()
    answer = one.pool.request("GET", one.url + path)
    seconds = time.perf_counter() - started
    if answer.status != 200:  # noqa: PLR2004 - found
        raise SystemExit(f"{path}: {answer.status} {answer.data[:300]!r}")
    return seconds, answer.json()


def measure(one: Registry, filling: Filling, options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for each question."""
    yield "| question | releases in an answer | p50 ms | p99 ms | max ms |"
    yield "|---|--:|--:|--:|--:|"
    chosen = random.Random(1)  # noqa: S311 - a sample, no secret
    somewhere = [chosen.randrange(options.releases) for _ in range(options.questions)]
    popular = [int(10_000 * chosen.random()) for _ in range(options.questions)]
    for name, numbers in (("random releases", somewhere), ("much-used releases", popular)):
        for up, down in ((1, 1), (2, 2)):
            answers = [
                asked(one, f"/api/v1/lineage/{digest('m', number)}?up={up}&down={down}") for number in numbers
            ]
            nodes = sum(len(answer["nodes"]) for _, answer in answers) / len(answers)
            yield _line(f"graph, {up} up and {down} down, {name}", nodes, [seconds for seconds, _ in answers])
    for name, number in (("10,000 descendants", filling.family), ("more than 10,000 (cut)", 0)):
        # A list that was found is kept for its next pages, so each is asked for by another of its digests.
        paths = [f"/api/v1/impact/{digest(role, number)}?limit=" for role in "mrws"]
        first = [asked(one, f"{path}100") for path in paths]
        yield _line(f"impact of {name}, first 100", first[0][1]["total"], [seconds for seconds, _ in first])
        pages = [_all_pages(one, f"{path}1000") for path in paths]
        yield _line(f"impact of {name}, then all ten pages", first[0][1]["total"], pages)


def _all_pages(one: Registry, path: str) -> float:
    spent, cursor, seen = 0.0, "", 0
    while cursor is not None:
        seconds, page = asked(one, f"{path}&cursor={cursor}")
        spent, cursor, seen = spent + seconds, page["next"], seen + len(page["items"])
    if seen != FAMILY:
        raise SystemExit(f"{seen} descendants were listed")
    return spent


def _line(name: str, size: float, times: Sequence[float]) -> str:
    figures = (quantile(times, 0.5), quantile(times, 0.99), 1000 * max(times))
    return f"| {name} | {size:,.0f} | " + " | ".join(f"{figure:,.1f}" for figure in figures) + " |"


def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--releases", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--database-url", help="an empty PostgreSQL database")
    parser.add_argument("--folder", help="where to write (default: the system's temporary folder)")
    options = parser.parse_args()
    options.workers = 1
    place = Path(tempfile.mkdtemp(prefix="weighbridge-benchmark-", dir=options.folder))
    try:
        load = os.getloadavg()[0]
        print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores, load {load:.1f}")
        data = place / "data"
        with registry(data, options) as one:
            publisher = Publisher(one.origin, "lineage")
            one.post(publisher.start())
            one.post(publisher.model(0))
        started = time.perf_counter()
        filling = fill(data / "registry.db", options.database_url, options.releases)
        print(f"{options.releases:,} releases, filled in {time.perf_counter() - started:.0f} s\n")
        with registry(data, options) as one:
            for line in measure(one, filling, options):
                print(line, flush=True)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
