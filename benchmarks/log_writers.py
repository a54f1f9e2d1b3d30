# SPDX-License-Identifier: Apache-2.0
"""Append to a tiled log with one of three writers, and say how many entries a second that made.

    python benchmarks/log_writers.py weighbridge|aics-tlog|tlog-scales BATCH SECONDS FOLDER

Each batch makes tiles, bundles of entries and a signed checkpoint durable (fsync) in files below FOLDER,
which must be empty. Entries are leaves of a weighbridge log, made beforehand. Run by `benchmarks/log.py`,
the peers with a Python that has them (both are on PyPI; aics-tlog says that it wants Python 3.12).
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

ORIGIN = "benchmark.example/log"
Append = Callable[[list[bytes]], None]


def weighbridge(folder: Path) -> Append:
    """Return our writer: what a registry does with the tree, without its database."""
    from weighbridge import tlog  # noqa: PLC0415 - only where it is installed
    from weighbridge_registry.store.files import DataFolder  # noqa: PLC0415

    data = DataFolder(folder)
    data.make()
    signer = tlog.Signer.generate(ORIGIN)
    size = 0

    def append(entries: list[bytes]) -> None:
        nonlocal size
        tiles = tlog.new_tiles(size, [tlog.leaf_hash(entry) for entry in entries], data.log.read_tile)
        data.log.append(size, entries, tiles)
        size += len(entries)
        root = tlog.edge_root(size, data.log.read_tile)
        data.log.publish(tlog.sign_checkpoint(tlog.Checkpoint(ORIGIN, size, root), signer))

    return append


def aics_tlog(folder: Path) -> Append:
    """Return the writer of PyPI's aics-tlog."""
    from aics_tlog import checkpoint, writer  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    store = writer.DirectoryTileStore(folder)
    tree = writer.IncrementalTileWriter(store)

    def append(entries: list[bytes]) -> None:
        done = tree.append(entries)
        state = checkpoint.Checkpoint(ORIGIN, done.size, done.root)
        store.write_checkpoint(str(checkpoint.sign_checkpoint(state, key, ORIGIN)).encode())

    return append


def tlog_scales(folder: Path) -> Append:
    """Return the writer of PyPI's tlog-scales."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from tlog_scales import signing, writer  # noqa: PLC0415

    tree = writer.TilesWriter.create(folder / "log", ORIGIN)
    signer = signing.PlainEd25519Signer(ORIGIN, Ed25519PrivateKey.generate())

    def append(entries: list[bytes]) -> None:
        for entry in entries:
            tree.add_leaf(entry)
        tree.commit([signer])

    return append


WRITERS = {"weighbridge": weighbridge, "aics-tlog": aics_tlog, "tlog-scales": tlog_scales}


def leaf(number: int) -> bytes:
    """Return a leaf of the size that a weighbridge log has."""
    digest = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()
    return f'{{"bundle":"sha256:{digest}","received":1764000000,"v":1}}'.encode()


def main(name: str, batch: int, seconds: float, folder: Path) -> None:
    """Append for some time, a little of it to warm up, and print the rate."""
    append = WRITERS[name](folder)
    number = 0
    for limit in (seconds / 5, seconds):
        count = 0
        spent = 0.0
        while spent < limit:
            entries = [leaf(number + place) for place in range(batch)]
            started = time.perf_counter()
            append(entries)
            spent += time.perf_counter() - started
            number += batch
            count += batch
    print(count / spent)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
