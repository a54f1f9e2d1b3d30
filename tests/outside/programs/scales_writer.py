# SPDX-License-Identifier: Apache-2.0
"""Write a log with tlog-scales: DIR NAME SIZE…, signed with Ed25519 and ML-DSA-44."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from tlog_scales.signing import MLDSA44CosignatureSigner, PlainEd25519Signer
from tlog_scales.writer import TilesWriter


def main(folder: str, name: str, sizes: list[str]) -> None:
    plain = PlainEd25519Signer(name, Ed25519PrivateKey.generate())
    quantum = MLDSA44CosignatureSigner(name, MLDSA44PrivateKey.generate())
    root = Path(folder)
    writer = TilesWriter.create(root, name)
    for size in map(int, sizes):
        for number in range(writer.size, size):
            writer.add_leaf(b"entry %d" % number)
        writer.commit([plain, quantum])
        (root / f"checkpoint-{size}").write_bytes((root / "checkpoint").read_bytes())
    print(json.dumps({"vkey": plain.vkey.serialize(), "quantum": quantum.vkey.serialize()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
