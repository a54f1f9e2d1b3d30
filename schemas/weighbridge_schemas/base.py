# SPDX-License-Identifier: Apache-2.0
"""What all documents share: strict bases, digests, names, text, references.

Statements are written by strangers, so every string and list is bounded and every string is
checked by code point: no control characters, no bidirectional overrides, nothing invisible in a
name. Numbers and booleans are never coerced from text. A document that passes can be shown on a
page and compared byte for byte.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.fields import FieldInfo

from .names import PREDICATE_ROOT, Kind, fold_name, predicate_type

__all__ = [
    "FORMS",
    "MAX_FILES",
    "MAX_SAFE_INTEGER",
    "PREDICATE_ROOT",
    "CertificatePem",
    "Count",
    "Digest",
    "Document",
    "FilePath",
    "Flag",
    "Hex256",
    "HttpsUrl",
    "Kind",
    "Line",
    "Location",
    "ModelName",
    "Name",
    "NamespaceName",
    "Number",
    "Origin",
    "Origins",
    "Paragraph",
    "PublicKeyPem",
    "Reference",
    "Revision",
    "Slug",
    "Timestamp",
    "Version",
    "Vkey",
    "Withdrawal",
    "fold_name",
    "form",
    "pem_der",
    "predicate_type",
]

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259 section 6, RFC 8785)."""

MAX_FILES: Final = 100_000
"""Most files that one release may list."""


FORMS: Final[dict[str, str]] = {}
"""What each pattern of a named type asks for, in words, for errors."""


def form(pattern: str, words: str) -> StringConstraints:
    """Return the constraint that a text has this pattern, and remember what that is in words."""
    FORMS[pattern] = words
    return StringConstraints(pattern=pattern)


class Document(BaseModel):
    """Base of every document: unknown members are refused, instances are immutable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
        regex_engine="rust-regex",
    )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of this document without members that hold their default.

        Members that a kind requires have no default and are always there, also when null. Two
        equal documents give equal JSON.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


# Characters that never appear in any string: C0 and C1 controls (but LF and TAB in paragraphs),
# line and paragraph separators, bidirectional marks, embeddings, overrides and isolates,
# interlinear annotation, and non-characters. Names lose the invisible ones, too.
_CONTROLS = r"\u0000-\u001F\u007F-\u009F\u2028\u2029"
_CONTROLS_BUT_LF_TAB = r"\u0000-\u0008\u000B-\u001F\u007F-\u009F\u2028\u2029"
_BIDI = r"\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFFF9-\uFFFC\uFFFE\uFFFF"
_INVISIBLE = (
    r"\u00AD\u034F\u115F\u1160\u17B4\u17B5\u180E\u200B-\u200D\u2060-\u2065\u206A-\u206F\u3164\uFEFF\uFFA0"
)
_ADDRESS = r"[\u0021\u0023-\u003B\u003D\u003F-\u005B\u005D\u005F\u0061-\u007A\u007E]"
_TAGS = range(0xE0000, 0xE0100)
_PLANE_END = 0xFFFE


def _without(forbidden: str) -> tuple[AfterValidator, FieldInfo]:
    """Refuse text with a character of the class, naming it; the JSON Schema gets the pattern.

    Also refused, though no pattern says so: the invisible tag characters of plane 14, and the
    non-characters that end each plane.
    """
    search = re.compile(f"[{forbidden}]").search

    def check(text: str) -> str:
        found = search(text)
        where = found.start() if found else _first_tag(text)
        if where is not None:
            raise ValueError(
                f"holds U+{ord(text[where]):04X} at character {where}: control, bidirectional and"
                " invisible characters are refused"
            )
        return text

    return AfterValidator(check), Field(json_schema_extra={"pattern": f"^[^{forbidden}]*$"})


def _first_tag(text: str) -> int | None:
    if text.isascii() or max(text) < chr(_PLANE_END):
        return None
    odd = (i for i, c in enumerate(text) if ord(c) in _TAGS or ord(c) & _PLANE_END == _PLANE_END)
    return next(odd, None)


def _trimmed(text: str) -> str:
    """Refuse space at either end, which nobody sees."""
    if text != text.strip():
        raise ValueError("begins or ends with a space")
    return text


def _timestamp(text: str) -> str:
    """Refuse days and times that do not exist."""
    datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    return text


def _path(text: str) -> str:
    """Refuse paths that could leave the model's folder, on any system."""
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError("must be relative, without empty, '.' or '..' parts")
    if re.match(r"[A-Za-z]:", text):
        raise ValueError("must not begin with a drive letter")
    return text


def pem_der(text: str) -> bytes:
    """Return the bytes inside one PEM block; ValueError if there are none."""
    return base64.b64decode("".join(text.strip().split("\n")[1:-1]), validate=True)


def _pem(text: str, label: str) -> str:
    """Refuse any other text for the same bytes."""
    try:
        body = base64.b64encode(pem_der(text)).decode()
    except ValueError as error:
        raise ValueError(f"is no PEM block of type {label}") from error
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    if not body or text != f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n":
        raise ValueError(f"is not one {label} block in PEM with lines of 64 characters and LF line ends")
    return text


Hex256 = Annotated[str, form(r"^[0-9a-f]{64}$", "is not 64 lowercase hex digits")]
"""A SHA-256 or BLAKE3 digest as bare lowercase hex, in members named after their algorithm."""

