# SPDX-License-Identifier: Apache-2.0
"""`weighbridge card revise`: replace the card of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from weighbridge_cli.options import EXISTING, json_option, registry_option, signing_options, tsa_option


@click.command("revise")
@click.argument("release", metavar="NS/NAME@VERSION")
@click.argument("file", type=EXISTING)
@registry_option
@click.option(
    "--dry-run", is_flag=True, help="Check all and show what would be signed; sign and send nothing."
)
@tsa_option
@signing_options
@json_option
def command(
    release: str,
    file: Path,
    *,
    registry: str | None,
    dry_run: bool,
    tsa_url: str | None,
    as_json: bool,
    **signing: Any,
) -> None:
    """Sign FILE as the new card of a release, and record it. The release itself stays as it is.

    FILE is a whole card file, or a README.md, which is uploaded too. Sign as an owner of the namespace. The
    former cards stay in the log, for everybody to compare.
    """
    from weighbridge.bounded_files import read_bounded
    from weighbridge.card_revisions import revise_card
    from weighbridge.cards import MAX_CARD_BYTES, is_readme
    from weighbridge.publishing import card_from_file
    from weighbridge.releases import ReleaseName
    from weighbridge_cli import revisions, terminal
    from weighbridge_cli.registries import memory, open_registry, pending_store, trust_store
    from weighbridge_cli.signers import SigningOptions, choose_signer

    name = ReleaseName.parse(release)
    card = card_from_file(file)
    revised = revise_card(
        name,
        card,
        registry=open_registry(registry),
        signer=choose_signer(SigningOptions.take(signing), tsa_url=tsa_url),
        trust=trust_store(),
        memory=memory(),
        pending=pending_store(),
        readme=read_bounded(file, MAX_CARD_BYTES, "README") if is_readme(file.name) else None,
        dry_run=dry_run,
        report=lambda words: terminal.step(terminal.short(words)),
    )
    if as_json:
        terminal.print_json(
            {**revisions.document(revised, dry_run=dry_run), "warnings": list(revised.warnings)}
        )
    else:
        revisions.show(revised, dry_run=dry_run)
    for warning in revised.warnings if not as_json else ():
        terminal.warn(warning)
