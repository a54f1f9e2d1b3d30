# SPDX-License-Identifier: Apache-2.0
"""Whom to trust, where to look, what to demand: the options of everything that verifies a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weighbridge_cli.options import EXISTING, ignore_option
from weighbridge_cli.terminal import Progress

if TYPE_CHECKING:
    from weighbridge.verification import Options
    from weighbridge.verification.registries import Copy

__all__ = ["reading", "verifying_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_MAX_PEM = 64 * 1024
_MAX_JSON = 4 * 1024 * 1024
_MAX_POLICY = 256 * 1024
_VKEY = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--release", metavar="NS/NAME[@VERSION]", help="Wanted: a release by an owner of NS as recorded."
    ),
    click.option(
        "--public-key", type=EXISTING, metavar="PEM", multiple=True, help="Wanted: a signature by this key."
    ),
    click.option(
        "--certificate-chain",
        type=EXISTING,
        metavar="PEM",
        multiple=True,
        help="Wanted: a certificate below this anchor.",
    ),
    click.option(
        "--identity",
        metavar="S",
        multiple=True,
        help="Wanted: exactly this Sigstore identity; with --issuer.",
    ),
    click.option(
        "--identity-regex", metavar="R", multiple=True, help="Wanted: an identity that this RE2 pattern fits."
    ),
    click.option(
        "--ci-repository-id", metavar="ID", help="Wanted: a CI workflow of this repository; with --issuer."
    ),
    click.option("--ci-owner-id", metavar="ID", help="… and of this owner."),
    click.option(
        "--ci-workflow", metavar="PATH", help="… and of this file, e.g. .github/workflows/release.yml."
    ),
    click.option("--ci-ref", metavar="PATTERN", help="… and at such a git ref, e.g. 'refs/tags/*'."),
    click.option("--issuer", metavar="U", multiple=True, help="Who vouches: one for all, or one for each."),
    click.option(
        "--trust-config", type=EXISTING, metavar="JSON", help="A private Sigstore in place of the public one."
    ),
    click.option(
        "--tsa-certificate",
        type=EXISTING,
        metavar="PEM",
        multiple=True,
        help="Trust this time-stamp authority (its root).",
    ),
    click.option(
        "--staging", is_flag=True, help="Sigstore's public test instance in place of the public one."
    ),
    click.option(
        "--signature",
        type=EXISTING,
        metavar="F",
        multiple=True,
        help="The signature to check (else: beside PATH).",
    ),
    click.option(
        "--record", type=EXISTING, metavar="F", help="The record file (else: provenance.jsonl beside PATH)."
    ),
    click.option("--registry", metavar="URL", help="Ask this registry too. Without it there is no network."),
    click.option(
        "--mirror",
        type=EXISTING,
        metavar="DIR",
        help="Replay this copy of the log (a mirror's folder, or a registry's own): no network.",
    ),
    click.option(
        "--log-key", metavar="VKEY|FILE", multiple=True, help="Trust this log, and no other, for this run."
    ),
    click.option(
        "--witness-policy", type=EXISTING, metavar="F", help="Demand the co-signers of this tlog-policy file."
    ),
    click.option(
        "--policy",
        type=EXISTING,
        metavar="F",
        help="Demand what this policy file (weighbridge.toml) demands.",
    ),
    ignore_option,
    click.option(
        "--ignore-unsigned-files", is_flag=True, help="Let files pass that nobody signed, and warn."
    ),
    click.option("--allow-subset", is_flag=True, help="Accept a partial copy: signed files may be missing."),
    click.option(
        "--allow-yanked", is_flag=True, help="Accept a release that its publisher withdrew, and warn."
    ),
    click.option("--all-digests", is_flag=True, help="With --release: recompute every digest that it holds."),
    click.option(
        "--copy-to",
        type=EXISTING,
        metavar="DIR",
        help="Write the very bytes that were verified into this new folder.",
    ),
    click.option(
        "--accept-owners",
        is_flag=True,
        help="With --release: accept the owners to whom the log's operator gave the namespace.",
    ),
    click.option("--remote", is_flag=True, help="Ask the hub what it holds, before anything is downloaded."),
)


def verifying_options(command: _Command) -> _Command:
    """All options that `reading` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def reading(given: dict[str, Any], *, quiet: bool) -> Iterator[Options]:
    """Read the files that options name, each bounded; the copy of a log is open in the block."""
    with ExitStack() as opened:
        progress = opened.enter_context(Progress("weighing", quiet=quiet))
        options = _options(given, progress)
        if given["mirror"] is not None:
            options["mirror"] = _mirror(given["mirror"], options, opened)
        yield options


def _mirror(folder: Path, options: Options, opened: ExitStack) -> Copy:
    """Open a copy of a log; the registry's code replays it."""
    from weighbridge_cli.replicas import open_replica

    config = options.get("trust_config")
    configs = () if config is None else (config if isinstance(config, bytes) else config.encode(),)
    return opened.enter_context(open_replica(folder, configs))


def _options(given: dict[str, Any], progress: Progress) -> Options:
    """Read the files that options name, each bounded."""
    from weighbridge.verification import Options

    registry = None
    if given["registry"]:
        from weighbridge.client import RegistryClient

        registry = RegistryClient(given["registry"])
    return Options(
        release=given["release"],
        signature=given["signature"],
        public_key=[_content(each, _MAX_PEM, "public key") for each in given["public_key"]],
        certificate_chain=[
            _content(each, _MAX_PEM, "certificate file") for each in given["certificate_chain"]
        ],
        identity=given["identity"],
        identity_regex=given["identity_regex"],
        issuer=given["issuer"],
        ci_repository_id=given["ci_repository_id"],
        ci_owner_id=given["ci_owner_id"],
        ci_workflow=given["ci_workflow"],
        ci_ref=given["ci_ref"],
        staging=given["staging"],
        tsa_certificate=[_content(each, _MAX_PEM, "certificate file") for each in given["tsa_certificate"]],
        trust_config=_read(given["trust_config"], _MAX_JSON, "trust configuration"),
        record=given["record"],
        registry=registry,
        log_keys=[_log_key(each) for each in given["log_key"]],
        witness_policy=_read(given["witness_policy"], _MAX_JSON, "witness policy"),
        policy=_read(given["policy"], _MAX_POLICY, "policy"),
        ignore=given["ignore"],
        ignore_unsigned_files=given["ignore_unsigned_files"],
        allow_subset=given["allow_subset"],
        allow_yanked=given["allow_yanked"],
        accept_owners=given["accept_owners"],
        all_digests=given["all_digests"],
        remote=given["remote"],
        copy_to=given["copy_to"],
        progress=progress,
    )


def _read(path: Path | None, limit: int, what: str) -> bytes | None:
    return None if path is None else _content(path, limit, what)


def _content(path: Path, limit: int, what: str) -> bytes:
    from weighbridge.verification import read_bounded

    return read_bounded(path, limit, what)


def _log_key(text: str) -> str:
    """Take what has the form of a vkey as it is, anything else as the name of a file with one.

    No file is looked for first: in the folder of a model, whoever made the model also chose its names.
    """
    if _VKEY.fullmatch(text):
        return text
    return _content(Path(text), _MAX_PEM, "log key file").decode(errors="replace").strip()
