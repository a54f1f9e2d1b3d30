# SPDX-License-Identifier: Apache-2.0
"""Who signs: from the options of `sign` and `publish` to one signer.

A key goes before an account, what is written on the command line before what is configured, and
nobody is ever logged in, or made public, without having asked for it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge.config import config_folder, read_settings
from weighbridge.errors import InputError
from weighbridge_cli.options import read_small_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from weighbridge.keys import SigningKey
    from weighbridge.pkcs11_uris import KeyUri
    from weighbridge.signing import StatementSigner

__all__ = ["SigningOptions", "choose_signer", "default_key"]

_LONGEST_PIN = 255
_CONSENT_FILE = "keyless-consent"
_QUESTION = (
    "Signing keyless puts your account's name (usually an e-mail address) into Sigstore's public logs.\n"
    "Your e-mail address will be public for ever. Continue?"
)
_NO_SIGNER = "nobody to sign: there is no key and no online identity"
_WAYS_OUT = (
    "make a key: weighbridge key new   (then run this again)\n"
    "or log in with an online account: add --keyless   (opens your browser; your e-mail becomes public)"
)


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """The signing options of a command, as given."""

    key: Path | None = None
    password_env: str | None = None
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()
    pkcs11_uri: str | None = None
    keyless: bool = False
    identity_token: str | None = None
    trust_config: Path | None = None
    staging: bool = False
    yes: bool = False

    @classmethod
    def take(cls, options: dict[str, Any]) -> SigningOptions:
        """Take the signing options out of a command's options."""
        return cls(**{field.name: options.pop(field.name) for field in fields(cls)})

    @property
    def wants_keyless(self) -> bool:
        """Whether anything given only makes sense without a key."""
        return (
            self.keyless or self.staging or self.identity_token is not None or self.trust_config is not None
        )


def default_key() -> Path:
    """Where `key new` puts a key without being told, and where signing looks for one."""
    return config_folder() / "key.pem"


def choose_signer(options: SigningOptions, *, tsa_url: str | None = None) -> StatementSigner:
    """Return the signer that the options, the configuration and the surroundings amount to.

    With `tsa_url` that authority stamps each signature. Raises `InputError` if they contradict each other or
    amount to nobody.
    """
    signer = _choose(options)
    if tsa_url is None:
        return signer
    from weighbridge.stamping import StampedSigner

    return StampedSigner(signer, tsa_url)


def _choose(options: SigningOptions) -> StatementSigner:
    if options.wants_keyless:
        if options.key or options.certificate or options.chain or options.pkcs11_uri:
            raise InputError("a key and a keyless option contradict each other", hint="leave one of them out")
        if options.identity_token is not None and not options.identity_token.strip():
            raise InputError(
                "--identity-token is empty", hint="was the variable set? without the option CI's own is taken"
            )
        return _keyless(options)
    if options.pkcs11_uri and options.key:
        raise InputError("--key and --pkcs11-uri name two keys", hint="leave one of them out")
    if options.certificate:
        return _with_certificate(options)
    if options.chain:
        raise InputError("--chain means nothing without --certificate")
    if (key := _key(options)) is not None:
        from weighbridge.signing import KeySigner

        return KeySigner(key)
    if _in_ci():
        from weighbridge.sigstore_signing import ambient_token

        if (token := ambient_token()) is not None:
            return _keyless(options, token=token)
    raise InputError(_NO_SIGNER, hint=_WAYS_OUT)


def _key_path(options: SigningOptions) -> Path | None:
    """Find the key: command line, environment, config.toml, default place."""
    if options.key:
        return options.key
    configured = read_settings(config_folder()).key
    if configured is not None:
        return configured
    return default_key() if default_key().is_file() else None


def _key(options: SigningOptions) -> SigningKey | None:
    """Load the key: of a token, or of a file; None if there is none."""
    if options.pkcs11_uri:
        return _hardware_key(options.pkcs11_uri, options.password_env)
    path = _key_path(options)
    return None if path is None else _load_key(path, options.password_env)


