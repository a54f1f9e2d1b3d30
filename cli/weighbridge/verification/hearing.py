# SPDX-License-Identifier: Apache-2.0
"""What third parties say whom the policy names: their advisories, disputes, re-checks and attestations.

A registry, or a copy of the log, says where such statements are. What counts is the signed statement alone:
fetched, proved to be in the log and authenticated anew, by a signer of the policy, by key or account. So a
registry can keep a statement back, which `doubts` and step 11 allow for, and invent none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from weighbridge.errors import SignerError, WeighbridgeError
from weighbridge.identities import (
    CertificateIdentity,
    Identity,
    KeyIdentity,
    SigstoreIdentity,
    describe,
    signer_id,
)
from weighbridge.statements import Statement, parse_statement
from weighbridge_schemas.bounds import EVERYTHING, SHOWN

from .entries import read_entry
from .registries import proved_line

if TYPE_CHECKING:
    from weighbridge.policy import LoadedPolicy
    from weighbridge.tlog import SignedCheckpoint
    from weighbridge_schemas.advisory import Advisory
    from weighbridge_schemas.api import ParentEdge, ReleaseDocument, SignerSummary
    from weighbridge_schemas.base import Document
    from weighbridge_schemas.policy import Reviewer, Signer
    from weighbridge_schemas.position import Position

    from .case import Case
    from .entries import Pins
    from .registries import Answering, RegistryWord
    from .signatures import Authenticator

__all__ = ["Ear", "Heard", "Said", "heard", "rechecks_of"]

_FETCHED: Final = 64
"""Statements that are fetched from a registry; a copy is near."""
_D = TypeVar("_D", bound="Document")


@dataclass(frozen=True, slots=True)
class Said:
    """One statement by somebody whom the policy names: proved to be in the log, and authenticated."""

    statement: Statement
    digest: str
    index: int
    signer: Identity

    @property
    def who(self) -> str:
        """Its signer, in plain words."""
        return describe(self.signer)

    def to_json(self) -> dict[str, Any]:
        """Give it as evidence."""
        return {"statement": f"sha256:{self.digest}", "index": self.index, "signer": signer_id(self.signer)}


@dataclass(frozen=True, slots=True)
class Warned:
    """An advisory that concerns the model; `about` says what it is about if that is an ancestor."""

    said: Said
    advisory: Advisory
    about: str = ""


@dataclass(slots=True)
class Heard:
    """All that was heard. `doubts` say why there may be more: then nothing follows from silence."""

    advisories: list[Warned] = field(default_factory=list)
    disputes: list[tuple[Said, Position]] = field(default_factory=list)
    rechecks: dict[str, list[Said]] = field(default_factory=dict)
    """Re-checks of edges to parents, by the digest that the child names."""
    attestations: list[Said] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


class Ear:
    """Fetches and authenticates the statements that an answer points to; the policy's signers alone."""

    def __init__(
        self,
        policy: LoadedPolicy,
        source: Answering,
        checkpoint: SignedCheckpoint,
        pins: Pins,
        authenticator: Authenticator,
        *,
        replayed: bool,
    ) -> None:
        self.doubts: list[str] = []
        self.replayed = replayed
        self._policy = policy
        self._source = source
        self._checkpoint = checkpoint
        self._pins = pins
        self._authenticator = authenticator
        signers = policy.document.signers.values()
        self._known = {signer_id(one): one for one in map(_identity, signers) if one is not None}
        self._some_accounts = any(one.type in ("ci", "pattern") for one in signers)
        self._fetched: dict[int, Said | None] = {}

    def may_be_named(self, summary: SignerSummary) -> bool:
        """Tell whether a signer, as the answer has it, can be one of the policy's at all."""
        return summary.id in self._known or (self._some_accounts and summary.kind == "sigstore")

    def hear(self, index: int, statement: str, summary: SignerSummary) -> Said | None:
        """Return the statement of an entry if one of the policy's signers signed it."""
        if not self.may_be_named(summary):
            return None
        if index not in self._fetched:
            if len(self._fetched) >= (EVERYTHING.statements if self.replayed else _FETCHED):
                self._doubt("there are more statements than are fetched")
                return None
            self._fetched[index] = self._fetch(index, statement.removeprefix("sha256:"), summary)
        return self._fetched[index]

    def reviewers(self, said: Said) -> Iterator[Reviewer]:
        """Yield what the policy says of the signer's word."""
        for reviewer in self._policy.document.reviewers:
            wanted = self._policy.signers(reviewer.signers)
            if wanted is not None and wanted.accepts(said.signer):
                yield reviewer

    def _fetch(self, index: int, digest: str, summary: SignerSummary) -> Said | None:
        if index >= self._checkpoint.size:
            self._doubt(f"entry {index} is newer than the log's checkpoint")
            return None
        try:
            line = proved_line(self._source, self._checkpoint, index)
            entry = read_entry(f"{self._source.url}, entry {index}", line, self._pins)
        except (WeighbridgeError, OSError) as error:
            self._doubt(f"entry {index}, said to be by {summary.label}, cannot be read: {error}")
            return None
        if not entry.proved or entry.bundle.statement_digest != digest:
            self._doubt(f"entry {index} is not the statement that it is said to be")
            return None
        try:
            signer = self._authenticator(entry.bundle)
        except SignerError as error:
            if not (self.replayed and summary.id in self._known):
                self._doubt(
                    f"entry {index}, said to be by {summary.label}, cannot be checked: {error.message}"
                )
                return None
            signer = self._known[summary.id]  # the replay authenticated it at its own entry
        everybody = self._policy.everybody
        if everybody is None or not everybody.accepts(signer):
            return None
        return Said(parse_statement(entry.bundle.payload), digest, index, signer)

    def _doubt(self, why: str) -> None:
        self.doubts.append(why)


