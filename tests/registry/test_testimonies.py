# SPDX-License-Identifier: Apache-2.0
"""Who may say what of whom: statuses by owners alone, everything else by anyone, as their own word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, submit
from tests.registry.test_admission import refused
from weighbridge.errors import UnprocessableError
from weighbridge.statements import abstract_subject
from weighbridge_registry.fsck import fsck
from weighbridge_registry.rebuilding import rebuild
from weighbridge_registry.service import Service
from weighbridge_registry.state import read_candidate
from weighbridge_registry.state.testimonies import MAX_ADVISORIES

FILES = {"model.safetensors": b"weights"}
FAR = "2199-01-01T00:00:00Z"


@dataclass
class Here:
    """A registry with one release by its owner, and a stranger who is known."""

    client: TestClient
    service: Service
    owner: Publisher
    stranger: Publisher
    release: str
    """Statement digest, bare hex."""
    model: str
    """Model digest, bare hex."""

    def take(self, *bundles: bytes) -> str:
        """Record bundles; the last one's statement digest, bare hex."""
        results = submit(self.client, *bundles)["results"]
        return str(results[-1]["statement"]).removeprefix("sha256:")

    def get(self, path: str, expect: int = 200) -> Any:
        answer = self.client.get(f"/api/v1{path}")
        assert answer.status_code == expect, answer.text
        return answer.json()

    def status(self, version: str = "1") -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/models/acme/tiny/{version}")["status"]
        return found

    def warning(self, id_: str = "W-1", **content: Any) -> dict[str, Any]:
        return {"id": id_, "subject_kind": "release", "severity": "high", "summary": "it bites"} | content


@pytest.fixture
def here(service: Service, client: TestClient, publisher: Publisher) -> Here:
    stranger = Publisher(service.origin, "stranger", "else")
    found = submit(client, stranger.introduction(), publisher.release("tiny", "1", FILES))["results"][-1]
    release = found["statement"].removeprefix("sha256:")
    model = client.get("/api/v1/models/acme/tiny/1").json()["model_digest"].removeprefix("sha256:")
    return Here(client, service, publisher, stranger, release, model)


# status/v1


def test_a_release_is_yanked_restored_deprecated_and_superseded_by_its_owner(here: Here) -> None:
    assert here.status() == {
        "state": "released",
        "reason": None,
        "statement": None,
        "index": None,
        "superseded_by": None,
    }
    yank = here.take(here.owner.say("status", here.release, state="yanked", reason="bad tokenizer"))
    told = here.status()
    assert (told["state"], told["reason"], told["statement"]["sha256"]) == ("yanked", "bad tokenizer", yank)
    back = here.take(here.owner.say("status", here.release, yank, state="restored", reason="was fine"))
    assert (here.status()["state"], here.status()["statement"]["sha256"]) == ("released", back)
    old = here.take(here.owner.say("status", here.release, back, state="deprecated", reason="old"))
    assert here.status()["state"] == "deprecated"
    second = here.take(here.owner.release("tiny", "2", {"model.safetensors": b"other"}))
    successor = {"kind": "release", "sha256": second}
    here.take(
        here.owner.say(
            "status", here.release, old, state="superseded", superseded_by=successor, reason="see 2"
        )
    )
    told = here.status()["superseded_by"]
    assert (told["namespace"], told["name"], told["version"]) == ("acme", "tiny", "2")
    assert told["url"].endswith("/models/acme/tiny/2")
    versions = here.get("/models/acme/tiny")["versions"]
    assert [(one["version"], one["status"]["state"]) for one in versions] == [
        ("2", "released"),
        ("1", "superseded"),
    ]


def test_the_newest_version_is_shown_though_it_is_yanked_and_says_so(here: Here) -> None:
    second = here.take(here.owner.release("tiny", "2", {"model.safetensors": b"other"}))
    here.take(here.owner.say("status", second, state="yanked", reason="worse"))
    [listed] = here.get("/models")["models"]
    assert (listed["version"], listed["status"]["state"]) == ("2", "yanked")
    assert here.get("/models/acme/tiny/1")["superseded_by"] == "2"


def test_a_stranger_cannot_yank(here: Here) -> None:
    bundle = here.stranger.say("status", here.release, state="yanked", reason="I say so")
    problem = refused(here.client, bundle, status=403, step=4)
    assert "not an owner" in problem["detail"]


