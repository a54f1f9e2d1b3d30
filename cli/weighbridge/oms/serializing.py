# SPDX-License-Identifier: Apache-2.0
"""From files to a manifest: the reading that a signature needs, and no more (OMS v1.0 sections 6.1 to 6.4).

`weigh` finds out everything about a model; a signature wants one digest of each file, or of each shard,
by one algorithm. Leaving the rest out is what makes BLAKE3 and shards pay.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.weighing import Progress, WeighedFile, model_digest
from weighbridge.weighing.hashing import Watch
from weighbridge.weighing.reading import FileReader, Found
from weighbridge.weighing.reuse import NO_REUSE, Reuse
from weighbridge.weighing.scale import checked_algorithm, collision_warnings, read_model
from weighbridge.weighing.shards import MIN_SHARD_SIZE, Sharding
from weighbridge.weighing.tree import Listed

from .manifest import Manifest, Resource, Serialization

__all__ = ["Serialized", "serialize"]


@dataclass(frozen=True, slots=True)
class Serialized:
    """A manifest and what it was made of: the model's name, its files in code-point order, warnings.

    The files' `digests` hold the manifest's algorithm, or nothing where the manifest is of shards. `listed`
    says how all files stood, `spared` which of them were not hashed because an older signature has their
    digests; `why_hashed` is a sentence about the others, "" if nothing was to be reused.
    """

    manifest: Manifest
    name: str
    files: tuple[WeighedFile, ...]
    warnings: tuple[str, ...]
    listed: tuple[Listed, ...] = ()
    spared: tuple[Listed, ...] = ()
    why_hashed: str = ""

    @property
    def model_digest(self) -> str | None:
        """The identity of the model, in hex: known only if the manifest is of whole files by SHA-256."""
        serialization = self.manifest.serialization
        known = serialization.hash_type == "sha256" and serialization.sharding is None
        return model_digest(self.files) if known else None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def serialize(
    path: str | os.PathLike[str],
    *,
    algorithm: str = "sha256",
    shard_size: int | None = None,
    ignore: Iterable[str] = (),
    exclude_readme: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    reuse: Reuse = NO_REUSE,
) -> Serialized:
    """Read a model once and return its manifest, of whole files or of shards of `shard_size` bytes.

    `ignore` and `exclude_readme` are as for `weigh`; files that `reuse` knows are not hashed. With shards,
    files of no bytes are left out, as the specification says, and a warning names them. Raises InputError
    and EnumerationError as `weigh` does, and InputError for a shard size below 1 MB or if nothing has any
    byte.
    """
    checked_algorithm(algorithm)
    if shard_size is not None and shard_size < MIN_SHARD_SIZE:
        raise InputError(
            f"Shards of {shard_size} bytes are too small.",
            hint=f"Give at least {MIN_SHARD_SIZE}; 1000000000 is usual.",
        )
    sharding = None if shard_size is None else Sharding(algorithm, shard_size)
    reader = FileReader(
        () if sharding else (algorithm,), Watch(), git=False, tensors=False, sharding=sharding
    )
    read = read_model(
        path,
        reader,
        ignore=ignore,
        exclude_readme=exclude_readme,
        progress=progress,
        workers=workers,
        reuse=reuse,
    )
    files = tuple(one.file for one in read.kept)
    resources = _shards(read.kept, sharding) if sharding else _whole(files, algorithm)
    if not resources:
        raise InputError(
            f"All files of {read.path} are empty, and shards know no empty files.",
            hint="Sign whole files: leave --shard-size away.",
        )
    serialization = Serialization(
        method="shards" if sharding else "files",
        hash_type=algorithm,
        ignore_paths=read.ignored,
        shard_size=shard_size,
    )
    warnings = collision_warnings(file.path for file in files)
    if sharding and (empty := [file.path for file in files if not file.size]):
        warnings.append(f"not signed, because shards know no files without bytes: {', '.join(empty)}")
    return Serialized(
        Manifest(resources, serialization),
        read.name,
        files,
        tuple(warnings),
        read.listed,
        read.spared,
        reuse.why_hashed(read.listed),
    )


def _whole(files: Sequence[WeighedFile], algorithm: str) -> tuple[Resource, ...]:
    return tuple(Resource(file.path, file.digests[algorithm], algorithm) for file in files)


def _shards(found: Sequence[Found], sharding: Sharding) -> tuple[Resource, ...]:
    """Return the shards of all files, sorted by the code points of their recorded names."""
    resources = [
        Resource(one.file.path, digest, sharding.algorithm, shard)
        for one in found
        for shard, digest in zip(sharding.ranges(one.file.size), one.shards, strict=True)
    ]
    return tuple(sorted(resources, key=lambda resource: resource.name))
