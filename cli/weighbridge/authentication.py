# SPDX-License-Identifier: Apache-2.0
"""Step 4: whose signature is this, and does it hold.

Bytes and a clock in, no I/O. The caller says whom it would trust (keys, anchors, Sigstore
instances); nothing in the bundle adds to that. What comes back is proved: an identity, the payload
that it signed, and times that others vouch for. Who is *wanted* is compared by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from weighbridge import certificates, dsse, keys
from weighbridge.bundles import Bundle, CertificateChain, PublicKeyHint, SigstoreMaterial
from weighbridge.errors import SignerError, StatementError
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity
from weighbridge.sigstore_trust import SigstoreTrust
from weighbridge.statements import LEGACY_PREDICATE_TYPE, parse_statement
from weighbridge.timestamps import TimeEvidence, TimestampAuthority, stamped_times

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

__all__ = ["Authenticated", "SigstoreTrust", "TimeEvidence", "authenticate"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """What a verified bundle proves: this identity signed this payload.

    `times` are vouched for by others (Rekor, time-stamp authorities, witnesses), never by the signer.
    """

    identity: Identity
    payload_type: str
    payload: bytes
    statement_digest: str
    times: tuple[TimeEvidence, ...] = ()


def authenticate(
    bundle: Bundle,
    *,
    keys: Mapping[str, PublicKey] | Sequence[PublicKey] = (),
    anchors: Sequence[Certificate] = (),
    sigstore: Sequence[SigstoreTrust] = (),
    stampers: Sequence[TimestampAuthority] = (),
    now: datetime,
    times: Sequence[TimeEvidence] = (),
) -> Authenticated:
    """Verify the bundle's signature against what the caller trusts.

    `keys` are candidates, by hint or in any order; `anchors` trusted certificates; `sigstore` trusted
    instances; `stampers` trusted time-stamp authorities beside those of the instances. `now` must be aware.
    `times` is evidence that the caller has already verified (a witness's cosignature): an expired certificate
    passes only at such a time or one that the bundle proves.

    Raises `SignerError` (step 4) with the reason. The bundle has no other way to fail; a trusted Sigstore
    root that can't be used itself is a `ConfigurationError`.
    """
    trusted = (*stampers, *(stamper for trust in sigstore for stamper in trust.stampers))
    match bundle.material:
        case PublicKeyHint() as material:
            return _with_key(bundle, material, keys, stamped_times(bundle, trusted))
        case CertificateChain() as material:
            evidence = (*times, *stamped_times(bundle, trusted))
            return _with_certificate(bundle, material, anchors, now, evidence)
        case SigstoreMaterial() as material:
            return _with_sigstore(bundle, material, sigstore, now)
        case _:
            assert_never(bundle.material)


def _with_key(
    bundle: Bundle,
    material: PublicKeyHint,
    candidates: Mapping[str, PublicKey] | Sequence[PublicKey],
    times: tuple[TimeEvidence, ...],
) -> Authenticated:
    given = list(candidates.values()) if isinstance(candidates, Mapping) else list(candidates)
    evidence = {"hint": material.hint, "tried": [keys.hint(key) for key in given]}
    if not given:
        raise SignerError(
            "the statement is signed with a key, and no key to check it with is known",
            hint="name the signer's public key with --public-key",
            evidence=evidence,
        )
    fitting = [key for key in given if _is_hinted(key, material)]
    if not fitting:
        raise SignerError(
            "the statement is signed with another key",
            hint="check that the public key is the signer's, or get the statement that this key signed",
            evidence=evidence,
        )
    for key in fitting:
        if _holds(bundle, key):
            return _authenticated(bundle, KeyIdentity(keys.spki_sha256(key)), times)
    raise SignerError(
        "the signature does not hold: the statement was changed after signing, or signed by somebody else",
        hint="do not use it; get it again from its publisher",
        evidence=evidence,
    )


def _is_hinted(key: PublicKey, material: PublicKeyHint) -> bool:
    """Tell whether the bundle's hint, or an old bundle's key, is this key."""
    if material.hint is not None:
        return material.hint == keys.hint(key)
    return material.raw in {keys.public_pem(key), keys.public_pem(key).strip(), keys.public_der(key)}


def _with_certificate(
    bundle: Bundle,
    material: CertificateChain,
    anchors: Sequence[Certificate],
    now: datetime,
    evidence: tuple[TimeEvidence, ...],
) -> Authenticated:
    chain = [certificates.load_certificate(der) for der in material.certificates]
    if not anchors:
        raise SignerError(
            "the statement is signed with a certificate, and no authority to check it with is known",
            hint="name the authority's certificate with --certificate-chain",
            evidence={"subject": chain[0].subject.rfc4514_string()},
        )
    path = _path_at_any(chain, anchors, [now, *(item.time for item in evidence if item.time <= now)])
    if bundle.strict:
        unused = {certificates.anchor_sha256(item) for item in chain} - {
            certificates.anchor_sha256(item) for item in path.chain
        }
        if unused:
            raise SignerError(
                "the bundle carries certificates that are no part of the signer's chain",
                evidence={"unused": sorted(unused)},
            )
    if not _holds(bundle, certificates.signing_key(path.leaf)):
        raise SignerError(
            "the signature does not hold: the statement was changed after signing",
            hint="do not use it; get it again from its publisher",
            evidence={"subject": path.leaf.subject.rfc4514_string()},
        )
    subject = path.leaf.subject.rfc4514_string()
    return _authenticated(
        bundle, CertificateIdentity(certificates.anchor_sha256(path.anchor), subject), evidence
    )


def _path_at_any(
    chain: Sequence[Certificate], anchors: Sequence[Certificate], moments: Sequence[datetime]
) -> certificates.Path:
    """Return the first path that was valid at one of the moments; the first one's error otherwise."""
    problem: SignerError | None = None
    for moment in moments:
        try:
            return certificates.verify_path(chain, anchors, moment)
        except SignerError as error:
            problem = problem or error
    assert problem is not None  # noqa: S101 - there is always `now`
    raise problem


def _with_sigstore(
    bundle: Bundle, material: SigstoreMaterial, trusts: Sequence[SigstoreTrust], now: datetime
) -> Authenticated:
    certificate = certificates.load_certificate(material.certificate)
    for trust in trusts:
        if trust.issued(bundle):
            identity, times = trust.verify(bundle, now=now)
            return _authenticated(bundle, identity, times)
    raise SignerError(
        "the statement is signed through a Sigstore instance that is not trusted here"
        if trusts
        else "the statement is signed through Sigstore, and no Sigstore instance to check it with is known",
        hint="the public Sigstore is trusted unless another one is named: its staging instance with "
        "--staging, a private one with --trust-config",
        evidence={"issuer": certificate.issuer.rfc4514_string()},
    )


def _holds(bundle: Bundle, key: PublicKey) -> bool:
    if keys.verify(key, bundle.signature, dsse.pae(bundle.payload_type, bundle.payload)):
        return True
    return not bundle.strict and _is_legacy(bundle.payload) and _holds_as_legacy(bundle, key)


def _is_legacy(payload: bytes) -> bool:
    """Tell whether a payload is a statement of model-signing 0.2, and of no other kind."""
    if LEGACY_PREDICATE_TYPE.encode() not in payload:
        return False
    try:
        return parse_statement(payload).predicate_type == LEGACY_PREDICATE_TYPE
    except StatementError:
        return False


def _holds_as_legacy(bundle: Bundle, key: PublicKey) -> bool:
    """Check a signature of model-signing 0.2, which signed other bytes, with SHA-256 whatever the curve.

    Only for its own kind of statement, so that no other can be signed this way. OMS section 11.2.
    """
    from cryptography.hazmat.primitives.hashes import SHA256

    message = dsse.legacy_pae(bundle.payload_type, bundle.payload)
    return any(
        keys.verify(key, bundle.signature, message, algorithm=algorithm)
        for algorithm in (SHA256(), keys.hash_of(key))
    )


def _authenticated(bundle: Bundle, identity: Identity, times: tuple[TimeEvidence, ...] = ()) -> Authenticated:
    return Authenticated(identity, bundle.payload_type, bundle.payload, bundle.statement_digest, times)
