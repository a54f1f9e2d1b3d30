# SPDX-License-Identifier: Apache-2.0
"""Where a model is served: its owners' word first, everybody else's as theirs, and never without end."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, model_of, submit
from tests.registry.test_admission import refused
from tests.registry.test_testimonies import Here
from weighbridge.statements import abstract_subject
from weighbridge_registry.fsck import fsck
from weighbridge_registry.rebuilding import rebuild
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings

FILES = {"model.safetensors": b"weights"}
TEMPLATE = digest_of("{{ messages }}")
SERVICE = "api.acme.example/v1"


@pytest.fixture
def here(service: Service, client: TestClient, publisher: Publisher) -> Here:
    stranger = Publisher(service.origin, "stranger", "else")
    model = {
        **model_of(FILES),
        "chat_templates": [{"path": "model.safetensors", "sha256": TEMPLATE}],
    }
    release = publisher.release("tiny", "1", FILES, model=model)
    told = submit(client, stranger.introduction(), release)["results"][-1]
    digest = model["model_digest"].removeprefix("sha256:")
    return Here(client, service, publisher, stranger, told["statement"].removeprefix("sha256:"), digest)


def deploy(
    who: Publisher, name: str, *models: dict[str, Any], previous: str | None = None, **content: Any
) -> bytes:
    """Somebody says which models answer at a service."""
    said = {"name": name, "operator": "Hosting", "models": list(models), "since": "2026-06-01T00:00:00Z"}
    return who.say("deployment", abstract_subject("deployment", name), previous, **(said | content))


def names(told: Any) -> list[tuple[str, bool]]:
    return [(one["name"], one["by_owner"]) for one in told["deployments"]]


def test_a_release_says_where_it_is_served_and_who_says_so(here: Here) -> None:
    by_release = {"release": {"kind": "release", "sha256": here.release}, "chat_template_sha256": TEMPLATE}
    more = {"post_training": "A filter.", "quantization": "8 bits", "system_prompt_sha256": "a" * 64}
    here.take(deploy(here.owner, SERVICE, by_release | more, namespace="acme", url=f"https://{SERVICE}"))
    here.take(deploy(here.stranger, "cheap.example", {"digest": f"sha256:{here.model}", "name": "t"}))
    told = here.get("/models/acme/tiny/1")
    assert told["deployments_total"] == 2
    owner, other = told["deployments"]
    assert (owner["name"], owner["by_owner"], owner["namespace"]) == (SERVICE, True, "acme")
    assert (owner["service"], owner["post_training"]) == (f"https://{SERVICE}", "A filter.")
    assert (owner["quantization"], owner["system_prompt_sha256"]) == ("8 bits", "a" * 64)
    assert (owner["chat_template_sha256"], owner["own_chat_template"]) == (TEMPLATE, True)
    assert owner["stated"] == f"sha256:{here.release}"
    assert (other["name"], other["by_owner"], other["namespace"]) == ("cheap.example", False, None)
    assert (other["model_name"], other["own_chat_template"]) == ("t", None)
    assert other["signer"]["introduced_as"] == "stranger"


def test_another_template_is_told_apart(here: Here) -> None:
    model = {"digest": f"sha256:{here.model}", "chat_template_sha256": "b" * 64}
    here.take(deploy(here.owner, SERVICE, model, namespace="acme"))
    assert here.get("/models/acme/tiny/1")["deployments"][0]["own_chat_template"] is False


def test_a_stranger_cannot_speak_for_the_owner(here: Here) -> None:
    model = {"digest": f"sha256:{here.model}"}
    problem = refused(
        here.client, deploy(here.stranger, SERVICE, model, namespace="acme"), status=403, step=4
    )
    assert "not an owner" in problem["detail"]
    here.take(here.stranger.claim("acme-inference"))
    here.take(deploy(here.stranger, SERVICE, model, namespace="acme-inference", operator="Acme"))
    [said] = here.get("/models/acme/tiny/1")["deployments"]
    assert (said["by_owner"], said["namespace"], said["operator"]) == (False, "acmeinference", "Acme")


def test_a_deployment_of_what_is_not_registered_waits_for_it(here: Here) -> None:
    later = {"model.safetensors": b"later"}
    digest = model_of(later)["model_digest"]
    here.take(deploy(here.stranger, "early.example", {"digest": digest}))
    assert here.get(f"/lineage/{digest.removeprefix('sha256:')}")["nodes"] == []
    here.take(here.owner.release("later", "1", later))
    assert names(here.get("/models/acme/later/1")) == [("early.example", False)]
    assert names(here.get("/models/acme/tiny/1")) == []


def test_what_is_replaced_or_over_is_not_listed(here: Here) -> None:
    model, other = {"digest": f"sha256:{here.model}"}, {"digest": f"sha256:{'9' * 64}"}
    first = here.take(deploy(here.owner, SERVICE, model, namespace="acme"))
    second = here.take(deploy(here.owner, SERVICE, other, namespace="acme", previous=first))
    assert names(here.get("/models/acme/tiny/1")) == []
    third = here.take(deploy(here.owner, SERVICE, model, namespace="acme", previous=second))
    assert names(here.get("/models/acme/tiny/1")) == [(SERVICE, True)]
    stale = deploy(here.owner, SERVICE, other, namespace="acme", previous=first, note="stale")
    refused(here.client, stale, status=409, step=6)
    until = {"until": "2026-09-01T00:00:00Z", "namespace": "acme"}
    here.take(deploy(here.owner, SERVICE, model, previous=third, **until))
    told = here.get("/models/acme/tiny/1")
    assert (told["deployments"], told["deployments_total"]) == ([], 0)
    assert "(ended)" in told["statements"][0]["summary"]


def test_many_strangers_neither_crowd_out_the_owner_nor_end_nowhere(here: Here) -> None:
    model = {"digest": f"sha256:{here.model}"}
    here.take(deploy(here.owner, SERVICE, model, namespace="acme"))
    for start in range(0, 40, 8):
        here.take(*(deploy(here.stranger, f"s{n}.example", model) for n in range(start, start + 8)))
    told = here.get("/models/acme/tiny/1")
    assert (len(told["deployments"]), told["deployments_total"]) == (20, 41)
    assert names(told)[:2] == [(SERVICE, True), ("s39.example", False)]
    graph = here.get(f"/lineage/{here.model}")
    assert (names(graph)[0], len(graph["deployments"]), graph["truncated"]) == ((SERVICE, True), 5, True)
    impact = here.get(f"/impact/{here.model}")
    assert (names(impact)[0], len(impact["deployments"]), impact["more_deployments"]) == (
        (SERVICE, True),
        5,
        True,
    )


def test_one_statement_with_many_names_is_bounded(here: Here) -> None:
    models = [{"digest": f"sha256:{here.model}", "name": f"alias-{n}"} for n in range(64)]
    here.take(deploy(here.stranger, "many.example", *models))
    told = here.get("/models/acme/tiny/1")
    assert (len(told["deployments"]), told["deployments_total"]) == (20, 1)


def test_of_a_long_statement_lists_show_a_piece(here: Here) -> None:
    model = {"digest": f"sha256:{here.model}", "post_training": "x" * 60_000}
    here.take(deploy(here.stranger, "long.example", model))
    [told] = here.get("/models/acme/tiny/1")["deployments"]
    assert (len(told["post_training"]), told["post_training"][-1]) == (1000, "…")


def test_impact_reaches_what_is_served(here: Here) -> None:
    """From a data set, a release or a warning to the services that stand on it."""
    data = digest_of("corpus")
    lineage = {
        "parents": [{"relation": "finetune", "digest": f"sha256:{here.model}"}],
        "datasets": [{"stage": "sft", "name": "corpus", "digest": f"sha256:{data}"}],
    }
    child = here.take(here.owner.release("child", "1", {"model.safetensors": b"child"}, lineage=lineage))
    served = {"release": {"kind": "release", "sha256": child}}
    here.take(deploy(here.stranger, "child.example", served))
    here.take(deploy(here.stranger, "base.example", {"digest": f"sha256:{here.model}"}))
    warning = here.warning(propagates=["finetune"])
    advisory = here.take(here.stranger.say("advisory", here.release, **warning))
    for digest, expected in (
        (data, ["child.example"]),
        (here.release, ["base.example", "child.example"]),
        (advisory, ["base.example", "child.example"]),
    ):
        told = here.get(f"/impact/{digest}")
        assert [one["name"] for one in told["deployments"]] == expected, digest
        assert not told["more_deployments"]
    told = here.get("/impact?dataset=corpus")
    [one] = told["deployments"]
    assert (one["release_namespace"], one["model"], one["version"]) == ("acme", "child", "1")
    assert one["release"] == f"sha256:{child}"
    graph = here.get(f"/lineage/{here.release}?up=0&down=0")
    assert [one["name"] for one in graph["deployments"]] == ["base.example"]


def test_the_log_gives_the_same_again(here: Here, service: Service) -> None:
    model = {"digest": f"sha256:{here.model}"}
    first = here.take(deploy(here.owner, SERVICE, model, namespace="acme"))
    here.take(deploy(here.owner, SERVICE, model, model | {"name": "b"}, namespace="acme", previous=first))
    here.take(deploy(here.stranger, "x.example", model))
    assert names(here.get("/models/acme/tiny/1")) == [
        (SERVICE, True),
        (SERVICE, True),
        ("x.example", False),
    ]
    data = service.settings.data
    service.close()
    before = fsck(data, public_sigstore=False)
    assert before.ok, before.to_json()
    assert rebuild(data, public_sigstore=False).state_digest == before.state_digest
    assert fsck(data, public_sigstore=False).ok
    again = open_service(Settings(data=data, public_sigstore=False))
    told = again.queries.release("acme", "tiny", "1")
    again.close()
    assert told is not None
    assert [(one.name, one.by_owner) for one in told.deployments] == [
        (SERVICE, True),
        (SERVICE, True),
        ("x.example", False),
    ]
