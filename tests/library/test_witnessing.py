# SPDX-License-Identifier: Apache-2.0
"""What a witness takes, refuses and cosigns, as a pure function of what it has on record."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import CosigningError, NoteError
from weighbridge.tlog import (
    Algorithm,
    Checkpoint,
    CosignedTree,
    Signer,
    Submission,
    Verifier,
    advance,
    consistency_proof,
    contradicts,
    cosign,
    format_size,
    format_submission,
    hashes_of,
    leaf_hash,
    open_submission,
    origin_digest,
    parse_answer,
    parse_size,
    parse_submission,
    root_hash,
    sign_checkpoint,
    sign_note,
)

LOG = Signer("log.example/one", bytes(range(32)))
LOGS = {LOG.name: (LOG.verifier,)}
WITNESS = Signer("witness.example/w1", bytes(32), Algorithm.ED25519_COSIGNATURE)
HASHES = [leaf_hash(b"entry %d" % number) for number in range(70)]
FORKED = [*HASHES[:20], leaf_hash(b"another entry"), *HASHES[21:]]

# C2SP tlog-witness, the example request body.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa \
opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()


HASH_LINE = base64.b64encode(bytes(32)) + b"\n"


def signed(size: int, hashes: list[bytes] = HASHES, signer: Signer = LOG) -> bytes:
    return sign_checkpoint(Checkpoint(signer.name, size, root_hash(hashes[:size])), signer)


def asked(old: int, size: int, hashes: list[bytes] = HASHES, signer: Signer = LOG) -> Submission:
    """An honest log's request, over these leaves."""
    proof = tuple(consistency_proof(old, size, hashes_of(hashes[:size])))
    return Submission(old, proof, signed(size, hashes, signer))


def on_record(size: int) -> CosignedTree:
    return CosignedTree(size, root_hash(HASHES[:size]))


def decide(record: CosignedTree, submission: Submission) -> CosignedTree:
    """The way of a request through a witness, from bytes on."""
    read = parse_submission(format_submission(submission))
    return advance(record, read, open_submission(read, LOGS))


def refused(record: CosignedTree, submission: Submission) -> CosigningError:
    with pytest.raises(CosigningError) as caught:
        decide(record, submission)
    return caught.value


def test_the_request_of_the_specification_reads_as_it_says() -> None:
    submission = parse_submission(EXAMPLE)
    assert submission.old_size == 20852014
    assert [base64.b64encode(one)[:4] for one in submission.proof] == [b"PlRN", b"jrJZ", b"5+pK", b"/6WV"]
    assert format_submission(submission) == EXAMPLE
    with pytest.raises(CosigningError) as caught:
        open_submission(submission, LOGS)
    assert caught.value.status == 404


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_log_that_only_grows_is_cosigned_whatever_its_steps(one: int, other: int) -> None:
    old, size = sorted((one, other))
    assert decide(on_record(old), asked(old, size)) == on_record(size)


@given(st.integers(0, 70), st.integers(0, 70), st.integers(0, 70))
def test_a_request_that_starts_elsewhere_is_told_the_size(record: int, one: int, other: int) -> None:
    old, size = sorted((one, other))
    if old == record:
        return
    error = refused(on_record(record), asked(old, size))
    assert (error.status, error.size) == (409, record)


@given(st.integers(0, 70), st.integers(21, 70))
def test_a_second_history_is_never_cosigned(old: int, size: int) -> None:
    """Entry 20 was rewritten: whoever has cosigned it refuses, whoever has not has nothing to compare."""
    old = min(old, size)
    if old <= 20:
        return
    assert refused(on_record(old), asked(old, size, FORKED)).status == 422


