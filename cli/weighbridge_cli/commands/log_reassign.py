# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log reassign` and `log allow`: whose a namespace is, and who may claim one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from weighbridge_cli.commands.log_desks import open_operators_desk
from weighbridge_cli.operators import (
    DeskOptions,
    OwnerOptions,
    case_options,
    desk_options,
    made,
    owner_options,
    owner_words,
)
from weighbridge_cli.options import json_option

if TYPE_CHECKING:
    from weighbridge_registry.decisions import Desk


@click.command("reassign")
@click.argument("namespace", metavar="NS")
@owner_options
@click.option(
    "--reason",
    required=True,
    metavar="CODE",
    help="court_order, lost_keys, stolen_keys, impersonation, trademark or abandoned.",
)
@case_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@desk_options
@json_option
def reassign(
    namespace: str,
    *,
    reason: str,
    jurisdiction: str | None,
    reference: str | None,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Give the namespace NS to other owners, without a signature of those who have it.

    Opens a new epoch: clients that knew the old owners refuse the new ones until their user accepts them
    (verify --accept-owners). Releases made before stay what they were, judged by the owners of their time.
    """
    import sys

    from weighbridge.errors import InputError
    from weighbridge_cli import terminal
    from weighbridge_schemas.operator import Reassign, ReassignReason

    owners = OwnerOptions.take(options).owners()
    if reason not in get_args(ReassignReason):
        codes = ", ".join(get_args(ReassignReason))
        raise InputError(f"{reason[:80]!r} is no reason that can be given", hint=f"one of: {codes}")
    decision = made(
        Reassign,
        action="reassign",
        namespace=namespace,
        owners=[owner.to_json() for owner in owners],
        reason=reason,
        jurisdiction=jurisdiction,
        reference=reference,
    )
    with open_operators_desk(DeskOptions.take(options)) as desk:
        if not yes:
            for owner in owners:
                terminal.note(f"new owner: {owner_words(owner)}")
            if not sys.stdin.isatty():
                raise InputError("there is no terminal to ask whether to go on", hint="add --yes")
            if not click.confirm(f"Give {namespace} to them? The log never forgets it.", err=True):
                raise InputError("nothing was decided")
        decided = desk.decide(decision)
        epoch = (desk.fact(f"namespace/{_folded(namespace)}") or {}).get("epoch")
    if as_json:
        found = {"v": 1, "namespace": namespace, "epoch": epoch, "index": decided.index}
        terminal.print_json({**found, "statement": f"sha256:{decided.statement}"})
        return
    terminal.rows(
        [("namespace", namespace), ("epoch", str(epoch)), ("decision", f"entry {decided.index}")]
        + [("owner", owner_words(owner)) for owner in owners]
    )


@click.command("allow")
@click.argument("namespace", metavar="NS")
@owner_options
@click.option("--remove", is_flag=True, help="Take the grants of NS back; a claim that was made stays.")
@desk_options
@json_option
def allow(namespace: str, *, remove: bool, as_json: bool, **options: Any) -> None:
    """Let somebody claim the namespace NS on a registry with restricted admission.

    Adds to the allow-list, which is in the log.
    """
    from weighbridge.errors import InputError
    from weighbridge_cli import terminal
    from weighbridge_schemas.operator import AllowList

    named = OwnerOptions.take(options)
    owners = () if remove else named.owners()
    with open_operators_desk(DeskOptions.take(options)) as desk:
        if (desk.fact("log/genesis") or {}).get("admission") != "restricted":
            raise InputError(
                "this log is open: anybody may claim a namespace that nobody has",
                hint="admission is decided at the first start: weighbridge serve --admission restricted",
            )
        grants = _grants(desk, namespace, remove=remove)
        grants += [{"namespace": namespace, "owner": owner.to_json()} for owner in owners]
        allowed = [one for place, one in enumerate(grants) if one not in grants[:place]]
        decided = desk.decide(made(AllowList, action="allow_list", allowed=allowed))
    if as_json:
        found = {"v": 1, "namespace": namespace, "index": decided.index, "grants": len(allowed)}
        terminal.print_json({**found, "statement": f"sha256:{decided.statement}"})
        return
    rows = [("may claim", f"{namespace}: {owner_words(owner)}") for owner in owners]
    rows = rows or [("nobody may claim", namespace)]
    terminal.rows([*rows, ("decision", f"entry {decided.index}"), ("grants in all", str(len(allowed)))])


def _grants(desk: Desk, namespace: str, *, remove: bool) -> list[dict[str, Any]]:
    """List the grants in force; those of `namespace` only if they stay."""
    grants = []
    for folded, owners in (desk.fact("log/allowed") or {}).items():
        if remove and folded == _folded(namespace):
            continue
        grants += [{"namespace": folded, "owner": owner} for owner in owners]
    return grants


def _folded(namespace: str) -> str:
    from weighbridge_schemas.base import fold_name

    return fold_name(namespace)
