# SPDX-License-Identifier: Apache-2.0
"""What `attest` is given, a target and a file, turned into a draft of a statement.

The file holds the predicate as its kind's page describes it (docs/spec), without `logs` and `previous`,
which are filled in. It may leave out what the target says: the digest, the files, the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical
from weighbridge.declarations import Draft, proved_release
from weighbridge.errors import BundleError, InputError
from weighbridge.releases import ReleaseName
from weighbridge.scans import TEST_RESULT, scan_predicate
from weighbridge.statements import Subject, abstract_subject
from weighbridge.strict_yaml import read_yaml
from weighbridge_schemas.names import predicate_type

if TYPE_CHECKING:
    from weighbridge.declarations import Speaker
    from weighbridge.weighing import WeighedModel

__all__ = ["KINDS", "MAX_PREDICATE_BYTES", "Target", "make_draft", "read_bounded_file", "read_predicate"]

KINDS: Final = ("advisory", "position", "dataset", "disclosure", "deployment")
"""Kinds that `attest` makes; `scan` stands for the test result of a scanner, an address for its type."""

MAX_PREDICATE_BYTES: Final = 8 * 1024 * 1024
_MAX_FILES: Final = 10_000
_FILLED: Final = ("logs", "previous")


@dataclass(frozen=True, slots=True)
class Target:
    """What is spoken of: exactly one of a digest (bare hex), a release, a weighed folder or file, a name."""

    text: str
    digest: str | None = None
    release: ReleaseName | None = None
    weighed: WeighedModel | None = None


def read_predicate(data: bytes, name: str) -> dict[str, Any]:
    """Read a predicate file: YAML, or JSON if the name ends in `.json`; raises `InputError`."""
    if len(data) > MAX_PREDICATE_BYTES:
        raise InputError(f"{name} has {len(data):,} bytes; the limit is {MAX_PREDICATE_BYTES:,}")
    if PurePath(name).suffix.lower() == ".json":
        try:
            value = canonical.decode(data, max_bytes=MAX_PREDICATE_BYTES)
        except BundleError as error:
            raise InputError(f"{name}: {error.message}") from error
    else:
        try:
            value = read_yaml(data.decode("utf-8-sig"), name)
        except UnicodeDecodeError as error:
            raise InputError(f"{name} is not UTF-8 at byte {error.start}") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} does not hold the members of a predicate")
    return value


def make_draft(kind: str, target: Target, data: bytes, name: str, speaker: Speaker) -> Draft:
    """Make the draft of a statement of a kind, `scan` or a predicate type about a target.

    `data` is the content of the file called `name`. Raises `InputError` where target and kind do not go
    together; whether the predicate is valid is found when it is encoded.
    """
    if kind == "scan":
        return Draft(TEST_RESULT, _subjects(target, speaker), scan_predicate(data, name))
    predicate = read_predicate(data, name)
    if kind not in KINDS:
        if "://" not in kind:
            raise InputError(
                f"there is no type {kind!r}",
                hint=f"one of {', '.join(KINDS)}, scan, or a type of others (docs/spec/attestation.md)",
            )
        return Draft(kind, _subjects(target, speaker), predicate)
    if filled := [member for member in _FILLED if member in predicate]:
        raise InputError(
            f"{name}: {' and '.join(filled)} cannot be given there",
            hint="the log is the registry's, and what is replaced is looked up; or give --previous",
        )
    subject, more = _ours(kind, target, predicate, speaker)
    return Draft(predicate_type(kind), (subject,), {**predicate, **more})


def _ours(
    kind: str, target: Target, predicate: Mapping[str, Any], speaker: Speaker
) -> tuple[Subject, dict[str, Any]]:
    """Return subject and what the target adds to the predicate."""
    match kind:
        case "advisory":
            return _advised(target, predicate, speaker)
        case "position":
            return _positioned(target, predicate, speaker)
        case "dataset":
            return _data(target, predicate)
        case "deployment":
            return _named(kind, target, predicate, _deployed(predicate, speaker))
        case _:
            return _named(kind, target, predicate, {})


def _deployed(predicate: Mapping[str, Any], speaker: Speaker) -> dict[str, Any]:
    """Return the models of a deployment; a release that is given by its name is proved and named exactly."""
    models = predicate.get("models")
    if not isinstance(models, list):
        return {}
    found = []
    for model in models:
        given = model.get("release") if isinstance(model, dict) else None
        if isinstance(given, str):
            digest, _ = proved_release(speaker.recorder, ReleaseName.parse(given))
            found.append({**model, "release": {"kind": "release", "sha256": digest}})
        else:
            found.append(model)
    return {"models": found}


def _named(
    kind: str, target: Target, predicate: Mapping[str, Any], more: Mapping[str, Any]
) -> tuple[Subject, dict[str, Any]]:
    """Return the subject of what is known by its name alone: a closed model, a service."""
    called = predicate.get("name", target.text)
    if called != target.text:
        raise InputError(
            f"the file is about {str(called)[:100]!r}, and you named {target.text!r}",
            hint="a closed model or a service is known by its name alone: write the same in both",
        )
    return Subject(target.text, abstract_subject(kind, target.text)), {"name": target.text, **more}


def _advised(
    target: Target, predicate: Mapping[str, Any], speaker: Speaker
) -> tuple[Subject, dict[str, Any]]:
    if target.release is not None:
        digest, _ = proved_release(speaker.recorder, target.release)
        return Subject(str(target.release), digest), {"subject_kind": "release"}
    [subject] = _subjects(target, speaker)
    return subject, {"subject_kind": predicate.get("subject_kind", "digest")}


def _positioned(
    target: Target, predicate: Mapping[str, Any], speaker: Speaker
) -> tuple[Subject, dict[str, Any]]:
    edge = predicate.get("edge")
    if isinstance(edge, Mapping):
        [subject] = _subjects(target, speaker)
        return subject, {"edge": {"child": f"sha256:{subject.sha256}", **edge}}
    if target.release is not None:
        digest, _ = proved_release(speaker.recorder, target.release)
        return Subject(str(target.release), digest), {"of": {"kind": "release", "sha256": digest}}
    if target.digest is not None and "of" in predicate:
        return Subject(target.text, target.digest), {}
    raise InputError(
        "a position is about a release, about an edge, or about the statement that `of` names",
        hint="name NS/NAME@VERSION, or give `edge: {parent: …}` or `of: {kind: …, sha256: …}` in the file",
    )


def _data(target: Target, predicate: Mapping[str, Any]) -> tuple[Subject, dict[str, Any]]:
    """Describe a data set by its digest, its files as weighed, or its Croissant description."""
    if target.weighed is not None and predicate.get("identity") == "croissant":
        if not target.weighed.is_file:
            raise InputError("a Croissant description is one file", hint="name it in place of the folder")
        [file] = target.weighed.files
        told = predicate.get("croissant")
        croissant = {**(told if isinstance(told, dict) else {}), "sha256": file.sha256, "size": file.size}
        return Subject(target.weighed.name, file.sha256), {"croissant": croissant}
    if target.weighed is not None and predicate.get("identity", "files") == "files":
        files = sorted(target.weighed.files, key=lambda file: file.path.encode())
        more: dict[str, Any] = {"identity": "files", "bytes": sum(file.size for file in files)}
        if len(files) <= _MAX_FILES:
            more["files"] = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files]
        return Subject(target.weighed.name, target.weighed.model_digest), more
    if target.digest is None:
        raise InputError(
            "a data set is named by its folder or by its digest",
            hint="give the folder, or the SHA-256 of its Croissant description (`identity: croissant`)",
        )
    return Subject(str(predicate.get("name", "data set"))[:256], target.digest), {}


def _subjects(target: Target, speaker: Speaker) -> tuple[Subject, ...]:
    """Return the one digest that files are known by: the model digest."""
    if target.digest is not None:
        return (Subject(target.text, target.digest),)
    if target.weighed is not None:
        return (Subject(target.weighed.name, target.weighed.model_digest),)
    if target.release is not None:
        _, document = proved_release(speaker.recorder, target.release)
        return (Subject(str(target.release), document.model.model_digest.removeprefix("sha256:")),)
    raise InputError(
        f"{target.text} is neither a file, a digest nor NS/NAME@VERSION", hint="check the path, or the name"
    )


def read_bounded_file(path: Path) -> bytes:
    """Read the file that `--predicate` names, bounded; raises `InputError`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_PREDICATE_BYTES + 1)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