@given(st.integers(1, 69), st.data())
def test_no_changed_bit_of_a_proof_passes(old: int, data: st.DataObject) -> None:
    submission = asked(old, 70)
    if not submission.proof:
        return
    place = data.draw(st.integers(0, len(submission.proof) * 256 - 1))
    hashes = [bytearray(one) for one in submission.proof]
    hashes[place // 256][place % 256 // 8] ^= 1 << place % 8
    changed = dataclasses.replace(submission, proof=tuple(map(bytes, hashes)))
    assert refused(on_record(old), changed).status == 422


def test_the_same_size_with_another_root_is_refused_and_proves_a_fork() -> None:
    submission = asked(30, 30, FORKED)
    assert refused(on_record(30), submission).status == 422
    assert contradicts(on_record(30), open_submission(submission, LOGS))
    assert not contradicts(on_record(30), open_submission(asked(30, 30), LOGS))
    assert not contradicts(on_record(29), open_submission(submission, LOGS))


def test_a_proof_from_nothing_must_be_empty() -> None:
    submission = dataclasses.replace(asked(0, 30), proof=(HASHES[0],))
    assert refused(CosignedTree(), submission).status == 422


def test_an_empty_tree_has_the_empty_root_or_is_refused() -> None:
    assert decide(CosignedTree(), asked(0, 0)) == CosignedTree()
    text = f"{LOG.name}\n0\n{base64.b64encode(bytes(32)).decode()}\n"
    assert refused(CosignedTree(), Submission(0, (), sign_note(text, [LOG]))).status == 422


def test_a_size_beyond_the_checkpoint_is_malformed() -> None:
    assert refused(on_record(30), Submission(31, (), signed(30))).status == 400


def test_a_log_that_is_not_served_is_unknown() -> None:
    stranger = Signer("log.example/two", bytes(range(32)))
    assert refused(CosignedTree(), asked(0, 30, signer=stranger)).status == 404


def test_a_stranger_cannot_speak_for_a_log() -> None:
    """Another key under the log's name: nothing is told of what was cosigned, not even its size."""
    stranger = Signer(LOG.name, bytes(32))
    error = refused(on_record(12), asked(0, 30, signer=stranger))
    assert (error.status, error.size) == (403, None)


def test_a_signature_that_does_not_hold_is_forbidden() -> None:
    text = f"{LOG.name}\n30\n{base64.b64encode(root_hash(HASHES[:29])).decode()}\n"
    line = signed(30).rpartition(b"\n\n")[2]
    assert refused(CosignedTree(), Submission(0, (), text.encode() + b"\n" + line)).status == 403


def test_lines_of_others_are_ignored_and_not_kept() -> None:
    submission = asked(0, 30)
    noisy = dataclasses.replace(submission, checkpoint=submission.checkpoint + "— x AAAAAAAA\n".encode())
    assert open_submission(noisy, LOGS).note == signed(30)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"old 0" + EXAMPLE,
        EXAMPLE.replace(b"old 2", b"old 02"),
        EXAMPLE.replace(b"old 2", b"old  2"),
        EXAMPLE.replace(b"old 2", b"old -2"),
        EXAMPLE.replace(b"old 2", b"OLD 2"),
        EXAMPLE.replace(b"old 20852014\n", b""),
        EXAMPLE.replace(b"old 20852014", b"old 9223372036854775808"),
        EXAMPLE.replace(b"old 20852014", "old \uff12".encode()),
        EXAMPLE.replace(b"pkaw=", b"pkaw"),
        EXAMPLE.replace(b"pkaw=", b"pkax="),
        EXAMPLE.replace(b"\nPlRN", b"\n PlRN"),
        EXAMPLE.replace(b"\nPlRN", b"\nAAAA\nPlRN"),
        EXAMPLE.replace(b"\n", b"\r\n"),
        EXAMPLE[:-1],
        EXAMPLE.replace(
            b"old 20852014\n",
            b"old 20852014\n"
            + base64.b64encode(bytes(32))
            + b"\n"
            + (base64.b64encode(bytes(32)) + b"\n") * 59,
        ),
        EXAMPLE + b"x" * (512 * 1024),
    ],
)
def test_malformed_requests_are_refused(bad: bytes) -> None:
    with pytest.raises(CosigningError) as caught:
        parse_submission(bad)
    assert caught.value.status == 400


