# SPDX-License-Identifier: Apache-2.0
"""Sigstore: verify a keyless bundle offline against one instance's trusted root.

sigstore-python's `Verifier` does the work (certificate, SCT, Rekor's promise, proof and signature).
Around it stand checks of our own, because it leaves them out (each tried with 4.5.1):

- the entry's index must lie inside the tree, and the signed checkpoint must be of a tree of that size:
  it compares roots only;
- the certificate authority, the log and the time-stamp authority must have been in service at the
  time that counts (`validFor` in the trusted root);
- the log's id must be one that the trusted root names.

An entry of the kind `dsse` 0.0.2, which it no longer knows, is compared with the bundle by `rekor`; all
else is still its work. It is handed a bundle re-encoded from the values that the strict parser read, never
the raw bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from weighbridge import bundles, canonical, certificates, rekor, tlog
from weighbridge.bundles import Bundle, InclusionProof, LogEntry, SigstoreMaterial
from weighbridge.errors import BundleError, ConfigurationError, LogError, SignerError
from weighbridge.identities import CiClaims, SigstoreIdentity
from weighbridge.timestamps import TimeEvidence, TimestampAuthority, stamped_times

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import Bundle as ForeignBundle
    from sigstore.models import ClientTrustConfig
    from sigstore.verify import Verifier

__all__ = ["SigstoreTrust", "identity_of"]

_T = TypeVar("_T")

_MAX_CONFIG_BYTES = 4 * 1024 * 1024
_CLOCK_SKEW = timedelta(hours=1)
_FULCIO = "1.3.6.1.4.1.57264.1"
_OTHER_NAME = f"{_FULCIO}.7"
_ISSUER, _OLD_ISSUER = f"{_FULCIO}.8", f"{_FULCIO}.1"
_REPOSITORY, _COMMIT, _REF = f"{_FULCIO}.12", f"{_FULCIO}.13", f"{_FULCIO}.14"
_REPOSITORY_ID, _OWNER_ID = f"{_FULCIO}.15", f"{_FULCIO}.17"
_BUILD_CONFIG, _RUN = f"{_FULCIO}.18", f"{_FULCIO}.21"
_CONFIG_HINT = "give a client trust configuration, as Sigstore's tools write it (clienttrustconfig.v0.1+json)"
_KEY_ID = 4  # bytes of a note's key id (C2SP signed-note)
_CHECKPOINT_LINES = 3  # origin, size, root; then extension lines


@dataclass(frozen=True, slots=True)
class _Service:
    """An authority or a log of the trusted root, and when it was in service."""

    certificates: tuple[Certificate, ...]
    ids: frozenset[bytes]
    start: datetime | None
    end: datetime | None

    def serves(self, time: datetime) -> bool:
        """Tell whether it was in service at a time."""
        return (self.start is None or self.start <= time) and (self.end is None or time <= self.end)


class SigstoreTrust:
    """One Sigstore instance as a verifier trusts it.

    `trust_domain` is the bare hex SHA-256 of the root certificate (DER) of its newest authority, the
    name of the instance in identities; `trust_domains` has those of retired authorities too.
    `stampers` are its time-stamp authorities.
    `sha256` is the bare hex digest of the configuration, to be kept beside what it decided.
    """

    def __init__(self, config: bytes) -> None:
        document = _read_config(config)
        try:
            root = document["trustedRoot"]
            self._authorities = [_authority(item) for item in root["certificateAuthorities"]]
            self.stampers = tuple(_stamper(item) for item in root.get("timestampAuthorities") or ())
            self._logs = [_log(item) for item in root["tlogs"]]
        except (KeyError, TypeError, AttributeError, ValueError, SignerError) as error:
            raise ConfigurationError(
                "the Sigstore trust configuration is not complete", hint=_CONFIG_HINT
            ) from error
        if not self._authorities:
            raise ConfigurationError("the Sigstore trust configuration names no certificate authority")
        self._config = config
        self._verifier: Verifier | None = None
        self.sha256 = hashlib.sha256(config).hexdigest()
        ordered = sorted(self._authorities, key=lambda item: item.start or datetime.min.replace(tzinfo=UTC))
        roots = [certificates.anchor_sha256(item.certificates[-1]) for item in reversed(ordered)]
        self.trust_domains = tuple(dict.fromkeys(roots))
        self.trust_domain = self.trust_domains[0]

    @classmethod
    def from_config(cls, config: bytes) -> Self:
        """Take a client trust configuration (JSON); raises `ConfigurationError` if it is none."""
        return cls(config)

    @classmethod
    def production(cls, *, offline: bool = True) -> Self:
        """Return the public Sigstore: from sigstore-python's cache or package, or refreshed by TUF."""
        return cls._public("production", offline=offline)

    @classmethod
    def staging(cls, *, offline: bool = True) -> Self:
        """Return the public Sigstore's staging instance; for trying things only."""
        return cls._public("staging", offline=offline)

    @classmethod
    def _public(cls, name: Literal["production", "staging"], *, offline: bool) -> Self:
        from sigstore.errors import Error
        from sigstore.models import ClientTrustConfig

        load = ClientTrustConfig.production if name == "production" else ClientTrustConfig.staging
        try:
            with _quiet("sigstore"):
                config = load(offline=offline)
        except (Error, OSError) as error:
            raise ConfigurationError(
                f"the trusted root of Sigstore {name} can't be loaded: {error}",
                hint="give it as a file with --trust-config",
            ) from error
        return cls.from_client_config(config)

    @classmethod
    def from_client_config(cls, config: ClientTrustConfig) -> Self:
        """Take sigstore-python's own object."""
        inner = config._inner  # noqa: SLF001 - the only way to the validity periods that its API hides
        return cls(inner.to_json().encode())

    def issued(self, bundle: Bundle) -> bool:
        """Tell whether an authority of this instance issued the bundle's certificate."""
        if not isinstance(bundle.material, SigstoreMaterial):
            return False
        certificate = certificates.load_certificate(bundle.material.certificate)
        return any(_issued_by(certificate, item.certificates[0]) for item in self._authorities)

    def domain_of(self, certificate: Certificate) -> str:
        """Return the trust domain of the authority that issued a certificate; raises `SignerError`."""
        for authority in self._authorities:
            if _issued_by(certificate, authority.certificates[0]):
                return certificates.anchor_sha256(authority.certificates[-1])
        raise SignerError("the certificate is not of this Sigstore instance")

    def verify(self, bundle: Bundle, *, now: datetime) -> tuple[SigstoreIdentity, tuple[TimeEvidence, ...]]:
        """Verify a keyless bundle and return who signed, and the times that prove when.

        `now` must be aware; a time more than an hour ahead of it is refused. Raises `SignerError`.
        """
        material = bundle.material
        if not isinstance(material, SigstoreMaterial):
            raise SignerError("the bundle is not signed through Sigstore")
        entry = material.entry
        logs = self._logs_of(entry)
        _check_proof(entry.proof, entry.body)
        if bundle.strict:
            _check_unsigned(entry)
        self._run_verifier(bundle, material)
        certificate = certificates.load_certificate(material.certificate)
        times = self._times(bundle, entry, logs)
        for evidence in times:
            if evidence.time > now + _CLOCK_SKEW:
                raise SignerError(
                    f"the signature's time is in the future: {evidence.time.isoformat()}",
                    hint="check this machine's clock",
                )
        authority = self._authority_at(certificate, times)
        domain = certificates.anchor_sha256(authority.certificates[-1])
        return identity_of(certificate, domain), times

    def _run_verifier(self, bundle: Bundle, material: SigstoreMaterial) -> None:
        """Let sigstore-python verify what the strict parser understood, and nothing else."""
        entry = material.entry
        if (entry.kind, entry.version) == rekor.DSSE_V2:
            certificate = certificates.load_certificate(material.certificate)
            self._ask_verifier(bundle, _verify_all_but_entry)
            rekor.check_dsse_v2(bundle, certificate, entry.body)
            return
        verified = self._ask_verifier(bundle, _verify_all)
        if verified != (bundle.payload_type, bundle.payload):
            raise SignerError("Sigstore verified another statement than the one in the bundle")

    def _ask_verifier(self, bundle: Bundle, verify: Callable[[Verifier, ForeignBundle], _T]) -> _T:
        """Hand the re-encoded bundle to sigstore-python; whatever it raises on hostile bytes is a refusal."""
        from sigstore.models import Bundle as Foreign

        encoded = bundles.encode_bundle(
            bundle.payload, bundle.signature, bundle.material, timestamps=bundle.timestamps
        )
        verifier = self._verifier = self._verifier or _new_verifier(self._config)
        try:
            return verify(verifier, Foreign.from_json(encoded))
        except Exception as error:
            raise SignerError(
                f"Sigstore refuses the signature: {_reason(error)}",
                hint="the bundle was changed, or is for another Sigstore instance (--trust-config)",
            ) from error

    def _logs_of(self, entry: LogEntry) -> list[_Service]:
        logs = [log for log in self._logs if entry.log_id in log.ids]
        if not logs:
            raise SignerError(
                "the log entry names a log that the trusted root does not have",
                evidence={"log_id": entry.log_id.hex()},
            )
        return logs

    def _times(self, bundle: Bundle, entry: LogEntry, logs: Sequence[_Service]) -> tuple[TimeEvidence, ...]:
        times = list(stamped_times(bundle, self.stampers))
        if entry.promise is not None and entry.integrated_time is not None:
            times.append(TimeEvidence("rekor", _unix(entry.integrated_time)))
        if not times:
            raise SignerError(
                "nobody vouches for the time of the signature: no promise of the log, no time stamp"
            )
        if not any(log.serves(evidence.time) for log in logs for evidence in times):
            raise SignerError("the log was not in service when it took the entry")
        return tuple(times)

    def _authority_at(self, certificate: Certificate, times: Sequence[TimeEvidence]) -> _Service:
        for authority in self._authorities:
            if _issued_by(certificate, authority.certificates[0]) and all(
                authority.serves(evidence.time) for evidence in times
            ):
                return authority
        raise SignerError(
            "the certificate authority was not in service when it issued the signer's certificate",
            evidence={"issuer": certificate.issuer.rfc4514_string()},
        )


