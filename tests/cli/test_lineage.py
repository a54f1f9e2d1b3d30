# SPDX-License-Identifier: Apache-2.0
"""`lineage`: what a person finds out about a model's origin, here on the disk and from a registry."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from tests import models
from tests.commands import Outcome, weighbridge_here
from tests.registries import Registry, registry_here
from tests.reports import check
from weighbridge import bundles
from weighbridge.client import RegistryClient
from weighbridge.errors import LogError
from weighbridge.releases import ReleaseName
from weighbridge.revisions import find_history
from weighbridge.statements import parse_statement
from weighbridge.weighing import tensor_table, weigh
from weighbridge_cli.commands.lineage import RELATIONS
from weighbridge_schemas.lineage import LineageRevision, Relation
from weighbridge_schemas.position import Position

SHAPE = (240, 230)


def model(folder: Path, seed: int, change: Callable[[float], float] = lambda value: value) -> Path:
    """A model of five matrices large enough for sketches; `change` takes each value."""
    made = random.Random(seed)  # noqa: S311 - the same model in every run
    tensors = {}
    for number in range(5):
        values = [change(made.gauss(0, 1)) for _ in range(SHAPE[0] * SHAPE[1])]
        tensors[f"layer.{number}"] = ("F32", SHAPE, struct.pack(f"<{len(values)}f", *values))
    models.write(folder / "model.safetensors", models.safetensors(tensors))
    return folder


def coarse(value: float) -> float:
    return round(value * 3) / 3 + value / 1000


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("family")
    return {
        "base": model(folder / "base", 1),
        "copy": model(folder / "copy", 1),
        "coarse": model(folder / "coarse", 1, coarse),
        "stranger": model(folder / "stranger", 2),
    }


@pytest.mark.parametrize(
    ("child", "relation", "word", "code"),
    [
        ("copy", "quantized", "equal", 0),
        ("copy", "from_scratch", "contradicts", 1),
        ("coarse", "quantized", "resembles", 0),
        ("coarse", None, "resembles", 0),
        ("coarse", "from_scratch", "contradicts", 1),
        ("stranger", "finetune", "no sign", 3),
        ("stranger", "quantized", "contradicts", 1),
    ],
)
def test_check_says_what_the_weights_say(
    family: dict[str, Path], child: str, relation: str | None, word: str, code: int
) -> None:
    options = ("--relation", relation) if relation else ()
    told = weighbridge_here("lineage", "check", family[child], family["base"], *options)
    assert (told.exit_code, told.stdout.split("\n")[0].partition(" (claimed")[0]) == (code, word)
    report = weighbridge_here("lineage", "check", family[child], family["base"], *options, "--json")
    assert report.exit_code == code
    check("LineageCheckReport", report.json())
    assert report.json()["table"]["verdict"] == word
    assert report.json()["table"]["words"] in told.stdout


def test_nobody_takes_resemblance_for_proof_or_its_absence_for_innocence(family: dict[str, Path]) -> None:
    alike = weighbridge_here("lineage", "check", family["coarse"], family["base"])
    assert "never proof" in alike.stderr
    assert "does not tell who was first" in alike.stderr
    nothing = weighbridge_here("lineage", "check", family["stranger"], family["base"])
    assert "no proof of the contrary" in nothing.stderr


@pytest.mark.parametrize(
    ("child", "relation", "stance"),
    [
        ("coarse", "quantized", "acknowledges"),
        ("stranger", "quantized", "disputes"),
        ("coarse", None, "acknowledges"),
    ],
)
def test_a_finding_is_written_as_a_position_that_can_be_signed(
    family: dict[str, Path], tmp_path: Path, child: str, relation: str | None, stance: str
) -> None:
    options = ("--relation", relation) if relation else ()
    file = tmp_path / "position.json"
    told = weighbridge_here(
        "lineage", "check", family[child], family["base"], *options, "--position", file, "--json"
    )
    assert f"weighbridge attest {family[child]} --type position --predicate {file}" in told.stderr
    position = Position.model_validate(
        {**json.loads(file.read_bytes()), "logs": ["log.example/0123456789abcdef"], "previous": None}
    )
    assert (position.stance, position.basis) == (stance, "recomputed")
    assert position.edge is not None
    assert position.edge.child == told.json()["child"]["model_digest"]
    assert position.edge.relation == relation
    assert position.reason == told.json()["table"]["words"]
    tables = [hashlib.sha256(tensor_table(weigh(family[one]).tensors)) for one in (child, "base")]
    assert [each.digest for each in position.evidence] == [f"sha256:{one.hexdigest()}" for one in tables]


@pytest.mark.parametrize(
    ("child", "relation", "words"),
    [
        ("stranger", "finetune", "no position to take"),
        ("coarse", "from_scratch", "no edge between these two"),
        ("copy", "quantized", "no edge between these two"),
    ],
)
def test_where_nothing_was_found_nothing_can_be_signed(
    family: dict[str, Path], tmp_path: Path, child: str, relation: str, words: str
) -> None:
    file = tmp_path / "position.json"
    told = weighbridge_here(
        "lineage", "check", family[child], family["base"], "--relation", relation, "--position", file
    )
    assert told.exit_code == 2
    assert words in told.stderr
    assert not file.exists()


def test_weigh_compare_tells_of_resemblance_where_tensors_are_not_equal(family: dict[str, Path]) -> None:
    told = weighbridge_here("weigh", family["coarse"], "--compare", family["base"])
    assert told.exit_code == 1
    assert "resemblance: resembles" in told.stdout
    assert "5 of 5 others resemble one of its shape" in told.stdout
    document = weighbridge_here("weigh", family["coarse"], "--compare", family["base"], "--json").json()
    check("CompareReport", document)
    assert document["resemblance"]["near"] == 5
    same = weighbridge_here("weigh", family["copy"], "--compare", family["base"], "--json").json()
    assert same["resemblance"] is None


def test_weigh_lists_sketches(family: dict[str, Path]) -> None:
    listed = weighbridge_here("weigh", family["base"], "--tensors", "--json").json()
    check("WeighReport", listed)
    assert [len(each["sketch"]) for each in listed["tensors"]["list"]] == [64] * 5


def test_what_cannot_be_compared_is_exit_2_with_the_reason(family: dict[str, Path], tmp_path: Path) -> None:
    models.write(tmp_path / "plain" / "config.json", "{}")
    for other, words in ((tmp_path / "no", "no"), (tmp_path / "plain", "no tensors that can be compared")):
        told = weighbridge_here("lineage", "check", other, family["base"])
        assert told.exit_code == 2
        assert words in told.stderr
    assert (
        weighbridge_here("lineage", "check", family["base"], family["copy"], "--relation", "x").exit_code == 2
    )


def test_the_relations_are_those_of_the_statement() -> None:
    assert get_args(Relation) == RELATIONS


@dataclass
class Site:
    """A registry, a publisher, and the family."""

    registry: Registry
    folder: Path
    key: Path
    family: dict[str, Path]

    def run(self, *arguments: str | Path, key: Path | None = None) -> Outcome:
        return weighbridge_here(*arguments, "--registry", self.registry.url, "--key", key or self.key)

    def show(self, what: str, *options: str) -> Outcome:
        return weighbridge_here("lineage", "show", what, "--registry", self.registry.url, *options)

    def check(self, *arguments: str | Path) -> Outcome:
        return weighbridge_here("lineage", "check", *arguments)

    def lineage(self, text: str) -> Path:
        return models.write(self.folder / "lineage.yaml", text)

    def publish(self, name: str, title: str, lineage: str = "", card: Path | None = None) -> str:
        """Publish a member of the family; gives its model digest."""
        more: tuple[str | Path, ...] = ("--lineage", self.lineage(lineage)) if lineage else ()
        more += ("--card", card) if card is not None else ()
        told = self.run("publish", self.family[name], title, "--json", *more)
        assert told.exit_code == 0, told.stderr
        digest: str = told.json()["model_digest"]
        return digest


@pytest.fixture
def site(
    tmp_path: Path, config_folder: Path, monkeypatch: pytest.MonkeyPatch, family: dict[str, Path]
) -> Iterator[Site]:
    assert config_folder is not None
    monkeypatch.delenv("CI", raising=False)
    key = new_key(tmp_path / "key.pem")
    with registry_here(tmp_path / "r") as one:
        yield Site(one, tmp_path, key, family)


def new_key(path: Path) -> Path:
    assert weighbridge_here("key", "new", path, "--no-passphrase").exit_code == 0
    return path


def test_show_gives_parents_children_and_the_evidence_for_them(site: Site) -> None:
    digest = site.publish("base", "acme/base@1")
    pinned = f"parents:\n- relation: quantized\n  name: acme/base@1\n  digest: {digest}\n- org/elsewhere\n"
    child = site.publish("coarse", "acme/small@1", pinned)
    for what in ("acme/small@1", "acme/small", child):
        told = site.show(what)
        assert told.exit_code == 0, told.stderr
        assert told.stdout.startswith("acme/small@1, signed by ")
        assert "\n  made from acme/base@1, signed by " in told.stdout
        assert "(quantized)" in told.stdout
        assert "\n  made from org/elsewhere: says so\n" in told.stdout
        assert "resemble one of its shape" in told.stdout
        assert f"word of {site.registry.url}" in told.stderr
    assert "\n  source of acme/small@1" in site.show("acme/base@1").stdout
    assert "made from" not in site.show("acme/small@1", "--up", "0").stdout
    document = site.show("acme/small@1", "--json").json()
    check("LineageShowReport", document)
    unknown = site.show("0" * 64)
    assert (unknown.exit_code, unknown.stdout[:10]) == (1, "Unknown to")
    assert site.show("acme/none@1").exit_code == 2
    assert site.show("nonsense").exit_code == 2


def test_show_says_what_a_childs_licence_keeps_of_its_parents(site: Site) -> None:
    cards = {
        one: models.write(site.folder / f"{one}.yaml", f"licenses: {{distribution: {{spdx: {one}}}}}")
        for one in ("CC-BY-NC-4.0", "MIT")
    }
    digest = site.publish("base", "acme/base@1", card=cards["CC-BY-NC-4.0"])
    lineage = f"parents:\n- {{relation: quantized, digest: {digest}}}\n- org/elsewhere\n"
    site.publish("coarse", "acme/small@1", lineage, card=cards["MIT"])
    told = site.show("acme/small@1").stdout
    assert "LICENCES, LOOK: The child says MIT; the parent's card says CC-BY-NC-4.0. " in told
    assert "Look at both texts; this is no advice." in told
    assert "      child: MIT, for the distribution, in statement sha256:" in told
    assert "Licences: The parent is not registered here" in told
    document = site.show("acme/small@1", "--json").json()
    check("LineageShowReport", document)
    results = [edge["license"]["result"] for edge in document["graph"]["edges"]]
    assert sorted(results) == ["conflict", "unknown"]
    assert weighbridge_here("lineage", "show", "acme/small@1", "--registry", site.registry.url).exit_code == 0


def test_export_writes_the_graph_as_prov(site: Site) -> None:
    digest = site.publish("base", "acme/base@1")
    site.publish("coarse", "acme/small@1", f"parents:\n- {{relation: quantized, digest: {digest}}}\n")
    asked = ("lineage", "export", "acme/small@1", "--registry", site.registry.url)
    told = weighbridge_here(*asked)
    assert told.exit_code == 0, told.stderr
    (derivation,) = json.loads(told.stdout)["wasDerivedFrom"].values()
    assert (derivation["prov:usedEntity"], derivation["wb:relation"]) == (digest, "quantized")
    report = weighbridge_here(*asked, "--json").json()
    check("LineageExportReport", report)
    assert report["text"] == told.stdout
    target = site.folder / "out.json"
    assert weighbridge_here(*asked, "--output", target).stdout == ""
    assert target.read_text() == told.stdout
    unknown = weighbridge_here("lineage", "export", "0" * 64, "--registry", site.registry.url)
    assert (unknown.exit_code, unknown.stdout, "unknown to" in unknown.stderr) == (1, "", True)


def test_what_stands_on_a_model_a_data_set_or_a_bug(site: Site) -> None:
    base = site.publish("base", "acme/base@1")
    data = "datasets:\n- {stage: sft, name: Org/Mails}\n"
    pinned = f"parents:\n- {{relation: quantized, digest: {base}}}\n"
    site.publish("coarse", "acme/small@1", pinned + data)
    ask = ("lineage", "impact", "--registry", site.registry.url)
    for what in ("acme/base@1", "acme/base", base):
        told = weighbridge_here(*ask, what)
        assert told.exit_code == 0, told.stderr
        assert told.stdout.startswith("  1 step  acme/small@1 (quantized), signed by ")
        assert "keeps silent" in told.stderr
    assert "acme/small@1" in weighbridge_here(*ask, "--dataset", "org/mails").stdout
    assert "Nothing that is recorded" in weighbridge_here(*ask, "acme/small@1").stdout
    bug = models.write(
        site.folder / "bug.yaml",
        "id: X-1\nsubject_kind: digest\nseverity: high\nsummary: It leaks.\npropagates: [quantized]\n",
    )
    said = site.run("attest", base, "--type", "advisory", "--predicate", bug, "--json")
    assert said.exit_code == 0, said.stderr
    for name, words in (("base", "warning, by "), ("coarse", "its parent, acme/base@1, is warned of by ")):
        identified = weighbridge_here("identify", site.family[name], "--registry", site.registry.url)
        assert words in identified.stdout
        assert "It leaks." in identified.stdout
    report = weighbridge_here("identify", base, "--registry", site.registry.url, "--json").json()
    check("IdentifyReport", report)
    assert [len(one["advisories"]) for one in report["standings"]] == [1]
    document = weighbridge_here(*ask, said.json()["statement"], "--json").json()
    check("LineageImpactReport", document)
    found = [(one["model"], one["distance"]) for one in document["impact"]["items"]]
    assert found == [("base", 0), ("small", 1)]
    assert weighbridge_here(*ask).exit_code == 2
    assert weighbridge_here(*ask, base, "--dataset", "x").exit_code == 2


def test_a_re_check_is_signed_recorded_and_shown_with_who_signed_it(site: Site) -> None:
    digest = site.publish("base", "acme/base@1")
    site.publish("coarse", "acme/small@1", f"parents:\n- relation: quantized\n  digest: {digest}\n")
    file, other = site.folder / "position.json", new_key(site.folder / "other.pem")
    both = (site.family["coarse"], site.family["base"])
    assert site.check(*both, "--relation", "quantized", "--position", file).exit_code == 0
    signed = site.run("attest", both[0], "--type", "position", "--predicate", file, key=other)
    assert signed.exit_code == 0, signed.stderr
    told = site.show("acme/small@1").stdout
    assert "made from acme/base@1" in told
    assert ", rechecked by the holder of the key" in told
    assert "re-checked" not in told, "a stranger's word raises no level"


def test_what_nobody_declared_is_shown_as_that(site: Site) -> None:
    site.publish("base", "acme/base@1")
    site.publish("coarse", "acme/small@1")
    told = site.show("acme/small@1")
    assert "made from acme/base@1" in told.stdout
    assert "nobody declared that, the registry noticed it" in told.stdout


def test_a_lineage_is_revised_again_and_again_without_touching_the_release(site: Site) -> None:
    digest = site.publish("base", "acme/base@1")
    site.publish("coarse", "acme/small@1")
    first = site.lineage("parents:\n- acme/base@1\n")
    dry = site.run("lineage", "revise", "acme/small@1", first, "--dry-run", "--json")
    check("LineageReviseReport", dry.json())
    assert dry.json()["statement_json"]["predicate"]["previous"] is None
    assert "says so" not in site.show("acme/small@1").stdout
    done = site.run("lineage", "revise", "acme/small@1", first, "--json")
    assert done.exit_code == 0, done.stderr
    check("LineageReviseReport", done.json())
    assert (done.json()["previous"], done.json()["already"]) == (None, False)
    again = site.run("lineage", "revise", "acme/small@1", first)
    assert (again.exit_code, "nothing was signed" in again.stdout) == (0, True)
    second = site.lineage(f"parents:\n- relation: quantized\n  digest: {digest}\n")
    told = site.run("lineage", "revise", "acme/small@1", second, "--json")
    assert told.exit_code == 0, told.stderr
    assert told.json()["previous"] == done.json()["statement"]
    assert told.json()["index"] == done.json()["index"] + 1
    assert "made from acme/base@1" in site.show("acme/small@1").stdout


def test_only_owners_revise_and_no_model_descends_from_itself(site: Site) -> None:
    digest = site.publish("base", "acme/base@1")
    file = site.lineage(f"parents:\n- relation: finetune\n  digest: {digest}\n")
    itself = site.run("lineage", "revise", "acme/base@1", file)
    assert itself.exit_code == 1
    assert "descend from itself" in itself.stderr
    stranger = site.run("lineage", "revise", "acme/base@1", file, key=new_key(site.folder / "s.pem"))
    assert stranger.exit_code == 1
    assert "acme is not yours" in stranger.stderr
    assert site.run("lineage", "revise", "acme/none@1", file).exit_code == 2
    bad = site.run(
        "lineage", "revise", "acme/base@1", site.lineage("parents:\n- relation: cousin\n  name: x\n")
    )
    assert bad.exit_code == 2
    assert "relation" in bad.stderr


def test_a_registry_that_keeps_a_revision_back_gets_no_signature_on_top(site: Site) -> None:
    """An owner would sign over what they were never shown."""
    site.publish("base", "acme/base@1")
    for name in ("one", "two"):
        done = site.run("lineage", "revise", "acme/base@1", site.lineage(f"parents:\n- org/{name}\n"))
        assert done.exit_code == 0, done.stderr
    name = ReleaseName.parse("acme/base@1")
    lines = RegistryClient(site.registry.url).provenance("acme", "base", "1")
    history = find_history(name, lines, "lineage")
    assert [None if one is None else one.parents[0].name for one in history.parts] == [
        None,
        "org/one",
        "org/two",
    ]
    revisions = [line for line in lines if isinstance(document(line.bundle), LineageRevision)]
    with pytest.raises(LogError, match="lacks a lineage revision"):
        find_history(name, [line for line in lines if line is not revisions[0]], "lineage")
    with pytest.raises(LogError, match="does not hold that release"):
        find_history(name, revisions, "lineage")


def document(bundle: bytes) -> Any:
    return parse_statement(bundles.parse_bundle(bundle, strict=True).payload, strict=True).document()