Digest = Annotated[str, form(r"^sha256:[0-9a-f]{64}$", "is not sha256: and 64 lowercase hex digits")]
"""A SHA-256 digest as `sha256:<hex>`, in every other digest member."""

NamespaceName = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$",
        "is not 1 to 96 letters, digits and . _ - that begin with a letter or digit",
    ),
    Field(examples=["acme-labs"]),
]
"""A namespace, unique ignoring case and `-_.` (`fold_name`)."""

ModelName = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$",
        "is not 1 to 96 letters, digits and . _ - that begin with a letter or digit",
    ),
    Field(examples=["tiny-v1.5"]),
]
"""A model's name within its namespace, unique ignoring case and `-_.`."""


def _version(text: str) -> str:
    """Refuse versions that an address could not tell from a page's JSON twin."""
    if text.lower().endswith(".json"):
        raise ValueError("must not end in .json")
    return text


Version = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,95}$",
        "is not 1 to 96 letters, digits and . _ + - that begin with a letter or digit",
    ),
    AfterValidator(_version),
]
"""A release's version; compared byte for byte, never ending in `.json`."""

Timestamp = Annotated[
    str,
    form(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", "is not a time like 2026-01-31T12:00:00Z"
    ),
    AfterValidator(_timestamp),
]
"""A moment in UTC, RFC 3339 with `Z` and whole seconds."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=1024), *_without(_CONTROLS + _BIDI)]
"""One line of text for people, 1 to 1024 characters."""

Paragraph = Annotated[
    str, StringConstraints(min_length=1, max_length=65_536), *_without(_CONTROLS_BUT_LF_TAB + _BIDI)
]
"""Text of several lines, 1 to 65,536 characters; LF and TAB are the only controls."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256),
    *_without(_CONTROLS + _BIDI + _INVISIBLE),
    AfterValidator(_trimmed),
]
"""The name of a thing elsewhere: nothing invisible, no space at either end, 1 to 256 characters."""

Slug = Annotated[str, form(r"^[a-z0-9][a-z0-9_.+-]{0,63}$", "is not a short lowercase word")]
"""A short machine-readable word."""

FilePath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    *_without(_CONTROLS + _BIDI + _INVISIBLE + r"\u005C"),
    AfterValidator(_path),
]
"""A file's path inside a model: POSIX, relative, no `..`, no backslash, nothing invisible."""

HttpsUrl = Annotated[
    str,
    StringConstraints(max_length=2048),
    form(rf"^https://{_ADDRESS}+$", "is not an https address in plain ASCII"),
]
"""An address that a page may link: https only."""

Location = Annotated[
    str,
    StringConstraints(max_length=2048),
    form(
        rf"^(?:pkg:|https://|oci://|magnet:\?){_ADDRESS}+$",
        "is neither a package URL nor an https, oci or magnet address in plain ASCII",
    ),
]
"""Where a thing can be had: a package URL (`pkg:huggingface/org/name@commit`), https, oci, magnet."""

Revision = Annotated[str, form(r"^[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}$", "is not a commit, tag or date")]
"""A commit, tag or date that fixes a state of something elsewhere."""

PublicKeyPem = Annotated[
    str, StringConstraints(max_length=4096), AfterValidator(lambda text: _pem(text, "PUBLIC KEY"))
]
"""A SubjectPublicKeyInfo in PEM, exactly as RFC 7468 writes it: 64 columns, LF, LF at the end.

The hint in a key-signed bundle is the SHA-256 of this text, so one key must have one text.
"""

CertificatePem = Annotated[
    str, StringConstraints(max_length=16_384), AfterValidator(lambda text: _pem(text, "CERTIFICATE"))
]
"""One X.509 certificate in PEM, exactly as RFC 7468 writes it."""

Origin = Annotated[
    str,
    StringConstraints(max_length=256),
    form(r"^[\u0021-\u002A\u002C-\u007E]+$", "is not a log origin: visible ASCII without +"),
]
"""A log's checkpoint origin: one line of visible ASCII without `+` (C2SP tlog-checkpoint)."""

Vkey = Annotated[
    str,
    StringConstraints(max_length=512),
    form(
        r"^[\u0021-\u002A\u002C-\u007E]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$",
        "is not a verifier key: name+hex id+base64",
    ),
]
"""A note verifier key `name+hex id+base64` (C2SP signed-note)."""

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_SAFE_INTEGER)]
"""A whole number that JSON keeps exactly; never taken from text or a boolean."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
"""A number within ±(2^53 - 1), beyond which JSON readers disagree; never from text or a boolean."""

Flag = Annotated[bool, Field(strict=True)]
"""True or false; never taken from text or a number."""


Origins = Annotated[tuple[Origin, ...], Field(min_length=1, max_length=16)]
"""Origins of the logs that a signer means a statement for."""


class Withdrawal(Document):
    """That what was said before no longer stands, and why."""

    reason: Line
    """Why, in one line."""
    details: Paragraph | None = None
    """More about it."""
    since: Timestamp | None = None
    """When it ceased to stand, as the signer says; not after the entry was taken."""


class Reference(Document):
    """A pointer from one statement to another: its kind and statement digest, never bundle bytes."""

    kind: Kind
    """Kind of the statement that is meant."""
    sha256: Hex256
    """Statement digest: SHA-256 of the DSSE PAE bytes."""
