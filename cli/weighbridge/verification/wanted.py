# SPDX-License-Identifier: Apache-2.0
"""Whom the person who verifies has named: step 4 compares with this and with nothing else.

A wanted signer comes from the command line or the caller, never from a bundle, a record or a
registry. Comparison is exact: no case folding, no "close enough"; only who asks for a pattern gets one.
Whoever is named several times is one of several who may have signed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from weighbridge import certificates, keys
from weighbridge.errors import InputError
from weighbridge.identities import (
    CertificateIdentity,
    CiClaims,
    Identity,
    KeyIdentity,
    SigstoreIdentity,
    describe,
    matches,
    ref_matches,
)

from .patterns import SubjectPattern

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

    from weighbridge_schemas.namespace import Owner
    from weighbridge_schemas.policy import Signer

__all__ = ["Ci", "Wanted", "ci_options", "named_signers", "wanted_signers"]

_MAX_WANTED: Final = 64
_ID: Final = re.compile(r"[0-9]{1,32}")


class _WantedSigner(Protocol):
    """One way in which a signer was named."""

    def accepts(self, identity: Identity) -> bool:
        """Tell whether this is the signer."""
        ...

    def describe(self) -> str:
        """Name the wanted signer in plain words."""
        ...


class _Key(NamedTuple):
    """Exactly this public key."""

    public_key: PublicKey

    def accepts(self, identity: Identity) -> bool:
        return identity == KeyIdentity(keys.spki_sha256(self.public_key))

    def describe(self) -> str:
        return describe(KeyIdentity(keys.spki_sha256(self.public_key)))


class _Anchors(NamedTuple):
    """Any certificate that chains to one of these anchors."""

    anchors: tuple[Certificate, ...]

    def accepts(self, identity: Identity) -> bool:
        return isinstance(identity, CertificateIdentity) and identity.anchor_sha256 in {
            certificates.anchor_sha256(anchor) for anchor in self.anchors
        }

    def describe(self) -> str:
        names = ", ".join(anchor.subject.rfc4514_string() for anchor in self.anchors)
        return f"a certificate issued below {names}"


class _Account(NamedTuple):
    """Exactly this identity, vouched for by exactly this issuer, in one of the trusted Sigstores.

    Only identities of trusted Sigstores get here: authentication knows no others.
    """

    subject: str
    issuer: str

    def accepts(self, identity: Identity) -> bool:
        return (
            isinstance(identity, SigstoreIdentity)
            and identity.subject == self.subject
            and identity.issuer == self.issuer
        )

    def describe(self) -> str:
        return f"{self.subject} (as {self.issuer} says)"


class _Pattern(NamedTuple):
    """Whoever has a name that the whole pattern fits, vouched for by exactly this issuer."""

    pattern: SubjectPattern
    issuer: str

    def accepts(self, identity: Identity) -> bool:
        return (
            isinstance(identity, SigstoreIdentity)
            and identity.issuer == self.issuer
            and self.pattern.matches(identity.subject)
        )

    def describe(self) -> str:
        return f"whoever fits the pattern {self.pattern.text} (as {self.issuer} says)"


class Ci(NamedTuple):
    """A CI workflow by what cannot be registered again: the ids of its repository and of its owner.

    None leaves a claim open. `ref` is a pattern as in `weighbridge.identities.ref_matches`.
    """

    issuer: str
    repository_id: str
    owner_id: str | None = None
    workflow: str | None = None
    ref: str | None = None

    def accepts(self, identity: Identity) -> bool:
        """Tell whether the signer is a run of this workflow."""
        if not isinstance(identity, SigstoreIdentity) or identity.ci is None:
            return False
        ci = identity.ci
        return (
            identity.issuer == self.issuer
            and ci.repository_id == self.repository_id
            and self.owner_id in (None, ci.owner_id)
            and self.workflow in (None, ci.workflow_path)
            and (self.ref is None or (ci.ref is not None and ref_matches(self.ref, ci.ref)))
        )

    def describe(self) -> str:
        """Name the wanted workflow in plain words."""
        named = [
            f"{what} {value}"
            for what, value in (
                ("repository id", self.repository_id),
                ("owner id", self.owner_id),
                ("workflow", self.workflow),
                ("ref", self.ref),
            )
            if value is not None
        ]
        return f"a CI run of {', '.join(named)} (as {self.issuer} says)"


class _Named(NamedTuple):
    """Somebody named as a namespace names its owners: the trust domain, or the exact subject, counts, too."""

    owner: Owner
    public_key: PublicKey | None = None
    anchor: Certificate | None = None

    def accepts(self, identity: Identity) -> bool:
        return matches(self.owner, identity)

    def describe(self) -> str:
        label = f" ({self.owner.label})" if self.owner.label is not None else ""
        return f"{_owner_words(self)}{label}"


class _Fitting(NamedTuple):
    """Whoever has a name that a pattern fits, at one issuer of one Sigstore."""

    pattern: SubjectPattern
    issuer: str
    trust_domain: str

    def accepts(self, identity: Identity) -> bool:
        return (
            isinstance(identity, SigstoreIdentity)
            and f"sha256:{identity.trust_domain}" == self.trust_domain
            and _Pattern(self.pattern, self.issuer).accepts(identity)
        )

    def describe(self) -> str:
        return _Pattern(self.pattern, self.issuer).describe()


class Wanted(NamedTuple):
    """Everybody who was named: a signature by any of them is a wanted one."""

    signers: tuple[_WantedSigner, ...]

    def accepts(self, identity: Identity) -> bool:
        """Tell whether the signer is one of those who were named."""
        return any(each.accepts(identity) for each in self.signers)

    def describe(self) -> str:
        """Name the wanted signers in plain words."""
        return " or ".join(each.describe() for each in self.signers)

    def caution(self, identity: Identity) -> str:
        """Say why accepting a signer proves little: only patterns that fit strangers accept it. Else ""."""
        cautions = [
            each.pattern.caution(identity.subject)
            if isinstance(each, _Pattern | _Fitting) and isinstance(identity, SigstoreIdentity)
            else ""
            for each in self.signers
            if each.accepts(identity)
        ]
        return cautions[0] if cautions and all(cautions) else ""

    def named_by_ids(self, identity: Identity) -> bool:
        """Tell whether a CI run was named by the ids of its repository, which nobody can register again."""
        return any(
            (isinstance(each, Ci) or (isinstance(each, _Named) and each.owner.type == "ci"))
            and each.accepts(identity)
            for each in self.signers
        )

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys among them."""
        return tuple(
            each.public_key
            for each in self.signers
            if isinstance(each, _Key | _Named) and each.public_key is not None
        )

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """The anchors among them."""
        named = [each.anchor for each in self.signers if isinstance(each, _Named) and each.anchor is not None]
        listed = [anchor for each in self.signers if isinstance(each, _Anchors) for anchor in each.anchors]
        return (*listed, *named)


