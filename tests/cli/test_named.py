# SPDX-License-Identifier: Apache-2.0
"""Closed models and services by their names: said, asked for, listed where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import Outcome, weighbridge_here
from tests.models import tiny_model
from tests.registries import registry_here
from tests.reports import check

DISCLOSED = """
vendor: Example Corp
by_vendor: {by_vendor}
fields:
  - {{id: training_data, answer: "First line.\\nSecond line."}}
  - {{id: energy, left_open: not measured}}
"""
SERVED = """
operator: Hosting
since: 2026-06-01T00:00:00Z
models: [{{release: {release}, name: fast}}]
"""


@dataclass
class Place:
    """A registry with `acme/tiny@1`, its publisher's key and a stranger's."""

    folder: Path
    url: str

    def run(self, *words: str | Path) -> Outcome:
        return weighbridge_here(*words, "--registry", self.url)

    def say(self, name: str, kind: str, text: str, by: str = "stranger") -> Outcome:
        file = self.folder / "said.yaml"
        file.write_text(text)
        key = ("--key", self.folder / f"{by}.pem")
        return self.run("attest", name, "--type", kind, "--predicate", file, *key)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("named")
    with pytest.MonkeyPatch.context() as patch, registry_here(folder / "r") as registry:
        patch.setenv("WEIGHBRIDGE_CONFIG_DIR", str(folder / "config"))
        patch.delenv("CI", raising=False)
        found = Place(folder, registry.url)
        for name in ("owner", "stranger"):
            made = weighbridge_here("key", "new", folder / f"{name}.pem", "--no-passphrase")
            assert made.exit_code == 0, made.stderr
        done = found.run("publish", tiny_model(folder / "m"), "acme/tiny@1", "--key", folder / "owner.pem")
        assert done.exit_code == 0, done.stderr
        for name, claims in (("owner", "true"), ("stranger", "true")):
            told = found.say("Example Corp/Large 3", "disclosure", DISCLOSED.format(by_vendor=claims), name)
            assert told.exit_code == 0, told.stderr
        yield found


def test_a_closed_model_is_found_by_its_exact_name(place: Place) -> None:
    done = place.run("identify", "--name", "Example Corp/Large 3")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("who says to be the vendor") == 2
    assert "2 parties say that they are the vendor; a registry cannot tell which of them is" in done.stdout
    assert "[1] First line. Second line." in done.stdout, "one line, whatever the answer holds"
    assert "[2] left open: not measured" in done.stdout
    assert "points stated, 1 left open (weighbridge-disclosure/" in done.stdout
    assert "a registry does not know who the vendor is" in done.stderr
    report = place.run("identify", "--name", "Example Corp/Large 3", "--json").json()
    check("IdentifyNameReport", report)
    assert (report["known"], report["services"]) == (True, [])
    other = place.run("identify", "--name", "example corp/large 3")
    assert (other.exit_code, "letter by letter" in other.stderr) == (1, True)
    check("IdentifyNameReport", place.run("identify", "--name", "nobody", "--json").json())


@pytest.mark.parametrize("words", [(), ("somewhere", "--name", "x")])
def test_one_thing_is_asked_for(place: Place, words: tuple[str, ...]) -> None:
    done = place.run("identify", *words)
    assert (done.exit_code, "Give a PATH, a DIGEST, or --name NAME." in done.stderr) == (2, True)


def test_a_service_names_a_release_by_its_name_and_is_listed_there(place: Place) -> None:
    for by in ("owner", "stranger"):
        done = place.say(f"{by}.example/v1", "deployment", SERVED.format(release="acme/tiny@1"), by)
        assert done.exit_code == 0, done.stderr
    shown = place.run("lineage", "show", "acme/tiny@1")
    assert shown.stdout.index("owner.example/v1") < shown.stdout.index("stranger.example/v1")
    assert ", its owner\n    asked for as: fast" in shown.stdout
    assert ", a third party\n" in shown.stdout
    check("LineageShowReport", place.run("lineage", "show", "acme/tiny@1", "--json").json())
    reached = place.run("lineage", "impact", "acme/tiny@1")
    assert "acme/tiny@1 is served at stranger.example/v1 since 2026-06-01" in reached.stdout
    check("LineageImpactReport", place.run("lineage", "impact", "acme/tiny@1", "--json").json())
    named = place.run("identify", "--name", "stranger.example/v1")
    assert "said that stranger.example/v1 serves 1 model" in named.stdout


def test_a_service_of_a_release_that_nobody_recorded(place: Place) -> None:
    done = place.say("x.example", "deployment", SERVED.format(release="acme/other@1"))
    assert done.exit_code != 0
    assert "acme/other@1" in done.stderr
    odd = place.say("x.example", "deployment", SERVED.format(release="nonsense"))
    assert odd.exit_code == 2, odd.stderr
