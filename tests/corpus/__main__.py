# SPDX-License-Identifier: Apache-2.0
"""Write the corpus: a folder for each case, the wanted key, and index.json with what must happen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from weighbridge import keys

from . import cases
from .case import key

if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    (target / "wanted.pub").write_bytes(keys.public_pem(key().public_key()))
    index = []
    for case in cases():
        (target / case.name).mkdir()
        case.build(target / case.name)
        for number, pem in enumerate(case.options.get("certificate_chain", ())):
            (target / f"{case.name}.anchor-{number}.pem").write_bytes(pem)
        index.append({"name": case.name, "step": case.step, "says": case.words})
    (target / "index.json").write_text(json.dumps(index, indent=2) + "\n")
    print(f"{len(index)} cases in {target}")  # noqa: T201 - a script that says what it wrote
