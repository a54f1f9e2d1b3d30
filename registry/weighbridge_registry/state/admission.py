# SPDX-License-Identifier: Apache-2.0
"""Admission: may this statement, by this signer, be the next entry, and what does it change.

Checks come in the order of the verification steps: 4 the signature and its signer, 5 what the
statement is about and which log it is meant for, 6 names, versions and `previous`. Who owns a
namespace is judged by the facts at the entry's own index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from weighbridge import certificates, identities
from weighbridge.bundles import Bundle, CertificateChain, PublicKeyHint
from weighbridge.errors import ConflictError, ForbiddenError, LogError, SignerError, UnprocessableError
from weighbridge.identities import Identity
from weighbridge.leaves import Leaf
from weighbridge_schemas.advisory import Advisory
from weighbridge_schemas.attestation import Attestation
from weighbridge_schemas.card import CardRevision
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.deployment import Deployment
from weighbridge_schemas.disclosure import Disclosure
from weighbridge_schemas.lineage import LineageRevision
from weighbridge_schemas.namespace import Namespace
from weighbridge_schemas.oms import OmsPredicate
from weighbridge_schemas.operator import Genesis, Operator
from weighbridge_schemas.position import Position
from weighbridge_schemas.release import Release
from weighbridge_schemas.signer import SignerIntroduction
from weighbridge_schemas.status import Status

from . import names, operators, releases, signers, statuses, testimonies, withheld
from .candidates import Candidate
from .change import Change
from .facts import Fact, State, check_place

__all__ = ["Admitted", "Authenticator", "apply", "identify", "logged"]


class Authenticator(Protocol):
    """Checks a bundle's signature: a pure function of its arguments and of the trusted roots.

    Kept behind a protocol so that answers can be remembered between the request's thread and the
    sequencer, and so that a replay can name the trusted roots that it uses.
    """

    def __call__(
        self, bundle: Bundle, *, key: str | None, anchors: tuple[str, ...], received: int
    ) -> Identity:
        """Return who signed; raises `SignerError`.

        `key` is the PEM of the key that the bundle's hint means, or None if it is not known.
        `anchors` are PEMs of authorities that may vouch for a certificate. `received` is the
        time of admission in Unix seconds.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """What one entry is and what it changed."""

    index: int
    leaf: Leaf
    candidate: Candidate
    identity: Identity
    facts: dict[str, Fact] = field(repr=False)
    namespace: str | None = None
    """Folded name of the namespace that it concerns."""
    release: int | None = None
    """Entry of the release that it is or revises."""

    @property
    def signer(self) -> str:
        """Signer id, bare hex."""
        return identities.signer_id(self.identity)


def apply(
    state: State, index: int, leaf: Leaf, candidate: Candidate, authenticate: Authenticator
) -> Admitted:
    """Decide about one entry; what it changes is in `.facts` of the answer, nothing else changes.

    Raises `ForbiddenError` (403, step 4), `UnprocessableError` (422), `ConflictError` (409), or
    `LogError` if index, leaf and bundle do not belong together, which no client can cause.
    Exactly the statement that an error names would have been refused at this index; of a log's
    entries none is.
    """
    check_place(state, index, leaf)
    _check_bundle(index, leaf, candidate)
    _check_genesis(index, candidate)
    identity = identify(state, leaf.received, candidate, authenticate)
    if (before := logged(state, candidate, identity)) is not None:
        raise ConflictError(
            f"this statement of this signer is already entry {before}",
            hint="nothing needs to be done: it is recorded",
            evidence={"index": before},
        )
    change = Change(state, index, leaf.received, candidate, identity)
    _RULES[type(candidate.document)](change)
    signer = identities.signer_id(identity)
    change.put(f"logged/{candidate.digest}/{signer}", index)
    if state.get(f"signer/{signer}") is None:
        change.put(f"signer/{signer}", {"identity": change.identity_value(), "first": index})
    change.put("log/head", {"size": index + 1, "received": leaf.received})
    change.put(*withheld.placed(change, leaf))
    return Admitted(index, leaf, candidate, identity, change.facts, change.namespace, change.release)


