# SPDX-License-Identifier: Apache-2.0
"""Step 5: the wanted signer signed it, and it is still no sound list of this model's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.library.oms.test_manifest import resource, value

from .case import FILES, Case, honest, signed, write_model

__all__ = ["statement_cases"]

ALL = [resource(path, content) for path, content in sorted(FILES.items())]

_SERIALIZATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "method-unknown": ("not known", {"method": "tensors"}),
    "method-missing": ("not known", {"method": None}),
    "hash-unknown": ("hash type", {"hash_type": "md5"}),
    "hash-other-than-listed": ("listed with", {"hash_type": "blake3"}),
    "shard-size-without-shards": ("shard_size", {"shard_size": 1000}),
    "shards-without-size": ("shard_size", {"method": "shards"}),
    "shard-size-zero": ("shard_size", {"method": "shards", "shard_size": 0}),
    "shard-size-fraction": ("shard_size", {"method": "shards", "shard_size": 0.5}),
    "links-maybe": ("allow_symlinks", {"allow_symlinks": "yes"}),
    "ignores-text": ("ignore_paths", {"ignore_paths": "everything"}),
    "ignores-everything": ("covers the whole model", {"ignore_paths": ["."]}),
    "ignores-by-climbing": ("covers the whole model", {"ignore_paths": ["a/.."]}),
    "ignores-nothing-named": ("covers the whole model", {"ignore_paths": [""]}),
    "ignores-too-many": ("more than", {"ignore_paths": ["x"] * 10_001}),
    "unknown-member": ("not known", {"follow": "everything"}),
}

_NAMES = {
    "climbs": "../x",
    "climbs-inside": "deep/../../x",
    "absolute": "/etc/passwd",
    "empty": "",
    "dot-inside": "a/./b",
    "two-slashes": "a//b",
    "slash-at-the-end": "a/",
    "backslash": "a\\b",
    "drive": "C:x",
    "line-break": "a\nb",
    "terminal": "a\x1b[2Jb",
    "right-to-left": "a\u202eb",
    "zero-width": "a\u200bb",
    "nul": "a\x00b",
    "too-long": "a" * 1025,
    "a-dot-among-others": ".",
}

_CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "type-other": ("_type", lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")),
    "predicate-type-other": (
        "not a model",
        lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"),
    ),
    "no-predicate": ("predicate", lambda s: s.pop("predicate")),
    "no-subject": ("subject", lambda s: s.update(subject=[])),
    "two-subjects": ("one subject", lambda s: s["subject"].append(s["subject"][0])),
    "root-of-others": ("root digest", lambda s: s["subject"][0]["digest"].update(sha256="0" * 64)),
    "root-by-another-hash": ("SHA-256", lambda s: s["subject"][0].update(digest={"sha512": "0" * 128})),
    "no-resources": ("lists no files", lambda s: s["predicate"].update(resources=[])),
    "resources-object": ("lists no files", lambda s: s["predicate"].update(resources={})),
    "resource-text": ("no resource", lambda s: s["predicate"].update(resources=["a.txt"])),
    "no-serialization": ("does not say", lambda s: s["predicate"].pop("serialization")),
    "digest-upper-case": (
        "lowercase hex",
        lambda s: s["predicate"]["resources"][0].update(digest="A" * 64),
    ),
    "digest-short": ("lowercase hex", lambda s: s["predicate"]["resources"][0].update(digest="00")),
}


def statement_cases() -> Iterator[Case]:
    """Yield every case of step 5."""
    for name, (words, serialization) in _SERIALIZATIONS.items():
        yield _case(name, words, value(*ALL, **serialization))
    for name, path in _NAMES.items():
        yield _case(f"name-{name}", "", value(*ALL, resource(path)))
    for name, (words, change) in _CHANGES.items():
        statement = honest()
        change(statement)
        yield _case(name, words, statement)
    yield _case("name-twice", "twice", value(*ALL, ALL[0]))
    gap = [resource("a.txt:0:2"), resource("a.txt:4:6")]
    yield _case("shards-with-a-gap", "do not cover", value(*gap, method="shards", shard_size=2))
    overlap = [resource("a.txt:0:2"), resource("a.txt:1:3")]
    yield _case("shards-that-overlap", "do not cover", value(*overlap, method="shards", shard_size=2))
    unnamed = value(resource("a.txt"), method="shards", shard_size=2)
    yield _case("a-shard-without-a-range", "PATH:START:END", unnamed)


def _case(name: str, words: str, statement: dict[str, Any]) -> Case:
    # A statement that is spoilt outside its payload's own form is refused when it is read: step 3.
    step = 3 if name in {"type-other", "no-predicate", "no-subject", "root-by-another-hash"} else 5

    def build(folder: Path) -> None:
        write_model(folder, signed(statement))

    return Case(f"statement-{name}", step, words, build)
