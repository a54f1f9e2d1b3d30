# SPDX-License-Identifier: Apache-2.0
"""signer/v1: keys become known, so that bundles with only a hint can be checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from weighbridge import keys
from weighbridge.errors import InputError, UnprocessableError
from weighbridge_schemas.namespace import CertificateOwner, KeyOwner, Owner
from weighbridge_schemas.signer import SignerIntroduction

from .change import Change

__all__ = ["MAX_ANCHORS", "anchors_of", "hint_of", "introduce", "learn_owners", "name_digest"]

MAX_ANCHORS: Final = 64
"""Authorities with one and the same name; more are not remembered for OMS statements."""


def introduce(change: Change) -> None:
    """Make a key known. Signed by the key itself, which `apply` has checked."""
    document = cast("SignerIntroduction", change.candidate.document)
    change.check_log(document.logs)
    key = _public_key(document.public_key)
    if keys.spki_sha256(key) != document.spki_sha256:
        raise UnprocessableError(
            "spki_sha256 is not the digest of public_key",
            hint="introduce the key with weighbridge, which computes it",
            evidence={"spki_sha256": document.spki_sha256, "of_key": keys.spki_sha256(key)},
        )
    fact = f"introduction/{change.signer}"
    change.check_previous(document.previous, change.state.get(fact), "introduction of this key")
    change.put(fact, change.candidate.digest)
    change.put(f"key/{keys.hint(key)}", keys.public_pem(key).decode())


def learn_owners(change: Change, owners: Iterable[Owner]) -> None:
    """Make the keys and authorities of owners known; refuses those that cannot be read (422)."""
    for owner in owners:
        if isinstance(owner, KeyOwner):
            key = _public_key(owner.public_key)
            change.put(f"key/{keys.hint(key)}", keys.public_pem(key).decode())
    for name, pem in anchors_of(owners):
        fact = f"anchors/{name}"
        known = change.facts.get(fact) or change.state.get(fact) or []
        if pem not in known and len(known) < MAX_ANCHORS:
            change.put(fact, [*known, pem])


def anchors_of(owners: Iterable[Owner]) -> Iterator[tuple[str, str]]:
    """Yield (digest of the subject's name, PEM) of each authority among owners; 422 if unreadable."""
    for owner in owners:
        if isinstance(owner, CertificateOwner):
            try:
                certificate = x509.load_pem_x509_certificate(owner.anchor.encode())
                yield name_digest(certificate.subject), owner.anchor
            except (ValueError, UnsupportedAlgorithm) as error:
                raise UnprocessableError(
                    "an owner's anchor is not an X.509 certificate",
                    hint="give the authority's certificate in PEM form",
                ) from error


def hint_of(pem: str) -> str:
    """Return the hint of a key given as PEM; 422 if it is no key that OMS knows."""
    return keys.hint(_public_key(pem))


def name_digest(name: x509.Name) -> str:
    """Return the bare hex SHA-256 of a distinguished name in DER."""
    return hashlib.sha256(name.public_bytes()).hexdigest()


def _public_key(pem: str) -> EllipticCurvePublicKey:
    try:
        return keys.load_public_key(pem.encode())
    except InputError as error:
        raise UnprocessableError(f"public_key: {error.message}", hint=error.hint) from error
