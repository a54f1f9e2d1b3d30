# SPDX-License-Identifier: Apache-2.0
"""Signed notes: a text and the signature lines of one or more keys (C2SP signed-note).

    text, any number of lines, ending in a newline
    <blank line>
    — <key name> <base64 of 4 bytes of key id and the signature>

The *last* blank line separates. A verifier knows keys by name and key id together: lines of
unknown keys are ignored, even if one of the two matches; a line of a known key must verify, or
the whole note is refused; and one known key at least must have signed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from weighbridge.errors import NoteError
from weighbridge.tlog.encodings import decode_base64, encode_base64
from weighbridge.tlog.signatures import Algorithm, check_signature, key_id, sign_message

__all__ = [
    "MAX_NOTE_SIZE",
    "MAX_SIGNATURES",
    "Note",
    "NoteSignature",
    "Signer",
    "VerifiedSignature",
    "Verifier",
    "format_note",
    "open_note",
    "sign_note",
    "split_note",
    "verify_signatures",
]

MAX_NOTE_SIZE = 1 << 20
"""Bytes: room for 100 post-quantum signatures and a text."""
MAX_SIGNATURES = 100
_KEY_ID_SIZE = 4
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HEX_KEY_ID = re.compile(r"[0-9a-f]{8}")
_PRIVATE_PREFIX = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with the name that it signs under: what somebody decided to trust."""

    name: str
    key: bytes
    algorithm: Algorithm = Algorithm.ED25519
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.key) != self.algorithm.key_size:
            raise NoteError(
                f"the key of {self.name} has {len(self.key)} bytes, not {self.algorithm.key_size}"
            )
        object.__setattr__(self, "key_id", key_id(self.name, self.algorithm, self.key))

    @classmethod
    def from_vkey(cls, vkey: str) -> Verifier:
        """Read `<name>+<8 hex digits of key id>+<base64 of type and key>`, as C2SP writes keys.

        Raises `NoteError` for a malformed key, an unknown type, or a key id that does not
        belong to name and key.
        """
        name, shown_id, algorithm, key = _parse_key(vkey.strip(), "a verifier key")
        verifier = cls(name, key, algorithm)
        if verifier.key_id != shown_id:
            raise NoteError(
                f"the key id of {name} should be {verifier.key_id.hex()}, not {shown_id.hex()}",
                hint="the key was mistyped or changed; copy it again from a source that you trust",
            )
        return verifier

    @property
    def vkey(self) -> str:
        """The key as text, to be pinned and passed on."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes((self.algorithm,)) + self.key)}"

    def check(self, text: str, signature: bytes) -> int | None:
        """Verify a signature over a note's text; the time for cosignatures. Raises `NoteError`."""
        return check_signature(self.name, self.algorithm, self.key, text, signature)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line; nothing about it is verified."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Spell the line, newline included."""
        return f"— {self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature line that holds, and by whose key. `time` is in POSIX seconds, for cosignatures."""

    verifier: Verifier
    signature: NoteSignature
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note: `text` (to be believed as far as `verified` goes), and the lines left over."""

    text: str
    verified: tuple[VerifiedSignature, ...]
    unverified: tuple[NoteSignature, ...] = ()

    @property
    def signatures(self) -> tuple[NoteSignature, ...]:
        """All lines, verified ones first."""
        return (*(one.signature for one in self.verified), *self.unverified)


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A private key with the name that it signs under. Its `repr` does not show the key."""

    name: str
    seed: bytes
    algorithm: Algorithm = Algorithm.ED25519

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.algorithm not in (Algorithm.ED25519, Algorithm.ED25519_COSIGNATURE):
            raise NoteError("only Ed25519 keys sign here")
        if len(self.seed) != 32:  # noqa: PLR2004 - RFC 8032 section 5.1.5
            raise NoteError("an Ed25519 private key has 32 bytes")

    def __repr__(self) -> str:
        return f"Signer({self.verifier.vkey!r})"

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm = Algorithm.ED25519) -> Signer:
        """Make a new key from the system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), algorithm)

    @classmethod
    def from_private_key(cls, text: str) -> Signer:
        """Read `PRIVATE+KEY+<name>+<key id>+<base64>`, the text form of Go's note package."""
        body = text.strip()
        if not body.startswith(_PRIVATE_PREFIX):
            raise NoteError("not a private note key: it starts with PRIVATE+KEY+")
        name, shown_id, algorithm, seed = _parse_key(body.removeprefix(_PRIVATE_PREFIX), "a private key")
        signer = cls(name, seed, algorithm)
        if signer.verifier.key_id != shown_id:
            raise NoteError(f"the private key of {name} does not belong to its key id")
        return signer

    @property
    def private_key(self) -> str:
        """The private key as text: keep it in a file of mode 0600."""
        material = encode_base64(bytes((self.algorithm,)) + self.seed)
        return f"{_PRIVATE_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{material}"

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return Verifier(self.name, key, self.algorithm)

    def sign(self, text: str, time: int = 0) -> NoteSignature:
        """Sign a note's text. `time` (POSIX seconds) is part of a cosignature and unused otherwise."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        sign: Callable[[bytes], bytes] = Ed25519PrivateKey.from_private_bytes(self.seed).sign
        signature = sign_message(self.name, self.algorithm, sign, text, time)
        return NoteSignature(self.name, self.verifier.key_id, signature)


def format_note(text: str, signatures: Iterable[NoteSignature]) -> bytes:
    """Spell a note from its text and signature lines; raises `NoteError` if it would not be one."""
    lines = "".join(signature.line() for signature in signatures)
    data = f"{text}\n{lines}".encode()
    if split_note(data)[0] != text:
        raise NoteError("a note's text must end in a newline")
    return data


def sign_note(text: str, signers: Sequence[Signer], *, time: int = 0) -> bytes:
    """Sign a text with each signer. `time` (POSIX seconds) is for cosignatures."""
    if not text.endswith("\n") or _SURROGATE.search(text):
        raise NoteError("a note's text must be Unicode and end in a newline")
    return format_note(text, [signer.sign(text, time) for signer in signers])


def split_note(data: bytes) -> tuple[str, tuple[NoteSignature, ...]]:
    """Take a note apart strictly, verifying nothing.

    Raises `NoteError` for bytes that are not UTF-8, control characters other than newlines, no
    blank line, no or more than 100 signature lines, or a malformed line.
    """
    if len(data) > MAX_NOTE_SIZE:
        raise NoteError(f"a note of more than {MAX_NOTE_SIZE} bytes")
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("a note is not UTF-8") from error
    if _CONTROL.search(content):
        raise NoteError("a note holds a control character")
    separator = content.rfind("\n\n")
    if separator < 0:
        raise NoteError("a note has no blank line before its signatures")
    text, rest = content[: separator + 1], content[separator + 2 :]
    if not rest.endswith("\n"):
        raise NoteError("a note has no signatures, or its last line is cut off")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has more than {MAX_SIGNATURES} signatures")
    return text, tuple(map(_parse_line, lines))


def open_note(data: bytes, verifiers: Iterable[Verifier | str]) -> Note:
    """Open a note with the keys that you trust (`Verifier`s, or vkeys as text).

    Raises `NoteError` if it is malformed, if a signature of a known key does not hold, or if no
    known key has signed it.
    """
    text, signatures = split_note(data)
    known = [Verifier.from_vkey(one) if isinstance(one, str) else one for one in verifiers]
    verified, unverified = verify_signatures(text, signatures, known)
    if not verified:
        raise NoteError(
            "no trusted key has signed this note",
            hint="it belongs to another log, or you trust another key; compare the key names and ids",
            evidence={
                "signed_by": [f"{one.name}+{one.key_id.hex()}" for one in signatures],
                "trusted": [f"{one.name}+{one.key_id.hex()}" for one in known],
            },
        )
    return Note(text, verified, unverified)


def verify_signatures(
    text: str, signatures: Iterable[NoteSignature], verifiers: Iterable[Verifier]
) -> tuple[tuple[VerifiedSignature, ...], tuple[NoteSignature, ...]]:
    """Check the lines of known keys and hand back (verified, unknown); raise if a known one fails.

    Every line of a known key is checked; of several by one key the newest is kept.
    """
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        other = known.setdefault((verifier.name, verifier.key_id), verifier)
        if other != verifier:
            raise NoteError(
                f"two trusted keys share the name and key id {verifier.name}+{verifier.key_id.hex()}"
            )
    verified: dict[tuple[str, bytes], VerifiedSignature] = {}
    unknown: list[NoteSignature] = []
    for signature in dict.fromkeys(signatures):  # a line that is there a hundred times is checked once
        identity = signature.name, signature.key_id
        match = known.get(identity)
        if match is None:
            unknown.append(signature)
            continue
        one = VerifiedSignature(match, signature, match.check(text, signature.signature))
        kept = verified.get(identity)
        if kept is None or (one.time or 0) > (kept.time or 0):
            verified[identity] = one
    return tuple(verified.values()), tuple(unknown)


def _parse_line(line: str) -> NoteSignature:
    """Read `— <name> <base64>`; its spaces are exactly two."""
    fields = line.split(" ")
    if len(fields) != 3 or fields[0] != "—":  # noqa: PLR2004 - dash, name, base64
        raise NoteError("a note has a malformed signature line", evidence={"line": line[:200]})
    try:
        data = decode_base64(fields[2])
    except ValueError as error:
        raise NoteError(f"a signature in a note is {error}", evidence={"line": line[:200]}) from error
    if len(data) <= _KEY_ID_SIZE:
        raise NoteError("a signature in a note is too short", evidence={"line": line[:200]})
    _check_name(fields[1])
    return NoteSignature(fields[1], data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])


def _parse_key(text: str, what: str) -> tuple[str, bytes, Algorithm, bytes]:
    """Read `<name>+<key id>+<base64 of type and material>` of a public or private key."""
    name, _, rest = text.partition("+")
    shown_id, _, material = rest.partition("+")
    try:
        given_id, (kind, *key) = _key_id(shown_id), decode_base64(material)
        algorithm = Algorithm(kind)
    except ValueError as error:
        raise NoteError(
            f"not {what}: {error}",
            hint="it has the form <name>+<8 hex digits>+<base64>, and starts an Ed25519 key with type 1 or 4",
            evidence={} if "PRIVATE" in text or what != "a verifier key" else {"key": text[:80]},
        ) from error
    _check_name(name)
    return name, given_id, algorithm, bytes(key)


def _key_id(text: str) -> bytes:
    """Read eight lowercase hex digits, in no other spelling."""
    if not _HEX_KEY_ID.fullmatch(text):
        raise ValueError("its key id is not eight lowercase hex digits")
    return bytes.fromhex(text)


def _check_name(name: str) -> None:
    """Refuse names that a signature line cannot hold: empty, with Unicode spaces, `+` or controls."""
    if not name or "+" in name or _SURROGATE.search(name) or any(c.isspace() or c < " " for c in name):
        raise NoteError(f"not a key name: {name[:80]!r}")
