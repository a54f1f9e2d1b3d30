# SPDX-License-Identifier: Apache-2.0
"""Tensor tables compared: what both publishers signed raises an edge, refutes it, or is noticed by itself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, model_of, submit
from tests.registry.test_fsck import check, sql
from tests.registry.test_tensors import put
from weighbridge import weighing
from weighbridge.weighing import Tensor
from weighbridge_registry import likenesses
from weighbridge_registry.rebuilding import rebuild
from weighbridge_registry.service import Service

SHAPE = (256, 512)
LAYERS = 12


def tensor(name: str, content: str, sketch: str = "", shape: tuple[int, ...] = SHAPE) -> Tensor:
    nbytes = 4
    for side in shape:
        nbytes *= side
    return Tensor(name, "F32", shape, nbytes, digest_of(content), sketch=sketch)


def sketch_of(seed: str, flipped: int = 0) -> str:
    """The sketch of random weights, with some bits flipped as by noise."""
    number = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    for bit in range(flipped):
        number ^= 1 << (bit * 256 // flipped)
    return f"{number:064x}"


def weights(
    seed: str, *, flipped: int = 0, content: str | None = None, names: str = "layer.{}.weight"
) -> list[Tensor]:
    """A model's tensors: the same seed with other content is a noisy copy."""
    return [
        tensor(names.format(number), f"{content or seed}/{number}", sketch_of(f"{seed}/{number}", flipped))
        for number in range(LAYERS)
    ]


class Lab:
    """Publishes models that are nothing but their tensor tables."""

    def __init__(self, client: TestClient, publisher: Publisher) -> None:
        self.client = client
        self.publisher = publisher

    def release(self, name: str, tensors: Sequence[Tensor], *parents: dict[str, Any]) -> str:
        table = weighing.tensor_table(tensors)
        model = model_of({"model.safetensors": name.encode()}) | {
            "weights_digest": f"sha256:{weighing.weights_digest(tensors)}",
            "tensors": {
                "count": len(tensors),
                "bytes": sum(one.nbytes for one in tensors),
                "table_digest": f"sha256:{digest_of(table)}",
            },
        }
        lineage = {"parents": list(parents), "datasets": []} if parents else None
        bundle = self.publisher.release(name, "1", {}, model=model, lineage=lineage)
        return str(submit(self.client, bundle)["results"][0]["statement"])

    def attach(self, tensors: Sequence[Tensor]) -> None:
        assert put(self.client, weighing.tensor_table(tensors)).status_code in {200, 201}

    def publish(self, name: str, tensors: Sequence[Tensor], *parents: dict[str, Any]) -> str:
        statement = self.release(name, tensors, *parents)
        self.attach(tensors)
        return statement

    def of(self, name: str, relation: str = "finetune") -> dict[str, Any]:
        return {"relation": relation, "digest": self.lineage_of(name, "model_digest")}

    def lineage_of(self, name: str, member: str = "lineage") -> Any:
        return self.client.get(f"/api/v1/models/acme/{name}/1").json()[member]

    def proposed(self, name: str) -> list[str]:
        return [edge["model"] for edge in (self.lineage_of(name) or {"proposed": []})["proposed"]]


@pytest.fixture
def lab(client: TestClient, publisher: Publisher) -> Lab:
    return Lab(client, publisher)


def tuned(seed: str, changed: int) -> list[Tensor]:
    """A copy of which the last tensors are other ones, but alike."""
    same = weights(seed)
    return [*same[: LAYERS - changed], *weights(seed, flipped=9, content=f"{seed}-tuned")[LAYERS - changed :]]


def test_tensors_that_both_signed_make_an_edge_tensor_matched(lab: Lab) -> None:
    lab.publish("base", weights("base"))
    lab.publish("tuned", tuned("base", 4), lab.of("base"))
    (edge,) = lab.lineage_of("tuned")["parents"]
    assert (edge["level"], edge["contradicted"]) == (3, False)
    match = edge["match"]
    assert (match["equal"], match["count"], match["near"]) == (8, 12, 4)
    assert match["equal_bytes"] * 12 == match["bytes"] * 8
    assert "8 of 12 tensors are equal" in edge["evidence"][-1]
    (child,) = lab.lineage_of("base")["children"]
    assert (child["level"], child["match"]) == (3, match)


