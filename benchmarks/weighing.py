# SPDX-License-Identifier: Apache-2.0
"""How fast files are hashed: against the raw limit of this machine and against model-signing.

All rows of one table come from one run on one machine, each the best of several rounds taken in
turn, so ratios mean something and absolute numbers do not. Files are in the page cache: this
measures hashing and bookkeeping, not the disk. Every round of memory is a process of its own.

    python benchmarks/weighing.py [--mib 1024] [--small 20000] [--rounds 3] [--folder DIR]

model-signing is a development dependency; without it its columns stay empty.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "schemas"), str(ROOT / "cli")]

from weighbridge.oms import compare, manifest_of, oms_statement  # noqa: E402 - after the path is set
from weighbridge.weighing import weigh  # noqa: E402 - after the path is set

MIB = 1024 * 1024
Task = Callable[[], object]


def four_files(folder: Path, mib: int) -> Path:
    """Make four files of random bytes, `mib` in all."""
    folder.mkdir()
    for number in range(4):
        with (folder / f"weights-{number}.dat").open("wb") as file:
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


def raw_sha256(folder: Path) -> None:
    """Hash all files with hashlib on one thread per core: nothing in Python can be faster."""
    files = iter(sorted(path for path in folder.rglob("*") if path.is_file()))
    lock = threading.Lock()

    def work() -> None:
        view = memoryview(bytearray(MIB))
        while True:
            with lock:
                path = next(files, None)
            if path is None:
                return
            digest = hashlib.sha256()
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(view):
                    digest.update(view[:count])

    threads = [threading.Thread(target=work) for _ in range(os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def model_signing(folder: Path) -> Task | None:
    """Return the peer's way up to the signature: hash the model, put the payload together."""
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.simplefilter("ignore")
        hashing: Any = importlib.import_module("model_signing.hashing")
        signing: Any = importlib.import_module("model_signing._signing.signing")
        return lambda: signing.Payload(hashing.hash(folder))
    return None


def sign(folder: Path) -> bytes:
    """Go our way up to the signature: what `weighbridge sign` does before it needs a key."""
    weighed = weigh(folder, tensors=False, git=False)
    return oms_statement(manifest_of(weighed), weighed.name)


def best(tasks: dict[str, Task | None], rounds: int) -> dict[str, float]:
    """Return the best time of each task in seconds; rounds are taken in turn, so noise hits all alike."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, task in tasks.items():
            if task is not None:
                started = time.perf_counter()
                task()
                times.setdefault(name, []).append(time.perf_counter() - started)
    return {name: min(each) for name, each in times.items()}


def bulk(folder: Path) -> dict[str, Task | None]:
    """Tasks for a folder of large files."""
    manifest = manifest_of(weigh(folder, algorithms=["blake3"], tensors=False, git=False), algorithm="blake3")
    return {
        "raw sha256": lambda: raw_sha256(folder),
        "sign (sha256)": lambda: sign(folder),
        "publish (all digests)": lambda: weigh(folder, algorithms=["blake3"]),
        "verify (blake3)": lambda: compare(manifest, folder),
        "model-signing": model_signing(folder),
    }


def many(folder: Path) -> dict[str, Task | None]:
    """Tasks for a folder of small files."""
    manifest = manifest_of(weigh(folder))
    return {
        "raw sha256": lambda: raw_sha256(folder),
        "sign (sha256)": lambda: sign(folder),
        "publish (all digests)": lambda: weigh(folder, algorithms=["blake3"]),
        "verify (sha256)": lambda: compare(manifest, folder),
        "model-signing": model_signing(folder),
    }


def peak_memory(folder: Path) -> int:
    """Return the largest resident size in MiB of a process that weighs a model with all digests."""
    code = (
        "import resource, sys\n"
        f"sys.path[:0] = {sys.path[:2]!r}\n"
        "from weighbridge.weighing import weigh\n"
        "weigh(sys.argv[1], algorithms=['blake3'])\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak // (1024 if sys.platform == 'linux' else 1024 * 1024))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, check=True, text=True
    )
    return int(done.stdout)


def tables(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the report."""
    sets = {
        f"four files, {options.mib} MiB in all": (bulk, four_files(folder / "four", options.mib)),
        f"one safetensors file of {options.mib} MiB": (bulk, one_file(folder / "one", options.mib)),
        f"{options.small} files of 64 bytes": (many, small_files(folder / "small", options.small)),
    }
    for title, (tasks, place) in sets.items():
        times = best(tasks(place), options.rounds)
        limit, peer = times["raw sha256"], times.get("model-signing")
        yield f"\n{title} (peak memory {peak_memory(place)} MiB)"
        yield f"  {'':24}{'seconds':>8}{'of raw limit':>14}{'vs model-signing':>17}"
        for name, seconds in times.items():
            ratio = f"{peer / seconds:.1f}" if peer else ""
            yield f"  {name:24}{seconds:8.2f}{limit / seconds:14.2f}{ratio:>17}"


def main() -> None:
    """Make the files, measure, print, remove the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mib", type=int, default=1024, help="size of the large models")
    parser.add_argument("--small", type=int, default=20_000, help="number of small files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where to make the files (default: the system's temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weighbridge-benchmark-", dir=options.folder) as folder:
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, best of {options.rounds} rounds")
        for line in tables(Path(folder), options):
            print(line, flush=True)


if __name__ == "__main__":
    main()
