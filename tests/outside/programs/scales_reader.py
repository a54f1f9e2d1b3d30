# SPDX-License-Identifier: Apache-2.0
"""Read a log with tlog-scales: URL VKEY [CHECKPOINT…]. The root, proofs of some entries, growth."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tlog_scales import backend, signing, tiles
from tlog_scales.reader import TilesReader
from tlog_scales.tlog import Checkpoint


def main(url: str, vkey: str, saved: list[str]) -> None:
    key = signing.Vkey.from_string(vkey)
    reader = TilesReader(backend.make_backend(url))
    head = reader.get_checkpoint()
    head.verify(key)
    if reader.calculate_root_hash() != head.root_hash:
        raise SystemExit("the tiles are of another tree")
    near = {0, 1, 254, 255, 256, 257, 65_535, 65_536, head.size // 2, head.size - 1}
    numbers = sorted(number for number in near if 0 <= number < head.size)
    for number in numbers:
        proof = reader.get_inclusion_proof(number, head.size)
        proof.check(tiles.leaf_hash(reader.get_entry(number)), head.root_hash)
    consistent = []
    for name in saved:
        old = Checkpoint.from_text(Path(name).read_text())
        old.verify(key)
        reader.get_consistency_proof(old.size, head.size).check(old.root_hash, head.root_hash)
        consistent.append(old.size)
    print(json.dumps({"size": head.size, "entries": len(numbers), "consistent": consistent}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