def wanted_signers(
    *,
    public_keys: Sequence[bytes] = (),
    certificate_chain: Sequence[bytes] = (),
    identities: Sequence[str] = (),
    patterns: Sequence[str] = (),
    issuers: Sequence[str] = (),
    ci: Ci | None = None,
) -> Wanted | None:
    """Read who is wanted; None if nobody was named.

    `public_keys` and `certificate_chain` are PEM texts; one PEM may hold several anchors. `patterns` are
    regular expressions in RE2's syntax. One of `issuers` vouches for all identities and patterns, or there is
    one for each identity, in order. Raises `InputError` (exit 2) for half of an identity, a pattern that
    cannot be read, or PEM text that is not what it should be.
    """
    signers: list[_WantedSigner] = [_Key(keys.load_public_key(pem)) for pem in public_keys]
    if certificate_chain:
        signers.append(_Anchors(_anchors(certificate_chain)))
    signers += _accounts(identities, patterns, issuers, alone=ci is None)
    if ci is not None:
        signers.append(_checked(ci))
    if len(signers) > _MAX_WANTED:
        raise InputError(f"{len(signers)} wanted signers were named; at most {_MAX_WANTED} are taken.")
    return Wanted(tuple(signers)) if signers else None


def named_signers(signers: Sequence[Signer]) -> Wanted | None:
    """Read signers as a policy names them (`weighbridge_schemas.policy`); None if there is none.

    Raises `InputError` (exit 2) for a key, a certificate or a pattern that cannot be read.
    """
    found: list[_WantedSigner] = []
    for one in signers:
        match one.type:
            case "pattern":
                found.append(_Fitting(SubjectPattern.read(one.pattern), one.issuer, one.trust_domain))
            case "key":
                found.append(_Named(one, public_key=keys.load_public_key(one.public_key.encode())))
            case "certificate":
                found.append(_Named(one, anchor=_anchors([one.anchor.encode()])[0]))
            case _:
                found.append(_Named(one))
    return Wanted(tuple(found)) if found else None


