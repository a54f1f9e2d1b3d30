# SPDX-License-Identifier: Apache-2.0
"""Who signed: the three kinds of signer, their canonical form, and matching against owners.

An identity exists only after `weighbridge.authentication` has proved it. Its canonical form
(docs/spec/signers.md) holds what identifies the signer and nothing that changes from one run to the
next, so that all statements of one signer come together under one id.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from weighbridge import canonical as json

if TYPE_CHECKING:
    from weighbridge_schemas.namespace import CertificateOwner, CiOwner, KeyOwner, Owner, SigstoreOwner

__all__ = [
    "CertificateIdentity",
    "CiClaims",
    "Identity",
    "KeyIdentity",
    "SigstoreIdentity",
    "canonical",
    "describe",
    "kind",
    "lasting_id",
    "matches",
    "ref_matches",
    "signer_id",
    "to_json",
]


_PLAIN = re.compile(r"[A-Za-z0-9._/@+:~-]+")


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """Whoever holds a private key: bare hex SHA-256 of the public key's DER SubjectPublicKeyInfo."""

    spki_sha256: str


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """A subject that an authority vouches for.

    `anchor_sha256` is the bare hex SHA-256 of the trusted certificate (DER), `subject` the leaf's
    subject as RFC 4514 text.
    """

    anchor_sha256: str
    subject: str


@dataclass(frozen=True, slots=True)
class CiClaims:
    """What Fulcio certified about a CI run (Sigstore's OID 1.3.6.1.4.1.57264.1, docs/spec/signers.md).

    Names can be registered again by somebody else, the two ids can't. None: not certified.
    """

    repository: str | None = None
    repository_id: str | None = None
    owner_id: str | None = None
    workflow_path: str | None = None
    ref: str | None = None
    commit: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class SigstoreIdentity:
    """An account that logged in at a Sigstore instance.

    `trust_domain` is the bare hex SHA-256 of the instance's root certificate (DER): the same
    e-mail address at another Sigstore is another signer. `ci` says more of a CI run and is no part
    of the canonical form.
    """

    trust_domain: str
    issuer: str
    subject: str
    ci: CiClaims | None = None


Identity: TypeAlias = KeyIdentity | CertificateIdentity | SigstoreIdentity


def kind(identity: Identity) -> Literal["key", "certificate", "sigstore"]:
    """Return `key`, `certificate` or `sigstore`."""
    match identity:
        case KeyIdentity():
            return "key"
        case CertificateIdentity():
            return "certificate"
        case SigstoreIdentity():
            return "sigstore"
        case _:
            assert_never(identity)


def canonical(identity: Identity) -> bytes:
    """Return the canonical signer: RFC 8785 JSON of what identifies them (docs/spec/signers.md)."""
    match identity:
        case KeyIdentity():
            members = {"spki_sha256": identity.spki_sha256}
        case CertificateIdentity():
            members = {"anchor_sha256": identity.anchor_sha256, "subject": identity.subject}
        case SigstoreIdentity():
            members = {
                "issuer": identity.issuer,
                "subject": identity.subject,
                "trust_domain": f"sha256:{identity.trust_domain}",
            }
        case _:
            assert_never(identity)
    return json.encode({"type": kind(identity), **members})


@functools.lru_cache(maxsize=1024)
def signer_id(identity: Identity) -> str:
    """Return the bare hex SHA-256 of the canonical signer: its name in URLs and in the log's facts."""
    return hashlib.sha256(canonical(identity)).hexdigest()


def lasting_id(identity: Identity) -> str:
    """Return an id that a CI workflow keeps from one ref to the next; of all others the signer id.

    The subject of a CI run names the ref, so that each tag signs under another signer id. Whether one
    workflow goes on releasing is told by this one: the ids of repository and owner, and the workflow's path.
    """
    ci = identity.ci if isinstance(identity, SigstoreIdentity) else None
    if not isinstance(identity, SigstoreIdentity) or ci is None or None in (ci.repository_id, ci.owner_id):
        return signer_id(identity)
    members = {
        "issuer": identity.issuer,
        "owner_id": ci.owner_id,
        "repository_id": ci.repository_id,
        "trust_domain": f"sha256:{identity.trust_domain}",
        "type": "ci",
        "workflow_path": ci.workflow_path,
    }
    return hashlib.sha256(json.encode(members)).hexdigest()


def describe(identity: Identity) -> str:
    """Say in plain words who signed, in one printable line; not reversible, for people."""
    match identity:
        case KeyIdentity():
            return f"the holder of the key sha256:{identity.spki_sha256}"
        case CertificateIdentity():
            return f"{_shown(identity.subject)}, certified by sha256:{identity.anchor_sha256}"
        case SigstoreIdentity(ci=CiClaims() as ci) if ci.repository or ci.repository_id:
            return f"{_run(ci, identity.subject)}, says {_shown(identity.issuer)}"
        case SigstoreIdentity():
            return f"{_shown(identity.subject)}, logged in at {_shown(identity.issuer)}"
        case _:
            assert_never(identity)


