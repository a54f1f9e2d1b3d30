# SPDX-License-Identifier: Apache-2.0
"""`weighbridge status`: say that a release of yours must not be used any more, or may be again."""

from __future__ import annotations

from typing import Any

import click

from weighbridge_cli.declaring import declaring_options

_STATES = {"yank": "yanked", "restore": "restored", "deprecate": "deprecated", "supersede": "superseded"}


@click.group("status")
def command() -> None:
    """Yank, restore, deprecate or supersede a release that you own.

    Signed by an owner and recorded for everybody to see. The release stays in the log; `verify` refuses a
    yanked one, and warns of a deprecated or superseded one.
    """


def _reason(function: Any) -> Any:
    return click.option(
        "--reason", required=True, metavar="TEXT", help="Why, in one line; everybody reads it."
    )(click.option("--details", metavar="TEXT", help="More about it.")(function))


@command.command("yank")
@click.argument("release", metavar="NS/NAME@VERSION")
@_reason
@click.option("--security", is_flag=True, help="It is a danger to those who use it.")
@declaring_options
def yank(release: str, **options: Any) -> None:
    """Say that NS/NAME@VERSION must not be used: from now on `verify` refuses it."""
    _set("yank", release, options)


@command.command("restore")
@click.argument("release", metavar="NS/NAME@VERSION")
@_reason
@declaring_options
def restore(release: str, **options: Any) -> None:
    """Say that what you said before of NS/NAME@VERSION no longer holds."""
    _set("restore", release, options)


@command.command("deprecate")
@click.argument("release", metavar="NS/NAME@VERSION")
@_reason
@declaring_options
def deprecate(release: str, **options: Any) -> None:
    """Say that NS/NAME@VERSION is no longer cared for: `verify` warns."""
    _set("deprecate", release, options)


@command.command("supersede")
@click.argument("release", metavar="NS/NAME@VERSION")
@click.option(
    "--by", required=True, metavar="VERSION", help="The version, or NS/NAME@VERSION, that replaces it."
)
@_reason
@declaring_options
def supersede(release: str, **options: Any) -> None:
    """Say that another release takes the place of NS/NAME@VERSION: `verify` warns."""
    _set("supersede", release, options)


def _set(verb: str, release: str, options: dict[str, Any]) -> None:
    from weighbridge.declarations import status_draft
    from weighbridge.releases import ReleaseName
    from weighbridge_cli.declaring import declare, open_speaker

    name = ReleaseName.parse(release)
    by = options.pop("by", None)
    successor = None
    if by is not None:
        successor = ReleaseName.parse(by if "@" in by else f"{name.namespace}/{name.name}@{by}")
    said = {key: options.pop(key, None) for key in ("reason", "details", "security")}
    speaker = open_speaker(options)
    draft = status_draft(
        speaker,
        name,
        _STATES[verb],
        said["reason"],
        details=said["details"],
        security=bool(said["security"]),
        by=successor,
    )
    declare(speaker, draft, options)
