# SPDX-License-Identifier: Apache-2.0
"""Sigstore bundles v0.3 around one signed statement: a strict parser and an encoder.

Sources: OMS v1.0 section 4 (bundle), the Sigstore bundle protobuf's JSON form, docs/spec/bundles.md.
sigstore-python knows only its own keyless kind, so the three kinds of OMS (a key's hint, a
certificate chain, Sigstore) are read here, and only values that this module has understood are
handed on: nothing that one parser skips can mean something to another.

Two modes. *Lenient* reads what other tools write: `keyid` and empty members may be absent, empty or
null, base64 may be of either alphabet, an old key bundle may hold the key itself. *Strict* is for
admission to a log that keeps its entries for ever: besides what is signed, a bundle may carry
nothing that could hold someone's text. Both refuse duplicate and unknown members, more than one
signature or log entry, and whatever is over a size limit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from weighbridge import canonical, dsse
from weighbridge.errors import BundleError

__all__ = [
    "MAX_BUNDLE_BYTES",
    "MEDIA_TYPE",
    "Bundle",
    "CertificateChain",
    "InclusionProof",
    "LogEntry",
    "Material",
    "PublicKeyHint",
    "SigstoreMaterial",
    "encode_bundle",
    "encode_certificate_bundle",
    "encode_key_bundle",
    "parse_bundle",
]

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""Media type of each bundle that weighbridge writes."""

MAX_BUNDLE_BYTES = 16 * 1024 * 1024
"""A bundle is at most 16 MiB (DESIGN section 3)."""

