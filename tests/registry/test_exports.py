# SPDX-License-Identifier: Apache-2.0
"""Exports by a registry: what the release's own people signed, as it now stands, and nobody else's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from weighbridge.cards import FORMATS
from weighbridge_registry.service import Service

FILES = {"model.safetensors": b"weights"}
DATA = digest_of("corpus")
CARD = {"identity": {"producer": "Acme", "union_market": "2026-06-01"}}
LINEAGE = {"parents": [], "datasets": [{"stage": "sft", "name": "corpus", "digest": f"sha256:{DATA}"}]}


def address(name: str, version: str = "1") -> str:
    return f"/api/v1/models/acme/tiny/{version}/exports/{name}"


def questions(client: TestClient, name: str) -> dict[str, Any]:
    document = client.get(address(name)).json()
    return {one["id"]: one for section in document["sections"] for one in section["questions"]}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_an_address(client: TestClient, publisher: Publisher, name: str) -> None:
    submit(client, publisher.release("tiny", "1", FILES, card=CARD, lineage=LINEAGE))
    answer = client.get(address(name))
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == FORMATS[name].media_type.split(";")[0]
    assert answer.headers["content-disposition"].endswith(f'acme-tiny-1{FORMATS[name].suffix}"')
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert isinstance(json.loads(answer.headers["weighbridge-left-out"]), list)
    if name != "mof":  # which keeps the producer only in its own member
        assert "Acme" in answer.text or "tiny" in answer.text


def test_what_does_not_exist_is_not_exported(client: TestClient, publisher: Publisher) -> None:
    submit(client, publisher.release("tiny", "1", FILES))
    unknown = client.get(address("docx"))
    assert (unknown.status_code, "eu-training-summary" in unknown.json()["hint"]) == (404, True)
    assert client.get(address("hf", "2")).status_code == 404
    assert client.get("/api/v1/models/acme/..%2f/1/exports/hf").status_code == 404


def test_an_export_follows_the_newest_card_and_lineage(client: TestClient, publisher: Publisher) -> None:
    told = submit(client, publisher.release("tiny", "1", FILES, card=CARD))["results"][-1]["statement"]
    assert questions(client, "eu-gpai-documentation-json")["1.6"]["state"] == "not stated"
    submit(client, publisher.revision("card", told, {"card": {"identity": {"producer": "Acme Europe"}}}))
    parents = {"parents": [{"relation": "finetune", "name": "org/base"}]}
    submit(client, publisher.revision("lineage", told, {"lineage": parents}))
    found = questions(client, "eu-gpai-documentation-json")
    assert [one["text"] for one in found["1.1"]["answers"]] == ["Acme Europe"]
    assert [one["text"] for one in found["1.6"]["answers"]] == ["org/base (relation finetune)"]
    assert found["1.5"]["state"] == "not stated", "the newest card does not say it any more"


def test_strangers_do_not_fill_in_a_publishers_form(
    client: TestClient, publisher: Publisher, service: Service
) -> None:
    stranger = Publisher(service.origin, "stranger", "else")
    submit(client, stranger.introduction(), publisher.release("tiny", "1", FILES, lineage=LINEAGE))
    described = {"name": "corpus", "identity": "root", "eu_categories": ["private_licensed"]}
    submit(client, stranger.say("dataset", DATA, **described, method="stolen"))
    assert "stolen" not in client.get(address("eu-gpai-documentation")).text
    assert questions(client, "eu-training-summary-json")["2.2.1"]["state"] == "not stated"

    own = {"name": "corpus", "identity": "root", "eu_categories": ["public_datasets"], "namespace": "acme"}
    last = submit(client, publisher.say("dataset", DATA, **own, method="asked for"))["results"][-1]
    text = client.get(address("eu-gpai-documentation")).text
    assert "corpus: asked for" in text
    assert "stolen" not in text
    listed = questions(client, "eu-training-summary-json")["2.1c"]["answers"]
    assert [one["text"] for one in listed] == [f"corpus (sft, sha256:{DATA})"]

    gone = own | {"withdrawn": {"reason": "consent"}}
    submit(client, publisher.say("dataset", DATA, last["statement"].removeprefix("sha256:"), **gone))
    assert "asked for" not in client.get(address("eu-gpai-documentation")).text
