# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log export`: copy a log into a bucket, and prove the copy."""

from __future__ import annotations

from pathlib import Path

import click

from weighbridge_cli.options import (
    EXISTING,
    INSTALL_REGISTRY,
    admitted_sigstore_option,
    database_option,
    json_option,
    read_small_file,
)


@click.command("export")
@click.option("--data", type=EXISTING, metavar="DIR", help="The registry's data folder (else: yours).")
@click.option("--storage", metavar="U", required=True, help="Where to copy it: s3://BUCKET/PREFIX.")
@database_option
@admitted_sigstore_option
@json_option
def command(
    *,
    data: Path | None,
    storage: str,
    database_url: str | None,
    trust_configs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Copy a stopped registry's log, statements and attachments into a bucket, and check the copy.

    Then start the registry with `serve --storage` and the same address. Keys and database stay in DIR.
    Exit code 0 if the copy is whole, 1 if it is not, 3 if a part could not be judged.
    """
    from weighbridge.config import default_data_folder
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal

    try:
        from weighbridge_registry.exporting import export
        from weighbridge_registry.fsck import fsck
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    folder = data or default_data_folder()
    configs = tuple(read_small_file(path) for path in trust_configs)

    def tell(count: int, size: int) -> None:
        terminal.note(f"copied {count:,} objects, {size:,} bytes")

    copied = export(folder, storage, tell)
    report = fsck(folder, database_url=database_url, storage=storage, trust_configs=configs)
    if as_json:
        terminal.print_json({**report.to_json(), "copied": {"objects": copied.objects, "bytes": copied.size}})
    else:
        terminal.rows(
            [
                ("copied", f"{copied.objects:,} objects, {copied.size:,} bytes"),
                ("log", report.origin),
                ("size", f"{report.size:,} entries"),
            ]
        )
        for one in report.checks:
            for problem in one.problems:
                terminal.put(f"BAD  {one.name}: {problem}")
        undecided = "UNKNOWN: not all could be judged" if report.undecided else "NOT whole: see above"
        terminal.put("whole: everything agrees" if report.ok else undecided, bold=True)
    click.get_current_context().exit(0 if report.ok else 3 if report.undecided else 1)
