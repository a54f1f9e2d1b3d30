# SPDX-License-Identifier: Apache-2.0
"""`weighbridge sign`: the OMS signature of a model, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from weighbridge_cli.options import EXISTING, ignore_option, json_option, model_argument, signing_options


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
@ignore_option
@signing_options
@json_option
def command(
    path: Path,
    *,
    signature: Path | None,
    algorithm: str,
    ignore: tuple[str, ...],
    as_json: bool,
    **signing: Any,
) -> None:
    """Sign the model at PATH, so that any tool that knows OpenSSF Model Signing can check it.

    Writes model.sig into the folder, or FILE.sig beside a file. Nothing is sent to a registry: that is
    publish. With a key nothing leaves this machine at all.
    """
    from weighbridge import identities
    from weighbridge.oms import manifest_of
    from weighbridge.signing import sign
    from weighbridge_cli import terminal
    from weighbridge_cli.signers import SigningOptions, choose_signer

    signer = choose_signer(SigningOptions.take(signing))
    with terminal.Progress(f"weighing {path.name}") as progress:
        signed = sign(
            path, signer=signer, signature=signature, ignore=ignore, algorithm=algorithm, progress=progress
        )
    manifest = manifest_of(signed.weighed, algorithm=algorithm)
    who = identities.describe(signer.identity)
    told = {
        "v": 1,
        "signature": str(signed.path_written),
        "root_digest": f"sha256:{manifest.root_digest}",
        "model_digest": f"sha256:{signed.weighed.model_digest}",
        "files": len(signed.weighed.files),
        "signer": who,
    }
    if as_json:
        terminal.print_json(told)
        return
    terminal.rows(
        [
            ("signed", f"{told['files']} files, {terminal.human_size(signed.weighed.size)}"),
            ("root digest", str(told["root_digest"])),
            ("signer", who),
            ("signature", str(signed.path_written)),
        ]
    )
    for warning in (*signed.weighed.warnings, *terminal.unsafe_files(signed.weighed.files)):
        terminal.warn(warning)
