# SPDX-License-Identifier: Apache-2.0
"""`weighbridge publish`: sign a release and record it in a public log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from weighbridge_cli.options import (
    EXISTING,
    ignore_option,
    json_option,
    model_argument,
    registry_option,
    signing_options,
    tsa_option,
)

if TYPE_CHECKING:
    from weighbridge.publishing import Published


@click.command("publish")
@model_argument
@click.argument("release", metavar="NS/NAME@VERSION")
@registry_option
@click.option(
    "--card",
    type=EXISTING,
    metavar="FILE",
    help="The card: a card file (see card init) or a README.md (else: README.md of the model, if any).",
)
@click.option("--no-card", is_flag=True, help="Publish without a card.")
@click.option(
    "--lineage",
    type=EXISTING,
    metavar="FILE",
    help="Parents and data sets (else: README.md, adapter_config.json).",
)
@click.option(
    "--location",
    "locations",
    metavar="URL",
    multiple=True,
    help="Where the model is: https, oci, magnet, pkg:huggingface/ORG/NAME@COMMIT. May be given again.",
)
@click.option(
    "--label", metavar="TEXT", help="What you call a new key; shown beside its fingerprint, as your claim."
)
@click.option(
    "--retry-for",
    type=click.FloatRange(0, 86400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Try again for so long while the registry is away.",
)
@tsa_option
@ignore_option
@signing_options
@json_option
def command(
    path: Path,
    release: str,
    *,
    registry: str | None,
    card: Path | None,
    no_card: bool,
    lineage: Path | None,
    locations: tuple[str, ...],
    label: str | None,
    retry_for: float,
    tsa_url: str | None,
    ignore: tuple[str, ...],
    as_json: bool,
    **signing: Any,
) -> None:
    """Sign the model at PATH as NS/NAME@VERSION and record it in the registry's public log.

    Claims the namespace NS if nobody has, takes README.md as the card, and writes model.sig and
    provenance.jsonl beside the model: ship them with it, they prove the release offline. If anything
    fails in the middle, run the same command again: it resumes.
    """
    from weighbridge.publishing import publish
    from weighbridge.releases import ReleaseName
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import memory, open_registry, pending_store, trust_store
    from weighbridge_cli.signers import SigningOptions, choose_signer

    if card and no_card:
        raise click.UsageError("--card and --no-card contradict each other.")
    chosen_card: Path | Literal[False] | None = False if no_card else card
    name = ReleaseName.parse(release)
    client = open_registry(registry)
    signer = choose_signer(SigningOptions.take(signing), tsa_url=tsa_url)
    with terminal.Progress(f"weighing {path.name}") as progress:
        published = publish(
            path,
            name,
            registry=client,
            signer=signer,
            trust=trust_store(),
            memory=memory(),
            pending=pending_store(),
            card=chosen_card,
            lineage=lineage,
            locations=locations,
            ignore=ignore,
            label=label,
            retry_for=retry_for,
            report=lambda words: terminal.step(terminal.short(words)),
            progress=progress,
        )
    if as_json:
        terminal.print_json(published.to_json())
    else:
        _show(published)


def _show(published: Published) -> None:
    from weighbridge_cli import terminal

    terminal.rows(
        [
            ("release", str(published.release)),
            ("model digest", f"sha256:{published.model_digest}"),
            ("weights digest", f"sha256:{published.weights_digest}" if published.weights_digest else "none"),
            ("signer", published.signer),
            ("log", f"entry {published.index} of {published.origin}"),
            ("record", str(published.record)),
            ("page", published.url),
        ]
    )
    for warning in published.warnings:
        terminal.warn(warning)
