# SPDX-License-Identifier: Apache-2.0
"""Revise a part of a release, its card or its lineage: a signed statement that replaces it, and nothing else.

The release stays as it is; so does what the part said before, which anybody can compare. What is replaced is
taken from the log and proved, as with owners: a registry's word is not enough to sign upon. The bundle is
saved before it is sent, so that running the same command again sends the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar

from weighbridge import canonical, identities, releases
from weighbridge.bundles import parse_bundle
from weighbridge.errors import AdmissionError, ConflictError, InputError, LogError, UnavailableError
from weighbridge.pending import PendingKey, PendingStore
from weighbridge.publishing import owner_pem, require_owner
from weighbridge.recording import Recorder, open_recorder
from weighbridge.releases import ReleaseName
from weighbridge.signing import require_valid
from weighbridge.statements import encode_statement, parse_statement

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.records import RecordLine
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.api import ReleaseDocument
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.release import Release

__all__ = [
    "RETRY_SECONDS",
    "History",
    "Kind",
    "Revised",
    "Revision",
    "find_history",
    "open_revision",
    "require_known",
]

RETRY_SECONDS: Final = 60

Kind: TypeAlias = Literal["card", "lineage"]
"""A part of a release that has revisions."""

_Part = TypeVar("_Part", "Card", "Lineage")


@dataclass(frozen=True, slots=True)
class History(Generic[_Part]):
    """A release with one of its parts through time: the release's own (None if it had none), then revisions.

    `statements` are the statement digests (bare hex), the release's first, one for each part.
    """

    release: Release
    parts: tuple[_Part | None, ...]
    statements: tuple[str, ...]

    @property
    def current(self) -> _Part | None:
        """The part as it now stands."""
        return self.parts[-1]

    @property
    def previous(self) -> str | None:
        """Statement that a new revision replaces; None for the first."""
        return self.statements[-1] if len(self.statements) > 1 else None


@dataclass(frozen=True, slots=True)
class Revised:
    """A part of a release that is now recorded, or would be.

    `statement` and `previous` are bare hex; `statement` and `index` are None with `dry_run`. `already` says
    that the part was the same before. `payload` is what was signed, or would be.
    """

    release: ReleaseName
    kind: Kind
    previous: str | None
    statement: str | None
    index: int | None
    origin: str
    already: bool
    payload: bytes
    warnings: tuple[str, ...] = ()


def find_history(name: ReleaseName, lines: Sequence[RecordLine], kind: Kind) -> History[Any]:
    """Find a release and the revisions of a part among the lines of its record, in the order of the log.

    Raises LogError if the record lacks the release, or if a revision does not follow the one before: then one
    is withheld, or kept back.
    """
    from weighbridge_schemas.card import CardRevision
    from weighbridge_schemas.lineage import LineageRevision
    from weighbridge_schemas.release import Release

    revision = CardRevision if kind == "card" else LineageRevision
    release: Release | None = None
    parts: list[Any] = []
    statements: list[str] = []
    for line in lines:
        bundle = parse_bundle(line.bundle, strict=True)
        statement = parse_statement(bundle.payload, strict=True)
        document = statement.document()
        if isinstance(document, Release) and release is None and _is(document, name):
            release, parts, statements = document, [getattr(document, kind)], [bundle.statement_digest]
        elif isinstance(document, revision) and statements[:1] == [statement.subject.sha256]:
            expected = statements[-1] if len(statements) > 1 else None
            if (document.previous.sha256 if document.previous else None) != expected:
                raise LogError(
                    f"the record of {name} lacks a {kind} revision: it is withheld, or hidden",
                    hint="sign nothing upon it; see the entries about this release, or ask the operator "
                    "or a mirror",
                )
            parts.append(getattr(document, kind))
            statements.append(bundle.statement_digest)
    if release is None:
        raise LogError(f"the record that was given for {name} does not hold that release")
    return History(release, tuple(parts), tuple(statements))


def _is(release: Release, name: ReleaseName) -> bool:
    return (release.namespace, release.name, release.version) == (name.namespace, name.name, name.version)


def require_known(registry: RegistryClient, name: ReleaseName) -> ReleaseDocument:
    """Return what a registry says of a release; raise InputError if it has none."""
    found = registry.release(name.namespace, name.name, name.version)
    if found is None:
        raise InputError(
            f"{registry.url} has no release {name}",
            hint=f"publish it first: weighbridge publish PATH {name}",
        )
    return found


@dataclass(frozen=True, slots=True)
class Revision(Generic[_Part]):
    """One revision on its way into the log."""

    name: ReleaseName
    kind: Kind
    history: History[_Part]
    signer: StatementSigner
    recorder: Recorder
    pending: PendingStore
    retry_for: float
    report: Callable[[str], None]

    def payload(self, part: _Part) -> bytes:
        """Return the statement to sign; raises `StatementError` for a part out of bounds."""
        previous = self.history.previous
        predicate: dict[str, Any] = {
            "logs": [self.recorder.origin],
            "previous": {"kind": self.kind, "sha256": previous} if previous is not None else None,
            self.kind: part.to_json(),
        }
        return encode_statement(self.kind, str(self.name), self.history.statements[0], predicate)

    def carry_out(self, part: _Part, *, dry_run: bool) -> Revised:
        """Record a part if it is not what it was already; with `dry_run`, say what would be signed."""
        history, payload = self.history, self.payload(part)
        already = history.current == part
        index, statement = None, history.statements[-1] if already else None
        if not already and not dry_run:
            index, statement = self._record(payload)
        origin = self.recorder.origin
        return Revised(self.name, self.kind, history.previous, statement, index, origin, already, payload)

    def _record(self, payload: bytes) -> tuple[int, str]:
        """Sign, or take what a former run signed; send it; check the proof. Gives entry and statement."""
        payloads = [*self._introduction(), payload]
        key = self._key(payloads)
        bundles = self.pending.find(key)
        if bundles is None:
            bundles = tuple(self.signer.sign(each) for each in payloads)
            self.pending.save(key, bundles)
            self.report(f"signed the {self.kind}: {identities.describe(self.signer.identity)}")
        else:
            self.report(f"taking up the {self.kind} that was signed before and not yet recorded")
        try:
            results = self.recorder.registry.submit(bundles, retry_for=self.retry_for)
        except ConflictError as error:
            self.pending.remove(key)
            look = f"weighbridge {self.kind} show {self.name}"
            raise ConflictError(
                f"the {self.kind} of {self.name} was revised by somebody else meanwhile: {error.message}",
                hint=f"look at it ({look}), and run again if yours still holds",
                evidence=error.evidence,
            ) from error
        except AdmissionError:
            self.pending.remove(key)  # refused for good: sending the same again can't help
            raise
        except UnavailableError as error:
            raise UnavailableError(
                error.message,
                hint="what was signed is saved: run the same command again when the registry is back",
                evidence=error.evidence,
            ) from error
        recorded = self.recorder.accept(bundles, results)[-1]
        self.pending.remove(key)
        self.report(f"recorded as entry {recorded.index} of {self.recorder.origin}")
        return recorded.index, recorded.statement_digest

    def _introduction(self) -> list[bytes]:
        """Return the introduction of a key that the registry has not seen, as that of a new owner."""
        identity = self.signer.identity
        if not isinstance(identity, identities.KeyIdentity):
            return []
        known = self.recorder.registry.signer(identities.signer_id(identity))
        pem = owner_pem(self.signer)
        if pem is None or (known is not None and known.public_key is not None):
            return []
        return [releases.signer_introduction(pem, identity.spki_sha256, origin=self.recorder.origin)]

    def _key(self, payloads: Sequence[bytes]) -> PendingKey:
        asked = {
            "signer": identities.signer_id(self.signer.identity),
            "payloads": [hashlib.sha256(payload).hexdigest() for payload in payloads],
        }
        request = hashlib.sha256(canonical.encode(asked)).hexdigest()
        model = self.history.release.model.model_digest.removeprefix("sha256:")
        return PendingKey(self.recorder.origin, f"{self.kind} of {self.name}", model, request)


def open_revision(
    name: ReleaseName,
    kind: Kind,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    pending: PendingStore,
    retry_for: float,
    report: Callable[[str], None],
) -> Revision[Any]:
    """Prove what a part of a release is now, so that the signer can replace it.

    Raises `InputError` for a release that is not there or a certificate that is not valid now,
    `ForbiddenError` if the signer is no owner, `LogError` if the registry does not prove what it says.
    """
    require_valid(signer)
    recorder = open_recorder(registry, trust, memory)
    require_owner(registry.namespace(name.namespace), name, signer.identity)
    require_known(registry, name)
    lines = registry.provenance(name.namespace, name.name, name.version)
    recorder.check(lines)
    history = find_history(name, lines, kind)
    return Revision(name, kind, history, signer, recorder, pending, retry_for, report)
