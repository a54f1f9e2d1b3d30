# SPDX-License-Identifier: Apache-2.0
"""Make a data folder with the schema of the code that this runs with, and pack it beside this file.

    python -m tests.registry.released

Run once for each schema version, from the commit that releases it, and never again: an archive is
what that release wrote, and migrations are tested against it for ever. The keys in it are made up.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from weighbridge_registry.api import create_api
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store.tables import SCHEMA_VERSION

README = b"# Tiny\n\nA model for tests.\n"


def fill(data: Path) -> None:
    """A registry with a claimed namespace, releases, revisions, an attachment and a lineage."""
    service = open_service(Settings(data=data, origin="released.example/log", public_sigstore=False))
    client = TestClient(create_api(service))
    publisher = Publisher(service.origin)
    submit(client, *publisher.start())
    card = {"identity": {"title": "Tiny"}, "readme": {"sha256": digest_of(README), "size": len(README)}}
    statement = ""
    for version in ("1.0", "1.1"):
        files = {"a.safetensors": version.encode(), "config.json": b"{}"}
        results = submit(client, publisher.oms(files), publisher.release("tiny", version, files, card=card))[
            "results"
        ]
        statement = results[1]["statement"]
    submit(client, publisher.revision("card", statement, {"card": {"identity": {"title": "Tiny one"}}}))
    answer = client.put(f"/api/v1/blobs/{digest_of(README)}", content=README)
    if answer.status_code != 201:
        raise RuntimeError(answer.text)
    service.close()


def main() -> None:
    target = Path(__file__).with_name(f"schema-{SCHEMA_VERSION}.tar.gz")
    if target.exists():
        raise SystemExit(f"{target.name} is released; it is never made again")
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "data")
        with tarfile.open(target, "x:gz") as archive:
            archive.add(Path(folder) / "data", "data")


if __name__ == "__main__":
    main()
