# SPDX-License-Identifier: Apache-2.0
"""in-toto statements: making the bytes that are signed, and reading signed bytes back.

Bytes in, bytes out. What is signed is the canonical JSON of the statement, but readers must not
rely on that: OMS statements of other tools are not canonical, and references go by the digest of
the bytes as signed (`weighbridge.dsse.statement_digest`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge_schemas.names import PREDICATE_ROOT, STATEMENT_TYPE, Kind, kind_of, predicate_type

from . import canonical
from .errors import BundleError, StatementError
from .validation import faults, first_fault

if TYPE_CHECKING:
    from weighbridge_schemas.base import Document
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.position import Position

__all__ = [
    "LEGACY_PREDICATE_TYPE",
    "MAX_SUBJECTS",
    "PAYLOAD_TYPE",
    "Statement",
    "Subject",
    "abstract_subject",
    "encode_attestation",
    "encode_statement",
    "expected_subject",
    "parse_statement",
]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
"""DSSE payload type of every statement."""

LEGACY_PREDICATE_TYPE: Final = "https://model_signing/Digests/v0.1"
"""Written by model-signing 0.2, before the OMS specification; read, never made."""

MAX_SUBJECTS: Final = 16
"""Most subjects of a statement that a registry admits; ours have exactly one."""

_SUBJECT_MEMBERS: Final = frozenset({"name", "digest"})
_DESCRIPTOR_MEMBERS: Final = _SUBJECT_MEMBERS | {"uri", "downloadLocation", "mediaType"}
_MOST_DIGESTS: Final = 8
_OTHER_DIGEST: Final = re.compile(r"[A-Za-z0-9+/=_:.-]{1,256}")
_MEMBERS: Final = frozenset({"_type", "subject", "predicateType", "predicate"})
_HEX256: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME: Final = 1024


@dataclass(frozen=True)
class Subject:
    """What a statement is about: an informational name and a SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Statement:
    """A parsed statement. `predicate` is as signed; `document()` gives it checked and typed."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]
    size: int = 0
    """Bytes of the payload."""

    @property
    def kind(self) -> Kind:
        """Kind of the statement; `attestation` if its predicate type is not ours."""
        return kind_of(self.predicate_type)

    @property
    def subject(self) -> Subject:
        """The only subject; StatementError if there are several."""
        if len(self.subjects) != 1:
            raise StatementError(f"the statement has {len(self.subjects)} subjects, not one")
        return self.subjects[0]

    def document(self) -> Document:
        """Return the predicate as the pydantic model of its kind; what was read of it for others' kinds.

        Raises StatementError naming the member that is wrong, or if no such kind exists.
        """
        if self.kind == "attestation":
            return _read_attestation(self.predicate_type, self.predicate, self.size)
        return _document(self.predicate_type, self.predicate)


def abstract_subject(kind: str, name: str) -> str:
    r"""Return the subject digest (hex) of a thing without bytes.

    SHA-256 of `weighbridge/subject/v1\n<kind>\n<name>` in UTF-8. The name is the folded
    namespace for `namespace`, the key's SPKI SHA-256 in hex for `signer`, the log's origin for
    `operator`, and the name as written for `disclosure` and `deployment` (docs/spec/digests.md).
    """
    return hashlib.sha256(f"weighbridge/subject/v1\n{kind}\n{name}".encode()).hexdigest()


def expected_subject(document: Document) -> str | None:
    """Return the subject digest (hex) that a document's own content demands; None if it is free.

    Revisions and statuses are about another statement, and advisories about anything, so nothing
    inside them says which.
    """
    from weighbridge_schemas.base import fold_name
    from weighbridge_schemas.namespace import Namespace
    from weighbridge_schemas.oms import OmsPredicate
    from weighbridge_schemas.operator import Operator
    from weighbridge_schemas.release import Release
    from weighbridge_schemas.signer import SignerIntroduction

    match document:
        case Release():
            return document.model.model_digest.removeprefix("sha256:")
        case Namespace():
            return abstract_subject("namespace", fold_name(document.namespace))
        case SignerIntroduction():
            return abstract_subject("signer", document.spki_sha256)
        case Operator():
            return abstract_subject("operator", document.logs[0])
        case OmsPredicate():
            digests = b"".join(bytes.fromhex(resource.digest) for resource in document.resources)
            return hashlib.sha256(digests).hexdigest()
        case _:
            return _testimony_subject(document)


def _testimony_subject(document: Document) -> str | None:
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.deployment import Deployment
    from weighbridge_schemas.disclosure import Disclosure
    from weighbridge_schemas.position import Position

    match document:
        case Dataset():
            return _data_set_digest(document)
        case Position():
            return _position_subject(document)
        case Disclosure():
            return abstract_subject("disclosure", document.name)
        case Deployment():
            return abstract_subject("deployment", document.name)
        case _:
            return None


def _data_set_digest(document: Dataset) -> str | None:
    """Return the digest that a description's own content proves; None where it lists no files."""
    from .weighing import model_digest

    if document.identity == "croissant" and document.croissant is not None:
        return document.croissant.sha256
    if document.identity == "files" and document.files:
        return model_digest(document.files)
    return None


