# SPDX-License-Identifier: Apache-2.0
"""`weighbridge policy`: what you demand of models, as a file that `verify --policy` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighbridge_cli.options import EXISTING, json_option, model_argument
from weighbridge_cli.verifying import reading, verifying_options

if TYPE_CHECKING:
    from weighbridge.policy import LoadedPolicy

_FILE = Path("weighbridge.toml")


@click.group("policy")
def command() -> None:
    """Write, check and explain what you demand of models."""


@command.command("init")
@model_argument
@verifying_options
@click.option(
    "--output", type=EXISTING, metavar="FILE", default=_FILE, help="Where to write it (weighbridge.toml)."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
@click.pass_context
def init(
    context: click.Context, /, *, path: Path, output: Path, force: bool, as_json: bool, **given: Any
) -> None:
    """Verify the model in PATH, then write a policy that accepts its signer, its log, its namespace.

    Say whom to trust as for `verify`: nothing is pinned that was not verified. The file is commented: what
    else it could demand stands in it. Exit code as that of verify.
    """
    from weighbridge.atomic import write_atomically
    from weighbridge.errors import InputError
    from weighbridge.policy import read_policy
    from weighbridge.verification import draft_policy
    from weighbridge_cli import terminal

    if given["policy"] is not None:
        raise click.UsageError("policy init writes a policy; it takes none.")
    if given["copy_to"] is not None or given["remote"]:
        raise click.UsageError("policy init verifies files that are here, and copies none.")
    if output.exists() and not force:
        raise InputError(f"{output} is there already", hint="add --force to write over it, or --output FILE")
    with reading(given, quiet=as_json) as options:
        verdict, text = draft_policy(path, **options)
    if text is None:
        from weighbridge_cli.verdicts import show

        terminal.note("Nothing was written: the model is not verified.")
        if as_json:
            terminal.print_json({"v": 1, "file": None, "verdict": verdict.to_json()})
        else:
            show(verdict)
        context.exit(verdict.exit_code or 1)
    read_policy(text)
    write_atomically(output, text.encode())
    if as_json:
        terminal.print_json({"v": 1, "file": str(output), "verdict": verdict.to_json()})
        return
    terminal.put(f"wrote {output}: {verdict.summary}")
    terminal.note(f"look at it, then: weighbridge policy explain {output}")


@command.command("check")
@click.argument("file", type=EXISTING, default=_FILE)
@click.argument("model", type=EXISTING, required=False)
@verifying_options
@json_option
@click.pass_context
def check(context: click.Context, /, *, file: Path, model: Path | None, as_json: bool, **given: Any) -> None:
    """Check that FILE is a policy, warn of what lets in more than it seems to, and hold MODEL against it.

    With MODEL this is verify MODEL --policy FILE, with the same options and exit codes. Without: exit code 0
    if it is a policy, 1 with warnings, 2 if it is none.
    """
    from weighbridge.policy import cautions
    from weighbridge.verification import check as verified
    from weighbridge_cli import terminal
    from weighbridge_cli.verdicts import show

    if given["policy"] is not None:
        raise click.UsageError("The policy to check is FILE.")
    policy, verdict = _read(file), None
    found = cautions(policy)
    if model is not None:
        with reading(given, quiet=as_json) as options:
            options["policy"] = policy
            verdict = verified(model, **options)
    if as_json:
        terminal.print_json(
            {
                "v": 1,
                "policy": f"sha256:{policy.sha256}",
                "signers": len(policy.document.signers),
                "reviewers": len(policy.document.reviewers),
                "rules": len(policy.document.rules),
                "warnings": found,
                "verdict": verdict.to_json() if verdict is not None else None,
            }
        )
    else:
        rules, signers = len(policy.document.rules), len(policy.document.signers)
        terminal.put(f"{file} is a policy: {_count(rules, 'rule')}, {_count(signers, 'signer')}")
        for caution in found:
            terminal.warn(caution)
        if verdict is not None:
            show(verdict)
    context.exit(verdict.exit_code if verdict is not None else 1 if found else 0)


@command.command("explain")
@click.argument("file", type=EXISTING, default=_FILE)
@click.option("--release", metavar="NS/NAME[@VERSION]", help="Only what it demands of this release.")
@json_option
@click.pass_context
def explain(context: click.Context, /, *, file: Path, release: str | None, as_json: bool) -> None:
    """Say in words what the policy in FILE demands.

    Exit code 1 if no rule is for the release: it would be refused.
    """
    from weighbridge.policy import explain as explained
    from weighbridge.verification import WantedRelease
    from weighbridge_cli import terminal

    policy, rules = _read(file), None
    if release is not None:
        wanted = WantedRelease.parse(release)
        rules = list(policy.possible(wanted.namespace, wanted.name, wanted.version))
    lines = list(explained(policy, rules))
    if as_json:
        terminal.print_json({"v": 1, "policy": f"sha256:{policy.sha256}", "release": release, "lines": lines})
    else:
        for line in lines:
            terminal.put(line)
        if rules == []:
            terminal.warn(f"no rule is for {release}: it is refused")
    context.exit(1 if rules == [] else 0)


def _read(file: Path) -> LoadedPolicy:
    from weighbridge.policy import MAX_POLICY_BYTES, read_policy
    from weighbridge.verification import read_bounded

    return read_policy(read_bounded(file, MAX_POLICY_BYTES, "policy"))


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
