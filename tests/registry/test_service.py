# SPDX-License-Identifier: Apache-2.0
"""A release is published, found, and answered again when it is sent again."""

from __future__ import annotations

import base64
import json

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, post, submit
from weighbridge import records, tlog
from weighbridge.errors import UnavailableError
from weighbridge_registry.service import Service

FILES = {"model.safetensors": b"weights", "config.json": b"{}"}


def publish(client: TestClient, publisher: Publisher, version: str = "1.0") -> list[dict[str, object]]:
    answer = submit(client, publisher.oms(FILES), publisher.release("tiny", version, FILES))
    results: list[dict[str, object]] = answer["results"]
    return results


@pytest.mark.everywhere
def test_a_release_is_published_and_found_by_name_digest_and_word(
    client: TestClient, publisher: Publisher
) -> None:
    results = publish(client, publisher)
    assert [result["index"] for result in results] == [3, 4]
    release = client.get("/api/v1/models/acme/tiny/1.0").json()
    assert [entry["kind"] for entry in release["entries"]] == ["signer", "namespace", "oms", "release"]
    assert release["signer"]["introduced_as"] == "someone"
    assert release["oms_signer"]["id"] == release["signer"]["id"]
    kinds = {
        digest_of(b"weights"): "file",
        release["model_digest"].removeprefix("sha256:"): "model",
        release["statement"].removeprefix("sha256:"): "statement",
        release["entries"][0]["bundle"].removeprefix("sha256:"): "bundle",
    }
    for digest, kind in kinds.items():
        matches = client.get(f"/api/v1/digests/sha256:{digest}").json()["matches"]
        assert [match["kind"] for match in matches] == [kind]
    roots = client.get(f"/api/v1/digests/{release['root_digests'][0]['root_digest']}").json()["matches"]
    assert [(match["kind"], match["statement_kind"]) for match in roots] == [
        ("root", "oms"),
        ("root", "release"),
    ]
    assert [m["name"] for m in client.get("/api/v1/models?q=ACM tin").json()["models"]] == ["tiny"]
    assert client.get("/api/v1/models?q=nobody").json()["models"] == []
    assert client.get("/api/v1/models/Ac-Me/T.iny").json()["latest"] == "1.0"


def test_sending_the_same_again_gives_the_same_entry(client: TestClient, publisher: Publisher) -> None:
    bundle = publisher.oms(FILES)
    first = submit(client, bundle)["results"][0]
    again = submit(client, bundle, expect=200)["results"][0]
    assert (again["index"], again["created"]) == (first["index"], False)


def test_a_second_signature_over_the_same_statement_is_no_second_entry(
    client: TestClient, publisher: Publisher
) -> None:
    """ECDSA gives other bytes each time; what counts is what was signed, and by whom."""
    first = submit(client, publisher.oms(FILES))["results"][0]
    again = submit(client, publisher.oms(FILES), expect=200)["results"][0]
    assert (again["index"], again["bundle"]) == (first["index"], first["bundle"])


def test_the_same_statement_twice_in_one_submission_is_one_entry(
    client: TestClient, publisher: Publisher
) -> None:
    results = submit(client, publisher.oms(FILES), publisher.oms(FILES))["results"]
    assert [result["created"] for result in results] == [True, False]
    assert results[0]["index"] == results[1]["index"]


