# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log mirror`: a full verified copy of a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighbridge_cli.options import (
    EXISTING,
    INSTALL_REGISTRY,
    admitted_sigstore_option,
    json_option,
    read_small_file,
)

if TYPE_CHECKING:
    from weighbridge_registry.mirroring import Mirrored


@click.command("mirror")
@click.argument("url", metavar="URL")
@click.option("--data", type=EXISTING, metavar="DIR", required=True, help="Where the copy is kept.")
@click.option(
    "--storage", metavar="U", help="Keep the copied log in this bucket, s3://BUCKET/PREFIX (else: in DIR)."
)
@click.option("--log-key", metavar="VKEY", help="The log's key (else: as you trust it).")
@click.option("--once", is_flag=True, help="Copy what is new, then end (the default).")
@click.option(
    "--every", type=click.FloatRange(1), metavar="SECONDS", help="Go on: look for new entries this often."
)
@admitted_sigstore_option
@json_option
def command(
    *,
    url: str,
    data: Path,
    storage: str | None,
    log_key: str | None,
    once: bool,
    every: float | None,
    trust_configs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Keep a full verified copy of the log at URL in DIR, and show it with: serve --read-only --data DIR.

    Every entry, statement and attached file is verified before it is stored, and compared with what the
    copy holds: a rewritten, forked or shortened log is an error, with both checkpoints in a file. Killed, it
    goes on where it was. With --storage tiles, statements and attached files lie in a bucket, and DIR keeps
    the rest; serve takes the same option. Exit code 0 if the copy is whole, 1 if the log is not what it
    should be, 3 if it can't be read.
    """
    from weighbridge.errors import InputError, UndecidedError
    from weighbridge_cli import registries, rounds, terminal

    try:
        from weighbridge_registry.mirroring import Mirror
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    if once and every is not None:
        raise InputError("give --once or --every, not both")
    vkey = log_key or registries.trusted_vkey(url)
    if vkey is None:
        raise InputError(
            "whose log should this be? An address does not prove it",
            hint=f"trust the log's key first: weighbridge log trust add {url}",
        )
    configs = tuple(read_small_file(path) for path in trust_configs)
    memories = [registries.memory()]
    with Mirror(
        url, data.absolute(), vkey, storage=storage, trust_configs=configs, memories=memories
    ) as mirror:

        def work() -> int:
            try:
                _tell(mirror.round(), as_json=as_json)
            except UndecidedError as error:
                if every is None:
                    raise
                terminal.warn(f"{error.message}; trying again in {every:g} seconds")
                return error.exit_code
            return 0

        code = rounds.every(every, work)
    if every is not None:
        terminal.note("stopped")
    click.get_current_context().exit(code)


def _tell(done: Mirrored, *, as_json: bool) -> None:
    import json

    from weighbridge_cli import terminal

    for problem in done.problems:
        terminal.warn(f"an attachment was refused: {problem}")
    if as_json:
        click.echo(json.dumps(done.to_json()))
        return
    words = (
        f"{done.size:,} entries, {done.new_entries:,} of them new; {done.new_attachments:,} new attachments"
    )
    if done.absent_attachments:
        words += f", {done.absent_attachments:,} that the registry does not have"
    if done.withheld:
        words += f"; {done.withheld:,} withheld by the operator's logged decision"
    terminal.put(f"{done.origin}: {words}")