def test_a_status_of_a_release_that_nobody_recorded(here: Here) -> None:
    refused(here.client, here.owner.say("status", "0" * 64, state="yanked", reason="x"), status=422, step=5)
    successor = {"kind": "release", "sha256": "0" * 64}
    unknown = here.owner.say("status", here.release, state="superseded", superseded_by=successor, reason="x")
    refused(here.client, unknown, status=422, step=5)


def test_a_stale_status(here: Here) -> None:
    here.take(here.owner.say("status", here.release, state="yanked", reason="x"))
    refused(
        here.client,
        here.owner.say("status", here.release, state="deprecated", reason="y"),
        status=409,
        step=6,
    )


def test_a_replayed_restoration_does_not_lift_a_later_yank(here: Here) -> None:
    """Old statements of the owner are of no use to whoever kept them: each names what it replaces."""
    yank = here.take(here.owner.say("status", here.release, state="yanked", reason="x"))
    restoration = here.owner.say("status", here.release, yank, state="restored", reason="fine")
    back = here.take(restoration)
    here.take(here.owner.say("status", here.release, back, state="yanked", reason="really"))
    submit(here.client, restoration, expect=200)
    assert here.status()["state"] == "yanked"


def test_what_stands_cannot_be_restored_again(here: Here) -> None:
    yank = here.take(here.owner.say("status", here.release, state="yanked", reason="x"))
    back = here.take(here.owner.say("status", here.release, yank, state="restored", reason="x"))
    again = here.owner.say("status", here.release, back, state="restored", reason="again")
    refused(here.client, again, status=422, step=5)


def test_two_releases_cannot_supersede_each_other(here: Here) -> None:
    second = here.take(here.owner.release("tiny", "2", {"model.safetensors": b"other"}))

    def superseded(one: str, by: str) -> bytes:
        successor = {"kind": "release", "sha256": by}
        return here.owner.say("status", one, state="superseded", superseded_by=successor, reason="x")

    refused(here.client, superseded(here.release, here.release), status=422, step=5)
    here.take(superseded(here.release, second))
    problem = refused(here.client, superseded(second, here.release), status=422, step=5)
    assert "supersede itself" in problem["detail"]


# advisory/v1


def test_anyone_warns_revises_and_withdraws_and_is_named(here: Here) -> None:
    first = here.take(
        here.stranger.say(
            "advisory", here.release, **here.warning(affects=[{"digest": f"sha256:{'5' * 64}"}])
        )
    )
    [listed] = here.get("/advisories")["advisories"]
    assert (listed["id"], listed["severity"], listed["withdrawn"]) == ("W-1", "high", False)
    assert listed["signer"]["introduced_as"] == "stranger"
    assert here.get(f"/advisories?about={'5' * 64}")["advisories"] == [listed]
    assert here.get(f"/advisories?about={here.model}")["advisories"] == []
    second = here.take(here.stranger.say("advisory", here.release, first, **here.warning(severity="low")))
    third = here.take(
        here.stranger.say("advisory", here.release, second, **here.warning(withdrawn={"reason": "wrong"}))
    )
    [listed] = here.get("/advisories")["advisories"]
    assert (listed["statement"], listed["withdrawn"]) == (f"sha256:{third}", True)
    old = here.get(f"/advisories/{first}")
    assert old["replaced_by"] == f"sha256:{third}"
    assert [one["statement"] for one in old["history"]] == [f"sha256:{s}" for s in (third, second, first)]
    assert here.get(f"/advisories/{third}")["replaced_by"] is None
    about = here.get("/models/acme/tiny/1")["statements"]
    assert [(one["kind"], one["replaced"]) for one in about] == [
        ("advisory", False),
        ("advisory", True),
        ("advisory", True),
    ]
    assert here.status()["state"] == "released", "a warning of a stranger is no status"
    here.get(f"/advisories/{here.release}", 404)


def test_ids_of_two_signers_are_two_advisories(here: Here) -> None:
    mine = here.take(here.owner.say("advisory", here.release, **here.warning()))
    theirs = here.take(here.stranger.say("advisory", here.release, **here.warning(summary="no")))
    assert len(here.get("/advisories")["advisories"]) == 2
    assert here.get(f"/advisories/{mine}")["replaced_by"] is None
    stolen = here.stranger.say("advisory", here.release, mine, **here.warning(summary="mine now"))
    refused(here.client, stolen, status=409, step=6)
    assert here.get(f"/advisories/{theirs}")["replaced_by"] is None