_MEDIA_TYPES = frozenset({MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"})
_MEDIA_TYPE_PREFIX = "application/vnd.dev.sigstore.bundle"
_ENTRY_KINDS = frozenset({("dsse", "0.0.1"), ("dsse", "0.0.2"), ("hashedrekord", "0.0.2")})
_MAX_DEPTH = 32
_MAX_SIGNATURE_BYTES = 1024
_MAX_CERTIFICATES = 8
_MAX_CERTIFICATE_BYTES = 32 * 1024
_MAX_PROOF_HASHES = 64
_MAX_CHECKPOINT_BYTES = 32 * 1024
_MAX_TIMESTAMPS = 8
_MAX_TIMESTAMP_BYTES = 32 * 1024
_MAX_KEY_BYTES = 4096
_STRICT_TIMESTAMPS = 2
_STRICT_CHECKPOINT_LINES = 24
_STRICT_CHECKPOINT_LINE_BYTES = 4096
_STRICT_LAYOUT_BYTES = 4096
_INT64 = 1 << 63
_HINT = re.compile(r"[0-9a-f]{64}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class PublicKeyHint:
    """Signed with a bare key that the bundle doesn't hold.

    `hint` is the SHA-256 hex of the key's PEM text (OMS section 4.2), or None in bundles of
    model-signing before 1.0, which hold the key itself (`raw`, PEM or DER: a hint and no more).
    """

    hint: str | None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """Signed with a certificate's key: DER certificates, the signer's first."""

    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Rekor's proof that an entry is in its tree: 32-byte hashes, the leaf's sibling first."""

    log_index: int
    tree_size: int
    root_hash: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A Rekor entry as a bundle carries it.

    `integrated_time` is in Unix seconds and is worth something only with a `promise` (Rekor v1's
    signed entry timestamp). `log_index` counts over all shards, the proof's within one.
    """

    log_index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int | None
    promise: bytes | None
    proof: InclusionProof
    body: bytes


@dataclass(frozen=True, slots=True)
class SigstoreMaterial:
    """Signed keyless: Fulcio's DER certificate and the one Rekor entry."""

    certificate: bytes
    entry: LogEntry


Material: TypeAlias = PublicKeyHint | CertificateChain | SigstoreMaterial


@dataclass(frozen=True, slots=True)
class Bundle:
    """A parsed, not yet authenticated bundle.

    `raw` is the bytes as read and `sha256` their bare hex digest; `statement_digest` is the bare
    hex digest of the PAE. `timestamps` are DER RFC 3161 responses. `strict` says how it was parsed:
    authentication of a strict bundle refuses unused certificates and unsigned numbers too.
    """

    raw: bytes
    payload_type: str
    payload: bytes
    signature: bytes
    material: Material
    timestamps: tuple[bytes, ...]
    strict: bool
    statement_digest: str
    sha256: str


def parse_bundle(data: bytes, *, strict: bool = False) -> Bundle:
    """Parse bundle JSON; authenticates nothing.

    Raises `BundleError` (step 3), naming the member, for anything that is not one OMS bundle.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"the bundle has {len(data)} bytes; at most {MAX_BUNDLE_BYTES} are read",
            hint="this is not a signature file; give the right file",
        )
    if strict:
        _refuse_padding(data)
    value = canonical.decode(data, max_bytes=MAX_BUNDLE_BYTES, max_depth=_MAX_DEPTH)
    top = _Members(value, "bundle", strict=strict)
    _check_media_type(top.text("mediaType"), strict=strict)
    material, timestamps = _parse_material(top.object("verificationMaterial"), strict=strict)
    if not top.has("dsseEnvelope") and top.has("messageSignature"):
        raise BundleError(
            "the bundle signs a file (messageSignature), not a statement about a model",
            hint="give an OMS signature; this one is of a plain file",
        )
    payload_type, payload, signature = _parse_envelope(top.object("dsseEnvelope"))
    top.finish(null_allowed=("messageSignature",))
    return Bundle(
        raw=data,
        payload_type=payload_type,
        payload=payload,
        signature=signature,
        material=material,
        timestamps=timestamps,
        strict=strict,
        statement_digest=dsse.statement_digest(payload_type, payload),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def encode_bundle(
    payload: bytes,
    signature: bytes,
    material: Material,
    *,
    timestamps: Sequence[bytes] = (),
    payload_type: str = dsse.IN_TOTO,
) -> bytes:
    """Return compact bundle JSON in one fixed form; `parse_bundle(…, strict=True)` reads it back.

    An old key bundle's `raw` key is not written: a hint is what OMS v1.0 has.
    """
    verification: dict[str, Any]
    match material:
        case PublicKeyHint(hint=hint):
            verification = {"publicKey": {"hint": hint}, "tlogEntries": []}
        case CertificateChain(certificates=certificates):
            chain = [{"rawBytes": _base64(der)} for der in certificates]
            verification = {"x509CertificateChain": {"certificates": chain}, "tlogEntries": []}
        case SigstoreMaterial(certificate=certificate, entry=entry):
            verification = {
                "certificate": {"rawBytes": _base64(certificate)},
                "tlogEntries": [_encode_entry(entry)],
            }
    if timestamps:
        verification["timestampVerificationData"] = {
            "rfc3161Timestamps": [{"signedTimestamp": _base64(stamp)} for stamp in timestamps]
        }
    document = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": verification,
        "dsseEnvelope": {
            "payload": _base64(payload),
            "payloadType": payload_type,
            "signatures": [{"sig": _base64(signature), "keyid": ""}],
        },
    }
    return _compact(document)


def encode_key_bundle(payload: bytes, signature: bytes, hint: str) -> bytes:
    """Return a bundle signed with a bare key; `hint` is `weighbridge.keys.hint(public_key)`."""
    return encode_bundle(payload, signature, PublicKeyHint(hint))


def encode_certificate_bundle(payload: bytes, signature: bytes, certificates: Sequence[bytes]) -> bytes:
    """Return a bundle signed with a certificate's key; DER certificates, the signer's first."""
    return encode_bundle(payload, signature, CertificateChain(tuple(certificates)))


class _Members:
    """One JSON object being read: each member is taken once, what is left over is refused."""

    def __init__(self, value: Any, where: str, *, strict: bool) -> None:
        if not isinstance(value, dict):
            raise BundleError(f"{where} is {_kind_of(value)}, not an object", evidence={"at": where})
        self._left: dict[str, Any] = dict(value)
        self._where = where
        self.strict = strict

    def at(self, name: str) -> str:
        """Return the dotted path of a member, for messages."""
        return name if self._where == "bundle" else f"{self._where}.{name}"

    def has(self, name: str) -> bool:
        """Tell whether a member is there and not null."""
        return self._left.get(name) is not None

    def take(self, name: str) -> Any:
        """Take a member that must be there."""
        if not self.has(name):
            raise BundleError(f"the bundle has no {self.at(name)}", evidence={"at": self.at(name)})
        return self._left.pop(name)

    def object(self, name: str) -> _Members:
        """Take a member that is an object."""
        return _Members(self.take(name), self.at(name), strict=self.strict)

    def text(self, name: str) -> str:
        """Take a member that is a string."""
        value = self.take(name)
        if not isinstance(value, str):
            raise self.wrong(name, f"is {_kind_of(value)}, not a string")
        return value

    def binary(self, name: str, limit: int) -> bytes:
        """Take a member that is base64 of at least 1 and at most `limit` bytes."""
        data = _decode_base64(self.text(name), self.at(name), strict=self.strict)
        if not 0 < len(data) <= limit:
            raise self.wrong(name, f"holds {len(data)} bytes, not 1 to {limit}")
        return data

    def integer(self, name: str) -> int:
        """Take a member that is a protobuf int64: a decimal string (lenient: or a number)."""
        value = self.take(name)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool) and not self.strict:
            number = value
        else:
            raise self.wrong(name, "is not a decimal number in a string")
        if not 0 <= number < _INT64:
            raise self.wrong(name, "is out of range")
        return number

    def objects(self, name: str, limit: int, *, required: bool = True) -> list[_Members]:
        """Take a member that is an array of at most `limit` objects."""
        if not required and not self.has(name):
            return []
        value = self.take(name)
        if not isinstance(value, list):
            raise self.wrong(name, f"is {_kind_of(value)}, not an array")
        if len(value) > limit:
            raise self.wrong(name, f"has {len(value)} elements; at most {limit} are read")
        return [
            _Members(item, f"{self.at(name)}[{number}]", strict=self.strict)
            for number, item in enumerate(value)
        ]

    def drop_null(self, name: str) -> None:
        """Drop a member that is there as null, in both modes."""
        if name in self._left and self._left[name] is None:
            del self._left[name]

    def finish(self, *, null_allowed: Sequence[str] = ()) -> None:
        """Refuse members that nobody asked for; lenient: known ones may be there as null."""
        for name, value in self._left.items():
            if value is None and name in null_allowed and not self.strict:
                continue
            raise BundleError(
                f"the bundle has a member that bundles don't have here: {self.at(_shown(name))}",
                hint="nobody signed it; remove it or ask the signer for the original file",
                evidence={"at": self.at(_shown(name))},
            )

    def wrong(self, name: str, what: str) -> BundleError:
        """Return the error about a member."""
        return BundleError(f"{self.at(name)} {what}", evidence={"at": self.at(name)})


def _parse_material(members: _Members, *, strict: bool) -> tuple[Material, tuple[bytes, ...]]:
    present = [n for n in ("publicKey", "x509CertificateChain", "certificate") if members.has(n)]
    if len(present) != 1:
        found = " and ".join(present) or "none"
        raise members.wrong(
            "publicKey, x509CertificateChain, certificate", f"must be there once: found {found}"
        )
    entries = members.objects("tlogEntries", 1, required=False)
    timestamps = _parse_timestamps(members, strict=strict)
    material: Material
    if present[0] == "publicKey":
        material = _parse_hint(members.object("publicKey"))
    elif present[0] == "x509CertificateChain":
        material = _parse_chain(members.object("x509CertificateChain"))
    else:
        if not entries:
            raise members.wrong("tlogEntries", "is empty: a keyless signature needs its Rekor entry")
        certificate = members.object("certificate")
        der = certificate.binary("rawBytes", _MAX_CERTIFICATE_BYTES)
        certificate.finish()
        return _finish(members, SigstoreMaterial(der, _parse_entry(entries[0]))), timestamps
    if entries:
        raise members.wrong(
            "tlogEntries",
            f"must be empty beside {present[0]}: OMS has log entries for keyless signatures only",
        )
    return _finish(members, material), timestamps


def _finish(members: _Members, material: Material) -> Material:
    members.finish(
        null_allowed=(
            "publicKey",
            "x509CertificateChain",
            "certificate",
            "tlogEntries",
            "timestampVerificationData",
        )
    )
    return material


def _parse_hint(members: _Members) -> PublicKeyHint:
    hint: str | None = None
    raw: bytes | None = None
    if not members.strict and members.has("rawBytes"):
        raw = members.binary("rawBytes", _MAX_KEY_BYTES)
        if members.has("keyDetails"):
            members.text("keyDetails")
    if members.has("hint") or raw is None:
        hint = members.text("hint")
        if not _HINT.fullmatch(hint):
            raise members.wrong("hint", "is not the SHA-256 hex of a public key's PEM text")
    members.finish(null_allowed=("hint", "rawBytes", "keyDetails"))
    return PublicKeyHint(hint, raw)


def _parse_chain(members: _Members) -> CertificateChain:
    certificates = []
    for item in members.objects("certificates", _MAX_CERTIFICATES):
        certificates.append(item.binary("rawBytes", _MAX_CERTIFICATE_BYTES))
        item.finish()
    members.finish()
    if not certificates:
        raise members.wrong("certificates", "is empty")
    return CertificateChain(tuple(certificates))


def _parse_timestamps(members: _Members, *, strict: bool) -> tuple[bytes, ...]:
    if not members.has("timestampVerificationData"):
        return ()
    data = members.object("timestampVerificationData")
    stamps = []
    limit = _STRICT_TIMESTAMPS if strict else _MAX_TIMESTAMPS
    for item in data.objects("rfc3161Timestamps", limit, required=False):
        stamps.append(item.binary("signedTimestamp", _MAX_TIMESTAMP_BYTES))
        item.finish()
    data.finish(null_allowed=("rfc3161Timestamps",))
    return tuple(stamps)


def _parse_entry(members: _Members) -> LogEntry:
    log_id = members.object("logId")
    key_id = log_id.binary("keyId", 32)
    log_id.finish()
    version = members.object("kindVersion")
    kind = (version.text("kind"), version.text("version"))
    version.finish()
    if kind not in _ENTRY_KINDS:
        raise members.wrong(
            "kindVersion",
            f"is {_shown(kind[0])}/{_shown(kind[1])}: not a kind of log entry that is known here",
        )
    time = members.integer("integratedTime") if members.has("integratedTime") else 0
    promise = None
    if members.has("inclusionPromise"):
        inner = members.object("inclusionPromise")
        promise = inner.binary("signedEntryTimestamp", _MAX_SIGNATURE_BYTES)
        inner.finish()
    if members.strict and bool(time) != (promise is not None):
        raise members.wrong(
            "integratedTime", "and inclusionPromise are there one without the other: unsigned"
        )
    entry = LogEntry(
        log_index=members.integer("logIndex") if members.has("logIndex") else 0,
        log_id=key_id,
        kind=kind[0],
        version=kind[1],
        integrated_time=time or None,
        promise=promise,
        proof=_parse_proof(members.object("inclusionProof")),
        body=members.binary("canonicalizedBody", MAX_BUNDLE_BYTES),
    )
    members.finish(null_allowed=("integratedTime", "inclusionPromise", "logIndex"))
    return entry


def _parse_proof(members: _Members) -> InclusionProof:
    checkpoint = members.object("checkpoint")
    text = checkpoint.text("envelope")
    checkpoint.finish()
    if len(text.encode()) > _MAX_CHECKPOINT_BYTES:
        raise members.wrong("checkpoint.envelope", f"is over {_MAX_CHECKPOINT_BYTES} bytes")
    if members.strict:
        lines = text.split("\n")
        if len(lines) > _STRICT_CHECKPOINT_LINES or max(map(len, lines)) > _STRICT_CHECKPOINT_LINE_BYTES:
            raise members.wrong("checkpoint.envelope", "has too many or too long lines")
    raw_hashes = members.take("hashes") if members.has("hashes") else []
    if not isinstance(raw_hashes, list) or len(raw_hashes) > _MAX_PROOF_HASHES:
        raise members.wrong("hashes", f"is not an array of at most {_MAX_PROOF_HASHES} hashes")
    proof = InclusionProof(
        log_index=members.integer("logIndex") if members.has("logIndex") else 0,
        tree_size=members.integer("treeSize"),
        root_hash=members.binary("rootHash", 32),
        hashes=tuple(_proof_hash(members, item) for item in raw_hashes),
        checkpoint=text,
    )
    members.finish(null_allowed=("logIndex", "hashes"))
    return proof


def _proof_hash(members: _Members, value: Any) -> bytes:
    if not isinstance(value, str):
        raise members.wrong("hashes", f"holds {_kind_of(value)}, not a string")
    data = _decode_base64(value, members.at("hashes"), strict=members.strict)
    if len(data) != hashlib.sha256().digest_size:
        raise members.wrong("hashes", f"holds {len(data)} bytes where a hash has 32")
    return data


def _parse_envelope(members: _Members) -> tuple[str, bytes, bytes]:
    payload_type = members.text("payloadType")
    if payload_type != dsse.IN_TOTO:
        raise members.wrong("payloadType", f"is {_shown(payload_type)}, not {dsse.IN_TOTO}")
    payload = members.binary("payload", MAX_BUNDLE_BYTES)
    signatures = members.objects("signatures", _MAX_TIMESTAMPS)
    members.finish()
    if len(signatures) != 1:
        raise BundleError(
            f"the bundle has {len(signatures)} signatures; weighbridge takes exactly one, so that "
            "it is clear who says it",
            hint="sign once for each signer, each into a file of its own",
            evidence={"at": "dsseEnvelope.signatures", "signatures": len(signatures)},
        )
    signature = signatures[0]
    if signature.has("keyid") and signature.text("keyid") != "":
        raise signature.wrong("keyid", "is not empty: nobody signed it, so it must not say anything")
    sig = signature.binary("sig", _MAX_SIGNATURE_BYTES)
    signature.drop_null("keyid")
    signature.finish()
    return payload_type, payload, sig


def _check_media_type(value: str, *, strict: bool) -> None:
    if value == MEDIA_TYPE or (not strict and value in _MEDIA_TYPES):
        return
    what = (
        "an older or newer bundle version" if value.startswith(_MEDIA_TYPE_PREFIX) else "no Sigstore bundle"
    )
    raise BundleError(
        f"mediaType is {_shown(value)}: {what}",
        hint=f"sign again with a tool that writes {MEDIA_TYPE}",
        evidence={"at": "mediaType"},
    )


def _refuse_padding(data: bytes) -> None:
    """Refuse a bundle blown up with what says nothing: white space, and escapes of six bytes each."""
    spare = sum(data.count(character) for character in (b" ", b"\n", b"\r", b"\t")) + 5 * data.count(b"\\u")
    if spare > _STRICT_LAYOUT_BYTES:
        raise BundleError(
            f"the bundle has {spare} bytes of white space and escapes that say nothing; at most "
            f"{_STRICT_LAYOUT_BYTES} are taken",
            hint="write the JSON compactly",
        )


def _decode_base64(text: str, where: str, *, strict: bool) -> bytes:
    if not strict:
        text = text.replace("-", "+").replace("_", "/").rstrip("=")
        text += "=" * (-len(text) % 4)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BundleError(f"{where} is not base64", evidence={"at": where}) from error
    if strict and _base64(data) != text:
        raise BundleError(f"{where} is not canonical base64: spare bits are set", evidence={"at": where})
    return data


def _encode_entry(entry: LogEntry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": _base64(entry.log_id)},
        "kindVersion": {"kind": entry.kind, "version": entry.version},
    }
    if entry.integrated_time is not None:
        document["integratedTime"] = str(entry.integrated_time)
    if entry.promise is not None:
        document["inclusionPromise"] = {"signedEntryTimestamp": _base64(entry.promise)}
    document["inclusionProof"] = {
        "logIndex": str(entry.proof.log_index),
        "rootHash": _base64(entry.proof.root_hash),
        "treeSize": str(entry.proof.tree_size),
        "hashes": [_base64(value) for value in entry.proof.hashes],
        "checkpoint": {"envelope": entry.proof.checkpoint},
    }
    document["canonicalizedBody"] = _base64(entry.body)
    return document


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(text: str) -> str:
    """Return hostile text fit for an error message: short, printable."""
    safe = "".join(c if c.isprintable() else "?" for c in text[:80])
    return f"{safe}…" if len(text) > len(safe) else safe
