# SPDX-License-Identifier: Apache-2.0
"""Closed models: each party's words under its own name, no stranger's as the vendor's."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, submit
from tests.registry.test_admission import refused
from tests.registry.test_deployments import deploy
from weighbridge.disclosures import RULESET
from weighbridge.statements import abstract_subject
from weighbridge_registry.service import Service

NAME = "Example Corp/Large 3 (2026-05)"
SUBJECT = abstract_subject("disclosure", NAME)
DATA = {"id": "training_data", "answer": "News.", "evidence": ["https://example.com/data"]}
ENERGY = {"id": "energy", "left_open": "not measured"}


def tell(who: Publisher, *fields: dict[str, Any], previous: str | None = None, **content: Any) -> bytes:
    said = {
        "name": NAME,
        "vendor": "Example Corp",
        "by_vendor": False,
        "fields": list(fields or (DATA, ENERGY)),
    }
    said |= content
    return who.say("disclosure", abstract_subject("disclosure", said["name"]), previous, **said)


def take(client: TestClient, *bundles: bytes) -> str:
    return str(submit(client, *bundles)["results"][-1]["statement"]).removeprefix("sha256:")


def asked(client: TestClient, **query: str) -> Any:
    answer = client.get(f"/api/v1/disclosures/{SUBJECT}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def stranger(client: TestClient, service: Service) -> Publisher:
    found = Publisher(service.origin, "stranger", "else")
    submit(client, found.introduction())
    return found


@pytest.fixture
def vendor(client: TestClient, publisher: Publisher) -> Publisher:
    """The owner of `acme`, who says to be the vendor."""
    submit(client, publisher.release("tiny", "1", {"model.safetensors": b"x"}))
    return publisher


def test_what_is_said_is_shown_field_by_field_with_who_says_it(
    client: TestClient, vendor: Publisher, stranger: Publisher
) -> None:
    first = take(client, tell(vendor, by_vendor=True, namespace="acme", as_of="2026-05-01T00:00:00Z"))
    second = take(
        client, tell(stranger, {"id": "training_data", "answer": "Everything."}, {"id": "x", "answer": "y"})
    )
    told = asked(client)
    assert (told["name"], told["total"], told["next"]) == (NAME, 2, None)
    own, other = told["disclosures"]
    assert (own["statement"], own["claims_vendor"], own["namespace"]) == (f"sha256:{first}", True, "acme")
    assert (own["answered"], own["left_open"], own["vendor"]) == (1, 1, "Example Corp")
    assert (own["score"]["ruleset"], own["score"]["stated"], own["score"]["left_open"]) == (RULESET, 1, 1)
    assert (other["claims_vendor"], other["namespace"], other["score"]["stated"]) == (False, None, 1)
    fields = {one["id"]: one for one in told["fields"]}
    assert list(fields) == ["training_data", "energy", "x"]
    assert [(one["index"], one["answer"]) for one in fields["training_data"]["answers"]] == [
        (own["index"], "News."),
        (other["index"], "Everything."),
    ]
    assert (own["statement"], other["statement"]) == (f"sha256:{first}", f"sha256:{second}")
    assert fields["training_data"]["answers"][0]["evidence"] == ["https://example.com/data"]
    assert fields["energy"]["answers"][0]["left_open"] == "not measured"
    assert (fields["energy"]["title"], fields["energy"]["indicator"]) == ("Energy used for training", True)
    assert (fields["x"]["title"], fields["x"]["indicator"]) == (None, False)


def test_who_says_to_be_the_vendor_is_not_believed(
    client: TestClient, vendor: Publisher, stranger: Publisher
) -> None:
    take(client, tell(vendor, by_vendor=True, namespace="acme"))
    problem = refused(client, tell(stranger, by_vendor=True, namespace="acme"), status=403, step=4)
    assert "not an owner" in problem["detail"]
    take(client, tell(stranger, {"id": "energy", "answer": "None at all."}, by_vendor=True))
    told = asked(client)
    assert [one["claims_vendor"] for one in told["disclosures"]] == [True, True]
    signers = {one["signer"]["introduced_as"] for one in told["disclosures"]}
    assert signers == {"someone", "stranger"}, "two claim it, both are named, neither is chosen"
    [energy] = [one for one in told["fields"] if one["id"] == "energy"]
    assert [one["answer"] for one in energy["answers"]] == [None, "None at all."]
    scores = [one["score"]["stated"] for one in told["disclosures"]]
    assert scores == [1, 1], "each is counted by itself"


def test_who_copies_a_partys_words_still_speaks_for_themselves(
    client: TestClient, vendor: Publisher, stranger: Publisher
) -> None:
    """Two who sign the same words make one statement digest: only the entry tells who speaks."""
    assert take(client, tell(stranger, by_vendor=True)) == take(client, tell(vendor, by_vendor=True))
    told = asked(client)
    first, second = told["disclosures"]
    assert (first["statement"], first["index"] < second["index"]) == (second["statement"], True)
    assert [one["signer"]["introduced_as"] for one in (first, second)] == ["stranger", "someone"]
    for field in told["fields"]:
        assert [one["index"] for one in field["answers"]] == [first["index"], second["index"]]


def test_what_is_revised_or_taken_back(client: TestClient, vendor: Publisher) -> None:
    first = take(client, tell(vendor, namespace="acme"))
    refused(client, tell(vendor, DATA, namespace="acme"), status=409, step=6)
    second = take(client, tell(vendor, DATA, namespace="acme", previous=first))
    assert [one["id"] for one in asked(client)["fields"]] == ["training_data"]
    gone = {"withdrawn": {"reason": "no longer sold"}, "namespace": "acme"}
    take(client, tell(vendor, DATA, previous=second, **gone))
    told = asked(client)
    [one] = told["disclosures"]
    assert (one["withdrawn"]["reason"], one["score"], told["fields"]) == ("no longer sold", None, [])


def test_many_strangers_cannot_hide_a_party(client: TestClient, vendor: Publisher, service: Service) -> None:
    for number in range(24):
        one = Publisher(service.origin, f"s{number}", "else")
        take(client, one.introduction(), tell(one, by_vendor=True))
    take(client, tell(vendor, namespace="acme", by_vendor=True))
    first = asked(client)
    assert (len(first["disclosures"]), first["total"]) == (20, 25)
    rest = asked(client, cursor=first["next"])
    assert (len(rest["disclosures"]), rest["next"]) == (5, None)
    assert rest["disclosures"][-1]["namespace"] == "acme"
    [own] = asked(client, signer=rest["disclosures"][-1]["signer"]["id"])["disclosures"]
    assert own["namespace"] == "acme"
    assert asked(client, signer="0" * 64)["disclosures"] == []


def test_parties_that_say_very_much_are_shown_on_pages(
    client: TestClient, vendor: Publisher, stranger: Publisher
) -> None:
    much = [{"id": f"f{number}", "answer": "x" * 60_000} for number in range(10)]
    take(client, tell(stranger, *much))
    take(client, tell(vendor, DATA))
    first = asked(client)
    assert (len(first["disclosures"]), first["total"]) == (1, 2)
    assert {len(one["answers"][0]["answer"]) for one in first["fields"]} == {4000}
    [own] = asked(client, cursor=first["next"])["disclosures"]
    assert own["signer"]["introduced_as"] == "someone"


def test_lists_and_names(client: TestClient, vendor: Publisher, stranger: Publisher) -> None:
    take(client, tell(vendor))
    take(client, tell(stranger, name="Example Corp/Large 4"))
    listed = client.get("/api/v1/disclosures").json()
    assert [one["name"] for one in listed["disclosures"]] == ["Example Corp/Large 4", NAME]
    page = client.get("/api/v1/disclosures?limit=1").json()
    assert [one["name"] for one in page["disclosures"]] == ["Example Corp/Large 4"]
    rest = client.get(f"/api/v1/disclosures?limit=1&cursor={page['next']}").json()
    assert [one["name"] for one in rest["disclosures"]] == [NAME]
    by_name = client.get("/api/v1/disclosures", params={"name": NAME}).json()
    assert [one["digest"] for one in by_name["disclosures"]] == [f"sha256:{SUBJECT}"]
    assert by_name["disclosures"][0]["url"].endswith(f"/disclosures/{SUBJECT}")
    other = client.get("/api/v1/disclosures", params={"name": NAME.lower()}).json()
    assert other["disclosures"] == [], "names are compared byte for byte"
    assert client.get("/api/v1/disclosures", params={"name": "x" * 257}).status_code == 400
    assert client.get("/api/v1/disclosures", params={"name": "\x00'; DROP"}).json()["disclosures"] == []
    assert client.get(f"/api/v1/disclosures/{'0' * 64}").status_code == 404
    known = client.get(f"/api/v1/digests/{SUBJECT}").json()
    assert known["statements"][0]["url"].endswith(f"/disclosures/{SUBJECT}")


def test_a_service_that_serves_a_closed_model(
    client: TestClient, vendor: Publisher, stranger: Publisher
) -> None:
    first = take(client, tell(vendor, namespace="acme"))
    take(client, deploy(stranger, "api.example", {"disclosure": {"kind": "disclosure", "sha256": first}}))
    take(client, tell(vendor, DATA, namespace="acme", previous=first))
    told = asked(client)
    [one] = told["deployments"]
    assert (one["name"], one["by_owner"], told["deployments_total"]) == ("api.example", False, 1)
    assert one["stated"] == f"sha256:{first}", "the statement that it names was replaced since"
