# SPDX-License-Identifier: Apache-2.0
"""The operator of a registry, who has its keys, its disk and its address, cheats those who use it.

Each story is told twice where it matters: to somebody who can notice, and to somebody who cannot, so that the
limits in docs/threat-model.md are tried too.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks.conftest import RELEASE, Person, Town, newcomer
from tests.attacks.operators import Operator, serving
from tests.models import tiny_model
from tests.records import Publisher
from weighbridge import tlog
from weighbridge.bundles import parse_bundle
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.records import format_record


def taken_over(town: Town, model: Path) -> Operator:
    """A history in which somebody else has owned the name from the beginning, and released another model."""
    thief, operator = Publisher(), Operator.of(town.registry).cut(1)
    log = operator.log
    claim, release = thief.namespace(log, "acme", [thief]), thief.release(log, model, RELEASE)
    operator.add(thief.introduction(log), claim, thief.oms(model), release)
    honest = parse_bundle(Operator.of(town.registry).log.bundles[4])
    operator.renamed[honest.statement_digest] = parse_bundle(release).statement_digest
    return operator.add(Publisher().introduction(log))


@pytest.fixture
def other(someone: Person) -> Path:
    """The model that the operator would like people to run; it lies where theirs was."""
    shutil.rmtree(someone.model)
    return tiny_model(someone.model, seed=66)


def test_an_honest_registry_through_the_same_wire_verifies(town: Town, someone: Person) -> None:
    """What the stories below change is what they are caught by, and not the wire."""
    with serving(Operator.of(town.registry)) as url:
        told = someone.verify(url)
    assert told.exit_code == 0, told.outcome.stdout
    assert told.step(7)[0] == "pass"


def test_history_is_rewritten_and_who_has_been_there_before_notices(
    town: Town, someone: Person, other: Path
) -> None:
    (someone.model / "provenance.jsonl").write_bytes((town.model / "provenance.jsonl").read_bytes())
    someone.verify(town.registry.url)  # refuses these files, but remembers the log
    (someone.model / "provenance.jsonl").unlink()
    with serving(taken_over(town, other)) as url:
        told = someone.verify(url)
    result, reason = told.step(7)
    assert (told.exit_code, result) == (1, "fail"), told.outcome.stdout
    assert "history" in reason or "histories" in reason
    (evidence,) = someone.evidence
    assert len(json.loads(evidence.read_text())["checkpoints"]) == 2


def test_history_is_rewritten_and_an_old_receipt_beside_the_files_gives_it_away(
    town: Town, someone: Person, other: Path
) -> None:
    """No memory, but the record that came with the files: two trees of the same log in one hand."""
    someone.remembers = False
    (someone.model / "provenance.jsonl").write_bytes((town.model / "provenance.jsonl").read_bytes())
    with serving(taken_over(town, other)) as url:
        told = someone.verify(url)
    assert (told.exit_code, told.step(6)[0]) == (1, "fail"), told.outcome.stdout
    assert f"two different models as {RELEASE}" in told.step(6)[1]


def test_history_is_rewritten_for_a_stranger_without_memory_and_nothing_shows(
    town: Town, someone: Person, other: Path
) -> None:
    """The limit: who has never seen the log, asks no witness and has no record sees one whole history."""
    someone.remembers = False
    with serving(taken_over(town, other)) as url:
        told = someone.verify(url)
    assert told.exit_code == 0
    assert "no witness policy" in told.step(7)[1]


def test_two_people_are_shown_two_trees_and_the_witness_has_seen_one(
    town: Town, someone: Person, other: Path, tmp_path: Path
) -> None:
    """The same stranger as above, who asks for a witness: step 8."""
    someone.remembers = False
    witness = tlog.Signer.generate("witness.example/w1", tlog.Algorithm.ED25519_COSIGNATURE)
    policy = tmp_path / "policy"
    policy.write_text(f"log {town.vkey}\nwitness w1 {witness.verifier.vkey}\nquorum w1\n")
    honest, forked = Operator.of(town.registry), taken_over(town, other)
    honest.log.witnesses.append(witness)
    with serving(honest) as url:
        friend = newcomer(town, tmp_path / "friend")
        (friend.model / "provenance.jsonl").unlink()
        assert friend.verify(url, "--witness-policy", policy).step(8)[0] == "pass"
    with serving(forked) as url:
        told = someone.verify(url, "--witness-policy", policy)
    result, reason = told.step(8)
    assert (told.exit_code, result) == (1, "fail"), told.outcome.stdout
    assert "w1" in reason


@pytest.mark.parametrize("dropped", [4, 5])
def test_an_entry_is_dropped_as_if_it_had_never_been(town: Town, someone: Person, dropped: int) -> None:
    """The release itself, or a neighbour's entry that nobody asked about: the trees do not fit."""
    assert someone.verify(town.registry.url).exit_code == 0
    operator = Operator.of(town.registry).drop(dropped)
    log = operator.log
    operator.add(Publisher().introduction(log), Publisher().introduction(log))
    with serving(operator) as url:
        told = someone.verify(url)
    assert (told.exit_code, told.step(7)[0]) == (1, "fail"), told.outcome.stdout
    assert someone.evidence


