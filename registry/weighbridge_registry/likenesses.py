# SPDX-License-Identifier: Apache-2.0
"""What stored tensor tables have in common, found when the second of two arrives, or an edge between them.

Compared are the tables of a declared child and parent, and those that the registry proposes: tables that
share tensors, or pieces of sketches, with the new one (`candidates`). Comparing reads both tables whole, so
it happens once for each pair, outside of the sequencer, and within limits; pages read the row. Everything
here follows from the log and its attachments: a rebuild makes it anew.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from weighbridge import canonical, weighing
from weighbridge.errors import WeighbridgeError
from weighbridge.resemblance import bands, compare_tables, is_telling
from weighbridge.weighing import Tensor
from weighbridge_schemas.lineage import Relation

from .log.writing import get_applied
from .store import descent, tables
from .store.database import Database
from .store.files import DataFolder
from .store.rows import plain, upsert

__all__ = [
    "Likenesses",
    "compare_table",
    "compared_up_to",
    "faults",
    "likeness",
    "pieces_agree",
    "set_compared",
]

_LOG: Final = logging.getLogger("weighbridge.registry")

TINY: Final = 1024
"""Bytes below which a tensor is not looked up: many models have the same zeros and ones."""
COMMON: Final = 500
"""Tables beyond which a tensor is in too many models to say anything: buffers, masks, much-used parts."""
PROBED: Final = 256
"""Tensors of a new table that are looked up, largest first."""
PROPOSED: Final = 16
"""Tables that a new one is compared with although nobody declared an edge."""
DECLARED: Final = 64
"""Tables that it is compared with on either side because somebody did."""
MAX_TENSORS: Final = 400_000
"""Tensors read at one arrival; what is left is not compared."""

_LONGEST: Final = 1000
_SKETCHES: Final = 8
"""Sketches of a table that are looked up; each makes 16 rows."""
_RESEMBLING: Final = 64
"""Tables looked at for one piece of a sketch."""
_RELEASES: Final = 64
"""Releases that one round looks at."""
_KEPT_EVERY: Final = 1000
"""Entries after which it is kept that they were looked at, if there was nothing to compare: a write costs."""
_CURSOR: Final = "compared"

_TENSOR: Final = plain(tables.Tensor)
_BAND: Final = plain(tables.Band)
_BLOB: Final = plain(tables.Blob)
_DIGEST: Final = plain(tables.Digest)
_ENTRY: Final = plain(tables.Entry)
_LIKENESS: Final = plain(tables.Likeness)
_META: Final = plain(tables.Meta)

_PIECE: Final = select(_BAND.c.table).where(_BAND.c.key == bindparam("key")).limit(_RESEMBLING)


def sharing(most: int) -> Select[Any]:
    """Return the question for the tables that have a tensor, for one more than `most` of them."""
    query = select(_TENSOR.c.table).where(_TENSOR.c.sha256 == bindparam("sha256"))
    return query.distinct().limit(most + 1)


_SHARING: Final = sharing(COMMON)


class Likenesses:
    """Keeps the comparisons of one registry up to date. May be called by several threads."""

    def __init__(self, database: Database, folder: DataFolder) -> None:
        self._database = database
        self._folder = folder
        self._turn = threading.Lock()
        self._again = False
        self._closed = False
        self._reached = -1
        """Entries looked at by this process; what is kept in the database may lag behind."""

    def of_table(self, table: str, tensors: Sequence[Tensor]) -> None:
        """Compare a table whose tensors were just indexed with those that have to do with it."""
        with self._database.read() as connection:
            pairs = _related(connection, table, tensors)
            rows = list(_compared(connection, self._folder, table, tensors, pairs))
        with self._database.write() as connection:
            upsert(connection, tables.Band, _pieces(table, tensors))
            upsert(connection, tables.Likeness, rows)

    def catch_up(self) -> None:
        """Compare the tables of edges that came after them, also of those that a crash left.

        Returns at once if another thread is at it, which then looks once more.
        """
        self._again = True
        while self._again and not self._closed and self._turn.acquire(blocking=False):
            try:
                self._again = False
                while self._round():
                    pass
            except SQLAlchemyError as error:
                _LOG.warning("tensor tables of new edges could not be compared yet: %s", type(error).__name__)
                return
            finally:
                self._turn.release()

    def close(self) -> None:
        """Let whoever catches up end after the release that is being looked at; the next start goes on."""
        self._closed = True

    def _round(self) -> bool:
        """Look at some releases; tell whether there may be more."""
        rows: list[dict[str, Any]] = []
        with self._database.read() as connection:
            kept = compared_up_to(connection)
            start = max(kept, self._reached)
            named, end = _named(connection, start)
            for one in named:
                if self._closed:
                    return False
                rows += self._of_release(connection, one)
        if rows or end - kept > _KEPT_EVERY:
            with self._database.write() as connection:
                upsert(connection, tables.Likeness, rows)
                set_compared(connection, end)
        self._reached = max(end, self._reached)
        return end > start

    def _of_release(self, connection: Connection, number: int) -> list[dict[str, Any]]:
        """Compare a release's table with those of its declared parents and children."""
        table = descent.tables_of(connection, [number]).get(number)
        if table is None or not _stored(connection, [table]):
            return []
        pairs = [one for one in _declared(connection, table, [number]) if _new(connection, *one)]
        if not pairs:
            return []
        try:
            tensors = _read(self._folder, table)
        except (OSError, EOFError, WeighbridgeError) as error:
            _LOG.warning("the tensor table %s cannot be compared: %s", table, error)
            return []
        return list(_compared(connection, self._folder, table, tensors, pairs))