def _kept(change: Change) -> None:
    """Change nothing: OMS and others' predicates name neither log nor namespace; any known signer may."""


_RULES: Final[dict[type, Callable[[Change], None]]] = {
    OmsPredicate: _kept,
    Attestation: _kept,
    Operator: operators.decide,
    SignerIntroduction: signers.introduce,
    Namespace: names.claim_or_change,
    Release: releases.release,
    CardRevision: releases.revise_card,
    LineageRevision: releases.revise_lineage,
    Status: statuses.set_status,
    Dataset: testimonies.describe_dataset,
    Advisory: testimonies.advise,
    Position: testimonies.take_position,
    Disclosure: testimonies.disclose,
    Deployment: testimonies.deploy,
}


def _check_bundle(index: int, leaf: Leaf, candidate: Candidate) -> None:
    if leaf.bundle_sha256 != candidate.bundle.sha256:
        raise LogError(
            f"the bundle given for entry {index} is not the one in its leaf",
            evidence={"leaf": leaf.bundle_sha256, "bundle": candidate.bundle.sha256},
        )


def _check_genesis(index: int, candidate: Candidate) -> None:
    if (index == 0) != candidate.is_genesis:
        raise UnprocessableError(
            "entry 0 of a log, and no other, is its genesis",
            hint="a log's genesis is made by its registry at first start",
        )


def logged(state: State, candidate: Candidate, identity: Identity) -> int | None:
    """Return the entry that already holds this statement of this signer, or None."""
    found = state.get(f"logged/{candidate.digest}/{identities.signer_id(identity)}")
    return None if found is None else int(found)


def identify(state: State, received: int, candidate: Candidate, authenticate: Authenticator) -> Identity:
    """Return who signed, by the keys and authorities that the log knows; 403 otherwise (step 4)."""
    material = candidate.bundle.material
    key: str | None = None
    anchors: tuple[str, ...] = ()
    if isinstance(material, PublicKeyHint):
        key = _key(state, candidate, material)
    elif isinstance(material, CertificateChain):
        anchors = _anchors(state, candidate, material)
    try:
        return authenticate(candidate.bundle, key=key, anchors=anchors, received=received)
    except SignerError as error:
        raise ForbiddenError(error.message, hint=error.hint, evidence=error.evidence) from error


def _key(state: State, candidate: Candidate, material: PublicKeyHint) -> str:
    """Return the PEM that a hint means: one the statement introduces itself, or one the log knows."""
    document = candidate.document
    inside: str | None = None
    if isinstance(document, SignerIntroduction):
        inside = document.public_key
    elif isinstance(document, Operator) and isinstance(document.decision, Genesis):
        inside = document.decision.operator_key
    if inside is not None and signers.hint_of(inside) == material.hint:
        return inside
    known = None if inside is not None else state.get(f"key/{material.hint}")
    if known is None:
        raise ForbiddenError(
            "the key that signed this is not known to this registry",
            hint="introduce it first with a signer/v1 statement in the same submission, as publish does",
            evidence={"hint": material.hint},
        )
    return str(known)


def _anchors(state: State, candidate: Candidate, material: CertificateChain) -> tuple[str, ...]:
    """List authorities that may have issued the chain: owners' anchors with the issuer's name."""
    try:
        name = signers.name_digest(certificates.load_certificate(material.certificates[-1]).issuer)
    except SignerError as error:
        raise ForbiddenError("the bundle's last certificate cannot be read") from error
    found = list(state.get(f"anchors/{name}") or ())
    if isinstance(candidate.document, Namespace):
        found += [pem for digest, pem in signers.anchors_of(candidate.document.owners) if digest == name]
    if not found:
        raise ForbiddenError(
            "the authority that issued this certificate is not known to this registry",
            hint="name its certificate as an owner of your namespace first",
        )
    return tuple(dict.fromkeys(found))
