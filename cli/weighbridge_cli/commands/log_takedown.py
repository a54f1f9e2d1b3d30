# SPDX-License-Identifier: Apache-2.0
"""`weighbridge log takedown` and `log restore`: what a registry serves no longer, and again."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from weighbridge_cli.commands.log_desks import open_operators_desk
from weighbridge_cli.operators import DeskOptions, case_options, desk_options, made
from weighbridge_cli.options import EXISTING, json_option

if TYPE_CHECKING:
    from weighbridge_registry.decisions import Decided, Desk
    from weighbridge_registry.withholding import Found

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_MAX_FILE: Final = 64 * 1024 * 1024
_QUESTION: Final = "The decision is recorded for ever, and the bytes are deleted. Continue?"


@click.command("takedown")
@click.argument("sha256", metavar="SHA256")
@click.option(
    "--reason",
    required=True,
    metavar="CODE",
    help="illegal_content, personal_data, court_order, copyright, malware or other_law.",
)
@case_options
@click.option(
    "--withhold-facts",
    is_flag=True,
    help="Withhold what the statement did, too, for it holds personal data: nobody can replay past it then.",
)
@click.option("--keep", is_flag=True, help="Keep the bytes in DIR/withheld, where only you can read them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@desk_options
@json_option
def takedown(
    sha256: str,
    *,
    reason: str,
    jurisdiction: str | None,
    reference: str | None,
    withhold_facts: bool,
    keep: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Stop serving the signed statement or attached file with this SHA-256; its entry and proofs stay.

    The decision is signed with the operator's key and logged; from then on the registry answers 451 and
    proves why. The bytes are deleted. Run again after a failure: it finishes.
    """
    from weighbridge_cli import terminal

    with open_operators_desk(DeskOptions.take(options)) as desk:
        found = _find(desk, sha256)
        named = _named(desk, found)
        if found.decision is None:
            _confirm(found, yes=yes)
            effect = _account(desk, found, keep=keep)
            decided = _decide(desk, found, reason, jurisdiction, reference, effect, withhold_facts)
        else:
            terminal.step("withheld already: finishing what is left")
            decided = None
        gone = _remove(desk, found)
        _tell(desk, found, decided, gone=gone, named=named, as_json=as_json)


@click.command("restore")
@click.argument("sha256", metavar="SHA256")
@click.option("--file", type=EXISTING, metavar="F", help="The very bytes (else: as kept with --keep).")
@desk_options
@json_option
def restore(sha256: str, *, file: Path | None, as_json: bool, **options: Any) -> None:
    """Serve again what was taken down, if its bytes are at hand.

    A statement can be read again; its words and the names of its files stay out of the search.
    """
    from weighbridge_cli import terminal
    from weighbridge_registry.store.accounts import Accounts
    from weighbridge_schemas.operator import Restore

    with open_operators_desk(DeskOptions.take(options)) as desk:
        found = _find(desk, sha256)
        data = _bytes(desk, found, file)
        if found.target == "bundle":
            desk.folder.bundles.put(found.sha256, data)
        decision = made(Restore, action="restore", target=found.target, sha256=f"sha256:{found.sha256}")
        decided = desk.decide(decision)
        if found.target == "attachment":
            _attach(desk, found, data)
        Accounts(desk.folder.path).forget(found.sha256)
    if as_json:
        terminal.print_json({"v": 1, "restored": f"sha256:{found.sha256}", **_entry(decided)})
        return
    terminal.rows([("served again", f"sha256:{found.sha256}"), ("decision", f"entry {decided.index}")])


def _find(desk: Desk, text: str) -> Found:
    from weighbridge.errors import InputError
    from weighbridge_registry.withholding import find

    match = _DIGEST.fullmatch(text.strip())
    if match is None:
        raise InputError(f"not a SHA-256 digest: {text[:80]!r}", hint="write 64 lowercase hex digits")
    with desk.database.read() as connection:
        return find(connection, match[1])


def _named(desk: Desk, found: Found) -> tuple[str, ...]:
    """List the attached files that a statement names: they are taken down one by one."""
    from weighbridge_registry.state import read_candidate
    from weighbridge_registry.withholding import attachments_of, read

    data = read(desk.folder, found) if found.target == "bundle" else None
    return attachments_of(read_candidate(data)) if data is not None else ()


def _confirm(found: Found, *, yes: bool) -> None:
    import sys

    from weighbridge.errors import InputError
    from weighbridge_cli import terminal

    if yes:
        return
    what = f"the statement of entry {found.entry}" if found.target == "bundle" else "an attached file"
    terminal.note(f"This withholds {what} (SHA-256 {found.sha256}).")
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask whether to go on", hint="add --yes")
    if not click.confirm(_QUESTION, err=True):
        raise InputError("nothing was decided")


