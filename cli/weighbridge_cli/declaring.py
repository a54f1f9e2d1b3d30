# SPDX-License-Identifier: Apache-2.0
"""What `status` and `attest` share: options, the way into the log, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weighbridge_cli.options import json_option, registry_option, signing_options, tsa_option

if TYPE_CHECKING:
    from weighbridge.declarations import Declared, Draft, Speaker

__all__ = ["declare", "declaring_options", "open_speaker"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def declaring_options(command: _Command) -> _Command:
    """Add where it is recorded, who signs, and --dry-run."""
    options = (
        registry_option,
        click.option("--dry-run", is_flag=True, help="Sign and send nothing; show what would be signed."),
        click.option("--label", metavar="TEXT", help="What you call a new key; shown as your claim."),
        click.option(
            "--retry-for",
            type=click.FloatRange(0, 86400),
            default=60,
            show_default=True,
            metavar="SECONDS",
            help="Try again for so long while the registry is away.",
        ),
        tsa_option,
        signing_options,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def open_speaker(options: dict[str, Any]) -> Speaker:
    """Take the registry and the signer out of a command's options and open the log."""
    from weighbridge.declarations import Speaker
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import memory, open_registry, pending_store, trust_store
    from weighbridge_cli.signers import SigningOptions, choose_signer

    client = open_registry(options.pop("registry"))
    tsa_url = options.pop("tsa_url")
    label = options.pop("label")
    own = ("as_json", "dry_run", "retry_for")
    signing = {name: value for name, value in options.items() if name not in own}
    return Speaker(
        client,
        choose_signer(SigningOptions.take(signing), tsa_url=tsa_url),
        trust=trust_store(),
        memory=memory(),
        pending=pending_store(),
        label=label,
        report=lambda words: terminal.step(terminal.short(words)),
    )


def declare(speaker: Speaker, draft: Draft, options: dict[str, Any], *, previous: str | None = None) -> None:
    """Say it, and show what is recorded now."""
    from weighbridge_cli import terminal

    declared = speaker.declare(
        draft, previous=previous, dry_run=options["dry_run"], retry_for=options["retry_for"]
    )
    if options["as_json"]:
        terminal.print_json(declared.to_json())
    else:
        _show(declared)


def _show(declared: Declared) -> None:
    from weighbridge_cli import terminal

    if declared.index is None:
        terminal.note("Nothing was signed or sent. This would be:")
        terminal.print_json(declared.statement)
        return
    if declared.already:
        terminal.note("You said exactly this before, and nothing has replaced it: nothing was signed.")
    table = [("statement", f"{declared.kind} sha256:{declared.digest}")]
    table += [("about", f"{one.name} (sha256:{one.sha256})") for one in declared.subjects]
    if declared.replaced is not None and not declared.already:
        table.append(("replaces", f"sha256:{declared.replaced}"))
    table += [
        ("signer", declared.signer),
        ("log", f"entry {declared.index} of {declared.origin}"),
        ("page", str(declared.url)),
    ]
    terminal.rows(table)
