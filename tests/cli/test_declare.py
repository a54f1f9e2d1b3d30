# SPDX-License-Identifier: Apache-2.0
"""`status` and `attest` against a real registry: what people say, and what they cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Outcome, weighbridge_here
from tests.models import tiny_model, write
from tests.registries import Registry, registry_here
from tests.reports import check
from weighbridge import keys, weighing
from weighbridge.client import RegistryClient
from weighbridge.errors import UnavailableError
from weighbridge.statements import abstract_subject


@dataclass
class Place:
    """A registry in which acme/tiny has two versions, its owner's key, and that of a stranger."""

    registry: Registry
    folder: Path

    def run(self, *arguments: str | Path, key: str = "owner") -> Outcome:
        own = {"WEIGHBRIDGE_CONFIG_DIR": str(self.folder / "config")}
        at = ("--registry", self.registry.url, "--key", self.folder / f"{key}.pem")
        return weighbridge_here(*arguments, *at, **own)

    def said(self, *arguments: str | Path, key: str = "owner") -> dict[str, Any]:
        """Run a command that must succeed, and give its report."""
        done = self.run(*arguments, "--json", key=key)
        assert done.exit_code == 0, done.stderr
        document: dict[str, Any] = done.json()
        check("DeclareReport", document)
        return document

    def attest(self, what: str | Path, kind: str, content: Any, *more: str, key: str = "other") -> Outcome:
        file = write(self.folder / f"{kind.rpartition('/')[2]}.json", json.dumps(content))
        return self.run("attest", what, "--type", kind, "--predicate", file, *more, key=key)

    def attested(
        self, what: str | Path, kind: str, content: Any, *more: str, key: str = "other"
    ) -> dict[str, Any]:
        done = self.attest(what, kind, content, "--json", *more, key=key)
        assert done.exit_code == 0, done.stderr
        document: dict[str, Any] = done.json()
        check("DeclareReport", document)
        return document

    def verify(self, *more: str | Path) -> Outcome:
        own = {"WEIGHBRIDGE_CONFIG_DIR": str(self.folder / "config")}
        return weighbridge_here(
            "verify", self.folder / "one", "--release", "acme/tiny@1", "--json", *more, **own
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.registry.get("/api/v1/models/acme/tiny/1")["status"]
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("house")
    with registry_here(folder / "r") as registry:
        place = Place(registry, folder)
        for name in ("owner", "other"):
            keys.write_private_key(folder / f"{name}.pem", keys.generate_private_key(), None)
        for seed, (name, version) in enumerate((("one", "1"), ("two", "2"))):
            model = tiny_model(folder / name, seed=seed)
            done = place.run("publish", model, f"acme/tiny@{version}")
            assert done.exit_code == 0, done.stderr
        yield place


@pytest.fixture
def place(house: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("CI", raising=False)
    return house


def test_a_release_is_yanked_told_of_and_restored(place: Place) -> None:
    dry = place.said("status", "yank", "acme/tiny@1", "--reason", "bad", "--dry-run")
    assert (dry["recorded"], dry["statement"]) == (False, None)
    assert dry["payload"]["predicate"]["state"] == "yanked"
    assert place.status()["state"] == "released"
    yanked = place.said("status", "yank", "acme/tiny@1", "--reason", "poisoned", "--security")
    assert place.status()["state"] == "yanked"
    again = place.said("status", "yank", "acme/tiny@1", "--reason", "poisoned", "--security")
    assert (again["already"], again["statement"]) == (True, yanked["statement"])
    refused = place.verify("--registry", place.registry.url)
    assert refused.exit_code == 1
    assert place.verify("--registry", place.registry.url, "--allow-yanked").exit_code == 0
    # Publishing again writes the record with the yank in it; from then on it is refused offline, too.
    assert place.run("publish", place.folder / "one", "acme/tiny@1").exit_code == 0
    offline = place.verify()
    assert offline.exit_code == 1
    [step] = [one for one in offline.json()["steps"] if one["n"] == 9]
    assert "withdrew this release as dangerous: poisoned" in step["reason"]
    restored = place.said("status", "restore", "acme/tiny@1", "--reason", "it was clean")
    assert restored["replaced"] == yanked["statement"]
    assert place.verify("--registry", place.registry.url).exit_code == 0
    by = place.said(
        "status", "supersede", "acme/tiny@1", "--by", "2", "--reason", "see 2", "--details", "x\ny"
    )
    assert by["payload"]["predicate"]["details"] == "x\ny"
    assert place.status()["superseded_by"]["version"] == "2"
    place.said("status", "deprecate", "acme/tiny@1", "--reason", "old")
    assert place.status()["state"] == "deprecated"


def test_what_cannot_be_said_of_a_release(place: Place) -> None:
    stranger = place.run("status", "yank", "acme/tiny@2", "--reason", "I say so", key="other")
    assert stranger.exit_code == 1
    assert "is not yours" in stranger.stderr
    unknown = place.run("status", "yank", "acme/tiny@9", "--reason", "x")
    assert (unknown.exit_code, "does not know acme/tiny@9" in unknown.stderr) == (2, True)
    assert place.run("status", "yank", "acme/tiny", "--reason", "x").exit_code == 2
    assert place.run("status", "yank", "acme/tiny@2").exit_code == 2
    lines = place.run("status", "yank", "acme/tiny@2", "--reason", "one\ntwo")
    assert (lines.exit_code, "reason" in lines.stderr) == (2, True)
    nothing = place.run("status", "restore", "acme/tiny@2", "--reason", "x")
    assert (nothing.exit_code, "nothing can be restored" in nothing.stderr) == (2, True)
    itself = place.run("status", "supersede", "acme/tiny@2", "--by", "2", "--reason", "x")
    assert (itself.exit_code, "supersede itself" in itself.stderr) == (1, True)


def test_a_warning_is_said_revised_and_not_said_twice(place: Place) -> None:
    content = {"id": "W-1", "severity": "high", "summary": "it bites", "propagates": ["merge"]}
    first = place.attested("acme/tiny@2", "advisory", content)
    assert (first["introduced"], first["replaced"]) == (True, None)
    assert first["payload"]["predicate"]["subject_kind"] == "release"
    again = place.attested("acme/tiny@2", "advisory", content)
    assert (again["already"], again["introduced"], again["index"]) == (True, False, first["index"])
    second = place.attested("acme/tiny@2", "advisory", content | {"severity": "low"})
    assert second["replaced"] == first["statement"]
    other = place.attested("acme/tiny@2", "advisory", content | {"id": "W-2"}, key="owner")
    assert other["replaced"] is None
    stale = place.attest(
        "acme/tiny@2", "advisory", content | {"severity": "none"}, "--previous", first["statement"]
    )
    assert (stale.exit_code, f"--previous {second['statement']}" in stale.stderr) == (1, True)
    told = place.run(
        "attest", "acme/tiny@2", "--type", "advisory", "--predicate", place.folder / "advisory.json"
    )
    assert "it bites" not in told.stderr


def test_faults_of_a_predicate_are_named(place: Place) -> None:
    for content, words in (
        ({"id": "W-3", "severity": "awful", "summary": "x"}, "severity"),
        ({"id": "W 3", "severity": "low", "summary": "x"}, "id: is not 1 to 128"),
        ({"id": "W-3", "severity": "low", "summary": "x", "fixed": 1}, "fixed: there is no such member"),
        ({"id": "W-3", "severity": "low"}, "summary: is missing"),
        ({"logs": ["x"]}, "logs cannot be given there"),
        ([1], "does not hold the members"),
    ):
        done = place.attest("acme/tiny@2", "advisory", content)
        assert (done.exit_code, words in done.stderr) == (2, True), done.stderr
    bomb = write(place.folder / "bomb.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    done = place.run("attest", "acme/tiny@2", "--type", "advisory", "--predicate", bomb)
    assert done.exit_code == 2
    missing = place.run(
        "attest", "acme/tiny@2", "--type", "advisory", "--predicate", place.folder / "no.yaml"
    )
    assert (missing.exit_code, "can't read" in missing.stderr) == (2, True)
    assert place.attest("acme/tiny@2", "rumour", {}).exit_code == 2
    assert place.attest("nothing/here", "advisory", {}).exit_code == 2


def test_a_data_set_is_weighed_and_described(place: Place) -> None:
    data = place.folder / "corpus"
    write(data / "a" / "train.txt", "hello")
    write(data / "README.md", "not covered")
    said = place.attested(
        data,
        "dataset",
        {"name": "org/corpus", "namespace": "acme", "license": {"spdx": "CC0-1.0"}},
        key="owner",
    )
    digest = weighing.weigh(data).model_digest
    assert said["subjects"][0]["sha256"] == digest
    [told] = place.registry.get(f"/api/v1/datasets/{digest}")["descriptions"]
    assert [file["path"] for file in told["dataset"]["files"]] == ["a/train.txt"]
    gone = {"name": "org/corpus", "namespace": "acme", "withdrawn": {"reason": "no consent"}}
    assert place.attested(data, "dataset", gone, key="owner")["replaced"] == said["statement"]
    croissant = write(place.folder / "croissant.json", '{"@type": "sc:Dataset"}')
    content = {"name": "org/described", "identity": "croissant"}
    described = place.attested(croissant, "dataset", content)
    sha256 = weighing.weigh(croissant).files[0].sha256
    assert described["subjects"][0]["sha256"] == sha256
    assert described["payload"]["predicate"]["croissant"] == {"sha256": sha256, "size": 23}
    assert place.attest(data, "dataset", content).exit_code == 2
    forged = place.attest(data, "dataset", gone | {"withdrawn": {"reason": "mine"}}, key="other")
    assert forged.exit_code == 1


def test_names_positions_and_statements_of_others(place: Place) -> None:
    name = "Example Corp/Large 3"
    fields = [{"id": "energy", "left_open": "not measured"}]
    said = place.attested(name, "disclosure", {"vendor": "Example", "by_vendor": False, "fields": fields})
    assert said["subjects"] == [{"name": name, "sha256": abstract_subject("disclosure", name)}]
    assert (
        place.attest("other", "disclosure", {"name": name, "vendor": "x", "by_vendor": False}).exit_code == 2
    )
    edge = {"edge": {"parent": f"sha256:{'5' * 64}"}, "stance": "acknowledges", "basis": "recomputed"}
    said = place.attested("acme/tiny@2", "position", edge)
    model = place.registry.get("/api/v1/models/acme/tiny/2")["model_digest"]
    assert said["payload"]["predicate"]["edge"]["child"] == model
    dispute = {"stance": "disputes", "basis": "knowledge", "reason": "this is ours"}
    assert place.attested("acme/tiny@2", "position", dispute)["kind"] == "position"
    slsa = {"buildDefinition": {}, "runDetails": {}}
    said = place.attested(place.folder / "two", "https://slsa.dev/provenance/v1", slsa)
    assert f"sha256:{said['subjects'][0]['sha256']}" == model
    assert place.attest("5" * 64, "https://example.org/x/v1", {}).exit_code == 2


def test_a_scanners_report_becomes_a_test_result(place: Place) -> None:
    report = write(
        place.folder / "scan.txt",
        "/m/model.bin: dangerous import 'posix system' FOUND\n"
        "----------- SCAN SUMMARY -----------\nScanned files: 3\nInfected files: 1\nDangerous globals: 1\n",
    )
    said = place.said("attest", place.folder / "two", "--type", "scan", "--predicate", report, key="other")
    predicate = said["payload"]["predicate"]
    assert (predicate["result"], predicate["failedTests"]) == (
        "FAILED",
        ["/m/model.bin: dangerous import posix system"],
    )
    statements = place.registry.get("/api/v1/models/acme/tiny/2")["statements"]
    assert "Test result, failed, about 1 digest" in [one["summary"] for one in statements]


def test_what_was_signed_while_the_registry_was_away_is_sent_when_it_is_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"id": "W-9", "severity": "low", "summary": "kept"}

    def away(*_: Any, **__: Any) -> Any:
        raise UnavailableError("nobody answers")

    with monkeypatch.context() as gone:
        gone.setattr(RegistryClient, "submit", away)
        done = place.attest("acme/tiny@2", "advisory", content)
        assert (done.exit_code, "what was signed is saved" in done.stderr) == (3, True)
    [kept] = (place.folder / "config" / "pending").iterdir()
    again = place.attest("acme/tiny@2", "advisory", content)
    assert again.exit_code == 0, again.stderr
    assert "taking up what was signed before" in again.stderr
    assert not kept.exists()
