# SPDX-License-Identifier: Apache-2.0
"""Lineages that are meant to harm: circles, parents that are none, a hundred thousand children."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import insert, select
from sqlmodel import col

from tests.registry.publishers import Publisher, digest_of, model_of, post, submit
from tests.registry.test_lineage import files, graph, impact, model_digest, of, publish
from weighbridge import canonical
from weighbridge.bundles import parse_bundle
from weighbridge_registry.service import Service
from weighbridge_registry.store.tables import Edge, Release

FLOOD = 100_000


def with_weights(name: str) -> dict[str, Any]:
    """The model of a name, with the weights digest of that name."""
    tensors = {"count": 1, "bytes": 4, "table_digest": f"sha256:{digest_of(f'table of {name}')}"}
    weights = {"weights_digest": f"sha256:{digest_of(f'weights of {name}')}", "tensors": tensors}
    return model_of(files(name)) | weights


def pinning(name: str) -> dict[str, Any]:
    parents = [{"relation": "converted", "digest": f"sha256:{digest_of(f'weights of {name}')}"}]
    return {"parents": parents, "datasets": []}


def test_a_circle_that_admission_cannot_see_is_walked_once(client: TestClient, publisher: Publisher) -> None:
    """Weights may be in several models, so a circle through them is taken; readers bear it."""
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        bundle = publisher.release(name, "1", {}, model=with_weights(name), lineage=pinning(parent))
        submit(client, bundle)
    found = graph(client, "a", up=10, down=10)
    assert sorted(node["model"] for node in found["nodes"]) == ["a", "b", "c"]
    assert len(found["edges"]) == 3
    listed = impact(client, "a")
    assert [(one["model"], one["distance"]) for one in listed["items"]] == [("c", 1), ("b", 2)]
    assert not listed["truncated"]
    answer = client.get("/api/v1/models/acme/a/1").json()
    assert [edge["model"] for edge in answer["lineage"]["parents"]] == ["b"]
    assert answer["upstream"] == []


def test_a_model_that_names_itself(client: TestClient, publisher: Publisher) -> None:
    own = publisher.release("a", "1", files("a"), lineage={"parents": [of("a")], "datasets": []})
    answer = post(client, own)
    assert (answer.status_code, answer.json()["step"]) == (422, 5)
    bundle = publisher.release("b", "1", {}, model=with_weights("b"), lineage=pinning("b"))
    submit(client, bundle)
    (edge,) = client.get("/api/v1/models/acme/b/1").json()["lineage"]["parents"]
    assert (edge["level"], edge["url"]) == (1, None)
    assert impact(client, "b")["total"] == 0


def test_a_parent_digest_that_is_none(client: TestClient, publisher: Publisher) -> None:
    honest = parse_bundle(publisher.release("a", "1", files("a"), lineage=pinning("b")))
    statement = canonical.decode(honest.payload)
    for nonsense in ("sha256:xyz", "5" * 64, "sha512:" + "5" * 64):
        statement["predicate"]["lineage"]["parents"][0]["digest"] = nonsense
        answer = post(client, publisher.signer.sign(canonical.encode(statement)))
        assert answer.status_code == 422
        assert "lineage.parents[0].digest" in answer.json()["detail"]


def test_a_flood_of_children_gives_bounded_answers(
    client: TestClient, publisher: Publisher, service: Service
) -> None:
    publish(client, publisher, "base")
    publish(client, publisher, "child", of("base"))
    with service.database.write() as connection:
        newest = select(Release.__table__).order_by(col(Release.number).desc()).limit(1)  # type: ignore[attr-defined]
        row = dict(connection.execute(newest).mappings().one())
        first, pin = row["number"] + 1, model_digest("base").removeprefix("sha256:")
        children = [
            row | {"number": first + n, "version": f"f{n}", "statement": f"{n:064x}"} for n in range(FLOOD)
        ]
        connection.execute(insert(Release), children)
        connection.execute(
            insert(Edge), [{"number": first + n, "position": 0, "digest": pin} for n in range(FLOOD)]
        )
    found = graph(client, "base", up=10, down=10)
    assert len(found["nodes"]) == 51
    assert found["truncated"]
    listed = impact(client, "base")
    assert (listed["total"], listed["truncated"], len(listed["items"])) == (10_000, True, 100)
    lineage = client.get("/api/v1/models/acme/base/1").json()["lineage"]
    assert (lineage["children_total"], len(lineage["children"])) == (10_000, 50)
