# SPDX-License-Identifier: Apache-2.0
"""A registry with an honestly published model, and people who verify it with the real command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import Outcome, weighbridge_here
from tests.models import tiny_model
from tests.records import Publisher
from tests.registries import Registry
from tests.registry.serving import registry_here
from weighbridge.client import RegistryClient
from weighbridge.records import format_record

RELEASE = "acme/tiny@1.0"


@dataclass(frozen=True)
class Town:
    """The honest registry, its publisher, the model as published: entries 0 to 4, then one of a neighbour."""

    registry: Registry
    vkey: str
    publisher: Publisher
    model: Path


@dataclass
class Person:
    """Somebody with a computer: a configuration folder, and the model as downloaded."""

    folder: Path
    town: Town
    remembers: bool = True

    @property
    def model(self) -> Path:
        return self.folder / "tiny"

    def run(self, *arguments: str | Path) -> Outcome:
        own = {"WEIGHBRIDGE_CONFIG_DIR": str(self.folder / "config"), "COLUMNS": "400"}
        return weighbridge_here(*arguments, **own, **({} if self.remembers else {"CI": "true"}))

    def verify(self, url: str | None, *more: str | Path) -> Verified:
        """Verify the release at an address, or with what lies beside the model alone."""
        asked = ("--registry", url) if url else ()
        given = ("verify", self.model, "--release", RELEASE, "--log-key", self.key, "--json", *asked)
        return Verified(self.run(*given, *more))

    def read_whole_log(self, url: str) -> Outcome:
        """Prove the whole log at an address with `log fsck`."""
        return self.run("log", "fsck", url, "--log-key", self.town.vkey)

    @property
    def key(self) -> Path:
        """The log's key as this person has pinned it, from a source of their own."""
        path = self.folder / "log.vkey"
        path.write_text(f"{self.town.vkey}\n")
        return path

    @property
    def evidence(self) -> list[Path]:
        """Files that prove a fork to others."""
        return sorted((self.folder / "config" / "evidence").glob("fork-*.json"))


@dataclass(frozen=True)
class Verified:
    """What the command said."""

    outcome: Outcome

    @property
    def exit_code(self) -> int:
        return self.outcome.exit_code

    def step(self, number: int) -> tuple[str, str]:
        """Result and reason of a step."""
        (found,) = [step for step in self.outcome.json()["steps"] if step["n"] == number]
        return found["result"], found["reason"]


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with registry_here(folder) as registry:
        client = RegistryClient(registry.url)
        log, publisher, neighbour = client.log(), Publisher(), Publisher()
        model = tiny_model(folder / "tiny")
        oms = publisher.oms(model)
        claim = publisher.namespace(log, "acme", [publisher])
        client.submit([publisher.introduction(log), claim, oms, publisher.release(log, model, RELEASE)])
        client.submit([neighbour.introduction(log)])
        (model / "model.sig").write_bytes(oms)
        (model / "provenance.jsonl").write_bytes(format_record(client.provenance("acme", "tiny", "1.0")))
        yield Town(registry, log.vkey, publisher, model)


@pytest.fixture
def someone(town: Town, tmp_path: Path) -> Person:
    """Give a person who has downloaded the model with its evidence."""
    return newcomer(town, tmp_path / "someone")


def newcomer(town: Town, folder: Path) -> Person:
    folder.mkdir()
    shutil.copytree(town.model, folder / "tiny")
    return Person(folder, town)
