# SPDX-License-Identifier: Apache-2.0
"""`weighbridge attest`: say something of a model, a data set, a service or a digest, under your own name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.declaring import declaring_options
from weighbridge_cli.options import EXISTING, ignore_option

if TYPE_CHECKING:
    from weighbridge.drafts import Target

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_BY_NAME = ("disclosure", "deployment")


@click.command("attest")
@click.argument("what", metavar="PATH|DIGEST|NS/NAME@VERSION|NAME")
@click.option(
    "--type",
    "kind",
    required=True,
    metavar="KIND|URI",
    help="advisory, position, dataset, disclosure, deployment, scan, or a predicate type of others.",
)
@click.option(
    "--predicate",
    type=EXISTING,
    required=True,
    metavar="FILE",
    help="What you say: YAML or JSON; for scan, the report of modelscan or picklescan.",
)
@click.option(
    "--previous", metavar="DIGEST", help="The statement of yours that it replaces (else: looked up)."
)
@ignore_option
@declaring_options
def command(what: str, *, kind: str, predicate: Path, previous: str | None, **options: Any) -> None:
    """Sign what FILE says of a model (folder, digest or release), a data set, a service, and record it.

    It stands in the public log as your word, beside what the publisher says. Saying it again with other
    content replaces what you said; `logs` and `previous` are filled in.
    """
    from weighbridge.drafts import make_draft, read_bounded_file
    from weighbridge_cli.declaring import declare, open_speaker

    data = read_bounded_file(predicate)
    target = _target(what, kind, options.pop("ignore"))
    speaker = open_speaker(options)
    draft = make_draft(kind, target, data, predicate.name, speaker)
    declare(speaker, draft, options, previous=_previous(previous))


def _target(what: str, kind: str, ignore: tuple[str, ...]) -> Target:
    from weighbridge.drafts import Target
    from weighbridge.releases import ReleaseName
    from weighbridge.verification.request import WantedRelease

    if kind in _BY_NAME:
        return Target(what)
    if match := _DIGEST.fullmatch(what):
        return Target(what, digest=match[1])
    path = Path(what)
    if not path.exists() and "@" in what and WantedRelease.reads(what):
        return Target(what, release=ReleaseName.parse(what))
    from weighbridge.weighing import weigh
    from weighbridge_cli import terminal

    with terminal.Progress(f"weighing {path.name}") as progress:
        return Target(what, weighed=weigh(path, ignore=ignore, progress=progress))


def _previous(text: str | None) -> str | None:
    if text is None:
        return None
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise click.UsageError("--previous is the statement digest of what is replaced: 64 hex digits.")
    return match[1]