@pytest.mark.parametrize("order", ["parent first", "child first"])
def test_tables_may_come_in_any_order(lab: Lab, order: str) -> None:
    base, child = weights("base"), tuned("base", 2)
    lab.release("base", base)
    lab.release("tuned", child, lab.of("base"))
    assert lab.lineage_of("tuned")["parents"][0]["level"] == 2
    for one in (base, child) if order == "parent first" else (child, base):
        lab.attach(one)
    assert lab.lineage_of("tuned")["parents"][0]["level"] == 3


def test_an_edge_that_comes_after_the_tables_is_compared_too(lab: Lab, service: Service) -> None:
    lab.publish("base", weights("base"))
    release = lab.publish("other", weights("stranger"))
    lineage = {"parents": [lab.of("base")], "datasets": []}
    submit(lab.client, lab.publisher.revision("lineage", release, {"lineage": lineage}))
    (edge,) = lab.lineage_of("other")["parents"]
    end = time.monotonic() + 20
    while edge["match"] is None and time.monotonic() < end:
        service.attachments.likenesses.catch_up()  # as is done after an answer; another thread may be at it
        (edge,) = lab.lineage_of("other")["parents"]
    assert (edge["level"], edge["match"]["finding"], edge["contradicted"]) == (2, "no sign", False)


def test_a_registry_that_closes_leaves_comparisons_to_its_next_start(lab: Lab, service: Service) -> None:
    lab.publish("base", weights("base"))
    release = lab.publish("other", weights("stranger"))
    service.attachments.likenesses.close()
    lineage = {"parents": [lab.of("base")], "datasets": []}
    submit(lab.client, lab.publisher.revision("lineage", release, {"lineage": lineage}))
    service.attachments.likenesses.catch_up()
    assert lab.lineage_of("other")["parents"][0]["match"] is None
    likenesses.Likenesses(service.database, service.folder).catch_up()
    assert lab.lineage_of("other")["parents"][0]["match"]["finding"] == "no sign"


def test_a_relation_that_the_tables_refute_is_contradicted_and_not_raised(lab: Lab) -> None:
    lab.publish("base", weights("base"))
    lab.publish("fake", weights("stranger"), lab.of("base", "quantized"))
    (edge,) = lab.lineage_of("fake")["parents"]
    assert (edge["level"], edge["contradicted"]) == (2, True)
    assert edge["evidence"][-1].startswith("The tables refute it:")


def test_undeclared_parents_are_proposed_by_shared_tensors_and_by_resemblance(lab: Lab) -> None:
    lab.publish("base", weights("base"))
    lab.publish("sharing", tuned("base", 6))
    lab.publish("noisy", weights("base", flipped=12, content="noisy", names="blk.{}.w"))
    lab.publish("stranger", weights("stranger"))
    assert lab.proposed("sharing") == ["base"]
    assert set(lab.proposed("noisy")) == {"base", "sharing"}
    assert lab.proposed("stranger") == []
    edge = lab.lineage_of("noisy")["proposed"][-1]
    assert (edge["level"], edge["declared"], edge["relation"]) == (0, False, None)
    assert edge["evidence"][0] == "The registry noticed; nobody declared it."
    assert "does not prove" in edge["evidence"][-1]
    assert {one["model"] for one in lab.lineage_of("base")["proposed_children"]} == {"sharing", "noisy"}


def test_a_graph_holds_proposed_edges_apart(lab: Lab) -> None:
    lab.publish("base", weights("base"))
    lab.publish("sharing", tuned("base", 6))
    digest = lab.lineage_of("sharing", "model_digest")
    found = lab.client.get(f"/api/v1/lineage/{digest}").json()
    assert {node["model"]: node["generation"] for node in found["nodes"]} == {"sharing": 0, "base": -1}
    assert [(edge["declared"], edge["model"]) for edge in found["edges"]] == [(False, "base")]
    assert lab.client.get(f"/api/v1/impact/{lab.lineage_of('base', 'model_digest')}").json()["total"] == 0


