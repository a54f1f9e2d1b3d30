# SPDX-License-Identifier: Apache-2.0
"""Who may not do what: each refusal has its status, its step, and says what to do."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, model_of, post, submit
from weighbridge.signing import KeySigner
from weighbridge.statements import abstract_subject, encode_statement
from weighbridge_registry.api import create_api
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings

FILES = {"model.safetensors": b"weights"}


def refused(client: TestClient, *bundles: bytes, status: int, step: int) -> dict[str, Any]:
    """Submit, expect a refusal, and expect that nothing was added to the log."""
    before = client.get("/api/v1/log").json()["size"]
    answer = post(client, *bundles)
    assert (answer.status_code, answer.json().get("step")) == (status, step), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["hint"]
    assert client.get("/api/v1/log").json()["size"] == before
    problem: dict[str, Any] = answer.json()
    return problem


def current(client: TestClient, namespace: str = "acme") -> dict[str, str]:
    """A reference to the namespace's current statement."""
    digest = client.get(f"/api/v1/namespaces/{namespace}").json()["statement"]
    return {"kind": "namespace", "sha256": digest.removeprefix("sha256:")}


@pytest.fixture
def stranger(service: Service, client: TestClient) -> Publisher:
    """Somebody with a key that is known here, and with no namespace."""
    one = Publisher(service.origin, "stranger")
    submit(client, one.introduction())
    return one


def test_a_key_that_nobody_introduced(service: Service, client: TestClient, publisher: Publisher) -> None:
    unknown = Publisher(service.origin)
    problem = refused(client, unknown.oms(FILES), status=403, step=4)
    assert "not known" in problem["detail"]
    refused(client, unknown.claim("other"), status=403, step=4)


def test_a_stranger_who_puts_the_owners_key_hint_on_their_own_signature(
    client: TestClient, publisher: Publisher, stranger: Publisher
) -> None:
    forged = json.loads(stranger.release("tiny", "1.0", FILES, namespace="acme"))
    honest = json.loads(publisher.oms(FILES))
    forged["verificationMaterial"] = honest["verificationMaterial"]
    refused(client, json.dumps(forged).encode(), status=403, step=4)


def test_one_flipped_bit_of_a_payload(client: TestClient, publisher: Publisher) -> None:
    bundle = json.loads(publisher.release("tiny", "1.0", FILES))
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b'"1.0"', b'"1.1"')
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    refused(client, json.dumps(bundle).encode(), status=403, step=4)


def test_an_introduction_of_somebody_elses_key(
    service: Service, client: TestClient, stranger: Publisher
) -> None:
    """Signed with one's own key, naming another's: the signature does not hold for the key inside."""
    victim = Publisher(service.origin, "victim")
    predicate = {
        "public_key": victim.pem,
        "spki_sha256": victim.spki,
        "logs": [service.origin],
        "previous": None,
    }
    bundle = stranger.sign("signer", "victim", abstract_subject("signer", victim.spki), predicate)
    refused(client, bundle, status=403, step=4)


def test_publishing_into_somebody_elses_namespace(
    client: TestClient, publisher: Publisher, stranger: Publisher
) -> None:
    problem = refused(client, stranger.release("tiny", "1.0", FILES), status=403, step=4)
    assert "not an owner" in problem["detail"]


def test_publishing_into_a_namespace_that_nobody_claimed(client: TestClient, stranger: Publisher) -> None:
    stranger.namespace = "unclaimed"
    refused(client, stranger.release("tiny", "1.0", FILES), status=403, step=4)


def test_adding_oneself_to_somebody_elses_namespace(
    client: TestClient, publisher: Publisher, stranger: Publisher
) -> None:
    grab = stranger.claim("acme", [publisher.owner, stranger.owner], previous=current(client))
    refused(client, grab, status=403, step=4)
    refused(client, stranger.claim("acme"), status=403, step=4)


