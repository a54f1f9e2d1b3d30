# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import ConfigurationError, NoteError, WitnessError
from weighbridge.tlog import (
    Algorithm,
    Checkpoint,
    Note,
    NoteSignature,
    Signer,
    WitnessPolicy,
    add_signatures,
    cosign,
    parse_checkpoint,
    sign_checkpoint,
)

LOG = Signer("log.example/one", bytes(range(32)))
WITNESSES = [
    Signer(f"witness.example/{letter}", letter.encode() * 32, Algorithm.ED25519_COSIGNATURE)
    for letter in "ABCDEF"
]
CHECKPOINT = sign_checkpoint(Checkpoint(LOG.name, 7, bytes(32)), LOG)
LOG_KEY = LOG.verifier.vkey
KEYS = [one.verifier.vkey for one in WITNESSES]
TWO_LEVELS = f"""\
# A comment, and an empty line.

log {LOG_KEY} https://log.example/one
\t witness X1 {KEYS[0]} https://witness.example/
witness\tX2 {KEYS[1]}
witness X3 {KEYS[2]}
group X-witnesses 2 X1 X2 X3
witness Y1 {KEYS[3]}
witness Y2 {KEYS[4]}
witness Y3 {KEYS[5]}
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def note_with(*signers: Signer, time: int = 1000) -> Note:
    """A checkpoint that these witnesses have cosigned."""
    data = add_signatures(CHECKPOINT, [cosign(CHECKPOINT, signer, time) for signer in signers])
    return parse_checkpoint(data, [LOG.verifier]).note


def test_the_policy_of_the_specification_reads() -> None:
    policy = WitnessPolicy.parse(TWO_LEVELS)
    assert [(log.verifier.name, log.url) for log in policy.logs] == [(LOG.name, "https://log.example/one")]
    assert [one.name for one in policy.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert policy.witnesses[0].url == "https://witness.example/"
    assert [(group.name, group.threshold) for group in policy.groups] == [
        ("X-witnesses", 2),
        ("Y-witnesses", 1),
        ("X-and-Y", 2),
    ]
    assert policy.quorum == "X-and-Y"
    assert policy.demands_witnesses
    assert policy.log_verifiers == (LOG.verifier,)


def test_every_set_of_witnesses_counts_as_the_quorum_says() -> None:
    policy = WitnessPolicy.parse(TWO_LEVELS)
    for chosen in itertools.product((False, True), repeat=6):
        signers = [one for one, picked in zip(WITNESSES, chosen, strict=True) if picked]
        note = note_with(*signers)
        if sum(chosen[:3]) >= 2 and any(chosen[3:]):
            assert len(policy.satisfied(note)) == len(signers)
        else:
            with pytest.raises(WitnessError) as caught:
                policy.satisfied(note)
            assert caught.value.step == 8
            assert len(caught.value.evidence["cosigned"]) == len(signers)


def test_one_witness_cannot_stand_for_two() -> None:
    policy = WitnessPolicy.parse(TWO_LEVELS)
    data = CHECKPOINT
    for time in (1, 2, 3):
        data = add_signatures(data, [cosign(data, WITNESSES[0], time), cosign(data, WITNESSES[3], time)])
    with pytest.raises(WitnessError):
        policy.satisfied(parse_checkpoint(data, [LOG.verifier]).note)


def test_without_a_quorum_no_witness_is_needed_but_those_known_are_told() -> None:
    policy = WitnessPolicy.parse(f"witness A {KEYS[0]}\nquorum none\n")
    assert not policy.demands_witnesses
    assert policy.satisfied(note_with()) == ()
    assert [one.time for one in policy.satisfied(note_with(WITNESSES[0], WITNESSES[1]))] == [1000]


def test_a_known_witness_whose_signature_fails_refuses_the_note() -> None:
    policy = WitnessPolicy.parse(f"witness A {KEYS[0]}\nwitness B {KEYS[1]}\nquorum B\n")
    good, line = cosign(CHECKPOINT, WITNESSES[1], 9), cosign(CHECKPOINT, WITNESSES[0], 9)
    bad = NoteSignature(line.name, line.key_id, line.signature[:-1] + bytes((line.signature[-1] ^ 1,)))
    note = parse_checkpoint(add_signatures(CHECKPOINT, [good, bad]), [LOG.verifier]).note
    with pytest.raises(NoteError, match="does not hold"):
        policy.satisfied(note)


def test_a_cosignature_of_another_checkpoint_does_not_count() -> None:
    policy = WitnessPolicy.parse(f"witness A {KEYS[0]}\nquorum A\n")
    other = sign_checkpoint(Checkpoint(LOG.name, 8, bytes(32)), LOG)
    moved = add_signatures(CHECKPOINT, [cosign(other, WITNESSES[0], 9)])
    with pytest.raises(NoteError, match="does not hold"):
        policy.satisfied(parse_checkpoint(moved, [LOG.verifier]).note)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("", "no quorum"),
        ("quorum none", "newline"),
        ("quorum none\nquorum none\n", "second quorum"),
        ("quorum missing\n", "earlier line"),
        (f"quorum A\nwitness A {KEYS[0]}\n", "earlier line"),
        ("quorum\n", "a quorum line is"),
        ("quorum none none\n", "a quorum line is"),
        ("Quorum none\n", "not with log, witness"),
        ("timeout 5\nquorum none\n", "not with log, witness"),
        ("quorum none\r\n", "control character"),
        ("quorum\x0bnone\n", "control character"),
        ("quorum none # comment\n", "a quorum line is"),
        ("quorum none\x7f\n", "control character"),
        ("quorum\u00a0none\n", "not with log, witness"),
        ("log\nquorum none\n", "a log line is"),
        (f"log {LOG_KEY} https://a https://b\nquorum none\n", "a log line is"),
        (f"log {LOG_KEY}\nlog {LOG_KEY}\nquorum none\n", "there already"),
        (f"log {KEYS[0]}\nquorum none\n", "not for a log"),
        (f"log {LOG_KEY[:-4]}\nquorum none\n", "line 1"),
        (f"witness A {LOG_KEY}\nquorum none\n", "not for a witness"),
        ("witness A\nquorum none\n", "a witness line is"),
        (f"witness A {KEYS[0]} u v\nquorum none\n", "a witness line is"),
        (f"witness A {KEYS[0]}\nwitness B {KEYS[0]}\nquorum none\n", "there already"),
        (f"witness A {KEYS[0]}\nwitness A {KEYS[1]}\nquorum none\n", "defined already"),
        (f"witness none {KEYS[0]}\nquorum none\n", "taken"),
        (f"witness A {KEYS[0]}\ngroup A any A\nquorum A\n", "defined already"),
        (f"witness A {KEYS[0]}\ngroup none any A\nquorum none\n", "taken"),
        (f"witness A {KEYS[0]}\ngroup G any\nquorum G\n", "a group line is"),
        (f"witness A {KEYS[0]}\ngroup G 0 A\nquorum G\n", "can never be met"),
        (f"witness A {KEYS[0]}\ngroup G 2 A\nquorum G\n", "can never be met"),
        (f"witness A {KEYS[0]}\ngroup G 01 A\nquorum G\n", "leading zeros"),
        (f"witness A {KEYS[0]}\ngroup G some A\nquorum G\n", "decimal"),
        (f"witness A {KEYS[0]}\ngroup G 2 A A\nquorum G\n", "member of a group already"),
        (f"witness A {KEYS[0]}\ngroup G any A\ngroup H any A\nquorum G\n", "member of a group already"),
        (f"witness A {KEYS[0]}\ngroup G any none\nquorum G\n", "earlier line"),
        ("group G any G\nquorum G\n", "earlier line"),
        ("#" * (1 << 20) + "\nquorum none\n", "more than"),
    ],
)
def test_malformed_policies_are_refused_with_the_line(lines: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        WitnessPolicy.parse(lines)
    assert caught.value.exit_code == 2


def test_one_key_under_two_names_is_a_duplicate() -> None:
    again = Signer("another.example/name", WITNESSES[0].seed, Algorithm.ED25519_COSIGNATURE)
    with pytest.raises(ConfigurationError, match="there already"):
        WitnessPolicy.parse(f"witness A {KEYS[0]}\nwitness B {again.verifier.vkey}\nquorum none\n")


def test_names_are_opaque_octets() -> None:
    """A Kelvin sign is not a K, whatever Unicode says of them; bytes that are no UTF-8 are names too."""
    text = f"witness \u212a {KEYS[0]}\nwitness K {KEYS[1]}\nquorum \u212a\n"
    policy = WitnessPolicy.parse(text)
    policy.satisfied(note_with(WITNESSES[0]))
    with pytest.raises(WitnessError):
        policy.satisfied(note_with(WITNESSES[1]))
    raw = b"witness \xff\xfe " + KEYS[0].encode() + b"\nquorum \xff\xfe\n"
    assert WitnessPolicy.parse(raw).satisfied(note_with(WITNESSES[0]))
    with pytest.raises(WitnessError) as caught:
        WitnessPolicy.parse(raw).satisfied(note_with())
    str(caught.value.evidence).encode()  # can be printed


@given(st.data())
def test_what_a_policy_says_is_what_was_written(data: st.DataObject) -> None:
    """Random trees of groups: the parser's reading equals a direct evaluation."""
    count = data.draw(st.integers(1, 6))
    lines = [f"witness w{number} {KEYS[number]}" for number in range(count)]
    signed = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    truth = {f"w{number}": signed[number] for number in range(count)}
    free = list(truth)
    for number in range(data.draw(st.integers(0, 3))):
        members = data.draw(st.lists(st.sampled_from(free), unique=True, min_size=1)) if free else []
        if not members:
            break
        threshold = data.draw(st.integers(1, len(members)))
        lines.append(f"group g{number} {threshold} {' '.join(members)}")
        truth[f"g{number}"] = sum(truth[member] for member in members) >= threshold
        free = [*(name for name in free if name not in members), f"g{number}"]
    quorum = data.draw(st.sampled_from(list(truth)))
    policy = WitnessPolicy.parse("\n".join([*lines, f"quorum {quorum}", ""]))
    note = note_with(*(WITNESSES[number] for number in range(count) if signed[number]))
    if truth[quorum]:
        policy.satisfied(note)
    else:
        with pytest.raises(WitnessError):
            policy.satisfied(note)


