# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log`: the logs that you trust, whether a log is whole, cosigning others' logs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighbridge_cli.commands import (
    log_export,
    log_mirror,
    log_monitor,
    log_reassign,
    log_rebuild,
    log_takedown,
    log_witness,
)
from weighbridge_cli.options import (
    INSTALL_REGISTRY,
    admitted_sigstore_option,
    database_option,
    json_option,
    read_small_file,
)
from weighbridge_cli.registries import trusted_vkey

if TYPE_CHECKING:
    from weighbridge_registry.fsck import Report

_MAX_KEY_FILE = 4096


@click.group("log")
def command() -> None:
    """Choose the logs you trust; prove that a log is whole; run, copy, watch and cosign logs."""


for subcommand in (
    log_export.command,
    log_mirror.command,
    log_monitor.command,
    log_rebuild.command,
    log_takedown.takedown,
    log_takedown.restore,
    log_reassign.reassign,
    log_reassign.allow,
    log_witness.witness,
):
    command.add_command(subcommand)


@command.group("trust")
def trust() -> None:
    """Choose the logs whose receipts you believe. Nothing else decides that."""


@trust.command("add")
@click.argument("log", metavar="URL|VKEY|FILE")
@click.option(
    "--fingerprint", metavar="HEX", help="The fingerprint you were told: trust this key and no other."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def add(log: str, *, fingerprint: str | None, yes: bool, as_json: bool) -> None:
    """Trust a log, by its registry's address or by its verifier key.

    Compare the fingerprint with one that you got elsewhere: from the operator, a colleague, a printed page.
    A registry can't vouch for itself.
    """
    from weighbridge.errors import LogError
    from weighbridge.trust import fingerprint as fingerprint_of
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import trust_store

    vkey, url = _vkey(log)
    shown = fingerprint_of(vkey)
    if fingerprint is not None:
        if fingerprint.removeprefix("sha256:").lower() != shown:
            raise LogError(
                f"this log's fingerprint is {shown}, not the one that you were told",
                hint="do not trust it; ask the operator again, on another way",
                evidence={"told": fingerprint, "found": shown},
            )
    elif not yes:
        _ask(vkey, shown)
    added = trust_store().trust(vkey, url)
    if as_json:
        terminal.print_json(
            {
                "v": 1,
                "origin": added.origin,
                "vkey": added.vkey,
                "fingerprint": added.fingerprint,
                "trusted": True,
            }
        )
        return
    terminal.rows([("trusted", added.origin), ("fingerprint", added.fingerprint), ("key", added.vkey)])


@trust.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the logs you trust."""
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import trust_store

    logs = trust_store().logs()
    if as_json:
        listed = [
            {
                "origin": log.origin,
                "vkey": log.vkey,
                "fingerprint": log.fingerprint,
                "url": log.url,
                "added": log.added,
            }
            for log in logs
        ]
        terminal.print_json({"v": 1, "logs": listed})
        return
    if not logs:
        terminal.note("You trust no log yet: weighbridge log trust add URL")
    terminal.rows((log.origin, log.fingerprint, log.url, f"since {log.added}") for log in logs)


@trust.command("remove")
@click.argument("origin")
@json_option
def remove(origin: str, *, as_json: bool) -> None:
    """Stop trusting the log called ORIGIN."""
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import trust_store

    store = trust_store()
    known = next((log for log in store.logs() if log.origin == origin), None)
    if known is None or not store.forget(origin):
        raise InputError(f"{origin} is not among the logs you trust", hint="see: weighbridge log trust list")
    if as_json:
        terminal.print_json(
            {
                "v": 1,
                "origin": known.origin,
                "vkey": known.vkey,
                "fingerprint": known.fingerprint,
                "trusted": False,
            }
        )
        return
    terminal.put(f"no longer trusted: {origin}")


def _vkey(log: str) -> tuple[str, str]:
    """Return the verifier key that was named, and the registry's address if it came from there."""
    from weighbridge.errors import LogError
    from weighbridge.tlog import Verifier

    if log.startswith(("http://", "https://")):
        from weighbridge_cli.registries import open_registry

        client = open_registry(log)
        document = client.log()
        verifier = Verifier.from_vkey(document.vkey)
        if verifier.name != document.origin:
            raise LogError(f"the registry's log key is of {verifier.name}, its log is {document.origin}")
        return verifier.vkey, client.url
    path = Path(log)
    if "+" not in log and path.is_file():
        log = path.read_bytes()[:_MAX_KEY_FILE].decode("utf-8", "replace").strip()
    return Verifier.from_vkey(log).vkey, ""


def _ask(vkey: str, fingerprint: str) -> None:
    """Show the fingerprint and let a person decide; without one, refuse."""
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal

    terminal.note(f"log          {vkey.partition('+')[0]}")
    terminal.note(f"fingerprint  {fingerprint}")
    if not sys.stdin.isatty():
        raise InputError(
            "there is no terminal to ask whether that is the right fingerprint",
            hint="add --fingerprint HEX with the one you were told, or --yes if you compared it",
        )
    if not click.confirm("Is that the fingerprint you were told elsewhere?", err=True):
        raise InputError("not trusted: the fingerprint was not confirmed")


@command.command("fsck")
@click.argument("address", metavar="[URL]", required=False)
@click.option("--data", metavar="DIR|URL", help="A registry's data folder (else: yours), or its address.")
@click.option(
    "--log-key", metavar="VKEY", help="The log's key (else: as you trust it; of a folder, its own)."
)
@database_option
@click.option("--storage", metavar="U", help="The registry's bucket, s3://…, if it has one.")
@admitted_sigstore_option
@json_option
def fsck(
    *,
    address: str | None,
    data: str | None,
    log_key: str | None,
    database_url: str | None,
    storage: str | None,
    trust_configs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Prove that a log is whole: tiles, entries, statements and database agree with the signed checkpoint.

    Looks at the registry at URL, or at a data folder. Only reads, also from a registry that is running. Exit
    code 0 if all agree, 1 if anything does not, 3 if what is withheld keeps it from being judged.
    """
    from weighbridge.config import default_data_folder
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal

    try:
        from weighbridge_registry.fsck import fsck as check
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    if address is not None and data is not None:
        raise InputError("give an address or --data, not both", hint="see: weighbridge log fsck -h")
    place = address or data or str(default_data_folder())
    report = check(
        place,
        vkey=log_key or trusted_vkey(place),
        database_url=database_url,
        storage=storage,
        trust_configs=tuple(read_small_file(path) for path in trust_configs),
    )
    if as_json:
        terminal.print_json(report.to_json())
    else:
        for one in report.checks:
            mark = "BAD " if one.problems else "????" if one.undecided else "ok  "
            terminal.put(f"{mark} {one.name}: {one.looked_at:,} looked at")
            for problem in (*one.problems, *one.undecided):
                terminal.put(f"     {problem}")
        terminal.rows(
            [
                ("log", report.origin),
                ("size", f"{report.size:,} entries"),
                ("root", f"sha256:{report.root}"),
                ("state", f"sha256:{report.state_digest}"),
            ]
        )
        if report.predecessor:
            old = report.predecessor
            terminal.put(f"continues {old['origin']}, size {old['size']:,}, root {old['root']}")
        if report.withheld:
            terminal.put(
                f"withheld: {report.withheld:,}, each by a logged decision; what the log says from entry "
                f"{report.word_from} on rests on its operator's word for what they did"
            )
        terminal.put(_outcome(report), bold=True)
    click.get_current_context().exit(0 if report.ok else 3 if report.undecided else 1)


def _outcome(report: Report) -> str:
    if report.undecided:
        return "UNKNOWN: not all could be judged; nothing of what could be is wrong"
    return "whole: everything agrees" if report.ok else "NOT whole: see above"
