# SPDX-License-Identifier: Apache-2.0
"""How fast models are signed and verified: whole commands, against the raw limit and model-signing.

    python benchmarks/weighing.py [--mib 4096] [--small 20000] [--huge 100] [--rounds 5] [--folder DIR]

Each figure is the median of several runs of a command as a person would type it, start-up and signature
included; the commands of a table take turns, so that noise hits all alike. Files are in the page cache: this
measures hashing and bookkeeping, not the disk. Ratios mean something, seconds only on this machine.

*raw* hashes the files with hashlib or blake3, one thread per core, and does nothing else: nothing in Python
can be faster. How far BLAKE3 is ahead of SHA-256 is the processor's doing (instructions for SHA-256, width of
its vectors), so where "raw BLAKE3" misses a goal, no program can reach it. `--huge` also signs one sparse
file of so many GiB. model-signing 1.1.1 is the peer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
RAW = """
import hashlib, mmap, os, sys, threading
files = iter(sorted(os.path.join(d, n) for d, _, names in os.walk(sys.argv[1]) for n in names))
lock = threading.Lock()
def work():
    view = memoryview(mmap.mmap(-1, 1 << 20))
    while True:
        with lock:
            path = next(files, None)
        if path is None:
            return
        digest = hashlib.sha256()
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(view):
                digest.update(view[:count])