def test_sixty_three_hashes_are_read() -> None:
    submission = Submission(1, (bytes(32),) * 63, signed(30))
    assert parse_submission(format_submission(submission)) == submission
    with pytest.raises(NoteError):
        format_submission(dataclasses.replace(submission, proof=(bytes(32),) * 64))


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_spelling_and_reading_are_inverse(old: int, proof: list[bytes]) -> None:
    submission = Submission(old, tuple(proof), signed(30))
    assert parse_submission(format_submission(submission)) == submission
    assert parse_size(format_size(old)) == old


@given(st.data())
def test_hostile_bytes_are_refused_with_words(data: st.DataObject) -> None:
    body = bytearray(format_submission(asked(10, 30)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        submission = parse_submission(bytes(body))
        advance(on_record(10), submission, open_submission(submission, LOGS))
    except CosigningError as error:
        if error.status not in {400, 403, 404, 409, 422}:
            raise


@pytest.mark.parametrize(
    "bad", [b"", b"\n", b"1", b"01\n", b"1\n\n", b" 1\n", b"-1\n", b"1\r\n", b"9" * 20 + b"\n"]
)
def test_a_size_has_one_spelling(bad: bytes) -> None:
    with pytest.raises(NoteError, match="told no size"):
        parse_size(bad)


TEXT = signed(30).decode().rpartition("\n\n")[0] + "\n"


def line_of(signer: Signer, checkpoint: bytes = signed(30), time: int = 1_700_000_000) -> bytes:
    return cosign(checkpoint, signer, time).line().encode()


def test_an_answer_is_a_cosignature_on_that_very_text() -> None:
    stranger = Signer("witness.example/w2", bytes(range(32)), Algorithm.ED25519_COSIGNATURE)
    found = parse_answer(line_of(stranger) + line_of(WITNESS), TEXT, WITNESS.verifier)
    assert (found.verifier, found.time) == (WITNESS.verifier, 1_700_000_000)


def test_of_several_cosignatures_the_newest_is_taken() -> None:
    both = line_of(WITNESS, time=5) + line_of(WITNESS, time=7) + line_of(WITNESS, time=6)
    assert parse_answer(both, TEXT, WITNESS.verifier).time == 7


IMPOSTOR = Signer(WITNESS.name, bytes(range(32)), Algorithm.ED25519_COSIGNATURE)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\n",
        b"OK\n",
        line_of(IMPOSTOR),
        line_of(WITNESS, signed(29)),
        line_of(WITNESS, signed(30, FORKED)),
        line_of(WITNESS) + line_of(WITNESS, signed(29)),
        line_of(WITNESS)[:-1],
        b"\n" + line_of(WITNESS),
        b"a further line\n\n" + line_of(WITNESS),
        line_of(WITNESS) + b"\n" + line_of(WITNESS),
        line_of(WITNESS) * 101,
        signed(30),
        signed(30) + line_of(WITNESS),
    ],
)
def test_answers_that_prove_nothing_are_refused(bad: bytes) -> None:
    """Another key, another text, more than signature lines: none of it gets onto a checkpoint."""
    with pytest.raises(NoteError):
        parse_answer(bad, TEXT, WITNESS.verifier)


def test_the_names_of_logs_in_addresses() -> None:
    assert origin_digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_several_keys_of_one_log_are_known() -> None:
    """While a log changes its key, either signs for it."""
    newer = Signer(LOG.name, bytes(32))
    logs: dict[str, tuple[Verifier, ...]] = {LOG.name: (LOG.verifier, newer.verifier)}
    for signer in (LOG, newer):
        submission = asked(0, 30, signer=signer)
        assert open_submission(submission, logs).signatures[0].key_id == signer.verifier.key_id
