# SPDX-License-Identifier: Apache-2.0
"""Sign a statement, and a model.

A signer takes a payload and returns a whole bundle, so that publishing and signing don't care
whether a key, a certificate or an online account stands behind it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from weighbridge import bundles, dsse, keys
from weighbridge.atomic import write_atomically
from weighbridge.certificates import load_certificates
from weighbridge.errors import InputError
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

    from weighbridge.oms import Serialized
    from weighbridge.weighing import Progress

__all__ = ["CertificateSigner", "KeySigner", "SignedModel", "StatementSigner", "default_signature", "sign"]


@runtime_checkable
class StatementSigner(Protocol):
    """Whatever can sign statements.

    `identity` may be asked for before the first signature; a keyless signer logs in for it.
    """

    @property
    def identity(self) -> Identity:
        """Who signs."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of an in-toto statement, signed."""
        ...


class KeySigner:
    """Signs with a bare elliptic curve key; the bundle carries the key's hint only."""

    def __init__(self, private_key: keys.SigningKey) -> None:
        self._key = private_key
        self.public_key: PublicKey = keys.require_supported(private_key.public_key())

    @classmethod
    def load(cls, path: str | os.PathLike[str], password: bytes | None = None) -> Self:
        """Take a PEM file of a private key, encrypted or not; raises `InputError`."""
        return cls(keys.load_private_key(Path(path), password))

    @property
    def identity(self) -> KeyIdentity:
        """The key's own identity."""
        return KeyIdentity(keys.spki_sha256(self.public_key))

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of a payload, signed with the key."""
        signature = keys.sign(self._key, dsse.pae(dsse.IN_TOTO, payload))
        return bundles.encode_key_bundle(payload, signature, keys.hint(self.public_key))


class CertificateSigner:
    """Signs with a certificate's key; the bundle carries the certificate and its chain."""

    def __init__(
        self, private_key: keys.SigningKey, certificate: Certificate, chain: Sequence[Certificate] = ()
    ) -> None:
        """Take the key, its certificate, and the issuing certificates up to the anchor, in order.

        Raises `InputError` if the certificate is for another key or the chain's order is broken.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        public_key = keys.require_supported(private_key.public_key())
        if keys.public_der(keys.require_supported(certificate.public_key())) != keys.public_der(public_key):
            raise InputError("the certificate is for another key than the private key")
        issued = certificate
        for issuer in chain:
            _require_issuer(issued, issuer)
            issued = issuer
        self._key = private_key
        self._chain = [item.public_bytes(Encoding.DER) for item in (certificate, *chain)]
        self._anchor_pem = (certificate, *chain)[-1].public_bytes(Encoding.PEM)
        self._subject = certificate.subject.rfc4514_string()

    @classmethod
    def load(
        cls,
        key: str | os.PathLike[str],
        certificate: str | os.PathLike[str],
        chain: Sequence[str | os.PathLike[str]] = (),
        password: bytes | None = None,
    ) -> Self:
        """Take PEM files: the key, its certificate, the issuers' in order; raises `InputError`."""
        read = [
            found for path in (certificate, *chain) for found in load_certificates(Path(path).read_bytes())
        ]
        return cls(keys.load_private_key(Path(key), password), read[0], read[1:])

    @property
    def identity(self) -> CertificateIdentity:
        """The subject, below the last certificate of the chain."""
        return CertificateIdentity(hashlib.sha256(self._chain[-1]).hexdigest(), self._subject)

    @property
    def anchor_pem(self) -> bytes:
        """PEM text of the last certificate of the chain: what verifiers must trust."""
        return self._anchor_pem

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of a payload, signed with the certificate's key."""
        signature = keys.sign(self._key, dsse.pae(dsse.IN_TOTO, payload))
        return bundles.encode_certificate_bundle(payload, signature, self._chain)


@dataclass(frozen=True, slots=True)
class SignedModel:
    """A model that was signed: the bundle JSON, what was read and signed, where the bundle was written."""

    bundle: bytes
    serialized: Serialized
    path_written: Path


def default_signature(path: Path) -> Path:
    """Return where a model's signature lies by default: `model.sig` in a folder, `FILE.sig` for a file."""
    return path / "model.sig" if path.is_dir() else path.with_name(f"{path.name}.sig")


def sign(
    path: str | os.PathLike[str],
    *,
    signer: StatementSigner,
    signature: str | os.PathLike[str] | None = None,
    ignore: Iterable[str] = (),
    algorithm: str = "sha256",
    shard_size: int | None = None,
    exclude_readme: bool = False,
    progress: Progress | None = None,
) -> SignedModel:
    """Sign a folder or a file with OpenSSF Model Signing, and write the bundle.

    Everything is hashed first and the signer used afterwards, so that a login's short-lived
    certificate is not spent on hashing. The bundle replaces an older one atomically, at `signature`
    or the default place; `ignore` are exact relative paths to leave out, and a `signature` inside the
    folder is left out by itself. With `shard_size` (bytes) shards are signed in place of whole files: a large
    file is then hashed on all cores. Other tools verify the bundle too, shards those that know them.

    Raises `InputError` and `EnumerationError` as `weigh` does, and what the signer raises.
    """
    from weighbridge.oms import oms_statement, serialize

    model = Path(path)
    target = Path(signature) if signature is not None else default_signature(model)
    if target.is_dir():
        raise InputError(f"{target} is a folder; the signature must be a file", hint="give --signature FILE")
    left_out = list(ignore)
    if (inside := _relative_to(target, model)) is not None:
        left_out.append(inside)
    serialized = serialize(
        model,
        algorithm=algorithm,
        shard_size=shard_size,
        ignore=left_out,
        exclude_readme=exclude_readme,
        progress=progress,
    )
    bundle = signer.sign(oms_statement(serialized.manifest, serialized.name))
    write_atomically(target, bundle)
    return SignedModel(bundle, serialized, target)


def _relative_to(file: Path, folder: Path) -> str | None:
    """Return the POSIX path of a file inside a folder, or None if it lies elsewhere."""
    try:
        relative = (file.parent.resolve() / file.name).relative_to(folder.resolve())
    except ValueError:
        return None
    return relative.as_posix() if relative.parts else None


def _require_issuer(issued: Certificate, issuer: Certificate) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise InputError(
            f"{issuer.subject.rfc4514_string()} has not issued {issued.subject.rfc4514_string()}",
            hint="give the chain in order: the issuer of the signing certificate first",
        ) from error