def test_an_id_stays_with_its_subject(here: Here) -> None:
    first = here.take(here.stranger.say("advisory", here.release, **here.warning()))
    moved = here.stranger.say("advisory", here.model, first, **here.warning(subject_kind="digest"))
    refused(here.client, moved, status=409, step=6)


def test_an_advisory_about_a_release_that_nobody_recorded_or_found_tomorrow(here: Here) -> None:
    refused(here.client, here.owner.say("advisory", "0" * 64, **here.warning()), status=422, step=5)
    later = here.owner.say("advisory", here.release, **here.warning(discovered_at=FAR))
    assert "future" in refused(here.client, later, status=422, step=5)["detail"]


def test_a_flood_of_warnings_by_one_signer_ends(here: Here) -> None:
    ids = [f"F-{number}" for number in range(MAX_ADVISORIES)]
    bundles = [here.stranger.say("advisory", here.release, **here.warning(id_)) for id_ in ids]
    for start in range(0, len(bundles), 8):
        submit(here.client, *bundles[start : start + 8])
    refused(
        here.client,
        here.stranger.say("advisory", here.release, **here.warning("one-more")),
        status=422,
        step=5,
    )
    here.take(here.owner.say("advisory", here.release, **here.warning("mine")))
    first = here.get("/advisories?limit=50")
    rest = here.get(f"/advisories?limit=50&cursor={first['next']}")
    assert (len(first["advisories"]), len(rest["advisories"]), rest["next"]) == (50, 15, None)
    document = here.get("/models/acme/tiny/1")
    assert (len(document["statements"]), document["statements_total"]) == (65, 65)


# position/v1


def test_positions_on_a_release_and_on_an_edge(here: Here) -> None:
    of = {"kind": "release", "sha256": here.release}
    no = here.take(here.stranger.position(stance="disputes", of=of, reason="this is ours"))
    here.take(here.stranger.position(no, stance="withdrawn", of=of))
    edge = {"child": f"sha256:{here.model}", "parent": f"sha256:{'5' * 64}"}
    here.take(here.stranger.position(stance="acknowledges", edge=edge, basis="recomputed"))
    said = here.get("/models/acme/tiny/1")["statements"]
    assert [(one["kind"], one["role"], one["replaced"]) for one in said] == [
        ("position", "subject", False),
        ("position", "subject", False),
        ("position", "subject", True),
    ]
    assert said[0]["summary"].startswith("Acknowledged an edge of a lineage, recomputed")
    [seen] = here.get(f"/digests/{'5' * 64}")["statements"]
    assert (seen["role"], seen["index"]) == ("parent", said[0]["index"])


def test_one_position_at_a_time(here: Here) -> None:
    of = {"kind": "release", "sha256": here.release}
    here.take(here.stranger.position(stance="acknowledges", of=of))
    refused(here.client, here.stranger.position(stance="disputes", of=of, reason="no"), status=409, step=6)
    here.take(here.owner.position(stance="acknowledges", of=of))
    unknown = here.owner.position(stance="acknowledges", of={"kind": "release", "sha256": "0" * 64})
    refused(here.client, unknown, status=422, step=5)


# dataset/v1, disclosure/v1, deployment/v1


def test_anyone_describes_a_data_set_and_withdraws_their_own_description_only(here: Here) -> None:
    data = digest_of("corpus")
    plain = {"name": "org/corpus", "identity": "root"}
    mine = here.take(here.owner.say("dataset", data, **plain, namespace="acme"))
    theirs = here.take(here.stranger.say("dataset", data, **plain))
    gone = {"reason": "consent was taken back"}
    refused(
        here.client, here.stranger.say("dataset", data, mine, **plain, withdrawn=gone), status=409, step=6
    )
    forged = here.stranger.say("dataset", data, mine, **plain, namespace="acme", withdrawn=gone)
    refused(here.client, forged, status=403, step=4)
    here.take(here.stranger.say("dataset", data, theirs, **plain, withdrawn=gone))
    told = here.get(f"/datasets/{data}")
    assert (told["descriptions_total"], told["withdrawn"]) == (2, 1)
    assert [(one["dataset"]["namespace"], one["dataset"]["withdrawn"]) for one in told["descriptions"]] == [
        ("acme", None),
        (None, {"reason": "consent was taken back", "details": None, "since": None}),
    ]
    here.get(f"/datasets/{digest_of('other')}", 404)


