# SPDX-License-Identifier: Apache-2.0
"""Policies, as people use them: demands that are met, missed or not known, and whose word counts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Outcome, weighbridge_here
from tests.models import safetensors, tiny_model, write
from tests.registries import Registry, registry_here
from tests.reports import check

MODEL = "acme/tiny@1.0"
CHILD = "acme/small@1"
SCAN = "https://in-toto.io/attestation/test-result/v0.1"


@dataclass(frozen=True)
class Town:
    """A registry with a model, a child of it, and three people with keys: publisher, reviewer, stranger."""

    folder: Path
    registry: Registry
    vkey: str
    digests: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path) -> Outcome:
        own = {"WEIGHBRIDGE_CONFIG_DIR": str(self.folder / "config"), "COLUMNS": "400"}
        return weighbridge_here(*arguments, **own)

    def key(self, who: str) -> Path:
        return self.folder / f"{who}.pem"

    def pem(self, who: str) -> str:
        return self.key(who).with_suffix(".pub").read_text()

    def model(self, release: str) -> Path:
        return self.folder / release.partition("@")[0].partition("/")[2]

    def say(self, who: str, what: str, kind: str, predicate: dict[str, Any]) -> None:
        file = write(self.folder / "said.json", json.dumps(predicate))
        done = self.run(
            "attest",
            what,
            "--type",
            kind,
            "--predicate",
            file,
            "--key",
            self.key(who),
            "--registry",
            self.registry.url,
        )
        assert done.exit_code == 0, done.stderr


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with registry_here(folder / "r") as registry:
        one = Town(folder, registry, registry.vkey)
        for who in ("publisher", "reviewer", "stranger"):
            assert one.run("key", "new", one.key(who), "--no-passphrase").exit_code == 0
        shared = {f"w{i}": ("F32", (64, 64), bytes([i]) * 4 * 64 * 64) for i in range(3)}
        tiny_model(one.model(MODEL))
        write(one.model(CHILD) / "model.safetensors", safetensors(shared))
        write(one.model(MODEL) / "model.safetensors", safetensors(shared))
        for release in (MODEL, CHILD):
            more: tuple[str | Path, ...] = ()
            if release == CHILD:
                parents = [{"relation": "quantized", "digest": one.digests[MODEL], "name": "acme/tiny"}]
                more = ("--lineage", write(folder / "lineage.json", json.dumps({"parents": parents})))
            where = ("--registry", registry.url, "--key", one.key("publisher"), "--json")
            done = one.run("publish", one.model(release), release, *where, *more)
            assert done.exit_code == 0, done.stderr
            one.digests[release] = done.json()["model_digest"]
        yield one


def policy(
    town: Town, rule: str = "", more: str = "", *, signers: str = '["acme"]', releases: str = '["acme/*"]'
) -> str:
    """A policy for acme's releases, with some more demands."""
    named = {"acme": "publisher", "team": "reviewer"}
    tables = "\n".join(
        f'[signers.{name}]\ntype = "key"\npublic_key = """\n{town.pem(who)}"""\n'
        for name, who in named.items()
    )
    return (
        f'v = 1\nlogs = ["{town.vkey}"]\n{tables}\n{more}\n[[rules]]\nreleases = {releases}\n'
        f"signers = {signers}\n{rule}\n"
    )


@dataclass
class Told:
    """A verdict as printed."""

    outcome: Outcome

    @property
    def code(self) -> int:
        return self.outcome.exit_code

    @property
    def result(self) -> str:
        return str(self.step(11)["result"])

    @property
    def reason(self) -> str:
        return str(self.step(11)["reason"])

    def step(self, n: int) -> dict[str, Any]:
        found: dict[str, Any] = self.outcome.json()["steps"][n - 1]
        return found

    def check(self, what: str) -> tuple[str, str]:
        (found,) = [one for one in self.step(11)["evidence"]["checks"] if one["what"] == what]
        return found["result"], found["reason"]


def verify(
    town: Town, text: str, *more: str | Path, release: str | None = MODEL, model: Path | None = None
) -> Told:
    file = write(town.folder / "weighbridge.toml", text)
    named = ("--release", release) if release else ()
    folder = model or town.model(release or MODEL)
    return Told(town.run("verify", folder, *named, "--policy", file, "--json", *more))


def mirrored(town: Town) -> tuple[str | Path, ...]:
    return ("--mirror", town.registry.data)


# Rules


