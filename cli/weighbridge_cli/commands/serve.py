# SPDX-License-Identifier: Apache-2.0
"""`weighbridge serve`: run a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from weighbridge.config import default_data_folder
from weighbridge_cli.options import EXISTING, INSTALL_REGISTRY, read_small_file


@click.command("serve")
@click.option(
    "--data", type=EXISTING, metavar="DIR", help="Where everything is kept (else: your data folder)."
)
@click.option("--host", metavar="H", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8484, show_default=True, help="0: any."
)
@click.option("--database-url", metavar="U", help="PostgreSQL, postgresql+psycopg://… (else: SQLite in DIR).")
@click.option("--storage", metavar="U", help="Bucket for log and files, s3://BUCKET/PREFIX (else: in DIR).")
@click.option(
    "--admission",
    type=click.Choice(["open", "restricted"]),
    help="Who may claim a namespace, at the first start only: anybody (else), or by weighbridge log allow.",
)
@click.option(
    "--saw-checkpoint",
    "saw",
    multiple=True,
    metavar="FILE|URL",
    help="A checkpoint or receipt of this log that somebody else kept, or a mirror's address: after a "
    "restore, to show that nothing is missing. May be given again.",
)
@click.option(
    "--successor-of",
    type=EXISTING,
    metavar="FILE",
    help="Last checkpoint of the log that this one continues, at the first start only.",
)
@click.option("--origin", metavar="O", help="Name of the log, at the first start only (else: random).")
@click.option(
    "--trust-config",
    "trust_configs",
    type=EXISTING,
    multiple=True,
    metavar="JSON",
    help="Admit signers of this private Sigstore too. May be given again.",
)
@click.option("--read-only", is_flag=True, help="Only show what is in DIR: a mirror, or a registry's folder.")
@click.option("--base-url", metavar="URL", default="", help="Address that others see, behind a proxy.")
@click.option(
    "--witness-policy",
    type=EXISTING,
    metavar="FILE",
    help="Have checkpoints cosigned by this policy's witnesses that have an address.",
)
@click.option(
    "--witness-timeout",
    metavar="S",
    type=click.FloatRange(0.1, 30),
    default=2.0,
    show_default=True,
    help="Seconds to wait for witnesses before a checkpoint is published without them.",
)
@click.option(
    "--witness-refresh",
    metavar="S",
    type=click.FloatRange(1, 86400),
    default=60.0,
    show_default=True,
    help="Seconds after which witnesses are asked to cosign again.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS|NET",
    help="A proxy in front, whose X-Forwarded-For names the clients that limits count. May be given again.",
)
@click.option(
    "--client-rate",
    metavar="N",
    type=click.IntRange(0),
    default=240,
    show_default=True,
    help="Statements and files that one address may send in a minute, for each worker; 0: any number.",
)
@click.option(
    "--signer-rate",
    metavar="N",
    type=click.IntRange(0),
    default=240,
    show_default=True,
    help="Statements of one signer that are taken in a minute, for each worker; 0: any number.",
)
@click.option(
    "--question-rate",
    metavar="N",
    type=click.IntRange(0),
    default=1200,
    show_default=True,
    help="Questions that one address may ask in a minute, for each worker; 0: any number.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that answer; one of them writes the log.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Tell each request on stderr, one line each (else: warnings only).",
)
def command(
    *,
    data: Path | None,
    host: str,
    port: int,
    database_url: str | None,
    storage: str | None,
    admission: Literal["open", "restricted"] | None,
    saw: tuple[str, ...],
    successor_of: Path | None,
    origin: str | None,
    trust_configs: tuple[Path, ...],
    base_url: str,
    witness_policy: Path | None,
    witness_timeout: float,
    witness_refresh: float,
    proxies: tuple[str, ...],
    client_rate: int,
    signer_rate: int,
    question_rate: int,
    workers: int,
    log_format: Literal["text", "json"] | None,
    read_only: bool,
) -> None:
    """Run a registry: its log, its interface and its pages, until Ctrl-C.

    The first start makes the log's keys in DIR: back DIR up, a lost log key ends the log. With --read-only
    nothing is made, signed or written, and nothing can be sent to it.
    """
    from weighbridge.errors import InputError

    try:
        from weighbridge_registry.journal import configure
        from weighbridge_registry.serving import serve
        from weighbridge_registry.settings import Limits, Settings
        from weighbridge_registry.supervision import serve_workers
        from weighbridge_web.app import create_app
    except ImportError as error:
        raise InputError(f"the registry is not installed: {error}", hint=INSTALL_REGISTRY) from error
    settings = Settings(
        data=(data or default_data_folder()).absolute(),
        host=host,
        port=port,
        database_url=database_url,
        storage=storage,
        origin=origin,
        admission=admission,
        saw_checkpoints=tuple(_seen(each) for each in saw),
        successor_of=_last_checkpoint(successor_of) if successor_of is not None else None,
        trust_configs=tuple(_trust_config(path) for path in trust_configs),
        base_url=base_url.rstrip("/"),
        witness_policy=read_small_file(witness_policy) if witness_policy is not None else None,
        witness_seconds=witness_timeout,
        witness_refresh_seconds=witness_refresh,
        read_only=read_only,
        proxies=proxies,
        limits=Limits(
            client_statements=client_rate, signer_statements=signer_rate, client_questions=question_rate
        ),
    )

    def ready(address: str) -> None:
        click.echo(f"weighbridge is ready: {base_url or address}/")
        click.echo(f"data in {settings.data}; stop with Ctrl-C", err=True)

    if read_only and workers > 1:
        raise InputError(
            "--read-only runs in one process",
            hint="start several, each with its own --port",
        )
    configure(log_format)
    if workers == 1:
        serve(create_app(settings), host, port, on_ready=ready)
    else:
        serve_workers(lambda crew: create_app(settings, crew), settings, workers, on_ready=ready)


def _seen(place: str) -> bytes:
    """Read what somebody else kept: a file, or the checkpoint that a mirror shows now."""
    if not place.startswith(("http://", "https://")):
        return read_small_file(Path(place))
    from weighbridge.client import RegistryClient

    return RegistryClient(place.removesuffix("/checkpoint")).checkpoint()


def _last_checkpoint(path: Path) -> bytes:
    """Read the old log's last checkpoint, which must be signed by the key that is trusted for it."""
    from weighbridge.errors import InputError
    from weighbridge.tlog import parse_checkpoint, parse_checkpoint_text, split_note
    from weighbridge_cli.registries import trust_store

    note = read_small_file(path)
    origin = parse_checkpoint_text(split_note(note)[0]).origin
    pinned = trust_store().find(origin)
    if pinned is None:
        raise InputError(
            f"the key of the old log {origin} is not trusted here, so its checkpoint proves nothing",
            hint="weighbridge log trust add VKEY, then start again",
        )
    parse_checkpoint(note, [pinned.vkey])
    return note


def _trust_config(path: Path) -> bytes:
    """Read a private Sigstore's configuration; what is wrong with it is told before anything starts."""
    from weighbridge.errors import InputError, WeighbridgeError
    from weighbridge.sigstore_trust import SigstoreTrust

    data = read_small_file(path)
    try:
        SigstoreTrust.from_config(data)
    except WeighbridgeError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    return data