def test_any_owner_of_the_namespace_revises_what_it_says(here: Here) -> None:
    data = digest_of("corpus")
    plain = {"name": "org/corpus", "identity": "root", "namespace": "acme"}
    first = here.take(here.owner.say("dataset", data, **plain))
    colleague = Publisher(here.service.origin, "colleague")
    claim = here.get("/namespaces/acme")["statement"].removeprefix("sha256:")
    owners = [here.owner.owner, colleague.owner]
    here.take(here.owner.claim(owners=owners, previous={"kind": "namespace", "sha256": claim}))
    here.take(colleague.say("dataset", data, first, **plain, license={"spdx": "CC0-1.0"}))
    [told] = here.get(f"/datasets/{data}")["descriptions"]
    assert told["dataset"]["license"]["spdx"] == "CC0-1.0"


def test_a_withdrawal_that_is_dated_ahead(here: Here) -> None:
    ahead = {"reason": "soon", "since": FAR}
    bundle = here.owner.say(
        "dataset", digest_of("corpus"), name="org/corpus", identity="root", withdrawn=ahead
    )
    refused(here.client, bundle, status=422, step=5)


def test_closed_models_and_services_are_spoken_of_by_name(here: Here) -> None:
    name = "Example Corp/Large 3"
    fields = [{"id": "energy", "left_open": "not measured"}, {"id": "data", "answer": "The web."}]
    disclosed = here.take(
        here.stranger.say(
            "disclosure",
            abstract_subject("disclosure", name),
            name=name,
            vendor="Example Corp",
            by_vendor=False,
            fields=fields,
        )
    )
    service = "api.example.com/v1"
    content = {
        "name": service,
        "operator": "Example Hosting",
        "models": [
            {"digest": f"sha256:{here.model}", "release": {"kind": "release", "sha256": here.release}}
        ],
        "since": "2026-01-01T00:00:00Z",
    }
    subject = abstract_subject("deployment", service)
    here.take(here.owner.say("deployment", subject, **content, namespace="acme"))
    refused(
        here.client, here.owner.say("deployment", subject, **content, namespace="else"), status=403, step=4
    )
    refused(
        here.client, here.owner.say("deployment", subject, **(content | {"since": FAR})), status=422, step=5
    )
    [said] = here.get("/models/acme/tiny/1")["statements"]
    assert (said["kind"], said["role"], said["namespace"]) == ("deployment", "model", "acme")
    assert said["summary"] == "Said that api.example.com/v1 serves 1 model"
    [event] = [one for one in here.get("/events")["events"] if one["statement"] == f"sha256:{disclosed}"]
    assert event["summary"] == f"Disclosed 1 point about {name}, left 1 open"


# Statements of others


SCAN = "https://in-toto.io/attestation/test-result/v0.1"
PASSED = {"result": "PASSED", "configuration": [{"name": "picklescan"}], "vendor": {"anything": [1, None]}}


def subject(sha256: str, **more: Any) -> dict[str, Any]:
    return {"name": "m", "digest": {"sha256": sha256}, **more}


def test_a_scan_stands_beside_the_release_as_its_signers_word(here: Here) -> None:
    other = digest_of("other")
    listed = [subject(here.model, uri="pkg:x/y", mediaType="application/x"), subject(other)]
    listed[1]["digest"]["sha512"] = "0" * 128
    taken = here.take(here.stranger.attest(SCAN, listed, PASSED))
    [said] = here.get("/models/acme/tiny/1")["statements"]
    assert (said["kind"], said["summary"]) == ("attestation", "Test result, passed, about 2 digests")
    assert (said["signer"]["introduced_as"], said["replaced"]) == ("stranger", False)
    assert [one["statement"] for one in here.get(f"/digests/{other}")["statements"]] == [f"sha256:{taken}"]
    answers = here.client.post("/api/v1/digests", json={"digests": [other, "0" * 64]}).json()
    assert [one["digest"] for one in answers["answers"]] == [f"sha256:{other}"]
    entry = here.get(f"/entries/{said['index']}")
    assert [one["sha256"] for one in entry["subjects"]] == [here.model, other]
    assert entry["predicate"]["vendor"] == {"anything": [1, None]}


