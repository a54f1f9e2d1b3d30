# SPDX-License-Identifier: Apache-2.0
"""What all documents share: strict bases, digests, names, text, references.

Statements are written by strangers, so every string and list is bounded and every string is
checked by code point: no control characters, no bidirectional overrides, nothing invisible in a
name. Numbers and booleans are never coerced from text. A document that passes can be shown on a
page and compared byte for byte.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from .names import PREDICATE_ROOT, Kind, predicate_type

__all__ = [
    "MAX_FILES",
    "MAX_SAFE_INTEGER",
    "PREDICATE_ROOT",
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
    "Paragraph",
    "Pem",
    "Reference",
    "Revision",
    "Slug",
    "Timestamp",
    "Version",
    "Vkey",
    "fold_name",
    "predicate_type",
]

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259 section 6, RFC 8785)."""

MAX_FILES: Final = 100_000
"""Most files that one release may list."""


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
# interlinear annotation, and non-characters of the BMP. Names lose the invisible ones, too.
_BIDI = r"\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069"
_SEPARATORS = r"\u2028\u2029"
_ODD = r"\uFFF9-\uFFFC\uFFFE\uFFFF"
_INVISIBLE = (
    r"\u00AD\u034F\u115F\u1160\u17B4\u17B5\u180E\u200B-\u200D\u2060-\u2065\u206A-\u206F\u3164\uFEFF\uFFA0"
)
_LINE = rf"[^\u0000-\u001F\u007F-\u009F{_SEPARATORS}{_BIDI}{_ODD}]"
_TEXT = rf"[^\u0000-\u0008\u000B-\u001F\u007F-\u009F{_SEPARATORS}{_BIDI}{_ODD}]"
_NAME = rf"[^\u0000-\u001F\u007F-\u009F{_SEPARATORS}{_BIDI}{_ODD}{_INVISIBLE}]"
_NAME_CHAR_FIRST = rf"[^\u0000-\u0020\u007F-\u00A0{_SEPARATORS}{_BIDI}{_ODD}{_INVISIBLE}]"
_ADDRESS = r"[\u0021\u0023-\u003B\u003D\u003F-\u005B\u005D\u005F\u0061-\u007A\u007E]"

_TAGS = range(0xE0000, 0xE0100)
_PLANE_END = 0xFFFE


def _no_tags(text: str) -> str:
    """Refuse the invisible tag characters of plane 14, and non-characters of any plane."""
    if any(ord(c) in _TAGS or ord(c) & _PLANE_END == _PLANE_END for c in text):
        raise ValueError("holds invisible tag characters or non-characters")
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


Hex256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 or BLAKE3 digest as bare lowercase hex, in members named after their algorithm."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A SHA-256 digest as `sha256:<hex>`, in every other digest member."""

NamespaceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
"""A namespace, unique ignoring case and `-_.` (`fold_name`)."""

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
"""A model's name within its namespace, unique ignoring case and `-_.`."""


def _version(text: str) -> str:
    """Refuse versions that an address could not tell from a page's JSON twin."""
    if text.lower().endswith(".json"):
        raise ValueError("must not end in .json")
    return text


Version = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,95}$"),
    AfterValidator(_version),
]
"""A release's version; compared byte for byte, never ending in `.json`."""

Timestamp = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"),
    AfterValidator(_timestamp),
]
"""A moment in UTC, RFC 3339 with `Z` and whole seconds."""

Line = Annotated[
    str, StringConstraints(min_length=1, max_length=1024, pattern=rf"^{_LINE}+$"), AfterValidator(_no_tags)
]
"""One line of text for people, 1 to 1024 characters."""

Paragraph = Annotated[
    str, StringConstraints(min_length=1, max_length=65_536, pattern=rf"^{_TEXT}+$"), AfterValidator(_no_tags)
]
"""Text of several lines, 1 to 65,536 characters; LF and TAB are the only controls."""

Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=256, pattern=rf"^{_NAME_CHAR_FIRST}(?:{_NAME}*{_NAME_CHAR_FIRST})?$"
    ),
    AfterValidator(_no_tags),
]
"""The name of a thing elsewhere: nothing invisible, no space at either end, 1 to 256 characters."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.+-]{0,63}$")]
"""A short machine-readable word."""

FilePath = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=1024,
        pattern=rf"^[^\u0000-\u001F\u005C\u007F-\u009F{_SEPARATORS}{_BIDI}{_ODD}{_INVISIBLE}]+$",
    ),
    AfterValidator(_no_tags),
    AfterValidator(_path),
]
"""A file's path inside a model: POSIX, relative, no `..`, no backslash, nothing invisible."""

HttpsUrl = Annotated[str, StringConstraints(max_length=2048, pattern=rf"^https://{_ADDRESS}+$")]
"""An address that a page may link: https only."""

Location = Annotated[
    str,
    StringConstraints(max_length=2048, pattern=rf"^(?:pkg:|https://|oci://|magnet:\?){_ADDRESS}+$"),
]
"""Where a thing can be had: a package URL (`pkg:huggingface/org/name@commit`), https, oci, magnet."""

Revision = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}$")]
"""A commit, tag or date that fixes a state of something elsewhere."""

Pem = Annotated[
    str,
    StringConstraints(
        max_length=16_384,
        pattern=r"^-----BEGIN [A-Z0-9 ]+-----\n[A-Za-z0-9+/=\n]+-----END [A-Z0-9 ]+-----\n?$",
    ),
]
"""One PEM block with LF line ends; what it must hold is said where it is used."""

Origin = Annotated[str, StringConstraints(max_length=256, pattern=r"^[\u0021-\u002A\u002C-\u007E]+$")]
"""A log's checkpoint origin: one line of visible ASCII without `+` (C2SP tlog-checkpoint)."""

Vkey = Annotated[
    str,
    StringConstraints(
        max_length=512, pattern=r"^[\u0021-\u002A\u002C-\u007E]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$"
    ),
]
"""A note verifier key `name+hex id+base64` (C2SP signed-note)."""

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_SAFE_INTEGER)]
"""A whole number that JSON keeps exactly; never taken from text or a boolean."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
"""A number within ±(2^53 - 1), beyond which JSON readers disagree; never from text or a boolean."""

Flag = Annotated[bool, Field(strict=True)]
"""True or false; never taken from text or a number."""


class Reference(Document):
    """A pointer from one statement to another: its kind and statement digest, never bundle bytes."""

    kind: Kind
    """Kind of the statement that is meant."""
    sha256: Hex256
    """Statement digest: SHA-256 of the DSSE PAE bytes."""


def fold_name(name: str) -> str:
    """Return the key under which a namespace or model name is unique: without case and `-_.`."""
    return re.sub(r"[-_.]", "", name).lower()
