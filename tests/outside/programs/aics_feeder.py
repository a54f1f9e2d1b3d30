# SPDX-License-Identifier: Apache-2.0
"""Have checkpoints cosigned with the client of aics-witness: URL VKEY, notes and proofs as JSON on stdin.

Prints one JSON object a note: the verified line that the witness gave, or the error's name.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence

from aics_witness.feeder import FeederError, WitnessClient


def main(url: str, vkey: str) -> None:
    asked = json.load(sys.stdin)

    def prove(old: int, new: int) -> Sequence[bytes]:
        return [base64.b64decode(one) for one in asked["proofs"][f"{old} {new}"]]

    with WitnessClient(url, vkey) as client:
        for note in asked["notes"]:
            try:
                print(json.dumps({"line": client.submit(note, prove)}))
            except FeederError as error:
                print(json.dumps({"error": type(error).__name__, "words": str(error)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
