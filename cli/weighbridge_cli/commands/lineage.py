# SPDX-License-Identifier: Apache-2.0
"""`weighbridge lineage`: what a model was made from, and whether the weights bear it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.commands.lineage_export import command as export
from weighbridge_cli.commands.lineage_impact import command as impact
from weighbridge_cli.commands.lineage_revise import command as revise
from weighbridge_cli.commands.lineage_show import command as show
from weighbridge_cli.options import EXISTING, ignore_option, json_option

if TYPE_CHECKING:
    from weighbridge.resemblance import TableComparison, Word
    from weighbridge.weighing import WeighedModel

RELATIONS = (
    "finetune",
    "adapter",
    "merge",
    "quantized",
    "converted",
    "distilled",
    "continued_pretraining",
    "pruned",
    "from_scratch",
)
"""Relations of lineage/v1; a test holds them against the schema, which is slow to load."""


@click.group("lineage")
def command() -> None:
    """Show and revise what a model was made from, and check it against the weights."""


command.add_command(show)
command.add_command(export)
command.add_command(impact)
command.add_command(revise)


@command.command("check")
@click.argument("child", type=EXISTING)
@click.argument("parent", type=EXISTING)
@click.option("--relation", type=click.Choice(RELATIONS), help="How CHILD is said to be made from PARENT.")
@click.option(
    "--position",
    type=EXISTING,
    metavar="FILE",
    help="Write the finding as a position/v1 predicate (JSON), to be signed as your re-check.",
)
@ignore_option
@json_option
def check(
    child: Path,
    parent: Path,
    *,
    relation: str | None,
    position: Path | None,
    ignore: tuple[str, ...],
    as_json: bool,
) -> None:
    """Weigh two models here, and say what the weights of CHILD have of PARENT.

    Nothing is sent anywhere and nobody is asked. Exit code 0 if tensors are equal, resemble, or an adapter
    fits; 1 if the tensors refute the --relation; 3 if there is no sign either way. Resemblance is a reason to
    ask, never proof, and does not tell who was first.
    """
    from weighbridge.rechecks import position_on
    from weighbridge.resemblance import compare_tables
    from weighbridge_cli import terminal

    made, origin = _weighed(child, ignore), _weighed(parent, ignore)
    found = compare_tables(made.tensors, origin.tensors)
    if position is not None:
        _write_position(position, position_on(made, origin, found, relation), child)
    if as_json:
        models = {"child": _told(child, made), "parent": _told(parent, origin)}
        terminal.print_json({"v": 1, **models, "relation": relation, "table": found.to_json(relation)})
    else:
        _show(found, relation)
    click.get_current_context().exit(_exit_code(found.verdict(relation).word))


def _write_position(path: Path, predicate: dict[str, Any], child: Path) -> None:
    import json

    from weighbridge.atomic import write_atomically
    from weighbridge_cli import terminal

    write_atomically(path, (json.dumps(predicate, indent=2, ensure_ascii=False) + "\n").encode())
    terminal.note(f"wrote {path}; to sign it: weighbridge attest {child} --type position --predicate {path}")


def _exit_code(word: Word) -> int:
    if word == "contradicts":
        return 1
    return 3 if word == "no sign" else 0


def _weighed(path: Path, ignore: tuple[str, ...]) -> WeighedModel:
    from weighbridge.errors import InputError
    from weighbridge.weighing import weigh
    from weighbridge_cli import terminal

    with terminal.Progress(f"weighing {path.name}") as progress:
        weighed = weigh(path, ignore=ignore, git=False, progress=progress)
    if not weighed.tensors:
        reason = f": {weighed.warnings[0]}" if weighed.warnings else ""
        raise InputError(
            f"{path} has no tensors that can be compared{reason}",
            hint="safetensors and GGUF files can; leave what is twice out with --ignore",
        )
    return weighed


def _told(path: Path, weighed: WeighedModel) -> dict[str, Any]:
    return {
        "path": str(path),
        "model_digest": f"sha256:{weighed.model_digest}",
        "weights_digest": f"sha256:{weighed.weights_digest}",
    }


_COLOURS = {"equal": "green", "shares": "green", "contradicts": "red"}


def _show(found: TableComparison, relation: str | None) -> None:
    from weighbridge_cli import terminal

    verdict = found.verdict(relation)
    claimed = f" (claimed: {relation})" if relation else ""
    terminal.put(f"{verdict.word}{claimed}", colour=_COLOURS.get(verdict.word, "yellow"), bold=True)
    terminal.put(f"  {verdict.sentence}")
    size = terminal.human_size
    rows = [
        ("tensors", f"{found.tensors} in the child, {found.tensors_parent} in the parent"),
        ("equal", f"{found.equal} with their names, {found.renamed} under others"),
        ("bytes equal", f"{size(found.bytes_equal)} of {size(found.bytes)}"),
        ("sketches", f"{len(found.likenesses)} compared, {found.near} nearer than chance allows"),
    ]
    terminal.rows(rows, indent="  ")
    if verdict.word in {"resembles", "shares"}:
        terminal.note("Resemblance is a reason to ask, never proof, and does not tell who was first.")
    elif verdict.word == "no sign":
        terminal.note("That is no proof of the contrary: weights can be reordered without changing a model.")