def _position_subject(document: Position) -> str | None:
    if document.of is not None:
        return document.of.sha256
    return document.edge.child.removeprefix("sha256:") if document.edge is not None else None


def encode_statement(
    kind: str, subject_name: str, subject_sha256: str, predicate: Mapping[str, Any]
) -> bytes:
    """Return the payload to sign: the canonical JSON of a statement with one subject.

    Raises StatementError if the predicate is not valid of its kind or not about the subject, so
    that nothing is ever signed that a registry would refuse.
    """
    value = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject_name, "digest": {"sha256": subject_sha256}}],
        "predicateType": predicate_type(kind),
        "predicate": dict(predicate),
    }
    payload = canonical.encode(value)
    parse_statement(payload, strict=True)
    return payload


def encode_attestation(
    predicate_type: str, subjects: Sequence[Subject], predicate: Mapping[str, Any]
) -> bytes:
    """Return the payload to sign of a statement whose predicate type is not ours.

    `subjects` are 1 to 16, each once. Raises StatementError for a type that no registry admits, or a
    predicate that is not of it.
    """
    value = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in subjects],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }
    payload = canonical.encode(value)
    parse_statement(payload, strict=True).document()
    return payload


def parse_statement(payload: bytes, *, strict: bool = False) -> Statement:
    """Read a statement from the payload of a verified envelope.

    `strict` is what a registry admits: no unknown members anywhere, only SHA-256 subjects, a
    predicate that is valid of its kind, one subject that the predicate agrees with for every
    kind of ours. Predicates of others have up to 16 subjects, which may have digests beside their
    SHA-256 and the members of an in-toto ResourceDescriptor. Raises StatementError.
    """
    try:
        value = canonical.decode(payload)
    except BundleError as error:
        raise StatementError(f"the statement cannot be read: {error.message}") from error
    if not isinstance(value, dict):
        raise StatementError("the statement is not a JSON object")
    if value.get("_type") != STATEMENT_TYPE:
        raise StatementError(f"_type is not {STATEMENT_TYPE}")
    if strict and (odd := sorted(value.keys() ^ _MEMBERS)):
        raise StatementError(f"the statement has unknown or missing members: {_listed(odd)}")
    type_ = value.get("predicateType")
    if not isinstance(type_, str) or not 0 < len(type_) <= _LONGEST_NAME:
        raise StatementError("predicateType is missing or no text")
    predicate = value.get("predicate")
    if not isinstance(predicate, dict):
        raise StatementError("predicate is missing or no object")
    ours = kind_of(type_) != "attestation"
    subjects = _subjects(value.get("subject"), strict=strict, ours=ours)
    statement = Statement(subjects, type_, predicate, len(payload))
    if strict:
        _check_strict(statement)
    return statement


