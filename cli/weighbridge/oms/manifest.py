# SPDX-License-Identifier: Apache-2.0
"""The OMS manifest: made in one form, read with every strictness of DESIGN section 6.

Bytes and values only, no I/O. A manifest is authentic only after its envelope and signer were
checked (steps 3 and 4); everything here is step 5. The root digest does not cover names (OMS v1.0
section 6.5.1), so nothing here or later relies on it alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from weighbridge import canonical
from weighbridge.errors import InputError, StatementError
from weighbridge.statements import LEGACY_PREDICATE_TYPE, Statement
from weighbridge.weighing import WeighedModel, root_digest
from weighbridge.weighing.hashing import ALGORITHMS
from weighbridge.weighing.names import name_fault
from weighbridge.weighing.shards import Sharding
from weighbridge_schemas.names import STATEMENT_TYPE

__all__ = [
    "PREDICATE_TYPE",
    "Manifest",
    "Resource",
    "Serialization",
    "SignedFile",
    "manifest_of",
    "oms_statement",
    "parse_manifest",
]

PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"

LEGACY_WARNING: Final = (
    "the signature is in the experimental format of model-signing 0.2, which records neither a method nor "
    "what was left out; ask the publisher to sign again"
)

SINGLE: Final = "."
"""The name that model-signing gives the only resource of a single-file model."""

_HEX_LENGTHS: Final = {"sha256": 64, "blake2b": 128, "blake3": 64}
_HEX = re.compile(r"[0-9a-f]+")
_SHARD = re.compile(r"(?P<path>.+):(?P<start>0|[1-9][0-9]{0,15}):(?P<end>[1-9][0-9]{0,15})", re.DOTALL)
_MAX_IGNORES: Final = 10_000
_SERIALIZATION_MEMBERS: Final = frozenset(
    {"method", "hash_type", "allow_symlinks", "shard_size", "ignore_paths"}
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One signed file, or one shard of it: its path, its digest in lowercase hex.

    `shard` is (start, end) in bytes, `end` exclusive; None for a whole file.
    """

    path: str
    digest: str
    algorithm: str
    shard: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The name as recorded: the path, with `:start:end` for a shard."""
        return self.path if self.shard is None else f"{self.path}:{self.shard[0]}:{self.shard[1]}"


@dataclass(frozen=True, slots=True)
class Serialization:
    """How the files became resources, as recorded by the signer; `ignore_paths` are exact paths.

    `shard_size` is in bytes and None with method `files`.
    """

    method: str = "files"
    hash_type: str = "sha256"
    allow_symlinks: bool = False
    ignore_paths: tuple[str, ...] = ()
    shard_size: int | None = None

    @property
    def sharding(self) -> Sharding | None:
        """How files are cut, None if they are not."""
        return None if self.shard_size is None else Sharding(self.hash_type, self.shard_size)


class SignedFile(NamedTuple):
    """What is signed of a file: one digest of the whole, or those of its shards in order.

    `size` in bytes is signed with shards only; None otherwise.
    """

    digests: tuple[str, ...]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A list of signed files in recorded order, and how it was made.

    `legacy`: it is from a statement of model-signing 0.2, whose subjects are the files.
    """

    resources: tuple[Resource, ...]
    serialization: Serialization
    legacy: bool = False

    @property
    def root_digest(self) -> str:
        """The OMS subject in hex: SHA-256 over the raw digests in recorded order."""
        return root_digest(bytes.fromhex(resource.digest) for resource in self.resources)

    @property
    def is_single_file(self) -> bool:
        """Whether the only file is called `.`, as model-signing does for a single file."""
        return {resource.path for resource in self.resources} == {SINGLE}

    def files(self) -> dict[str, SignedFile]:
        """Return what is signed of each file, by path."""
        if self.serialization.shard_size is None:
            return {each.path: SignedFile((each.digest,)) for each in self.resources}
        shards: dict[str, list[tuple[tuple[int, int], str]]] = {}
        for each in self.resources:
            if each.shard is not None:
                shards.setdefault(each.path, []).append((each.shard, each.digest))
        return {
            path: SignedFile(tuple(digest for _, digest in sorted(found)), max(end for (_, end), _ in found))
            for path, found in shards.items()
        }


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
    if manifest.serialization.shard_size is not None:
        serialization["shard_size"] = manifest.serialization.shard_size
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
    the recorded one, shards that do not cover their file exactly. Resources in another than
    code-point order are a warning: older signers sorted by path components. So is the format of
    model-signing 0.2, which is read and never written (OMS section 11.2).
    """
    if statement.predicate_type == LEGACY_PREDICATE_TYPE:
        return _legacy(statement), (LEGACY_WARNING,)
    if statement.predicate_type != PREDICATE_TYPE:
        raise StatementError(
            f"This is a statement of type {statement.predicate_type[:200]!r}, not a model signature.",
            hint="Give the OMS signature of the model, usually model.sig.",
        )
    if len(statement.subjects) != 1:
        raise StatementError(f"A model signature has one subject; this has {len(statement.subjects)}.")
    serialization, warnings = _serialization(statement.predicate.get("serialization"))
    manifest = Manifest(_resources(statement.predicate.get("resources"), serialization), serialization)
    if manifest.root_digest != statement.subjects[0].sha256:
        raise StatementError(
            "The signed root digest is not the one of the signed resources.",
            evidence={"signed": statement.subjects[0].sha256, "computed": manifest.root_digest},
        )
    return manifest, (*warnings, *_warnings(manifest))


def _legacy(statement: Statement) -> Manifest:
    """Read the format of model-signing 0.2: each subject is a file with its SHA-256 (OMS section 5.1)."""
    serialization = Serialization()
    listed = [
        {"name": subject.name, "digest": subject.sha256, "algorithm": serialization.hash_type}
        for subject in statement.subjects
    ]
    return Manifest(_resources(listed, serialization), serialization, legacy=True)


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


def _serialization(value: Any) -> tuple[Serialization, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise StatementError("The manifest does not say how it was made (serialization).")
    if unknown := sorted(value.keys() - _SERIALIZATION_MEMBERS):
        raise StatementError(f"The manifest was made in a way that is not known here: {unknown[0][:64]!r}.")
    method = value.get("method")
    if method not in ("files", "shards"):
        raise StatementError(f"The serialization method {str(method)[:64]!r} is not known.")
    shard_size, warnings = _shard_size(value.get("shard_size"), method)
    hash_type = _plain_algorithm(value.get("hash_type"), shard_size)
    if not isinstance(hash_type, str) or hash_type not in ALGORITHMS:
        raise StatementError(f"The hash type {str(hash_type)[:64]!r} is not one of {', '.join(ALGORITHMS)}.")
    allow_symlinks = value.get("allow_symlinks", False)
    if not isinstance(allow_symlinks, bool):
        raise StatementError("The manifest's allow_symlinks is neither true nor false.")
    ignores = _ignores(value.get("ignore_paths"))
    return Serialization(method, hash_type, allow_symlinks, ignores, shard_size), warnings


def _shard_size(value: Any, method: str) -> tuple[int | None, tuple[str, ...]]:
    """Return the size of a shard in bytes; model-signing writes it as a float, which is a warning."""
    if method == "files":
        if value is not None:
            raise StatementError("The manifest has a shard_size, but not the method shards.")
        return None, ()
    if isinstance(value, float) and value.is_integer() and 0 < value <= canonical.MAX_INTEGER:
        return int(value), ("the shard size is written as a float; the signing tool is not to the letter",)
    if type(value) is not int or value <= 0:
        raise StatementError("The manifest is of shards, and its shard_size is not a number of bytes.")
    return value, ()


def _plain_algorithm(value: Any, shard_size: int | None) -> Any:
    """Return an algorithm's own name: model-signing calls that of shards `sha256-sharded-<shard size>`."""
    if shard_size is None or not isinstance(value, str):
        return value
    return value.removesuffix(f"-sharded-{shard_size}")


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