def test_an_old_state_of_the_log_is_replayed(town: Town, someone: Person) -> None:
    """All of it was true once. Who has seen more since calls it a rollback."""
    assert someone.verify(town.registry.url).exit_code == 0
    with serving(Operator.of(town.registry).cut(5)) as url:
        told = someone.verify(url)
    assert (told.exit_code, told.step(7)[0]) == (1, "fail"), told.outcome.stdout
    assert "size 5" in told.step(7)[1]
    assert someone.evidence


def test_an_old_state_is_replayed_to_a_stranger_who_is_told_as_of_when(town: Town, someone: Person) -> None:
    """The limit: without memory an old state is a state. The answer says as of which entry it speaks."""
    someone.remembers = False
    (someone.model / "provenance.jsonl").unlink()
    with serving(Operator.of(town.registry).cut(5)) as url:
        told = someone.verify(url)
    assert told.exit_code == 0
    assert told.step(9) == ("reported", told.step(9)[1])
    assert "as of entry 4" in told.step(9)[1]


def test_entries_are_back_dated_and_a_reading_of_the_log_sees_time_run_backwards(
    town: Town, someone: Person
) -> None:
    operator = Operator.of(town.registry)
    leaf = parse_leaf(operator.log.leaves[4])
    operator.log.leaves[4] = encode_leaf(leaf.bundle_sha256, leaf.received - 365 * 86_400)
    with serving(operator) as url:
        told = someone.read_whole_log(url)
    assert told.exit_code == 1
    assert "received" in told.stdout + told.stderr


def test_another_bundle_is_delivered_under_a_digest(town: Town, someone: Person) -> None:
    """Whoever reads bundles by their digest hashes what comes: `log fsck` of the address."""
    operator = Operator.of(town.registry)
    digest = parse_leaf(operator.log.leaves[4]).bundle_sha256
    operator.lies[f"/bundles/{digest}"] = operator.log.bundles[3]
    with serving(operator) as url:
        told = someone.read_whole_log(url)
    assert told.exit_code == 1
    assert digest[:12] in told.stdout + told.stderr


def test_another_bundle_is_delivered_with_a_true_leaf_and_receipt(town: Town, someone: Person) -> None:
    """The proof is valid, of the entry; the bundle beside it is not the one that the entry names."""
    (someone.model / "provenance.jsonl").unlink()
    operator = Operator.of(town.registry)

    def swap(path: str, body: bytes) -> bytes:
        if not path.endswith("/provenance"):
            return body
        lines = [operator.log.line(number) for number in (1, 2, 3)]
        return format_record([*lines, replace(operator.log.line(4), bundle=operator.log.bundles[5])])

    with serving(operator, swap) as url:
        told = someone.verify(url)
    assert told.exit_code != 0, told.outcome.stdout
    assert told.step(7)[0] in ("fail", "unknown")


