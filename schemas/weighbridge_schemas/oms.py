# SPDX-License-Identifier: Apache-2.0
"""OpenSSF Model Signing v1.0: the manifest that every tool of the field can verify.

The predicate type and its shape are OMS's own, not ours (ossf/model-signing-spec, `spec/v1.0.md`).
This model is the strict form that a registry admits; `weighbridge.oms` reads older and looser
bundles when verifying.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import MAX_FILES, Document, FilePath, Flag, Line

__all__ = ["KIND", "PREDICATE_TYPE", "OmsPredicate", "Resource", "Serialization"]

KIND: Final = "oms"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"

HashAlgorithm = Literal["sha256", "blake2b", "blake3"]


class Resource(Document):
    """One file, or one shard of a file named `path:start:end`."""

    name: FilePath | Literal["."]
    """Path relative to the model's folder; for a single file its base name, or `.` from older signers."""
    digest: Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{64}|[0-9a-f]{128})$")]
    """Digest in lowercase hex: 64 characters, 128 for blake2b."""
    algorithm: HashAlgorithm
    """Hash algorithm of `digest`."""

    @model_validator(mode="after")
    def _length(self) -> Self:
        if len(self.digest) != (128 if self.algorithm == "blake2b" else 64):
            raise ValueError("digest has the wrong length for its algorithm")
        return self


class Serialization(Document):
    """How the files were turned into resources, so that a verifier can do the same."""

    method: Literal["files", "shards"]
    """Whole files, or fixed-size shards."""
    hash_type: HashAlgorithm
    """Algorithm of all resources."""
    allow_symlinks: Flag = False
    """Whether links were followed."""
    shard_size: Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)] | None = None
    """Bytes per shard; only with `shards`."""
    ignore_paths: Annotated[tuple[Line, ...], Field(max_length=10_000)] = ()
    """Paths that were left out with all that is below them; other signers also write some outside."""

    @model_validator(mode="after")
    def _shards(self) -> Self:
        if (self.method == "shards") != (self.shard_size is not None):
            raise ValueError("shard_size goes with method shards, and only with it")
        return self


class OmsPredicate(Document):
    """The predicate of an OMS v1.0 statement: subject is the root digest."""

    resources: Annotated[tuple[Resource, ...], Field(min_length=1, max_length=MAX_FILES * 8)]
    """All files or shards; order is part of the root digest."""
    serialization: Serialization
    """How the resources were made."""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [resource.name for resource in self.resources]
        if len(set(names)) != len(names):
            raise ValueError("resource names must be unique")
        if "." in names and len(names) > 1:
            raise ValueError("a resource named . must be the only one")
        if any(r.algorithm != self.serialization.hash_type for r in self.resources):
            raise ValueError("every resource must use serialization.hash_type")
        return self