def _hardware_key(text: str, password_env: str | None) -> SigningKey:
    """Log in to a token: the PIN is in the URI, in the file that it names, in a variable, or is asked for."""
    from weighbridge.pkcs11_keys import HardwareKey
    from weighbridge.pkcs11_uris import KeyUri
    from weighbridge_cli import terminal

    uri = KeyUri.parse(text)
    if uri.pin is not None:
        terminal.warn(
            "a PIN in the URI is seen by everybody on this machine: use pin-source or --password-env"
        )
    key = HardwareKey(uri, _pin(uri, password_env))
    if (context := click.get_current_context(silent=True)) is not None:
        context.call_on_close(key.close)
    return key


def _pin(uri: KeyUri, password_env: str | None) -> str | None:
    """Find the PIN; None if there is nobody to ask: a token may need none.

    What cannot be one is refused here: a wrong PIN that is tried counts towards the token's lock.
    """
    if uri.pin is not None:
        return uri.pin
    if uri.pin_source is not None:
        path = Path(uri.pin_source)
        try:
            pin = read_small_file(path).decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"the PIN in {path} is not UTF-8") from error
        if not pin or "\n" in pin or len(pin) > _LONGEST_PIN:
            raise InputError(f"{path} does not hold a PIN on one line")
        return pin
    if password_env is not None:
        if not (given := os.environ.get(password_env)):
            raise InputError(f"the environment variable {password_env} is not set, or empty")
        return given
    if sys.stdin.isatty():
        return str(click.prompt("PIN of the token", hide_input=True, err=True))
    return None


def _load_key(path: Path, password_env: str | None) -> EllipticCurvePrivateKey:
    """Load a private key; ask for its passphrase where somebody can answer."""
    from weighbridge import keys

    if password_env is not None:
        password = os.environ.get(password_env)
        if password is None:
            raise InputError(f"the environment variable {password_env} is not set")
        return keys.load_private_key(path, password.encode() or None)
    if _is_encrypted(path) and sys.stdin.isatty():
        given = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
        return keys.load_private_key(path, str(given).encode())
    return keys.load_private_key(path)


def _is_encrypted(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"ENCRYPTED" in file.read(4096)
    except OSError:
        return False  # load_private_key says what is wrong


def _with_certificate(options: SigningOptions) -> StatementSigner:
    from weighbridge.signing import CertificateSigner, read_certificates

    key = _key(options)
    if key is None or options.certificate is None:
        raise InputError("--certificate needs the private key that it is for: --key PEM")
    files = (options.certificate, *options.chain)
    certificate, *chain = [item for path in files for item in read_certificates(path)]
    return CertificateSigner(key, certificate, chain)


def _keyless(options: SigningOptions, token: str | None = None) -> StatementSigner:
    from weighbridge.sigstore_signing import SigstoreSigner

    token = token or options.identity_token
    _ask_consent(options)
    config = read_small_file(options.trust_config) if options.trust_config else None
    interactive = sys.stdin.isatty() and not _in_ci()
    return SigstoreSigner(token=token, trust_config=config, staging=options.staging, browser=interactive)


def _ask_consent(options: SigningOptions) -> None:
    """Ask once whether the account may become public; remember the answer yes."""
    marker = config_folder() / _CONSENT_FILE
    if options.yes or _in_ci() or marker.exists():
        return
    if not sys.stdin.isatty():
        raise InputError(
            "signing keyless makes your e-mail address public for ever, and there is no terminal to ask you",
            hint="add --yes if you agree, or sign with a key: weighbridge key new",
        )
    if not click.confirm(_QUESTION, err=True):
        raise InputError(
            "not signed: you did not agree", hint="a key tells nothing about you: weighbridge key new"
        )
    marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker.touch(mode=0o600)


def _in_ci() -> bool:
    return bool(os.environ.get("CI"))
