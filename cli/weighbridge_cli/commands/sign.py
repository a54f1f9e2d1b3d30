# SPDX-License-Identifier: Apache-2.0
"""`weighbridge sign`: the OMS signature of a model, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import (
    EXISTING,
    ignore_option,
    json_option,
    model_argument,
    signing_options,
    tsa_option,
)

if TYPE_CHECKING:
    from weighbridge.oms import Serialized


@click.command("sign")
@model_argument
@click.option("--signature", type=EXISTING, metavar="OUT", help="Write the signature here.")
@click.option(
    "--hash",
    "algorithm",
    type=click.Choice(["sha256", "blake3", "blake2b"]),
    default="sha256",
    show_default=True,
    help="Digest of the files.",
)
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Sign shards of N bytes in place of whole files: a large file is hashed on all cores.",
)
@click.option(
    "--reuse",
    type=EXISTING,
    metavar="OLD.sig",
    help="Do not hash again what has not been touched since this older signature was made here.",
)
@tsa_option
@ignore_option
@signing_options
@json_option
def command(
    path: Path,
    *,
    signature: Path | None,
    algorithm: str,
    shard_size: int | None,
    reuse: Path | None,
    tsa_url: str | None,
    ignore: tuple[str, ...],
    as_json: bool,
    **signing: Any,
) -> None:
    """Sign the model at PATH, so that any tool that knows OpenSSF Model Signing can check it.

    Writes model.sig into the folder, or FILE.sig beside a file. Nothing is sent to a registry: that is
    publish. With a key nothing leaves this machine at all.
    """
    from weighbridge import identities
    from weighbridge.signing import sign
    from weighbridge_cli import terminal
    from weighbridge_cli.signers import SigningOptions, choose_signer

    signer = choose_signer(SigningOptions.take(signing), tsa_url=tsa_url)
    with terminal.Progress(f"weighing {path.name}") as progress:
        signed = sign(
            path,
            signer=signer,
            signature=signature,
            ignore=ignore,
            algorithm=algorithm,
            shard_size=shard_size,
            reuse=reuse,
            progress=progress,
        )
    serialized = signed.serialized
    manifest = serialized.manifest
    who = identities.describe(signer.identity)
    warnings = list(serialized.warnings)
    if reuse and signed.not_kept:
        warnings.append(f"this signature cannot be reused later: {signed.not_kept}")
    if as_json:
        terminal.print_json(
            {
                "v": 1,
                "signature": str(signed.path_written),
                "root_digest": f"sha256:{manifest.root_digest}",
                "model_digest": serialized.model_digest and f"sha256:{serialized.model_digest}",
                "files": len(serialized.files),
                "size": serialized.size,
                "hash_type": manifest.serialization.hash_type,
                "shard_size": manifest.serialization.shard_size,
                "signer": who,
                "reused": {"files": len(serialized.spared), "bytes": _bytes(serialized)},
                "why_hashed": serialized.why_hashed or None,
                "warnings": warnings,
            }
        )
        return
    cut = f" in {len(manifest.resources)} shards" if shard_size else ""
    terminal.rows(
        [
            ("signed", f"{len(serialized.files)} files, {terminal.human_size(serialized.size)}{cut}"),
            *(_reused(serialized, reuse) if reuse else ()),
            ("root digest", f"sha256:{manifest.root_digest}"),
            ("signer", who),
            ("signature", str(signed.path_written)),
        ]
    )
    for warning in (*warnings, *terminal.unsafe_files(serialized.files)):
        terminal.warn(warning)


def _bytes(serialized: Serialized) -> int:
    return sum(file.size for file in serialized.spared)


def _reused(serialized: Serialized, older: Path) -> list[tuple[str, str]]:
    """Say what was taken over from the older signature, what was hashed, and why."""
    from weighbridge_cli.terminal import human_size

    spared, spared_bytes = len(serialized.spared), _bytes(serialized)
    hashed, hashed_bytes = (
        len(serialized.listed) - spared,
        sum(file.size for file in serialized.listed) - spared_bytes,
    )
    why = f": {serialized.why_hashed}" if serialized.why_hashed else ""
    return [
        ("reused", f"{_files(spared)}, {human_size(spared_bytes)}, as in {older}"),
        ("hashed", f"{_files(hashed)}, {human_size(hashed_bytes)}{why}"),
    ]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