threads = [threading.Thread(target=work) for _ in range(len(os.sched_getaffinity(0)))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
RAW_BLAKE3 = RAW.replace("import hashlib", "import blake3").replace("hashlib.sha256()", "blake3.blake3()")

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds by the wall's clock, largest resident size in MiB."""

    seconds: float
    mib: float


@dataclass(frozen=True)
class Row:
    """A command of a table, what it is compared with, and the ratio that it should reach.

    The ratio is the other's time by this one's: above 1 is faster. For `at_most` it is the reverse.
    """

    name: str
    command: Command
    against: str = ""
    goal: float | None = None
    at_most: bool = False


def run(command: Command) -> Run:
    """Run a command that must succeed."""
    paths = [str(ROOT / part) for part in ("schemas", "cli", "registry", "web")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # whoever installs a program compiles it once
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    errors = b"" if process.stderr is None else process.stderr.read()
    if process.stderr is not None:
        process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {errors.decode()[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1024)


def weighbridge(*arguments: str | Path) -> Command:
    """Return a command of ours."""
    return [sys.executable, "-m", "weighbridge_cli", *arguments]


def peer(*arguments: str | Path) -> Command:
    """Return a command of model-signing's."""
    return [sys.executable, "-m", "model_signing", *arguments]


class Keys:
    """A key pair, and the commands that sign and verify with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private, self.public = folder / "key.pem", folder / "key.pub"
        run(weighbridge("key", "new", self.private, "--no-passphrase"))

    def sign(self, model: Path, *options: str, out: str = "ours") -> Command:
        """Return our command that signs; the signature lies outside the model."""
        return weighbridge("sign", model, "--key", self.private, "--signature", self.folder / out, *options)

    def verify(self, model: Path, *, signature: str = "ours") -> Command:
        """Return our command that verifies."""
        found = self.folder / signature
        return weighbridge("verify", model, "--public-key", self.public, "--signature", found)

    def peer_sign(self, model: Path, out: str = "theirs") -> Command:
        """Return the peer's command that signs."""
        key = ("--private_key", self.private)
        return peer("sign", "key", model, "--signature", self.folder / out, *key)

    def peer_verify(self, model: Path, signature: str = "theirs") -> Command:
        """Return the peer's command that verifies."""
        key = ("--public_key", self.public)
        return peer("verify", "key", model, "--signature", self.folder / signature, *key)


def four_files(folder: Path, mib: int) -> Path:
    """Make four files of random bytes, `mib` in all."""
    folder.mkdir()
    for number in range(4):
        with (folder / f"weights-{number}.bin").open("wb") as file:
            for _ in range(mib // 4):
                file.write(os.urandom(MIB))
    return folder


def one_file(folder: Path, mib: int, tensors: int = 64) -> Path:
    """Make one safetensors file of `mib` with equal tensors."""
    folder.mkdir()
    each = mib * MIB // tensors
    header = {
        f"layer.{n}": {"dtype": "U8", "shape": [each], "data_offsets": [n * each, (n + 1) * each]}
        for n in range(tensors)
    }
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(mib):
            file.write(os.urandom(MIB))
    return folder


def small_files(folder: Path, count: int) -> Path:
    """Make `count` files of 64 bytes in 20 folders."""
    for number in range(20):
        (folder / str(number)).mkdir(parents=True)
    for number in range(count):
        (folder / str(number % 20) / f"{number}.txt").write_bytes(os.urandom(64))
    return folder


def sparse_file(folder: Path, gib: int) -> Path:
    """Make one file of `gib` that takes no space."""
    folder.mkdir()
    (folder / "weights.bin").touch()
    os.truncate(folder / "weights.bin", gib << 30)
    return folder


def large_rows(model: Path, keys: Keys) -> list[Row]:
    """Commands for a model of large files."""
    for command in (keys.sign(model, "--hash", "blake3", out="blake3"), keys.sign(model)):
        run(command)
    return [
        Row("raw SHA-256", [sys.executable, "-c", RAW, model]),
        Row("raw BLAKE3", [sys.executable, "-c", RAW_BLAKE3, model], "model-signing verify"),
        Row("model-signing sign", keys.peer_sign(model)),
        Row("model-signing verify", keys.peer_verify(model)),
        Row("sign", keys.sign(model), "raw SHA-256", 0.9),
        Row("sign --hash blake3", keys.sign(model, "--hash", "blake3", out="new"), "model-signing sign"),
        Row("verify (SHA-256)", keys.verify(model), "model-signing verify"),
        Row("verify (BLAKE3)", keys.verify(model, signature="blake3"), "model-signing verify", 3),
        Row("weigh (tensors, git ids)", weighbridge("weigh", model), "raw SHA-256"),
    ]


def one_rows(model: Path, keys: Keys) -> list[Row]:
    """Commands for one large file: what may use all cores is compared with what may not."""
    shards = ("--shard-size", "268435456")
    run(keys.sign(model, *shards, out="shards"))
    sharded = keys.sign(model, *shards, out="new")
    return [
        *large_rows(model, keys),
        Row("sign --shard-size 256 MiB", sharded, "model-signing sign"),
        Row("verify (shards)", keys.verify(model, signature="shards"), "model-signing verify"),
    ]


def small_rows(model: Path, keys: Keys) -> list[Row]:
    """Commands for a model of many small files."""
    run(keys.sign(model))
    return [
        Row("raw SHA-256", [sys.executable, "-c", RAW, model]),
        Row("model-signing sign", keys.peer_sign(model)),
        Row("model-signing verify", keys.peer_verify(model)),
        Row("sign", keys.sign(model), "model-signing sign", 4),
        Row("verify (SHA-256)", keys.verify(model), "model-signing verify", 4),
    ]


def start_rows(model: Path, keys: Keys) -> list[Row]:
    """Commands in which nothing but start-up counts."""
    run(keys.sign(model))
    run(keys.peer_sign(model))
    return [
        Row("model-signing --help", peer("--help")),
        Row("model-signing verify", keys.peer_verify(model)),
        Row("--help", weighbridge("--help"), "model-signing --help", 0.25, at_most=True),
        Row("verify", keys.verify(model), "model-signing verify", 3),
    ]


def huge_rows(model: Path, keys: Keys) -> list[Row]:
    """Commands for a model that fits into no memory."""
    shards = ("--hash", "blake3", "--shard-size", "1000000000")
    return [
        Row("sign --hash blake3", keys.sign(model, "--hash", "blake3")),
        Row("sign --hash blake3, shards", keys.sign(model, *shards)),
        Row("verify (shards)", keys.verify(model)),
    ]


def table(title: str, rows: Sequence[Row], rounds: int) -> Iterator[str]:
    """Yield the lines of one table, as Markdown."""
    os.sync()  # files that are still being written would slow down whoever reads them first
    for row in rows:
        run(row.command)
    runs: dict[str, list[Run]] = {row.name: [] for row in rows}
    for _ in range(rounds):
        for row in rows:
            runs[row.name].append(run(row.command))
    medians = {name: statistics.median(each.seconds for each in found) for name, found in runs.items()}
    yield f"\n**{title}**\n"
    yield "| command | seconds | MiB | ratio | goal |"
    yield "|---|--:|--:|---|---|"
    for row in rows:
        memory = max(each.mib for each in runs[row.name])
        yield f"| {row.name} | {medians[row.name]:.2f} | {memory:.0f} | {_ratio(row, medians)} |"


def _ratio(row: Row, medians: dict[str, float]) -> str:
    """Tell how a command compares, and whether that is what it should be."""
    if not row.against:
        return "| "
    other, own = medians[row.against], medians[row.name]
    ratio = own / other if row.at_most else other / own
    told = f"{ratio:.2f} of {row.against}" if row.at_most or ratio < 1 else f"{ratio:.1f} x {row.against}"
    if row.goal is None:
        return f"{told} | "
    met = ratio <= row.goal if row.at_most else ratio >= row.goal
    return f"{told} | {'≤' if row.at_most else '≥'} {row.goal}: {'met' if met else 'MISSED'}"


def main() -> None:
    """Make the models one after the other, measure, print, remove them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mib", type=int, default=4096, help="size of the large models")
    parser.add_argument("--small", type=int, default=20_000, help="number of small files")
    parser.add_argument("--huge", type=int, default=0, metavar="GIB", help="also sign one sparse file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where to make the files (default: the system's temporary folder)")
    options = parser.parse_args()
    Make = Callable[[Path, int], Path]  # noqa: N806 - a type
    Rows = Callable[[Path, Keys], list[Row]]  # noqa: N806 - a type
    tables: list[tuple[str, Make, int, Rows]] = [
        ("a small model, from a cold start", small_files, 20, start_rows),
        (f"{options.small} files of 64 bytes", small_files, options.small, small_rows),
        (f"four files, {options.mib} MiB in all", four_files, options.mib, large_rows),
        (f"one safetensors file of {options.mib} MiB", one_file, options.mib, one_rows),
    ]
    if options.huge:
        tables.append((f"one sparse file of {options.huge} GiB", sparse_file, options.huge, huge_rows))
    cores = len(os.sched_getaffinity(0))
    print(f"Python {sys.version.split()[0]}, {cores} cores, medians of {options.rounds} runs taken in turn")
    with tempfile.TemporaryDirectory(prefix="weighbridge-benchmark-", dir=options.folder) as folder:
        keys = Keys(Path(folder))
        for number, (title, make, size, rows) in enumerate(tables):
            model = make(Path(folder, f"model-{number}"), size)
            rounds = 1 if model.name == "model-4" else options.rounds
            for line in table(title, rows(model, keys), rounds):
                print(line, flush=True)
            shutil.rmtree(model)


if __name__ == "__main__":
    main()
