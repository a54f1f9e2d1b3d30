# SPDX-License-Identifier: Apache-2.0
"""Words of others under a policy: a registry that lies about whose they are, strangers who drown them out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import weighbridge_here
from tests.models import tiny_model, write
from tests.registries import Registry, registry_here
from tests.registry.publishers import Publisher
from weighbridge.client import RegistryClient
from weighbridge.memory import Memory
from weighbridge.verdict import Step
from weighbridge.verification import check
from weighbridge_registry.replicas import Replica
from weighbridge_registry.settings import Limits
from weighbridge_schemas.api import ReleaseDocument

pytestmark = pytest.mark.files  # the copy is the registry's own folder
RELEASE = "acme/tiny@1.0"
SCAN = "https://in-toto.io/attestation/test-result/v0.1"
REVIEWERS = 'advisories = { fail = "low" }\ndisputes = "fail"\n'


@dataclass
class Town:
    """A registry with a child of an unknown parent, and a reviewer who signs what a test wants."""

    folder: Path
    registry: Registry
    vkey: str
    child: str
    parent: str
    reviewer: Publisher
    key: str

    @property
    def model(self) -> Path:
        return self.folder / "tiny"

    def send(self, *bundles: bytes) -> None:
        for start in range(0, len(bundles), 32):
            answer = self.registry.post(bundles[start : start + 32])
            assert answer.status in (200, 201), answer.data

    def policy(self, rule: str = 'known_by = "registry"', reviewers: str = REVIEWERS) -> str:
        tables = "".join(
            f'[signers.{name}]\ntype = "key"\npublic_key = """\n{pem}"""\n'
            for name, pem in (("acme", self.key), ("team", self.reviewer.pem))
        )
        return (
            f'v = 1\nlogs = ["{self.vkey}"]\n{tables}[[reviewers]]\nsigners = ["team"]\n{reviewers}'
            f'[[rules]]\nreleases = ["acme/*"]\nsigners = ["acme"]\n{rule}\n'
        )

    def ask(self, source: RegistryClient | None = None, **policy: str) -> Step:
        """Step 11, by a registry's answer; by a replay if none is given."""
        common: Any = {
            "release": RELEASE,
            "policy": self.policy(**policy),
            "memory": Memory(self.folder / "nowhere", enabled=False),
        }
        if source is not None:
            return check(self.model, registry=source, **common).step(11)
        with Replica(self.registry.data, replays=self.folder / "replays", public_sigstore=False) as copy:
            return check(self.model, mirror=copy, **common).step(11)

    def advisory(
        self, by: Publisher, severity: str = "high", subject: str | None = None, id_: str = "X-1"
    ) -> bytes:
        about = (subject or self.child).removeprefix("sha256:")
        content = {"id": id_, "subject_kind": "digest", "severity": severity, "summary": "It bites."}
        return by.say("advisory", about, **content)

    def dispute(self, by: Publisher) -> bytes:
        edge = {"child": self.child, "parent": self.parent}
        return by.position(stance="disputes", edge=edge, reason="It is not.")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    own = {"WEIGHBRIDGE_CONFIG_DIR": str(tmp_path / "config")}
    limits = Limits(client_statements=0, signer_statements=0, client_questions=0)
    with registry_here(tmp_path / "r", limits=limits) as registry:
        key = tmp_path / "k.pem"
        weighbridge_here("key", "new", key, "--no-passphrase", **own)
        parent = f"sha256:{'5' * 64}"
        lineage = write(
            tmp_path / "lineage.json",
            json.dumps({"parents": [{"relation": "quantized", "digest": parent, "name": "base/x"}]}),
        )
        where = ("--registry", registry.url, "--key", key, "--lineage", lineage, "--json")
        done = weighbridge_here("publish", tiny_model(tmp_path / "tiny"), RELEASE, *where, **own)
        assert done.exit_code == 0, done.stderr
        reviewer = Publisher(registry.origin, "team", "team")
        one = Town(
            tmp_path,
            registry,
            registry.vkey,
            done.json()["model_digest"],
            parent,
            reviewer,
            key.with_suffix(".pub").read_text(),
        )
        one.send(reviewer.introduction())
        yield one


class Liar(RegistryClient):
    """A registry that answers with another release document than it has."""

    def __init__(self, url: str, lie: Callable[[ReleaseDocument], ReleaseDocument]) -> None:
        super().__init__(url)
        self._lie = lie

    def release(self, namespace: str, name: str, version: str | None = None) -> ReleaseDocument | None:
        found = super().release(namespace, name, version)
        return None if found is None else self._lie(found)


def test_a_strangers_warning_is_said_to_be_the_reviewers(town: Town) -> None:
    stranger = Publisher(town.registry.origin, "team", "elsewhere")
    town.send(stranger.introduction(), town.advisory(stranger), town.advisory(town.reviewer, "none"))

    def lie(document: ReleaseDocument) -> ReleaseDocument:
        mine, theirs = document.statements
        assert theirs.signer.id != mine.signer.id
        return document.model_copy(
            update={"statements": (mine, theirs.model_copy(update={"signer": mine.signer}))}
        )

    told = town.ask(Liar(town.registry.url, lie))
    assert told.result.value == "unknown"
    assert "cannot be checked" in told.reason
    assert town.ask().result.value == "pass"