def _subjects(value: Any, *, strict: bool, ours: bool) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not value:
        raise StatementError("subject is missing or empty")
    if strict and len(value) > MAX_SUBJECTS:
        raise StatementError(f"the statement has {len(value)} subjects; the limit is {MAX_SUBJECTS}")
    found = tuple(_subject(item, f"subject[{index}]", strict=strict) for index, item in enumerate(value))
    if strict:
        for index, item in enumerate(value):
            _check_members(item, f"subject[{index}]", ours=ours)
        if not ours and len({one.sha256 for one in found}) != len(found):
            raise StatementError("a subject is listed twice")
    return found


def _subject(item: Any, where: str, *, strict: bool) -> Subject:
    digests = item.get("digest") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(digests, dict):
        raise StatementError(f"{where} has no digest")
    sha256 = digests.get("sha256")
    if not isinstance(sha256, str) or not _HEX256.fullmatch(sha256):
        raise StatementError(f"{where} has no SHA-256 in lowercase hex")
    name = item.get("name", "")
    if name is None and not strict:
        name = ""
    if not isinstance(name, str) or (strict and len(name) > _LONGEST_NAME):
        raise StatementError(f"{where}.name is no text of at most {_LONGEST_NAME} characters")
    return Subject(name, sha256)


def _check_members(item: Mapping[str, Any], where: str, *, ours: bool) -> None:
    """Refuse members of a subject that would be kept without being understood."""
    digests = item["digest"]
    if ours:
        if item.keys() - _SUBJECT_MEMBERS or digests.keys() != {"sha256"}:
            raise StatementError(f"{where} has members other than name and digest.sha256")
        return
    if odd := sorted(item.keys() - _DESCRIPTOR_MEMBERS):
        raise StatementError(f"{where} has members that are not taken: {_listed(odd)}")
    texts = [item[member] for member in item.keys() - {"digest"}]
    if not all(isinstance(text, str) and len(text) <= _LONGEST_NAME for text in texts):
        raise StatementError(f"{where} has a member that is no text of at most {_LONGEST_NAME} characters")
    others = [*digests.keys(), *digests.values()]
    if len(digests) > _MOST_DIGESTS or not all(
        isinstance(text, str) and _OTHER_DIGEST.fullmatch(text) for text in others
    ):
        raise StatementError(f"{where} has a digest that is none, or more than {_MOST_DIGESTS}")


def _check_strict(statement: Statement) -> None:
    """Check what only kinds that are known can be checked for."""
    if statement.kind == "attestation":
        if statement.predicate_type.startswith(PREDICATE_ROOT):
            raise StatementError(f"there is no statement kind {statement.predicate_type}")
        return  # which types of others are taken is for who takes them: `document()`
    expected = expected_subject(statement.document())
    if expected not in (None, statement.subject.sha256):
        raise StatementError(
            f"the {statement.kind} statement's subject is not what its predicate describes",
            evidence={"subject": f"sha256:{statement.subject.sha256}", "expected": f"sha256:{expected}"},
        )


def _document(type_: str, predicate: Mapping[str, Any]) -> Document:
    from pydantic import ValidationError

    from weighbridge_schemas.kinds import PREDICATES

    model = PREDICATES.get(type_)
    if model is None:
        raise StatementError(f"there is no model for statements of type {type_[:200]}")
    try:
        return model.model_validate(predicate)
    except ValidationError as error:
        raise StatementError(
            f"not a valid {kind_of(type_)} statement: {first_fault(error)}",
            evidence={"errors": faults(error)},
        ) from error


def _read_attestation(type_: str, predicate: Mapping[str, Any], size: int) -> Document:
    from weighbridge_schemas.attestation import ADMITTED, read_attestation

    if type_ not in ADMITTED:
        raise StatementError(f"there is no model for statements of type {type_[:200]}")
    try:
        return read_attestation(type_, predicate, size)
    except ValueError as error:
        raise StatementError(
            f"not a valid statement of type {type_}: {error}",
            hint="correct what is named; the type's own specification says how",
        ) from error


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name[:80]) for name in names[:8])