def compare_table(connection: Connection, folder: DataFolder, table: str, tensors: Sequence[Tensor]) -> None:
    """Compare a table with those stored before, within the caller's transaction: for copies and rebuilds."""
    rows = list(_compared(connection, folder, table, tensors, _related(connection, table, tensors)))
    upsert(connection, tables.Band, _pieces(table, tensors))
    upsert(connection, tables.Likeness, rows)


def compared_up_to(connection: Connection) -> int:
    """Return how many entries were looked at for edges whose tables had come before."""
    found = connection.execute(select(_META.c.value).where(_META.c.key == _CURSOR)).scalar()
    return int(found or 0)


def set_compared(connection: Connection, end: int) -> None:
    """Keep that the first `end` entries were looked at."""
    changed = connection.execute(update(_META).where(_META.c.key == _CURSOR).values(value=str(end)))
    if changed.rowcount == 0:
        connection.execute(insert(_META).values(key=_CURSOR, value=str(end)))


def likeness(child: str, tensors: Sequence[Tensor], parent: str, others: Sequence[Tensor]) -> dict[str, Any]:
    """Return the row that says what a child's table has in common with a parent's: a pure function."""
    found = compare_tables(tensors, others)
    verdicts = {relation: found.verdict(relation) for relation in get_args(Relation)}
    refuted = {
        relation: verdict.sentence[:_LONGEST]
        for relation, verdict in verdicts.items()
        if verdict.word == "contradicts"
    }
    return {
        "child": child,
        "parent": parent,
        "tensors": found.tensors,
        "equal": found.equal + found.renamed,
        "bytes": found.bytes,
        "equal_bytes": found.bytes_equal,
        "compared": len(found.likenesses),
        "near": found.near,
        "differing": None if found.median is None else round(1000 * found.median),
        "error": None if found.error is None else round(1000 * found.error),
        "finding": found.finding,
        "words": found.verdict().sentence[:_LONGEST],
        "refuted": canonical.encode(refuted).decode(),
    }