def test_a_reviewers_warning_about_another_model_is_said_to_be_about_this_one(town: Town) -> None:
    other = "sha256:" + "7" * 64
    town.send(town.advisory(town.reviewer, subject=other, id_="X-2"), town.advisory(town.reviewer, "none"))
    (_, theirs) = town.registry.get("/api/v1/advisories")["advisories"]
    assert theirs["subject"] == other

    def lie(document: ReleaseDocument) -> ReleaseDocument:
        (mine,) = document.statements
        moved = mine.model_copy(update={"index": theirs["index"], "statement": theirs["statement"]})
        return document.model_copy(update={"statements": (moved,)})

    assert town.ask(Liar(town.registry.url, lie)).result.value == "reported"


def test_an_answer_that_points_to_another_entry_is_no_answer(town: Town) -> None:
    town.send(town.advisory(town.reviewer, "none"))

    def lie(document: ReleaseDocument) -> ReleaseDocument:
        (mine,) = document.statements
        return document.model_copy(update={"statements": (mine.model_copy(update={"index": 1}),)})

    told = town.ask(Liar(town.registry.url, lie))
    assert told.result.value == "unknown"
    assert "is not the statement that it is said to be" in told.reason


def test_an_agreement_is_said_to_be_a_re_check(town: Town) -> None:
    """The reviewer agrees by their own knowledge, and has compared nothing; or has disputed."""
    edge = {"child": town.child, "parent": town.parent}
    level = {"reviewers": "rechecks = true\n", "rule": 'known_by = "registry"\nlineage = { level = 4 }'}

    def lie(document: ReleaseDocument) -> ReleaseDocument:
        assert document.lineage is not None
        (parent,) = document.lineage.parents
        (said,) = parent.positions
        told = parent.model_copy(update={"positions": (said.model_copy(update={"stance": "rechecked"}),)})
        return document.model_copy(
            update={"lineage": document.lineage.model_copy(update={"parents": (told,)})}
        )

    town.send(town.reviewer.position(stance="acknowledges", edge=edge))
    assert town.ask(Liar(town.registry.url, lie), **level).result.value == "fail"
    previous = town.registry.get("/api/v1/models/acme/tiny/1.0")["lineage"]["parents"][0]["positions"][0]
    statement = previous["statement"].removeprefix("sha256:")
    checked = {"edge": edge, "basis": "recomputed", "reason": "I looked."}
    town.send(town.reviewer.position(statement, stance="disputes", **checked))
    assert town.ask(Liar(town.registry.url, lie), **level).result.value == "fail"
    newer = town.registry.get("/api/v1/models/acme/tiny/1.0")["lineage"]["parents"][0]["positions"][0]
    statement = newer["statement"].removeprefix("sha256:")
    town.send(town.reviewer.position(statement, stance="acknowledges", **checked))
    assert town.ask(RegistryClient(town.registry.url), **level).result.value == "reported"


def test_a_warning_that_is_kept_back_is_never_a_pass(town: Town) -> None:
    town.send(town.advisory(town.reviewer))

    def lie(document: ReleaseDocument) -> ReleaseDocument:
        return document.model_copy(update={"statements": (), "statements_total": 0})

    assert town.ask(Liar(town.registry.url, lie)).result.value == "reported"
    assert town.ask(Liar(town.registry.url, lie), rule="").result.value == "unknown"
    assert town.ask().result.value == "fail"


def test_strangers_cannot_drown_a_warning(town: Town) -> None:
    """The registry lists the newest hundred statements; a replay lists all."""
    stranger = Publisher(town.registry.origin, "noise", "noise")
    town.send(stranger.introduction(), town.advisory(town.reviewer))
    subject = [{"name": RELEASE, "digest": {"sha256": town.child.removeprefix("sha256:")}}]
    noise = [
        stranger.attest(SCAN, subject, {"result": "PASSED", "configuration": [{"name": str(n)}]})
        for n in range(101)
    ]
    town.send(*noise)
    told = town.ask(RegistryClient(town.registry.url))
    assert told.result.value == "unknown"
    assert "only 100 of 102 statements about it are listed" in told.reason
    assert "It bites." in town.ask().reason


def test_strangers_cannot_drown_a_dispute(town: Town) -> None:
    """Of strangers' positions on an edge a registry lists the oldest eight."""
    crowd = [Publisher(town.registry.origin, f"c{n}", f"c{n}") for n in range(8)]
    edge = {"child": town.child, "parent": town.parent}
    town.send(*(one.introduction() for one in crowd))
    town.send(*(one.position(stance="acknowledges", edge=edge) for one in crowd))
    town.send(town.dispute(town.reviewer))
    told = town.ask(RegistryClient(town.registry.url))
    assert told.result.value == "unknown"
    assert "not all positions on its edges are listed" in told.reason
    found = town.ask()
    assert (found.result.value, "It is not." in found.reason) == ("fail", True)


def test_a_strangers_word_does_nothing(town: Town) -> None:
    stranger = Publisher(town.registry.origin, "team", "elsewhere")
    town.send(stranger.introduction(), town.advisory(stranger, "critical"), town.dispute(stranger))
    assert town.ask().result.value == "pass"
    assert town.ask(RegistryClient(town.registry.url)).result.value == "reported"
