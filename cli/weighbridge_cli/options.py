# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "EXISTING",
    "INSTALL_REGISTRY",
    "admitted_sigstore_option",
    "database_option",
    "ignore_option",
    "json_option",
    "model_argument",
    "read_small_file",
    "registry_option",
    "signing_options",
    "tsa_option",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])

EXISTING = click.Path(path_type=Path)
"""A path that the command itself looks at: its own words for a missing file beat click's."""

INSTALL_REGISTRY = "install it with: pip install 'weighbridge[registry]'"
"""What to do where the service's libraries are missing."""

_MAX_SMALL_FILE = 1024 * 1024


def read_small_file(path: Path) -> bytes:
    """Read a file that an option names (a certificate, a trust configuration): at most 1 MiB."""
    from weighbridge.errors import InputError

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SMALL_FILE + 1)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    if len(data) > _MAX_SMALL_FILE:
        raise InputError(f"{path} is longer than {_MAX_SMALL_FILE:,} bytes")
    return data


def model_argument(command: _Command) -> _Command:
    """PATH: a model's folder or its single file."""
    return click.argument("path", type=EXISTING)(command)


def json_option(command: _Command) -> _Command:
    """--json: one JSON document on standard output, nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def registry_option(command: _Command) -> _Command:
    """--registry URL, else WEIGHBRIDGE_REGISTRY, else `registry` in config.toml."""
    return click.option(
        "--registry", metavar="URL", help="The registry (else: WEIGHBRIDGE_REGISTRY, config.toml)."
    )(command)


def admitted_sigstore_option(command: _Command) -> _Command:
    """--trust-config JSON, again and again: the private instances whose signers a registry admits."""
    return click.option(
        "--trust-config",
        "trust_configs",
        type=EXISTING,
        multiple=True,
        metavar="JSON",
        help="A private Sigstore that the registry admits. May be given again.",
    )(command)


def database_option(command: _Command) -> _Command:
    """--database-url U, of a registry whose folder is given."""
    return click.option(
        "--database-url", metavar="U", help="The registry's database, if it is not SQLite in the folder."
    )(command)


def ignore_option(command: _Command) -> _Command:
    """--ignore P, again and again."""
    return click.option(
        "--ignore",
        metavar="P",
        multiple=True,
        help="Leave out this path inside the model, with all below it. May be given again.",
    )(command)


def tsa_option(command: _Command) -> _Command:
    """--tsa-url U, whose signatures are to be stamped."""
    return click.option(
        "--tsa-url", metavar="U", help="Have each signature stamped by this RFC 3161 authority."
    )(command)


def signing_options(command: _Command) -> _Command:
    """Add who signs: a key, a certificate, or an online account through Sigstore."""
    options = (
        click.option("--key", type=EXISTING, metavar="PEM", help="Sign with this private key."),
        click.option("--password-env", metavar="V", help="Environment variable with the key's passphrase."),
        click.option(
            "--certificate", type=EXISTING, metavar="PEM", help="Sign with --key under this certificate."
        ),
        click.option(
            "--chain",
            type=EXISTING,
            multiple=True,
            metavar="PEM",
            help="Certificates between --certificate and the anchor; the anchor itself last.",
        ),
        click.option("--pkcs11-uri", metavar="URI", help="Sign with this key of a token (RFC 7512)."),
        click.option(
            "--keyless", is_flag=True, help="Sign with your online account, even if there is a key."
        ),
        click.option("--identity-token", metavar="T", help="Keyless, with this OIDC token."),
        click.option(
            "--trust-config", type=EXISTING, metavar="JSON", help="Keyless, with a private Sigstore."
        ),
        click.option("--staging", is_flag=True, help="Keyless, with Sigstore's public test instance."),
        click.option(
            "--yes", is_flag=True, help="Agree that a keyless signer's e-mail address is public for ever."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
