# SPDX-License-Identifier: Apache-2.0
"""`weighbridge weigh`: hash a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import EXISTING, ignore_option, json_option, model_argument

if TYPE_CHECKING:
    from weighbridge.weighing import WeighedModel


@click.command("weigh")
@model_argument
@click.option("--compare", type=EXISTING, metavar="OTHER", help="Say what differs from this other model.")
@click.option("--tensors", is_flag=True, help="List the tensors too.")
@ignore_option
@json_option
def command(
    path: Path, *, compare: Path | None, tensors: bool, ignore: tuple[str, ...], as_json: bool
) -> None:
    """Hash the model at PATH: every file, every tensor, and the fingerprints of the whole.

    Nothing is loaded or run, nothing is sent anywhere. With --compare the exit code is 0 if both are the
    same model and 1 if not.
    """
    from weighbridge_cli import terminal

    weighed = _weigh(path, ignore)
    if compare is None:
        if as_json:
            terminal.print_json(document(weighed, tensors=tensors))
        else:
            _show(weighed, tensors=tensors)
        return
    other = _weigh(compare, ignore)
    same = weighed.model_digest == other.model_digest
    found = comparison(weighed, other)
    if as_json:
        terminal.print_json({"v": 1, "same": same, **found})
    else:
        _show_comparison(weighed, other, found)
    click.get_current_context().exit(0 if same else 1)


def _weigh(path: Path, ignore: tuple[str, ...]) -> WeighedModel:
    from weighbridge.weighing import weigh
    from weighbridge_cli import terminal

    with terminal.Progress(f"weighing {path.name}") as progress:
        return weigh(path, ignore=ignore, progress=progress)


def _digest(value: str | None) -> str | None:
    return f"sha256:{value}" if value else None


def document(weighed: WeighedModel, *, tensors: bool) -> dict[str, Any]:
    """Make the JSON of `weigh --json`: `{model_digest, root_digest, weights_digest, files[], tensors{…}}`."""
    told = weighed.to_json()
    if tensors:
        told["tensors"]["list"] = [
            {
                "name": tensor.name,
                "dtype": tensor.dtype,
                "shape": list(tensor.shape),
                "nbytes": tensor.nbytes,
                "sha256": tensor.sha256,
                "file": tensor.file,
            }
            for tensor in weighed.tensors
        ]
    return told


def _show(weighed: WeighedModel, *, tensors: bool) -> None:
    from weighbridge_cli import terminal

    files = [*weighed.files, *([weighed.readme] if weighed.readme else [])]
    terminal.rows(
        (file.digests["sha256"], terminal.human_size(file.size).rjust(9), file.path, _remark(file, weighed))
        for file in sorted(files, key=lambda file: file.path)
    )
    terminal.put()
    if tensors:
        terminal.rows(
            (tensor.sha256, tensor.dtype, "x".join(map(str, tensor.shape)) or "scalar", tensor.name)
            for tensor in weighed.tensors
        )
        terminal.put()
    total = terminal.human_size(sum(tensor.nbytes for tensor in weighed.tensors))
    counted = f"fingerprint of the weights: {len(weighed.tensors)} tensors, {total}"
    terminal.rows(
        [
            ("model digest", f"sha256:{weighed.model_digest}", "fingerprint of all files but README.md"),
            (
                "weights digest",
                _digest(weighed.weights_digest) or "none",
                counted if weighed.tensors else "no tensors",
            ),
            ("root digest", f"sha256:{weighed.root_digest}", "what an OMS signature names"),
        ]
    )
    for warning in (*weighed.warnings, *terminal.unsafe_files(weighed.files)):
        terminal.warn(warning)


def _remark(file: Any, weighed: WeighedModel) -> str:
    if file is weighed.readme:
        return "(bound by the card)"
    return "can run code when loaded" if file.unsafe_to_load else ""


def comparison(first: WeighedModel, second: WeighedModel) -> dict[str, Any]:
    """Say what differs between two models, files by path and tensors by name."""
    files = [{file.path: file.digests["sha256"] for file in model.files} for model in (first, second)]
    tensors = [{tensor.name: tensor for tensor in model.tensors} for model in (first, second)]
    shared = tensors[0].keys() & tensors[1].keys()
    equal = {name for name in shared if tensors[0][name].sha256 == tensors[1][name].sha256}
    return {
        "model_digests": [_digest(first.model_digest), _digest(second.model_digest)],
        "weights_digests": [_digest(first.weights_digest), _digest(second.weights_digest)],
        "files": {
            "only_first": sorted(files[0].keys() - files[1].keys()),
            "only_second": sorted(files[1].keys() - files[0].keys()),
            "changed": sorted(
                path for path in files[0].keys() & files[1].keys() if files[0][path] != files[1][path]
            ),
        },
        "tensors": {
            "equal": len(equal),
            "equal_bytes": sum(tensors[0][name].nbytes for name in equal),
            "changed": sorted(shared - equal),
            "only_first": sorted(tensors[0].keys() - tensors[1].keys()),
            "only_second": sorted(tensors[1].keys() - tensors[0].keys()),
        },
    }


def _show_comparison(first: WeighedModel, second: WeighedModel, found: dict[str, Any]) -> None:
    from weighbridge_cli import terminal

    if first.model_digest == second.model_digest:
        terminal.put("the same model: all files are equal (README.md aside)", colour="green")
        return
    same_weights = first.weights_digest is not None and first.weights_digest == second.weights_digest
    terminal.put("the same weights in other files" if same_weights else "not the same model", colour="yellow")
    for title, key in (
        ("only in the first", "only_first"),
        ("only in the second", "only_second"),
        ("changed", "changed"),
    ):
        for path in found["files"][key]:
            terminal.put(f"  file {title}: {path}")
    tensors = found["tensors"]
    total = len(first.tensors)
    if total or second.tensors:
        terminal.put(
            f"  tensors: {tensors['equal']} of {total} equal, {len(tensors['changed'])} changed, "
            f"{len(tensors['only_first'])} gone, {len(tensors['only_second'])} new"
        )