REFUSED: list[tuple[str, int, dict[str, Any], str]] = [
    ("https://example.org/rumour/v1", 1, {"a": 1}, "does not take statements of type"),
    ("https://in-toto.io/attestation/test-result/v0.2", 1, PASSED, "does not take"),
    (SCAN, 17, PASSED, "limit is 16"),
    (SCAN, 1, {"result": "PASSED"}, "configuration is missing"),
    (SCAN, 1, {"result": "PASSED", "configuration": "x"}, "not of the right type"),
    (SCAN, 1, {"result": "fine", "configuration": []}, "none of PASSED"),
    (SCAN, 1, {"result": {"a": 1}, "configuration": []}, "not of the right type"),
    (SCAN, 1, PASSED | {"log": "x" * (1024 * 1024)}, "at most"),
    ("https://slsa.dev/provenance/v1", 1, {"builder": "x"}, "buildDefinition is missing"),
]

ODD: list[list[dict[str, Any]]] = [
    [{"name": "a", "digest": {"sha512": "0" * 128}}],
    [{"name": "a", "digest": {"sha256": "A" * 64}}],
    [subject("0" * 64), subject("0" * 64)],
    [subject("0" * 64, annotations={"x": "y"})],
    [subject("0" * 64, uri=7)],
    [subject("0" * 64, uri="x" * 1025)],
    [{"digest": {"sha256": "0" * 64, **{f"h{n}": "0" for n in range(8)}}}],
    [{"digest": {"sha256": "0" * 64, "sha512": "<script>"}}],
    [],
]


def test_what_is_no_statement_of_its_type_is_refused() -> None:
    somebody = Publisher("log.example/x")
    for type_, count, predicate, words in REFUSED:
        listed = [subject(digest_of(str(number))) for number in range(count)]
        with pytest.raises(UnprocessableError, match=words):
            read_candidate(somebody.attest(type_, listed, predicate))
    for listed in ODD:
        with pytest.raises(UnprocessableError, match="subject"):
            read_candidate(somebody.attest(SCAN, listed, PASSED))


def test_an_unlisted_type_is_answered_as_a_problem(here: Here) -> None:
    bundle = here.stranger.attest("https://example.org/rumour/v1", [subject("0" * 64)], {"a": 1})
    refused(here.client, bundle, status=422, step=5)


def test_a_signer_whom_nobody_knows_attests_nothing(here: Here) -> None:
    unknown = Publisher(here.service.origin)
    refused(here.client, unknown.attest(SCAN, [subject(here.model)], PASSED), status=403, step=4)
    refused(here.client, unknown.say("advisory", here.release, **here.warning()), status=403, step=4)


def test_what_was_meant_for_another_log_is_refused_here(here: Here) -> None:
    elsewhere = Publisher("other.example/log")
    elsewhere.signer, elsewhere.key = here.owner.signer, here.owner.key
    for bundle in (
        elsewhere.say("status", here.release, state="yanked", reason="x"),
        elsewhere.say("advisory", here.release, **here.warning()),
        elsewhere.say("dataset", "0" * 64, name="x", identity="root"),
        elsewhere.position(stance="acknowledges", of={"kind": "release", "sha256": here.release}),
    ):
        problem = refused(here.client, bundle, status=422, step=5)
        assert "not for this log" in problem["detail"]


# All of it again


def test_a_rebuild_and_fsck_reach_the_same_rows(here: Here) -> None:
    yank = here.take(here.owner.say("status", here.release, state="yanked", reason="x"))
    here.take(here.owner.say("status", here.release, yank, state="restored", reason="y"))
    first = here.take(here.stranger.say("advisory", here.release, **here.warning(propagates=["merge"])))
    here.take(here.stranger.say("advisory", here.release, first, **here.warning(severity="none")))
    here.take(here.stranger.say("dataset", "7" * 64, name="d", identity="root", derived_from=[{"name": "e"}]))
    here.take(here.stranger.position(stance="acknowledges", of={"kind": "advisory", "sha256": first}))
    here.take(here.stranger.attest(SCAN, [subject(here.model), subject("8" * 64)], PASSED))
    before = here.get("/models/acme/tiny/1")
    data = here.service.settings.data
    here.service.close()
    found = fsck(data, public_sigstore=False)
    assert found.ok, found.to_json()
    again = rebuild(data, public_sigstore=False)
    assert again.state_digest == found.state_digest
    assert fsck(data, public_sigstore=False).ok
    assert before["statements_total"] == 3
