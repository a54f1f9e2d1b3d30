# SPDX-License-Identifier: Apache-2.0
"""`weighbridge weigh`: hash a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import EXISTING, ignore_option, json_option, model_argument

if TYPE_CHECKING:
    from weighbridge.resemblance import TableComparison
    from weighbridge.weighing import WeighedModel
    from weighbridge.weighing.compared import ComparedModels, Differences


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
    from weighbridge.weighing.compared import compare_models

    found = compare_models(weighed, _weigh(compare, ignore))
    alike = _resemblance(found)
    if as_json:
        terminal.print_json({**found.to_json(), "resemblance": alike.to_json() if alike else None})
    else:
        _show_comparison(found)
        _show_resemblance(alike)
    click.get_current_context().exit(0 if found.same else 1)


def _weigh(path: Path, ignore: tuple[str, ...]) -> WeighedModel:
    from weighbridge.weighing import weigh
    from weighbridge_cli import terminal

    with terminal.Progress(f"weighing {path.name}") as progress:
        return weigh(path, ignore=ignore, progress=progress)


def _resemblance(found: ComparedModels) -> TableComparison | None:
    """Compare the sketches of the tensors that are not equal, if there are any."""
    from weighbridge.resemblance import compare_tables

    first, second = found.first.tensors, found.second.tensors
    return compare_tables(first, second) if first and second and not found.same_weights else None


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
                **({"sketch": tensor.sketch} if tensor.sketch else {}),
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
            (tensor.sha256, tensor.dtype, _shape(tensor.shape), tensor.name) for tensor in weighed.tensors
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


def _show_resemblance(alike: TableComparison | None) -> None:
    from weighbridge_cli import terminal

    if alike is not None and alike.finding != "equal":
        terminal.put()
        terminal.put(f"resemblance: {alike.verdict().word}", bold=True)
        terminal.put(f"  {alike.verdict().sentence}")


_SHOWN = 12


def _show_comparison(found: ComparedModels) -> None:
    from weighbridge_cli import terminal

    if found.same:
        terminal.put("the same model: all files are equal (README.md aside)", colour="green")
        return
    words = "the same weights in other files" if found.same_weights else "not the same model"
    terminal.put(words, colour="yellow")
    tensors = found.tensors
    if tensors.bytes_first or tensors.bytes_second:
        _show_differences(
            "tensors", tensors, lambda tensor: f"{tensor.name}  {tensor.dtype} {_shape(tensor.shape)}"
        )
    _show_differences("files", found.files, lambda file: file.path)


def _show_differences(title: str, found: Differences[Any], name: Callable[[Any], str]) -> None:
    """Count first, then list: what a person asks is how much, and only then which."""
    from weighbridge_cli import terminal

    size = terminal.human_size
    terminal.put()
    terminal.put(
        f"{title}: {_percent(found.percent_equal)} % of the first model's "
        f"{size(found.bytes_first)} is in both",
        bold=True,
    )
    terminal.rows(
        [
            (what, str(count), size(sum_).rjust(9))
            for what, count, sum_ in (
                ("equal", len(found.equal), found.bytes_equal),
                ("changed", len(found.changed), found.bytes_changed),
                ("under another name", len(found.moved), found.bytes_moved),
                ("removed", len(found.removed), found.bytes_removed),
                ("added", len(found.added), found.bytes_added),
            )
            if count
        ],
        indent="  ",
    )
    lines = [
        f"changed  {name(a)}" if name(a) == name(b) else f"changed  {name(a)} -> {name(b)}"
        for a, b in found.changed
    ]
    lines += [f"moved    {name(a)} -> {name(b)}" for a, b in found.moved]
    lines += [f"removed  {name(each)}" for each in found.removed]
    lines += [f"added    {name(each)}" for each in found.added]
    for line in lines[:_SHOWN]:
        terminal.put(f"    {line}")
    if len(lines) > _SHOWN:
        terminal.put(f"    and {len(lines) - _SHOWN} more; --json lists all")


def _percent(value: float) -> str:
    """Two decimals, never rounded up: what is not all is not 100."""
    return f"{math.floor(value * 100) / 100:.2f}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
