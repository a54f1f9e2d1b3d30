# SPDX-License-Identifier: Apache-2.0
"""Say one thing, signed and recorded: a status, a warning, a description, a test result.

As with a release: the log is pinned on first use, what is replaced is looked up and proved before it is
named, bundles are saved before they are sent, and nothing that a registry answers is believed before its
receipt was checked. Run again after any failure: the same bytes are sent, or nothing is signed anew.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical, identities
from weighbridge.bundles import parse_bundle
from weighbridge.errors import (
    AdmissionError,
    ConflictError,
    ForbiddenError,
    InputError,
    LogError,
    StatementError,
    UnavailableError,
)
from weighbridge.introductions import introduction, is_unknown_key
from weighbridge.pending import PendingKey, PendingStore
from weighbridge.recording import Recorder, open_recorder
from weighbridge.records import RecordLine
from weighbridge.releases import ReleaseName
from weighbridge.signing import require_valid
from weighbridge.statements import (
    Statement,
    Subject,
    encode_attestation,
    encode_statement,
    parse_statement,
)
from weighbridge_schemas.names import fold_name, kind_of, predicate_type

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.release import Release

__all__ = ["Declared", "Draft", "Speaker", "proved_release", "status_draft"]

_RETRY_SECONDS: Final = 60
_LOOKED_AT: Final = 20
_FILLED: Final = ("logs", "previous")


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be said: a predicate without `logs` and `previous`, of subjects.

    `type` is a predicate type. Statements of ours have exactly one subject.
    """

    type: str
    subjects: tuple[Subject, ...]
    predicate: dict[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        """Kind of the statement; `attestation` for types that are not ours."""
        return kind_of(self.type)

    def payload(self, origin: str, previous: str | None) -> bytes:
        """Return the payload to sign for a log; raises `StatementError` naming the wrong member."""
        if self.kind == "attestation":
            return encode_attestation(self.type, self.subjects, self.predicate)
        [subject] = self.subjects
        reference = None if previous is None else {"kind": self.kind, "sha256": previous}
        filled = {**self.predicate, "logs": [origin], "previous": reference}
        return encode_statement(self.kind, subject.name, subject.sha256, filled)


@dataclass(frozen=True, slots=True)
class Declared:
    """What is now recorded, or, of a dry run, what would be signed. Digests are bare hex."""

    kind: str
    type: str
    subjects: tuple[Subject, ...]
    statement: dict[str, Any] = field(repr=False)
    signer: str
    origin: str
    log_fingerprint: str
    pinned_now: bool
    replaced: str | None
    """The statement in whose place it stands."""
    digest: str | None = None
    """Statement digest; None of a dry run."""
    index: int | None = None
    received: int | None = None
    url: str | None = None
    already: bool = False
    """The same was recorded before: nothing was signed."""
    introduced: bool = False
    """The signer's key was introduced, too."""

    def to_json(self) -> dict[str, Any]:
        """Give the document that `status --json` and `attest --json` print."""
        return {
            "v": 1,
            "recorded": self.index is not None,
            "already": self.already,
            "kind": self.kind,
            "predicate_type": self.type,
            "subjects": [{"name": one.name, "sha256": one.sha256} for one in self.subjects],
            "statement": f"sha256:{self.digest}" if self.digest else None,
            "replaced": f"sha256:{self.replaced}" if self.replaced else None,
            "payload": self.statement,
            "signer": self.signer,
            "introduced": self.introduced,
            "log": {
                "origin": self.origin,
                "fingerprint": self.log_fingerprint,
                "pinned_now": self.pinned_now,
            },
            "index": self.index,
            "received": self.received,
            "url": self.url,
        }


class Speaker:
    """Somebody with a signer, before a registry whose log is pinned.

    Raises what `open_recorder` raises: `LogError`, `ForkError`, `UnavailableError`.
    """

    def __init__(
        self,
        registry: RegistryClient,
        signer: StatementSigner,
        *,
        trust: TrustStore,
        memory: Memory,
        pending: PendingStore,
        label: str | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        require_valid(signer)
        self.signer = signer
        self.recorder = open_recorder(registry, trust, memory)
        self._pending = pending
        self._label = label
        self._report = report
        if self.recorder.pinned_now:
            report(
                f"first use: the log {self.recorder.origin} is trusted from now on, "
                f"key fingerprint {self.recorder.fingerprint}"
            )

    @property
    def registry(self) -> RegistryClient:
        """The registry."""
        return self.recorder.registry

    @property
    def signer_id(self) -> str:
        """Signer id, bare hex."""
        return identities.signer_id(self.signer.identity)

    def declare(
        self,
        draft: Draft,
        *,
        previous: str | None = None,
        dry_run: bool = False,
        retry_for: float = _RETRY_SECONDS,
    ) -> Declared:
        """Sign what is said and have it recorded; with `dry_run` only say what would be signed.

        `previous` (bare hex) names what it replaces; by default it is looked up. Raises `InputError` if
        the draft is not valid of its kind, `ForbiddenError`, `ConflictError`, `UnprocessableError` as the
        registry refuses it, `UnavailableError` if it stays away: what was signed is then kept.
        """
        key = self._key(draft, previous)
        bundles = None if dry_run else self._pending.find(key)
        if bundles is not None:
            self._report("taking up what was signed before and not yet recorded")
            return self._send(draft, key, bundles, retry_for)
        current = self._current(draft) if previous is None else None
        if current is not None and self._same(draft, current):
            return self._declared(draft, current.payload, current)
        replaced = previous if current is None else current.digest
        try:
            payload = draft.payload(self.recorder.origin, replaced)
        except StatementError as error:
            raise InputError(
                error.message,
                hint=error.hint or f"docs/spec/{draft.kind}.md says what such a statement holds",
                evidence=error.evidence,
            ) from error
        if dry_run:
            return self._declared(draft, payload, None)
        payloads = [payload]
        if is_unknown_key(self.registry, self.signer.identity):
            payloads.insert(0, introduction(self.signer, origin=self.recorder.origin, label=self._label))
        bundles = tuple(self.signer.sign(one) for one in payloads)
        self._pending.save(key, bundles)
        self._report(f"signed: {identities.describe(self.signer.identity)}")
        return self._send(draft, key, bundles, retry_for)

    def _send(self, draft: Draft, key: PendingKey, bundles: tuple[bytes, ...], retry_for: float) -> Declared:
        try:
            results = self.registry.submit(bundles, retry_for=retry_for)
        except AdmissionError as error:
            self._pending.remove(key)  # refused for good: sending the same again can't help
            if isinstance(error, ConflictError):
                raise _stale(error) from error
            raise
        except UnavailableError as error:
            raise UnavailableError(
                error.message,
                hint="what was signed is saved: run the same command again when the registry is back",
                evidence=error.evidence,
            ) from error
        recorded = self.recorder.accept(bundles, results)[-1]
        self._pending.remove(key)
        payload = parse_bundle(recorded.line.bundle, strict=True).payload
        found = _Found(recorded.statement_digest, payload, recorded.index, recorded.received, results[-1].url)
        return self._declared(draft, payload, found, new=True, introduced=len(bundles) > 1)

    def _declared(
        self,
        draft: Draft,
        payload: bytes,
        found: _Found | None,
        *,
        new: bool = False,
        introduced: bool = False,
    ) -> Declared:
        statement: dict[str, Any] = canonical.decode(payload)
        previous = statement["predicate"].get("previous") if draft.kind != "attestation" else None
        return Declared(
            kind=draft.kind,
            type=draft.type,
            subjects=draft.subjects,
            statement=statement,
            signer=identities.describe(self.signer.identity),
            origin=self.recorder.origin,
            log_fingerprint=self.recorder.fingerprint,
            pinned_now=self.recorder.pinned_now,
            replaced=previous["sha256"] if isinstance(previous, dict) else None,
            digest=found.digest if found else None,
            index=found.index if found else None,
            received=found.received if found else None,
            url=self.registry.absolute(found.url) if found else None,
            already=found is not None and not new,
            introduced=introduced,
        )

    def _key(self, draft: Draft, previous: str | None) -> PendingKey:
        """Name the place where the bundles wait: by all that is said, and who says it."""
        said = {
            "type": draft.type,
            "predicate": draft.predicate,
            "signer": self.signer_id,
            "previous": previous or "",
        }
        first = draft.subjects[0]
        digest = hashlib.sha256(canonical.encode(said)).hexdigest()
        return PendingKey(self.recorder.origin, f"{draft.type} {first.name} {digest}", first.sha256, digest)

    def _current(self, draft: Draft) -> _Found | None:
        """Find the statement that this one replaces, proved; None if there is none."""
        if draft.kind == "attestation":
            return None
        listed = self._status(draft) if draft.kind == "status" else self._listed(draft)
        for digest in islice(listed, _LOOKED_AT):
            found, statement = proved_statement(self.recorder, digest)
            same = statement.subjects[0].sha256 == draft.subjects[0].sha256
            if same and statement.kind == draft.kind and _same_thing(draft, statement):
                return found
        return None

    def _status(self, draft: Draft) -> Iterator[str]:
        """Yield the statement that the registry says is the newest status of a release."""
        name = ReleaseName.parse(draft.subjects[0].name)
        told = self.registry.release(name.namespace, name.name, name.version)
        if told is not None and told.status.statement is not None and told.status.statement.kind == "status":
            yield told.status.statement.sha256

    def _listed(self, draft: Draft) -> Iterator[str]:
        """Yield what the registry lists of one's own, or one's namespace's, statements about the subject."""
        namespace = draft.predicate.get("namespace")
        for said in self.registry.digest(draft.subjects[0].sha256).statements:
            if said.kind != draft.kind or said.replaced or said.role != "subject":
                continue
            if isinstance(namespace, str):
                mine = fold_name(said.namespace or "") == fold_name(namespace)
            else:
                mine = said.namespace is None and said.signer.id == self.signer_id
            if mine:
                yield said.statement.removeprefix("sha256:")

    def _same(self, draft: Draft, current: _Found) -> bool:
        """Tell whether the signer has said exactly this already, and nothing since."""
        statement = canonical.decode(current.payload)
        predicate = {name: value for name, value in statement["predicate"].items() if name not in _FILLED}
        return bool(predicate == draft.predicate and current.signer == self.signer_id)


@dataclass(frozen=True, slots=True)
class _Found:
    """A recorded statement: its digest (bare hex), its payload, its place, who is said to have signed."""

    digest: str
    payload: bytes
    index: int
    received: int
    url: str
    signer: str = ""


def proved_statement(recorder: Recorder, digest: str) -> tuple[_Found, Statement]:
    """Fetch a statement by its digest (bare hex) and prove that the pinned log records it.

    Raises `LogError` if the registry does not give it, or gives another.
    """
    told = recorder.registry.statement(digest)
    if told is None or told.bundle is None:
        raise LogError(
            f"{recorder.registry.url} does not give the statement sha256:{digest}, which it names itself"
        )
    line = RecordLine(base64.b64decode(told.bundle), base64.b64decode(told.leaf), told.receipt.encode())
    [proved] = recorder.check([line])
    if proved.statement_digest != digest:
        raise LogError(
            f"{recorder.registry.url} gives another statement than the one that was asked for",
            hint="do not sign anything for this registry until its operator has explained that",
            evidence={"asked": digest, "given": proved.statement_digest},
        )
    payload = parse_bundle(line.bundle, strict=True).payload
    signer = told.signer.id if told.signer is not None else ""
    found = _Found(digest, payload, proved.index, proved.received, told.url, signer)
    return found, parse_statement(payload, strict=True)


def proved_release(recorder: Recorder, name: ReleaseName) -> tuple[str, Release]:
    """Return a release's statement digest (bare hex) and predicate, proved to be recorded under its name.

    So a registry cannot have an owner speak of another release than the one that they name. Raises
    `InputError` if it is not known, `LogError` if what is shown is not that release.
    """
    from weighbridge_schemas.release import Release

    told = recorder.registry.release(name.namespace, name.name, name.version)
    if told is None:
        raise InputError(
            f"{recorder.registry.url} does not know {name}",
            hint="check the name, the version and the registry",
        )
    found, statement = proved_statement(recorder, told.statement.removeprefix("sha256:"))
    document = statement.document()
    if (
        not isinstance(document, Release)
        or fold_name(document.namespace) != fold_name(name.namespace)
        or fold_name(document.name) != fold_name(name.name)
        or document.version != name.version
    ):
        raise LogError(
            f"{recorder.registry.url} shows another statement in the place of {name}",
            hint="do not sign anything for this registry until its operator has explained that",
            evidence={"statement": found.digest},
        )
    return found.digest, document


def status_draft(
    speaker: Speaker,
    release: ReleaseName,
    state: str,
    reason: str,
    *,
    details: str | None = None,
    security: bool = False,
    by: ReleaseName | None = None,
) -> Draft:
    """Make the draft of a status of a release that the signer owns.

    Raises `ForbiddenError` early if the namespace is somebody else's, `InputError` for a release that is not
    recorded.
    """
    digest, document = proved_release(speaker.recorder, release)
    namespace = speaker.registry.namespace(document.namespace)
    identity = speaker.signer.identity
    if namespace is not None and not any(identities.matches(owner, identity) for owner in namespace.owners):
        raise ForbiddenError(
            f"the namespace {document.namespace} is not yours: you sign as {identities.describe(identity)}",
            hint=f"sign as one of its owners: weighbridge namespace show {document.namespace}",
            evidence={"signer": speaker.signer_id},
        )
    predicate: dict[str, Any] = {"state": state, "reason": reason}
    if details is not None:
        predicate["details"] = details
    if security:
        predicate["security"] = True
    if by is not None:
        successor, _ = proved_release(speaker.recorder, by)
        predicate["superseded_by"] = {"kind": "release", "sha256": successor}
    return Draft(predicate_type("status"), (Subject(str(release), digest),), predicate)


def _same_thing(draft: Draft, statement: Statement) -> bool:
    """Tell whether two statements of one kind and subject are of one chain."""
    if draft.kind == "advisory":
        return bool(statement.predicate.get("id") == draft.predicate.get("id"))
    if draft.kind == "position":
        return _parent(draft.predicate) == _parent(statement.predicate)
    return True


def _parent(predicate: dict[str, Any]) -> object:
    edge = predicate.get("edge")
    return edge.get("parent") if isinstance(edge, dict) else None


def _stale(error: ConflictError) -> ConflictError:
    current = error.evidence.get("current")
    if not isinstance(current, str):
        return error
    return ConflictError(
        error.message,
        hint="look at what stands now, then run again; if it is yours, add --previous sha256:" + current,
        evidence=error.evidence,
    )
