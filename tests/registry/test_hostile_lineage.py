# SPDX-License-Identifier: Apache-2.0
"""Lineages that are meant to harm: circles, parents that are none, a hundred thousand children."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, model_of, post, submit
from tests.registry.test_lineage import files, graph, impact, model_digest, of, publish
from weighbridge import canonical
from weighbridge.bundles import parse_bundle
from weighbridge_registry.service import Service

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
    with closing(sqlite3.connect(service.folder.path / "registry.db")) as database, database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute("SELECT * FROM release ORDER BY number DESC LIMIT 1").fetchone())
        first, marks = row["number"] + 1, ", ".join("?" for _ in row)
        database.executemany(
            f"INSERT INTO release VALUES ({marks})",  # noqa: S608 - our own names
            (
                list((row | {"number": first + n, "version": f"f{n}", "statement": f"{n:064x}"}).values())
                for n in range(FLOOD)
            ),
        )
        pin = model_digest("base").removeprefix("sha256:")
        database.executemany(
            "INSERT INTO edge (number, position, digest) VALUES (?, 0, ?)",
            ((first + n, pin) for n in range(FLOOD)),
        )
    found = graph(client, "base", up=10, down=10)
    assert len(found["nodes"]) == 51
    assert found["truncated"]
    listed = impact(client, "base")
    assert (listed["total"], listed["truncated"], len(listed["items"])) == (10_000, True, 100)
    lineage = client.get("/api/v1/models/acme/base/1").json()["lineage"]
    assert (lineage["children_total"], len(lineage["children"])) == (10_000, 50)
