# SPDX-License-Identifier: Apache-2.0
"""The OMS manifest: made in one form, read with every strictness of DESIGN section 6.

Bytes and values only, no I/O. A manifest is authentic only after its envelope and signer were
checked (steps 3 and 4); everything here is step 5. The root digest does not cover names (OMS v1.0
section 6.5.1), so nothing here or later relies on it alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from weighbridge import canonical
from weighbridge.errors import InputError, StatementError
from weighbridge.statements import Statement
from weighbridge.weighing import WeighedModel, root_digest
from weighbridge.weighing.hashing import ALGORITHMS
from weighbridge.weighing.names import name_fault
from weighbridge_schemas.names import STATEMENT_TYPE

__all__ = [
    "LEGACY_PREDICATE_TYPE",
    "PREDICATE_TYPE",
    "Manifest",
    "Resource",
    "Serialization",
    "manifest_of",
    "oms_statement",
    "parse_manifest",
]

PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"

LEGACY_PREDICATE_TYPE: Final = "https://model_signing/Digests/v0.1"
"""Written by model-signing 0.2, before the specification."""

SINGLE: Final = "."
"""The name that model-signing gives the only resource of a single-file model."""

_HEX_LENGTHS: Final = {"sha256": 64, "blake2b": 128, "blake3": 64}
_HEX = re.compile(r"[0-9a-f]+")
_MAX_IGNORES: Final = 10_000
_SERIALIZATION_MEMBERS: Final = frozenset(
    {"method", "hash_type", "allow_symlinks", "shard_size", "ignore_paths"}
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One signed file: its path, and its digest in lowercase hex."""

    name: str
    digest: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Serialization:
    """How the files became resources, as recorded by the signer; `ignore_paths` are exact paths."""

    method: str = "files"
    hash_type: str = "sha256"
    allow_symlinks: bool = False
    ignore_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A list of signed files in recorded order, and how it was made."""

    resources: tuple[Resource, ...]
    serialization: Serialization

    @property
    def root_digest(self) -> str:
        """The OMS subject in hex: SHA-256 over the raw digests in recorded order."""
        return root_digest(bytes.fromhex(resource.digest) for resource in self.resources)

    @property
    def is_single_file(self) -> bool:
        """Whether the only resource is called `.`, as model-signing does for a single file."""
        return [resource.name for resource in self.resources] == [SINGLE]


def manifest_of(weighed: WeighedModel, *, algorithm: str = "sha256") -> Manifest:
    """Return the manifest of a weighing: code-point order, its ignore paths sorted.

    Raises InputError if the weighing did not compute `algorithm`.
    """
    if any(algorithm not in file.digests for file in weighed.files):
        raise InputError(f"The model was weighed without {algorithm}.", hint="Weigh it with that algorithm.")
    return Manifest(
        tuple(Resource(file.path, file.digests[algorithm], algorithm) for file in weighed.files),
        Serialization(hash_type=algorithm, ignore_paths=tuple(sorted(weighed.ignored))),
    )


def oms_statement(manifest: Manifest, name: str) -> bytes:
    """Return the payload to sign: an in-toto statement whose subject is the root digest.

    `name` is the base name of the model's folder or file; it is informational.
    """
    serialization: dict[str, Any] = {
        "method": manifest.serialization.method,
        "hash_type": manifest.serialization.hash_type,
        "allow_symlinks": manifest.serialization.allow_symlinks,
    }
    if manifest.serialization.ignore_paths:
        serialization["ignore_paths"] = list(manifest.serialization.ignore_paths)
    payload = canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": manifest.root_digest}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "serialization": serialization,
                "resources": [
                    {"name": resource.name, "algorithm": resource.algorithm, "digest": resource.digest}
                    for resource in manifest.resources
                ],
            },
        }
    )
    if len(payload) > canonical.MAX_BYTES:
        raise InputError(
            f"The manifest of {len(manifest.resources)} files is larger than {canonical.MAX_BYTES} bytes.",
            hint="Pack the many small files of the model into archives.",
        )
    return payload


def parse_manifest(statement: Statement) -> tuple[Manifest, tuple[str, ...]]:
    """Read the manifest out of an authenticated statement; returns it with warnings.

    Raises StatementError (step 5): another predicate type, not exactly one subject, a root digest
    that is not the one of the resources, no resources, a name that is not a plain relative path
    or is there twice, an ignore path that covers everything, an algorithm that is unknown or not
    the recorded one, shards. Resources in another than code-point order are a warning: older
    signers sorted by path components.
    """
    if statement.predicate_type == LEGACY_PREDICATE_TYPE:
        raise StatementError(
            "This signature is in the experimental format of model-signing 0.2, which names no ignored files "
            "and no method.",
            hint="Ask the publisher to sign again; every current tool writes OMS v1.0.",
        )
    if statement.predicate_type != PREDICATE_TYPE:
        raise StatementError(
            f"This is a statement of type {statement.predicate_type[:200]!r}, not a model signature.",
            hint="Give the OMS signature of the model, usually model.sig.",
        )
    if len(statement.subjects) != 1:
        raise StatementError(f"A model signature has one subject; this has {len(statement.subjects)}.")
    serialization = _serialization(statement.predicate.get("serialization"))
    manifest = Manifest(
        _resources(statement.predicate.get("resources"), serialization.hash_type), serialization
    )
    if manifest.root_digest != statement.subjects[0].sha256:
        raise StatementError(
            "The signed root digest is not the one of the signed resources.",
            evidence={"signed": statement.subjects[0].sha256, "computed": manifest.root_digest},
        )
    return manifest, _warnings(manifest)


def _warnings(manifest: Manifest) -> tuple[str, ...]:
    warnings: list[str] = []
    names = [resource.name for resource in manifest.resources]
    if any(before > after for before, after in pairwise(names)):
        warnings.append(
            "the signed files are not in code-point order; the signing tool is old or not to the letter"
        )
    if manifest.serialization.allow_symlinks:
        warnings.append("the signer followed links; links are not followed here")
    return tuple(warnings)


def _serialization(value: Any) -> Serialization:
    if not isinstance(value, dict):
        raise StatementError("The manifest does not say how it was made (serialization).")
    if unknown := sorted(value.keys() - _SERIALIZATION_MEMBERS):
        raise StatementError(f"The manifest was made in a way that is not known here: {unknown[0][:64]!r}.")
    method, hash_type = value.get("method"), value.get("hash_type")
    if method == "shards":
        raise StatementError(
            "This model was signed in shards, which this version does not verify.",
            hint="Ask the publisher for a signature over whole files, or verify with another OMS tool.",
        )
    if method != "files":
        raise StatementError(f"The serialization method {str(method)[:64]!r} is not known.")
    if hash_type not in ALGORITHMS:
        raise StatementError(f"The hash type {str(hash_type)[:64]!r} is not one of {', '.join(ALGORITHMS)}.")
    if value.get("shard_size") is not None:
        raise StatementError("The manifest has a shard_size, but not the method shards.")
    allow_symlinks = value.get("allow_symlinks", False)
    if not isinstance(allow_symlinks, bool):
        raise StatementError("The manifest's allow_symlinks is neither true nor false.")
    return Serialization(method, hash_type, allow_symlinks, _ignores(value.get("ignore_paths")))


def _ignores(value: Any) -> tuple[str, ...]:
    """Return the ignore paths that can match something, in plain form and sorted.

    Signers wrote `./logs`, `logs/`, and paths outside the model: the former are made plain, the
    latter match nothing and are dropped. What means the whole folder is refused: it would let
    any file through.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(path, str) for path in value):
        raise StatementError("The manifest's ignore_paths is not a list of paths.")
    if len(value) > _MAX_IGNORES:
        raise StatementError(f"The manifest has more than {_MAX_IGNORES} ignore paths.")
    plain: set[str] = set()
    for path in value:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or _climbs_to_root(parts):
            raise StatementError(
                f"The manifest's ignore path {path[:200]!r} covers the whole model, so nothing is signed.",
                hint="Do not rely on this signature.",
            )
        if not path.startswith("/") and not name_fault("/".join(parts)):
            plain.add("/".join(parts))
    return tuple(sorted(plain))


