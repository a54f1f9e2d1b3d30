# SPDX-License-Identifier: Apache-2.0
"""Every model in the hub's cache, one verdict each: what `verify --all-cached` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Unpack

from weighbridge.errors import InputError
from weighbridge.hub import CachedSnapshot, cached_snapshots
from weighbridge.verdict import Verdict

from .course import check
from .request import Options

__all__ = ["CachedVerdict", "check_cached", "worst"]

VERSION: Final = 1
"""`v` of the JSON form."""

_SEVERITY: Final = (0, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class CachedVerdict:
    """A snapshot and its verdict; None with the reason in `problem` where it could not be looked at."""

    snapshot: CachedSnapshot
    verdict: Verdict | None
    problem: str = ""

    @property
    def exit_code(self) -> int:
        """What `verify` of this model alone would end with."""
        return InputError.exit_code if self.verdict is None else self.verdict.exit_code

    @property
    def word(self) -> str:
        """The conclusion in one word; a model that nobody signed is `unsigned`, which is no pass."""
        if self.verdict is None:
            return "unreadable"
        return "unsigned" if not self.verdict.signers and self.exit_code else self.verdict.verdict.value

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        if self.verdict is None:
            return self.problem
        culprit = self.verdict.failed or self.verdict.undecided
        return self.verdict.summary if culprit is None else culprit.reason

    def to_json(self) -> dict[str, Any]:
        """Give the object that `verify --all-cached --json` prints for each model."""
        return {
            "repo": self.snapshot.repo,
            "commit": self.snapshot.commit,
            "refs": list(self.snapshot.refs),
            "path": str(self.snapshot.path),
            "result": self.word,
            "reason": self.reason,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
        }


def check_cached(**options: Unpack[Options]) -> Iterator[CachedVerdict]:
    """Check every snapshot of every model in the hub's cache for the same wanted signers, one by one.

    `release` and `signature` name one model and are refused. Raises `InputError` (exit 2) for wrong options,
    or if there is no cache or nothing in it.
    """
    for name in ("release", "signature", "record", "remote", "copy_to"):
        if options.get(name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} is about one model; --all-cached is about all in the hub's cache.")
    snapshots = cached_snapshots()
    if not snapshots:
        raise InputError("There is no model in the hub's cache.", hint="HF_HUB_CACHE says where it is.")
    return _each(snapshots, options)


def _each(snapshots: Sequence[CachedSnapshot], options: Options) -> Iterator[CachedVerdict]:
    for snapshot in snapshots:
        try:
            yield CachedVerdict(snapshot, check(snapshot.path, **options))
        except InputError as error:
            yield CachedVerdict(snapshot, None, error.message)


def worst(found: Sequence[CachedVerdict]) -> int:
    """Return the exit code of all together: refused before unreadable before undecided before verified."""
    return max((each.exit_code for each in found), key=_SEVERITY.index, default=0)
