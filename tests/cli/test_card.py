# SPDX-License-Identifier: Apache-2.0
"""`weighbridge card`: from a model's files to a signed revision that everybody can compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
import yaml

from tests.commands import Outcome, weighbridge_here
from tests.models import README, tiny_model, write
from tests.registries import Registry, registry_here
from tests.reports import check
from weighbridge import keys
from weighbridge.cards import FORMATS
from weighbridge.client import RegistryClient
from weighbridge_cli.commands.card import FORMATS as OFFERED


@dataclass
class Desk:
    """A publisher with a recorded release, a registry, and the model's folder."""

    folder: Path
    registry: Registry

    def run(self, *arguments: str | Path) -> Outcome:
        """Run a card command with the registry and the key where they are needed."""
        config = {
            "WEIGHBRIDGE_CONFIG_DIR": str(self.folder / "config"),
            "WEIGHBRIDGE_REGISTRY": self.registry.url,
        }
        return weighbridge_here(*arguments, **config)

    def file(self, name: str, text: str) -> Path:
        """Write a card file."""
        return write(self.folder / name, text)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    model = tiny_model(folder / "m")
    write(
        model / "adapter_config.json",
        '{"base_model_name_or_path": "example/tiny-base", "revision": "v2", "r": 4}',
    )
    write(model / ".eval_results/x.yaml", "- {dataset: {id: a/b, task_id: t}, value: 1, verifyToken: z}\n")
    keys.write_private_key(folder / "k.pem", keys.generate_private_key(), None)
    keys.write_private_key(folder / "stranger.pem", keys.generate_private_key(), None)
    with registry_here(folder / "registry") as registry:
        one = Desk(folder, registry)
        done = one.run("publish", model, "acme/tiny@1", "--key", folder / "k.pem")
        assert done.exit_code == 0, done.stderr
        yield one


def revise(desk: Desk, file: Path, *options: str | Path, release: str = "acme/tiny@1") -> Outcome:
    return desk.run("card", "revise", release, file, "--key", desk.folder / "k.pem", *options)


def test_publish_takes_what_lies_beside_the_readme(desk: Desk) -> None:
    document = RegistryClient(desk.registry.url).release("acme", "tiny", "1")
    assert document
    assert document.card
    assert document.card.evaluations[-1].benchmark_task == "t"
    assert document.card.imported
    assert any("verifyToken" in note for note in document.card.imported.not_understood)
    assert document.lineage
    assert [(edge.name, edge.relation) for edge in document.lineage.parents] == [
        ("example/tiny-base", "adapter")
    ]


def test_init_writes_a_form_that_check_takes(desk: Desk) -> None:
    model, form = desk.folder / "m", desk.folder / "m.card.yaml"
    before = sorted(model.rglob("*"))
    done = desk.run("card", "init", model, "--json")
    check("CardInitReport", done.json())
    assert (done.json()["file"], sorted(model.rglob("*"))) == (str(form), before)
    again = desk.run("card", "init", model)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert desk.run("card", "init", model, "--force").exit_code == 0
    checked = desk.run("card", "check", form, "--model", model, "--json")
    check("CardCheckReport", checked.json())
    assert checked.exit_code == 0, checked.stdout
    seen = {one["name"]: one["basis"] for one in checked.json()["openness"]["components"]}
    assert (seen["model_parameters_final"], seen["data_card"]) == ("evidence seen", "not said")
    assert checked.json()["card"]["description"]["architecture"] == "TinyModel"


def test_check_names_class_missing_components_and_how_to_fix_them(desk: Desk) -> None:
    done = desk.run("card", "check", desk.folder / "m")
    assert done.exit_code == 0
    for words in (
        "Openness: unclassified",
        "mof-1.1/2026-11 spdx-",
        "· Data card: not said",
        "→ describe the training data",
        "6 components missing for class III",
        "? code: not said",
    ):
        assert words in done.stdout, words
    assert "verifyToken" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("licenses: {distribution: {spdx: NOSUCH-1.0}}", "SPDX does not know the licence NOSUCH-1.0"),
        ("licenses: {code: {spdx: MIT AND}}", "SPDX does not know the licence MIT AND"),
        (
            f"components: [{{name: model_parameters_final, present: true, digest: 'sha256:{'7' * 64}'}}]",
            "its digest is of nothing in this release",
        ),
        (
            "components: [{name: training_code, present: true, location: train.py}]",
            "there is no file train.py",
        ),
    ],
)
def test_check_refuses_what_is_wrong_about_this_model(desk: Desk, text: str, words: str) -> None:
    done = desk.run("card", "check", desk.file("wrong.yaml", text), "--model", desk.folder / "m", "--json")
    assert done.exit_code == 1
    check("CardCheckReport", done.json())
    assert any(words in problem for problem in done.json()["problems"])


