# SPDX-License-Identifier: Apache-2.0
"""Lineage in the registry: who descends from whom, what stands behind each edge, what stands on a model."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, model_of, submit
from weighbridge.cards import FORMATS
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import Service


def files(name: str) -> dict[str, bytes]:
    return {"model.safetensors": name.encode()}


def model_digest(name: str) -> str:
    return str(model_of(files(name))["model_digest"])


def publish(
    client: TestClient,
    publisher: Publisher,
    name: str,
    *parents: dict[str, Any],
    datasets: tuple[dict[str, Any], ...] = (),
    version: str = "1",
) -> str:
    """Release a model made of its own name; returns its statement digest."""
    lineage = {"parents": list(parents), "datasets": list(datasets)} if parents or datasets else None
    bundle = publisher.release(name, version, files(name), lineage=lineage)
    return str(submit(client, bundle)["results"][0]["statement"])


def of(name: str, relation: str | None = "finetune", **more: Any) -> dict[str, Any]:
    return {"relation": relation, "digest": model_digest(name), **more}


def graph(client: TestClient, name: str, **steps: int) -> Any:
    query = "&".join(f"{side}={count}" for side, count in steps.items())
    answer = client.get(f"/api/v1/lineage/{model_digest(name)}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(graph: Any) -> dict[str, int]:
    """Generation of each node by the name of its model, or by the name that the child gives it."""
    return {
        node["model"] or node["name"] or node["digest"][:14]: node["generation"] for node in graph["nodes"]
    }


def impact(client: TestClient, name: str, query: str = "") -> Any:
    answer = client.get(f"/api/v1/impact/{model_digest(name)}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def family(client: TestClient, publisher: Publisher) -> TestClient:
    """base ← tuned ← small, base ← other; tuned names a second parent by name only."""
    publish(client, publisher, "base")
    publish(client, publisher, "tuned", of("base"), {"relation": "merge", "name": "org/elsewhere"})
    publish(client, publisher, "small", of("tuned", "quantized"))
    publish(client, publisher, "other", of("base", "adapter"))
    return client


def test_a_graph_shows_one_step_up_and_one_down(family: TestClient) -> None:
    found = graph(family, "tuned")
    assert names(found) == {"tuned": 0, "base": -1, "small": 1, "org/elsewhere": -1}
    edges = {(edge["child"], edge["parent"]): edge for edge in found["edges"]}
    up = edges[model_digest("tuned"), model_digest("base")]
    assert (up["relation"], up["level"], up["declared"]) == ("finetune", 2, True)
    assert up["evidence"][0] == f"The publisher names the exact parent, {model_digest('base')}."
    claim = edges[model_digest("tuned"), None]
    assert (claim["level"], claim["name"]) == (0, "org/elsewhere")
    assert edges[model_digest("small"), model_digest("tuned")]["relation"] == "quantized"
    assert not found["truncated"]


def test_a_graph_is_given_as_prov_too(family: TestClient) -> None:
    asked = f"/api/v1/lineage/{model_digest('tuned')}"
    answer = family.get(f"{asked}?format=prov-json&down=0")
    derived = answer.json()["wasDerivedFrom"].values()
    assert {(one["prov:usedEntity"], one["wb:level"]) for one in derived} == {
        (model_digest("base"), 2),
        ("model:org%2Felsewhere", 0),
    }
    assert answer.headers["content-disposition"].endswith('.prov.json"')
    assert "farther away" in answer.headers["weighbridge-left-out"]
    assert family.get(f"{asked}?format=dot").status_code == 400


def test_a_release_is_given_in_every_format(family: TestClient) -> None:
    for form in FORMATS:
        answer = family.get(f"/api/v1/models/acme/tuned/1/exports/{form}")
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff"), form
        assert not answer.headers["content-type"].startswith("text/html")
    assert family.get("/api/v1/models/acme/tuned/1/exports/pdf").status_code == 404
    assert family.get("/api/v1/models/acme/nothing/1/exports/hf").status_code == 404


def test_more_steps_are_walked_and_what_is_left_out_is_counted(family: TestClient) -> None:
    near = {node["model"]: node for node in graph(family, "base", up=0, down=0)["nodes"]}
    assert list(near) == ["base"]
    assert near["base"]["more_down"] == 2
    assert names(graph(family, "base", up=0, down=1)) == {"base": 0, "tuned": 1, "other": 1}
    assert names(graph(family, "base", down=2)) == {"base": 0, "tuned": 1, "other": 1, "small": 2}
    far = graph(family, "small", up=9, down=9)
    assert names(far) == {"small": 0, "tuned": -1, "base": -2, "org/elsewhere": -2}
    assert {node["model"]: node["more_down"] for node in graph(family, "base", down=1)["nodes"]}["tuned"] == 1


def test_an_unknown_digest_has_an_empty_graph_and_no_impact(client: TestClient) -> None:
    assert graph(client, "nothing")["nodes"] == []
    found = impact(client, "nothing")
    assert (found["total"], found["items"], found["truncated"]) == (0, [], False)


def test_what_stands_on_a_model_is_found_by_any_of_its_digests(family: TestClient) -> None:
    found = impact(family, "base")
    assert [(one["model"], one["distance"], one["relation"]) for one in found["items"]] == [
        ("tuned", 1, "finetune"),
        ("other", 1, "adapter"),
        ("small", 2, "quantized"),
    ]
    root = model_of(files("base"))["root_digests"][0]["root_digest"]
    assert family.get(f"/api/v1/impact/{root}").json()["items"] == found["items"]
    release = family.get("/api/v1/models/acme/base/1").json()
    assert family.get(f"/api/v1/impact/{release['statement']}").json()["items"] == found["items"]


@pytest.mark.parametrize(
    ("propagates", "reached"),
    [
        ([], [("base", 0)]),
        (["finetune"], [("base", 0), ("tuned", 1)]),
        (["finetune", "quantized"], [("base", 0), ("tuned", 1), ("small", 2)]),
        (["quantized"], [("base", 0)]),
    ],
)
def test_an_advisory_reaches_as_far_as_it_says(
    family: TestClient, publisher: Publisher, propagates: list[str], reached: list[tuple[str, int]]
) -> None:
    said = {"id": "X-1", "subject_kind": "digest", "severity": "low", "summary": "It leaks."}
    subject = model_digest("base").removeprefix("sha256:")
    advisory = publisher.say("advisory", subject, **said, propagates=propagates)
    (statement,) = (one["statement"] for one in submit(family, advisory)["results"])
    answer = family.get(f"/api/v1/impact/{statement}?limit=1").json()
    assert answer["total"] == len(reached)
    seen, cursor = [(one["model"], one["distance"]) for one in answer["items"]], answer["next"]
    while cursor:
        page = family.get(f"/api/v1/impact/{statement}?limit=1&cursor={cursor}").json()
        seen += [(one["model"], one["distance"]) for one in page["items"]]
        cursor = page["next"]
    assert seen == reached


def test_a_parent_that_nobody_registered_has_descendants(client: TestClient, publisher: Publisher) -> None:
    publish(client, publisher, "child", of("elsewhere"))
    assert [one["model"] for one in impact(client, "elsewhere")["items"]] == ["child"]
    found = graph(client, "child")
    (node,) = (node for node in found["nodes"] if node["generation"] == -1)
    assert (node["digest"], node["statement"], node["url"]) == (model_digest("elsewhere"), None, None)
    assert found["edges"][0]["level"] == 1


def test_an_impact_list_is_found_anew_once_the_log_has_grown(
    client: TestClient, publisher: Publisher
) -> None:
    publish(client, publisher, "base")
    publish(client, publisher, "one", of("base"))
    assert [impact(client, "base")["total"] for _ in range(2)] == [1, 1]
    publish(client, publisher, "two", of("one"))
    assert impact(client, "base")["total"] == 2


def test_an_impact_list_is_paged(client: TestClient, publisher: Publisher) -> None:
    publish(client, publisher, "base")
    for number in range(5):
        publish(client, publisher, f"child{number}", of("base"))
    seen, query = [], "?limit=2"
    while query:
        page = impact(client, "base", query)
        assert page["total"] == 5
        seen += [one["model"] for one in page["items"]]
        query = f"?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == [f"child{number}" for number in range(5)]
    for nonsense in ("x", "1", "00.5", "1.5.2", "99999.1"):
        assert client.get(f"/api/v1/impact/{model_digest('base')}?cursor={nonsense}").status_code == 400


def test_models_made_with_a_data_set_are_found_by_digest_and_name(
    client: TestClient, publisher: Publisher
) -> None:
    corpus = f"sha256:{digest_of('corpus')}"
    publish(client, publisher, "a", datasets=({"stage": "sft", "name": "Org/Corpus", "digest": corpus},))
    publish(client, publisher, "b", datasets=({"stage": None, "name": "org/corpus"},))
    publish(client, publisher, "c", of("a", "quantized"))
    found = client.get(f"/api/v1/impact/{corpus}").json()
    assert [(one["model"], one["distance"]) for one in found["items"]] == [("a", 1), ("c", 2)]
    called = client.get("/api/v1/impact?dataset=org/CORPUS").json()
    assert [(one["model"], one["distance"]) for one in called["items"]] == [("a", 1), ("b", 1), ("c", 2)]
    assert client.get("/api/v1/impact").status_code == 400
    assert client.get("/api/v1/impact?dataset=%00").status_code == 400


def test_a_revision_replaces_every_edge(client: TestClient, publisher: Publisher, service: Service) -> None:
    publish(client, publisher, "one")
    publish(client, publisher, "two")
    release = publish(client, publisher, "child", of("one"), datasets=({"stage": None, "name": "old"},))
    lineage = {"parents": [of("two", "merge")], "datasets": [{"stage": None, "name": "new"}]}
    submit(client, publisher.revision("lineage", release, {"lineage": lineage}))
    assert impact(client, "one")["items"] == []
    assert [one["relation"] for one in impact(client, "two")["items"]] == ["merge"]
    assert client.get("/api/v1/impact?dataset=old").json()["total"] == 0
    assert client.get("/api/v1/impact?dataset=new").json()["total"] == 1
    assert fsck(service.folder.path, public_sigstore=False).ok
