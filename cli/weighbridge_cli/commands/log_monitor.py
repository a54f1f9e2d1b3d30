# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log monitor`: be told what happens under your name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import (
    EXISTING,
    INSTALL_REGISTRY,
    admitted_sigstore_option,
    json_option,
    read_small_file,
)

if TYPE_CHECKING:
    from weighbridge.tlog import WitnessPolicy
    from weighbridge_registry.monitoring import Outputs, RunReport, Watch

_SHA256 = 64


@click.command("monitor")
@click.argument("url", metavar="URL")
@click.option("--log-key", metavar="VKEY", help="The log's key (else: as you trust it).")
@click.option("--once", is_flag=True, help="Read what is new, then end (the default).")
@click.option("--every", type=click.FloatRange(1), metavar="S", help="Go on: read again every S seconds.")
@click.option("--signer", "signers", multiple=True, metavar="ID", help="Watch this signer id.")
@click.option("--key", "keys", type=EXISTING, multiple=True, metavar="PEM", help="Watch this public key.")
@click.option("--identity", metavar="S", help="Watch this online account (with --issuer).")
@click.option("--issuer", metavar="U", help="Where the account logs in.")
@click.option("--namespace", "namespaces", multiple=True, metavar="NS", help="Watch this namespace.")
@click.option("--model", "models", multiple=True, metavar="NS/NAME", help="Watch this model.")
@click.option("--digest", "digests", multiple=True, metavar="SHA256", help="Watch this digest.")
@click.option("--state", type=EXISTING, metavar="DIR", help="What is kept between runs (else: yours).")
@click.option("--witness-policy", type=EXISTING, metavar="F", help="Witnesses who show that the log lives.")
@click.option(
    "--stale-after",
    type=click.FloatRange(1),
    metavar="S",
    help="Alert if the log shows no life so long.",
)
@click.option("--command", metavar="CMD", help="Run this for each alert: JSON on its standard input.")
@click.option("--webhook", metavar="URL", help="Send each alert there: POST, JSON.")
@click.option("--atom", type=EXISTING, metavar="FILE", help="Write the newest alerts to this Atom feed.")
@admitted_sigstore_option
@json_option
def command(url: str, **given: Any) -> None:
    """Read each new entry of the log at URL, and say what concerns you.

    Options that watch may be given again. Everything is verified: a log that was rewritten, that forks, or
    that holds what may not stand is an alert, too. The last line says how far the log was read, so that
    silence is not taken for peace.

    Exit code 0: nothing new. 1: alerts, or the log is not what it should be. 3: it could not be read, shows
    no life, or an alert could not be delivered.
    """
    from weighbridge.errors import InputError
    from weighbridge_cli import registries, rounds

    try:
        from weighbridge_registry.monitoring import Monitor
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    if given["once"] and given["every"] is not None:
        raise InputError("give --once or --every, not both")
    vkey = given["log_key"] or registries.trusted_vkey(url)
    if vkey is None:
        raise InputError(
            "whose log should this be? An address does not prove it",
            hint=f"trust the log's key first: weighbridge log trust add {url}",
        )
    with Monitor(
        url,
        (given["state"] or _state_folder(vkey)).absolute(),
        vkey,
        _watch(given),
        _outputs(given),
        policy=_policy(given["witness_policy"]),
        stale_after=given["stale_after"],
        trust_configs=tuple(read_small_file(path) for path in given["trust_configs"]),
        memories=[registries.memory()],
    ) as monitor:

        def work() -> int:
            report = monitor.run()
            _tell(report, as_json=given["as_json"])
            return report.exit_code

        code = rounds.every(given["every"], work)
    click.get_current_context().exit(code)


def _watch(given: dict[str, Any]) -> Watch:
    from weighbridge import identities, keys
    from weighbridge.errors import InputError
    from weighbridge.identities import KeyIdentity
    from weighbridge_registry.monitoring import Watch

    if (given["identity"] is None) != (given["issuer"] is None):
        raise InputError("--identity and --issuer belong together")
    signers = {_hex(one, "--signer") for one in given["signers"]}
    for path in given["keys"]:
        spki = keys.spki_sha256(keys.load_public_key(read_small_file(path)))
        signers.add(identities.signer_id(KeyIdentity(spki)))
    models = [one.partition("/") for one in given["models"]]
    for one, (namespace, _, name) in zip(given["models"], models, strict=True):
        if not namespace or not name or "/" in name:
            raise InputError(f"--model {one} is not NS/NAME")
    return Watch(
        signers=frozenset(signers),
        accounts=frozenset({(given["identity"], given["issuer"])} if given["identity"] else ()),
        namespaces=tuple(given["namespaces"]),
        models=tuple((namespace, name) for namespace, _, name in models),
        digests=frozenset(_hex(one, "--digest") for one in given["digests"]),
    )


def _hex(text: str, option: str) -> str:
    from weighbridge.errors import InputError

    bare = text.removeprefix("sha256:").lower()
    if len(bare) != _SHA256 or not set(bare) <= set("0123456789abcdef"):
        raise InputError(f"{option} {text[:80]!r} is not a SHA-256", hint="write 64 hex digits")
    return bare


def _outputs(given: dict[str, Any]) -> Outputs:
    import json
    import shlex

    from weighbridge.errors import InputError
    from weighbridge_cli import terminal
    from weighbridge_registry.monitoring import Outputs

    def show(alert: dict[str, Any]) -> None:
        if given["as_json"]:
            click.echo(json.dumps(alert))
        else:
            where = f"entry {alert['index']}" if alert["index"] is not None else "the log"
            terminal.put(f"ALERT {alert['rule']}, {where}: {alert['message']}")
            if alert["signed_by"]:
                terminal.put(f"      by {alert['signed_by']}{' (you)' if alert['yours'] else ''}")
            if "file" in alert["evidence"]:
                terminal.put(f"      evidence: {alert['evidence']['file']}")

    try:
        words = tuple(shlex.split(given["command"] or ""))
    except ValueError as error:
        raise InputError(f"--command cannot be read: {error}") from error
    return Outputs(show, words, given["webhook"], given["atom"])


def _policy(path: Path | None) -> WitnessPolicy | None:
    from weighbridge.tlog import WitnessPolicy

    return None if path is None else WitnessPolicy.parse(read_small_file(path))


def _state_folder(vkey: str) -> Path:
    """Give this user's folder for a monitor of the log with this key."""
    from hashlib import sha256

    from weighbridge.config import config_folder

    return config_folder() / "monitors" / sha256(vkey.encode()).hexdigest()[:16]


def _tell(report: RunReport, *, as_json: bool) -> None:
    """Say how far the log was read."""
    import json
    from datetime import UTC, datetime

    from weighbridge_cli import terminal

    if as_json:
        click.echo(json.dumps(report.to_json()))
        return

    def moment(seconds: int) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    behind = "" if report.log_size in (None, report.size) else f" of {report.log_size:,}"
    new = f"{report.new_entries:,} new, {report.alerts:,} alerts"
    terminal.put(f"{report.origin}: read {report.size:,} entries{behind}, {new}")
    alive = moment(report.cosigned) if report.cosigned else "by no witness of yours"
    stale = "; STALE" if report.stale else ""
    terminal.put(
        f"checked {moment(report.checked)}; last grown {moment(report.grown)}, cosigned {alive}{stale}"
    )
    if report.withheld:
        terminal.put(f"{report.withheld:,} entries are withheld: for these only the operator's word stands")
    if report.refused:
        terminal.warn(f"the log is not what it should be: {report.refused}")
    if report.problem:
        terminal.warn(report.problem)
