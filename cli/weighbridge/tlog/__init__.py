# SPDX-License-Identifier: Apache-2.0
"""Transparency logs as C2SP specifies them: trees, notes, checkpoints, receipts, tiles, witnesses.

The trust core of step 7: every function takes bytes and gives a result or raises; nothing here
reads a file, a clock or the network. Start with `verify_receipt` (is this entry recorded?),
`parse_checkpoint` (what does the log commit to?) and `verify_consistency` (did it only grow?).
`docs/spec/log.md` and `docs/spec/receipts.md` say what of this is normative.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.tlog.checkpoints import (
        Checkpoint,
        SignedCheckpoint,
        parse_checkpoint,
        parse_checkpoint_text,
        sign_checkpoint,
    )
    from weighbridge.tlog.cosigning import Cosignature, add_signatures, cosign, cosignatures
    from weighbridge.tlog.merkle import (
        EMPTY_ROOT,
        HashReader,
        consistency_proof,
        hashes_of,
        inclusion_proof,
        leaf_hash,
        node_hash,
        root_hash,
        verify_consistency,
        verify_inclusion,
    )
    from weighbridge.tlog.notes import (
        Note,
        NoteSignature,
        Signer,
        VerifiedSignature,
        Verifier,
        format_note,
        open_note,
        sign_note,
        split_note,
    )
    from weighbridge.tlog.policies import WitnessPolicy
    from weighbridge.tlog.receipts import Receipt, format_receipt, parse_receipt, verify_receipt
    from weighbridge.tlog.signatures import Algorithm
    from weighbridge.tlog.tiles import (
        TILE_WIDTH,
        Tile,
        TileFetch,
        TileReader,
        edge_root,
        edge_tiles,
        entries_path,
        entry_bundle,
        new_tiles,
        parse_entry_bundle,
        parse_tile_path,
        tile_path,
        tile_width,
        tiles_of,
    )
    from weighbridge.tlog.witnessing import (
        MAX_SUBMISSION_SIZE,
        SIZE_TYPE,
        CosignedTree,
        Submission,
        SubmittedCheckpoint,
        advance,
        contradicts,
        format_size,
        format_submission,
        open_submission,
        origin_digest,
        parse_answer,
        parse_size,
        parse_submission,
    )

__all__ = [
    "EMPTY_ROOT",
    "MAX_SUBMISSION_SIZE",
    "SIZE_TYPE",
    "TILE_WIDTH",
    "Algorithm",
    "Checkpoint",
    "Cosignature",
    "CosignedTree",
    "HashReader",
    "Note",
    "NoteSignature",
    "Receipt",
    "SignedCheckpoint",
    "Signer",
    "Submission",
    "SubmittedCheckpoint",
    "Tile",
    "TileFetch",
    "TileReader",
    "VerifiedSignature",
    "Verifier",
    "WitnessPolicy",
    "add_signatures",
    "advance",
    "consistency_proof",
    "contradicts",
    "cosign",
    "cosignatures",
    "edge_root",
    "edge_tiles",
    "entries_path",
    "entry_bundle",
    "format_note",
    "format_receipt",
    "format_size",
    "format_submission",
    "hashes_of",
    "inclusion_proof",
    "leaf_hash",
    "new_tiles",
    "node_hash",
    "open_note",
    "open_submission",
    "origin_digest",
    "parse_answer",
    "parse_checkpoint",
    "parse_checkpoint_text",
    "parse_entry_bundle",
    "parse_receipt",
    "parse_size",
    "parse_submission",
    "parse_tile_path",
    "root_hash",
    "sign_checkpoint",
    "sign_note",
    "split_note",
    "tile_path",
    "tile_width",
    "tiles_of",
    "verify_consistency",
    "verify_inclusion",
    "verify_receipt",
]

# Which module a name is from. Each loads when one of its names is first asked for (PEP 562): whoever only
# hashes a model wants trees, and no notes, policies or tiles.
_HOMES = {
    "checkpoints": (
        "Checkpoint",
        "SignedCheckpoint",
        "parse_checkpoint",
        "parse_checkpoint_text",
        "sign_checkpoint",
    ),
    "cosigning": (
        "Cosignature",
        "add_signatures",
        "cosign",
        "cosignatures",
    ),
    "merkle": (
        "EMPTY_ROOT",
        "HashReader",
        "consistency_proof",
        "hashes_of",
        "inclusion_proof",
        "leaf_hash",
        "node_hash",
        "root_hash",
        "verify_consistency",
        "verify_inclusion",
    ),
    "notes": (
        "Note",
        "NoteSignature",
        "Signer",
        "VerifiedSignature",
        "Verifier",
        "format_note",
        "open_note",
        "sign_note",
        "split_note",
    ),
    "policies": ("WitnessPolicy",),
    "receipts": (
        "Receipt",
        "format_receipt",
        "parse_receipt",
        "verify_receipt",
    ),
    "signatures": ("Algorithm",),
    "tiles": (
        "TILE_WIDTH",
        "Tile",
        "TileFetch",
        "TileReader",
        "edge_root",
        "edge_tiles",
        "entries_path",
        "entry_bundle",
        "new_tiles",
        "parse_entry_bundle",
        "parse_tile_path",
        "tile_path",
        "tile_width",
        "tiles_of",
    ),
    "witnessing": (
        "MAX_SUBMISSION_SIZE",
        "SIZE_TYPE",
        "CosignedTree",
        "Submission",
        "SubmittedCheckpoint",
        "advance",
        "contradicts",
        "format_size",
        "format_submission",
        "open_submission",
        "origin_digest",
        "parse_answer",
        "parse_size",
        "parse_submission",
    ),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
