# SPDX-License-Identifier: Apache-2.0
"""One read of one file: its digests, its tensors, what it is."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from weighbridge.errors import EnumerationError

from . import gguf, safetensors
from .copying import ModelCopy
from .formats import Kind, recognise
from .hashing import GIT_MAX_BYTES, Hash, SegmentHash, Watch, digest_of, new_hash, stream
from .shards import Sharding
from .sketches import SketchTaker
from .spans import Layout, Prefix, Span, SpanError
from .templates import MAX_TEMPLATE_FILE, holds_templates, label, templates_in
from .tree import Listed, changed
from .weighed import ChatTemplate, Tensor, WeighedFile

__all__ = ["SMALL", "FileReader", "Found"]

SMALL: Final = 1024 * 1024
"""Bytes up to which a file is read in one piece."""

_HEAD: Final = 4096
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"


_WITH_TENSORS: Final = frozenset({"gguf", "safetensors"})
_NO_KIND: Final = Kind("other", "unknown", unsafe=False)
_NO_LAYOUT: Final = Layout()


class _TensorReader:
    """Digest and sketch of each tensor of a file, from the same bytes."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._segments = SegmentHash([(span.start, span.end) for span in spans])
        self._sketches = SketchTaker(spans)

    @property
    def read(self) -> Iterator[tuple[str, str]]:
        """Digest and sketch in the order of the spans."""
        return zip(self._segments.digests, self._sketches.sketches, strict=True)

    def update(self, data: Any, /) -> None:
        self._segments.update(data)
        self._sketches.update(data)

    def hexdigest(self) -> str:
        return self._segments.hexdigest()


