# SPDX-License-Identifier: Apache-2.0
"""`weighbridge verify`: check a model against the signer whom somebody names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import EXISTING, json_option
from weighbridge_cli.terminal import print_json
from weighbridge_cli.verifying import reading, verifying_options

if TYPE_CHECKING:
    from weighbridge.verification import Options

__all__ = ["command"]


@click.command("verify")
@click.argument("path", type=EXISTING, required=False, metavar="[PATH|hf:ORG/NAME[@REV]]")
@verifying_options
@click.option("--all-cached", is_flag=True, help="Check every model in the hub's cache, in one table.")
@click.option("--offline", is_flag=True, help="Promise no network: refuses --registry and --remote.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    path: Path | None,
    as_json: bool,
    offline: bool,
    all_cached: bool,
    **given: Any,
) -> None:
    """Check that a model is, byte for byte, what a signer whom you name has released.

    The model is a folder, a file, or hf:ORG/NAME in the cache of the Hugging Face hub.

    Say whom to trust with --release, --public-key, --certificate-chain, or --identity and --issuer; who is
    named several times is one of several that may have signed. Exit code: 0 verified, 1 refused, 2 wrong
    command or unreadable input, 3 undecidable.
    """
    from weighbridge.verification import check

    if offline and (given["registry"] or given["remote"]):
        network = "--registry" if given["registry"] else "--remote"
        raise click.UsageError(f"--offline and {network} contradict each other.")
    if (path is None) != all_cached:
        raise click.UsageError("Give the path of one model, or --all-cached.")
    with reading(given, quiet=as_json) as options:
        if path is None:
            context.exit(_all_cached(options, as_json=as_json))
        verdict = check(path, **options)
    if as_json:
        print_json(verdict.to_json())
    else:
        from weighbridge_cli.verdicts import show

        show(verdict)
    context.exit(verdict.exit_code)


def _all_cached(options: Options, *, as_json: bool) -> int:
    from weighbridge.verification import check_cached, worst

    found = list(check_cached(**options))
    if as_json:
        print_json({"v": 1, "models": [each.to_json() for each in found]})
    else:
        from weighbridge_cli.verdicts import show_cached

        show_cached(found)
    return worst(found)
