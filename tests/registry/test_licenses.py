# SPDX-License-Identifier: Apache-2.0
"""Licences along an edge as a registry answers them: from the newest signed cards, and as nothing else."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, model_of, submit
from tests.registry.test_decisions import Town
from tests.registry.test_withheld_testimonies import rows
from weighbridge.license_terms import RULESET
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import Service
from weighbridge_schemas.api import LineageGraph, ReleaseDocument

NC, MIT = {"spdx": "CC-BY-NC-4.0", "path": "LICENSE"}, {"spdx": "MIT"}


def files(name: str) -> dict[str, bytes]:
    return {"LICENSE": f"terms of {name}".encode(), "model.safetensors": name.encode()}


def card(license_: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return ({"licenses": {"distribution": license_}} if license_ is not None else {}) | more


def publish(
    client: TestClient,
    publisher: Publisher,
    name: str,
    said: dict[str, Any] | None,
    *parents: dict[str, Any],
    datasets: tuple[dict[str, Any], ...] = (),
) -> str:
    lineage = {"parents": list(parents), "datasets": list(datasets)} if parents or datasets else None
    bundle = publisher.release(name, "1", files(name), card=said, lineage=lineage)
    return str(submit(client, bundle)["results"][0]["statement"])


def of(name: str, relation: str = "finetune") -> dict[str, Any]:
    return {"relation": relation, "digest": model_of(files(name))["model_digest"]}


def release(client: TestClient, name: str) -> Any:
    answer = client.get(f"/api/v1/models/acme/{name}/1")
    assert answer.status_code == 200, answer.text
    ReleaseDocument.model_validate_json(answer.text)
    return answer.json()


def graph(client: TestClient, name: str) -> list[Any]:
    answer = client.get(f"/api/v1/lineage/{model_of(files(name))['model_digest']}?up=2&down=2")
    LineageGraph.model_validate_json(answer.text)
    return list(answer.json()["edges"])


def test_a_dropped_obligation_is_told_at_the_edge_with_both_cards(
    client: TestClient, publisher: Publisher
) -> None:
    base = publish(client, publisher, "base", card(NC))
    child = publish(client, publisher, "child", card(MIT), of("base"))
    found = release(client, "child")
    (edge,) = found["lineage"]["parents"]
    check = edge["license"]
    assert (check["result"], check["ruleset"]) == ("conflict", RULESET)
    assert [one["obligation"] for one in check["findings"]] == ["non_commercial"]
    assert check["words"].startswith("The child says MIT; the parent's card says CC-BY-NC-4.0. ")
    assert (check["child"]["spdx"], check["child"]["statement"]) == ("MIT", child)
    assert (check["parent"]["spdx"], check["parent"]["statement"]) == ("CC-BY-NC-4.0", base)
    assert check["parent"]["path"] == "LICENSE"
    assert check["parent"]["sha256"] == digest_of(b"terms of base"), "the text that the publisher released"
    assert edge["level"] == 2, "it changes no level"
    assert found["status"]["state"] == "released"
    assert found["upstream"] == []
    (down,) = release(client, "base")["lineage"]["children"]
    assert down["license"] == check
    assert [one["license"] for one in graph(client, "child")] == [check]


def test_it_follows_the_newest_cards(client: TestClient, publisher: Publisher, service: Service) -> None:
    base = publish(client, publisher, "base", card(MIT))
    publish(client, publisher, "child", card(MIT), of("base"))
    assert graph(client, "child")[0]["license"]["result"] == "nothing found"
    revised = submit(client, publisher.revision("card", base, {"card": card(NC)}))["results"][0]
    check = graph(client, "child")[0]["license"]
    assert (check["result"], check["parent"]["statement"]) == ("conflict", revised["statement"])
    assert check["parent"]["sha256"] == digest_of(b"terms of base")
    again = publisher.revision(
        "card", base, {"card": card(None)}, revised["statement"].removeprefix("sha256:")
    )
    submit(client, again)
    assert graph(client, "child")[0]["license"]["result"] == "unknown", "nothing stated is not free"
    assert fsck(service.folder.path, public_sigstore=False).ok


@pytest.mark.parametrize(
    ("said", "parent"),
    [
        (None, {"relation": "finetune", "digest": f"sha256:{'7' * 64}"}),
        (None, {"relation": "finetune", "name": "org/elsewhere"}),
        (card(None), of("base")),
        (card({"text": "Our own terms"}), of("base")),
        (card({"spdx": "MIT OR OR"}), of("base")),
    ],
    ids=["unregistered", "a name", "no licence", "own terms", "no expression"],
)
def test_what_is_not_known_of_a_parent_is_unknown(
    client: TestClient, publisher: Publisher, said: dict[str, Any] | None, parent: dict[str, Any]
) -> None:
    publish(client, publisher, "base", said)
    publish(client, publisher, "child", card(MIT), parent)
    (edge,) = release(client, "child")["lineage"]["parents"]
    assert edge["license"]["result"] == "unknown"
    assert edge["license"]["child"]["spdx"] == "MIT"
    assert [one["license"] for one in graph(client, "child")] == [edge["license"]]


def test_a_name_is_asked_of_the_release_or_its_title(client: TestClient, publisher: Publisher) -> None:
    llama = {"text": "llama3.1"}
    publish(client, publisher, "base", card(llama))
    publish(client, publisher, "tiny", card(llama), of("base"))
    publish(client, publisher, "llama-tiny", card(llama), of("base", "adapter"))
    publish(client, publisher, "titled", card(llama, identity={"title": "Llama, small"}), of("base", "merge"))
    results = {edge["relation"]: edge["license"]["result"] for edge in graph(client, "base")}
    assert results == {"finetune": "conflict", "adapter": "nothing found", "merge": "nothing found"}


def test_data_sets_are_looked_at_as_the_card_or_the_named_statement_says(
    client: TestClient, publisher: Publisher
) -> None:
    corpus, other = digest_of("corpus"), digest_of("other")
    described = publisher.say("dataset", corpus, name="corpus", identity="root", license=NC | {"path": None})
    statement = submit(client, described)["results"][0]["statement"].removeprefix("sha256:")
    stranger = publisher.say(
        "dataset", other, name="other", identity="root", license={"spdx": "CC-BY-ND-4.0"}
    )
    submit(client, stranger)
    said = card(MIT, data={"references": [{"name": "own", "license": {"spdx": "CC-BY-NC-ND-4.0"}}]})
    uses = (
        {"stage": "sft", "name": "corpus", "statement": {"kind": "dataset", "sha256": statement}},
        {"stage": "eval", "name": "corpus", "statement": {"kind": "dataset", "sha256": statement}},
        {"stage": "sft", "name": "own"},
        {"stage": "sft", "name": "other", "digest": f"sha256:{other}"},
    )
    child = publish(client, publisher, "child", said, datasets=uses)
    checks = [one["license"] for one in release(client, "child")["lineage"]["datasets"]]
    assert [check and [one["obligation"] for one in check["findings"]] for check in checks] == [
        ["non_commercial"],
        None,
        ["non_commercial", "no_derivatives"],
        None,
    ]
    assert checks[0]["parent"]["statement"] == f"sha256:{statement}"
    assert checks[2]["parent"]["statement"] == child
    assert checks[0]["words"].startswith("The child says MIT; the data set's licence is CC-BY-NC-4.0.")


def test_edges_that_nobody_declared_are_not_looked_at(client: TestClient, publisher: Publisher) -> None:
    publish(client, publisher, "base", card(NC))
    assert release(client, "base")["lineage"] is None


@pytest.fixture(scope="module")
def town() -> Town:
    """A release with a licence, two revisions of its card, a data set: each is withheld in some test."""
    town = Town()
    stated = town.ann.release("n", "1", files("n"), card=card(NC))
    town.add(stated)
    statement = town.log[-1][1].digest
    town.add(town.ann.revision("card", statement, {"card": card(NC)}))
    town.add(town.ann.revision("card", statement, {"card": card(MIT)}, town.log[-1][1].digest))
    town.add(town.ann.say("dataset", digest_of("corpus"), name="corpus", identity="root", license=MIT))
    return town


@pytest.mark.parametrize(
    "taken", [one for size in (1, 2, 4) for one in combinations(range(4, 8), size)], ids=str
)
def test_those_who_never_had_the_bytes_come_to_the_same_licences(town: Town, taken: tuple[int, ...]) -> None:
    had, never = rows(town, taken, bytes_lost=False), rows(town, taken, bytes_lost=True)
    assert had["license"] == never["license"]
    assert len(had["license"]) == 4 - len(taken)
