# SPDX-License-Identifier: Apache-2.0
"""Decisions of the operator as the state judges them: who may decide, and no lies about effects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.registry.publishers import Publisher, model_of
from weighbridge import tlog
from weighbridge.errors import AdmissionError, ConflictError, ForbiddenError, LogError, UnprocessableError
from weighbridge.leaves import Leaf
from weighbridge.statements import abstract_subject
from weighbridge.withholding import effect_of
from weighbridge_registry.authentication import Authentication
from weighbridge_registry.state import (
    Candidate,
    MemoryState,
    apply,
    apply_withheld,
    effect_facts,
    is_withheld,
    read_candidate,
)

ORIGIN = "log.example.org/test"
AUTHENTICATE = Authentication(public_sigstore=False)


class Town:
    """A log in memory: entry by entry, with the facts that each one wrote."""

    def __init__(self) -> None:
        self.state = MemoryState()
        self.operator = Publisher(ORIGIN, "operator")
        self.ann = Publisher(ORIGIN, "ann")
        self.log: list[tuple[Leaf, Candidate, dict[str, Any]]] = []
        genesis = {
            "action": "genesis",
            "origin": ORIGIN,
            "log_key": tlog.Signer.generate(ORIGIN).verifier.vkey,
            "operator_key": self.operator.pem,
            "admission": "open",
        }
        self.add(self.decision(genesis, previous=None))
        for bundle in (*self.ann.start(), self.ann.release("m", "1", {}, model=model_of({"w": b"1"}))):
            self.add(bundle)

    def add(self, bundle: bytes) -> int:
        """Admit a bundle as the next entry, or raise why not."""
        candidate, index = read_candidate(bundle), len(self.log)
        leaf = Leaf(candidate.bundle.sha256, 1000 + index)
        admitted = apply(self.state, index, leaf, candidate, AUTHENTICATE)
        self.state.update(admitted.facts)
        self.log.append((leaf, candidate, admitted.facts))
        return index

    def decision(
        self, decision: dict[str, Any], previous: str | None = "", by: Publisher | None = None
    ) -> bytes:
        named = self.state.facts["log/operator"]["statement"] if previous == "" else previous
        reference = None if named is None else {"kind": "operator", "sha256": named}
        predicate = {"decision": decision, "logs": [ORIGIN], "previous": reference}
        signer = by or self.operator
        return signer.sign("operator", ORIGIN, abstract_subject("operator", ORIGIN), predicate)

    def takedown(self, index: int, **changes: Any) -> dict[str, Any]:
        leaf, _, facts = self.log[index]
        return {
            "action": "takedown",
            "target": "bundle",
            "sha256": f"sha256:{leaf.bundle_sha256}",
            "reason": "court_order",
            "effect": f"sha256:{effect_of(effect_facts(leaf, facts))}",
        } | changes

    def replay(self, withheld: dict[int, dict[str, Any]]) -> MemoryState:
        """Read the log again without the bundles of some entries, by what is said of them."""
        state = MemoryState()
        for index, (leaf, candidate, _) in enumerate(self.log):
            if index in withheld:
                state.update(apply_withheld(state, index, leaf, withheld[index]).facts)
            else:
                state.update(apply(state, index, leaf, candidate, AUTHENTICATE).facts)
        return state


RELEASE = 3


@pytest.fixture
def town() -> Town:
    return Town()


def test_a_replay_without_the_bundle_reaches_the_same_state(town: Town) -> None:
    leaf, _, facts = town.log[RELEASE]
    town.add(town.decision(town.takedown(RELEASE)))
    town.add(town.ann.release("m", "2", {}, model=model_of({"w": b"2"})))
    found = town.replay({RELEASE: effect_facts(leaf, facts)})
    assert found.digest() == town.state.digest()
    assert is_withheld(found, "bundle", leaf.bundle_sha256) is not None


def test_only_the_operator_decides_and_in_order(town: Town) -> None:
    with pytest.raises(ForbiddenError, match="only this log's operator"):
        town.add(town.decision(town.takedown(RELEASE), by=town.ann))
    stale = town.state.facts["log/operator"]["statement"]
    town.add(town.decision(town.takedown(RELEASE)))
    with pytest.raises(ConflictError, match="replaces"):
        town.add(town.decision(town.takedown(RELEASE, reason="malware"), previous=stale))


def test_a_takedown_cannot_lie_about_what_the_entry_did(town: Town) -> None:
    with pytest.raises(UnprocessableError, match="something else of what entry 3 did"):
        town.add(town.decision(town.takedown(RELEASE, effect=f"sha256:{'00' * 32}")))
    with pytest.raises(UnprocessableError, match="never withheld"):
        town.add(town.decision(town.takedown(0)))
    with pytest.raises(UnprocessableError, match="no entry of this log"):
        town.add(town.decision(town.takedown(RELEASE, sha256=f"sha256:{'11' * 32}")))


@pytest.mark.parametrize(
    "lie",
    [
        {"log/operator": {"signer": "00" * 32, "statement": "00" * 32}},
        {"namespace/acme": {"name": "acme", "epoch": 1, "owners": [], "statement": "00" * 32, "index": 3}},
        {"log/head": {"size": 99, "received": 1003}},
        {f"logged/{'00' * 32}/{'11' * 32}": 3},
        {f"withheld/bundle/{'00' * 32}": None},
    ],
)
def test_facts_that_no_release_can_have_written_are_refused(town: Town, lie: dict[str, Any]) -> None:
    """An operator says that a withheld release made somebody owner, or operator, or more."""
    leaf, _, facts = town.log[RELEASE]
    with pytest.raises(LogError, match="no entry at that place can have done"):
        town.replay({RELEASE: effect_facts(leaf, facts) | lie})


def test_facts_changed_within_their_kind_are_caught_by_whoever_replayed_the_entry(town: Town) -> None:
    """The account is plausible and false: who had the bundle knows its effect, and refuses it."""
    leaf, _, facts = town.log[RELEASE]
    lie = effect_facts(leaf, facts)
    version = next(key for key in lie if key.startswith("version/"))
    lie[version] = lie[version] | {"model_digest": f"sha256:{'22' * 32}"}
    with pytest.raises(AdmissionError, match="something else"):
        town.add(town.decision(town.takedown(RELEASE, effect=f"sha256:{effect_of(lie)}")))
    town.add(town.decision(town.takedown(RELEASE)))
    with pytest.raises(AdmissionError, match="something else"):
        town.replay({RELEASE: lie})


def test_what_is_restored_is_withheld_no_more(town: Town) -> None:
    leaf = town.log[RELEASE][0]
    restore = {"action": "restore", "target": "bundle", "sha256": f"sha256:{leaf.bundle_sha256}"}
    with pytest.raises(UnprocessableError, match="not withheld"):
        town.add(town.decision(restore))
    town.add(town.decision(town.takedown(RELEASE)))
    index = town.add(town.decision(restore))
    assert is_withheld(town.state, "bundle", leaf.bundle_sha256) is None
    assert town.state.facts[f"withheld/bundle/{leaf.bundle_sha256}"]["restored"] == index


def test_a_namespace_that_was_given_to_others(town: Town) -> None:
    ben = Publisher(ORIGIN, "ben")
    given = {"action": "reassign", "namespace": "acme", "owners": [ben.owner], "reason": "lost_keys"}
    with pytest.raises(UnprocessableError, match="nobody has claimed"):
        town.add(town.decision(given | {"namespace": "nowhere"}))
    with pytest.raises(ConflictError, match="registered as acme"):
        town.add(town.decision(given | {"namespace": "AC-ME"}))
    town.add(town.decision(given))
    assert town.state.facts["namespace/acme"]["epoch"] == 2
    with pytest.raises(ForbiddenError, match="not an owner"):
        town.add(town.ann.release("m", "2", {}, model=model_of({"w": b"2"})))
    town.add(ben.release("m", "2", {}, model=model_of({"w": b"2"})))
    before = town.state.facts["namespace/acme"]["statement"]
    town.add(ben.claim("acme", [ben.owner, town.ann.owner], previous={"kind": "operator", "sha256": before}))
    assert town.state.facts["namespace/acme"]["epoch"] == 2