def heard(case: Case, released: ReleaseDocument | None) -> Heard:
    """Hear what the policy's third parties say of a release; `released` is what the answer says of it."""
    if case.heard is None:
        case.heard = _heard(case, released)
    return case.heard


def _heard(case: Case, released: ReleaseDocument | None) -> Heard:
    policy, word = case.request.policy, case.word
    found = Heard()
    if policy is None:
        return found
    if word is None or word.source is None or word.checkpoint is None or word.problem is not None:
        found.doubts.append(_why_silent(word))
        return found
    if released is None:
        found.doubts.append(f"{word.url} knows nothing of this release")
        return found
    ear = Ear(
        policy, word.source, word.checkpoint, case.request.pins, case.authenticator, replayed=word.proves
    )
    own = own_digests(released)
    _statements(found, ear, released, own)
    _upstream(found, ear, released)
    for edge in released.lineage.parents if released.lineage is not None else ():
        _positions(found, ear, edge, own)
    found.doubts += [*_capped(released, replayed=word.proves), *ear.doubts]
    return found


def own_digests(released: ReleaseDocument) -> set[str]:
    """Return the digests (bare hex) by which a statement can mean a release as a whole."""
    digests = [released.statement, released.model_digest, *(one.root_digest for one in released.root_digests)]
    if released.weights_digest is not None:
        digests.append(released.weights_digest)
    return {one.removeprefix("sha256:") for one in digests}


def rechecks_of(ear: Ear, edge: ParentEdge) -> list[Said]:
    """Return the re-checks of an edge by reviewers whose re-checks count.

    That two digests are of one parent only a replay tells: without it the statement must name the very one.
    """
    from weighbridge_schemas.api import GraphEdge

    found = []
    for one in edge.positions:
        if one.stance != "rechecked":
            continue
        said = ear.hear(one.index, one.statement, one.signer)
        document = None if said is None else _position(said)
        if said is None or document is None or document.edge is None or document.edge.child != edge.child:
            continue
        named = {edge.parent, edge.stated if isinstance(edge, GraphEdge) else None}
        if not ear.replayed and document.edge.parent not in named:
            ear.doubts.append(f"entry {said.index} re-checks an edge to another digest of the parent")
            continue
        counts = any(reviewer.rechecks for reviewer in ear.reviewers(said))
        if counts and document.stance == "acknowledges" and document.basis != "knowledge":
            found.append(said)
    return found