def test_the_time_by_which_enough_had_witnessed_is_not_one_liar_s_to_choose() -> None:
    """Two of three are needed: the earliest time of a single witness counts for nothing."""
    log = Signer("log.example/when", bytes(32))
    keys = [Signer(f"w{n}", bytes([n] * 32), Algorithm.ED25519_COSIGNATURE) for n in range(1, 4)]
    lines = [f"witness w{n} {key.verifier.vkey}" for n, key in enumerate(keys, start=1)]
    text = "\n".join([*lines, "group two 2 w1 w2 w3", "quorum two", ""])
    note = sign_checkpoint(Checkpoint(log.name, 1, bytes(32)), log)

    def at(*times: int) -> Note:
        signatures = [cosign(note, key, time) for key, time in zip(keys, times, strict=False)]
        return parse_checkpoint(add_signatures(note, signatures), [log.verifier]).note

    policy = WitnessPolicy.parse(text)
    assert policy.witnessed_by(at(5, 900, 700)) == 700
    assert policy.witnessed_by(at(5, 900)) == 900
    with pytest.raises(WitnessError):
        policy.witnessed_by(at(5))
    anybody = WitnessPolicy.parse(text.replace("quorum two", "quorum none"))
    assert anybody.witnessed_by(at(5, 900)) == 900
    assert anybody.witnessed_by(at()) is None
