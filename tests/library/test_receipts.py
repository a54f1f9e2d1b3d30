# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import LogError, NoteError, ProofError
from weighbridge.leaves import encode_leaf
from weighbridge.tlog import (
    Checkpoint,
    Receipt,
    Signer,
    format_receipt,
    hashes_of,
    inclusion_proof,
    leaf_hash,
    parse_receipt,
    root_hash,
    sign_checkpoint,
    verify_receipt,
)

LOG = Signer("log.example/one", bytes(range(32)))
LEAVES = [encode_leaf(f"{number:064x}", 1_700_000_000 + number) for number in range(40)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def receipt_for(index: int, size: int = 40, *, signer: Signer = LOG, extra: bytes | None = None) -> Receipt:
    """An honest receipt."""
    checkpoint = sign_checkpoint(Checkpoint(signer.name, size, root_hash(HASHES[:size])), signer)
    proof = inclusion_proof(index, size, hashes_of(HASHES[:size]))
    return Receipt(index, tuple(proof), checkpoint, extra)


RECEIPT = receipt_for(9)
DATA = format_receipt(RECEIPT)


def test_a_receipt_proves_its_entry_and_no_other() -> None:
    receipt = parse_receipt(DATA)
    assert receipt.origin == "log.example/one"
    assert verify_receipt(receipt, LEAVES[9], [LOG.verifier]).size == 40
    with pytest.raises(ProofError, match="does not lead to the tree's root"):
        verify_receipt(receipt, LEAVES[10], [LOG.verifier])


def test_it_has_the_form_of_the_specification() -> None:
    lines = DATA.decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 9"]
    assert [base64.b64decode(line) for line in lines[2:8]] == list(RECEIPT.proof)
    assert lines[8:11] == ["", "log.example/one", "40"]


def test_a_receipt_of_another_log_is_refused() -> None:
    impostor = Signer("log.example/one", bytes(32))
    for signer in (impostor, Signer("log.example/two", bytes(32))):
        with pytest.raises(NoteError, match="no trusted key"):
            verify_receipt(receipt_for(9, signer=signer), LEAVES[9], [LOG.verifier])


def test_a_changed_checkpoint_is_refused() -> None:
    changed = parse_receipt(DATA.replace(b"\n40\n", b"\n41\n"))
    with pytest.raises(NoteError, match="does not hold"):
        verify_receipt(changed, LEAVES[9], [LOG.verifier])


@pytest.mark.parametrize("index", [40, 41, 2**62])
def test_an_index_outside_the_tree_is_refused_already_when_read(index: int) -> None:
    with pytest.raises(ProofError, match="of a tree of 40 entries"):
        parse_receipt(DATA.replace(b"index 9\n", b"index %d\n" % index))


def test_an_index_outside_the_tree_is_refused_when_verified() -> None:
    """CVE-2026-22703's neighbour: some verifiers accept index 5 in a tree of 4."""
    lie = dataclasses.replace(RECEIPT, index=40)
    with pytest.raises(ProofError, match="is not in a tree of 40"):
        verify_receipt(lie, LEAVES[9], [LOG.verifier])
    with pytest.raises(ProofError):
        format_receipt(lie)


def test_the_extra_line_is_read_and_proves_nothing() -> None:
    receipt = receipt_for(9, extra=b"anything")
    assert parse_receipt(format_receipt(receipt)) == receipt
    other = dataclasses.replace(receipt, extra=b"else")
    assert verify_receipt(other, LEAVES[9], [LOG.verifier])


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        DATA[:-1],
        DATA + b"\n",
        b"\n" + DATA,
        DATA.replace(b"@v1", b"@v2"),
        DATA.replace(b"index 9", b"index 09"),
        DATA.replace(b"index 9", b"index -9"),
        DATA.replace(b"index 9", b"index  9"),
        DATA.replace(b"index 9", b"Index 9"),
        DATA.replace(b"index 9\n", b""),
        DATA.replace(b"index 9\n", b"index 9\nindex 9\n"),
        DATA.replace(b"index 9\n", b"index 9\nextra AAAA\n"),
        DATA.replace(b"index 9\n", b"extra AAA\nindex 9\n"),
        DATA.replace(b"index 9\n", b"extra AAAA\nextra AAAA\nindex 9\n"),
        DATA.replace(b"index 9\n", b"index 9\nAAAA\n"),
        DATA.replace(b"index 9\n", b"index 9\n\n"),
        DATA.replace(b"\n", b"\r\n"),
        DATA.replace(b"index 9\n", b"index 9\n" + b"A" * 43 + b"=\n" * 64),
        DATA.replace(b"index 9\n", b"index 9\n" + (b"A" * 43 + b"=\n") * 64),
        DATA.replace(b"index 9\n", b"extra " + base64.b64encode(bytes(70_000)) + b"\nindex 9\n"),
        DATA.replace(b"index 9\n", "index \u0669\n".encode()),
        DATA + b" " * (2 << 20),
    ],
)
def test_malformed_receipts_are_refused(bad: bytes) -> None:
    assert bad != DATA
    with pytest.raises(LogError):
        parse_receipt(bad)


@pytest.mark.parametrize("change", ["longer", "shorter", "swapped", "index"])
def test_a_changed_proof_is_refused(change: str) -> None:
    proof = RECEIPT.proof
    lie = {
        "longer": dataclasses.replace(RECEIPT, proof=(*proof, bytes(32))),
        "shorter": dataclasses.replace(RECEIPT, proof=proof[:-1]),
        "swapped": dataclasses.replace(RECEIPT, proof=(proof[1], proof[0], *proof[2:])),
        "index": dataclasses.replace(RECEIPT, index=8),
    }[change]
    with pytest.raises(ProofError):
        verify_receipt(lie, LEAVES[9], [LOG.verifier])


@given(st.data())
def test_no_flipped_bit_of_a_receipt_survives(data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(DATA) * 8 - 1))
    changed = bytearray(DATA)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LogError):
        verify_receipt(parse_receipt(bytes(changed)), LEAVES[9], [LOG.verifier])


@given(st.data())
def test_formatting_and_reading_are_inverse_and_every_receipt_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    extra = data.draw(st.none() | st.binary(max_size=50))
    receipt = receipt_for(index, size, extra=extra)
    again = parse_receipt(format_receipt(receipt))
    assert again == receipt
    assert verify_receipt(again, LEAVES[index], [LOG.verifier]).size == size
