# SPDX-License-Identifier: Apache-2.0
"""Who may publish: a stolen key is removed, a colleague added, and what an operator may and may not do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import models
from tests.commands import Outcome, weighbridge_here
from tests.registries import Registry, registry_here
from tests.reports import check
from weighbridge import keys
from weighbridge_registry.fsck import fsck


@dataclass
class Town:
    """A registry, and people with keys."""

    registry: Registry
    folder: Path
    people: dict[str, Path] = field(default_factory=dict)

    def key(self, name: str) -> Path:
        """Return somebody's private key; the public one lies beside it."""
        if name not in self.people:
            self.people[name] = self.folder / f"{name}.pem"
            made = weighbridge_here("key", "new", self.people[name], "--no-passphrase")
            assert made.exit_code == 0, made.stderr
        return self.people[name]

    def public(self, name: str) -> Path:
        path = self.folder / f"{name}.pub"
        path.write_bytes(keys.public_pem(keys.load_private_key(self.key(name)).public_key()))
        return path

    def publish(self, name: str, release: str, model: str | None = None) -> Outcome:
        path = models.tiny_model(self.folder / (model or release.replace("/", "-")))
        place = ("--registry", self.registry.url, "--key", self.key(name))
        return weighbridge_here("publish", path, release, *place)

    def owners(self, verb: str, name: str, other: str) -> Outcome:
        """Add or remove another as an owner of acme, signed by `name`."""
        place = ("--registry", self.registry.url, "--key", self.key(name), "--no-confirm", "--json")
        return weighbridge_here(
            "namespace", f"{verb}-owner", "acme", "--owner-key", self.public(other), *place
        )

    def operator(self, *arguments: str | Path) -> Outcome:
        place = ("--data", self.registry.data, "--registry", self.registry.url)
        return weighbridge_here("log", *arguments, *place)

    def verify(self, release: str, *more: str) -> Outcome:
        path = self.folder / release.replace("/", "-")
        return weighbridge_here("verify", path, "--release", release, "--json", *more)

    def namespace(self) -> Any:
        return self.registry.get("/api/v1/namespaces/acme")


@pytest.fixture
def town(tmp_path: Path, config_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    assert config_folder is not None
    monkeypatch.delenv("CI", raising=False)
    with registry_here(tmp_path / "r") as one:
        yield Town(one, tmp_path)


def ok(outcome: Outcome) -> Outcome:
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
    return outcome


def test_a_stolen_key_is_taken_out_and_can_publish_no_more(town: Town) -> None:
    ok(town.publish("ann", "acme/tiny@1"))
    added = ok(town.owners("add", "ann", "ben")).json()
    assert len(added["owners"]) == 2
    again = town.owners("add", "ann", "ben")
    assert (again.exit_code, "nothing to change" in again.stdout) == (2, True)
    ok(town.publish("ben", "acme/tiny@2"))
    stranger = town.owners("add", "eve", "eve")
    assert (stranger.exit_code, "not yours" in stranger.stdout) == (1, True)

    removed = ok(town.owners("remove", "ben", "ann")).json()
    assert len(removed["owners"]) == 1
    thief = town.publish("ann", "acme/tiny@3")
    assert (thief.exit_code, "not yours" in thief.stderr) == (1, True)
    last = town.owners("remove", "ben", "ben")
    assert (last.exit_code, "without an owner" in last.stdout) == (2, True)
    assert ok(town.verify("acme/tiny@1")).json()["verdict"] == "verified", "judged by the owners of its time"
    history = town.namespace()["history"]
    assert [(len(one["added"]), len(one["removed"])) for one in history] == [(0, 1), (1, 0), (1, 0)]


def test_a_namespace_is_given_to_others_and_old_clients_refuse_them(town: Town) -> None:
    """Ann lost all her keys. The operator gives the name to Ben; who knew Ann must decide for themselves."""
    ok(town.publish("ann", "acme/tiny@1"))
    ok(town.verify("acme/tiny@1"))
    told = ok(
        town.operator(
            "reassign", "acme", "--owner-key", town.public("ben"), "--reason", "lost_keys", "--yes", "--json"
        )
    ).json()
    check("ReassignReport", told)
    assert told["epoch"] == 2
    assert town.publish("ann", "acme/tiny@2").exit_code == 1
    ok(town.publish("ben", "acme/tiny@3"))

    refused = town.verify("acme/tiny@3")
    assert refused.exit_code == 1, refused.stdout
    assert "given to other owners by the operator" in refused.stdout
    assert "--accept-owners" in refused.stdout
    accepted = ok(town.verify("acme/tiny@3", "--accept-owners"))
    assert f"at entry {told['index']}" in accepted.stdout, "it is said all the same"
    ok(town.verify("acme/tiny@3"))
    ok(town.verify("acme/tiny@1"))

    document = town.namespace()
    assert (document["epoch"], document["history"][0]["by_operator"]) == (2, True)
    page = weighbridge_here("namespace", "show", "acme", "--registry", town.registry.url)
    assert "given to other owners by the operator: epoch 2 begins" in page.stdout
    check("OwnersReport", ok(town.owners("add", "ben", "cem")).json())
    assert len(town.namespace()["owners"]) == 2
    assert fsck(town.registry.data, public_sigstore=False).ok


def test_a_record_without_the_genesis_does_not_prove_who_reassigned(town: Town) -> None:
    ok(town.publish("ann", "acme/tiny@1"))
    ok(town.operator("reassign", "acme", "--owner-key", town.public("ben"), "--reason", "lost_keys", "--yes"))
    ok(town.publish("ben", "acme/tiny@2"))
    record = town.folder / "acme-tiny@2" / "provenance.jsonl"
    lines = record.read_text().splitlines()
    record.write_text(
        "".join(f"{line}\n" for line in lines if '"index 0' not in line and "index 0\\n" not in line)
    )
    assert len(record.read_text().splitlines()) == len(lines) - 1
    refused = town.verify("acme/tiny@2", "--accept-owners")
    assert refused.exit_code == 1, refused.stdout
    assert "entry 0" in refused.stdout


def test_on_a_restricted_log_the_operator_allows_each_claim(tmp_path: Path, config_folder: Path) -> None:
    assert config_folder is not None
    with registry_here(tmp_path / "r", admission="restricted") as one:
        town = Town(one, tmp_path)
        assert one.get("/api/v1/log")["admission"] == "restricted"
        refused = town.publish("ann", "acme/tiny@1")
        assert (refused.exit_code, "not allowed" in refused.stderr) == (1, True)
        told = ok(town.operator("allow", "acme", "--owner-key", town.public("ann"), "--json")).json()
        check("AllowReport", told)
        assert told["grants"] == 1
        assert town.publish("ben", "acme/tiny@1", "other").exit_code == 1
        ok(town.publish("ann", "acme/tiny@1"))
        taken = ok(town.operator("allow", "acme", "--remove", "--json")).json()
        assert taken["grants"] == 0
