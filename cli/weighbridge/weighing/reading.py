# SPDX-License-Identifier: Apache-2.0
"""One read of one file: its digests, its tensors, what it is."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weighbridge.errors import EnumerationError

from . import safetensors
from .formats import recognise
from .hashing import GIT_MAX_BYTES, Hash, SegmentHash, Watch, digest_of, new_hash, stream
from .spans import Span, SpanError
from .templates import MAX_TEMPLATE_FILE, holds_templates, templates_in
from .tree import Listed, changed
from .weighed import ChatTemplate, Tensor, WeighedFile

__all__ = ["SMALL", "FileReader", "Found"]

SMALL: Final = 1024 * 1024
"""Bytes up to which a file is read in one piece."""

_HEAD: Final = 4096
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of a file after reading it."""

    file: WeighedFile
    tensors: tuple[Tensor, ...] = ()
    chat_templates: tuple[ChatTemplate, ...] = ()


@dataclass(frozen=True, slots=True)
class FileReader:
    """How to read: which digests, with or without tensors, how many cores one file may use."""

    algorithms: Sequence[str]
    watch: Watch
    git: bool = True
    tensors: bool = True
    threads: int = 1
    chunk: int = SMALL

    def read(self, handle: int, file: Listed) -> Found:
        """Read an opened file to its end.

        Raises EnumerationError (step 1) if its size is not the listed one, or if it claims to
        hold tensors and its header is malformed.
        """
        try:
            if file.size <= SMALL or (file.size <= MAX_TEMPLATE_FILE and holds_templates(file.path)):
                return self._read_small(handle, file)
            return self._read_large(handle, file)
        except SpanError as error:
            raise _malformed(file, error) from error

    def _read_small(self, handle: int, file: Listed) -> Found:
        content = os.read(handle, file.size + 1)
        while len(content) <= file.size and (more := os.read(handle, file.size + 1 - len(content))):
            content += more
        if len(content) != file.size:
            raise changed(file.path, "changed its size")
        self.watch.add(file.size)
        kind = recognise(file.path, content[:_HEAD])
        spans = self._spans(kind.format, content, file)
        segments = SegmentHash(spans)
        segments.update(content)
        return Found(
            WeighedFile(
                file.path,
                file.size,
                {algorithm: digest_of(algorithm, content) for algorithm in self.algorithms},
                _git_hash(file.size, content).hexdigest() if self.git else "",
                *kind,
            ),
            _tensors(spans, segments.digests, file.path),
            templates_in(file.path, content) if holds_templates(file.path) else (),
        )

    def _read_large(self, handle: int, file: Listed) -> Found:
        with io.FileIO(handle, closefd=False) as stream_:
            start = _exactly(stream_, min(_HEAD, file.size), file)
            kind = recognise(file.path, start)
            if self.tensors and kind.format == "safetensors":
                length = safetensors.header_length(start, file.size) + safetensors.LENGTH_BYTES
                start += _exactly(stream_, max(0, length - len(start)), file)
            spans = self._spans(kind.format, start, file)
            hashes: dict[str, Hash] = {name: new_hash(name, self.threads) for name in self.algorithms}
            if self.git and file.size <= GIT_MAX_BYTES:
                hashes["git"] = _git_hash(file.size)
            segments = SegmentHash(spans)
            if spans:
                hashes["tensors"] = segments
            for one in hashes.values():
                one.update(start)
            self.watch.add(len(start))
            read = len(start) + stream(
                stream_, tuple(hashes.values()), self.watch, chunk=self.chunk, lanes=self.threads > 1
            )
        if read != file.size:
            raise changed(file.path, "changed its size")
        return Found(
            WeighedFile(
                file.path,
                file.size,
                {name: hashes[name].hexdigest() for name in self.algorithms},
                hashes["git"].hexdigest() if "git" in hashes else "",
                *kind,
            ),
            _tensors(spans, segments.digests, file.path),
        )

    def _spans(self, format_: str, start: bytes, file: Listed) -> tuple[Span, ...]:
        if not self.tensors or format_ != "safetensors":
            return ()
        if start.startswith(_LFS_POINTER):
            raise SpanError("is a Git LFS pointer, not the file itself")
        length = safetensors.header_length(start, file.size)
        return safetensors.read_header(
            start[safetensors.LENGTH_BYTES : safetensors.LENGTH_BYTES + length], file.size
        )


def _exactly(stream_: io.FileIO, count: int, file: Listed) -> bytes:
    content = bytearray()
    while len(content) < count:
        more = stream_.read(count - len(content))
        if not more:
            raise changed(file.path, "changed its size")
        content += more
    return bytes(content)


def _git_hash(size: int, content: bytes = b"") -> Hash:
    """Return the hash of a git blob; SHA-1 here names a file as hubs do, it secures nothing."""
    return hashlib.sha1(b"blob %d\0" % size + content, usedforsecurity=False)


def _tensors(spans: Sequence[Span], digests: Sequence[str], path: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(span.name, span.dtype, span.shape, span.end - span.start, digest, path)
        for span, digest in zip(spans, digests, strict=True)
    )


def _malformed(file: Listed, error: SpanError) -> EnumerationError:
    pointer = "Git LFS" in str(error)
    return EnumerationError(
        f"The file {file.path} {error}.",
        hint="Fetch the real file (git lfs pull), then run again."
        if pointer
        else "The file is damaged or was made to mislead a reader: get it again from its publisher.",
        evidence={"path": file.path},
    )
