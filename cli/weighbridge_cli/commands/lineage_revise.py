# SPDX-License-Identifier: Apache-2.0
"""`weighbridge lineage revise`: replace what a release says of its origin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import EXISTING, json_option, registry_option, signing_options, tsa_option

if TYPE_CHECKING:
    from weighbridge.lineage_revisions import RevisedLineage


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
    from weighbridge_cli import terminal
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
        terminal.print_json(_document(revised, dry_run=dry_run))
    else:
        _show(revised, dry_run=dry_run)


def _document(revised: RevisedLineage, *, dry_run: bool) -> dict[str, Any]:
    from weighbridge import canonical

    return {
        "v": 1,
        "release": str(revised.release),
        "statement": f"sha256:{revised.statement}" if revised.statement else None,
        "previous": f"sha256:{revised.previous}" if revised.previous else None,
        "index": revised.index,
        "log": revised.origin,
        "already": revised.already,
        "dry_run": dry_run,
        "statement_json": canonical.decode(revised.payload) if dry_run else None,
    }


def _show(revised: RevisedLineage, *, dry_run: bool) -> None:
    from weighbridge import canonical
    from weighbridge_cli import terminal

    if revised.already:
        terminal.put(f"that is the lineage of {revised.release} already: nothing was signed")
        return
    if dry_run:
        terminal.print_json(canonical.decode(revised.payload))
        terminal.note("that would be signed and recorded; nothing was")
        return
    previous = f"sha256:{revised.previous}" if revised.previous else "the lineage of the release itself"
    terminal.rows(
        [
            ("release", str(revised.release)),
            ("lineage", f"sha256:{revised.statement}"),
            ("replaces", previous),
            ("log", f"entry {revised.index} of {revised.origin}"),
        ]
    )