def _statements(found: Heard, ear: Ear, released: ReleaseDocument, own: set[str]) -> None:
    for one in released.statements:
        if one.replaced or one.kind not in ("advisory", "position", "attestation"):
            continue
        said = ear.hear(one.index, one.statement, one.signer)
        if said is None:
            continue
        subjects = {subject.sha256 for subject in said.statement.subjects}
        if one.kind == "attestation" and subjects & own:
            found.attestations.append(said)
        elif one.kind == "position" and subjects & own:
            document = _position(said)
            if document is not None and document.of is not None and document.stance == "disputes":
                found.disputes.append((said, document))
        elif one.kind == "advisory":
            advisory = _advisory(said)
            if (
                advisory is not None
                and advisory.withdrawn is None
                and own & {*subjects, *_affected(advisory)}
            ):
                found.advisories.append(Warned(said, advisory))


def _upstream(found: Heard, ear: Ear, released: ReleaseDocument) -> None:
    for note in released.upstream:
        if note.kind != "advisory":
            continue
        said = ear.hear(note.index, note.statement, note.signer)
        advisory = None if said is None else _advisory(said)
        if said is not None and advisory is not None and advisory.withdrawn is None:
            found.advisories.append(Warned(said, advisory, note.name))


def _positions(found: Heard, ear: Ear, edge: ParentEdge, own: set[str]) -> None:
    for one in edge.positions:
        if one.stance != "disputes":
            continue
        said = ear.hear(one.index, one.statement, one.signer)
        document = None if said is None else _position(said)
        if said is None or document is None or document.edge is None or document.stance != "disputes":
            continue
        if document.edge.child.removeprefix("sha256:") in own:
            found.disputes.append((said, document))
    checked = rechecks_of(ear, edge)
    if checked and edge.parent is not None:
        found.rechecks[edge.parent] = checked


def _capped(released: ReleaseDocument, *, replayed: bool) -> Iterator[str]:
    """Say which lists may have left something out: strangers can fill them."""
    shown = EVERYTHING if replayed else SHOWN
    if released.statements_total > len(released.statements):
        few = len(released.statements)
        yield f"only {few:,} of {released.statements_total:,} statements about it are listed"
    if len(released.upstream) >= shown.notes:
        yield "not all that is said of its ancestors is listed"
    for edge in released.lineage.parents if released.lineage is not None else ():
        if sum(one.party == "other" for one in edge.positions) >= shown.strangers:
            yield "not all positions on its edges are listed"


def _why_silent(word: RegistryWord | None) -> str:
    if word is None:
        return "neither a copy of the log nor a registry was asked: --mirror DIR, or --registry URL"
    if word.problem is not None:
        return f"{word.url}: {word.problem.message}"
    return f"the log of {word.url} is not trusted here"


def _identity(signer: Signer) -> Identity | None:
    """Return the one identity that a signer is; None for a CI workflow and a pattern, which are many."""
    from weighbridge import certificates, keys

    match signer.type:
        case "key":
            return KeyIdentity(keys.spki_sha256(keys.load_public_key(signer.public_key.encode())))
        case "certificate":
            (anchor, *_) = certificates.load_certificates(signer.anchor.encode())
            return CertificateIdentity(certificates.anchor_sha256(anchor), signer.subject)
        case "sigstore":
            domain = signer.trust_domain.removeprefix("sha256:")
            return SigstoreIdentity(domain, signer.issuer, signer.subject)
        case _:
            return None


def _advisory(said: Said) -> Advisory | None:
    from weighbridge_schemas.advisory import Advisory

    return _read(said, Advisory)


def _position(said: Said) -> Position | None:
    from weighbridge_schemas.position import Position

    return _read(said, Position)


def _read(said: Said, kind: type[_D]) -> _D | None:
    try:
        document = said.statement.document()
    except WeighbridgeError:
        return None
    return document if isinstance(document, kind) else None


def _affected(advisory: Advisory) -> Sequence[str]:
    named = [one.digest.removeprefix("sha256:") for one in advisory.affects if one.digest is not None]
    return [*named, *(one.statement.sha256 for one in advisory.affects if one.statement is not None)]
