# SPDX-License-Identifier: Apache-2.0
"""An operator takes statements and files down, and everybody else checks that this is all they did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests import models
from tests.commands import Outcome, weighbridge_here
from tests.registries import Registry, registry_here
from tests.reports import check
from weighbridge import tlog
from weighbridge.client import RegistryClient
from weighbridge.errors import LogError, WithheldError
from weighbridge.withholding import prove
from weighbridge_registry.fsck import fsck


@dataclass
class Place:
    """A registry that runs, with `acme/tiny@1` published from `model`, and its operator's data folder."""

    registry: Registry
    model: Path
    key: Path

    def run(self, *arguments: str | Path) -> Outcome:
        return weighbridge_here(*arguments)

    def decide(self, *arguments: str | Path) -> Outcome:
        """Run a command of the operator, who sits at the data folder of the running registry."""
        return self.run("log", *arguments, "--data", self.registry.data, "--registry", self.registry.url)

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("GET", self.registry.url + path, headers=headers, retries=False, timeout=30)

    def bundle(self, index: int) -> str:
        """Return the SHA-256 of an entry's bundle, as its leaf in the log says."""
        size = tlog.parse_checkpoint_text(tlog.split_note(self.get("/checkpoint").data)[0]).size
        data = self.get(f"/{tlog.entries_path(0, size)}").data
        leaf = json.loads(tlog.parse_entry_bundle(data, size)[index])
        return str(leaf["bundle"]).removeprefix("sha256:")


RELEASE = 4
"""Entries: 0 genesis, 1 key, 2 claim, 3 manifest, 4 release."""


@pytest.fixture
def place(tmp_path: Path, config_folder: Path) -> Iterator[Place]:
    assert config_folder is not None
    with registry_here(tmp_path / "r") as one:
        found = Place(one, models.tiny_model(tmp_path / "m"), tmp_path / "k.pem")
        assert found.run("key", "new", found.key, "--no-passphrase").exit_code == 0
        publish(found, "acme/tiny@1")
        yield found


def publish(place: Place, release: str, *more: str | Path) -> Outcome:
    options = ("--registry", place.registry.url, "--key", place.key)
    done = place.run("publish", place.model, release, *options, *more)
    assert done.exit_code == 0, done.stderr
    return done


def take_down(place: Place, sha256: str, *more: str) -> Any:
    done = place.decide("takedown", sha256, "--reason", "court_order", "--yes", "--json", *more)
    assert done.exit_code == 0, done.stderr
    check("TakedownReport", done.json())
    return done.json()


def test_a_release_is_withheld_and_the_refusal_proves_itself(place: Place) -> None:
    sha256 = place.bundle(RELEASE)
    before = place.get(f"/bundles/{sha256}")
    assert before.status == 200
    told = take_down(place, sha256, "--jurisdiction", "DE-BY", "--reference", "7 O 12/26")
    assert (told["entry"], told["index"], told["deleted"]) == (RELEASE, 5, True)

    answer = place.get(f"/bundles/{sha256}")
    assert answer.status == 451
    assert answer.headers["Link"] == '</log>; rel="blocked-by"'
    problem = answer.json()
    assert problem["type"] == "https://weighbridge/problems/withheld"
    assert problem["withheld"]["reason"] == "court_order"
    assert problem["withheld"]["reference"] == "7 O 12/26"
    facts = problem["withheld"]["facts"]
    assert any(name.startswith("version/acme/tiny/1") for name in facts)

    client = RegistryClient(place.registry.url)
    with pytest.raises(WithheldError) as refused:
        client.bundle(sha256)
    verifier = tlog.Verifier.from_vkey(place.registry.vkey)
    proved = prove(refused.value.withheld, "bundle", sha256, [verifier])
    assert (proved.index, proved.decision.reason) == (5, "court_order")
    with pytest.raises(LogError, match="something else"):  # the decision about one bundle, shown for another
        prove(refused.value.withheld, "bundle", "00" * 32, [verifier])
    with pytest.raises(LogError):  # a log of the same name, with another key
        prove(refused.value.withheld, "bundle", sha256, [tlog.Signer.generate(verifier.name).verifier])

    for path in (
        f"/api/v1/entries/{RELEASE}",
        "/api/v1/models/acme/tiny/1",
        "/api/v1/models/acme/tiny/1/provenance",
        "/api/v1/models/acme/tiny/1/exports/eu-training-summary",
    ):
        assert place.get(path).status == 451, path
    assert not list(place.registry.data.glob(f"public/bundles/**/{sha256}*")), "its bytes are deleted"
    assert not (place.registry.data / "withheld" / f"{sha256}.kept").exists()


