# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 6962: hashing, proofs and their verification.

Hashing is that of RFC 6962 section 2.1 (leaves and inner nodes are told apart by a first
byte, an odd last leaf is never doubled). Verification follows the step-by-step algorithms of
RFC 9162 sections 2.1.3.2 and 2.1.4.2, which also check what is often forgotten: that an index
lies inside the tree and that a proof has exactly the length its place demands.

All hashes are 32 raw bytes. Nothing here reads or writes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest

from weighbridge.errors import ProofError

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "MAX_TREE_SIZE",
    "HashReader",
    "Node",
    "consistency_nodes",
    "consistency_proof",
    "fold",
    "hashes_of",
    "inclusion_nodes",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "range_nodes",
    "root_hash",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE = 32
MAX_TREE_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()

Node = tuple[int, int]
"""A complete subtree: (level, index) spans the leaves index·2^level … (index+1)·2^level - 1."""

HashReader = Callable[[Sequence[Node]], Sequence[bytes]]
"""Gives the hash of each asked complete subtree, in the asked order."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash one log entry: SHA-256(0x00 ‖ entry) (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Join the hashes of a decomposition into complete subtrees, largest first, into one hash."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def root_hash(leaves: Iterable[bytes]) -> bytes:
    """Compute the root over leaf hashes in one pass, holding only logarithmically many hashes.

    The leaves are *leaf hashes* (see `leaf_hash`), not entries. No leaves give `EMPTY_ROOT`.
    """
    stack: list[bytes] = []
    for size, leaf in enumerate(leaves, start=1):
        stack.append(leaf)
        complete = size
        while not complete & 1:
            right = stack.pop()
            stack[-1] = node_hash(stack[-1], right)
            complete >>= 1
    return fold(stack) if stack else EMPTY_ROOT


def hashes_of(leaves: Sequence[bytes]) -> HashReader:
    """Serve the complete subtrees of a tree held in memory, for small logs and tests."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def read(nodes: Sequence[Node]) -> list[bytes]:
        return [levels[level][index] for level, index in nodes]

    return read


def range_nodes(low: int, high: int) -> list[Node]:
    """Decompose the leaves low … high-1 into complete subtrees, left to right, largest first.

    `low` must be a multiple of the largest power of two not above `high - low`, as each
    range of a proof is; then `fold` of the nodes' hashes is the hash of the range.
    """
    nodes: list[Node] = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append((level, low >> level))
        low += 1 << level
    return nodes


