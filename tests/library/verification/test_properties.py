# SPDX-License-Identifier: Apache-2.0
"""Laws that hold for every input: owners over time, and records with any one byte changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import told
from tests.models import write
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.errors import SignerError
from weighbridge.identities import Identity
from weighbridge.tlog import Verifier
from weighbridge.verification.entries import Entry, Pins, read_entry
from weighbridge.verification.ownership import read_ownership
from weighbridge.verification.signatures import Authenticator

PEOPLE = [Publisher() for _ in range(4)]
changes = st.lists(
    st.tuples(st.integers(0, 3), st.sets(st.integers(0, 3), min_size=1)), min_size=1, max_size=5
)


def entries_of(log: TinyLog) -> list[Entry]:
    pins = Pins((Verifier.from_vkey(log.vkey),))
    return [read_entry(f"line {number}", line, pins) for number, line in enumerate(log.lines(), start=1)]


@settings(max_examples=40)
@given(changes=changes)
def test_ownership_is_what_a_plain_replay_says(changes: list[tuple[int, set[int]]]) -> None:
    """Each change names a signer and the new owners; it is authorised by the list before it, or refused."""
    log = TinyLog.new()
    owners_at: list[set[int]] = []
    allowed = True
    previous: bytes | None = None
    for signer, owners in changes:
        entitled = owners_at[-1] if owners_at else owners
        allowed = allowed and signer in entitled
        previous = PEOPLE[signer].namespace(
            log, "acme", [PEOPLE[i] for i in sorted(owners)], previous=previous
        )
        log.add(previous)
        owners_at.append(owners)
    entries = entries_of(log)
    authenticator = Authenticator(now=datetime.now(UTC), entries=entries)

    def signer_of(entry: Entry) -> Identity:
        return authenticator(entry.bundle)

    if not allowed:
        with pytest.raises(SignerError):
            read_ownership("acme", entries, signer_of)
        return
    ownership = read_ownership("ACME", entries, signer_of)[log.origin]
    for index in range(len(changes) + 2):
        expected = owners_at[min(index, len(owners_at)) - 1] if index else set()
        owning = {i for i, one in enumerate(PEOPLE) if ownership.owns(one.signer.identity, index)}
        assert owning == expected


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A model of one file, with nothing but its record beside it."""
    model = tmp_path_factory.mktemp("small") / "m"
    write(model / "weights.bin", b"weights")
    release = published(model, title="acme/m@1")
    release.signature.unlink()
    return release


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_record_with_any_one_byte_changed_is_never_verified(
    data: st.DataObject, small: Published, by_release: Check
) -> None:
    content = small.log.record()
    place = data.draw(st.integers(0, len(content) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    small.record.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    verdict = by_release(small)
    assert verdict.exit_code in {1, 3}, told(verdict)
    small.record.write_bytes(content)
    assert by_release(small).exit_code == 0