def test_check_takes_the_right_digest_of_the_weights(desk: Desk) -> None:
    sha256 = hashlib.sha256((desk.folder / "m/model.safetensors").read_bytes()).hexdigest()
    text = f"components: [{{name: model_parameters_final, present: true, digest: 'sha256:{sha256}'}}]"
    done = desk.run("card", "check", desk.file("right.yaml", text), "--model", desk.folder / "m", "--json")
    assert (done.exit_code, done.json()["problems"]) == (0, [])


@pytest.mark.parametrize("what", ["nothing", "a/b@", "m/nothing.yaml"])
def test_what_is_not_there_is_exit_code_2(desk: Desk, what: str) -> None:
    done = desk.run("card", "check", what, "--json")
    assert done.exit_code == 2
    check("ErrorReport", done.json())


def test_a_revision_is_signed_recorded_and_compared(desk: Desk) -> None:
    open_ = "licenses: {distribution: {spdx: OpenMDW-1.0}}\nidentity: {title: Tiny}\n"
    first = desk.file("first.yaml", open_)
    dry = revise(desk, first, "--dry-run", "--json")
    check("CardReviseReport", dry.json())
    assert dry.json()["statement_json"]["predicate"]["previous"] is None
    assert dry.json()["index"] is None

    done = revise(desk, first, "--json")
    check("CardReviseReport", done.json())
    assert done.exit_code == 0, done.stderr
    assert (done.json()["previous"], done.json()["already"]) == (None, False)
    again = revise(desk, first, "--json").json()
    assert (again["already"], again["index"]) == (True, None)
    second = revise(desk, desk.file("second.yaml", open_.replace("Tiny", "Tiny two")), "--json").json()
    assert second["previous"] == done.json()["statement"]

    shown = desk.run("card", "show", "acme/tiny@1", "--json").json()
    check("CardShowReport", shown)
    assert shown["card"]["identity"] == {"title": "Tiny two"}
    assert shown["card_statement"] == {"kind": "card", "sha256": second["statement"].removeprefix("sha256:")}
    assert shown["card"]["readme"]["sha256"] == hashlib.sha256(README.encode()).hexdigest(), (
        "the binding is kept"
    )
    assert "title: Tiny two" in desk.run("card", "show", "acme/tiny@1").stdout

    last = desk.run("card", "diff", "acme/tiny@1", "--json").json()
    check("CardDiffReport", last)
    assert last["changes"] == [{"path": "identity.title", "old": "Tiny", "new": "Tiny two"}]
    assert (last["first"], last["second"]) == ("acme/tiny@1#1", "acme/tiny@1#2")
    all_ = desk.run("card", "diff", "acme/tiny@1#0", "acme/tiny@1").stdout
    assert 'licenses.distribution.spdx\n  - "Apache-2.0"\n  + "OpenMDW-1.0"' in all_
    same = desk.run("card", "diff", first, "acme/tiny@1#1", "--json").json()
    assert [one["path"].partition(".")[0] for one in same["changes"]] == ["readme", "readme"]
    assert desk.run("card", "diff", "acme/tiny@1#9", first).exit_code == 2
    assert desk.run("verify", desk.folder / "m", "--release", "acme/tiny@1").exit_code == 0


def test_a_readme_is_a_revision_too_and_is_uploaded(desk: Desk) -> None:
    text = README.replace("# Tiny", "# Tiny, revised")
    done = revise(desk, desk.file("README.md", text), "--json")
    assert done.exit_code == 0, done.stderr
    document = RegistryClient(desk.registry.url).release("acme", "tiny", "1")
    assert document
    assert document.readme
    assert document.readme.endswith(hashlib.sha256(text.encode()).hexdigest())


def test_a_stranger_revises_nothing(desk: Desk) -> None:
    file = desk.file("theirs.yaml", "identity: {title: Mine now}")
    done = desk.run("card", "revise", "acme/tiny@1", file, "--key", desk.folder / "stranger.pem")
    assert done.exit_code == 1
    assert "the namespace acme is not yours" in done.stderr
    unknown = revise(desk, file, release="acme/other@1")
    assert (unknown.exit_code, "has no release acme/other@1" in unknown.stderr) == (2, True)


