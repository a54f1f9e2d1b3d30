# SPDX-License-Identifier: Apache-2.0
"""Private keys in hardware: signing through a PKCS #11 module, so that the key never leaves its token.

The hash is computed here and only it goes to the token, with CKM_ECDSA, which every module has. Each
signature is verified before it is returned: a token that errs, or another key of the same name, is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from weighbridge import keys
from weighbridge.errors import InputError, SignerError

from .pkcs11_uris import KeyUri

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey

__all__ = ["HardwareKey"]

INSTALL = "install it with: pip install 'weighbridge[pkcs11]'"


class HardwareKey:
    """A private key on a token, used like one in memory (`weighbridge.keys.SigningKey`)."""

    def __init__(self, uri: KeyUri, pin: str | None) -> None:
        """Log in and find the key; raises `InputError` saying what is missing or wrong, never the PIN."""
        self._uri = uri
        with _explained(uri):
            session = _open(uri, pin)
            self._private = _only(session, uri, private=True)
            self._public = _public_key(session, uri, self._private)

    def public_key(self) -> PublicKey:
        """Return the public key that lies beside the private one on the token."""
        return self._public

    def sign(self, data: bytes, signature_algorithm: ECDSA) -> bytes:
        """Return the DER ECDSA signature of a message; raises `SignerError` if it is not the key's."""
        import pkcs11
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        algorithm = signature_algorithm.algorithm
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise InputError("a message must be hashed here before a token signs it")
        digest = hashes.Hash(algorithm)
        digest.update(data)
        with _explained(self._uri):
            raw = bytes(self._private.sign(digest.finalize(), mechanism=pkcs11.Mechanism.ECDSA))
        half = len(raw) // 2
        signature = encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
        if not keys.verify(self._public, signature, data, algorithm=algorithm):
            raise SignerError(
                "the token's signature does not hold under the public key beside it",
                hint="two keys of one name? give the key's id in the URI: id=%01",
            )
        return signature


def _open(uri: KeyUri, pin: str | None) -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise InputError("Signing through PKCS #11 needs python-pkcs11.", hint=INSTALL) from error

    library = pkcs11.lib(uri.module)
    tokens = [
        token
        for token in library.get_tokens()
        if (uri.token is None or token.label.rstrip("\0 ") == uri.token)
        and (uri.serial is None or token.serial.rstrip(b"\0 ") == uri.serial)
    ]
    if len(tokens) != 1:
        labels = ", ".join(sorted(repr(token.label.rstrip("\0 ")) for token in library.get_tokens()))
        raise InputError(
            f"{len(tokens) or 'No'} token{'s' if len(tokens) != 1 else ''} of this name behind {uri.module}.",
            hint=f"There are: {labels or 'none'}. Name one in the URI: token=NAME, or serial=NUMBER.",
        )
    return tokens[0].open(user_pin=pin)


def _only(session: Any, uri: KeyUri, *, private: bool) -> Any:
    """Find the one key that the URI names."""
    import pkcs11

    class_ = pkcs11.ObjectClass.PRIVATE_KEY if private else pkcs11.ObjectClass.PUBLIC_KEY
    wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: class_}
    if uri.label is not None:
        wanted[pkcs11.Attribute.LABEL] = uri.label
    if uri.id is not None:
        wanted[pkcs11.Attribute.ID] = uri.id
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        what = "private" if private else "public"
        raise InputError(
            f"The token has {len(found) or 'no'} {what} key that the URI names; it must be one.",
            hint="Is it the right token, and were you logged in (PIN)? Several: add id=%01 to the URI."
            if private
            else "A key's public half must lie beside it on the token, with the same label and id.",
        )
    if found[0].key_type != pkcs11.KeyType.EC:
        raise InputError(
            f"The token's key is of the kind {found[0].key_type.name}.",
            hint="OpenSSF Model Signing knows elliptic curve keys on P-256, P-384 and P-521.",
        )
    return found[0]


def _public_key(session: Any, uri: KeyUri, private: Any) -> PublicKey:
    import pkcs11
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from pkcs11.util.ec import encode_ec_public_key

    beside = KeyUri(uri.module, label=uri.label, id=private[pkcs11.Attribute.ID] or uri.id)
    der = encode_ec_public_key(_only(session, beside, private=False))
    try:
        return keys.require_supported(load_der_public_key(der))
    except ValueError as error:
        raise InputError("The token's public key cannot be read.") from error


@contextmanager
def _explained(uri: KeyUri) -> Iterator[None]:
    """Say in words what a module raised; its own words are often none, and never a secret of ours."""
    try:
        yield
    except (InputError, SignerError):
        raise
    except Exception as error:
        kind = type(error).__name__
        # The base class itself is what a module that cannot be loaded gives.
        if kind == "PKCS11Error" or not type(error).__module__.startswith("pkcs11"):
            raise InputError(
                f"The PKCS #11 module {uri.module} cannot be used: {kind}.",
                hint="Check module-path in the URI.",
            ) from error
        words = {
            "PinIncorrect": "the PIN is wrong",
            "PinLenRange": "the PIN is too short or too long",
            "PinLocked": "the PIN is locked after too many wrong ones",
            "UserNotLoggedIn": "a PIN is needed",
            "AlreadyInitialized": "it is in use with other settings",
        }
        raise InputError(
            f"The token refuses: {words.get(kind, kind)}.",
            hint="The PIN comes from pin-source or pin-value of the URI, --password-env, or a prompt.",
        ) from None
