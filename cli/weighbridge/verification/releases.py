# SPDX-License-Identifier: Apache-2.0
"""Step 6, as pure judgement: is there a release of this name, by whom, and is it of these files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.errors import ReleaseError, StatementError
from weighbridge.statements import parse_statement
from weighbridge.weighing import README, WeighedModel, model_digest, tensor_table

from .entries import Entry
from .request import WantedRelease

if TYPE_CHECKING:
    from weighbridge_schemas.release import Release

__all__ = ["FoundRelease", "compare_release", "find_release", "names_of"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class FoundRelease:
    """A release statement that names what was asked for, valid of its kind, not yet compared with files."""

    entry: Entry
    document: Release

    @property
    def title(self) -> str:
        """Its full name, as its publisher writes it."""
        return f"{self.document.namespace}/{self.document.name}@{self.document.version}"

    def holds_root(self, root_sha256: str) -> bool:
        """Tell whether the release names a manifest's root digest among its own."""
        return any(each.root_digest == f"sha256:{root_sha256}" for each in self.document.model.root_digests)


def names_of(entries: Iterable[Entry]) -> list[str]:
    """List what releases the evidence claims to hold, for messages."""
    names = {
        "{}/{}@{}".format(
            *(str(each.statement.predicate.get(key, "?"))[:96] for key in ("namespace", "name", "version"))
        )
        for each in entries
        if each.kind == "release"
    }
    return sorted(names)


def _same_name(predicate: Mapping[str, Any], wanted: WantedRelease) -> bool:
    """Compare names as they are unique, and the version exactly."""
    called = wanted.is_called(predicate.get("namespace", ""), predicate.get("name", ""))
    return called and wanted.version in (None, predicate.get("version"))


def find_release(
    entries: Iterable[Entry], wanted: WantedRelease, root_sha256: str | None
) -> FoundRelease | None:
    """Choose the release that was asked for: of several, one that holds the manifest's root, proved first.

    Raises `StatementError` if the one chosen is not valid of its kind.
    """
    named = [
        each for each in entries if each.kind == "release" and _same_name(each.statement.predicate, wanted)
    ]
    if not named:
        return None
    best = max(named, key=lambda each: (_claims_root(each, root_sha256), each.proved, each.index))
    return FoundRelease(best, _document(best))


def compare_release(
    found: FoundRelease, weighed: WeighedModel, root_sha256: str, *, subset: bool = False
) -> list[str]:
    """Hold a release against the files as they were weighed; returns warnings.

    `subset`: signed files are known to be missing, so only those that are there are compared. Raises
    `ReleaseError` (step 6) for anything that differs.
    """
    _check_body(found, root_sha256)
    _compare_files(found, weighed, subset=subset)
    model = found.document.model
    if not subset:
        _require(found, "model digest", model.model_digest, f"sha256:{weighed.model_digest}")
        weights = None if weighed.weights_digest is None else f"sha256:{weighed.weights_digest}"
        _require(found, "weights digest", model.weights_digest, weights)
        table = None if not weighed.tensors else hashlib.sha256(tensor_table(weighed.tensors)).hexdigest()
        signed = None if model.tensors is None else model.tensors.table_digest
        _require(found, "tensor table", signed, table and f"sha256:{table}")
    return _compare_readme(found, weighed)


def _claims_root(entry: Entry, root_sha256: str | None) -> bool:
    model = entry.statement.predicate.get("model")
    roots = model.get("root_digests") if isinstance(model, dict) else None
    return isinstance(roots, list) and any(
        isinstance(root, dict) and root.get("root_digest") == f"sha256:{root_sha256}" for root in roots
    )


def _document(entry: Entry) -> Release:
    from weighbridge_schemas.release import Release

    document = parse_statement(entry.bundle.payload, strict=True).document()
    if not isinstance(document, Release):
        raise StatementError(f"{entry.source}: not a release statement.", step=6)
    return document


def _check_body(found: FoundRelease, root_sha256: str) -> None:
    """Check that a release agrees with itself and with the manifest, before any file is compared.

    The root digest holds no names: it ties the two statements together, the model digest is what
    identifies the files.
    """
    model = found.document.model
    computed = f"sha256:{model_digest(model.files)}"
    _require(found, "model digest of its own file list", model.model_digest, computed)
    _require(found, "subject", f"sha256:{found.entry.statement.subject.sha256}", model.model_digest)
    if not found.holds_root(root_sha256):
        raise ReleaseError(
            f"{found.title} is of another model: the signed manifest's root digest is not among its own.",
            hint="Either the files or the record belong to another release; get both from the publisher.",
            evidence={
                "root_digest": f"sha256:{root_sha256}",
                "release": [root.root_digest for root in model.root_digests],
            },
        )


def _compare_files(found: FoundRelease, weighed: WeighedModel, *, subset: bool) -> None:
    listed = {file.path: file for file in found.document.model.files}
    present = {file.path: file for file in weighed.files if file.path != README}
    missing = sorted(listed.keys() - present.keys())
    extra = sorted(present.keys() - listed.keys())
    changed: list[str] = []
    for path in sorted(listed.keys() & present.keys()):
        signed, read = listed[path], present[path]
        known = {"sha256": signed.sha256, "blake3": signed.blake3}
        differs = signed.size != read.size or any(
            known.get(algorithm) not in (None, digest) for algorithm, digest in read.digests.items()
        )
        if differs or (signed.git_sha1 is not None and read.git_sha1 not in ("", signed.git_sha1)):
            changed.append(path)
    if changed or extra or (missing and not subset):
        raise ReleaseError(
            f"{found.title} is of other files: {_listed('not in the release', extra)}"
            f"{_listed('missing', missing)}{_listed('different', changed)}".rstrip("; ")
            + ".",
            hint="Manifest and release disagree: the signer equivocates, or the record is of another model.",
            evidence={"missing": missing[:100], "extra": extra[:100], "changed": changed[:100]},
        )


def _compare_readme(found: FoundRelease, weighed: WeighedModel) -> list[str]:
    """Warn of a README that the card does not bind: the weights beside it are as signed."""
    card = found.document.card
    bound = card.readme if card is not None else None
    if weighed.readme is None:
        return ["README.md, which the signed card describes, is not here"] if bound is not None else []
    if bound is None:
        return ["README.md is not signed: the release binds none"]
    if bound.sha256 != weighed.readme.sha256:
        return ["the signed card no longer describes README.md: it was edited after the release"]
    return []


def _require(found: FoundRelease, what: str, signed: str | None, computed: str | None) -> None:
    if signed != computed:
        raise ReleaseError(
            f"{found.title}: its {what} is {signed or 'none'}, that of these files is {computed or 'none'}.",
            hint="The release is of another model, or its publisher's tool is at fault. Do not use it.",
            evidence={"signed": signed, "computed": computed},
        )


def _listed(what: str, paths: list[str]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{what}: {', '.join(paths[:_SHOWN])}{more}; "
