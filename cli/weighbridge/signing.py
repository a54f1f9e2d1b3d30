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
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self, runtime_checkable

from weighbridge import bundles, certificates, dsse, keys
from weighbridge.atomic import write_atomically
from weighbridge.bounded_files import read_bounded
from weighbridge.bundle_files import MAX_SIGNATURE_FILE_BYTES, split_bundles
from weighbridge.errors import BundleError, InputError, SignerError
from weighbridge.identities import CertificateIdentity, Identity, KeyIdentity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

    from weighbridge.file_tables import FileTables
    from weighbridge.oms import Serialized
    from weighbridge.weighing import Progress

__all__ = [
    "CertificateSigner",
    "ExpiringSigner",
    "KeySigner",
    "SignedModel",
    "StatementSigner",
    "default_signature",
    "read_certificates",
    "require_replaceable",
    "require_valid",
    "sign",
]

_MAX_CERTIFICATE_FILE: Final = 1024 * 1024


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


@runtime_checkable
class ExpiringSigner(Protocol):
    """A signer who may sign only for some time."""

    def require_valid(self, time: datetime) -> None:
        """Raise `InputError` unless a signature made at this time (aware) would be believed then."""
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
        self._certificates = (certificate, *chain)
        self._chain = [item.public_bytes(Encoding.DER) for item in self._certificates]
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
        read = [found for path in (certificate, *chain) for found in read_certificates(Path(path))]
        return cls(keys.load_private_key(Path(key), password), read[0], read[1:])

    def require_valid(self, time: datetime) -> None:
        """Raise `InputError` unless who trusts the chain's end would believe a signature of this time.

        Every certificate must be valid then, the first be for signing, and the chain hold by RFC 5280.
        Without a chain its end is not known here, so the first certificate alone is judged. A time stamp
        says when a signature was made: it does not make a certificate valid that was not so then.
        """
        for certificate in self._certificates:
            _require_in_force(certificate, time)
        *path, anchor = self._certificates
        try:
            if path:
                certificates.verify_path(path, [anchor], time)
            else:
                certificates.require_signing_use(anchor)
        except SignerError as error:
            raise InputError(error.message, hint=error.hint, evidence=error.evidence) from error

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
    """A model that was signed: the bundle JSON, what was read and signed, where the bundle was written.

    `not_kept` says why a later `reuse` of this signature will spare nothing, "" if it may.
    """

    bundle: bytes
    serialized: Serialized
    path_written: Path
    not_kept: str = ""


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
    reuse: str | os.PathLike[str] | None = None,
    tables: FileTables | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> SignedModel:
    """Sign a folder or a file with OpenSSF Model Signing, and write the bundle.

    Everything is hashed first and the signer used afterwards, so that a login's short-lived
    certificate is not spent on hashing. The bundle replaces an older one atomically, at `signature`
    or the default place; `ignore` are exact relative paths to leave out, and a `signature` inside the
    folder is left out by itself. With `shard_size` (bytes) shards are signed in place of whole files: a large
    file is then hashed on all cores. Other tools verify the bundle too, shards those that know them.

    `reuse` is an older signature: files that have not been touched since it was made here are not hashed
    again. How files stood is kept in `tables`, by default the user's own. `now` is the time to judge the
    signer's certificate by.

    Raises `InputError` and `EnumerationError` as `weigh` does, `InputError` for a certificate that is not
    valid or a file that is not replaced, and what the signer raises.
    """
    from weighbridge.file_tables import FileTables
    from weighbridge.oms import oms_statement, reuse_of, serialize
    from weighbridge.weighing.reuse import NO_REUSE

    require_valid(signer, now)
    model, kept = Path(path), tables if tables is not None else FileTables()
    target = Path(signature) if signature is not None else default_signature(model)
    require_replaceable(target, model, named=signature is not None)
    older = NO_REUSE
    if reuse is not None:
        older_signature = read_bounded(Path(reuse), MAX_SIGNATURE_FILE_BYTES, "signature")
        older = reuse_of(older_signature, kept, algorithm=algorithm, shard_size=shard_size)
    left_out = list(ignore)
    if (inside := _relative_to(target, model)) is not None:
        left_out.append(inside)
    started = kept.now()
    serialized = serialize(
        model,
        algorithm=algorithm,
        shard_size=shard_size,
        ignore=left_out,
        exclude_readme=exclude_readme,
        progress=progress,
        reuse=older,
    )
    require_valid(signer, now)  # again: hashing may have taken hours
    bundle = signer.sign(oms_statement(serialized.manifest, serialized.name))
    write_atomically(target, bundle)
    return SignedModel(bundle, serialized, target, kept.save(bundle, serialized.listed, started))


def require_valid(signer: StatementSigner, now: datetime | None = None) -> None:
    """Raise `InputError` if the signer's certificate is not valid now (or at `now`); a key always is."""
    if isinstance(signer, ExpiringSigner):
        signer.require_valid(now or datetime.now(UTC))


def require_replaceable(target: Path, model: Path, *, named: bool) -> None:
    """Raise `InputError` if writing a signature to `target` would lose something.

    That is the signatures of several people, or, where the caller named the place, a file that is no
    signature. What has the name that signatures of this model have is taken for one.
    """
    if target.is_dir():
        raise InputError(f"{target} is a folder; the signature must be a file", hint="give --signature FILE")
    if not target.exists():
        return
    if model.exists() and target.samefile(model):
        raise InputError(f"{target} is the model itself", hint="give another place with --signature FILE")
    data = read_bounded(target, MAX_SIGNATURE_FILE_BYTES, "signature")
    try:
        found = split_bundles(data)
        if named and len(found) == 1 and data.strip():
            bundles.parse_bundle(data)
    except BundleError as error:
        raise InputError(
            f"{target} exists and is no signature; it is not replaced",
            hint="give another place with --signature FILE, or move it away",
            evidence={"path": str(target)},
        ) from error
    if len(found) > 1:
        raise InputError(
            f"{target} holds {len(found)} signatures; signing anew would leave yours only",
            hint="write yours elsewhere with --signature OUT, then put all that still hold into one file, "
            "one a line; or move the file away",
            evidence={"path": str(target), "signatures": len(found)},
        )


def read_certificates(path: Path) -> tuple[Certificate, ...]:
    """Read the certificates of a PEM file of at most 1 MiB, in order; raises `InputError`."""
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_CERTIFICATE_FILE + 1)
    except OSError as error:
        raise InputError(f"can't read the certificate file {path}: {error.strerror}") from error
    if len(pem) > _MAX_CERTIFICATE_FILE:
        raise InputError(f"{path} is too large for a certificate file")
    try:
        return certificates.load_certificates(pem)
    except InputError as error:
        raise InputError(f"{path} holds no certificate in PEM form") from error


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


def _require_in_force(certificate: Certificate, time: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if start <= time <= end:
        return
    subject = certificate.subject.rfc4514_string()
    what = (
        f"has expired: it was valid until {end:%Y-%m-%d %H:%M:%S}"
        if time > end
        else (f"is not valid yet: it is from {start:%Y-%m-%d %H:%M:%S} on")
    )
    raise InputError(
        f"the certificate {subject} {what} UTC, and now it is {time.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        hint="sign with a certificate that is valid now; no time stamp can cure this"
        if time > end
        else "wait, or check this machine's clock",
        evidence={
            "subject": subject,
            "not_before": start.isoformat(),
            "not_after": end.isoformat(),
            "time": time.isoformat(),
        },
    )
