# SPDX-License-Identifier: Apache-2.0
"""A posted bundle, taken apart strictly once: everything that its bytes alone can tell.

What is refused here would be refused at any index of any log, so it is checked before a
statement is given a place in the queue, and again, from the bytes, when a log is replayed.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge import weighing
from weighbridge.bundles import MAX_BUNDLE_BYTES, Bundle, parse_bundle
from weighbridge.errors import BundleError, MalformedError, StatementError, TooLargeError, UnprocessableError
from weighbridge.statements import Statement, parse_statement
from weighbridge_schemas.attestation import ADMITTED
from weighbridge_schemas.base import Document
from weighbridge_schemas.kinds import PREDICATES
from weighbridge_schemas.operator import Genesis, Operator
from weighbridge_schemas.release import Release

__all__ = ["Candidate", "read_candidate"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One bundle that is well formed in every way that does not depend on a log's state."""

    bundle: Bundle
    statement: Statement
    document: Document

    @property
    def kind(self) -> str:
        """Kind of the statement."""
        return self.statement.kind

    @property
    def digest(self) -> str:
        """Statement digest, bare hex."""
        return self.bundle.statement_digest

    @property
    def subject(self) -> str:
        """Digest of the first subject, bare hex; of a statement of ours there is one."""
        return self.statement.subjects[0].sha256

    @property
    def is_genesis(self) -> bool:
        """Whether this may be entry 0, and nothing else."""
        return isinstance(self.document, Operator) and isinstance(self.document.decision, Genesis)


def read_candidate(data: bytes) -> Candidate:
    """Parse a bundle for admission.

    Raises `TooLargeError` (413) above 16 MiB, `MalformedError` (400, step 3) for what is not a
    strict bundle, `UnprocessableError` (422, step 5) for a statement that no registry takes or
    that contradicts itself.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise TooLargeError(
            f"the bundle has {len(data)} bytes; at most {MAX_BUNDLE_BYTES} are taken",
            hint="a manifest of this size lists too many files: publish fewer, larger ones",
        )
    try:
        bundle = parse_bundle(data, strict=True)
    except BundleError as error:
        raise MalformedError(error.message, hint=error.hint, evidence=error.evidence) from error
    try:
        statement = parse_statement(bundle.payload, strict=True)
        document = _document(statement)
    except StatementError as error:
        raise UnprocessableError(error.message, hint=error.hint, evidence=error.evidence) from error
    return Candidate(bundle, statement, document)


def _document(statement: Statement) -> Document:
    if statement.predicate_type not in PREDICATES and statement.predicate_type not in ADMITTED:
        raise StatementError(
            f"this registry does not take statements of type {statement.predicate_type[:200]} yet",
            hint="keep the bundle; later versions take more kinds",
        )
    document = statement.document()
    _check_meaning(document)
    return document


def _check_meaning(document: Document) -> None:
    """Check what a release says twice: its model digest must be that of the files it lists."""
    if isinstance(document, Release):
        if any(file.path == weighing.README for file in document.model.files):
            raise StatementError(
                "the release lists README.md among its files, where the model digest does not cover it",
                hint="the card binds README.md by its digest",
            )
        found = weighing.model_digest(document.model.files)
        if document.model.model_digest != f"sha256:{found}":
            raise StatementError(
                "the release's model_digest is not the digest of the files that it lists",
                hint="publish again with a current weighbridge; do not edit statements by hand",
                evidence={"model_digest": document.model.model_digest, "of_files": f"sha256:{found}"},
            )