_NO_TENSORS: Final = _TensorReader(())


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of a file after reading it, or of a part of it.

    `shards` are the digests of its shards in order, if they were asked for. `note` says why its tensors
    are not known.
    """

    file: WeighedFile
    shards: tuple[str, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    chat_templates: tuple[ChatTemplate, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class FileReader:
    """How to read: which digests, with or without tensors and shards, how many cores one file may use.

    `kinds` tells what each file is; who only compares digests does not ask.
    `copy` takes the very bytes that are hashed.
    All that is asked for comes from the same read. Where nothing but shards is, a file may be read in
    several parts at once (`in_parts`).
    """

    algorithms: Sequence[str]
    watch: Watch
    git: bool = True
    tensors: bool = True
    sharding: Sharding | None = None
    kinds: bool = True
    copy: ModelCopy | None = None
    threads: int = 1
    chunk: int = SMALL

    @property
    def in_parts(self) -> bool:
        """Whether a file's shards can be read apart from each other: nothing is asked of the whole file."""
        whole = self.algorithms or self.git or self.tensors or self.copy
        return self.sharding is not None and not whole

    @property
    def hash_types(self) -> frozenset[str]:
        """The algorithms in use, of whole files or of shards."""
        return frozenset({*self.algorithms, *([self.sharding.algorithm] if self.sharding else [])})

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
        while len(content) < file.size and (more := os.read(handle, file.size + 1 - len(content))):
            content += more
        if len(content) != file.size:
            raise changed(file.path, "changed its size")
        if file.size > SMALL:  # those up to it are counted by the job
            self.watch.add(file.size)
        kind = recognise(file.path, content[:_HEAD]) if self.kinds else _NO_KIND
        layout, tensors = _NO_LAYOUT, _NO_TENSORS
        if self.tensors and kind.format in _WITH_TENSORS:
            layout = self._layout(kind.format, Prefix(content, file.size, lambda _: b""))
            tensors = _TensorReader(layout.spans)
            tensors.update(content)
        if self.copy is not None:
            copied = self.copy.open(file.path)
            copied.update(content)
            copied.close()
        digests = {algorithm: digest_of(algorithm, content) for algorithm in self.algorithms}
        git = _git_hash(file.size, content).hexdigest() if self.git else ""
        found = _found(file, digests, git, kind, layout, tensors)
        if self.sharding is not None:
            ranges = self.sharding.ranges(file.size)
            shards = tuple(digest_of(self.sharding.algorithm, content[start:end]) for start, end in ranges)
            found = replace(found, shards=shards)
        if not holds_templates(file.path):
            return found
        return replace(found, chat_templates=templates_in(file.path, content))

    def _read_large(self, handle: int, file: Listed) -> Found:
        with io.FileIO(handle, closefd=False) as source:
            prefix = Prefix(b"", file.size, source.read)
            prefix.reach(_HEAD)
            kind = recognise(file.path, bytes(prefix.data[:_HEAD]))
            layout = _NO_LAYOUT
            if self.tensors and kind.format in _WITH_TENSORS:
                layout = self._layout(kind.format, prefix)
            hashes: dict[str, Hash] = {name: new_hash(name, self.threads) for name in self.algorithms}
            if self.git and file.size <= GIT_MAX_BYTES:
                hashes["git"] = _git_hash(file.size)
            tensors = _TensorReader(layout.spans)
            if layout.spans:
                hashes["tensors"] = tensors
            shards = self._shard_hash(file.size)
            if shards is not None:
                hashes["shards"] = shards
            copied = None if self.copy is None else self.copy.open(file.path)
            if copied is not None:
                hashes["copy"] = copied
            for one in hashes.values():
                one.update(prefix.data)
            read = len(prefix.data)
            self.watch.add(read)
            del prefix
            read += stream(
                source, tuple(hashes.values()), self.watch, chunk=self.chunk, lanes=self.threads > 1
            )
        if copied is not None:
            copied.close()
        if read != file.size:
            raise changed(file.path, "changed its size")
        digests = {name: hashes[name].hexdigest() for name in self.algorithms}
        git = hashes["git"].hexdigest() if "git" in hashes else ""
        found = _found(file, digests, git, kind, layout, tensors)
        return found if shards is None else replace(found, shards=tuple(shards.digests))

    def read_shards(self, handle: int, file: Listed, first: int, count: int) -> Found:
        """Read `count` shards of an opened file from number `first` on, and nothing else of it.

        The result's `shards` are theirs; what the file is, is told from its beginning only, so by the
        part that begins with shard 0. Raises EnumerationError (step 1) if the file is too short.
        """
        if self.sharding is None:
            raise ValueError("no sharding was asked for")
        ranges = self.sharding.ranges(file.size, first, count)
        start, end = ranges[0][0], ranges[-1][1]
        segments = SegmentHash(ranges, self._new_shard, start)
        with io.FileIO(handle, closefd=False) as source:
            kind = recognise(file.path, source.read(_HEAD) if first == 0 else b"")
            source.seek(start)
            stream(
                source,
                (segments,),
                self.watch,
                chunk=self.chunk,
                lanes=self.threads > 1,
                limit=end - start,
            )
        if len(segments.digests) != len(ranges):
            raise changed(file.path, "changed its size")
        return Found(WeighedFile(file.path, file.size, {}, "", *kind), tuple(segments.digests))

    def recall(self, handle: int, file: Listed, digests: tuple[str, ...]) -> Found:
        """Return an opened file with digests that are known already; only its beginning is read.

        They are the digest of the whole file by the only algorithm, or those of its shards.
        """
        kind = recognise(file.path, os.read(handle, _HEAD)) if self.kinds else _NO_KIND
        if self.sharding is not None:
            return Found(WeighedFile(file.path, file.size, {}, "", *kind), digests)
        whole = dict(zip(self.algorithms, digests, strict=True))
        return Found(WeighedFile(file.path, file.size, whole, "", *kind))

    def _new_shard(self) -> Hash:
        return new_hash("" if self.sharding is None else self.sharding.algorithm, self.threads)

    def _shard_hash(self, size: int) -> SegmentHash | None:
        return None if self.sharding is None else SegmentHash(self.sharding.ranges(size), self._new_shard)

    def _layout(self, format_: str, prefix: Prefix) -> Layout:
        """Return where the tensors lie, and the templates of a GGUF header."""
        prefix.reach(min(_HEAD, prefix.size))
        if prefix.data.startswith(_LFS_POINTER):
            raise SpanError("is a Git LFS pointer, not the file itself")
        if format_ == "gguf":
            return gguf.read_header(prefix)
        return safetensors.read_header(prefix)


def _found(
    file: Listed, digests: dict[str, str], git: str, kind: Kind, layout: Layout, tensors: _TensorReader
) -> Found:
    weighed = WeighedFile(file.path, file.size, digests, git, *kind)
    if layout is _NO_LAYOUT:
        return Found(weighed)
    return Found(
        weighed,
        (),
        tuple(
            Tensor(span.name, span.dtype, span.shape, span.end - span.start, digest, file.path, sketch)
            for span, (digest, sketch) in zip(layout.spans, tensors.read, strict=True)
        ),
        tuple(
            ChatTemplate(file.path, label(name), hashlib.sha256(text).hexdigest())
            for name, text in layout.templates
        ),
        f"{file.path} {layout.note}" if layout.note else "",
    )


def _git_hash(size: int, content: bytes = b"") -> Hash:
    """Return the hash of a git blob; SHA-1 here names a file as hubs do, it secures nothing."""
    return hashlib.sha1(b"blob %d\0" % size + content, usedforsecurity=False)


def _malformed(file: Listed, error: SpanError) -> EnumerationError:
    pointer = "Git LFS" in str(error)
    return EnumerationError(
        f"The file {file.path} {error}.",
        hint="Fetch the real file (git lfs pull), then run again."
        if pointer
        else "The file is damaged or was made to mislead a reader: get it again from its publisher.",
        evidence={"path": file.path},
    )