def _resources(value: Any, serialization: Serialization) -> tuple[Resource, ...]:
    if not isinstance(value, list) or not value:
        raise StatementError(
            "The manifest lists no files; such a signature would be true of any empty folder."
        )
    resources = tuple(_resource(item, serialization) for item in value)
    seen: set[str] = set()
    for resource in resources:
        if resource.name in seen:
            raise StatementError(
                f"The manifest lists {resource.name!r} twice.", evidence={"name": resource.name}
            )
        seen.add(resource.name)
    paths = {resource.path for resource in resources}
    if SINGLE in paths and len(paths) > 1:
        raise StatementError("The manifest names a file '.' among others; only a single-file model may.")
    if serialization.sharding is not None:
        _require_whole_files(resources, serialization.sharding)
    return resources


def _resource(item: Any, serialization: Serialization) -> Resource:
    if not isinstance(item, dict):
        raise StatementError("The manifest lists something that is no resource.")
    name, digest = item.get("name"), item.get("digest")
    algorithm = _plain_algorithm(item.get("algorithm"), serialization.shard_size)
    if not isinstance(name, str):
        raise StatementError("The manifest lists a resource without a name.")
    path, shard = (name, None) if serialization.shard_size is None else _shard(name)
    if path != SINGLE and (fault := name_fault(path)):
        raise StatementError(
            f"The manifest's file name {ascii(path)[:200]} {fault}.",
            hint="Do not rely on this signature: such a name can mean a file outside the model.",
            evidence={"name": ascii(path)[:1024]},
        )
    hash_type = serialization.hash_type
    if algorithm != hash_type:
        raise StatementError(
            f"The manifest says {hash_type}, but {name!r} is listed with {str(algorithm)[:64]!r}."
        )
    if not isinstance(digest, str) or len(digest) != _HEX_LENGTHS[hash_type] or not _HEX.fullmatch(digest):
        raise StatementError(f"The digest of {name!r} is not {hash_type} in lowercase hex.")
    return Resource(path, digest, hash_type, shard)


def _shard(name: str) -> tuple[str, tuple[int, int]]:
    """Split `path:start:end` at the last two colons: a path may hold some (OMS section 6.3.2)."""
    match = _SHARD.fullmatch(name)
    if match is None:
        raise StatementError(
            f"The manifest is of shards, and {ascii(name)[:200]} is not named PATH:START:END.",
            evidence={"name": ascii(name)[:1024]},
        )
    return match["path"], (int(match["start"]), int(match["end"]))


def _require_whole_files(resources: Sequence[Resource], sharding: Sharding) -> None:
    """Refuse shards that leave a byte of their file unsigned, overlap, or are not of the recorded size."""
    shards: dict[str, list[tuple[int, int]]] = {}
    for resource in resources:
        if resource.shard is not None:
            shards.setdefault(resource.path, []).append(resource.shard)
    for path, found in shards.items():
        size = max(end for _, end in found)
        # The count is compared first: a size that somebody made up must not become a long list.
        if len(found) != sharding.count(size) or sorted(found) != sharding.ranges(size):
            raise StatementError(
                f"The shards of {path!r} do not cover it in steps of {sharding.size} bytes.",
                hint="Do not rely on this signature: parts of the file could be anything.",
                evidence={"path": path, "shard_size": sharding.size, "shards": sorted(found)[:20]},
            )