@pytest.mark.parametrize("path", ["tile/0/000.p/6", "tile/entries/000.p/6"])
def test_tiles_are_forged_and_do_not_hash_up_to_the_signed_root(
    town: Town, someone: Person, path: str
) -> None:
    operator = Operator.of(town.registry)
    honest = operator.tile(path)
    assert honest is not None
    operator.lies[f"/{path}"] = honest[:-1] + bytes((honest[-1] ^ 1,))
    with serving(operator) as url:
        told = someone.read_whole_log(url)
    assert told.exit_code == 1
    assert "tile" in told.stdout + told.stderr or "entr" in told.stdout + told.stderr


def test_forged_tiles_do_not_pass_for_growth(town: Town, someone: Person) -> None:
    """Memory asks whether the log only grew; the tiles that should show it are made up."""
    (someone.model / "provenance.jsonl").unlink()
    with serving(Operator.of(town.registry).cut(5)) as url:
        assert someone.verify(url).exit_code == 0  # remembers the tree of 5
    operator = Operator.of(town.registry)
    operator.lies["/tile/0/000.p/6"] = bytes(6 * 32)
    with serving(operator) as url:
        told = someone.verify(url)
    assert told.exit_code != 0, told.outcome.stdout
    assert told.step(7)[0] in ("fail", "unknown")
    assert someone.evidence == []  # a broken server is no fork


def test_what_an_operator_keeps_back_is_never_a_pass(town: Town, someone: Person) -> None:
    """A hidden advisory or withdrawal: a registry's word is `reported`, however it is spelt."""
    told = someone.verify(town.registry.url)
    assert told.step(9)[0] == "reported"
    assert "a replay of the log would prove it" in told.step(9)[1]


def test_an_operator_hides_a_yank_that_is_in_the_log(town: Town, someone: Person, tmp_path: Path) -> None:
    """The owner's yank is an entry, and the registry's answers leave it out.

    Who has the line (a newer record, a copy of a friend) is not fooled, and sees that the registry is silent.
    Who reads the log itself, as a monitor does, finds it. Who asks that registry alone is told `reported`,
    never a pass.
    """
    hiding = Operator.of(town.registry)
    release = hiding.log.bundles[4]
    hiding.add(town.publisher.status(hiding.log, release, "yanked", reason="poisoned data"))
    place = len(hiding.log.leaves) - 1

    def silent(path: str, body: bytes) -> bytes:
        return format_record(hiding.log.lines(range(1, place))) if path.endswith("/provenance") else body

    newer = hiding.log.lines(range(1, place + 1))
    with serving(hiding, silent) as url:
        alone = newcomer(town, tmp_path / "alone")
        assert (alone.verify(url).exit_code, alone.verify(url).step(9)[0]) == (0, "reported")
        (someone.model / "provenance.jsonl").write_bytes(format_record(newer))
        told = someone.verify(url)
        result, reason = told.step(9)
        assert (told.exit_code, result) == (1, "fail"), told.outcome.stdout
        assert "poisoned data" in reason
        assert f"{url} does not say so" in reason
        watch = ("--model", "acme/tiny", "--state", tmp_path / "state", "--log-key", town.vkey)
        heard = someone.run("log", "monitor", url, *watch)
        assert heard.exit_code == 1
        assert f"Yanked {RELEASE}: poisoned data" in heard.stdout
    offline = someone.verify(None)
    assert (offline.exit_code, offline.step(9)[0]) == (1, "fail")


def test_a_yank_is_left_out_of_the_tree_and_an_old_checkpoint_gives_it_away(
    town: Town, someone: Person
) -> None:
    """The operator goes back to before the yank: the tree that somebody has seen with it does not fit."""
    honest = Operator.of(town.registry)
    yank = town.publisher.status(honest.log, honest.log.bundles[4], "yanked")
    honest.add(yank)
    with serving(honest) as url:
        assert someone.verify(url).step(9)[0] == "fail"
        assert someone.verify(url, "--allow-yanked").exit_code == 0
    forked = Operator.of(town.registry)
    forked.add(Publisher().introduction(forked.log), Publisher().introduction(forked.log))
    (someone.model / "provenance.jsonl").unlink()
    with serving(forked) as url:
        told = someone.verify(url)
    assert (told.exit_code, told.step(7)[0]) == (1, "fail"), told.outcome.stdout
