# SPDX-License-Identifier: Apache-2.0
"""Openness as a registry answers it: from the newest card, against what this very release holds."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from weighbridge.openness import COMPONENTS, RULESET

FILES = {"config.json": b"{}", "model.safetensors": b"weights"}
README = b"# Tiny\n"
THIRD = [rule.name for rule in COMPONENTS if rule.required and rule.needed_by == 3]
OPEN = {"distribution": {"spdx": "OpenMDW-1.0"}}


def card(*names: str, **said: Any) -> dict[str, Any]:
    return {"licenses": OPEN, "components": [{"name": name, "present": True} for name in names]} | said


def ask(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/models/acme/tiny/1.0").json()
    return found


def publish(client: TestClient, publisher: Publisher, stated: dict[str, Any] | None) -> str:
    submit(client, publisher.release("tiny", "1.0", FILES, card=stated))
    return str(ask(client)["statement"])


def test_without_a_card_nothing_is_computed(client: TestClient, publisher: Publisher) -> None:
    publish(client, publisher, None)
    assert ask(client)["openness"] is None


def test_the_class_follows_the_newest_card(client: TestClient, publisher: Publisher) -> None:
    statement = publish(client, publisher, card(*THIRD[1:]))
    before = ask(client)["openness"]
    assert (before["class"], before["missing"], before["ruleset"]) == (None, ["model_architecture"], RULESET)
    assert len(before["components"]) == 17
    assert [row["name"] for row in before["osaid"]] == ["data information", "code", "parameters"]

    submit(client, publisher.revision("card", statement, {"card": card(*THIRD)}))
    after = ask(client)
    assert (after["openness"]["class"], after["card_statement"]["kind"]) == (3, "card")
    assert after["openness"]["missing"] == [
        rule.name for rule in COMPONENTS if rule.required and rule.needed_by == 2
    ]


@pytest.mark.parametrize(
    ("said", "basis", "words"),
    [
        ({"location": "model.safetensors"}, "evidence seen", "is the file model.safetensors"),
        ({"digest": f"sha256:{digest_of(b'weights')}"}, "evidence seen", "has the digest of the file"),
        ({"digest": f"sha256:{digest_of(b'other')}"}, "declared", "its digest is of nothing in this release"),
        ({"location": "https://example.org/w"}, "declared", ""),
    ],
)
def test_evidence_is_what_this_release_holds(
    client: TestClient, publisher: Publisher, said: dict[str, str], basis: str, words: str
) -> None:
    component = {"name": "model_parameters_final", "present": True} | said
    publish(client, publisher, card(components=[component]))
    found = next(one for one in ask(client)["openness"]["components"] if one["name"] == component["name"])
    assert (found["basis"], found["counts"]) == (basis, True)
    assert words in " ".join([found.get("evidence") or "", *found["warnings"]])


def test_an_attached_readme_is_evidence(client: TestClient, publisher: Publisher) -> None:
    bound = {"sha256": digest_of(README), "size": len(README)}
    component = {"name": "model_card", "present": True, "digest": f"sha256:{digest_of(README)}"}
    publish(client, publisher, card(readme=bound, components=[component]))
    assert client.put(f"/api/v1/blobs/{digest_of(README)}", content=README).status_code in (200, 201, 204)
    found = next(one for one in ask(client)["openness"]["components"] if one["name"] == "model_card")
    assert found["evidence"] == "has the digest of the README.md that the card binds"


def test_licences_that_spdx_does_not_know_are_named(client: TestClient, publisher: Publisher) -> None:
    publish(client, publisher, card(*THIRD, licenses={"distribution": {"spdx": "NOSUCH-1.0 AND MIT"}}))
    openness = ask(client)["openness"]
    assert (openness["class"], openness["unknown_licenses"]) == (None, ["NOSUCH-1.0"])
