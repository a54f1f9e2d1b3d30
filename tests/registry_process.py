# SPDX-License-Identifier: Apache-2.0
"""A registry without pages in a process of its own, with knobs that no operator has.

    python -m tests.registry_process DATA PORT '{"crash_at": "swapped", "crash_after": 3, …}'

`workers` runs as many, which are started again at once however often they die, and tells what
`serve --log-format json` tells. `crash_at` names a step of the write order
(weighbridge_registry.log.writing.STEPS): the process dies there without any clean-up, as in a power
cut, on the batch number `crash_after`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weighbridge_registry import supervision
from weighbridge_registry.api import create_api
from weighbridge_registry.journal import configure
from weighbridge_registry.service import open_service
from weighbridge_registry.serving import serve
from weighbridge_registry.settings import Limits, Settings


def crash_hook(step: str | None, batch: int) -> Callable[[str], None]:
    seen = 0

    def hook(reached: str) -> None:
        nonlocal seen
        if reached == step:
            seen += 1
            if seen >= batch:
                os._exit(137)

    return hook


def main(data: str, port: str, knobs: dict[str, Any]) -> None:
    settings = Settings(
        data=Path(data),
        port=int(port),
        database_url=knobs.get("database_url"),
        storage=knobs.get("storage"),
        origin=knobs.get("origin"),
        admission=knobs.get("admission"),
        saw_checkpoints=tuple(note.encode() for note in knobs.get("saw_checkpoints", [])),
        trust_configs=tuple(config.encode() for config in knobs.get("trust_configs", [])),
        public_sigstore=False,
        limits=Limits(**knobs.get("limits", {})),
    )
    hook = crash_hook(knobs.get("crash_at"), knobs.get("crash_after", 1))
    if "workers" in knobs:
        supervision._LONGEST_PAUSE = 0.1
        configure("json")
        supervision.serve_workers(
            lambda crew: create_api(open_service(settings, hook, crew=crew)), settings, knobs["workers"]
        )
    else:
        serve(create_api(open_service(settings, hook)), settings.host, settings.port)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