def test_claiming_a_namespace_for_others_only(
    service: Service, client: TestClient, stranger: Publisher
) -> None:
    other = Publisher(service.origin)
    refused(client, stranger.claim("fresh", [other.owner]), status=403, step=4)


def test_a_claim_that_replaces_what_never_was(client: TestClient, stranger: Publisher) -> None:
    previous = {"kind": "namespace", "sha256": "0" * 64}
    refused(client, stranger.claim("fresh", previous=previous), status=409, step=6)


@pytest.mark.parametrize("name", ["Acme", "a.c.m.e", "AC-ME", "a_cme"])
def test_names_that_differ_by_case_or_punctuation_only(
    client: TestClient, publisher: Publisher, stranger: Publisher, name: str
) -> None:
    answer = post(client, stranger.claim(name))
    assert answer.status_code == 409
    assert "registered as acme" in answer.json()["detail"]
    publisher.namespace = name
    assert post(client, publisher.release("tiny", "1.0", FILES)).status_code == 409


def test_a_model_name_that_differs_by_punctuation_only(client: TestClient, publisher: Publisher) -> None:
    submit(client, publisher.release("tiny-model", "1.0", FILES))
    problem = refused(client, publisher.release("Tiny.Model", "1.1", FILES), status=409, step=6)
    assert "tiny-model" in problem["detail"]


def test_a_version_that_is_taken_by_other_files(client: TestClient, publisher: Publisher) -> None:
    submit(client, publisher.release("tiny", "1.0", FILES))
    problem = refused(client, publisher.release("tiny", "1.0", {"other": b"x"}), status=409, step=6)
    assert problem["evidence"]["model_digest"] != problem["evidence"]["yours"]
    again = publisher.release("tiny", "1.0", FILES, released_at="2026-11-24T00:00:00Z")
    assert "same files" in refused(client, again, status=409, step=6)["detail"]


def test_two_versions_of_one_name_in_one_submission(client: TestClient, publisher: Publisher) -> None:
    """All or none: the first of them is not taken either."""
    problem = refused(
        client,
        publisher.release("tiny", "1.0", FILES),
        publisher.release("tiny", "1.0", {"other": b"x"}),
        status=409,
        step=6,
    )
    assert problem["instance"] == "#/1"
    assert client.get("/api/v1/models/acme/tiny").status_code == 404


def test_a_statement_that_is_meant_for_another_log(client: TestClient, publisher: Publisher) -> None:
    elsewhere = publisher.release("tiny", "1.0", FILES, logs=["log.example.org"])
    problem = refused(client, elsewhere, status=422, step=5)
    assert "log.example.org" in problem["detail"]
    refused(client, publisher.claim("fresh", logs=["log.example.org"]), status=422, step=5)


