# SPDX-License-Identifier: Apache-2.0
"""What is said of a parent reaches its children, and what others say of an edge stands beside it."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from tests.registry.test_lineage import graph, model_digest, of, publish
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import Service
from weighbridge_schemas.bounds import SHOWN


def release(client: TestClient, name: str) -> Any:
    answer = client.get(f"/api/v1/models/acme/{name}/1")
    assert answer.status_code == 200, answer.text
    return answer.json()


def notes(client: TestClient, name: str) -> list[tuple[str, int, str, bool]]:
    return [
        (note["kind"], note["generation"], note["text"], note["by_owner"])
        for note in release(client, name)["upstream"]
    ]


def bare(digest: str) -> str:
    return digest.removeprefix("sha256:")


@pytest.fixture
def stranger(service: Service, client: TestClient) -> Publisher:
    """Somebody with a key who owns nothing of `acme`."""
    one = Publisher(service.origin, "stranger", "elsewhere")
    submit(client, *one.start())
    return one


@pytest.fixture
def family(client: TestClient, publisher: Publisher) -> dict[str, str]:
    """base ← tuned ← small; statement digests by name."""
    return {
        "base": publish(client, publisher, "base"),
        "tuned": publish(client, publisher, "tuned", of("base", "finetune")),
        "small": publish(client, publisher, "small", of("tuned", "quantized")),
    }


def test_a_yank_reaches_descendants_and_lowers_the_level_until_it_is_restored(
    client: TestClient, publisher: Publisher, family: dict[str, str], service: Service
) -> None:
    base = bare(family["base"])
    yanked = submit(client, publisher.say("status", base, state="yanked", reason="Leaks its data"))
    assert notes(client, "small") == [("yanked", 2, "Leaks its data", True)]
    assert notes(client, "tuned") == [("yanked", 1, "Leaks its data", True)]
    assert notes(client, "base") == []
    (edge,) = release(client, "tuned")["lineage"]["parents"]
    assert (edge["level"], edge["evidence"][-1]) == (1, "Its owners withdrew it.")
    assert {node["model"]: node["state"] for node in graph(client, "tuned")["nodes"]}["base"] == "yanked"
    statement = bare(yanked["results"][0]["statement"])
    submit(client, publisher.say("status", base, statement, state="restored", reason="It did not"))
    assert notes(client, "small") == []
    assert release(client, "tuned")["lineage"]["parents"][0]["level"] == 2
    assert fsck(service.folder.path, public_sigstore=False).ok


def warning(id_: str, *propagates: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "subject_kind": "digest",
        "severity": "high",
        "summary": f"Warning {id_}",
        "propagates": list(propagates),
    } | more


def test_an_advisory_goes_as_far_down_as_its_relations_say(
    client: TestClient, publisher: Publisher, stranger: Publisher, family: dict[str, str]
) -> None:
    base = bare(model_digest("base"))
    submit(client, publisher.say("advisory", base, **warning("far", "finetune", "quantized")))
    submit(client, publisher.say("advisory", base, **warning("near", "finetune")))
    submit(client, publisher.say("advisory", base, **warning("stays")))
    submit(client, stranger.say("advisory", base, **warning("strange", "finetune", "quantized")))
    far, near = ("advisory", "Warning far", True), ("advisory", "Warning near", True)
    assert [(kind, text, owner) for kind, _, text, owner in notes(client, "tuned")] == [
        far,
        near,
        ("advisory", "Warning strange", False),
    ]
    assert [text for _, _, text, _ in notes(client, "small")] == ["Warning far", "Warning strange"]
    assert release(client, "small")["upstream"][0]["severity"] == "high"
    affects = [{"digest": model_digest("tuned")}]
    elsewhere = digest_of("another model")
    submit(client, publisher.say("advisory", elsewhere, **warning("more", "quantized", affects=affects)))
    assert ("advisory", 1, "Warning more", True) in notes(client, "small")


def test_a_flood_of_strangers_does_not_crowd_out_an_owner(
    service: Service,
    client: TestClient,
    publisher: Publisher,
    stranger: Publisher,
    family: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service.queries, "_shown", SHOWN._replace(notes=3, read=5))
    base = bare(model_digest("base"))
    for number in range(6):
        submit(client, stranger.say("advisory", base, **warning(f"s{number}", "finetune")))
    submit(client, publisher.say("advisory", base, **warning("true", "finetune")))
    found = notes(client, "tuned")
    assert len(found) == 3
    assert found[0] == ("advisory", 1, "Warning true", True)


def test_a_withdrawn_data_set_reaches_what_was_made_with_it(
    client: TestClient, publisher: Publisher, stranger: Publisher
) -> None:
    corpus = digest_of("corpus")
    described = {"name": "Corpus", "identity": "root"}
    first = submit(client, stranger.say("dataset", corpus, **described))["results"][0]["statement"]
    reference = {"kind": "dataset", "sha256": bare(first)}
    by_digest = {"stage": "sft", "name": "c", "digest": f"sha256:{corpus}"}
    publish(client, publisher, "by-digest", datasets=(by_digest,))
    by_statement = {"stage": None, "name": "c", "statement": reference}
    publish(client, publisher, "by-statement", datasets=(by_statement,))
    publish(client, publisher, "child", of("by-statement"))
    assert notes(client, "child") == []
    (used,) = release(client, "by-statement")["lineage"]["datasets"]
    assert (used["level"], used["url"]) == (2, f"/datasets/{corpus}")
    withdrawal = {"withdrawn": {"reason": "Its people objected"}}
    submit(client, stranger.say("dataset", corpus, bare(first), **described, **withdrawal))
    assert notes(client, "by-digest") == [("data_withdrawn", 0, "Its people objected", False)]
    assert notes(client, "by-statement") == [("data_withdrawn", 0, "Its people objected", True)]
    assert notes(client, "child") == [("data_withdrawn", 1, "Its people objected", True)]


def test_positions_stand_beside_an_edge_and_raise_nothing(
    service: Service, client: TestClient, publisher: Publisher, stranger: Publisher
) -> None:
    maker = Publisher(service.origin, "maker", "maker")
    submit(client, *maker.start())
    publish(client, publisher, "base")
    lineage = {"parents": [of("base")], "datasets": []}
    submit(client, maker.release("child", "1", {"model.safetensors": b"child"}, lineage=lineage))
    edge = {"child": model_digest("child"), "parent": model_digest("base")}

    def says(who: Publisher, stance: str, basis: str, **more: Any) -> None:
        submit(client, who.position(stance=stance, basis=basis, edge=edge, **more))

    says(stranger, "acknowledges", "recomputed")
    says(maker, "disputes", "knowledge", reason="We were wrong")
    says(publisher, "acknowledges", "knowledge")
    found = client.get("/api/v1/models/maker/child/1").json()["lineage"]["parents"][0]
    assert found["level"] == 2
    assert [(one["stance"], one["party"], one["reason"]) for one in found["positions"]] == [
        ("acknowledges", "parent", None),
        ("disputes", "child", "We were wrong"),
        ("rechecked", "other", None),
    ]
    (shown,) = graph(client, "child")["edges"]
    assert shown["positions"] == found["positions"]


def test_advisories_are_given_in_the_shape_of_osv(
    client: TestClient, publisher: Publisher, stranger: Publisher, family: dict[str, str]
) -> None:
    base = bare(model_digest("base"))
    more: dict[str, Any] = {
        "cvss": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
        "aliases": ["CVE-2026-1"],
        "details": "It leaks.",
        "workaround": "Do not use it.",
        "affects": [{"name": "org/copy", "versions": ["2", "3"]}],
        "fixed_by": [{"name": "acme/base@2"}],
        "references": ["https://example.org/leak"],
    }
    first = submit(client, publisher.say("advisory", base, **warning("W-1", "finetune", **more)))
    submit(client, stranger.say("advisory", digest_of("unknown"), **warning("S-1")))
    newer, older = client.get("/api/v1/advisories.osv").json()["vulns"]
    assert older["id"].startswith("WEIGHBRIDGE-")
    assert older["id"].endswith("-W-1")
    assert older["severity"] == [{"type": "CVSS_V3", "score": more["cvss"]}]
    assert older["details"] == "It leaks.\n\nWorkaround: Do not use it."
    assert [(one["package"]["name"], one["versions"]) for one in older["affected"]] == [
        ("acme/base", ["1"]),
        ("org/copy", ["2", "3"]),
    ]
    impact = older["affected"][0]["database_specific"]["impact"]
    assert client.get(impact).json()["total"] == 2
    assert older["database_specific"]["fixed_by"] == ["acme/base@2"]
    assert "withdrawn" not in older
    assert newer["affected"][0]["package"]["name"] == "release"  # the name that its signer gave
    previous = bare(first["results"][0]["statement"])
    taken_back = warning("W-1", withdrawn={"reason": "It does not"})
    submit(client, publisher.say("advisory", base, previous, **taken_back))
    (only,) = client.get(f"/api/v1/advisories.osv?about={base}").json()["vulns"]
    assert only["withdrawn"] >= only["published"]
    assert client.get("/api/v1/advisories.osv?about=x").status_code == 400