def test_a_release_by_the_signer_of_its_rule_is_accepted_and_the_policy_is_named(town: Town) -> None:
    told = verify(town, policy(town, "recorded = true\nwhole = true"))
    assert (told.code, told.result) == (0, "pass"), told.outcome.stdout
    assert told.reason == "rule 1 is met: signer, release, whole, recorded"
    assert told.step(11)["evidence"]["policy"].startswith("sha256:")


def test_the_policy_alone_says_whom_to_trust_and_the_record_which_release_it_is(town: Town) -> None:
    told = verify(town, policy(town), release=None)
    assert (told.code, told.result) == (0, "pass"), told.outcome.stdout
    assert told.step(6)["result"] == "pass"


def test_what_no_rule_fits_is_refused(town: Town) -> None:
    for releases in ('["elsewhere/*"]', '["acme/tiny@2*"]', '["acme/tin"]'):
        told = verify(
            town, policy(town, releases=releases), "--public-key", town.key("publisher").with_suffix(".pub")
        )
        assert (told.code, told.result) == (1, "fail")
        assert "no rule for acme/tiny@1.0" in told.reason


def test_names_are_compared_as_they_are_unique(town: Town) -> None:
    for releases in ('["ACME/*"]', '["ac-me/t*y@1.0"]', '["*/*"]'):
        assert verify(town, policy(town, releases=releases)).code == 0


def test_the_first_rule_that_fits_counts(town: Town) -> None:
    lax = '\n[[rules]]\nreleases = ["*/*"]\nsigners = ["acme"]\n'
    told = verify(town, policy(town, "openness = 1\n" + lax))
    assert (told.code, told.result) == (1, "fail")
    assert told.step(11)["evidence"]["rule"] == "rule 1"


def test_another_signer_is_refused_whatever_they_are_called(town: Town) -> None:
    """The label is the publisher's; the key is somebody else's."""
    text = policy(town).replace(town.pem("publisher"), town.pem("stranger"))
    text = text.replace('type = "key"', 'type = "key"\nlabel = "acme"', 1)
    told = verify(town, text)
    assert (told.code, told.step(4)["result"]) == (1, "fail")
    named = verify(town, text, "--public-key", town.key("publisher").with_suffix(".pub"))
    assert (named.code, named.step(4)["result"], named.result) == (1, "pass", "fail")
    assert "signed by the holder of the key" in named.reason


def test_a_rule_without_signers_takes_owners_as_recorded_and_nobody_else(town: Town) -> None:
    assert verify(town, policy(town, signers="[]")).check("signer")[0] == "pass"
    stranger = town.model("elsewhere/copy@1")
    if not stranger.exists():
        tiny_model(stranger)
    assert (
        town.run(
            "sign", stranger, "--key", town.key("stranger"), "--signature", town.folder / "s.sig"
        ).exit_code
        == 0
    )
    named = ("--public-key", town.key("stranger").with_suffix(".pub"), "--signature", town.folder / "s.sig")
    told = verify(town, policy(town, signers="[]", releases="[]"), *named, model=stranger, release=None)
    assert (told.code, told.result) == (1, "fail")


def test_a_deleted_record_is_asked_for(town: Town, tmp_path: Path) -> None:
    bare = tiny_model(tmp_path / "bare")
    write(bare / "model.safetensors", (town.model(MODEL) / "model.safetensors").read_bytes())
    write(bare / "model.sig", (town.model(MODEL) / "model.sig").read_bytes())
    text = policy(town, "recorded = true", releases="[]")
    told = Told(
        weighbridge_here(
            *("verify", bare, "--policy", write(tmp_path / "p.toml", text), "--json"),
            WEIGHBRIDGE_CONFIG_DIR=str(tmp_path / "fresh"),
        )
    )
    assert (told.code, told.step(7)["result"], told.result) == (3, "unknown", "unknown")


def test_flags_do_not_weaken_a_policy(town: Town, tmp_path: Path) -> None:
    extra = Path(shutil.copytree(town.model(MODEL), tmp_path / "extra"))
    write(extra / "run.py", "print()")
    flags = ("--ignore-unsigned-files",)
    assert verify(town, policy(town), *flags, model=extra).code == 0
    told = verify(town, policy(town, "whole = true"), *flags, model=extra)
    assert (told.code, told.result) == (1, "fail")
    assert "run.py" in told.reason
    other = town.vkey.replace(town.vkey[-6:], "AAAAAA")
    assert verify(town, policy(town), "--log-key", other).code == 2
    witnesses = write(tmp_path / "w.policy", f"log {town.vkey}\nquorum none\n")
    own = f'witness_policy = "log {town.vkey}\\nquorum none\\n"\n'
    text = policy(town).replace("v = 1\n", f"v = 1\n{own}")
    assert verify(town, text, "--witness-policy", witnesses).code == 2
    assert verify(town, text).code == 0


