# SPDX-License-Identifier: Apache-2.0
"""Step 6, as pure judgement: what a release says is in it, held against the manifest and the files.

Two signed statements speak of the same files, so they are compared with each other first: there a
difference is the signer's doing. Only then are the files asked, where a difference is the disk's.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from weighbridge.errors import ReleaseError
from weighbridge.oms import Manifest
from weighbridge.weighing import README, WeighedFile, WeighedModel, model_digest, tensor_table

from .releases import FoundRelease

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.release import Model

__all__ = ["compare_readme", "compare_with_files", "compare_with_manifest"]

_SHOWN = 10
_EQUIVOCATES = "The signer equivocates, or the record is of another model. Do not use it under this name."


def compare_with_manifest(found: FoundRelease, manifest: Manifest) -> None:
    """Check that a release agrees with itself and with the signed manifest; no file is needed for it.

    The root digest holds no names: it ties the two statements together; names and digests are then
    compared one by one. Raises `ReleaseError` (step 6).
    """
    model = found.document.model
    computed = f"sha256:{model_digest(model.files)}"
    _require(found, "model digest", model.model_digest, computed, "its own file list")
    subject = f"sha256:{found.entry.statement.subject.sha256}"
    _require(found, "subject", subject, model.model_digest, "its own model digest")
    if not found.holds_root(manifest.root_digest):
        raise ReleaseError(
            f"{found.title} is of another model: the signed manifest's root digest is not among its own.",
            hint="Either the files or the record belong to another release; get both from the publisher.",
            evidence={
                "root_digest": f"sha256:{manifest.root_digest}",
                "release": [root.root_digest for root in model.root_digests],
            },
        )
    _compare_names(found, manifest)


def compare_with_files(found: FoundRelease, weighed: WeighedModel, *, subset: bool) -> None:
    """Hold a release against files that are as the manifest says (steps 1 and 2 passed).

    What the manifest does not sign is compared: sizes, further digests, tensors. `subset`: signed
    files are missing, so what is computed over all of them is not. Raises `ReleaseError` (step 6).
    """
    present = {file.path: file for file in weighed.files}
    for signed in found.document.model.files:
        read = present.get(signed.path)
        if read is None:
            continue
        digests = {**read.digests, "git_sha1": read.git_sha1 or None}
        for algorithm, value in (
            ("blake3", signed.blake3),
            ("git_sha1", signed.git_sha1),
            ("sha256", signed.sha256),
        ):
            computed = digests.get(algorithm)
            if value is not None and computed is not None and value != computed:
                _require(found, f"{algorithm} of {signed.path}", value, computed)
        _require(found, f"size of {signed.path}", str(signed.size), str(read.size))
    model = found.document.model
    if not subset:
        _require(found, "model digest", model.model_digest, f"sha256:{weighed.model_digest}")
        weights = None if weighed.weights_digest is None else f"sha256:{weighed.weights_digest}"
        _require(found, "weights digest", model.weights_digest, weights)
        _require(found, "tensor table", *_tables(model, weighed))


def _tables(model: Model, weighed: WeighedModel) -> tuple[str | None, str | None]:
    """Return the digest of the signed tensor table and that of the files, with or without sketches.

    A table has all sketches or none (docs/spec/resemblance.md), and whoever has the weights can tell.
    """
    signed = None if model.tensors is None else model.tensors.table_digest
    if not weighed.tensors:
        return signed, None
    computed = [
        f"sha256:{hashlib.sha256(tensor_table(weighed.tensors, sketches=sketches)).hexdigest()}"
        for sketches in (True, False)
    ]
    return signed, signed if signed in computed else computed[0]


def compare_readme(card: Card | None, readme: WeighedFile | None) -> tuple[str, bool]:
    """Say whether the card binds this README, and whether that deserves a warning; ("", False) for nothing.

    `card` is the one in force: the release's, or its newest revision by an owner.

    An edit leaves the weights as signed: it never fails, and what the card no longer describes is anybody's.
    """
    bound = card.readme if card is not None else None
    if readme is None:
        return ("README.md, which the signed card describes, is not here", True) if bound else ("", False)
    if bound is None:
        return "README.md is not signed: the release binds none", True
    if bound.sha256 != readme.sha256:
        return "the signed card no longer describes README.md: it was edited after the release", True
    return "README.md is the one that its card describes", False


def _compare_names(found: FoundRelease, manifest: Manifest) -> None:
    """Compare the files of the two statements: names always, digests where both give the same kind."""
    listed = {
        file.path: {"sha256": file.sha256, "blake3": file.blake3} for file in found.document.model.files
    }
    files = manifest.files()
    algorithm, whole = manifest.serialization.hash_type, manifest.serialization.sharding is None
    signed = {path: each.digests[0] if whole else None for path, each in files.items() if path != README}
    if manifest.is_single_file and len(listed) == 1:
        signed = dict(zip(listed, signed.values(), strict=True))
    only_manifest = sorted(signed.keys() - listed.keys())
    only_release = sorted(listed.keys() - signed.keys())
    changed = sorted(
        name
        for name in signed.keys() & listed.keys()
        if signed[name] is not None and listed[name].get(algorithm) not in (None, signed[name])
    )
    if only_manifest or only_release or changed:
        parts = [
            f"{what} {_listed(names)}"
            for what, names in (
                ("only in the manifest:", only_manifest),
                ("only in the release:", only_release),
                ("with other digests:", changed),
            )
            if names
        ]
        raise ReleaseError(
            f"{found.title} is of other files than the signed manifest: {'; '.join(parts)}.",
            hint=_EQUIVOCATES,
            evidence={
                "only_manifest": only_manifest[:100],
                "only_release": only_release[:100],
                "changed": changed[:100],
            },
        )


def _require(
    found: FoundRelease, what: str, signed: str | None, computed: str | None, of: str = "these files"
) -> None:
    if signed != computed:
        raise ReleaseError(
            f"{found.title}: the {what} that it states is {signed or 'none'}, that of {of} is "
            f"{computed or 'none'}.",
            hint=_EQUIVOCATES,
            evidence={"what": what, "signed": signed, "computed": computed},
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
