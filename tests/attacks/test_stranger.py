# SPDX-License-Identifier: Apache-2.0
"""A stranger without any key of others: borrowed proofs, old statements, borrowed hints, floods.

The rules of admission one by one are in tests/registry/test_admission.py, odd bodies in test_requests.py.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.attacks.conftest import RELEASE, Person, Town, Verified
from tests.models import tiny_model
from tests.records import Elsewhere, Publisher
from tests.registries import Registry
from tests.registry.serving import registry_here
from weighbridge import keys
from weighbridge.bundles import parse_bundle
from weighbridge.client import RegistryClient
from weighbridge.records import format_record, parse_record


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with room for little, so that a flood on two cores fills it."""
    limits = {"queue_submissions": 2, "bodies_bytes": 200_000, "idle_seconds": 1.0, "batch_entries": 4}
    with registry_here(tmp_path_factory.mktemp("narrow"), **limits) as one:
        yield one


def test_a_valid_proof_of_another_artefact_is_no_proof_of_this_one(
    town: Town, someone: Person, tmp_path: Path
) -> None:
    """CVE-2026-22703: a receipt that holds, from the same log, beside a bundle that was never logged."""
    stranger = Publisher()
    log = RegistryClient(town.registry.url).log()
    shutil.rmtree(someone.model)
    model = tiny_model(someone.model, seed=21)
    lines = list(parse_record((town.model / "provenance.jsonl").read_bytes()))
    forged = [stranger.introduction(log), stranger.namespace(log, "acme", [stranger])]
    forged += [stranger.oms(model), stranger.release(log, model, RELEASE)]
    (model / "provenance.jsonl").write_bytes(
        format_record(
            [type(line)(bundle, line.leaf, line.receipt) for line, bundle in zip(lines, forged, strict=True)]
        )
    )
    told = someone.verify(None)
    assert told.exit_code == 1, told.outcome.stdout
    assert told.step(7)[0] == "fail"
    assert "bundle" in told.step(7)[1]


def test_a_whole_true_record_beside_other_files_is_refused(town: Town, someone: Person) -> None:
    (someone.model / "config.json").write_text('{"malicious": true}')
    told = someone.verify(None)
    assert (told.exit_code, told.step(2)[0]) == (1, "fail"), told.outcome.stdout


def test_old_statements_are_replayed_and_change_nothing(town: Town) -> None:
    """The same bytes again are the same entry; re-encoded they are no new one."""
    client = RegistryClient(town.registry.url)
    before = client.log().size
    for line in parse_record((town.model / "provenance.jsonl").read_bytes()):
        again = town.registry.post([line.bundle])
        assert again.status == 200
        other = json.dumps(json.loads(line.bundle), indent=1).encode()
        refused = urllib3.request(
            "POST",
            f"{town.registry.url}/api/v1/statements",
            body=other,
            headers={"Content-Type": "application/json"},
        )
        assert refused.status in (200, 400)
    assert client.log().size == before


def test_a_claim_of_another_log_is_not_taken(narrow: Registry) -> None:
    """Somebody's claim for their own log, carried here by a stranger."""
    publisher, elsewhere = Publisher(), Elsewhere("log.example/elsewhere")
    here = RegistryClient(narrow.url).log()
    assert narrow.post([publisher.introduction(here)]).status == 201
    refused = narrow.post([publisher.namespace(elsewhere, "newname", [publisher])])
    assert refused.status == 422
    assert "log.example/elsewhere" in refused.data.decode()


def test_the_owners_key_hint_on_a_strangers_signature(town: Town, someone: Person) -> None:
    """A hint says where to look for a key; it is no signature of it."""
    stranger = Publisher()
    shutil.rmtree(someone.model)
    model = tiny_model(someone.model, seed=22)
    bundle = json.loads(stranger.oms(model))
    assert bundle["verificationMaterial"]["publicKey"]["hint"]
    bundle["verificationMaterial"]["publicKey"]["hint"] = keys.hint(town.publisher.private_key.public_key())
    forged = json.dumps(bundle, separators=(",", ":")).encode()
    assert parse_bundle(forged)
    assert town.registry.post([forged]).status == 403
    (model / "model.sig").write_bytes(forged)
    pem = someone.folder / "publisher.pub"
    pem.write_bytes(town.publisher.pem)
    by_key = Verified(someone.run("verify", model, "--public-key", pem, "--json"))
    assert (by_key.exit_code, by_key.step(4)[0]) == (1, "fail"), by_key.outcome.stdout
    by_name = someone.verify(town.registry.url)
    assert (by_name.exit_code, by_name.step(2)[0]) == (1, "fail"), by_name.outcome.stdout


def test_a_flood_of_submissions_slow_bodies_and_huge_ones_leaves_the_registry_standing(
    narrow: Registry,
) -> None:
    """A hundred submissions at once, forty bodies that never end, ten of five megabytes: refused by name.

    Meanwhile an honest publisher, who tries again as told, is recorded, and the log is whole.
    """
    log = RegistryClient(narrow.url).log()
    flood, answers, before = Publisher(), Counter[int](), log.size
    lock = threading.Lock()
    RegistryClient(narrow.url).submit([flood.introduction(log)])
    ready = [flood.namespace(log, f"flood{number}", [flood]) for number in range(100)]
    slow = [socket.create_connection(("127.0.0.1", narrow.port), timeout=30) for _ in range(40)]
    for one in slow:
        one.sendall(
            b"POST /api/v1/statements HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n{"
        )

    def post(bodies: list[bytes]) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=60)
        for body in bodies:
            answer = pool.request(
                "POST",
                f"{narrow.url}/api/v1/statements",
                body=body,
                headers={"Content-Type": "application/json"},
            )
            with lock:
                answers[answer.status] += 1
                if answer.status == 503:
                    assert answer.headers["Retry-After"]

    threads = [threading.Thread(target=post, args=(ready[start::20],)) for start in range(20)]
    threads += [threading.Thread(target=post, args=([b"x" * 5_000_000] * 5,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    honest, client = Publisher(), RegistryClient(narrow.url, retry_for=60.0)
    recorded = client.submit([honest.introduction(log)])
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads)
    assert recorded[0].index > 0
    assert set(answers) <= {201, 413, 503}, answers
    assert answers[503], answers
    for one in slow:
        with one:
            assert one.recv(100).startswith((b"HTTP/1.1 408", b"HTTP/1.1 503"))
    assert narrow.get("/readyz")["status"] == "ready"
    assert narrow.get("/api/v1/log")["size"] == before + 2 + answers[201]