def test_what_is_declared_is_not_proposed_again(lab: Lab) -> None:
    lab.publish("base", weights("base"))
    lab.publish("tuned", tuned("base", 3), lab.of("base"))
    lab.publish("grandchild", tuned("base", 4), lab.of("tuned"))
    lab.publish("sibling", tuned("base", 5), lab.of("base"))
    family = ("base", "tuned", "grandchild", "sibling")
    assert [lab.proposed(name) for name in family] == [[], [], [], []]


def test_the_same_weights_again_are_noticed(lab: Lab) -> None:
    lab.publish("first", weights("base"))
    lab.publish("again", weights("base"))
    (edge,) = lab.lineage_of("again")["proposed"]
    assert (edge["model"], edge["match"]["finding"]) == ("first", "equal")
    assert [one["model"] for one in lab.lineage_of("first")["proposed_children"]] == ["again"]


def test_a_tensor_that_is_everywhere_says_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likenesses, "COMMON", 3)
    monkeypatch.setattr(likenesses, "_SHARING", likenesses.sharing(3))
    mask = tensor("mask", "mask", shape=(1024, 1024))
    for number in range(6):
        lab.publish(f"model{number}", [*weights(f"own{number}"), mask])
    assert [lab.proposed(f"model{number}") for number in (4, 5)] == [[], []]


def test_a_small_tensor_in_common_is_not_enough_for_a_level(lab: Lab) -> None:
    bias = tensor("bias", "zeros", shape=(512,))
    lab.publish("base", [*weights("base"), bias])
    lab.publish("other", [*weights("other"), bias], lab.of("base"))
    (edge,) = lab.lineage_of("other")["parents"]
    assert (edge["level"], edge["match"]["equal"]) == (2, 1)


def test_an_attacker_who_copies_sketches_is_only_shown_as_alike(lab: Lab) -> None:
    """A sketch is its publisher's word: it can claim likeness, never equality, and raises no level."""
    lab.publish("famous", weights("famous"))
    lab.publish("parasite", weights("famous", content="other"), lab.of("famous"))
    (edge,) = lab.lineage_of("parasite")["parents"]
    assert (edge["level"], edge["match"]["finding"]) == (2, "resembles")


def test_comparisons_are_bounded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likenesses, "MAX_TENSORS", 4 * LAYERS)
    lab.publish("base", weights("base"))
    lab.publish("merged", weights("other"))
    parents = [lab.of("base", "merge"), lab.of("merged", "merge")]
    lab.publish("child", [replace(one, sketch="") for one in weights("third")], *parents)
    assert [edge["match"] is None for edge in lab.lineage_of("child")["parents"]] == [False, True]


def test_a_rebuild_makes_the_comparisons_again_and_fsck_checks_them(
    lab: Lab, service: Service, tmp_path: Path
) -> None:
    lab.publish("base", weights("base"))
    lab.publish("tuned", tuned("base", 3), lab.of("base"))
    lab.publish("noisy", weights("base", flipped=12, content="noisy"))
    before = [lab.lineage_of(name) for name in ("base", "tuned", "noisy")]
    data = service.folder.path
    service.close()
    assert check(data).ok
    sql(data, "UPDATE likeness SET equal = equal + 1 WHERE child <> parent")
    (found,) = (one for one in check(data).checks if one.name == "attachments")
    assert "have something else in common" in found.problems[0]
    sql(data, "DELETE FROM likeness")
    sql(data, "DELETE FROM band")
    (found,) = (one for one in check(data).checks if one.name == "attachments")
    assert "are not those of the table" in found.problems[0]
    rebuild(data, public_sigstore=False)
    assert check(data).ok
    assert before