def inclusion_nodes(index: int, size: int) -> list[list[Node]]:
    """List, for each hash of an inclusion proof, the complete subtrees that fold into it.

    PATH(m, D[n]) of RFC 6962 section 2.1.1, the leaf's sibling first.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ProofError(
            f"entry {index} is not in a tree of {size} entries",
            evidence={"index": index, "size": size},
        )
    low, high = 0, size
    path: list[list[Node]] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(range_nodes(middle, high))
            high = middle
        else:
            path.append(range_nodes(low, middle))
            low = middle
    path.reverse()
    return path


def consistency_nodes(size1: int, size2: int) -> list[list[Node]]:
    """List, for each hash of a consistency proof, the complete subtrees that fold into it.

    PROOF(m, D[n]) of RFC 6962 section 2.1.2. Empty for equal sizes and for an empty first
    tree, which is the beginning of every tree.
    """
    if not 0 <= size1 <= size2 <= MAX_TREE_SIZE:
        raise ProofError(
            f"a tree of {size2} entries cannot extend one of {size1}",
            evidence={"size1": size1, "size2": size2},
        )
    if size1 in (0, size2):
        return []
    low, high, whole = 0, size2, True
    path: list[list[Node]] = []
    while size1 != high:
        middle = low + _split(high - low)
        if size1 <= middle:
            path.append(range_nodes(middle, high))
            high = middle
        else:
            path.append(range_nodes(low, middle))
            low, whole = middle, False
    if not whole:
        path.append(range_nodes(low, high))
    path.reverse()
    return path


def inclusion_proof(index: int, size: int, get_hashes: HashReader) -> list[bytes]:
    """Build the proof that entry `index` is in the tree of `size` entries.

    `get_hashes` is asked once for all complete subtrees. Raises `ProofError` unless
    0 ≤ index < size.
    """
    return _read(inclusion_nodes(index, size), get_hashes)


def consistency_proof(size1: int, size2: int, get_hashes: HashReader) -> list[bytes]:
    """Build the proof that the tree of `size2` entries begins with that of `size1` entries.

    `get_hashes` is asked once for all complete subtrees. Raises `ProofError` unless
    0 ≤ size1 ≤ size2.
    """
    return _read(consistency_nodes(size1, size2), get_hashes)


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the entry with this leaf hash is number `index` of the tree; raise if not.

    RFC 9162 section 2.1.3.2. Raises `ProofError` for an index outside the tree, a proof of
    the wrong length, a hash that is not 32 bytes, or another root.
    """
    evidence = {"index": index, "size": size, "root": root.hex()}
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ProofError(f"entry {index} is not in a tree of {size} entries", evidence=evidence)
    _check_hashes((leaf_hash, root, *proof))
    position, last, computed = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long for its tree", evidence=evidence)
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the inclusion proof is too short for its tree", evidence=evidence)
    if not compare_digest(computed, root):
        raise ProofError("the inclusion proof does not lead to the tree's root", evidence=evidence)


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the second tree begins with the whole first tree; raise if not.

    RFC 9162 section 2.1.4.2. An empty first tree needs the empty root and no proof; equal
    sizes need equal roots and no proof. Raises `ProofError` otherwise.
    """
    evidence = {"size1": size1, "size2": size2, "root1": root1.hex(), "root2": root2.hex()}
    if not 0 <= size1 <= size2 <= MAX_TREE_SIZE:
        raise ProofError(f"a tree of {size2} entries cannot extend one of {size1}", evidence=evidence)
    _check_hashes((root1, root2, *proof))
    if size1 in (0, size2):
        if proof:
            raise ProofError("a consistency proof must be empty for these sizes", evidence=evidence)
        expected = EMPTY_ROOT if size1 == 0 else root2
        if not compare_digest(root1, expected):
            raise ProofError("two trees of one size have different roots", evidence=evidence)
        if size2 == 0 and not compare_digest(root2, EMPTY_ROOT):
            raise ProofError("an empty tree has another root than the empty one", evidence=evidence)
        return
    computed1, computed2 = _roots(size1, size2, proof, root1)
    if not compare_digest(computed1, root1) or not compare_digest(computed2, root2):
        raise ProofError("the consistency proof does not join the two trees", evidence=evidence)


def _roots(size1: int, size2: int, proof: Sequence[bytes], root1: bytes) -> tuple[bytes, bytes]:
    """Recompute both roots from a proof, steps 2 to 6 of RFC 9162 section 2.1.4.2."""
    path = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    if not path:
        raise ProofError("the consistency proof is empty")
    position, last = size1 - 1, size2 - 1
    while position & 1:
        position >>= 1
        last >>= 1
    computed1 = computed2 = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long for its trees")
        if position & 1 or position == last:
            computed1 = node_hash(sibling, computed1)
            computed2 = node_hash(sibling, computed2)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed2 = node_hash(computed2, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the consistency proof is too short for its trees")
    return computed1, computed2


def _split(size: int) -> int:
    """Largest power of two below `size` (≥ 2), where RFC 6962 splits a tree."""
    return 1 << (size - 1).bit_length() - 1


def _read(path: Sequence[Sequence[Node]], get_hashes: HashReader) -> list[bytes]:
    """Fetch the hashes of all nodes at once and fold each group into one proof hash."""
    hashes = get_hashes([node for nodes in path for node in nodes])
    proof: list[bytes] = []
    start = 0
    for nodes in path:
        proof.append(fold(hashes[start : start + len(nodes)]))
        start += len(nodes)
    return proof


def _check_hashes(hashes: Iterable[bytes]) -> None:
    """Refuse a hash that is not 32 bytes: no other length can be one."""
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise ProofError(f"a hash of {len(value)} bytes in a proof: SHA-256 has {HASH_SIZE}")