def _compared(
    connection: Connection,
    folder: DataFolder,
    table: str,
    tensors: Sequence[Tensor],
    pairs: Sequence[tuple[str, str]],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of pairs (child, parent) with a table, as far as they can be read and the limit goes."""
    read: dict[str, Sequence[Tensor]] = {table: tensors}
    left = MAX_TENSORS
    stored = _stored(connection, [one for pair in pairs for one in pair])
    for child, parent in pairs:
        other = parent if child == table else child
        if other not in stored | {table} or left <= 0:
            continue
        try:
            if other not in read:
                read = {table: tensors, other: _read(folder, other)}
        except (OSError, EOFError, WeighbridgeError) as error:
            _LOG.warning("the tensor table %s cannot be compared: %s", other, error)
            continue
        left -= len(read[child]) + len(read[parent])
        yield likeness(child, read[child], parent, read[parent])


def _related(connection: Connection, table: str, tensors: Sequence[Tensor]) -> list[tuple[str, str]]:
    """Return the pairs (child, parent) that a new table is in: itself, declared relatives, candidates.

    A candidate is compared as the parent of whatever was registered later.
    """
    naming = select(_DIGEST.c.number).where(_DIGEST.c.sha256 == table, _DIGEST.c.role == "table")
    numbers = connection.execute(naming.order_by(_DIGEST.c.number).limit(DECLARED)).scalars().all()
    pairs = [(table, table), *_declared(connection, table, numbers)]
    candidates = _candidates(connection, table, tensors)
    first = _first(connection, [table, *candidates])
    for one in candidates:
        later = first.get(one, 0) >= first.get(table, 0)
        pairs.append((one, table) if later else (table, one))
    return list(dict.fromkeys(pairs))


def _declared(connection: Connection, table: str, numbers: Sequence[int]) -> list[tuple[str, str]]:
    """Return the pairs of a table with those of its releases' declared parents and children: 64 of each."""
    above = [
        link.parent
        for links in descent.links(connection, numbers).values()
        for link in links
        if link.parent is not None
    ][:DECLARED]
    own = descent.own_digests(connection, numbers)
    named = {digest for digests in own.values() for digest in digests}
    found = descent.below(connection, named, DECLARED).found
    below = list(dict.fromkeys(child for _, child, _ in found))[:DECLARED]
    known = descent.tables_of(connection, [*above, *below])
    pairs = [(table, known[parent]) for parent in above if parent in known]
    pairs += [(known[child], table) for child in below if child in known]
    return list(dict.fromkeys(pairs))


def _candidates(connection: Connection, table: str, tensors: Sequence[Tensor]) -> list[str]:
    """Return the tables that share most with a new one, by bytes of tensors, then by pieces of sketches."""
    shared: Counter[str] = Counter()
    telling = functools.partial(is_telling, sketched=any(one.sketch for one in tensors))
    large = sorted(
        (one for one in tensors if one.nbytes >= TINY),
        key=lambda one: (not telling(one), -one.nbytes, one.sha256),
    )
    for sha256, nbytes in list(dict.fromkeys((one.sha256, one.nbytes) for one in large))[:PROBED]:
        having = connection.execute(_SHARING, {"sha256": sha256}).scalars().all()
        if len(having) <= COMMON:
            shared.update(dict.fromkeys(having, nbytes))
    alike: Counter[str] = Counter()
    for row in _pieces(table, tensors):
        alike.update(set(connection.execute(_PIECE, {"key": row["key"]}).scalars()))
    for counted in (shared, alike):
        counted.pop(table, None)
    best = [one for one, _ in shared.most_common(PROPOSED)]
    # One piece in common is chance; two of one model or more are not.
    best += [one for one, pieces in alike.most_common(PROPOSED) if pieces > 1 and one not in shared]
    return best[: 2 * PROPOSED]


def _pieces(table: str, tensors: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Return the rows by which a table's sketches are found, those of its rare shapes first."""
    sketched = [one for one in tensors if one.sketch]
    shapes = Counter(one.shape for one in sketched)
    sketched.sort(key=lambda one: (shapes[one.shape], -one.nbytes, one.name))
    keys = {
        _key(one.shape, place, piece)
        for one in sketched[:_SKETCHES]
        for place, piece in enumerate(bands(one.sketch))
    }
    return [{"key": key, "table": table} for key in sorted(keys)]


def _key(shape: tuple[int, ...], place: int, piece: int) -> int:
    text = f"weighbridge/band/v1\n{'x'.join(map(str, shape))}\n{place}\n{piece}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def _named(connection: Connection, start: int) -> tuple[list[int], int]:
    """Return the next releases that entries from `start` on are or give a lineage, and where those end."""
    query = (
        select(_ENTRY.c.number, _ENTRY.c.release)
        .where(_ENTRY.c.number >= start, _ENTRY.c.kind.in_(("release", "lineage")))
        .where(_ENTRY.c.release.is_not(None))
        .order_by(_ENTRY.c.number)
        .limit(_RELEASES)
    )
    rows = connection.execute(query).all()
    end = rows[-1].number + 1 if len(rows) == _RELEASES else get_applied(connection)
    return sorted({row.release for row in rows}), end


def _first(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    """Return the entry of the first release that names each of some tables."""
    query = (
        select(_DIGEST.c.sha256, func.min(_DIGEST.c.number))
        .where(_DIGEST.c.sha256.in_(digests), _DIGEST.c.role == "table")
        .group_by(_DIGEST.c.sha256)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _stored(connection: Connection, digests: Sequence[str]) -> set[str]:
    query = select(_BLOB.c.sha256).where(_BLOB.c.sha256.in_(digests), _BLOB.c.role == "table")
    return set(connection.execute(query).scalars())


def _new(connection: Connection, child: str, parent: str) -> bool:
    """Tell whether two tables were not compared yet."""
    query = select(_LIKENESS.c.near).where(_LIKENESS.c.child == child, _LIKENESS.c.parent == parent)
    return connection.execute(query).one_or_none() is None


def faults(connection: Connection, folder: DataFolder) -> Iterator[str]:
    """Yield what is wrong with the rows of comparisons: each must be what its two tables give."""
    read = functools.lru_cache(maxsize=8)(functools.partial(_read, folder))
    listed = select(_LIKENESS).order_by(_LIKENESS.c.child, _LIKENESS.c.parent)
    for row in connection.execute(listed).mappings():
        child, parent = row["child"], row["parent"]
        try:
            wanted = likeness(child, read(child), parent, read(parent))
        except (OSError, EOFError, WeighbridgeError) as error:
            yield f"the tables {child} and {parent} cannot be compared again: {error}"
            continue
        if dict(row) != wanted:
            yield f"the tables {child} and {parent} have something else in common than is listed"


def pieces_agree(connection: Connection, table: str, tensors: Sequence[Tensor]) -> bool:
    """Tell whether the pieces of sketches listed for a table are its own."""
    listed = select(_BAND.c.key).where(_BAND.c.table == table).order_by(_BAND.c.key)
    return list(connection.execute(listed).scalars()) == [row["key"] for row in _pieces(table, tensors)]


def _read(folder: DataFolder, table: str) -> tuple[Tensor, ...]:
    return weighing.read_tensor_table(gzip.decompress(folder.blobs.read(table)))
