# SPDX-License-Identifier: Apache-2.0
"""A commented policy file from what was just verified: exact pins, and every other demand as a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from weighbridge.errors import InputError
from weighbridge.identities import Identity, KeyIdentity, SigstoreIdentity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

__all__ = ["draft", "signer_table"]

_BARE = re.compile(r"[^A-Za-z0-9_-]+")

_OPTIONAL = """\
# More that a rule may demand; take the # away. All of it: docs/spec/policy.md
# whole = true                        # no signed file missing, no unsigned one let through
# status = ["released"]               # not deprecated, superseded or withdrawn, by its owners
# known_by = "replay"                 # that nothing was said: by --mirror; "registry": its word will do
# unsafe_formats = "fail"             # files that can run code when they are loaded
# openness = 3                        # class of the Model Openness Framework: 3, 2 or 1
# licenses = { allow = ["Apache-2.0", "MIT", "CC-BY-*"] }
# lineage = { level = 2, contradicted = "fail", upstream = "warn" }
"""
_REVIEWERS = """\
# Third parties whose word counts; everybody else's is shown, and changes nothing. Name them above:
# [signers.security-team]
# type = "key"
# public_key = \"\"\"…\"\"\"
#
# [[reviewers]]
# signers = ["security-team"]
# advisories = { fail = "high", warn = "low" }
# disputes = "fail"
# rechecks = true
"""


def draft(
    identity: Identity,
    *,
    release: str | None,
    vkeys: Sequence[str] = (),
    witness_policy: str | None = None,
    replayed: bool = False,
    public_keys: Sequence[PublicKey] = (),
    anchors: Sequence[Certificate] = (),
) -> str:
    """Return a policy file that accepts what was verified: this signer, these logs, this namespace.

    `release` is `NS/NAME[@VERSION]` or None; `replayed` says that step 9 passed. `public_keys` and `anchors`
    are those that were known, of which one is the signer's. Raises `InputError` if the signer's key or anchor
    is not among them.
    """
    namespace = release.partition("/")[0] if release is not None else None
    name = _BARE.sub("-", namespace or "publisher").strip("-")[:64] or "publisher"
    return "\n".join(
        [
            "# A policy for models, made by `weighbridge policy init` from what was verified then.",
            "# Check it:  weighbridge policy check weighbridge.toml",
            "# Use it:    weighbridge verify MODEL --policy weighbridge.toml",
            "# What no rule below fits is refused.",
            "",
            "v = 1",
            *_logs(vkeys, witness_policy),
            "",
            "# Who is who. The name is this file's own; what counts is the key or the account.",
            f"[signers.{name}]",
            *signer_table(identity, public_keys, anchors),
            "",
            "[[rules]]",
            *([f"releases = [{_text(f'{namespace}/*')}]"] if namespace is not None else _UNNAMED),
            f"signers = [{_text(name)}]",
            *(["recorded = true"] if vkeys else []),
            *(["witnessed = true"] if witness_policy is not None and _demands(witness_policy) else []),
            *(['status = ["released"]'] if replayed else []),
            _OPTIONAL,
            _REVIEWERS,
        ]
    )


_UNNAMED = ['# releases = ["NS/*"]                # without it: for any model, also one that is no release']


def signer_table(
    identity: Identity, public_keys: Sequence[PublicKey] = (), anchors: Sequence[Certificate] = ()
) -> Iterator[str]:
    """Yield the lines of a signer's table: the exact key or account, a CI workflow by its ids."""
    match identity:
        case KeyIdentity(spki_sha256=spki):
            yield from ('type = "key"', *_pem("public_key", _key_pem(spki, public_keys)))
        case SigstoreIdentity(ci=ci) if ci is not None and None not in (
            ci.repository_id,
            ci.owner_id,
            ci.workflow_path,
            ci.ref,
        ):
            yield from _pairs(
                type="ci",
                trust_domain=f"sha256:{identity.trust_domain}",
                issuer=identity.issuer,
                repository_id=ci.repository_id,
                owner_id=ci.owner_id,
                workflow_path=ci.workflow_path,
                ref_pattern=ci.ref,
            )
        case SigstoreIdentity():
            yield from _pairs(
                type="sigstore",
                trust_domain=f"sha256:{identity.trust_domain}",
                issuer=identity.issuer,
                subject=identity.subject,
            )
        case _:
            yield 'type = "certificate"'
            yield from _pem("anchor", _anchor_pem(identity.anchor_sha256, anchors))
            yield from _pairs(subject=identity.subject)


def _demands(witness_policy: str) -> bool:
    from weighbridge.tlog import WitnessPolicy

    return WitnessPolicy.parse(witness_policy).demands_witnesses


def _logs(vkeys: Sequence[str], witness_policy: str | None) -> Iterator[str]:
    yield ""
    if vkeys:
        yield "# The only logs that are believed."
        yield f"logs = [{', '.join(_text(vkey) for vkey in vkeys)}]"
    else:
        yield '# logs = ["NAME+ID+KEY"]             # the only logs that are believed; else your own'
    if witness_policy is not None:
        yield "# The co-signers that count (a C2SP tlog-policy)."
        yield from _block("witness_policy", witness_policy)


def _key_pem(spki: str, known: Sequence[PublicKey]) -> str:
    from weighbridge import keys

    for key in known:
        if keys.spki_sha256(key) == spki:
            return keys.public_pem(key).decode()
    raise InputError(
        f"the key sha256:{spki} signed, and its public key is not here",
        hint="give it with --public-key, or --release with the record that introduces it",
    )


def _anchor_pem(sha256: str, known: Sequence[Certificate]) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    from weighbridge import certificates

    for anchor in known:
        if certificates.anchor_sha256(anchor) == sha256:
            return anchor.public_bytes(Encoding.PEM).decode()
    raise InputError(
        f"the anchor sha256:{sha256} vouches for the signer, and is not here",
        hint="give it with --certificate-chain",
    )


def _pairs(**members: Any) -> Iterator[str]:
    yield from (f"{name} = {_text(str(value))}" for name, value in members.items())


def _pem(member: str, pem: str) -> Iterator[str]:
    yield from _block(member, pem)


def _block(member: str, text: str) -> Iterator[str]:
    """Yield a text of several lines; a TOML basic string, in which nothing can end it early."""
    escaped = "".join(
        line + "\n" for line in (json.dumps(one, ensure_ascii=True)[1:-1] for one in text.splitlines())
    )
    yield f'{member} = """\n{escaped}"""'


def _text(text: str) -> str:
    """Spell a TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