def test_unsafe_files_are_looked_for_in_the_files_themselves(town: Town, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "pickled")
    write(folder / "pytorch_model.bin", b"\x80\x04K\x01.")
    assert town.run("sign", folder, "--key", town.key("publisher")).exit_code == 0
    for effect, code in (("fail", 1), ("warn", 0)):
        text = policy(town, f'unsafe_formats = "{effect}"', releases="[]")
        told = verify(town, text, model=folder, release=None)
        assert (told.code, told.result) == (code, effect)
        assert "pytorch_model.bin" in told.reason


@pytest.mark.parametrize(
    ("demand", "result"),
    [
        ('licenses = { allow = ["Apache-2.0"] }', "pass"),
        ('licenses = { allow = ["MIT"] }', "fail"),
        ('licenses = { deny = ["apache-*"] }', "fail"),
        ("openness = 3", "fail"),
        ("lineage = { stated = true }", "pass"),
        ("lineage = { level = 1 }", "fail"),
    ],
)
def test_what_the_signed_card_and_lineage_state(town: Town, demand: str, result: str) -> None:
    assert verify(town, policy(town, demand)).result == result


# What only the log tells


def test_what_only_the_log_tells_is_unknown_without_it_and_reported_by_a_registry(town: Town) -> None:
    lineage = 'level = 3, parents = ["acme/*"], contradicted = "fail", upstream = "fail"'
    demands = f'status = ["released"]\nlineage = {{ {lineage} }}'
    nobody = verify(town, policy(town, demands), release=CHILD)
    assert (nobody.code, nobody.result) == (3, "unknown")
    replayed = verify(town, policy(town, demands), *mirrored(town), release=CHILD)
    assert (replayed.code, replayed.result) == (0, "pass"), replayed.reason
    asked = ("--registry", town.registry.url)
    strict = verify(town, policy(town, demands), *asked, release=CHILD)
    assert (strict.code, strict.result) == (3, "unknown")
    assert "the policy wants a replay" in strict.reason
    lax = verify(town, policy(town, f'known_by = "registry"\n{demands}'), *asked, release=CHILD)
    assert (lax.code, lax.result) == (0, "reported"), lax.reason


def test_parents_that_are_not_let_through(town: Town) -> None:
    told = verify(town, policy(town, 'lineage = { parents = ["meta/*"] }'), *mirrored(town), release=CHILD)
    assert (told.code, told.result) == (1, "fail")
    assert "acme/tiny@1.0 is none that the policy lets through" in told.reason
    unnamed = verify(town, policy(town, 'lineage = { parents = ["acme/*"] }'), *mirrored(town))
    assert "is no release that is registered there" in unnamed.reason


def test_a_re_check_by_a_reviewer_is_level_4_and_by_a_stranger_nothing(town: Town) -> None:
    edge = {"child": town.digests[CHILD], "parent": town.digests[MODEL]}
    reviewers = '[[reviewers]]\nsigners = ["team"]\nrechecks = true\n'
    text = policy(town, "lineage = { level = 4 }", reviewers)
    position = {"stance": "acknowledges", "edge": edge, "basis": "recomputed", "reason": "compared both"}
    town.say("stranger", edge["child"], "position", position)
    before = verify(town, text, *mirrored(town), release=CHILD)
    assert (before.code, before.result) == (1, "fail")
    assert "tensor-matched (3)" in before.reason
    shown = town.run("lineage", "show", CHILD, "--registry", town.registry.url)
    assert "re-checked:" not in shown.stdout
    town.say("reviewer", edge["child"], "position", position | {"basis": "knowledge"})
    assert verify(town, text, *mirrored(town), release=CHILD).result == "fail", "by knowledge is no re-check"
    town.say("reviewer", edge["child"], "position", position)
    after = verify(town, text, *mirrored(town), release=CHILD)
    assert (after.code, after.result) == (0, "pass"), after.reason
    assert "re-checked by the holder of the key" in after.step(10)["reason"]
    by_registry = verify(town, text, "--registry", town.registry.url, release=CHILD)
    assert (by_registry.code, by_registry.result) == (3, "unknown"), (
        "that it still stands is the registry's word"
    )
    file = write(town.folder / "weighbridge.toml", text)
    raised = town.run("lineage", "show", CHILD, "--registry", town.registry.url, "--policy", file)
    assert "re-checked" in raised.stdout, raised.stdout + raised.stderr
    report = town.run(
        "lineage", "show", CHILD, "--registry", town.registry.url, "--policy", file, "--json"
    ).json()
    assert [one["level"] for one in report["graph"]["edges"] if one["declared"]] == [4]
    unpinned = weighbridge_here(
        *("lineage", "show", CHILD, "--registry", town.registry.url),
        *("--policy", write(town.folder / "other.toml", text.replace("logs = ", "# logs = "))),
        WEIGHBRIDGE_CONFIG_DIR=str(town.folder / "nobody"),
    )
    assert unpinned.exit_code == 3


