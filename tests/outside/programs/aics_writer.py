# SPDX-License-Identifier: Apache-2.0
"""Write a log with aics-tlog: DIR NAME SIZE…, with a signed checkpoint-<size> for each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aics_tlog import (
    Checkpoint,
    DirectoryTileStore,
    IncrementalTileWriter,
    format_vkey,
    sign_checkpoint,
    vkey_from_ed25519,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def main(folder: str, name: str, sizes: list[str]) -> None:
    key = Ed25519PrivateKey.generate()
    writer = IncrementalTileWriter(DirectoryTileStore(folder, fsync=False))
    for size in map(int, sizes):
        writer.append(b"entry %d" % number for number in range(writer.size, size))
        note = sign_checkpoint(Checkpoint(name, size, writer.root()), key, name)
        Path(folder, f"checkpoint-{size}").write_bytes(note.to_bytes())
    print(json.dumps({"vkey": format_vkey(vkey_from_ed25519(name, key.public_key()))}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
