# SPDX-License-Identifier: Apache-2.0
"""Steps 3 and 4, as pure judgement: which signatures there are, who made them, is it the wanted one.

Keys may come from anywhere, also from the record under suspicion: a signature that holds under a key
yields the identity "this key", which is worth nothing until step 4 compares it with the wanted signer.
That is how a bundle that carries only a key's hint can be named at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from weighbridge import certificates, keys
from weighbridge.authentication import Authenticated, SigstoreTrust, TimeEvidence, authenticate
from weighbridge.bundles import Bundle, CertificateChain, PublicKeyHint, SigstoreMaterial, parse_bundle
from weighbridge.errors import InputError, LogError, SignerError, WeighbridgeError, WitnessError
from weighbridge.identities import Identity, describe, signer_id, to_json
from weighbridge.statements import Statement, parse_statement
from weighbridge.timestamps import TimestampAuthority
from weighbridge.verdict import FoundSigner

from .entries import Entry, Pins, read_entry
from .evidence import Evidence, Spoilt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

    from weighbridge.tlog import WitnessPolicy

__all__ = ["Authenticator", "Candidate", "Reading", "read_found", "unproved_stamps"]

_MAX_ANCHORS: Final = 64


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that could be the model's signature: step 4 chooses among them."""

    source: str
    bundle: Bundle
    statement: Statement
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All evidence after parsing: entries of records, candidates in search order, what was malformed."""

    entries: tuple[Entry, ...]
    candidates: tuple[Candidate, ...]
    spoilt: tuple[Spoilt, ...]


def read_found(evidence: Evidence, pins: Pins) -> Reading:
    """Parse everything that was found; if a signature was named, nothing else is a candidate."""
    entries: list[Entry] = []
    candidates: list[Candidate] = []
    problems = list(evidence.spoilt)
    for each in evidence.found:
        try:
            if each.line is not None:
                entry = read_entry(each.source, each.line, pins)
                entries.append(entry)
                bundle, statement = entry.bundle, entry.statement
            else:
                entry, bundle = None, parse_bundle(each.bundle)
                statement = parse_statement(bundle.payload)
        except WeighbridgeError as error:
            problems.append(Spoilt(each.source, error, named=each.named, record=each.line is not None))
            continue
        if entry is None or (entry.kind == "oms" and not evidence.signature_named):
            candidates.append(Candidate(each.source, bundle, statement, entry))
    return Reading(tuple(entries), tuple(candidates), tuple(problems))


class Authenticator:
    """Finds out who signed a bundle. Every bundle is checked once; Sigstore loads only if one needs it."""

    def __init__(
        self,
        *,
        now: datetime,
        public_keys: Iterable[PublicKey] = (),
        anchors: Iterable[Certificate] = (),
        sigstore: Callable[[], Sequence[SigstoreTrust]] = lambda: (),
        stampers: Sequence[TimestampAuthority] = (),
        entries: Sequence[Entry] = (),
        policy: WitnessPolicy | None = None,
    ) -> None:
        self._now = now
        self._keys = {keys.hint(key): key for key in public_keys}
        self._anchors = list(anchors)
        self._sigstore = sigstore
        self._stampers = stampers
        self._trusts: Sequence[SigstoreTrust] | None = None
        self._pems = _introduced(entries)
        self._anchor_pems = _introduced_anchors(entries)
        self._times = _witnessed(entries, policy, now)
        self._known: dict[str, Authenticated | SignerError] = {}

    def __call__(self, bundle: Bundle) -> Identity:
        """Return who signed the bundle; raises `SignerError` if the signature holds under no known key."""
        return self.proved(bundle).identity

    def proved(self, bundle: Bundle) -> Authenticated:
        """Return what the bundle proves: who signed it, and when others saw it. Raises as calling does."""
        if bundle.sha256 not in self._known:
            try:
                self._known[bundle.sha256] = self._authenticate(bundle)
            except SignerError as error:
                self._known[bundle.sha256] = error
        known = self._known[bundle.sha256]
        if isinstance(known, SignerError):
            raise known
        return known

    def signer_id(self, bundle: Bundle) -> str:
        """Return the id of who signed the bundle, "" if nobody known here did."""
        try:
            return signer_id(self(bundle))
        except SignerError:
            return ""

    def found(
        self, candidate: Candidate, *, wanted: Callable[[Identity], bool] = lambda _: False
    ) -> FoundSigner:
        """Describe a candidate's signer for the verdict; `wanted` tells whether step 4 accepts them."""
        about: dict[str, Any] = {"statement": candidate.statement.kind, "source": candidate.source}
        try:
            proved = self.proved(candidate.bundle)
        except SignerError as error:
            claim = _claimed(candidate.bundle, error)
            details = {"type": _type(candidate.bundle), "times": []}
            return FoundSigner("", claim, authenticated=False, wanted=False, details=details, **about)
        times = [{"source": each.source, "time": each.time.isoformat()} for each in proved.times]
        return FoundSigner(
            signer_id(proved.identity),
            describe(proved.identity),
            authenticated=True,
            wanted=wanted(proved.identity),
            details={
                **to_json(proved.identity),
                "times": times,
                "unproved_stamps": unproved_stamps(proved, candidate.bundle),
            },
            **about,
        )

    @property
    def known_keys(self) -> tuple[PublicKey, ...]:
        """The keys that were given, and those that a bundle hinted at so far."""
        return tuple(self._keys.values())

    @property
    def known_anchors(self) -> tuple[Certificate, ...]:
        """The anchors that were given, and those that were looked at so far."""
        return tuple(self._anchors)

    def _authenticate(self, bundle: Bundle) -> Authenticated:
        public_keys: dict[str, PublicKey] = {}
        anchors: Sequence[Certificate] = ()
        sigstore: Sequence[SigstoreTrust] = ()
        match bundle.material:
            case PublicKeyHint() as hint:
                key = self._key_for(hint)
                public_keys = dict(self._keys) if key is None else {keys.hint(key): key}
            case CertificateChain():
                anchors = self._all_anchors()
                sigstore = self._all_sigstores() if bundle.timestamps else ()
            case SigstoreMaterial():
                sigstore = self._all_sigstores()
        return authenticate(
            bundle,
            keys=public_keys,
            anchors=anchors,
            sigstore=sigstore,
            stampers=self._stampers,
            now=self._now,
            times=self._times.get(bundle.sha256, ()),
        )

    def _key_for(self, material: PublicKeyHint) -> PublicKey | None:
        hint = material.hint
        if hint is None or hint in self._keys:
            return self._keys.get(hint or "")
        pem = self._pems.get(hint)
        if pem is None:
            return None
        try:
            key = keys.load_public_key(pem)
        except InputError:
            return None
        self._keys[keys.hint(key)] = key
        return self._keys.get(hint)

    def _all_anchors(self) -> Sequence[Certificate]:
        from cryptography import x509

        while self._anchor_pems:
            pem = self._anchor_pems.pop()
            try:
                self._anchors.append(x509.load_pem_x509_certificate(pem))
            except ValueError:
                continue  # an owner nobody can be: it vouches for no signature
        return self._anchors

    def _all_sigstores(self) -> Sequence[SigstoreTrust]:
        if self._trusts is None:
            self._trusts = tuple(self._sigstore())
        return self._trusts


