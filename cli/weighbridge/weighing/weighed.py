# SPDX-License-Identifier: Apache-2.0
"""What a weighing finds: files, tensors, and the digests that name the whole.

The definitions are those of DESIGN section 1 (`docs/spec/digests.md`). The functions here are pure;
who holds a list of files or a tensor table can recompute every digest without the files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

from weighbridge.canonical import MAX_INTEGER, decode, encode
from weighbridge.errors import BundleError, EnumerationError
from weighbridge.tlog import leaf_hash, root_hash

from .names import README
from .sketches import may_have_sketch

__all__ = [
    "ChatTemplate",
    "Tensor",
    "WeighedFile",
    "WeighedModel",
    "model_digest",
    "read_tensor_table",
    "root_digest",
    "tensor_table",
    "weights_digest",
]

FILE_LEAF: Final = "weighbridge/file/v1"
TENSOR_LEAF: Final = "weighbridge/tensor/v1"

MAX_TABLE_BYTES: Final = 512 * 1024 * 1024
"""Largest tensor table that is read: about two million tensors."""

_WRITER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_MAX_LINE_BYTES: Final = 64 * 1024
_SHA256 = _SKETCH = re.compile(r"[0-9a-f]{64}")
_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_PLAIN_LINE = re.compile(
    rb'{"dtype":"([A-Z][A-Z0-9_]{0,31})","name":"([^"\\\x00-\x1f]{1,1024})","nbytes":([0-9]{1,15}),'
    rb'"sha256":"([0-9a-f]{64})","shape":\[([0-9]{1,15}(?:,[0-9]{1,15}){0,31})\]'
    rb'(?:,"sketch":"([0-9a-f]{64})")?,"v":"weighbridge/tensor/v1"}'
)
"""A line as most are. It takes a tenth of the time of the reader that says what is wrong with others."""


@dataclass(frozen=True, slots=True)
class WeighedFile:
    """One file as it was read: size in bytes, digests in bare lowercase hex.

    `digests` maps the algorithm to its digest. `git_sha1` is the id that git and model hubs show
    for the file, "" for files above 10 MB. `unsafe_to_load` means that the usual loader of
    `format` runs code which the file brings.
    """

    path: str
    size: int
    digests: Mapping[str, str]
    git_sha1: str
    role: str
    format: str
    unsafe_to_load: bool

    @property
    def sha256(self) -> str:
        """SHA-256 of the content; raises KeyError if the weighing did not ask for it."""
        return self.digests["sha256"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `shape` outermost dimension first, `sha256` over its `nbytes` stored bytes.

    `sketch` is 64 hex digits (docs/spec/resemblance.md), or "" where there is none.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    sha256: str
    file: str = ""
    sketch: str = ""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template in the file at `path`: SHA-256 of its text, `name` where a file holds several."""

    path: str
    name: str | None
    sha256: str


@dataclass(frozen=True, slots=True)
class WeighedModel:
    """A model as it was read at one time.

    `files` are in code-point order. `readme` is the top-level README.md, which the card binds:
    it is never part of the model digest, and part of `files` and of `root_digest` only if the
    weighing was asked to include it. `root_digest` is, by default, the OMS subject that `publish`
    records: default ignores, README.md left out, SHA-256. `weights_digest` is None without
    tensors. `ignored` are the ignore paths in force, sorted.
    """

    path: Path
    name: str
    is_file: bool
    files: tuple[WeighedFile, ...]
    readme: WeighedFile | None
    tensors: tuple[Tensor, ...]
    chat_templates: tuple[ChatTemplate, ...]
    model_digest: str
    root_digest: str
    weights_digest: str | None
    ignored: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all weighed files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `weighbridge weigh --json` prints (DESIGN section 9)."""
        return {
            "v": 1,
            "name": self.name,
            "size": self.size,
            "model_digest": f"sha256:{self.model_digest}",
            "root_digest": f"sha256:{self.root_digest}",
            "weights_digest": f"sha256:{self.weights_digest}" if self.weights_digest else None,
            "files": [_file_json(file) for file in self.files],
            "readme": _file_json(self.readme) if self.readme else None,
            "tensors": {"count": len(self.tensors), "bytes": sum(t.nbytes for t in self.tensors)},
            "chat_templates": [
                {"path": each.path, "name": each.name, "sha256": f"sha256:{each.sha256}"}
                for each in self.chat_templates
            ],
            "ignored": list(self.ignored),
            "warnings": list(self.warnings),
        }


def _file_json(file: WeighedFile) -> dict[str, Any]:
    document: dict[str, Any] = {"path": file.path, "size": file.size, **file.digests}
    if file.git_sha1:
        document["git_sha1"] = file.git_sha1
    return document | {"role": file.role, "format": file.format, "unsafe_to_load": file.unsafe_to_load}


class ListedFile(Protocol):
    """What a model digest needs of a file: weighed ones and those listed in a release have it."""

    @property
    def path(self) -> str:
        """Path inside the model."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256 of its content, bare hex."""
        ...


def model_digest(files: Iterable[ListedFile]) -> str:
    r"""Return the identity of a model: the Merkle tree over path, size and SHA-256 of its files.

    Leaves are `weighbridge/file/v1\n<size>\n<sha256>\n<path>` (RFC 6962 hashing), sorted by the
    bytes of the path; the top-level README.md is left out, because the card binds it. The order
    of `files` does not matter.
    """
    leaves = sorted(
        (file.path.encode(), f"{FILE_LEAF}\n{file.size}\n{file.sha256}\n{file.path}".encode())
        for file in files
        if file.path != README
    )
    return root_hash([leaf_hash(leaf) for _, leaf in leaves]).hex()


