# SPDX-License-Identifier: Apache-2.0
"""The state is a pure function: however entries come in, a replay gives the same facts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.registry.publishers import Publisher, model_of
from weighbridge import keys, tlog
from weighbridge.errors import AdmissionError, LogError
from weighbridge.leaves import Leaf
from weighbridge.statements import abstract_subject
from weighbridge_registry.authentication import Authentication
from weighbridge_registry.log.sequencer import decide
from weighbridge_registry.state import Candidate, MemoryState, Overlay, apply, digest, read_candidate

ORIGIN = "log.example.org/test"
OPERATOR = Publisher(ORIGIN, "operator")
PEOPLE = [Publisher(ORIGIN, name, name) for name in ("ann", "ben", "cem")]
MODELS = [model_of({"weights": b"%d" % number}) for number in range(3)]


def genesis() -> Candidate:
    predicate = {
        "decision": {
            "action": "genesis",
            "origin": ORIGIN,
            "log_key": tlog.Signer.generate(ORIGIN).verifier.vkey,
            "operator_key": OPERATOR.pem,
            "admission": "open",
        },
        "logs": [ORIGIN],
        "previous": None,
    }
    return read_candidate(OPERATOR.sign("operator", "log", abstract_subject("operator", ORIGIN), predicate))


def statements() -> list[Candidate]:
    """Good ones, and many that are good only in some order, or never."""
    bundles: list[bytes] = []
    for person in PEOPLE:
        bundles += person.start()
        bundles.append(person.claim("shared"))
        for number, model in enumerate(MODELS):
            other = MODELS[number - 1]["model_digest"]
            lineage: dict[str, Any] = {"parents": [{"relation": "finetune", "digest": other}]}
            bundles.append(person.release("m", str(number), {}, model=model, lineage=lineage))
            bundles.append(person.release("M", "1", {}, model=model))
    return [read_candidate(bundle) for bundle in bundles]


GENESIS = genesis()
STATEMENTS = statements()
AUTHENTICATE = Authentication(public_sigstore=False)


def begun() -> MemoryState:
    state = MemoryState()
    state.update(apply(state, 0, Leaf(GENESIS.bundle.sha256, 1), GENESIS, AUTHENTICATE).facts)
    return state


@given(
    order=st.lists(st.sampled_from(range(len(STATEMENTS))), max_size=40),
    batches=st.lists(st.integers(1, 5), min_size=40, max_size=40),
)
def test_a_replay_of_what_was_admitted_gives_the_same_facts(order: list[int], batches: list[int]) -> None:
    live = begun()
    log: list[tuple[Leaf, Candidate]] = []
    while order:
        taken, order = order[: batches[0]], order[batches[0] :]
        batches = batches[1:]
        batch = Overlay(live)
        for number in taken:
            trial = Overlay(batch)
            try:
                _, entries = decide(
                    trial,
                    live.facts["log/head"]["size"] + _new(batch, live),
                    1 + len(log),
                    [STATEMENTS[number]],
                    AUTHENTICATE,
                )
            except AdmissionError:
                continue
            batch.update(trial.facts)
            log += [(entry.leaf, entry.candidate) for entry in entries]
        live.update(batch.facts)

    replayed = begun()
    fresh = Authentication(public_sigstore=False)
    for index, (leaf, candidate) in enumerate(log, start=1):
        again = read_candidate(candidate.bundle.raw)
        replayed.update(apply(replayed, index, leaf, again, fresh).facts)
    assert replayed.facts == live.facts
    assert replayed.digest() == live.digest()
    assert live.facts["log/head"]["size"] == len(log) + 1


def _new(batch: Overlay, live: MemoryState) -> int:
    head = batch.get("log/head")
    assert head is not None
    size: int = head["size"] - live.facts["log/head"]["size"]
    return size


def test_applying_changes_nothing_by_itself() -> None:
    state = begun()
    before = state.digest()
    entry = apply(state, 1, Leaf(STATEMENTS[0].bundle.sha256, 5), STATEMENTS[0], AUTHENTICATE)
    assert state.digest() == before
    assert entry.facts


def test_leaf_bundle_index_and_time_must_belong_together() -> None:
    state = begun()
    good, other = STATEMENTS[0], STATEMENTS[3]
    for index, leaf in (
        (2, Leaf(good.bundle.sha256, 5)),
        (0, Leaf(good.bundle.sha256, 5)),
        (1, Leaf(other.bundle.sha256, 5)),
        (1, Leaf(good.bundle.sha256, 0)),
    ):
        with pytest.raises(LogError):
            apply(state, index, leaf, good, AUTHENTICATE)


def test_a_log_that_does_not_begin_with_a_genesis() -> None:
    with pytest.raises(AdmissionError, match="genesis"):
        apply(MemoryState(), 0, Leaf(STATEMENTS[0].bundle.sha256, 1), STATEMENTS[0], AUTHENTICATE)


def test_a_genesis_signed_by_another_key_than_it_names() -> None:
    predicate = GENESIS.document.to_json() | {}
    predicate["decision"]["operator_key"] = PEOPLE[0].pem
    forged = read_candidate(OPERATOR.sign("operator", "log", GENESIS.subject, predicate))
    with pytest.raises(AdmissionError):
        apply(MemoryState(), 0, Leaf(forged.bundle.sha256, 1), forged, AUTHENTICATE)


def test_the_digest_of_a_state_is_that_of_its_sorted_lines() -> None:
    facts = {"b": {"y": 1, "a": 2}, "a": [1], "ä": None}
    state = MemoryState()
    state.update(facts)
    assert state.digest() == digest([("a", [1]), ("b", {"a": 2, "y": 1}), ("ä", None)])


def test_the_memory_of_signatures_is_of_the_exact_question() -> None:
    """What was found with the right key is not handed out for another."""
    remember = Authentication(public_sigstore=False)
    bundle = STATEMENTS[0].bundle
    right = remember(bundle, key=PEOPLE[0].pem, anchors=(), received=1)
    assert remember(bundle, key=PEOPLE[0].pem, anchors=(), received=99) == right
    with pytest.raises(Exception, match="key"):
        remember(bundle, key=PEOPLE[1].pem, anchors=(), received=1)
    with pytest.raises(Exception, match="key"):
        remember(bundle, key=None, anchors=(), received=1)
    assert keys.spki_sha256(PEOPLE[0].key.public_key()) == PEOPLE[0].spki