def test_a_card_of_another_model_is_recorded_with_a_warning(desk: Desk) -> None:
    text = f"components: [{{name: model_parameters_final, present: true, digest: 'sha256:{'7' * 64}'}}]"
    done = revise(desk, desk.file("other.yaml", text), "--dry-run", "--json")
    assert "its digest is of nothing in this release" in " ".join(done.json()["warnings"])


@pytest.mark.parametrize("name", FORMATS)
def test_export(desk: Desk, name: str) -> None:
    done = desk.run("card", "export", "acme/tiny@1#0", "--format", name, "--json")
    check("CardExportReport", done.json())
    plain = desk.run("card", "export", "acme/tiny@1#0", "--format", name)
    assert "the word of http" in plain.stderr
    assert plain.stdout == done.json()["text"]
    if name == "spdx-3.0.1":
        (model,) = (one for one in json.loads(plain.stdout)["@graph"] if one["type"] == "ai_AIPackage")
        assert (model["name"], model["software_packageVersion"]) == ("tiny", "1")
    elif name == "prov-json":
        assert {one["prov:label"] for one in json.loads(plain.stdout)["agent"].values()} >= {"acme"}
    elif name.startswith("cyclonedx"):
        assert json.loads(plain.stdout)["metadata"]["component"]["group"] == "acme"
    elif name.startswith("eu-"):
        assert "acme/tiny@1" in plain.stdout
        assert name.endswith("-json") == plain.stdout.startswith("{")
    else:
        assert list(yaml.safe_load_all(plain.stdout))
    target = desk.folder / f"out.{name}"
    written = desk.run("card", "export", desk.folder / "m", "--format", name, "--output", target)
    assert (written.exit_code, written.stdout, bool(target.read_text())) == (0, "", True)


@pytest.mark.parametrize("name", ["spdx-3.0.1", "prov-json"])
def test_the_record_beside_a_model_is_enough_for_an_export(desk: Desk, name: str) -> None:
    asked = desk.run("card", "export", "acme/tiny@1#0", "--format", name)
    record = desk.folder / "m/provenance.jsonl"
    offline = weighbridge_here(
        "card", "export", "acme/tiny@1#0", "--format", name, "--record", record, WEIGHBRIDGE_REGISTRY=""
    )
    assert offline.exit_code == 0, offline.stderr
    assert f"Nothing in {record} was checked" in offline.stderr
    assert offline.stdout == asked.stdout, "the key that the record introduces signed it, so it is named, too"
    address = f"{desk.registry.url}/api/v1/models/acme/tiny/1/exports/{name}"
    served = urllib3.request("GET", address, timeout=30, retries=False)
    latest = desk.run("card", "export", "acme/tiny@1", "--format", name)
    assert served.data.decode() == latest.stdout
    assert "attachment" in served.headers["Content-Disposition"]
    assert json.loads(served.headers["Weighbridge-Left-Out"])[0] in latest.stderr
    wrong = desk.run("card", "export", desk.folder / "m", "--format", name, "--record", record)
    assert (wrong.exit_code, "is no release" in wrong.stderr) == (2, True)
    other = desk.run("card", "export", "acme/other@1", "--format", name, "--record", record)
    assert (other.exit_code, "does not hold that release" in other.stderr) == (1, True)


def test_the_formats_that_are_offered_are_those_of_the_library() -> None:
    assert tuple(FORMATS) == OFFERED


def test_publish_takes_a_card_file_and_binds_the_readme(desk: Desk) -> None:
    model = tiny_model(desk.folder / "second", seed=3)
    file = desk.file("whole.yaml", "identity: {title: From a file}\nlicenses: {distribution: {spdx: MIT}}\n")
    done = desk.run("publish", model, "acme/second@1", "--key", desk.folder / "k.pem", "--card", file)
    assert done.exit_code == 0, done.stderr
    document = RegistryClient(desk.registry.url).release("acme", "second", "1")
    assert document
    assert document.card
    assert document.card.identity
    assert (document.card.identity.title, document.card.evaluations) == ("From a file", ())
    assert document.readme, "README.md is bound and attached all the same"
    wrong = desk.file("bad.yaml", "identity: {titel: x}")
    refused = desk.run("publish", model, "acme/second@2", "--key", desk.folder / "k.pem", "--card", wrong)
    assert (refused.exit_code, "identity.titel" in refused.stderr) == (2, True)