def test_an_old_owner_list_that_is_replayed(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    """The removed owner sends the old list again: the same bytes are only answered with their old entry."""
    friend = Publisher(service.origin, "friend")
    both = publisher.claim(owners=[publisher.owner, friend.owner], previous=current(client))
    index = submit(client, both)["results"][0]["index"]
    submit(client, friend.introduction())
    submit(client, publisher.claim(previous=current(client)))
    assert submit(client, both, expect=200)["results"][0]["index"] == index
    assert len(client.get("/api/v1/namespaces/acme").json()["owners"]) == 1
    refused(client, friend.release("tiny", "1.0", FILES), status=403, step=4)


def test_two_owners_who_change_the_list_at_once(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    before = current(client)
    one, two = Publisher(service.origin), Publisher(service.origin)
    submit(client, publisher.claim(owners=[publisher.owner, one.owner], previous=before))
    stale = publisher.claim(owners=[publisher.owner, two.owner], previous=before)
    problem = refused(client, stale, status=409, step=6)
    assert problem["evidence"]["current"] == current(client)["sha256"]


def test_a_revision_by_a_stranger_of_nothing_or_of_what_is_old(
    client: TestClient, publisher: Publisher, stranger: Publisher
) -> None:
    submit(client, publisher.release("tiny", "1.0", FILES))
    release = client.get("/api/v1/models/acme/tiny/1.0").json()["statement"]
    card: dict[str, Any] = {"card": {"identity": {"title": "Mine"}}}
    refused(client, stranger.revision("card", release, card), status=403, step=4)
    refused(client, publisher.revision("card", "1" * 64, card), status=422, step=5)
    submit(client, publisher.revision("card", release, card))
    other: dict[str, Any] = {"card": {"identity": {"title": "Other"}}}
    refused(client, publisher.revision("card", release, other), status=409, step=6)


def test_a_release_whose_model_digest_is_not_that_of_its_files(
    client: TestClient, publisher: Publisher
) -> None:
    model = model_of(FILES)
    lie = publisher.release("tiny", "1.0", FILES, model=model | {"model_digest": f"sha256:{'0' * 64}"})
    refused(client, lie, status=422, step=5)


def test_a_model_that_would_descend_from_itself(client: TestClient, publisher: Publisher) -> None:
    def parent(digest: str) -> dict[str, Any]:
        return {"parents": [{"relation": "finetune", "digest": digest}]}

    one, two = model_of({"a": b"one"}), model_of({"a": b"two"})
    own = publisher.release("one", "1", {}, model=one, lineage=parent(one["model_digest"]))
    refused(client, own, status=422, step=5)
    submit(client, publisher.release("two", "1", {}, model=two, lineage=parent(one["model_digest"])))
    around = publisher.release("one", "1", {}, model=one, lineage=parent(two["model_digest"]))
    refused(client, around, status=422, step=5)
    submit(client, publisher.release("one", "1", {}, model=one))
    release = client.get("/api/v1/models/acme/one/1").json()["statement"]
    revision = publisher.revision("lineage", release, {"lineage": parent(two["model_digest"])})
    refused(client, revision, status=422, step=5)


def test_a_second_genesis(service: Service, client: TestClient) -> None:
    genesis = service.queries.bundle(client.get("/api/v1/entries/0").json()["bundle"].removeprefix("sha256:"))
    assert genesis is not None
    answer = post(client, genesis)
    assert (answer.status_code, answer.json()["results"][0]["index"]) == (200, 0)
    other = Publisher(service.origin)
    predicate = {
        "decision": {
            "action": "genesis",
            "origin": service.origin,
            "log_key": service.keys.log.verifier.vkey,
            "operator_key": other.pem,
            "admission": "open",
        },
        "logs": [service.origin],
        "previous": None,
    }
    bundle = other.sign("operator", "log", abstract_subject("operator", service.origin), predicate)
    refused(client, bundle, status=422, step=5)


def test_a_kind_that_is_not_taken_yet(client: TestClient, publisher: Publisher) -> None:
    predicate = {"builder": "x"}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": predicate,
    }
    refused(client, publisher.signer.sign(json.dumps(statement).encode()), status=422, step=5)


def test_a_restricted_log_takes_only_claims_that_its_operator_granted(tmp_path: Path) -> None:
    service = open_service(Settings(data=tmp_path / "data", admission="restricted", public_sigstore=False))
    client = TestClient(create_api(service))
    granted, other = Publisher(service.origin), Publisher(service.origin)
    refused(client, granted.introduction(), granted.claim(), status=403, step=4)
    genesis = client.get("/api/v1/entries/0").json()["statement"].removeprefix("sha256:")
    decision = {"action": "allow_list", "allowed": [{"namespace": "Acme", "owner": granted.owner}]}
    predicate = {
        "decision": decision,
        "logs": [service.origin],
        "previous": {"kind": "operator", "sha256": genesis},
    }
    payload = encode_statement("operator", "log", abstract_subject("operator", service.origin), predicate)
    submit(client, granted.introduction())
    refused(client, granted.signer.sign(payload), status=403, step=4)
    submit(client, KeySigner(service.keys.operator).sign(payload))
    refused(client, other.introduction(), other.claim(), status=403, step=4)
    submit(client, granted.claim())
    service.close()
