# SPDX-License-Identifier: Apache-2.0
"""Revise the lineage of a release: a signed lineage/v1 that replaces what was said of its origin.

The release stays as it is, and what it said before stays in the log. What is replaced is taken from the
release's record and proved to be in the pinned log: a registry's word is not enough to sign upon. The bundle
is saved before it is sent, so that running the same command again sends the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical, identities
from weighbridge.bundles import parse_bundle
from weighbridge.errors import (
    AdmissionError,
    ConflictError,
    ForbiddenError,
    InputError,
    LogError,
    UnavailableError,
)
from weighbridge.pending import PendingKey, PendingStore
from weighbridge.publishing import owner_pem
from weighbridge.recording import Recorder, open_recorder
from weighbridge.releases import ReleaseName, signer_introduction
from weighbridge.statements import encode_statement, parse_statement

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.records import RecordLine
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.release import Release

__all__ = ["LineageHistory", "RevisedLineage", "lineage_history", "revise_lineage"]

RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class LineageHistory:
    """A release with its lineages, oldest first: its own (None if it had none), then each revision.

    `statements` are the statement digests (bare hex), the release's first, one for each lineage.
    """

    release: Release
    lineages: tuple[Lineage | None, ...]
    statements: tuple[str, ...]

    @property
    def previous(self) -> str | None:
        """Statement digest of the revision that a new one replaces; None for the first."""
        return self.statements[-1] if len(self.statements) > 1 else None


@dataclass(frozen=True, slots=True)
class RevisedLineage:
    """A lineage that is now recorded, or would be.

    `statement` (bare hex) and `index` are None with `dry_run`. `already` says that it was the lineage before.
    `payload` is what was signed, or would be.
    """

    release: ReleaseName
    previous: str | None
    statement: str | None
    index: int | None
    origin: str
    already: bool
    payload: bytes


def lineage_history(name: ReleaseName, lines: Sequence[RecordLine]) -> LineageHistory:
    """Find a release and its lineage revisions among the lines of its record, in the order of the log.

    Raises `LogError` if the record lacks the release, or if a revision does not follow the one before: then
    the registry keeps one back.
    """
    from weighbridge_schemas.lineage import LineageRevision
    from weighbridge_schemas.release import Release

    release: Release | None = None
    lineages: list[Lineage | None] = []
    statements: list[str] = []
    for line in lines:
        bundle = parse_bundle(line.bundle, strict=True)
        statement = parse_statement(bundle.payload, strict=True)
        document = statement.document()
        if isinstance(document, Release) and release is None and _is(document, name):
            release, lineages, statements = document, [document.lineage], [bundle.statement_digest]
        elif isinstance(document, LineageRevision) and statements[:1] == [statement.subject.sha256]:
            before = statements[-1] if len(statements) > 1 else None
            if (document.previous.sha256 if document.previous else None) != before:
                raise LogError(
                    f"the record of {name} lacks a lineage revision: one does not follow the one before",
                    hint="sign nothing upon it; ask the registry's operator, or a mirror",
                )
            lineages.append(document.lineage)
            statements.append(bundle.statement_digest)
    if release is None:
        raise LogError(f"the record that was given for {name} does not hold that release")
    return LineageHistory(release, tuple(lineages), tuple(statements))


def _is(release: Release, name: ReleaseName) -> bool:
    return (release.namespace, release.name, release.version) == (name.namespace, name.name, name.version)


def revise_lineage(
    name: ReleaseName,
    lineage: Lineage,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    pending: PendingStore,
    dry_run: bool = False,
    retry_for: float = RETRY_SECONDS,
    report: Callable[[str], None] = lambda _: None,
) -> RevisedLineage:
    """Sign and record a new lineage of a release whose namespace the signer owns.

    With `dry_run` all is checked, and nothing signed or sent. Raises `InputError` if there is no such
    release, `ForbiddenError` if the signer is no owner, `ConflictError` if somebody revised it meanwhile,
    `LogError` if the registry does not prove what it is now, `UnprocessableError` if the release would
    descend from itself, `UnavailableError` if the registry stays away (run again).
    """
    recorder = open_recorder(registry, trust, memory)
    _require_owner(registry, name, signer.identity)
    if registry.release(name.namespace, name.name, name.version) is None:
        raise InputError(
            f"{registry.url} has no release {name}",
            hint=f"publish it first: weighbridge publish PATH {name} --lineage FILE",
        )
    lines = registry.provenance(name.namespace, name.name, name.version)
    recorder.check(lines)
    history = lineage_history(name, lines)
    payload = _payload(name, lineage, history, recorder.origin)
    already = history.lineages[-1] == lineage
    statement: str | None = history.statements[-1] if already else None
    index: int | None = None
    if not already and not dry_run:
        revision = _Revision(name, history, signer, recorder, pending, retry_for, report)
        statement, index = revision.record(payload)
    return RevisedLineage(name, history.previous, statement, index, recorder.origin, already, payload)


def _require_owner(registry: RegistryClient, name: ReleaseName, identity: identities.Identity) -> None:
    """Refuse early, before anything is signed, what the registry would refuse."""
    found = registry.namespace(name.namespace)
    if found is not None and not any(identities.matches(owner, identity) for owner in found.owners):
        raise ForbiddenError(
            f"the namespace {found.namespace} is not yours: you sign as {identities.describe(identity)}",
            hint=f"sign as one of its owners: weighbridge namespace show {found.namespace}",
        )


def _payload(name: ReleaseName, lineage: Lineage, history: LineageHistory, origin: str) -> bytes:
    """Return the statement to sign; raises `StatementError` for a lineage out of bounds."""
    previous = history.previous
    predicate: dict[str, Any] = {
        "logs": [origin],
        "previous": {"kind": "lineage", "sha256": previous} if previous is not None else None,
        "lineage": lineage.to_json(),
    }
    return encode_statement("lineage", str(name), history.statements[0], predicate)


@dataclass(frozen=True, slots=True)
class _Revision:
    """One revision on its way into the log."""

    name: ReleaseName
    history: LineageHistory
    signer: StatementSigner
    recorder: Recorder
    pending: PendingStore
    retry_for: float
    report: Callable[[str], None]

    def record(self, payload: bytes) -> tuple[str, int]:
        """Sign, or take what a former run signed; send it; check the proof. Gives statement and entry."""
        payloads = [*self._introduction(), payload]
        key = self._key(payloads)
        bundles = self.pending.find(key)
        if bundles is None:
            bundles = tuple(self.signer.sign(each) for each in payloads)
            self.pending.save(key, bundles)
            self.report(f"signed the lineage: {identities.describe(self.signer.identity)}")
        else:
            self.report("taking up the lineage that was signed before and not yet recorded")
        try:
            results = self.recorder.registry.submit(bundles, retry_for=self.retry_for)
        except ConflictError as error:
            self.pending.remove(key)
            raise ConflictError(
                f"the lineage of {self.name} was revised by somebody else meanwhile: {error.message}",
                hint=f"look at it (weighbridge lineage show {self.name}), and run again if yours still holds",
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
        return recorded.statement_digest, recorded.index

    def _introduction(self) -> list[bytes]:
        """Return the introduction of a key that the registry has not seen, as that of a new owner."""
        identity = self.signer.identity
        pem = owner_pem(self.signer) if isinstance(identity, identities.KeyIdentity) else None
        if pem is None or not isinstance(identity, identities.KeyIdentity):
            return []
        known = self.recorder.registry.signer(identities.signer_id(identity))
        if known is not None and known.public_key is not None:
            return []
        return [signer_introduction(pem, identity.spki_sha256, origin=self.recorder.origin)]

    def _key(self, payloads: Sequence[bytes]) -> PendingKey:
        asked = {
            "signer": identities.signer_id(self.signer.identity),
            "payloads": [hashlib.sha256(payload).hexdigest() for payload in payloads],
        }
        request = hashlib.sha256(canonical.encode(asked)).hexdigest()
        model = self.history.release.model.model_digest.removeprefix("sha256:")
        return PendingKey(self.recorder.origin, f"lineage of {self.name}", model, request)
