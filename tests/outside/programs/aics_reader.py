# SPDX-License-Identifier: Apache-2.0
"""Read a log with aics-tlog: URL VKEY [CHECKPOINT…]. Every tile of a small one, proofs, growth."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aics_tlog import (
    Checkpoint,
    HttpTileReader,
    VerifiedTileReader,
    VKey,
    consistency_proof_from_tiles,
    inclusion_proof_from_tiles,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    verify_checkpoint,
    verify_consistency,
    verify_leaf_inclusion,
)
from aics_tlog.verified import audit_tiles

EVERY_TILE = 1000


def opened(data: bytes, key: VKey) -> Checkpoint:
    note = parse_note(data)
    result = verify_checkpoint(note, key, expected_origin=key.name)
    if not result.ok:
        raise SystemExit(f"checkpoint refused: {result.error}")
    return parse_checkpoint(note.text)


def some(size: int) -> list[int]:
    """Give the first, the last, the ends of tiles and one here and there."""
    near = {place + step for place in range(0, size + 1, 16_384) for step in (-1, 0, 1)}
    near |= {0, 254, 255, 256, 257, size - 2, size - 1}
    return sorted(number for number in near if 0 <= number < size)


def main(url: str, vkey: str, saved: list[str]) -> None:
    key = parse_vkey(vkey)
    http = HttpTileReader(url, proxies={})
    head = opened(http.read_checkpoint(), key)
    if head.size <= EVERY_TILE:
        audit_tiles(http, head.size, head.root)
    tiles = VerifiedTileReader(http, head.size, head.root)
    for number in some(head.size):
        proof = inclusion_proof_from_tiles(tiles, number, head.size)
        if not verify_leaf_inclusion(tiles.entry(number), number, head.size, proof, head.root):
            raise SystemExit(f"entry {number} is not proved")
    consistent = []
    for name in saved:
        old = opened(Path(name).read_bytes(), key)
        proof = consistency_proof_from_tiles(tiles, old.size, head.size)
        if not verify_consistency(old.size, head.size, old.root, head.root, proof):
            raise SystemExit(f"{name} is not of a beginning of this log")
        consistent.append(old.size)
    print(json.dumps({"size": head.size, "consistent": consistent}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