def identity_of(certificate: Certificate, trust_domain: str) -> SigstoreIdentity:
    """Read the identity out of a Fulcio certificate that was verified before.

    Source: sigstore/fulcio docs/oid-info.md. Raises `SignerError` unless there is exactly one subject
    and one issuer.
    """
    values = _fulcio_extensions(certificate)
    issuer = values.get(_ISSUER, values.get(_OLD_ISSUER))
    if not issuer or values.get(_OLD_ISSUER, issuer) != issuer:
        raise SignerError("the signer's certificate names no issuer of the login, or two")
    return SigstoreIdentity(trust_domain, issuer, _subject(certificate), _ci_claims(values))


def _ci_claims(values: dict[str, str]) -> CiClaims | None:
    if _REPOSITORY_ID not in values and _REPOSITORY not in values:
        return None
    repository, build = values.get(_REPOSITORY), values.get(_BUILD_CONFIG)
    path = None
    if repository and build and build.startswith(f"{repository}/"):
        path = build.removeprefix(f"{repository}/").partition("@")[0] or None
    return CiClaims(
        repository=repository,
        repository_id=values.get(_REPOSITORY_ID),
        owner_id=values.get(_OWNER_ID),
        workflow_path=path,
        ref=values.get(_REF),
        commit=values.get(_COMMIT),
        run=values.get(_RUN),
    )


