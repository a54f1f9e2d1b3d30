# SPDX-License-Identifier: Apache-2.0
"""`weighbridge key`: make a signing key."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from weighbridge_cli.options import json_option

_MIN_PASSPHRASE = 8
_ADVICE = (
    "Back up the private key now, offline and away from this machine: without it nobody can publish under",
    "the names that it owns, and nobody can make it again. Whoever has it, and its passphrase, signs as you.",
)


@click.group("key")
def command() -> None:
    """Make a signing key."""


@command.command("new")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--no-passphrase", is_flag=True, help="Do not encrypt the key (CI, throw-away keys).")
@click.option(
    "--password-env", metavar="VARIABLE", help="Take the passphrase from this environment variable."
)
@click.option(
    "--curve",
    type=click.Choice(["P-256", "P-384", "P-521"]),
    default="P-256",
    show_default=True,
    help="Curve.",
)
@json_option
def new(
    file: Path | None, *, no_passphrase: bool, password_env: str | None, curve: str, as_json: bool
) -> None:
    """Make a private key in FILE and its public key beside it (.pub).

    Without FILE the key lies in your configuration folder, where sign and publish find it by themselves.
    """
    from weighbridge import keys
    from weighbridge.atomic import write_atomically
    from weighbridge_cli import terminal
    from weighbridge_cli.signers import default_key

    path = file or default_key()
    public = public_path(path)
    _refuse_existing(path, public)
    if file is None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = None if no_passphrase else _passphrase(password_env)
    key = keys.generate_private_key(curve)
    keys.write_private_key(path, key, password)
    write_atomically(public, keys.public_pem(key.public_key()))
    fingerprint = keys.fingerprint(key.public_key())
    if as_json:
        told = {
            "private_key": str(path),
            "public_key": str(public),
            "fingerprint": fingerprint,
            "curve": curve,
        }
        terminal.print_json({"v": 1, **told, "encrypted": password is not None})
        return
    terminal.rows(
        [
            (
                "private key",
                str(path),
                "keep it secret" if password else "keep it secret: it has no passphrase",
            ),
            ("public key", str(public), "give it to whoever verifies"),
            ("fingerprint", fingerprint),
        ]
    )
    for line in _ADVICE:
        terminal.note(line)


def public_path(path: Path) -> Path:
    """Where the public key of a private key file lies."""
    return path.with_suffix(".pub") if path.suffix in {".pem", ".key"} else path.with_name(path.name + ".pub")


def _refuse_existing(*paths: Path) -> None:
    from weighbridge.errors import InputError

    for path in paths:
        if path.exists():
            raise InputError(
                f"{path} exists, and a key is never overwritten",
                hint="choose another name: weighbridge key new FILE",
            )


def _passphrase(variable: str | None) -> bytes:
    """Ask for a passphrase twice, or take it from the environment."""
    from weighbridge.errors import InputError

    if variable is not None:
        given = os.environ.get(variable)
        if not given:
            raise InputError(f"the environment variable {variable} is not set or empty")
        return given.encode()
    if not sys.stdin.isatty():
        raise InputError(
            "there is no terminal to ask for a passphrase",
            hint="give --no-passphrase, or --password-env VARIABLE",
        )
    while True:
        given = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
        if len(given) >= _MIN_PASSPHRASE:
            return str(given).encode()
        click.echo(f"At least {_MIN_PASSPHRASE} characters, please.", err=True)
