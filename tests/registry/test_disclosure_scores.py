# SPDX-License-Identifier: Apache-2.0
"""Disclosure as a registry counts it: from the newest documents, and from the publisher's own alone."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from weighbridge.disclosures import RULESET
from weighbridge_registry.service import Service

FILES = {"model.safetensors": b"weights"}
DATA = digest_of("corpus")
LINEAGE = {"parents": [], "datasets": [{"stage": "sft", "name": "corpus", "digest": f"sha256:{DATA}"}]}


def counted(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/models/acme/tiny/1").json()["disclosure"]
    return found


def states(client: TestClient) -> dict[str, str]:
    return {one["id"]: one["state"] for one in counted(client)["indicators"]}


def test_the_count_follows_the_newest_card_and_lineage(client: TestClient, publisher: Publisher) -> None:
    told = submit(client, publisher.release("tiny", "1", FILES))["results"][-1]["statement"]
    before = counted(client)
    assert (before["ruleset"], before["stated"]) == (RULESET, 1), "its version"
    assert states(client)["versioning"] == "stated"
    card = {"uses": {"intended": ["mail"]}, "contacts": [{"role": "security", "address": "s@acme.example"}]}
    first = submit(client, publisher.revision("card", told, {"card": card}))["results"][-1]["statement"]
    submit(client, publisher.revision("lineage", told, {"lineage": LINEAGE}))
    now = states(client)
    assert {id_ for id_, state in now.items() if state == "stated"} == {
        *("versioning", "intended_uses", "contacts", "incidents", "training_data", "exact_data"),
    }
    submit(client, publisher.revision("card", told, {"card": {}}, first.removeprefix("sha256:")))
    assert states(client)["contacts"] == "not stated", "what is taken back is not stated any more"


def test_strangers_neither_add_nor_take_away(
    client: TestClient, publisher: Publisher, service: Service
) -> None:
    stranger = Publisher(service.origin, "stranger", "else")
    told = submit(client, stranger.introduction(), publisher.release("tiny", "1", FILES, lineage=LINEAGE))
    release = told["results"][-1]["statement"].removeprefix("sha256:")
    before = counted(client)
    submit(client, stranger.say("dataset", DATA, name="c", identity="root", license={"spdx": "MIT"}))
    for number in range(3):
        warning = {"id": f"W-{number}", "subject_kind": "release", "severity": "low", "summary": "x"}
        last = submit(client, stranger.say("advisory", release, **warning))["results"][-1]["statement"]
    after = counted(client)
    assert after["stated"] == before["stated"]
    assert after["asked"] == before["asked"] + 1
    assert states(client)["warnings_answered"] == "not stated"
    of = {"kind": "advisory", "sha256": last.removeprefix("sha256:")}
    submit(client, stranger.position(stance="disputes", of=of, reason="x"))
    assert states(client)["warnings_answered"] == "not stated", "its own answer is none of the owners'"

    submit(client, publisher.position(stance="acknowledges", of=of))
    document = client.get("/api/v1/models/acme/tiny/1").json()
    assert document["warnings_of_others"] == {"total": 3, "answered": 1}
    [answered] = [one for one in document["disclosure"]["indicators"] if one["id"] == "warnings_answered"]
    assert (answered["state"], answered["evidence"]) == (
        "stated",
        ["positions of its owners: 1 of 3 warnings"],
    )

    own = {"name": "c", "identity": "root", "license": {"spdx": "MIT"}, "namespace": "acme"}
    submit(client, publisher.say("dataset", DATA, **own))
    assert states(client)["data_licences"] == "stated"


def test_an_owners_own_warning_and_a_withdrawn_one_are_no_questions(
    client: TestClient, publisher: Publisher, service: Service
) -> None:
    stranger = Publisher(service.origin, "stranger", "else")
    told = submit(client, stranger.introduction(), publisher.release("tiny", "1", FILES))
    release = told["results"][-1]["statement"].removeprefix("sha256:")
    warning = {"id": "W", "subject_kind": "release", "severity": "low", "summary": "x"}
    submit(client, publisher.say("advisory", release, **warning))
    first = submit(client, stranger.say("advisory", release, **warning))["results"][-1]["statement"]
    gone = warning | {"withdrawn": {"reason": "wrong"}}
    submit(client, stranger.say("advisory", release, first.removeprefix("sha256:"), **gone))
    assert client.get("/api/v1/models/acme/tiny/1").json()["warnings_of_others"] == {
        "total": 0,
        "answered": 0,
    }
    assert states(client)["warnings_answered"] == "not asked"