def _fulcio_extensions(certificate: Certificate) -> dict[str, str]:
    """Return Fulcio's extensions by OID: .1 to .6 are bare text, .8 and up DER UTF8Strings."""
    from cryptography.x509 import UnrecognizedExtension

    values = {}
    for extension in certificate.extensions:
        oid = extension.oid.dotted_string
        if isinstance(extension.value, UnrecognizedExtension) and oid.startswith(f"{_FULCIO}."):
            raw = extension.value.value
            try:
                values[oid] = raw.decode() if oid == _OLD_ISSUER else _utf8_string(raw)
            except ValueError:
                if oid in {_ISSUER, _OLD_ISSUER}:
                    raise SignerError("the signer's certificate has an unreadable issuer") from None
    return values


def _subject(certificate: Certificate) -> str:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound as error:
        raise SignerError("the signer's certificate names nobody") from error
    names = list(extension.value)
    if len(names) != 1:
        raise SignerError(f"the signer's certificate names {len(names)} subjects, not one")
    match names[0]:
        case x509.RFC822Name(value=value) | x509.UniformResourceIdentifier(value=value) if value:
            return value
        case x509.OtherName(type_id=oid, value=raw) if oid.dotted_string == _OTHER_NAME:
            try:
                return _utf8_string(raw)
            except ValueError as error:
                raise SignerError("the signer's certificate has an unreadable subject") from error
        case _:
            raise SignerError("the signer's certificate names no e-mail address, URI or user name")


def _utf8_string(der: bytes) -> str:
    """Return the text of a DER UTF8String (X.690 section 8.23); raises ValueError."""
    long_form = 0x80
    if len(der) < 2 or der[0] != 0x0C:  # noqa: PLR2004 - tag and length octets
        raise ValueError("not a UTF8String")
    length, start = der[1], 2
    if length & long_form:
        start = 2 + (length & ~long_form)
        length = int.from_bytes(der[2:start])
    if len(der) != start + length:
        raise ValueError("wrong length")
    return der[start:].decode()


