# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import ProofError
from weighbridge.tlog import (
    EMPTY_ROOT,
    consistency_proof,
    hashes_of,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(700)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def test_known_answers_of_the_reference_implementation() -> None:
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert (
        node_hash(b"N123", b"N456").hex()
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 255, 256, 257, 700])
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert root_hash(LEAVES[:size]) == naive_root(LEAVES[:size])


def test_every_inclusion_proof_of_every_small_tree_holds() -> None:
    for size in range(1, 130):
        root = naive_root(LEAVES[:size])
        read = hashes_of(LEAVES[:size])
        for index in range(size):
            verify_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, read), root)


def test_every_consistency_proof_of_every_small_tree_holds() -> None:
    roots = [naive_root(LEAVES[:size]) for size in range(130)]
    for size2 in range(130):
        read = hashes_of(LEAVES[:size2])
        for size1 in range(size2 + 1):
            proof = consistency_proof(size1, size2, read)
            verify_consistency(size1, size2, proof, roots[size1], roots[size2])


@given(st.data())
def test_a_changed_inclusion_proof_never_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 700))
    index = data.draw(st.integers(0, size - 1))
    leaf, root = LEAVES[index], root_hash(LEAVES[:size])
    proof = inclusion_proof(index, size, hashes_of(LEAVES[:size]))
    verify_inclusion(index, size, leaf, proof, root)
    wrong_index = data.draw(st.integers(0, size + 5).filter(lambda other: other != index))
    extra = data.draw(st.binary(min_size=32, max_size=32))
    lies = [(wrong_index, size, leaf, proof, root), (index, size, leaf, [*proof, extra], root)]
    lies.append((index, size, leaf, [extra, *proof], root))
    lies.append((index, size, flip(leaf, data), proof, root))
    lies.append((index, size, leaf, proof, flip(root, data)))
    if proof:
        lies.append((index, size, leaf, proof[:-1], root))
        lies.append((index, size, leaf, proof[1:], root))
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:place], flip(proof[place], data), *proof[place + 1 :]]
        lies.append((index, size, leaf, changed, root))
    for lie in lies:
        with pytest.raises(ProofError):
            verify_inclusion(*lie)


@given(st.data())
def test_a_changed_consistency_proof_never_holds(data: st.DataObject) -> None:
    size2 = data.draw(st.integers(2, 700))
    size1 = data.draw(st.integers(1, size2 - 1))
    root1, root2 = root_hash(LEAVES[:size1]), root_hash(LEAVES[:size2])
    proof = consistency_proof(size1, size2, hashes_of(LEAVES[:size2]))
    verify_consistency(size1, size2, proof, root1, root2)
    extra = data.draw(st.binary(min_size=32, max_size=32))
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:place], flip(proof[place], data), *proof[place + 1 :]]
    for lie in (
        (size1, size2, [*proof, extra], root1, root2),
        (size1, size2, [extra, *proof], root1, root2),
        (size1, size2, proof[:-1], root1, root2),
        (size1, size2, proof[1:], root1, root2),
        (size1, size2, changed, root1, root2),
        (size1, size2, proof, flip(root1, data), root2),
        (size1, size2, proof, root1, flip(root2, data)),
        (size1, size2, [], root1, root2),
        (size2, size1, proof, root2, root1),
        (size2, size2, proof, root2, root2),
        (0, size2, proof, EMPTY_ROOT, root2),
    ):
        with pytest.raises(ProofError):
            verify_consistency(*lie)


@given(st.data())
def test_a_consistency_proof_is_not_taken_for_another_size(data: st.DataObject) -> None:
    size2 = data.draw(st.integers(2, 300))
    size1 = data.draw(st.integers(1, size2 - 1))
    other = data.draw(st.integers(1, size2 - 1).filter(lambda size: size != size1))
    read = hashes_of(LEAVES[:size2])
    proof = consistency_proof(size1, size2, read)
    with pytest.raises(ProofError):
        verify_consistency(other, size2, proof, root_hash(LEAVES[:size1]), root_hash(LEAVES[:size2]))


def test_the_ends_of_consistency() -> None:
    root = root_hash(LEAVES[:5])
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    verify_consistency(0, 5, [], EMPTY_ROOT, root)
    verify_consistency(5, 5, [], root, root)
    for lie in (
        (0, 5, [], root, root),
        (0, 0, [], root, root),
        (0, 0, [], EMPTY_ROOT, root),
        (5, 5, [], root, LEAVES[0]),
        (-1, 5, [], EMPTY_ROOT, root),
        (5, 2**63, [], root, root),
    ):
        with pytest.raises(ProofError):
            verify_consistency(*lie)


@pytest.mark.parametrize("place", [(5, 4), (4, 4), (0, 0), (-1, 4), (0, 2**63)])
def test_an_index_outside_the_tree_is_refused_before_anything_is_hashed(place: tuple[int, int]) -> None:
    with pytest.raises(ProofError, match="is not in a tree of"):
        verify_inclusion(*place, LEAVES[0], [], LEAVES[0])
    with pytest.raises(ProofError, match="is not in a tree of"):
        inclusion_proof(*place, hashes_of(LEAVES[:4]))


def test_hashes_of_another_length_are_refused() -> None:
    for lie in ((LEAVES[0][:31], [LEAVES[1]]), (LEAVES[0], [LEAVES[1] + b"\x00"])):
        with pytest.raises(ProofError, match="SHA-256 has 32"):
            verify_inclusion(0, 2, lie[0], lie[1], root_hash(LEAVES[:2]))


def test_an_inner_node_cannot_be_passed_off_as_an_entry() -> None:
    """Second preimage: without domain separation the two children would read as one entry."""
    root = root_hash(LEAVES[:2])
    with pytest.raises(ProofError):
        verify_inclusion(0, 1, leaf_hash(LEAVES[0] + LEAVES[1]), [], root)


def flip(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