def _account(desk: Desk, found: Found, *, keep: bool) -> str | None:
    """Write down what the entry did, and keep the bytes if wanted; returns the effect of a bundle."""
    from weighbridge.errors import InputError
    from weighbridge.withholding import effect_of
    from weighbridge_cli import terminal
    from weighbridge_registry.store.accounts import Accounts
    from weighbridge_registry.withholding import account_of, read

    accounts = Accounts(desk.folder.path)
    if keep:
        data = read(desk.folder, found)
        if data is None:
            raise InputError("the bytes are not here, so they cannot be kept", hint="leave --keep out")
        accounts.keep(found.sha256, data)
    if found.entry is None:
        return None
    terminal.step(f"replaying {found.entry + 1:,} entries to write down what entry {found.entry} did")
    facts = account_of(desk.folder, desk.authentication, found.entry)
    accounts.keep_facts(found.sha256, facts)
    return effect_of(facts)


def _decide(
    desk: Desk,
    found: Found,
    reason: str,
    jurisdiction: str | None,
    reference: str | None,
    effect: str | None,
    withhold_facts: bool,  # noqa: FBT001 - a member of the decision
) -> Decided:
    from weighbridge.errors import InputError
    from weighbridge_schemas.operator import Takedown, TakedownReason

    if reason not in get_args(TakedownReason):
        codes = ", ".join(get_args(TakedownReason))
        raise InputError(f"{reason[:80]!r} is no reason that can be given", hint=f"one of: {codes}")
    decision = made(
        Takedown,
        action="takedown",
        target=found.target,
        sha256=f"sha256:{found.sha256}",
        reason=reason,
        jurisdiction=jurisdiction,
        reference=reference,
        effect=f"sha256:{effect}" if effect is not None else None,
        facts_withheld=withhold_facts,
    )
    return desk.decide(decision)


def _remove(desk: Desk, found: Found) -> bool:
    """Delete the bytes; what a run that died before had not written down is written down now."""
    from weighbridge_registry.withholding import read, remove

    if remove(desk.database, desk.folder, found.target, found.sha256):
        return True
    if found.target == "bundle" and read(desk.folder, found) is not None:
        _account(desk, found, keep=False)
        return remove(desk.database, desk.folder, found.target, found.sha256)
    return False


def _tell(
    desk: Desk, found: Found, decided: Decided | None, *, gone: bool, named: tuple[str, ...], as_json: bool
) -> None:
    from weighbridge_cli import terminal
    from weighbridge_registry.state import withheld_key

    fact = desk.fact(withheld_key(found.target, found.sha256)) or {}
    index = decided.index if decided is not None else fact.get("index")
    if as_json:
        terminal.print_json(
            {
                "v": 1,
                "target": found.target,
                "withheld": f"sha256:{found.sha256}",
                "entry": found.entry,
                "index": index,
                "statement": f"sha256:{fact.get('statement')}",
                "deleted": gone,
                "names": [f"sha256:{one}" for one in named],
            }
        )
        return
    what = f"statement of entry {found.entry}" if found.target == "bundle" else "attached file"
    terminal.rows(
        [
            ("withheld", f"{what}, sha256:{found.sha256}"),
            ("decision", f"entry {index}"),
            ("bytes", "deleted from what is served" if gone else "still stored, but not served"),
        ]
    )
    for one in named:
        terminal.note(f"It names an attached file, which is still served: weighbridge log takedown {one}")
    terminal.note("Purge caches in front of the registry, and think of backups: they hold the bytes.")


def _bytes(desk: Desk, found: Found, file: Path | None) -> bytes:
    """Return the bytes to serve again: from a file, as kept, or those that were never deleted."""
    from weighbridge.errors import InputError
    from weighbridge_registry.store.accounts import Accounts
    from weighbridge_registry.withholding import read

    if found.decision is None:
        raise InputError("that is not withheld: nothing needs to be restored")
    if file is not None:
        try:
            with file.open("rb") as opened:
                data: bytes | None = opened.read(_MAX_FILE + 1)
        except OSError as error:
            raise InputError(f"can't read {file}: {error.strerror}") from error
    else:
        data = Accounts(desk.folder.path).kept(found.sha256) or read(desk.folder, found)
    if data is None:
        raise InputError(
            "the bytes are not here any more: they were not kept", hint="give them with --file F"
        )
    if hashlib.sha256(data).hexdigest() != found.sha256:
        raise InputError("those are other bytes: their SHA-256 is not the one that was withheld")
    return data


def _attach(desk: Desk, found: Found, data: bytes) -> None:
    from weighbridge_registry.attachments import Attachments
    from weighbridge_registry.settings import Limits

    attachments = Attachments(desk.database, desk.folder, desk.authentication, Limits())
    attachments.put(attachments.slot(found.sha256), data)


def _entry(decided: Decided) -> dict[str, Any]:
    return {"index": decided.index, "statement": f"sha256:{decided.statement}"}
