# SPDX-License-Identifier: Apache-2.0
"""Private keys in hardware: signing through a PKCS #11 module, so that the key never leaves its token.

The hash is computed here and only it goes to the token, with CKM_ECDSA, which every module has. Each
signature is verified before it is returned: a token that errs, or another key of the same name, is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from weighbridge import keys
from weighbridge.errors import InputError, SignerError

from .pkcs11_uris import KeyUri

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey

__all__ = ["HardwareKey"]

_INSTALL: Final = "install it with: pip install 'weighbridge[pkcs11]'"
_PIN_HINT: Final = "The PIN comes from pin-source or pin-value of the URI, --password-env, or a prompt."
_WORDS: Final = {
    "AlreadyInitialized": "it is in use with other settings",
    "DeviceRemoved": "it was taken out",
    "PinExpired": "the PIN has expired",
    "PinIncorrect": "the PIN is wrong",
    "PinInvalid": "the PIN has characters that it does not take",
    "PinLenRange": "the PIN is too short or too long",
    "PinLocked": "the PIN is locked after too many wrong ones",
    "TokenNotPresent": "it was taken out",
    "UserNotLoggedIn": "a PIN is needed",
}


class HardwareKey:
    """A private key on a token, used like one in memory (`weighbridge.keys.SigningKey`).

    It stays logged in until `close`, so that several statements need one log-in. A context manager, too.
    """

    def __init__(self, uri: KeyUri, pin: str | None) -> None:
        """Log in and find the key; raises `InputError` saying what is missing or wrong, never the PIN."""
        self._uri = uri
        _require_library()
        with _explained(uri):
            self._session: Any = _open(uri, pin)
            try:
                self._private = _only(self._session, uri.label, uri.id, private=True)
                self._public = _public_key(self._session, uri, self._private)
                self._pin = pin if _asks_each_time(self._private) else None
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out and end the session; a key that is closed signs nothing more."""
        import pkcs11

        session, self._session, self._pin = self._session, None, None
        if session is None:
            return
        try:
            session.close()
        except pkcs11.PKCS11Error:
            return  # the token is gone, and the session with it

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
        if self._session is None:
            raise InputError("this token's key was closed", hint="open it again with its PIN")
        digest = hashes.Hash(algorithm)
        digest.update(data)
        again = {} if self._pin is None else {"pin": self._pin}
        with _explained(self._uri):
            raw = bytes(self._private.sign(digest.finalize(), mechanism=pkcs11.Mechanism.ECDSA, **again))
        half = len(raw) // 2
        signature = encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
        if not keys.verify(self._public, signature, data, algorithm=algorithm):
            raise SignerError(
                "the token's signature does not hold under the public key beside it",
                hint="two keys of one name? give the key's id in the URI: id=%01",
            )
        return signature


def _require_library() -> None:
    try:
        import pkcs11  # noqa: F401
    except ImportError as error:
        raise InputError("Signing through PKCS #11 needs python-pkcs11.", hint=_INSTALL) from error


def _open(uri: KeyUri, pin: str | None) -> Any:
    import pkcs11

    present = list(pkcs11.lib(uri.module).get_tokens())
    tokens = [token for token in present if _is_named(token, uri)]
    if len(tokens) != 1:
        labels = ", ".join(sorted(repr(_unpadded(token.label)) for token in present))
        raise InputError(
            f"{len(tokens) or 'No'} token{'s' if len(tokens) != 1 else ''} of this name behind {uri.module}.",
            hint=f"There are: {labels or 'none'}. Name one in the URI: token=NAME, or serial=NUMBER.",
        )
    return tokens[0].open(user_pin=pin)


def _is_named(token: Any, uri: KeyUri) -> bool:
    """Tell whether a token has all that the URI says of it; a token pads its texts."""
    pairs = (
        (uri.token, _unpadded(token.label)),
        (uri.manufacturer, _unpadded(token.manufacturer_id)),
        (uri.model, _unpadded(token.model)),
        (uri.serial, token.serial.rstrip(b"\0 ")),
    )
    return all(wanted is None or wanted == has for wanted, has in pairs)


def _unpadded(text: str) -> str:
    return text.rstrip("\0 ")


def _only(session: Any, label: str | None, id_: bytes | None, *, private: bool) -> Any:
    """Find the one key of this label and id."""
    import pkcs11

    class_ = pkcs11.ObjectClass.PRIVATE_KEY if private else pkcs11.ObjectClass.PUBLIC_KEY
    wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: class_}
    if label is not None:
        wanted[pkcs11.Attribute.LABEL] = label
    if id_ is not None:
        wanted[pkcs11.Attribute.ID] = id_
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

    beside = _only(session, uri.label, private[pkcs11.Attribute.ID] or uri.id, private=False)
    try:
        return keys.require_supported(load_der_public_key(encode_ec_public_key(beside)))
    except ValueError as error:
        raise InputError("The token's public key cannot be read.") from error


def _asks_each_time(private: Any) -> bool:
    """Tell whether the token wants the PIN before each signature (CKA_ALWAYS_AUTHENTICATE)."""
    import pkcs11

    try:
        return bool(private[pkcs11.Attribute.ALWAYS_AUTHENTICATE])
    except pkcs11.PKCS11Error:
        return False  # a token without the attribute does not


@contextmanager
def _explained(uri: KeyUri) -> Iterator[None]:
    """Say in words what a module raised; its own words are often none, and never a secret of ours."""
    import pkcs11

    try:
        yield
    except pkcs11.PKCS11Error as error:
        kind = type(error).__name__
        # The base class itself is what a module that cannot be loaded gives.
        if type(error) is pkcs11.PKCS11Error:
            raise InputError(
                f"The PKCS #11 module {uri.module} cannot be used: {str(error)[:200] or kind}.",
                hint="Check module-path in the URI.",
            ) from error
        raise InputError(f"The token refuses: {_WORDS.get(kind, kind)}.", hint=_PIN_HINT) from None