def test_a_dispute_and_a_warning_count_by_a_reviewer_only(town: Town) -> None:
    reviewers = (
        '[[reviewers]]\nsigners = ["team"]\ndisputes = "warn"\nadvisories = { fail = "high", warn = "low" }\n'
    )
    text = policy(town, more=reviewers)
    assert verify(town, text, *mirrored(town)).result == "pass"
    unknown = verify(town, text)
    assert (unknown.code, unknown.result) == (3, "unknown"), "what reviewers say only the log tells"
    advisory = {"id": "ACME-1", "subject_kind": "digest", "severity": "low", "summary": "It repeats itself."}
    town.say("stranger", town.digests[MODEL], "advisory", advisory | {"severity": "critical"})
    assert verify(town, text, *mirrored(town)).result == "pass"
    town.say("reviewer", town.digests[MODEL], "advisory", advisory)
    low = verify(town, text, *mirrored(town))
    assert (low.code, low.result) == (0, "warn")
    assert "It repeats itself." in low.reason
    propagating = advisory | {
        "id": "ACME-2",
        "severity": "high",
        "summary": "Poisoned.",
        "propagates": ["quantized"],
    }
    town.say("reviewer", town.digests[MODEL], "advisory", propagating)
    for release in (MODEL, CHILD):
        bad = verify(town, text, *mirrored(town), release=release)
        assert (bad.code, bad.result) == (1, "fail"), release
        told = verify(town, text, "--registry", town.registry.url, release=release)
        assert (told.code, told.result) == (1, "fail"), "bad news counts whoever shows the way to it"
    none = policy(town, more='[[reviewers]]\nsigners = ["team"]\nrechecks = true\n')
    assert verify(town, none, *mirrored(town)).result == "pass"


def test_a_scan_that_must_be_there_and_have_passed(town: Town) -> None:
    demand = f'[[rules.attestations]]\ntype = "{SCAN}"\nsigners = ["team"]\nresult = "PASSED"\n'
    text = policy(town, demand)
    scan = {"result": "PASSED", "configuration": [{"name": "scanner 1"}]}
    assert verify(town, text).result == "unknown"
    town.say("stranger", town.digests[MODEL], SCAN, scan)
    missing = verify(town, text, *mirrored(town))
    assert (missing.code, missing.result) == (1, "fail")
    assert "none is recorded by" in missing.reason
    town.say("reviewer", town.digests[MODEL], SCAN, scan)
    assert verify(town, text, *mirrored(town)).result == "pass"
    town.say("reviewer", town.digests[MODEL], SCAN, scan | {"result": "FAILED"})
    newest = verify(town, text, *mirrored(town))
    assert (newest.code, newest.result) == (1, "fail")
    assert "says FAILED" in newest.reason


def test_a_withdrawal_is_never_let_through_by_a_flag(town: Town) -> None:
    where = ("--registry", town.registry.url, "--key", town.key("publisher"))
    assert town.run("status", "deprecate", CHILD, "--reason", "old", *where).exit_code == 0
    text = policy(town, 'status = ["released"]')
    assert verify(town, text, *mirrored(town), release=CHILD).result == "fail"
    lax = policy(town, 'status = ["released", "deprecated"]')
    assert verify(town, lax, *mirrored(town), release=CHILD).result == "pass"
    assert town.run("status", "yank", CHILD, "--reason", "bad", *where).exit_code == 0
    told = verify(town, lax, "--allow-yanked", *mirrored(town), release=CHILD)
    assert (told.code, told.step(9)["result"], told.result) == (1, "warn", "fail")
    assert town.run("status", "restore", CHILD, "--reason", "good", *where).exit_code == 0
    assert verify(town, text, *mirrored(town), release=CHILD).result == "pass"