def unproved_stamps(proved: Authenticated, bundle: Bundle) -> int:
    """Count the time stamps of a bundle that no trusted authority made: they prove nothing, and are told."""
    return len(bundle.timestamps) - sum(1 for each in proved.times if each.source == "timestamp")


def _witnessed(
    entries: Iterable[Entry], policy: WitnessPolicy | None, now: datetime
) -> dict[str, list[TimeEvidence]]:
    """Collect when the quorum of the caller's policy had seen bundles recorded: they existed by then.

    That is evidence of time for a certificate that has expired since; keyed by the bundle's SHA-256. One
    witness that names an early time is no quorum, and a time that is still to come no evidence.
    """
    times: dict[str, list[TimeEvidence]] = {}
    for entry in entries if policy is not None else ():
        if entry.checkpoint is None or policy is None:
            continue
        try:
            seen = policy.witnessed_by(entry.checkpoint.note)
        except (WitnessError, LogError):
            continue  # step 8 says so
        if seen is not None and seen <= now.timestamp():
            evidence = TimeEvidence("witness", datetime.fromtimestamp(seen, UTC))
            times.setdefault(entry.bundle.sha256, []).append(evidence)
    return times


def _introduced(entries: Iterable[Entry]) -> dict[str, bytes]:
    """Index the PEM texts of keys that records introduce by their hint, without parsing a key.

    A record may hold a quarter of a million owner keys: only those that a bundle hints at are read.
    """
    pems: dict[str, bytes] = {}
    for entry in entries:
        texts: list[object] = []
        if entry.kind == "signer":
            texts = [entry.statement.predicate.get("public_key")]
        elif entry.kind in ("namespace", "operator"):
            texts = [owner.get("public_key") for owner in _owners(entry)]
            texts.append(_decision(entry).get("operator_key"))
        for text in texts:
            if isinstance(text, str):
                pem = text.rstrip("\n").encode(errors="replace") + b"\n"
                pems[hashlib.sha256(pem).hexdigest()] = pem
    return pems


def _introduced_anchors(entries: Iterable[Entry]) -> list[bytes]:
    """Collect the anchors that proved namespace statements name; more than 64 are not looked at."""
    pems = {
        anchor.encode(errors="replace"): None
        for entry in entries
        if entry.kind in ("namespace", "operator") and entry.proved
        for owner in _owners(entry)
        if isinstance(anchor := owner.get("anchor"), str)
    }
    return list(pems)[:_MAX_ANCHORS]


def _owners(entry: Entry) -> list[dict[str, object]]:
    owners = entry.statement.predicate.get("owners") or _decision(entry).get("owners")
    return [owner for owner in owners if isinstance(owner, dict)] if isinstance(owners, list) else []


def _decision(entry: Entry) -> dict[str, object]:
    """Return the decision of an operator's statement, whatever it holds; empty for other kinds."""
    decision = entry.statement.predicate.get("decision") if entry.kind == "operator" else None
    return decision if isinstance(decision, dict) else {}


def _type(bundle: Bundle) -> str:
    """Say which kind of signer a bundle says it has."""
    match bundle.material:
        case PublicKeyHint():
            return "key"
        case CertificateChain():
            return "certificate"
        case SigstoreMaterial():
            return "sigstore"


def _claimed(bundle: Bundle, error: SignerError) -> str:
    """Say what a bundle claims about its signer, as a claim, and why it could not be checked."""
    match bundle.material:
        case PublicKeyHint(hint=hint):
            claim = f"the key with the hint {hint}" if hint else "a key"
        case CertificateChain(certificates=chain):
            claim = f"the certificate of {_subject(chain[0])}"
        case SigstoreMaterial():
            return f"an online account ({error.message.rstrip('.')}; {error.hint.rstrip('.')})"
    return f"{claim} ({error.message.rstrip('.')})"


def _subject(der: bytes) -> str:
    try:
        text = certificates.load_certificate(der).subject.rfc4514_string()
    except SignerError:
        return "somebody"
    return "".join(c if c.isprintable() else "?" for c in text[:200])
