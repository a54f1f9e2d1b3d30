# SPDX-License-Identifier: Apache-2.0
"""Somebody has stolen the log's key, and with it can sign trees; the victim's network is theirs, too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.attacks.conftest import RELEASE, Person, Town
from tests.attacks.operators import Operator, serving
from tests.models import tiny_model
from tests.records import Publisher, TinyLog
from weighbridge import tlog
from weighbridge.records import format_record


def private_history(town: Town, model: Path) -> TinyLog:
    """A history that starts at the true genesis and goes on as the thief likes, longer than the true one."""
    thief, log = Publisher(), Operator.of(town.registry).cut(1).log
    log.add(thief.introduction(log), thief.namespace(log, "acme", [thief]))
    log.add(thief.oms(model), thief.release(log, model, RELEASE))
    log.add(*(Publisher().introduction(log) for _ in range(5)))
    return log


def deceived(town: Town, someone: Person) -> TinyLog:
    """Another model in the place of theirs, with a record in order under the log's own signature."""
    shutil.rmtree(someone.model)
    log = private_history(town, tiny_model(someone.model, seed=13))
    (someone.model / "provenance.jsonl").write_bytes(format_record(log.lines([1, 2, 3, 4])))
    return log


def test_a_private_history_is_caught_as_soon_as_the_true_log_is_seen(town: Town, someone: Person) -> None:
    """Offline the receipt is well signed and is taken; the next look at the true log proves two trees."""
    deceived(town, someone)
    assert someone.verify(None).exit_code == 0
    told = someone.verify(town.registry.url)
    assert told.exit_code == 1, told.outcome.stdout
    assert "two different models" in told.step(6)[1]
    shutil.rmtree(someone.model)
    shutil.copytree(town.model, someone.model)
    again = someone.verify(town.registry.url)
    assert (again.exit_code, again.step(7)[0]) == (1, "fail"), again.outcome.stdout
    (evidence,) = someone.evidence
    proof = json.loads(evidence.read_text())
    trees = [tlog.parse_checkpoint(one.encode(), [town.vkey]) for one in proof["checkpoints"]]
    assert {tree.size for tree in trees} == {6, 10}


def test_who_has_seen_the_true_log_before_does_not_follow_into_a_private_one(
    town: Town, someone: Person
) -> None:
    assert someone.verify(town.registry.url).exit_code == 0
    operator = Operator.of(town.registry)
    operator.log = deceived(town, someone)
    with serving(operator) as url:
        told = someone.verify(url)
    assert (told.exit_code, told.step(7)[0]) == (1, "fail"), told.outcome.stdout
    assert someone.evidence


def test_witnesses_do_not_cosign_for_a_thief(town: Town, someone: Person, tmp_path: Path) -> None:
    """Offline, without memory: what the thief cannot make is a cosignature."""
    someone.remembers = False
    log = deceived(town, someone)
    witness = tlog.Signer.generate("witness.example/w1", tlog.Algorithm.ED25519_COSIGNATURE)
    policy = tmp_path / "policy"
    policy.write_text(f"log {town.vkey}\nwitness w1 {witness.verifier.vkey}\nquorum w1\n")
    assert someone.verify(None, "--witness-policy", policy).step(8)[0] == "fail"
    log.witnesses.append(tlog.Signer.generate("witness.example/w1", tlog.Algorithm.ED25519_COSIGNATURE))
    (someone.model / "provenance.jsonl").write_bytes(format_record(log.lines([1, 2, 3, 4])))
    told = someone.verify(None, "--witness-policy", policy)
    assert (told.exit_code, told.step(8)[0]) == (1, "fail"), told.outcome.stdout


def test_offline_without_memory_or_witnesses_nothing_shows(town: Town, someone: Person) -> None:
    """The limit, as docs/threat-model.md says it: a signature of the log's key is all that is asked for."""
    someone.remembers = False
    deceived(town, someone)
    told = someone.verify(None)
    assert told.exit_code == 0
    assert "no witness policy" in told.step(7)[1]


def test_the_thief_cannot_sign_as_the_publisher(town: Town, someone: Person) -> None:
    """Who wants the publisher's own key and not only a name in a log is not deceived by any log."""
    deceived(town, someone)
    pem = someone.folder / "publisher.pub"
    pem.write_bytes(town.publisher.pem)
    told = someone.verify(None, "--public-key", pem)
    assert (told.exit_code, told.step(4)[0]) == (1, "fail"), told.outcome.stdout
