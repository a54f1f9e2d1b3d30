# SPDX-License-Identifier: Apache-2.0
"""PKCS #11 URIs (RFC 7512): which key of which token, behind which module. Text in, values out; no I/O.

    pkcs11:token=acme;object=release?module-path=/usr/lib/softhsm/libsofthsm2.so

An attribute that is not understood is refused rather than passed over: it might have named another key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from weighbridge.errors import InputError

__all__ = ["KeyUri"]

_PATH: Final = frozenset({"token", "manufacturer", "model", "serial", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source", "pin-value"})
_FORM: Final = "pkcs11:token=NAME;object=KEY?module-path=/path/to/module.so"
_MAX_CHARACTERS: Final = 4096
_VALUE = re.compile(r"(?:[A-Za-z0-9_.~:\[\]@!$'()*+,=&/?|-]|%[0-9A-Fa-f]{2})*")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class KeyUri:
    """What a URI names. `module` is an absolute path, `pin_source` the path of a file; `pin` is never shown.

    `token`, `manufacturer`, `model` and `serial` say which token, `label` (object) and `id` which key of it;
    None where the URI does not say.
    """

    module: str
    token: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: bytes | None = None
    label: str | None = None
    id: bytes | None = None
    pin_source: str | None = None
    pin: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> KeyUri:
        """Read a URI; raises `InputError` (exit 2), which never repeats the PIN."""
        scheme, _, rest = text.partition(":")
        if scheme.lower() != "pkcs11" or len(text) > _MAX_CHARACTERS:
            raise InputError("This is not a PKCS #11 URI.", hint=f"It reads {_FORM}")
        path_text, _, query_text = rest.partition("?")
        path = _attributes(path_text, ";", _PATH)
        query = _attributes(query_text, "&", _QUERY)
        if path.get("type", b"private") != b"private":
            raise InputError("The PKCS #11 URI is of something else than a private key (type).")
        if "object" not in path and "id" not in path:
            raise InputError("The PKCS #11 URI names no key.", hint="Add object=NAME or id=%01 to it.")
        if "pin-source" in query and "pin-value" in query:
            raise InputError("The PKCS #11 URI gives the PIN twice (RFC 7512 section 2.4).")
        return cls(
            module=_module(query),
            token=_text(path, "token"),
            manufacturer=_text(path, "manufacturer"),
            model=_text(path, "model"),
            serial=path.get("serial"),
            label=_text(path, "object"),
            id=path.get("id"),
            pin_source=_pin_file(_text(query, "pin-source")),
            pin=_text(query, "pin-value"),
        )


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            raise InputError(
                f"The PKCS #11 URI has an attribute that is not known here: {name[:40]!a}.",
                hint=f"Known are {', '.join(sorted(known))}.",
            )
        if name in found:
            raise InputError(f"The PKCS #11 URI has {name} twice.")
        if not _VALUE.fullmatch(value):
            raise InputError(f"The PKCS #11 URI's {name} is not percent-encoded.")
        if not value:
            raise InputError(f"The PKCS #11 URI's {name} is empty, so it names nothing.")
        found[name] = unquote_to_bytes(value)
    return found


def _text(found: dict[str, bytes], name: str) -> str | None:
    value = found.get(name)
    if value is None:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"The PKCS #11 URI's {name} is not UTF-8.") from error
    if not text.isprintable():
        raise InputError(f"The PKCS #11 URI's {name} has control characters.")
    return text


def _module(query: dict[str, bytes]) -> str:
    """Return the module's path: absolute, because another one would be searched for, and its code is run."""
    path = _text(query, "module-path")
    if path is None:
        raise InputError(
            "The PKCS #11 URI does not say which module leads to the token.",
            hint="Add ?module-path=/path/to/module.so to it.",
        )
    if not _ABSOLUTE.match(path):
        raise InputError(
            "The PKCS #11 URI's module-path is not absolute.",
            hint="Give the whole path: which library is loaded must not depend on where you are.",
        )
    return path


def _pin_file(source: str | None) -> str | None:
    """Return the path in a pin-source: a plain one, or a file: URI of this machine (RFC 7512 section 2.4)."""
    if source is None:
        return None
    if source.startswith("|"):
        raise InputError(
            "The PKCS #11 URI's pin-source is a command; none is run for a PIN.",
            hint="Run it yourself, and give what it prints with --password-env.",
        )
    scheme, colon, path = source.partition(":")
    if not colon or len(scheme) == 1 or "/" in scheme:  # a drive is no scheme
        return source
    if scheme.lower() != "file":
        raise InputError("The PKCS #11 URI's pin-source is not a file.", hint="It reads file:/path/to/pin")
    if path.startswith("//"):
        host, slash, inner = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise InputError("The PKCS #11 URI's pin-source is on another machine.")
        path = slash + inner
    if not path:
        raise InputError("The PKCS #11 URI's pin-source names no file.")
    return path
