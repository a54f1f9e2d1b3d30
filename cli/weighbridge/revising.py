# SPDX-License-Identifier: Apache-2.0
"""Revise the card of a release: a signed card/v1 statement that replaces the card, and nothing else.

The release stays as it is; so do its earlier cards, which anybody can compare. What is replaced is taken
from the log and proved, as with owners: a registry's word is not enough to sign upon. The bundle is saved
before it is sent, so that running the same command again sends the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge import canonical, identities, releases
from weighbridge.bundles import parse_bundle
from weighbridge.errors import (
    AdmissionError,
    ConflictError,
    InputError,
    LogError,
    UnavailableError,
    WithheldError,
)
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
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.release import Release

__all__ = ["CardHistory", "Revised", "card_history", "history_of", "revise_card"]

RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class CardHistory:
    """A release with its cards, oldest first: the release's own (None if it had none), then each revision.

    Statement digests are bare hex; `statements` has one for each card, the release's first.
    """

    release: Release
    cards: tuple[Card | None, ...]
    statements: tuple[str, ...]

    @property
    def card(self) -> Card | None:
        """The card as it now stands."""
        return self.cards[-1]

    @property
    def previous(self) -> str | None:
        """Statement that a new revision replaces; None for the first."""
        return self.statements[-1] if len(self.statements) > 1 else None


@dataclass(frozen=True, slots=True)
class Revised:
    """A card that is now recorded, or would be.

    `index` is the entry, None with `dry_run`; `already` says that it was the card before this run. `payload`
    is what was signed, or would be.
    """

    release: ReleaseName
    card: Card
    previous: str | None
    statement: str | None
    index: int | None
    origin: str
    already: bool
    payload: bytes
    warnings: tuple[str, ...]


def card_history(registry: RegistryClient, name: ReleaseName) -> CardHistory:
    """Return a release's cards as a registry shows them: its word, for reading.

    Raises InputError if there is no such release.
    """
    _require_known(registry, name)
    return history_of(name, registry.provenance(name.namespace, name.name, name.version))


def _require_known(registry: RegistryClient, name: ReleaseName) -> None:
    if registry.release(name.namespace, name.name, name.version) is None:
        raise InputError(
            f"{registry.url} has no release {name}",
            hint=f"publish it first: weighbridge publish PATH {name}",
        )


def history_of(name: ReleaseName, lines: tuple[RecordLine, ...]) -> CardHistory:
    """Find a release and its card revisions among the lines of its record, in the order of the log.

    Raises LogError if the record lacks the release, or a revision does not follow the one before.
    """
    from weighbridge_schemas.card import CardRevision
    from weighbridge_schemas.release import Release

    release: Release | None = None
    cards: list[Card | None] = []
    statements: list[str] = []
    for line in lines:
        bundle = parse_bundle(line.bundle, strict=True)
        statement = parse_statement(bundle.payload, strict=True)
        document = statement.document()
        if isinstance(document, Release) and _is(document, name) and release is None:
            release, cards, statements = document, [document.card], [bundle.statement_digest]
        elif isinstance(document, CardRevision) and statements and statement.subject.sha256 == statements[0]:
            expected = statements[-1] if len(statements) > 1 else None
            if (document.previous.sha256 if document.previous else None) != expected:
                raise LogError(
                    f"the record of {name} lacks a card revision: it is withheld, or hidden",
                    hint="see the log's entries about this release, or ask the operator or a mirror",
                )
            cards.append(document.card)
            statements.append(bundle.statement_digest)
    if release is None:
        raise LogError(f"the record that was given for {name} does not hold that release")
    return CardHistory(release, tuple(cards), tuple(statements))


def _is(release: Release, name: ReleaseName) -> bool:
    return (release.namespace, release.name, release.version) == (name.namespace, name.name, name.version)


def revise_card(
    name: ReleaseName,
    card: Card,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    pending: PendingStore,
    readme: bytes | None = None,
    dry_run: bool = False,
    retry_for: float = RETRY_SECONDS,
    report: Callable[[str], None] = lambda _: None,
) -> Revised:
    """Sign and record a new card of a release whose namespace the signer owns.

    A card that binds no README.md keeps the binding of the card that it replaces. `readme` is uploaded if the
    card binds it. With `dry_run` everything is checked and nothing signed or sent.

    Raises `ForbiddenError` if the signer is no owner, `InputError` for a certificate that is not valid now,
    `ConflictError` if somebody revised the card meanwhile, `LogError` if the registry does not prove what the
    card is now, `UnavailableError` if it stays away (the signed bundle is kept: run again).
    """
    require_valid(signer)
    recorder = open_recorder(registry, trust, memory)
    require_owner(registry.namespace(name.namespace), name, signer.identity)
    _require_known(registry, name)
    lines = registry.provenance(name.namespace, name.name, name.version)
    recorder.check(lines)
    history = history_of(name, lines)
    card = _bound(card, history.card)
    job = _Revision(name, card, history, signer, recorder, pending, retry_for, report)
    already = history.card is not None and history.card == card
    index, statement = None, history.statements[-1] if already else None
    if not already and not dry_run:
        index, statement = job.record()
    warnings = [*_doubts(card, history.release)]
    if readme is not None and not dry_run:
        warnings += job.attach(readme)
    return Revised(
        name,
        card,
        history.previous,
        statement,
        index,
        recorder.origin,
        already,
        job.payload(),
        tuple(warnings),
    )


def _bound(card: Card, before: Card | None) -> Card:
    if card.readme is not None or before is None or before.readme is None:
        return card
    return card.model_copy(update={"readme": before.readme})


def _doubts(card: Card, release: Release) -> list[str]:
    """Say what a card claims of this release's files that they do not bear out."""
    from weighbridge.openness import Evidence, assess

    files = {file.path: file.sha256 for file in release.model.files}
    seen = Evidence(files=files, readme=card.readme.sha256 if card.readme is not None else None)
    found = assess(card, seen).components
    return [f"{one.rule.title}: {doubt}" for one in found for doubt in one.warnings]


