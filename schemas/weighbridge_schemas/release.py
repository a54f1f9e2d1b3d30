# SPDX-License-Identifier: Apache-2.0
"""release/v1: this model, under this name and version, with its card and lineage.

Its subject is the model digest; `root_digests` tie it to the OMS statements of the same model.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .base import (
    MAX_FILES,
    Count,
    Digest,
    Document,
    FilePath,
    Flag,
    Hex256,
    Line,
    Location,
    ModelName,
    NamespaceName,
    Origin,
    Slug,
    Timestamp,
    Version,
    form,
    predicate_type,
)
from .card import Card
from .lineage import Lineage

__all__ = [
    "KIND",
    "PREDICATE_TYPE",
    "ChatTemplate",
    "Model",
    "Release",
    "ReleaseFile",
    "RootDigest",
    "TensorSummary",
]

KIND: Final = "release"
PREDICATE_TYPE: Final = predicate_type(KIND)

GitSha1 = Annotated[str, form(r"^[0-9a-f]{40}$", "is not 40 lowercase hex digits")]


class RootDigest(Document):
    """An OMS root digest and the algorithm that it depends on."""

    algorithm: Literal["sha256", "blake2b", "blake3"]
    """Algorithm of the OMS resources."""
    method: Literal["files", "shards"]
    """Serialisation method of the OMS resources."""
    root_digest: Digest
    """SHA-256 over the concatenated raw resource digests."""


class ReleaseFile(Document):
    """One weighed file."""

    path: FilePath
    """Path inside the model."""
    size: Count
    """Bytes."""
    sha256: Hex256
    """SHA-256 of its bytes."""
    blake3: Hex256 | None = None
    """BLAKE3 of its bytes, for fast verification."""
    git_sha1: GitSha1 | None = None
    """Git blob id of a small file, as hubs list it."""
    role: Slug
    """What it is for: `weights`, `tokenizer`, `template`, `config`, `code`, `data`, `document` or `other`."""
    format: Slug
    """What it is, by name and first bytes: `safetensors`, `gguf`, `pickle`, `json`, `unknown`, …"""
    unsafe_to_load: Flag
    """True if loading it can run code (pickle and the like)."""


class ChatTemplate(Document):
    """Digest of one chat template, wherever it is stored."""

    path: FilePath
    """File that holds it: itself, tokenizer_config.json, or a GGUF file."""
    name: Line | None = None
    """Its name where a file holds several."""
    sha256: Hex256
    """SHA-256 of the template's text in UTF-8."""


class TensorSummary(Document):
    """The tensor table in three values; the table itself is attached by its digest."""

    count: Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
    """Number of tensors."""
    bytes: Count
    """Sum of their bytes."""
    table_digest: Digest
    """SHA-256 of the table: JSON Lines, uncompressed."""


class Model(Document):
    """What was weighed."""

    model_digest: Digest
    """Identity of the model: tree hash over all files but the top-level README.md."""
    root_digests: Annotated[tuple[RootDigest, ...], Field(min_length=1, max_length=8)]
    """OMS root digests of the same files."""
    weights_digest: Digest | None
    """Tree hash over all tensors; null without tensors."""
    files: Annotated[tuple[ReleaseFile, ...], Field(min_length=1, max_length=MAX_FILES)]
    """All files that the model digest covers, sorted by the bytes of their path."""
    chat_templates: Annotated[tuple[ChatTemplate, ...], Field(max_length=256)] = ()
    """Chat templates, also those inside other files."""
    tensors: TensorSummary | None
    """The tensor table; null without tensors."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        paths = [file.path.encode() for file in self.files]
        if any(a >= b for a, b in pairwise(paths)):
            raise ValueError("files must be sorted by the bytes of their path, each once")
        if (self.weights_digest is None) != (self.tensors is None):
            raise ValueError("weights_digest and tensors go together")
        known = {file.path for file in self.files}
        if any(template.path not in known for template in self.chat_templates):
            raise ValueError("a chat template names a file that is not listed")
        roots = [(root.algorithm, root.method) for root in self.root_digests]
        if len(set(roots)) != len(roots):
            raise ValueError("root_digests holds one algorithm and method twice")
        return self


class Release(Document):
    """Predicate of release/v1. Subject: the model digest."""

    namespace: NamespaceName
    """Namespace that its signer owns."""
    name: ModelName
    """Name within the namespace."""
    version: Version
    """Version; a name and version are admitted once."""
    released_at: Timestamp
    """When, as the publisher says."""
    model: Model
    """What was weighed."""
    card: Card | None
    """The card; null if none was given."""
    lineage: Lineage | None
    """The lineage; null if none was given."""
    locations: Annotated[tuple[Location, ...], Field(max_length=64)] = ()
    """Where the model can be had."""
    logs: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=16)]
    """Origins of the logs that the signer means it for."""
