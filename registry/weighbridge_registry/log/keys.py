# SPDX-License-Identifier: Apache-2.0
"""The two keys of a registry: one signs checkpoints, one the operator's decisions.

Made at first start, mode 0600, in a folder of mode 0700; never printed, never in an error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from weighbridge import keys, tlog
from weighbridge.atomic import write_atomically
from weighbridge.errors import ConfigurationError, InputError, NoteError
from weighbridge_registry.store.files import DataFolder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["RegistryKeys", "open_keys"]


@dataclass(frozen=True, slots=True, repr=False)
class RegistryKeys:
    """The log key, whose name is the origin, and the operator key, which only the first start needs."""

    log: tlog.Signer
    operator: EllipticCurvePrivateKey | None
    """None if it is kept elsewhere."""


def open_keys(folder: DataFolder, origin: str | None) -> RegistryKeys:
    """Read the keys, or make them. `origin` names a new log; an old one must have that name.

    Without `origin` a new log gets one that holds 16 hex digits of its key's hash, so that no
    two logs share a name by accident. Raises `ConfigurationError` for keys that cannot be read,
    are missing beside an existing log, or belong to another origin.
    """
    path = folder.keys / "log.key"
    if not path.exists():
        if folder.log.published() is not None:
            raise ConfigurationError(
                f"the log key {path} is missing, but the log exists",
                hint="restore keys/ from your backup; without its key a log has ended",
            )
        write_atomically(path, f"{_new_signer(origin).private_key}\n".encode(), mode=0o600)
    try:
        signer = tlog.Signer.from_private_key(path.read_text())
    except (NoteError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the log key {path} cannot be read: {error}",
            hint="restore keys/ from your backup",
        ) from error
    if origin is not None and origin != signer.name:
        raise ConfigurationError(
            f"this log's origin is {signer.name}; it cannot become {origin}",
            hint="leave --origin out, or start a new registry with another --data",
            evidence={"origin": signer.name, "asked": origin},
        )
    return RegistryKeys(signer, _operator_key(folder))


def _operator_key(folder: DataFolder) -> EllipticCurvePrivateKey | None:
    """Read the operator key; made once, before the log's first entry names it. Then it may be taken away."""
    path = folder.keys / "operator.pem"
    if not path.exists():
        if folder.log.published() is not None:
            return None
        key = keys.generate_private_key()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(path, pem, mode=0o600)
    try:
        return keys.load_private_key(path)
    except InputError as error:
        raise ConfigurationError(error.message, hint="restore keys/ from your backup") from error


def _new_signer(origin: str | None) -> tlog.Signer:
    if origin is not None:
        try:
            return tlog.Signer.generate(origin)
        except NoteError as error:
            raise ConfigurationError(
                f"--origin {origin!r} cannot name a log",
                hint="use the address without scheme, such as log.example.org/models",
            ) from error
    seed = tlog.Signer.generate("weighbridge")
    digest = hashlib.sha256(seed.verifier.key).hexdigest()
    return tlog.Signer(f"weighbridge/log/{digest[:16]}", seed.seed)