@dataclass(frozen=True, slots=True)
class _Revision:
    """One revision on its way into the log."""

    name: ReleaseName
    card: Card
    history: CardHistory
    signer: StatementSigner
    recorder: Recorder
    pending: PendingStore
    retry_for: float
    report: Callable[[str], None]

    def payload(self) -> bytes:
        """Return the statement to sign; raises `StatementError` for a card out of bounds."""
        previous = self.history.previous
        predicate: dict[str, Any] = {
            "logs": [self.recorder.origin],
            "previous": {"kind": "card", "sha256": previous} if previous is not None else None,
            "card": self.card.to_json(),
        }
        return encode_statement("card", str(self.name), self.history.statements[0], predicate)

    def record(self) -> tuple[int, str]:
        """Sign, or take what a former run signed; send it; check the proof. Gives entry and statement."""
        payloads = [*self._introduction(), self.payload()]
        key = self._key(payloads)
        bundles = self.pending.find(key)
        if bundles is None:
            bundles = tuple(self.signer.sign(payload) for payload in payloads)
            self.pending.save(key, bundles)
            self.report(f"signed the card: {identities.describe(self.signer.identity)}")
        else:
            self.report("taking up the card that was signed before and not yet recorded")
        try:
            results = self.recorder.registry.submit(bundles, retry_for=self.retry_for)
        except ConflictError as error:
            self.pending.remove(key)
            raise ConflictError(
                f"the card of {self.name} was revised by somebody else meanwhile: {error.message}",
                hint=f"look at it (weighbridge card show {self.name}), and run again if yours still holds",
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

    def attach(self, readme: bytes) -> list[str]:
        """Upload the README.md that the card binds; what a registry refuses is a warning."""
        bound = self.card.readme
        if bound is None or bound.sha256 != hashlib.sha256(readme).hexdigest():
            return ["README.md is not the one that the card binds: it was not uploaded"]
        try:
            self.recorder.registry.put_blob(readme, retry_for=self.retry_for)
        except (AdmissionError, WithheldError) as error:
            return [f"the registry did not take README.md: {error.message}"]
        self.report("uploaded README.md")
        return []

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

    def _key(self, payloads: list[bytes]) -> PendingKey:
        asked = {
            "signer": identities.signer_id(self.signer.identity),
            "payloads": [hashlib.sha256(payload).hexdigest() for payload in payloads],
        }
        request = hashlib.sha256(canonical.encode(asked)).hexdigest()
        model = self.history.release.model.model_digest.removeprefix("sha256:")
        return PendingKey(self.recorder.origin, f"card of {self.name}", model, request)
