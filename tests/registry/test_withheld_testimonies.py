# SPDX-License-Identifier: Apache-2.0
"""What is still shown of a withheld warning or yank, to those who had its bytes and those who never did."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlmodel import SQLModel

from tests.registry.publishers import digest_of
from tests.registry.test_decisions import AUTHENTICATE, RELEASE, Town
from weighbridge.statements import abstract_subject
from weighbridge_registry.state import MemoryState, apply, apply_withheld, effect_facts
from weighbridge_registry.store import tables
from weighbridge_registry.store.views import project

SCAN = "https://in-toto.io/attestation/test-result/v0.1"


@pytest.fixture(scope="module")
def town() -> Town:
    """A log in which much is said of one release; each statement is withheld in some test."""
    town = Town()
    release = town.log[RELEASE][1].digest
    data = digest_of("corpus")
    town.add(town.ann.say("status", release, state="yanked", reason="bad"))
    warning = {"id": "W", "subject_kind": "release", "severity": "high", "summary": "it bites"}
    town.add(town.ann.say("advisory", release, affects=[{"digest": f"sha256:{data}"}], **warning))
    town.add(town.ann.say("advisory", release, town.log[-1][1].digest, **warning))
    town.add(town.ann.say("dataset", data, name="corpus", identity="root"))
    service = {"name": "a.example", "operator": "A", "since": "1970-01-01T00:00:00Z"}
    for models in ([{"digest": f"sha256:{data}"}], [{"release": {"kind": "release", "sha256": release}}]):
        before = town.log[-1][1].digest if town.log[-1][1].kind == "deployment" else None
        subject = abstract_subject("deployment", "a.example")
        town.add(town.ann.say("deployment", subject, before, models=models, **service))
    town.add(town.ann.position(stance="acknowledges", of={"kind": "release", "sha256": release}))
    listed = [{"digest": {"sha256": release}}, {"digest": {"sha256": data}}]
    town.add(town.ann.attest(SCAN, listed, {"result": "FAILED", "configuration": []}))
    return town


SAID = range(RELEASE + 1, RELEASE + 9)


def rows(town: Town, taken: tuple[int, ...], *, bytes_lost: bool) -> dict[str, list[Any]]:
    """All views after takedowns of some entries, replayed with their bytes or without."""
    again = Town.__new__(Town)
    again.state, again.operator, again.ann, again.log = MemoryState(), town.operator, town.ann, []
    for _, candidate, _ in town.log:
        again.add(candidate.bundle.raw)
    for index in taken:
        again.add(again.decision(again.takedown(index)))
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    state = MemoryState()
    with engine.begin() as connection:
        for index, (leaf, candidate, facts) in enumerate(again.log):
            entry: Any
            if bytes_lost and index in taken:
                entry = apply_withheld(state, index, leaf, effect_facts(leaf, facts))
            else:
                entry = apply(state, index, leaf, candidate, AUTHENTICATE)
            state.update(entry.facts)
            project(connection, [entry])
        assert state.digest() == again.state.digest()
        # The decisions' own signatures differ from run to run.
        return {
            str(table.__tablename__): sorted(
                str(tuple(row))
                for row in connection.execute(select(SQLModel.metadata.tables[table.__tablename__]))
            )
            for table in tables.VIEWS
            if table is not tables.Entry
        }


@pytest.mark.parametrize("taken", [*combinations(SAID, 1), (5, 6), (6, 5), tuple(SAID)])
def test_both_come_to_the_same_rows(town: Town, taken: tuple[int, ...]) -> None:
    had, never = rows(town, taken, bytes_lost=False), rows(town, taken, bytes_lost=True)
    assert had == never


def test_a_yank_cannot_be_withheld_away(town: Town) -> None:
    """The operator takes the owner's yank down: its reason goes, the yank stays."""
    whole = rows(town, (), bytes_lost=False)["release"]
    assert "'yanked'" in whole[0]
    assert "'bad'" in whole[0]
    for lost in (False, True):
        [left] = rows(town, (RELEASE + 1,), bytes_lost=lost)["release"]
        assert "'yanked'" in left
        assert "'bad'" not in left


def test_a_withheld_warning_is_listed_no_more_nor_is_the_one_it_replaced(town: Town) -> None:
    assert len(rows(town, (), bytes_lost=False)["advisory"]) == 1
    assert rows(town, (RELEASE + 3,), bytes_lost=True)["advisory"] == []