def _check_proof(proof: InclusionProof, body: bytes) -> None:
    """Check what sigstore-python leaves out: index inside the tree, checkpoint of this very tree."""
    try:
        tlog.verify_inclusion(
            proof.log_index, proof.tree_size, tlog.leaf_hash(body), proof.hashes, proof.root_hash
        )
    except LogError as error:
        raise SignerError(
            f"the signature's entry is not in Sigstore's log: {error.message}", evidence=error.evidence
        ) from error
    lines = proof.checkpoint.split("\n")
    size, root = (lines[1], lines[2]) if len(lines) >= _CHECKPOINT_LINES else ("", "")
    if size != str(proof.tree_size) or root != base64.b64encode(proof.root_hash).decode():
        raise SignerError(
            "the checkpoint of Sigstore's log is of another tree than the proof",
            evidence={"checkpoint": size, "proof": str(proof.tree_size)},
        )


def _check_unsigned(entry: LogEntry) -> None:
    """Refuse, for admission, what the log did not sign: a free index, names and bytes beside the note."""
    if entry.promise is None and entry.log_index != entry.proof.log_index:
        raise SignerError("the log entry's index is not the one that its proof is for")
    try:
        text, signatures = tlog.split_note(entry.proof.checkpoint.encode())
    except LogError as error:
        raise SignerError(f"the checkpoint of Sigstore's log is malformed: {error.message}") from error
    origin = text.partition("\n")[0]
    names = [signature.name for signature in signatures if signature.key_id == entry.log_id[:_KEY_ID]]
    if len(names) != 1 or names[0] not in {origin, origin.partition(" - ")[0]}:
        raise SignerError("the checkpoint of Sigstore's log is not signed once, under the log's own name")


class _AnyIdentity:
    """Policy for sigstore-python: whoever it is; who is wanted is compared by the caller."""

    def verify(self, cert: Certificate) -> None:
        """Accept; the certificate's own checks come before."""


def _verify_all(verifier: Verifier, bundle: ForeignBundle) -> tuple[str, bytes]:
    return verifier.verify_dsse(bundle, _AnyIdentity())


def _verify_all_but_entry(verifier: Verifier, bundle: ForeignBundle) -> None:
    """Verify certificate, times, SCT, promise and proof, as `verify_dsse` begins.

    There is no public way to these steps alone. Should this one go, every `dsse` 0.0.2 bundle is refused.
    """
    verifier._verify_common_signing_cert(bundle, _AnyIdentity())  # noqa: SLF001


def _new_verifier(config: bytes) -> Verifier:
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.verify import Verifier

    try:
        return Verifier(trusted_root=ClientTrustConfig.from_json(config.decode()).trusted_root)
    except (Error, ValueError) as error:
        raise ConfigurationError(
            f"the Sigstore trust configuration can't be used: {_reason(error)}", hint=_CONFIG_HINT
        ) from error


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a logger's warnings off the terminal: being offline is what was asked for."""
    import logging

    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _read_config(config: bytes) -> dict[str, Any]:
    try:
        document = canonical.decode(config, max_bytes=_MAX_CONFIG_BYTES)
    except BundleError as error:
        raise ConfigurationError(
            f"the Sigstore trust configuration can't be read: {error.message}", hint=_CONFIG_HINT
        ) from error
    if not isinstance(document, dict) or "trustedRoot" not in document:
        raise ConfigurationError("this is no Sigstore trust configuration", hint=_CONFIG_HINT)
    return document


def _authority(item: dict[str, Any]) -> _Service:
    chain = tuple(
        certificates.load_certificate(_binary(entry["rawBytes"]))
        for entry in item["certChain"]["certificates"]
    )
    if not chain:
        raise ValueError("an authority without certificates")
    return _Service(chain, frozenset(), *_period(item.get("validFor")))


def _stamper(item: dict[str, Any]) -> TimestampAuthority:
    service = _authority(item)
    return TimestampAuthority.of_chain(service.certificates, service.start, service.end)


def _log(item: dict[str, Any]) -> _Service:
    ids = [item["logId"]["keyId"]]
    if item.get("checkpointKeyId"):
        ids.append(item["checkpointKeyId"]["keyId"])
    period = _period(item["publicKey"].get("validFor"))
    return _Service((), frozenset(_binary(text) for text in ids), *period)


def _period(valid_for: dict[str, str] | None) -> tuple[datetime | None, datetime | None]:
    bounds = valid_for or {}
    start, end = bounds.get("start"), bounds.get("end")
    return (datetime.fromisoformat(start) if start else None, datetime.fromisoformat(end) if end else None)


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _unix(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise SignerError("the log entry's time is no time") from error


def _reason(error: Exception) -> str:
    """Return the first line of a foreign error, fit for a message."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return "".join(c if c.isprintable() else "?" for c in text[0][:200])