def test_people_are_told_why_and_the_record_stays(place: Place) -> None:
    take_down(place, place.bundle(RELEASE))
    page = place.get("/models/acme/tiny/1", Accept="text/html")
    assert page.status == 451
    assert page.headers["Link"] == '</log>; rel="blocked-by"'
    text = page.data.decode()
    assert "court order" in text
    assert 'href="/log/5"' in text
    assert "Withheld a signed statement (court order)" in place.get("/log", Accept="text/html").data.decode()
    assert "withheld" in place.get("/models/acme/tiny", Accept="text/html").data.decode()
    found = place.registry.get("/api/v1/models?q=tiny")
    assert found["models"] == [], "its words are found no more"
    known = place.registry.get(
        f"/api/v1/digests/{hashlib.sha256((place.model / 'config.json').read_bytes()).hexdigest()}"
    )
    assert known["matches"] == [] or all(match["path"] is None for match in known["matches"])
    receipt = place.registry.get("/api/v1/entries/5")
    assert receipt["summary"] == "Withheld a signed statement (court order)"


@pytest.mark.everywhere
def test_a_replay_goes_on_by_the_operators_word_and_says_so(place: Place) -> None:
    publish(place, "acme/tiny@2")
    untouched = fsck(place.registry.url, vkey=place.registry.vkey, public_sigstore=False)
    take_down(place, place.bundle(RELEASE))
    outside = fsck(place.registry.url, vkey=place.registry.vkey, public_sigstore=False)
    assert outside.ok, outside.to_json()
    assert (outside.withheld, outside.word_from) == (1, RELEASE)
    assert untouched.word_from is None
    inside = fsck(place.registry.data, public_sigstore=False)
    assert inside.ok, inside.to_json()
    assert inside.state_digest == outside.state_digest
    command = place.run("log", "fsck", place.registry.url)
    assert command.exit_code == 0, command.stderr
    assert f"from entry {RELEASE} on rests on its operator's word" in command.stdout


def test_who_withholds_the_facts_too_ends_every_replay(place: Place) -> None:
    """Personal data may be in the facts. Then nobody can judge what follows: unknown, never a pass."""
    take_down(place, place.bundle(RELEASE), "--withhold-facts")
    assert place.get(f"/bundles/{place.bundle(RELEASE)}").json()["withheld"]["facts"] is None
    report = fsck(place.registry.url, vkey=place.registry.vkey, public_sigstore=False)
    assert not report.ok
    assert report.undecided, report.to_json()
    command = place.run("log", "fsck", place.registry.url, "--json")
    assert command.exit_code == 3, command.stdout
    check("FsckReport", command.json())
    assert place.registry.get("/api/v1/models")["models"] == [], "not even its name is listed"
    assert fsck(place.registry.data, public_sigstore=False).ok, "the operator can still replay it"


def test_a_verdict_that_needs_what_is_withheld_is_unknown(place: Place) -> None:
    """Whoever has the record verifies as before: what is withheld here is not undone elsewhere."""
    take_down(place, place.bundle(RELEASE))
    own = place.run("verify", place.model, "--release", "acme/tiny@1", "--json")
    assert own.exit_code == 0, own.stdout
    (place.model / "provenance.jsonl").unlink()
    verdict = place.run(
        "verify", place.model, "--release", "acme/tiny@1", "--registry", place.registry.url, "--json"
    )
    assert verdict.exit_code == 3, verdict.stdout + verdict.stderr
    assert not any(step["result"] == "pass" and step["n"] in (6, 7) for step in verdict.json()["steps"])
    assert "court order" in verdict.stdout


