# SPDX-License-Identifier: Apache-2.0
"""`weighbridge lineage revise`: replace what a release says of its origin."""

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
    """Sign FILE as the new lineage of a release, and record it. The release itself stays as it is.

    FILE is a whole lineage file, as publish --lineage takes it. Sign as an owner of the namespace. What was
    said before stays in the log, for everybody to compare.
    """
    from weighbridge.bounded_files import read_bounded
    from weighbridge.lineage_revisions import revise_lineage
    from weighbridge.lineages import MAX_LINEAGE_BYTES, read_lineage
    from weighbridge.releases import ReleaseName
    from weighbridge_cli import revisions, terminal
    from weighbridge_cli.registries import memory, open_registry, pending_store, trust_store
    from weighbridge_cli.signers import SigningOptions, choose_signer

    name = ReleaseName.parse(release)
    lineage = read_lineage(read_bounded(file, MAX_LINEAGE_BYTES, "lineage file"), file.name)
    revised = revise_lineage(
        name,
        lineage,
        registry=open_registry(registry),
        signer=choose_signer(SigningOptions.take(signing), tsa_url=tsa_url),
        trust=trust_store(),
        memory=memory(),
        pending=pending_store(),
        dry_run=dry_run,
        report=lambda words: terminal.step(terminal.short(words)),
    )
    if as_json:
        terminal.print_json(revisions.document(revised, dry_run=dry_run))
    else:
        revisions.show(revised, dry_run=dry_run)