def test_receipts_verify_with_the_log_key_alone(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    result = publish(client, publisher)[1]
    receipt = tlog.parse_receipt(str(result["receipt"]).encode())
    leaf = base64.b64decode(str(result["leaf"]))
    checkpoint = tlog.verify_receipt(receipt, leaf, [service.keys.log.verifier])
    assert checkpoint.data == client.get("/checkpoint").content
    text = client.get(f"/api/v1/statements/{str(result['statement'])[7:]}/receipt").content
    assert tlog.verify_receipt(tlog.parse_receipt(text), leaf, [service.keys.log.verifier]).size == 5


def test_the_record_file_holds_everything_that_a_verifier_needs(
    client: TestClient, publisher: Publisher
) -> None:
    publish(client, publisher)
    address = "/api/v1/models/acme/tiny/1.0/provenance"
    lines = records.parse_record(client.get(address, headers={"accept": "application/jsonl"}).content)
    kinds = [
        json.loads(base64.b64decode(json.loads(line.bundle)["dsseEnvelope"]["payload"])) for line in lines
    ]
    assert [kind["predicateType"].split("/")[-2] for kind in kinds] == [
        "signer",
        "namespace",
        "signature",
        "release",
    ]
    assert len(client.get(address).json()["lines"]) == 4


def test_head_is_get_without_a_body(client: TestClient, publisher: Publisher) -> None:
    for path in ("/checkpoint", "/tile/0/000.p/3", "/api/v1/log", "/nothing"):
        get, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == str(len(get.content))


def test_tiles_give_the_whole_tree_and_nothing_beyond_it(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    publish(client, publisher)
    checkpoint = tlog.parse_checkpoint(client.get("/checkpoint").content, [service.keys.log.verifier])
    reader = tlog.TileReader(
        lambda level, index, width: client.get(f"/{tlog.tile_path(level, index, width)}").content,
        checkpoint.size,
        checkpoint.root,
    )
    entries = reader.entries(0, client.get("/tile/entries/000.p/5").content)
    assert json.loads(entries[4])["v"] == 1
    for path in (
        "/tile/0/000",
        "/tile/0/001.p/1",
        "/tile/1/000.p/1",
        "/tile/0/000.p/6",
        "/tile/0/0",
        "/tile/x",
    ):
        assert client.get(path).status_code == 404
    assert "immutable" in client.get("/tile/0/000.p/5").headers["cache-control"]


def test_an_empty_answer_about_a_digest_is_an_answer(client: TestClient) -> None:
    answer = client.get(f"/api/v1/digests/{'0' * 64}")
    assert answer.status_code == 200
    assert answer.json()["matches"] == []


def test_many_digests_are_looked_up_at_once(client: TestClient, publisher: Publisher) -> None:
    publish(client, publisher)
    asked = [f"{n:064x}" for n in range(9_999)] + [digest_of(b"weights")]
    answer = client.post("/api/v1/digests", json={"digests": asked}).json()
    assert answer["unknown"] == 9_999
    assert answer["answers"][0]["matches"][0]["path"] == "model.safetensors"


def test_lists_are_paged(client: TestClient, publisher: Publisher) -> None:
    for number in range(5):
        submit(client, publisher.release(f"model{number}", "1", {"a": b"%d" % number}))
    first = client.get("/api/v1/models?limit=3").json()
    second = client.get(f"/api/v1/models?limit=3&cursor={first['next']}").json()
    assert [m["name"] for m in first["models"] + second["models"]] == [f"model{n}" for n in (4, 3, 2, 1, 0)]
    assert second["next"] is None
    events = client.get("/api/v1/events?limit=4").json()
    assert [event["index"] for event in events["events"]] == [0, 1, 2, 3]
    rest = client.get(f"/api/v1/events?since={events['next']}").json()
    assert [event["index"] for event in rest["events"]] == [4, 5, 6, 7]
    assert rest["next"] is None


def test_owners_change_and_the_page_shows_who_came_and_went(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    friend = Publisher(service.origin, "friend")
    current = client.get("/api/v1/namespaces/acme").json()["statement"].removeprefix("sha256:")
    previous = {"kind": "namespace", "sha256": current}
    submit(client, publisher.claim(owners=[publisher.owner, friend.owner], previous=previous))
    submit(client, friend.introduction(), friend.release("tiny", "1.0", FILES))
    found = client.get("/api/v1/namespaces/ACME").json()
    assert [len(change["added"]) for change in found["history"]] == [1, 1]
    assert len(found["owners"]) == 2
    signer = client.get(
        f"/api/v1/signers/{client.get('/api/v1/models/acme/tiny/1.0').json()['signer']['id']}"
    )
    assert signer.json()["namespaces"] == ["acme"]
    assert signer.json()["public_key"] == friend.pem


def test_lineage_shows_its_level_and_both_ends(client: TestClient, publisher: Publisher) -> None:
    submit(client, publisher.release("base", "1", {"a": b"base"}))
    base = client.get("/api/v1/models/acme/base/1").json()
    parents = [
        {"relation": "finetune", "digest": base["model_digest"]},
        {"relation": "merge", "digest": f"sha256:{'1' * 64}"},
        {"relation": None, "name": "org/unknown"},
    ]
    datasets = [{"stage": "sft", "name": "some data"}]
    lineage = {"parents": parents, "datasets": datasets}
    submit(client, publisher.release("child", "1", {"a": b"child"}, lineage=lineage))
    found = client.get("/api/v1/models/acme/child/1").json()["lineage"]
    assert [edge["level"] for edge in found["parents"]] == [2, 1, 0]
    assert found["parents"][0]["model"] == "base"
    children = client.get("/api/v1/models/acme/base/1").json()["lineage"]
    assert (children["children_total"], children["children"][0]["model"]) == (1, "child")


def test_a_card_is_revised_and_found_by_its_new_words(client: TestClient, publisher: Publisher) -> None:
    submit(client, publisher.release("tiny", "1", FILES, card={"identity": {"title": "Old words"}}))
    release = client.get("/api/v1/models/acme/tiny/1").json()
    revision = publisher.revision("card", release["statement"], {"card": {"identity": {"title": "Newest"}}})
    submit(client, revision)
    assert client.get("/api/v1/models?q=newest").json()["models"][0]["title"] == "Newest"
    assert client.get("/api/v1/models?q=old").json()["models"] == []
    found = client.get("/api/v1/models/acme/tiny/1").json()
    assert (found["card"]["identity"]["title"], found["card_statement"]["kind"]) == ("Newest", "card")
    assert found["entries"][-1]["kind"] == "card"


def test_a_health_check_and_a_schema_are_served(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["size"] == 1
    assert client.get("/schemas/release.json").json()["title"] == "Release"
    assert client.get("/schemas/../api.json").status_code == 404
    assert post(client, b"{}").status_code == 400


def test_what_is_queued_is_finished_before_the_end(service: Service, publisher: Publisher) -> None:
    answers = [service.submit([publisher.oms({"a": b"%d" % number})]) for number in range(40)]
    service.close()
    assert sorted(place.index for answer in answers for place in answer.result(0)) == list(range(3, 43))
    with pytest.raises(UnavailableError):
        service.desk.submit([], [])


def test_a_full_queue_is_told(
    service: Service, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service.sequencer, "_turn", lambda: False)
        answers = [service.submit([publisher.oms({"a": b"%d" % number})]) for number in range(40)]
        with pytest.raises(UnavailableError, match="waiting"):
            service.submit([publisher.oms(FILES)])
    assert [len(answer.result(10)) for answer in answers] == [1] * 40
    assert service.submit([publisher.oms(FILES)]).result(10)