def test_a_withheld_card_is_not_exported_as_one_that_says_nothing(place: Place, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("identity: {producer: Acme}\n")
    options = ("--registry", place.registry.url, "--key", place.key)
    assert place.run("card", "revise", "acme/tiny@1", card, *options).exit_code == 0
    path = "/api/v1/models/acme/tiny/1/exports/eu-gpai-documentation"
    assert "Acme" in place.get(path).data.decode()
    take_down(place, place.bundle(RELEASE + 1))
    assert place.get(path).status == 451


def test_an_attached_readme_is_taken_down_and_cannot_come_back(place: Place) -> None:
    data = (place.model / "README.md").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    assert place.get(f"/api/v1/blobs/{sha256}").status == 200
    take_down(place, sha256)
    answer = place.get(f"/api/v1/blobs/{sha256}")
    assert answer.status == 451
    assert answer.json()["withheld"]["target"] == "attachment"
    again = urllib3.request("PUT", f"{place.registry.url}/api/v1/blobs/{sha256}", body=data, retries=False)
    assert again.status == 451
    assert place.get("/models/acme/tiny/1", Accept="text/html").status == 200
    assert fsck(place.registry.data, public_sigstore=False).ok


def test_what_was_kept_or_is_brought_back_is_served_again(place: Place, tmp_path: Path) -> None:
    sha256 = place.bundle(RELEASE)
    data = place.get(f"/bundles/{sha256}").data
    take_down(place, sha256, "--keep")
    kept = place.registry.data / "withheld" / f"{sha256}.kept"
    assert kept.stat().st_mode & 0o077 == 0
    other = tmp_path / "other"
    other.write_bytes(data + b" ")
    refused = place.decide("restore", sha256, "--file", other)
    assert refused.exit_code == 2
    assert "other bytes" in refused.stderr
    restored = place.decide("restore", sha256, "--json")
    assert restored.exit_code == 0
    check("RestoreReport", restored.json())
    assert place.get(f"/bundles/{sha256}").data == data
    assert place.get("/models/acme/tiny/1", Accept="text/html").status == 200
    assert not kept.exists()
    assert fsck(place.registry.data, public_sigstore=False).ok
    assert fsck(place.registry.url, vkey=place.registry.vkey, public_sigstore=False).word_from is None


def test_a_false_account_of_what_was_withheld_is_caught(place: Place) -> None:
    """The operator answers 451 with facts that give the namespace to a friend."""
    sha256 = place.bundle(RELEASE)
    take_down(place, sha256)
    account = place.registry.data / "withheld" / f"{sha256}.facts.json"
    facts = json.loads(account.read_bytes())
    facts[f"bundle/{sha256}"]["namespace"] = "friend"
    account.write_text(json.dumps(facts))
    with pytest.raises(WithheldError) as refused:
        RegistryClient(place.registry.url).bundle(sha256)
    with pytest.raises(LogError, match="not what its operator committed to"):
        prove(refused.value.withheld, "bundle", sha256, [tlog.Verifier.from_vkey(place.registry.vkey)])
    report = fsck(place.registry.url, vkey=place.registry.vkey, public_sigstore=False)
    assert not report.ok
    assert not report.undecided


@pytest.mark.files
def test_only_what_is_here_and_only_for_a_reason_on_the_list(place: Place) -> None:
    sha256 = place.bundle(RELEASE)
    story = place.decide("takedown", sha256, "--reason", "the chairman asked", "--yes")
    assert (story.exit_code, "illegal_content" in story.stderr) == (2, True)
    named = place.decide("takedown", sha256, "--reason", "malware", "--reference", "by <Ada>", "--yes")
    assert (named.exit_code, "case number" in named.stderr) == (2, True)
    unknown = place.decide("takedown", "ab" * 32, "--reason", "malware", "--yes")
    assert (unknown.exit_code, "no logged bundle" in unknown.stderr) == (2, True)
    own = place.decide("takedown", place.bundle(0), "--reason", "malware", "--yes")
    assert (own.exit_code, "never withheld" in own.stderr) == (1, True)
    locked = place.run(
        "log", "takedown", sha256, "--reason", "malware", "--yes", "--data", place.registry.data
    )
    assert (locked.exit_code, "--registry" in locked.stderr) == (2, True)
    assert place.get(f"/bundles/{sha256}").status == 200


def test_without_a_running_registry_the_decision_is_written_directly(
    tmp_path: Path, config_folder: Path
) -> None:
    assert config_folder is not None
    with registry_here(tmp_path / "r") as one:
        place = Place(one, models.tiny_model(tmp_path / "m"), tmp_path / "k.pem")
        assert place.run("key", "new", place.key, "--no-passphrase").exit_code == 0
        publish(place, "acme/tiny@1")
        sha256 = place.bundle(RELEASE)
    done = place.run("log", "takedown", sha256, "--reason", "malware", "--yes", "--data", one.data)
    assert done.exit_code == 0, done.stderr
    with registry_here(tmp_path / "r") as again:
        assert Place(again, place.model, place.key).get(f"/bundles/{sha256}").status == 451


def test_the_operators_key_may_be_kept_elsewhere_once_the_log_has_begun(
    tmp_path: Path, config_folder: Path
) -> None:
    """The registry starts and takes statements without it; only decisions need it."""
    assert config_folder is not None
    with registry_here(tmp_path / "r") as one:
        assert one.get("/api/v1/log")["size"] == 1
    safe = (one.data / "keys" / "operator.pem").rename(tmp_path / "operator.pem")
    with registry_here(tmp_path / "r") as again:
        place = Place(again, models.tiny_model(tmp_path / "m"), tmp_path / "k.pem")
        assert place.run("key", "new", place.key, "--no-passphrase").exit_code == 0
        publish(place, "acme/tiny@1")
        assert not (again.data / "keys" / "operator.pem").exists(), "a new one would be nobody's"
        sha256 = place.bundle(RELEASE)
        without = place.decide("takedown", sha256, "--reason", "malware", "--yes")
        assert (without.exit_code, "--operator-key" in without.stderr) == (2, True)
        assert place.get(f"/bundles/{sha256}").status == 200
        done = place.decide("takedown", sha256, "--reason", "malware", "--yes", "--operator-key", safe)
        assert done.exit_code == 0, done.stderr
        assert place.get(f"/bundles/{sha256}").status == 451