def _owner_words(named: _Named) -> str:
    """Name an owner in plain words."""
    owner = named.owner
    match owner.type:
        case "key":
            key = named.public_key or keys.load_public_key(owner.public_key.encode())
            return _Key(key).describe()
        case "certificate":
            anchor = named.anchor or _anchors([owner.anchor.encode()])[0]
            return describe(CertificateIdentity(certificates.anchor_sha256(anchor), owner.subject))
        case "sigstore":
            return _Account(owner.subject, owner.issuer).describe()
        case "ci":
            ids = (owner.repository_id, owner.owner_id, owner.workflow_path, owner.ref_pattern)
            return Ci(owner.issuer, *ids).describe()


def ci_options(ci: CiClaims) -> str:
    """Return the options that name a CI workflow by its ids, as a shell takes them; "" if it has none."""
    if ci.repository_id is None:
        return ""
    options = [
        ("--ci-repository-id", ci.repository_id),
        ("--ci-owner-id", ci.owner_id),
        ("--ci-workflow", ci.workflow_path),
        ("--ci-ref", ci.ref),
    ]
    return " ".join(f"{name} {shlex.quote(value)}" for name, value in options if value is not None)


def _accounts(
    identities: Sequence[str], patterns: Sequence[str], issuers: Sequence[str], *, alone: bool
) -> Iterator[_WantedSigner]:
    named = len(identities) + len(patterns)
    if named and not issuers:
        raise InputError(
            "An identity means nothing without the issuer that vouches for it.",
            hint="Give both --identity and --issuer.",
        )
    if issuers and not named and alone:
        raise InputError(
            "An issuer vouches for many; it names nobody by itself.",
            hint="Give --identity, --identity-regex or --ci-repository-id too.",
        )
    if len(issuers) > 1 and (patterns or len(issuers) != len(identities)):
        raise InputError(
            f"{len(issuers)} issuers were given for {named} identities.",
            hint="Give one --issuer for all, or one for each --identity in the same order.",
        )
    if not all(identities) or not all(issuers):
        raise InputError("--identity and --issuer must not be empty.")
    each = issuers if len(issuers) > 1 else [*issuers] * len(identities)
    yield from (_Account(subject, issuer) for subject, issuer in zip(identities, each, strict=True))
    yield from (_Pattern(SubjectPattern.read(pattern), issuers[0]) for pattern in patterns)


def _checked(ci: Ci) -> Ci:
    if not ci.issuer or not ci.repository_id:
        raise InputError("A CI workflow is named by its issuer and its repository's id.")
    for option, id_ in (("--ci-repository-id", ci.repository_id), ("--ci-owner-id", ci.owner_id)):
        if id_ is not None and not _ID.fullmatch(id_):
            raise InputError(
                f"{option} {id_[:80]!r} is no id: that is a number.",
                hint="weighbridge verify PATH, without naming anybody, shows the ids of who signed.",
            )
    if "" in (ci.workflow, ci.ref):
        raise InputError("--ci-workflow and --ci-ref must not be empty.")
    return ci


def _anchors(pems: Sequence[bytes]) -> tuple[Certificate, ...]:
    return tuple(anchor for pem in pems for anchor in certificates.load_certificates(pem))
