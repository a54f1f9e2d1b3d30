# SPDX-License-Identifier: Apache-2.0
"""The command line: which commands there are, and the edge where errors become words and exit codes.

Nothing but click loads here; a command's own module loads when that command runs, so `--help` stays
fast. Exit codes: 0 done or verified, 1 refused, 2 wrong command or unreadable input, 3 undecidable;
130 after Ctrl-C.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from weighbridge.errors import WeighbridgeError

COMMANDS = {
    "key": "Make a signing key.",
    "weigh": "Hash a model: its files, its tensors, its fingerprints.",
    "sign": "Sign a model, so that any tool of the field can check it.",
    "verify": "Check that a model is what a signer you name has released.",
    "policy": "Write, check and explain what you demand of models.",
    "publish": "Sign a release and record it in a public log.",
    "card": "Write, check, show, compare, export and revise model cards.",
    "identify": "Ask a registry what it knows of a model, a file or a digest.",
    "lineage": "Show, check and revise what a model was made from.",
    "status": "Yank, restore, deprecate or supersede a release of yours.",
    "attest": "Say something of a model, a data set or a service, as your word.",
    "namespace": "Show who may publish under a name.",
    "serve": "Run a registry.",
    "db": "Migrate a registry's database.",
    "log": "Choose the logs you trust; prove that a log is whole; cosign.",
    "demo": "See the whole way on a real model, on this machine.",
}
"""Every command with its one line of help, in the order in which a person meets them."""

DEBUG_VARIABLE = "WEIGHBRIDGE_DEBUG"
_INTERRUPTED = 130
_USAGE = 2


class _Commands(click.Group):
    """A group whose members load when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"weighbridge_cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001 - click's
    if value and not context.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("weighbridge")
        except PackageNotFoundError:
            number = "(not installed)"
        click.echo(f"weighbridge {number}")
        context.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `weighbridge demo`, or `weighbridge COMMAND -h`.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """Weigh, sign, record and verify AI models."""


def _fail(error: WeighbridgeError, *, as_json: bool) -> int:
    """Tell an error: what and where, the step that failed, what to do."""
    from weighbridge.verdict import STEPS

    step = STEPS.get(error.step) if error.step is not None else None
    if as_json:
        numbered = {"n": error.step, "name": step} if step else None
        _tell_json(type(error).__name__, error.message, error.hint, step=numbered, evidence=error.evidence)
        return error.exit_code
    _say(f"error: {error.message}", colour="red")
    if step:
        _say(f"  step {error.step} ({step})")
    if error.hint:
        for line in error.hint.splitlines():
            _say(f"  → {line}")
    return error.exit_code


def _fail_usage(error: click.ClickException, *, as_json: bool) -> int:
    """Tell a wrong command in our own form, with the way to its help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return error.exit_code
    message = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"see: {context.command_path} -h" if context else ""
    code = error.exit_code if isinstance(error, click.UsageError) else _USAGE
    if as_json:
        _tell_json("InputError", message, hint)
        return code
    _say(f"error: {message}", colour="red")
    if hint:
        _say(f"  → {hint}")
    return code


def _say(line: str, colour: str | None = None) -> None:
    """One line on standard error; control characters in it (a hostile file name) are made visible."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    if os.environ.get("NO_COLOR"):
        colour = None
    click.secho(shown, err=True, fg=colour)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    """Admit a defect of ours without a traceback; never with exit code 0."""
    message = f"unexpected {type(error).__name__}: {error}"
    hint = f"this is a defect of weighbridge: run again with {DEBUG_VARIABLE}=1 and report what it prints"
    if as_json:
        _tell_json("UnexpectedError", message, hint)
        return 1
    _say(f"error: {message}", colour="red")
    _say(f"  → {hint}")
    return 1


def _tell_json(
    kind: str,
    message: str,
    hint: str,
    *,
    step: dict[str, Any] | None = None,
    evidence: dict[str, Any] | None = None,
) -> None:
    """Print the one form of an error in JSON (docs/spec/reports.md, ErrorReport)."""
    told = {"type": kind, "message": message, "hint": hint or None, "step": step, "evidence": evidence or {}}
    click.echo(json.dumps({"v": 1, "error": told}, indent=2, default=str))


def _system(error: OSError, *, as_json: bool) -> int:
    """Tell an error of the system (missing file, full disk, no permission) that nobody expected."""
    from weighbridge.errors import InputError

    what = error.strerror or str(error)
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return _fail(InputError(f"{where}{what}"), as_json=as_json)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; whatever goes wrong is told, not thrown."""
    as_json = "--json" in arguments
    debug = bool(os.environ.get(DEBUG_VARIABLE))
    try:
        outcome: Any = commands.main(list(arguments), prog_name="weighbridge", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nothing is left to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return _INTERRUPTED
    except click.ClickException as error:
        return _fail_usage(error, as_json=as_json)
    except Exception as error:
        if debug:
            raise
        return _translate(error, as_json=as_json)
    return outcome if isinstance(outcome, int) else 0


def _translate(error: Exception, *, as_json: bool) -> int:
    """Find the words and the exit code for an exception; the error tree loads only now."""
    from weighbridge.errors import WeighbridgeError

    if isinstance(error, WeighbridgeError):
        return _fail(error, as_json=as_json)
    if isinstance(error, OSError):
        return _system(error, as_json=as_json)
    return _unexpected(error, as_json=as_json)


def main() -> None:
    """Entry point of the `weighbridge` program.

    A command lives for seconds and makes many small objects that it keeps: looking for garbage among them
    again and again costs a tenth of the time of a model of many files.
    """
    gc.set_threshold(100_000, 20, 20)
    sys.exit(run(sys.argv[1:]))