def _run(ci: CiClaims, subject: str) -> str:
    """Say which CI run it was; the ids stand beside the names because names can be registered again."""
    ids = [
        f"{name} id {_word(id_)}"
        for name, id_ in (("repository", ci.repository_id), ("owner", ci.owner_id))
        if id_
    ]
    words = f"the workflow {_word(ci.workflow_path or subject)}"
    if ci.repository:
        words += f" of {_word(ci.repository)}"
    if ids:
        words += f" ({', '.join(ids)})"
    if ci.ref:
        words += f" at {_word(ci.ref)}"
    if ci.commit:
        words += f", commit {_word(ci.commit[:12])}"
    return words


def to_json(identity: Identity) -> dict[str, Any]:
    """Return an identity as `verify --json` tells it: its type, and all that was proved of it."""
    told: dict[str, Any] = {"type": kind(identity)}
    match identity:
        case KeyIdentity():
            told["spki_sha256"] = identity.spki_sha256
        case CertificateIdentity():
            told |= {"anchor_sha256": identity.anchor_sha256, "subject": identity.subject}
        case SigstoreIdentity():
            told |= {
                "trust_domain": f"sha256:{identity.trust_domain}",
                "issuer": identity.issuer,
                "subject": identity.subject,
                "ci": None if identity.ci is None else asdict(identity.ci),
            }
        case _:
            assert_never(identity)
    return told


def matches(owner: Owner, identity: Identity) -> bool:
    """Tell whether a namespace owner (weighbridge_schemas.namespace) is this signer.

    Everything is compared exactly; only a CI owner's `ref_pattern` has wildcards. An owner whose PEM
    can't be read matches nobody.
    """
    match owner.type:
        case "key":
            return _key_matches(owner, identity)
        case "certificate":
            return _certificate_matches(owner, identity)
        case "sigstore":
            return _sigstore_matches(owner, identity)
        case "ci":
            return _ci_matches(owner, identity)
        case _:
            assert_never(owner)


def ref_matches(pattern: str, ref: str) -> bool:
    """Tell whether a git ref fits: `*` is any run of characters but `/`, `**` any run at all.

    Runs in time proportional to both lengths multiplied, whatever the pattern: a stranger's pattern
    must not stop a registry, which a backtracking regex would allow.
    """
    tokens = _tokens(pattern)
    reached = _closure({0}, tokens)
    for character in ref:
        step: set[int] = set()
        for position in reached:
            if position == len(tokens):
                continue
            part = tokens[position]
            if part == "**" or (part == "*" and character != "/"):
                step.add(position)
            elif part == character and part != "*":
                step.add(position + 1)
        reached = _closure(step, tokens)
        if not reached:
            return False
    return len(tokens) in reached


def _word(text: str) -> str:
    """Return a name that cannot be read as more of the sentence around it: a file's name may hold spaces."""
    shown = _shown(text)
    return shown if _PLAIN.fullmatch(shown) else "'" + shown.replace("'", "\N{REPLACEMENT CHARACTER}") + "'"


def _shown(text: str) -> str:
    """Return text of a certificate fit for one line: printable, no direction marks, ≤ 400 characters."""
    safe = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:400])
    return safe if len(text) <= len(safe) else f"{safe}…"


def _key_matches(owner: KeyOwner, identity: Identity) -> bool:
    from weighbridge import keys
    from weighbridge.errors import InputError

    if not isinstance(identity, KeyIdentity):
        return False
    try:
        key = keys.load_public_key(owner.public_key.encode())
    except InputError:
        return False
    return keys.spki_sha256(key) == identity.spki_sha256


def _certificate_matches(owner: CertificateOwner, identity: Identity) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    if not isinstance(identity, CertificateIdentity) or owner.subject != identity.subject:
        return False
    try:
        der = load_pem_x509_certificate(owner.anchor.encode()).public_bytes(Encoding.DER)
    except ValueError:
        return False
    return hashlib.sha256(der).hexdigest() == identity.anchor_sha256


def _sigstore_matches(owner: SigstoreOwner, identity: Identity) -> bool:
    return (
        isinstance(identity, SigstoreIdentity)
        and owner.trust_domain == f"sha256:{identity.trust_domain}"
        and owner.issuer == identity.issuer
        and owner.subject == identity.subject
    )


def _ci_matches(owner: CiOwner, identity: Identity) -> bool:
    if not isinstance(identity, SigstoreIdentity) or identity.ci is None:
        return False
    ci = identity.ci
    return (
        owner.trust_domain == f"sha256:{identity.trust_domain}"
        and owner.issuer == identity.issuer
        and owner.repository_id == ci.repository_id
        and owner.owner_id == ci.owner_id
        and owner.workflow_path == ci.workflow_path
        and ci.ref is not None
        and ref_matches(owner.ref_pattern, ci.ref)
    )


def _tokens(pattern: str) -> list[str]:
    """Split a ref pattern into single characters, `*` and `**` (longer runs of stars are `**`)."""
    tokens: list[str] = []
    for character in pattern:
        if character == "*" and tokens and tokens[-1] in {"*", "**"}:
            tokens[-1] = "**"
        else:
            tokens.append(character)
    return tokens


def _closure(positions: set[int], tokens: list[str]) -> set[int]:
    """Add the positions that are reached by letting wildcards stand for nothing."""
    closed = set(positions)
    for position in positions:
        following = position
        while following < len(tokens) and tokens[following] in {"*", "**"}:
            following += 1
            closed.add(following)
    return closed
