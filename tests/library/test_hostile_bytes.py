# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes arrive, the trust core answers with an error of ours, quickly, and with nothing else."""

from __future__ import annotations

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzzing import examples, mutations
from weighbridge.errors import WeighbridgeError
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.policy import read_policy
from weighbridge.records import RecordLine, format_record, parse_record
from weighbridge.tlog import (
    Algorithm,
    Checkpoint,
    Receipt,
    Signer,
    Verifier,
    WitnessPolicy,
    entry_bundle,
    format_receipt,
    open_note,
    parse_checkpoint,
    parse_entry_bundle,
    parse_receipt,
    parse_tile_path,
    sign_checkpoint,
    sign_note,
    tile_path,
    verify_receipt,
)

LOG = Signer("log.example/one", bytes(range(32)))
WITNESS = Signer("witness.example", bytes(32), Algorithm.ED25519_COSIGNATURE).verifier.vkey
LEAF = encode_leaf("ab" * 32, 1_700_000_000)
CHECKPOINT = sign_checkpoint(Checkpoint(LOG.name, 3, bytes(32)), LOG)
RECEIPT = format_receipt(Receipt(2, (bytes(32),), CHECKPOINT, b"extra"))
RECORD = format_record([RecordLine(b"{}", LEAF, RECEIPT)] * 2)
POLICY = f"log {LOG.verifier.vkey}\nwitness W {WITNESS}\ngroup G any W\nquorum G\n".encode()
FILE = b"""\
v = 1
[signers.a]
type = "pattern"
trust_domain = "sha256:%s"
issuer = "https://a.example"
pattern = "[a-z]+@a\\\\.example"
[[reviewers]]
signers = ["a"]
advisories = { fail = "high" }
[[rules]]
releases = ["a/*@1.*"]
signers = ["a"]
lineage = { level = 2 }
""" % (b"ab" * 32)
GOOD = [LEAF, CHECKPOINT, RECEIPT, RECORD, POLICY, LOG.verifier.vkey.encode(), entry_bundle([LEAF] * 3), FILE]
PIECES = [
    b"\n",
    b"\n\n",
    b" ",
    b"\x00",
    "— ".encode(),
    b"+",
    b"=",
    b"index ",
    b"extra ",
    b"-1",
    b"9" * 30,
    b'"',
    b"{",
    b"\xff",
]


def feed(data: bytes) -> None:
    """Give bytes to every reader of the log's trust core."""
    text = data.decode("utf-8", "surrogateescape")  # as arguments of a command arrive
    for read in (
        lambda: parse_leaf(data),
        lambda: open_note(data, [LOG.verifier]),
        lambda: parse_checkpoint(data, [LOG.verifier]),
        lambda: verify_receipt(parse_receipt(data), LEAF, [LOG.verifier]),
        lambda: parse_record(data),
        lambda: WitnessPolicy.parse(data),
        lambda: WitnessPolicy.parse(text),
        lambda: read_policy(data),
        lambda: read_policy(text),
        lambda: Verifier.from_vkey(text),
        lambda: Verifier.from_vkey(LOG.verifier.vkey.replace("one", text)),
        lambda: sign_note(text, [LOG]),
        lambda: Signer.from_private_key("PRIVATE+KEY+" + text),
        lambda: parse_entry_bundle(data, 3),
        lambda: parse_tile_path(text),
        lambda: parse_tile_path(tile_path(0, 1) + text),
    ):
        with contextlib.suppress(WeighbridgeError):
            read()


@settings(max_examples=examples(400))
@given(st.one_of(mutations(GOOD, PIECES), st.binary(max_size=200)))
@example(b"")
@example(b"\n\n")
@example(b"[" * 10_000)
@example(b'{"v":' * 10_000)
@example("\u2028\u0085\u00a0— \n\n".encode())
@example(b"9" * 10_000)
@example(b"\xff\n")
def test_only_errors_of_ours_come_out(data: bytes) -> None:
    feed(data)


def test_what_is_genuine_is_read() -> None:
    assert parse_leaf(LEAF)
    assert parse_receipt(RECEIPT).index == 2
    assert len(parse_record(RECORD)) == 2
    assert WitnessPolicy.parse(POLICY).quorum == "G"