def _climbs_to_root(parts: list[str]) -> bool:
    """Tell whether a path ends at or above the model's folder: `..`, `logs/..`, `../..`."""
    depth = 0
    for part in parts:
        depth += -1 if part == ".." else 1
    return depth <= 0


def _resources(value: Any, hash_type: str) -> tuple[Resource, ...]:
    if not isinstance(value, list) or not value:
        raise StatementError(
            "The manifest lists no files; such a signature would be true of any empty folder."
        )
    resources = tuple(_resource(item, hash_type) for item in value)
    seen: set[str] = set()
    for resource in resources:
        if resource.name in seen:
            raise StatementError(
                f"The manifest lists {resource.name!r} twice.", evidence={"name": resource.name}
            )
        seen.add(resource.name)
    if SINGLE in seen and len(seen) > 1:
        raise StatementError("The manifest names a file '.' among others; only a single-file model may.")
    return resources


def _resource(item: Any, hash_type: str) -> Resource:
    if not isinstance(item, dict):
        raise StatementError("The manifest lists something that is no resource.")
    name, digest, algorithm = item.get("name"), item.get("digest"), item.get("algorithm")
    if not isinstance(name, str):
        raise StatementError("The manifest lists a resource without a name.")
    if name != SINGLE and (fault := name_fault(name)):
        raise StatementError(
            f"The manifest's file name {ascii(name)[:200]} {fault}.",
            hint="Do not rely on this signature: such a name can mean a file outside the model.",
            evidence={"name": ascii(name)[:1024]},
        )
    if algorithm != hash_type:
        raise StatementError(
            f"The manifest says {hash_type}, but {name!r} is listed with {str(algorithm)[:64]!r}."
        )
    if not isinstance(digest, str) or len(digest) != _HEX_LENGTHS[hash_type] or not _HEX.fullmatch(digest):
        raise StatementError(f"The digest of {name!r} is not {hash_type} in lowercase hex.")
    return Resource(name, digest, hash_type)