def root_digest(digests: Iterable[bytes]) -> str:
    """Return the OMS root: SHA-256 over the raw resource digests in recorded order.

    Names are not in it (OMS v1.0 section 6.5.1): it is an alias for look-ups, never an identity.
    """
    return hashlib.sha256(b"".join(digests)).hexdigest()


def tensor_table(tensors: Iterable[Tensor], *, sketches: bool = True) -> bytes:
    """Return the tensor table: one canonical JSON line per tensor, sorted by name.

    A line is the leaf of the weights digest, with the member `sketch` beside where the tensor has one; so the
    table proves the digest. Without `sketches` the lines are the leaves alone. Its own SHA-256 is the
    `table_digest` of a release. Raises EnumerationError if two tensors have the same name.
    """
    return b"".join(_line(tensor, tensor.sketch if sketches else "") + b"\n" for tensor in _by_name(tensors))


def weights_digest(tensors: Iterable[Tensor]) -> str | None:
    """Return the identity of the weights, whatever files they are spread over; None without any.

    Raises EnumerationError if two tensors have the same name.
    """
    leaves = [leaf_hash(_line(tensor)) for tensor in _by_name(tensors)]
    return root_hash(leaves).hex() if leaves else None


def _by_name(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return tensors in the order of their names, which must differ."""
    found = sorted(tensors, key=lambda tensor: tensor.name)
    for before, tensor in pairwise(found):
        if before.name == tensor.name:
            raise EnumerationError(
                f"Tensor {tensor.name!r} is there twice, in {before.file} and in {tensor.file}.",
                hint="Weigh one copy of the weights at a time, or leave the other out with --ignore.",
                evidence={"tensor": tensor.name, "files": [before.file, tensor.file]},
            )
    return found


def _line(tensor: Tensor, sketch: str = "") -> bytes:
    """Return the canonical JSON of a tensor: its leaf, or with a sketch its line of the table."""
    members: dict[str, Any] = {
        "dtype": tensor.dtype,
        "name": tensor.name,
        "nbytes": tensor.nbytes,
        "sha256": tensor.sha256,
        "shape": tensor.shape,
    }
    if sketch:
        members["sketch"] = sketch
    members["v"] = TENSOR_LEAF
    if max(tensor.nbytes, *tensor.shape, 0) > MAX_INTEGER:
        return encode(members)  # which says what is wrong
    # With members in this order Python's own encoder gives the canonical bytes, five times as fast.
    return _WRITER.encode(members).encode()


def read_tensor_table(data: bytes) -> tuple[Tensor, ...]:
    """Read a tensor table strictly: the reverse of `tensor_table`, byte for byte.

    Raises BundleError for anything that `tensor_table` would not have written: another order,
    other spacing, other members, impossible values, a sketch of what has none. `file` of the tensors is "".
    """
    if len(data) > MAX_TABLE_BYTES:
        raise BundleError(f"a tensor table of {len(data):,} bytes is over the limit of {MAX_TABLE_BYTES:,}")
    if data and not data.endswith(b"\n"):
        raise BundleError("the tensor table's last line has no end")
    tensors = tuple(_tensor(line, number) for number, line in enumerate(data.split(b"\n")[:-1], start=1))
    try:
        written = tensor_table(tensors)
    except EnumerationError as error:
        raise BundleError(f"malformed tensor table: {error.message}") from error
    if written != data:
        raise BundleError("the tensor table is not in its canonical form (order, spacing)")
    return tensors


def _tensor(line: bytes, number: int) -> Tensor:
    if plain := _PLAIN_LINE.fullmatch(line):
        with suppress(UnicodeDecodeError):
            dtype, name, nbytes, sha256, shape = (each.decode() for each in plain.groups()[:5])
            sketch = (plain[6] or b"").decode()
            dimensions = tuple(map(int, shape.split(",")))
            if not sketch or may_have_sketch(dtype, dimensions):
                return Tensor(name, dtype, dimensions, int(nbytes), sha256, sketch=sketch)
    return _any_tensor(line, number)


def _any_tensor(line: bytes, number: int) -> Tensor:
    match decode(line, max_bytes=_MAX_LINE_BYTES, max_depth=3):
        case {
            "dtype": str(dtype),
            "name": str(name),
            "nbytes": int(nbytes),
            "sha256": str(sha256),
            "shape": list(shape),
            "v": "weighbridge/tensor/v1",
            **rest,
        } if rest.keys() <= {"sketch"} and _SHA256.fullmatch(sha256) and _DTYPE.fullmatch(dtype):
            tensor = Tensor(name, dtype, tuple(shape), nbytes, sha256)
        case _:
            raise BundleError(f"line {number} of the tensor table does not describe a tensor")
    if not name or not all(type(n) is int and n >= 0 for n in (nbytes, *shape)):
        raise BundleError(f"line {number} of the tensor table has impossible values")
    return replace(tensor, sketch=_sketch(rest["sketch"], tensor, number)) if rest else tensor


def _sketch(found: Any, tensor: Tensor, number: int) -> str:
    if not isinstance(found, str) or not _SKETCH.fullmatch(found):
        raise BundleError(
            f"line {number} of the tensor table has a sketch that is not 64 lowercase hex digits"
        )
    if not may_have_sketch(tensor.dtype, tensor.shape):
        raise BundleError(f"line {number} of the tensor table has a sketch of a tensor that can have none")
    return found
