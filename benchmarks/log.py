# SPDX-License-Identifier: Apache-2.0
"""How fast a log is written, statements are taken, digests are found; and how that grows with the log.

    python benchmarks/log.py [writers] [submissions] [growth] [lookups]
                             [--peers PYTHON] [--rounds 5] [--seconds 3] [--submissions 2000]
                             [--connections 64] [--workers 1] [--database-url U] [--sizes 10000 100000]
                             [--releases 1000000]

*writers*: entries a second into a tiled log, batches of 1, 16 and 256, each batch durable with its signed
checkpoint; ours beside those of aics-tlog and tlog-scales (`--peers`: a Python that has both), taking turns,
medians. *submissions*: `weighbridge serve` as a process of its own, asked by another one on the same
machine over several connections; each submission is signed, verified, logged and answered with a receipt.
*growth*: the log at several sizes: time of a batch, a proof, a start, memory and disk. *lookups*: digests
asked of a registry that knows a million releases.

Ratios mean something, seconds only on this machine: each fsync of its disk is in them. The first line tells
how long one takes.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from weighbridge import keys, tlog
from weighbridge.leaves import encode_leaf
from weighbridge.signing import KeySigner
from weighbridge.statements import abstract_subject, encode_statement

ROOT = Path(__file__).resolve().parent.parent
WRITERS = ("weighbridge", "aics-tlog", "tlog-scales")
BATCHES = (1, 16, 256)
_HEAD = b"\r\n".join(
    (
        b"POST /api/v1/statements HTTP/1.1",
        b"Host: %b",
        b"Content-Type: application/jsonl",
        b"Content-Length: %d",
        b"",
        b"",
    )
)


def fsync_seconds(folder: Path) -> float:
    """Return the median time of one small durable write."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(50):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def environment() -> dict[str, str]:
    """Return the environment of our own processes: these sources, compiled once."""
    paths = [str(ROOT / part) for part in ("schemas", "cli", "registry", "web")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


# --- writers


def writers(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Compare the three writers."""
    names = WRITERS if options.peers else WRITERS[:1]
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        for batch in BATCHES:
            for name in names:
                rate = _writer_rate(name, batch, options, folder)
                rates.setdefault((name, batch), []).append(rate)
    yield "\n**Entries a second into a tiled log**\n"
    yield f"| batch | {' | '.join(names)} | ours against the faster peer |"
    yield f"|--:|{'--:|' * (len(names) + 1)}"
    for batch in BATCHES:
        found = [statistics.median(rates[name, batch]) for name in names]
        ratio = f"{found[0] / max(found[1:]):.2f} x" if len(found) > 1 else ""
        yield f"| {batch} | {' | '.join(f'{rate:,.0f}' for rate in found)} | {ratio} |"


def _writer_rate(name: str, batch: int, options: argparse.Namespace, folder: Path) -> float:
    python = sys.executable if name == WRITERS[0] else options.peers
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [python, ROOT / "benchmarks/log_writers.py", name, str(batch), str(options.seconds), place]
        return float(subprocess.run(command, env=environment(), capture_output=True, check=True).stdout)


# --- a registry as a process


@dataclass
class Registry:
    """A running `weighbridge serve`."""

    url: str
    process: subprocess.Popen[str]
    ready_seconds: float
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=256, block=True, retries=False)
    )

    @property
    def origin(self) -> str:
        """Name of its log."""
        return str(self.pool.request("GET", f"{self.url}/api/v1/log").json()["origin"])

    def post(self, bundles: Sequence[bytes]) -> urllib3.BaseHTTPResponse:
        """Submit bundles."""
        return self.pool.request(
            "POST",
            f"{self.url}/api/v1/statements",
            body=b"\n".join(bundles) + b"\n",
            headers={"Content-Type": "application/jsonl"},
            timeout=120,
        )

    def memory(self) -> float:
        """Return the resident memory of its processes in MiB."""
        total = 0
        for pid in (self.process.pid, *_children(self.process.pid)):
            status = Path(f"/proc/{pid}/status").read_text()
            found = re.search(r"VmRSS:\s+(\d+)", status)
            total += int(found[1]) if found else 0
        return total / 1024


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in text] + [below for one in text for below in _children(int(one))]


@contextmanager
def registry(data: Path, options: argparse.Namespace) -> Iterator[Registry]:
    """Run a registry until the block ends."""
    command = [sys.executable, "-m", "weighbridge_cli", "serve", "--data", str(data), "--port", "0"]
    if options.database_url:
        command += ["--database-url", options.database_url]
    if options.workers > 1:
        command += ["--workers", str(options.workers)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - piped above
        found = re.search(r"http://\S+?(?=/?$)", process.stdout.readline())
        if found is None:
            raise SystemExit("the registry did not start")
        yield Registry(found[0], process, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


class Publisher:
    """Somebody with a key and a namespace, who signs releases in advance."""

    def __init__(self, origin: str, namespace: str) -> None:
        self.origin = origin
        self.namespace = namespace
        self.key = keys.generate_private_key()
        self.signer = KeySigner(self.key)

    def sign(self, kind: str, name: str, sha256: str, predicate: dict[str, Any]) -> bytes:
        """Sign one statement."""
        return self.signer.sign(encode_statement(kind, name, sha256, predicate))

    def start(self) -> list[bytes]:
        """Return what a first publication sends: the key, and the claim of the namespace."""
        pem = keys.public_pem(self.key.public_key()).decode()
        spki = keys.spki_sha256(self.key.public_key())
        logs = {"logs": [self.origin], "previous": None}
        about = {"public_key": pem, "spki_sha256": spki, "label": "benchmark", **logs}
        claim = {"namespace": self.namespace, "owners": [{"type": "key", "public_key": pem}], **logs}
        return [
            self.sign("signer", "benchmark", abstract_subject("signer", spki), about),
            self.sign("namespace", self.namespace, abstract_subject("namespace", self.namespace), claim),
        ]

    def model(self, number: int) -> tuple[bytes, bytes]:
        """Return the OMS bundle and the release of one small model."""
        files = [
            {
                "path": f"file-{place}.bin",
                "size": 1000 + place,
                "sha256": hashlib.sha256(f"{self.namespace}/{number}/{place}".encode()).hexdigest(),
                "role": "other",
                "format": "unknown",
                "unsafe_to_load": False,
            }
            for place in range(3)
        ]
        root = hashlib.sha256(b"".join(bytes.fromhex(str(file["sha256"])) for file in files)).hexdigest()
        resources = [{"name": f["path"], "digest": f["sha256"], "algorithm": "sha256"} for f in files]
        serialization = {"method": "files", "hash_type": "sha256"}
        serialization |= {"allow_symlinks": False, "ignore_paths": []}
        manifest = {"resources": resources, "serialization": serialization}
        leaves = [f"weighbridge/file/v1\n{f['size']}\n{f['sha256']}\n{f['path']}".encode() for f in files]
        digest = tlog.root_hash([tlog.leaf_hash(leaf) for leaf in leaves]).hex()
        release = {
            "namespace": self.namespace,
            "name": "model",
            "version": str(number),
            "released_at": "2026-11-23T12:00:00Z",
            "model": {
                "model_digest": f"sha256:{digest}",
                "root_digests": [{"algorithm": "sha256", "method": "files", "root_digest": f"sha256:{root}"}],
                "weights_digest": None,
                "files": files,
                "tensors": None,
            },
            "card": None,
            "lineage": None,
            "logs": [self.origin],
        }
        return self.sign("oms", "model", root, manifest), self.sign("release", "model", digest, release)


def timed(
    one: Registry, submissions: Sequence[Sequence[bytes]], connections: int
) -> tuple[float, list[float], int]:
    """Submit all, over so many connections; return seconds in all, of each, and the number of failures.

    The client says only what it must: on a machine of two cores its time is taken from the registry's.
    """
    waiting = [b"\n".join(bundles) + b"\n" for bundles in reversed(submissions)]
    host, port = one.url.removeprefix("http://").split(":")
    times: list[float] = []
    failures: list[str] = []

    async def work() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while waiting:
            body = waiting.pop()
            started = time.perf_counter()
            writer.write(_HEAD % (host.encode(), len(body)) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            answer = await reader.readexactly(int(length[1]) if length else 0)
            times.append(time.perf_counter() - started)
            if not head.startswith(b"HTTP/1.1 201 "):
                failures.append(f"{head[:40]!r}: {answer[:200]!r}")
        writer.close()

    async def everybody() -> None:
        await asyncio.gather(*(work() for _ in range(connections)))

    started = time.perf_counter()
    asyncio.run(everybody())
    if failures:
        print(f"failed: {failures[0]}", file=sys.stderr)
    return time.perf_counter() - started, times, len(failures)


def quantile(times: Sequence[float], share: float) -> float:
    """Return the time, in milliseconds, below which that share lies."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000


def submissions(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Measure fully verified submissions over HTTP."""
    place = "PostgreSQL" if options.database_url else "SQLite"
    yield f"\n**Submissions, {options.connections} connections, {options.workers} worker(s), {place}**\n"
    yield "| a submission is | submissions/s | p50 ms | p99 ms | failed |"
    yield "|---|--:|--:|--:|--:|"
    with registry(folder / "submissions", options) as one:
        publisher = Publisher(one.origin, "benchmark")
        one.post(publisher.start())
        models = [publisher.model(number) for number in range(options.submissions)]
        first = [[oms] for oms, _ in models[: options.submissions // 5]]
        timed(one, first, options.connections)  # to warm up
        rest = models[options.submissions // 5 :]
        half = len(rest) // 2
        cases = {
            "one release": [[release] for _, release in rest[:half]],
            "an OMS bundle and its release": rest[half:],
        }
        for name, chosen in cases.items():
            seconds, times, failed = timed(one, chosen, options.connections)
            rate = len(chosen) / seconds
            yield (
                f"| {name} | {rate:,.0f} | {quantile(times, 0.5):.0f} | {quantile(times, 0.99):.0f} "
                f"| {failed} |"
            )


# --- growth


def growth(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Measure one log at several sizes."""
    yield "\n**One log as it grows** (medians; the registry started anew at each size)\n"
    yield (
        "| entries | batch of 16, ms | inclusion proof, ms | consistency proof, ms | start, s "
        "| submission, ms | memory, MiB | tree on disk, bytes/entry |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|"
    data = folder / "growth"
    options = argparse.Namespace(**{**vars(options), "database_url": None, "workers": 1})
    with registry(data, options) as one:
        publisher = Publisher(one.origin, "growth")
        one.post(publisher.start())
    for number, size in enumerate(options.sizes):
        yield _grown(data, size, number, publisher, options)


def _grown(data: Path, size: int, round_: int, publisher: Publisher, options: argparse.Namespace) -> str:
    batch, proof, consistency = _fill(data, size)
    with registry(data, options) as one:
        times = []
        for number in range(30):
            bundles = publisher.model(round_ * 1000 + number)
            started = time.perf_counter()
            answer = one.post(bundles)
            times.append(time.perf_counter() - started)
            if answer.status != 201:  # noqa: PLR2004 - created
                raise SystemExit(f"refused: {answer.data[:300]!r}")
        memory, ready = one.memory(), one.ready_seconds
    disk = sum(file.stat().st_blocks * 512 for file in (data / "public/tile").rglob("*") if file.is_file())
    milliseconds = [statistics.median(each) * 1000 for each in (batch, proof, consistency, times)]
    return (
        f"| {size:,} | {milliseconds[0]:.1f} | {milliseconds[1]:.2f} | {milliseconds[2]:.2f} | {ready:.1f} "
        f"| {milliseconds[3]:.0f} | {memory:.0f} | {disk / size:.0f} |"
    )


def _fill(data: Path, size: int) -> tuple[list[float], list[float], list[float]]:
    """Grow a log with leaves of bundles that nobody has; return times of batches and proofs."""
    from sqlalchemy import Connection  # noqa: PLC0415 - the registry's libraries load where they are used

    from weighbridge_registry.log.keys import open_keys  # noqa: PLC0415
    from weighbridge_registry.log.writing import Log  # noqa: PLC0415
    from weighbridge_registry.state import required  # noqa: PLC0415
    from weighbridge_registry.store.database import open_database  # noqa: PLC0415
    from weighbridge_registry.store.files import DataFolder  # noqa: PLC0415
    from weighbridge_registry.store.state import SqlState  # noqa: PLC0415
    from weighbridge_registry.store.views import write_facts  # noqa: PLC0415

    folder = DataFolder(data)
    database = open_database(f"sqlite:///{data / 'registry.db'}")
    log = Log(database, folder.log, open_keys(folder, None).log)
    with database.read() as connection:
        received = required(SqlState(connection), "log/head")["received"]

    def apply(connection: Connection, start: int, leaves: Sequence[bytes]) -> None:
        write_facts(connection, {"log/head": {"size": start + len(leaves), "received": received}})

    def append(count: int) -> float:
        start = log.size()
        names = [hashlib.sha256(f"filler {start + place}".encode()).hexdigest() for place in range(count)]
        began = time.perf_counter()
        log.append(start, [encode_leaf(name, received) for name in names], apply)
        return time.perf_counter() - began

    while (missing := size - 30 * 16 - log.size()) > 0:
        append(min(4096, missing))
    batches = [append(16) for _ in range(30)]
    proofs, consistencies = [], []
    chosen = random.Random(size)  # noqa: S311 - a sample, no secret
    size, root = log.size(), tlog.parse_checkpoint(folder.log.published() or b"", [log_vkey(data)]).root
    for _ in range(100):
        for times, method, value in (
            (proofs, "inclusion_proof", chosen.randrange(size)),
            (consistencies, "consistency_proof", chosen.randrange(1, size)),
        ):
            reader = tlog.TileReader(folder.log.read_tile, size, root)
            began = time.perf_counter()
            getattr(reader, method)(value)
            times.append(time.perf_counter() - began)
    database.close()
    return batches, proofs, consistencies


def log_vkey(data: Path) -> str:
    """Return the verifier key of a data folder's log."""
    return tlog.Signer.from_private_key((data / "keys/log.key").read_text()).verifier.vkey


# --- look-ups


def lookups(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Ask for digests where many releases are known."""
    data = folder / "lookups"
    options = argparse.Namespace(**{**vars(options), "database_url": None, "workers": 1})
    with registry(data, options) as one:
        publisher = Publisher(one.origin, "lookups")
        one.post(publisher.start())
        one.post(publisher.model(0))
    _multiply(data / "registry.db", options.releases)
    yield f"\n**Digest look-ups, {options.releases:,} releases with three files each, over HTTP**\n"
    yield "| question | p50 ms | p99 ms |"
    yield "|---|--:|--:|"
    chosen = random.Random(1)  # noqa: S311 - a sample, no secret
    with registry(data, options) as one:
        for name, count in (
            ("one known digest", 1),
            ("one unknown digest", 0),
            ("100 digests, half known", 100),
        ):
            times = [_ask(one, count, options.releases, chosen) for _ in range(2000 if count < 2 else 300)]  # noqa: PLR2004 - one or many
            yield f"| {name} | {quantile(times, 0.5):.1f} | {quantile(times, 0.99):.1f} |"


def _ask(one: Registry, count: int, releases: int, chosen: random.Random) -> float:
    def known() -> str:
        return hashlib.sha256(f"{chosen.randrange(releases)}/{chosen.randrange(3)}".encode()).hexdigest()

    started = time.perf_counter()
    if count > 1:
        asked = [known() if place % 2 else chosen.randbytes(32).hex() for place in range(count)]
        answer = one.pool.request("POST", f"{one.url}/api/v1/digests", json={"digests": asked})
        found = len(answer.json()["answers"])
        wanted = count // 2
    else:
        sha256 = known() if count else chosen.randbytes(32).hex()
        answer = one.pool.request("GET", f"{one.url}/api/v1/digests/{sha256}")
        found, wanted = (len(answer.json()["matches"]) if answer.status == 200 else 0), count  # noqa: PLR2004 - found
    seconds = time.perf_counter() - started
    if found < wanted * 0.9:
        raise SystemExit(f"{found} of {wanted} were found: {answer.status} {answer.data[:300]!r}")
    return seconds


def _multiply(path: Path, releases: int) -> None:
    """Copy the views of the one real release, as if there were many; their bundles do not exist."""
    import sqlite3  # noqa: PLC0415 - for this only

    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    template = {
        table: dict(database.execute(f"SELECT * FROM {table} ORDER BY number DESC LIMIT 1").fetchone())  # noqa: S608 - our own names
        for table in ("entry", "release")
    }
    first = template["entry"]["number"] + 1

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    def rows(table: str, change: Any, count: int) -> Iterator[list[Any]]:
        for number in range(count):
            yield list({**template[table], "number": first + number, **change(number)}.values())

    with database:
        for table, change in (
            (
                "entry",
                lambda n: {"statement": digest(f"s{n}"), "bundle": digest(f"b{n}"), "release": first + n},
            ),
            (
                "release",
                lambda n: {"version": f"v{n}", "statement": digest(f"s{n}"), "bundle": digest(f"b{n}")},
            ),
        ):
            marks = ", ".join("?" for _ in template[table])
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows(table, change, releases))  # noqa: S608 - our own names
        database.executemany(
            "INSERT INTO digest (sha256, number, role, position, name) VALUES (?, ?, 'file', ?, ?)",
            (
                (digest(f"{number}/{place}"), first + number, place, f"file-{place}.bin")
                for number in range(releases)
                for place in range(3)
            ),
        )
    database.close()


SECTIONS = {"writers": writers, "submissions": submissions, "growth": growth, "lookups": lookups}


def main() -> None:
    """Run the sections that were asked for, all by default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--peers", metavar="PYTHON", help="a Python that has aics-tlog and tlog-scales")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each writer's run")
    parser.add_argument("--submissions", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database-url", help="an empty PostgreSQL database for the submissions")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--releases", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where to write (default: the system's temporary folder)")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(unknown)}")
    place = Path(tempfile.mkdtemp(prefix="weighbridge-benchmark-", dir=options.folder))
    try:
        cores = len(os.sched_getaffinity(0))
        print(
            f"Python {sys.version.split()[0]}, {cores} cores, one fsync {fsync_seconds(place) * 1000:.1f} ms"
        )
        for name in options.sections or SECTIONS:
            for line in SECTIONS[name](options, place):
                print(line, flush=True)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