# The command


def test_init_pins_what_was_verified_and_nothing_else(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "weighbridge.toml"
    made = town.run("policy", "init", town.model(MODEL), "--release", MODEL, "--output", file, "--json")
    assert made.exit_code == 0, made.stdout + made.stderr
    check("PolicyInitReport", made.json())
    text = file.read_text()
    assert town.pem("publisher") in text
    assert town.vkey in text
    assert verify(town, text).code == 0
    assert town.run("policy", "check", file).exit_code == 0
    held = town.run("policy", "check", file, town.model(MODEL), "--json")
    check("PolicyCheckReport", held.json())
    assert (held.exit_code, held.json()["verdict"]["steps"][10]["result"]) == (0, "pass")
    again = town.run("policy", "init", town.model(MODEL), "--release", MODEL, "--output", file)
    assert again.exit_code == 2
    assert "status = [" not in text.replace("# status", "")
    forced = ("--output", file, "--force", *mirrored(town))
    assert town.run("policy", "init", town.model(MODEL), "--release", MODEL, *forced).exit_code == 0
    assert '\nstatus = ["released"]\n' in file.read_text()
    stranger = ("--public-key", town.key("stranger").with_suffix(".pub"))
    refused = town.run("policy", "init", town.model(MODEL), *stranger, "--output", tmp_path / "no.toml")
    assert refused.exit_code == 1
    assert not (tmp_path / "no.toml").exists()
    bare = town.run("policy", "init", town.model(MODEL), "--output", tmp_path / "no.toml", "--json")
    assert bare.exit_code == 1
    assert bare.json()["file"] is None
    check("PolicyInitReport", bare.json())


def test_explain_says_what_is_demanded(town: Town, tmp_path: Path) -> None:
    file = write(tmp_path / "p.toml", policy(town, 'recorded = true\nstatus = ["released"]\nopenness = 3'))
    told = town.run("policy", "explain", file)
    assert told.exit_code == 0
    assert "Rule 1, for acme/*:" in told.stdout
    assert "recorded in a trusted log" in told.stdout
    assert "its owners last called it released, known by a replay of the log" in told.stdout
    assert "A release that no rule fits is refused." in told.stdout
    check("PolicyExplainReport", town.run("policy", "explain", file, "--json").json())
    nobody = town.run("policy", "explain", file, "--release", "other/x")
    assert nobody.exit_code == 1
    assert "it is refused" in nobody.stderr


def test_check_warns_of_a_policy_that_lets_anybody_in(town: Town, tmp_path: Path) -> None:
    anybody = (
        f'[signers.all]\ntype = "pattern"\ntrust_domain = "sha256:{"0" * 64}"\n'
        'issuer = "https://accounts.example"\npattern = ".*"\n'
    )
    rules = '[[rules]]\nreleases = ["*/*"]\n[[rules]]\nreleases = ["acme/*"]\nsigners = ["all"]\n'
    text = f"v = 1\n{anybody}{rules}"
    told = town.run("policy", "check", write(tmp_path / "p.toml", text))
    assert told.exit_code == 1
    for words in ("fits anybody whom the issuer knows", "any stranger is let in", "is never asked"):
        assert words in told.stderr
    report = town.run("policy", "check", tmp_path / "p.toml", "--json").json()
    check("PolicyCheckReport", report)
    assert len(report["warnings"]) == 3


def test_a_spoilt_policy_is_no_verdict(town: Town, tmp_path: Path) -> None:
    for text, words in (
        (policy(town, "recored = true"), "rules[0].recored: there is no such member"),
        (policy(town, signers='["acm"]'), "names the signer acm"),
        ("v = 1\nv = 1\n", "is not TOML"),
        (policy(town) + "#" * 300_000, "262144"),
        (policy(town).replace("BEGIN PUBLIC KEY-----\n", "BEGIN PUBLIC KEY-----\nAAAA"), "PEM"),
    ):
        told = verify(town, text)
        assert told.code == 2, words
        assert words in told.outcome.stderr.replace(",", "") or words in told.outcome.stdout
    assert town.run("policy", "check", tmp_path / "nothing.toml").exit_code == 2
