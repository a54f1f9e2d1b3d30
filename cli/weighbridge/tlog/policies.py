# SPDX-License-Identifier: Apache-2.0
"""Witness policies: whose cosignatures make a checkpoint believable (C2SP tlog-policy).

log <vkey> [<url>]
witness <name> <vkey> [<url>]
group <name> any|all|<k> <member>…
quorum <name>|none
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from weighbridge.errors import ConfigurationError, NoteError, WitnessError
from weighbridge.tlog.cosigning import Cosignature, cosignatures
from weighbridge.tlog.encodings import decode_decimal
from weighbridge.tlog.notes import Note, Verifier

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Group", "PolicyLog", "PolicyWitness", "WitnessPolicy"]

_MAX_SIZE = 1 << 20
_MAX_DEFINITIONS = 256
_NONE = "none"
_NAMED = 5
"""Missing witnesses that an error names."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints the policy takes; `url` is where to reach it, or empty."""

    verifier: Verifier
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness under the name that the policy gives it; `url` is its submission prefix, or empty."""

    name: str
    verifier: Verifier
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups of which at least `threshold` must have witnessed."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """Which logs are taken, which witnesses are known, and how many of them are enough.

    `groups` are in the order of their definition, each after its members. `quorum` is a
    witness's or group's name, or `none`.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[Group, ...]
    quorum: str

    @classmethod
    def parse(cls, text: str | bytes) -> WitnessPolicy:
        """Read a policy file strictly; raises `ConfigurationError` naming the line."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        if len(data) > _MAX_SIZE:
            raise ConfigurationError(f"a witness policy of more than {_MAX_SIZE} bytes")
        if data and not data.endswith(b"\n"):
            raise ConfigurationError(
                "the witness policy's last line is not ended by a newline",
                hint="it may be cut off; compare it with its source, or add a newline",
            )
        return _Reader().read(data)

    @property
    def demands_witnesses(self) -> bool:
        """Whether any cosignature is needed: not with `quorum none` (step 8 is then skipped)."""
        return self.quorum != _NONE

    @property
    def log_verifiers(self) -> tuple[Verifier, ...]:
        """Keys to open checkpoints with."""
        return tuple(log.verifier for log in self.logs)

    def satisfied(self, note: Note) -> tuple[Cosignature, ...]:
        """Give the cosignatures by this policy's witnesses on a checkpoint, if they are enough.

        The note is one whose log signature was verified (`SignedCheckpoint.note`); its
        cosignatures are verified here, whatever it was opened with. Raises `WitnessError` if
        the quorum is not met, `NoteError` if a known witness's signature does not hold.
        """
        found = cosignatures(note, (one.verifier for one in self.witnesses))
        witnessed = self._witnessed(found)
        if self.demands_witnesses and self.quorum not in witnessed:
            names = [one.name for one in self.witnesses]
            missing = [_shown(name) for name in names if name not in witnessed]
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            raise WitnessError(
                f"the checkpoint lacks co-signers: the quorum {_shown(self.quorum)} is not met without "
                f"{', '.join(missing[:_NAMED])}{more}",
                hint="fetch a newer receipt, which may carry more cosignatures, or check the witness policy",
                evidence={
                    "quorum": _shown(self.quorum),
                    "cosigned": [_shown(name) for name in names if name in witnessed],
                    "missing": missing,
                },
            )
        return found

    def witnessed_by(self, note: Note) -> int | None:
        """Give the POSIX second by which enough witnesses had cosigned a checkpoint; None without any.

        A minority that names a time too early moves nothing: the quorum has to stand at that time. With
        `quorum none` all cosignatures have to. Raises as `satisfied` does.
        """
        found = self.satisfied(note)
        times = sorted({one.time for one in found})
        if not self.demands_witnesses:
            return times[-1] if times else None
        return next(t for t in times if self.quorum in self._witnessed(o for o in found if o.time <= t))

    def _witnessed(self, found: Iterable[Cosignature]) -> set[str]:
        """Name the witnesses that have cosigned, and the groups that have thereby."""
        keys = {one.verifier for one in found}
        witnessed = {one.name for one in self.witnesses if one.verifier in keys}
        for group in self.groups:
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return witnessed


class _Reader:
    """State while reading a policy: what is defined so far, and the line that is read."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self.names: set[str] = set()
        self.grouped: set[str] = set()

    def read(self, data: bytes) -> WitnessPolicy:
        for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
            try:
                self._line(raw)
            except (ValueError, NoteError) as error:
                raise ConfigurationError(
                    f"line {number} of the witness policy: {error}",
                    hint="see docs/spec/log.md for the form of each line",
                    evidence={"line": number},
                ) from error
        if self.quorum is None:
            raise ConfigurationError(
                "the witness policy has no quorum line",
                hint="add `quorum <name>`, or `quorum none` to ask for no witness at all",
            )
        return WitnessPolicy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _line(self, raw: bytes) -> None:
        if _CONTROL.search(raw):
            raise ValueError("a control character")
        line = raw.decode("utf-8", "surrogateescape").strip(" \t")
        if not line or line.startswith("#"):
            return
        keyword, *items = _SPACE.split(line)
        readers: Mapping[str, Callable[[Sequence[str]], None]] = MappingProxyType(
            {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum}
        )
        if keyword not in readers:
            raise ValueError(f"starts with {keyword!r}, not with log, witness, group or quorum")
        readers[keyword](items)

    def _log(self, items: Sequence[str]) -> None:
        if not 1 <= len(items) <= 2:  # noqa: PLR2004 - a key and perhaps a URL
            raise ValueError("a log line is `log <vkey> [<url>]`")
        verifier = _verifier(items[0], "a log")
        if any(verifier.key == log.verifier.key for log in self.logs):
            raise ValueError(f"the key of the log {verifier.name} is there already")
        self.logs.append(PolicyLog(verifier, *items[1:]))
        _limit(self.logs)

    def _witness(self, items: Sequence[str]) -> None:
        if not 2 <= len(items) <= 3:  # noqa: PLR2004 - a name, a key and perhaps a URL
            raise ValueError("a witness line is `witness <name> <vkey> [<url>]`")
        verifier = _verifier(items[1], "a witness")
        if any(verifier.key == witness.verifier.key for witness in self.witnesses):
            raise ValueError(f"the key of the witness {verifier.name} is there already")
        self._define(items[0])
        self.witnesses.append(PolicyWitness(items[0], verifier, *items[2:]))
        _limit(self.witnesses)

    def _group(self, items: Sequence[str]) -> None:
        if len(items) < 3:  # noqa: PLR2004 - a name, a threshold and a member
            raise ValueError("a group line is `group <name> any|all|<k> <member>…`")
        name, threshold, *members = items
        for member in members:
            if member not in self.names:
                raise ValueError(f"{member!r} is not defined on an earlier line")
            if member in self.grouped:
                raise ValueError(f"{member!r} is a member of a group already")
            self.grouped.add(member)
        needed = {"any": 1, "all": len(members)}.get(threshold)
        needed = decode_decimal(threshold) if needed is None else needed
        if not 1 <= needed <= len(members):
            raise ValueError(f"{needed} of {len(members)} members can never be met, or asks for nothing")
        self._define(name)
        self.groups.append(Group(name, needed, tuple(members)))
        _limit(self.groups)

    def _quorum(self, items: Sequence[str]) -> None:
        if len(items) != 1:
            raise ValueError("a quorum line is `quorum <name>` or `quorum none`")
        if self.quorum is not None:
            raise ValueError("a second quorum line")
        if items[0] != _NONE and items[0] not in self.names:
            raise ValueError(f"{items[0]!r} is not defined on an earlier line")
        self.quorum = items[0]

    def _define(self, name: str) -> None:
        if name == _NONE:
            raise ValueError("the name 'none' is taken: it means that no witness is asked for")
        if name in self.names:
            raise ValueError(f"{name!r} is defined already")
        self.names.add(name)


def _shown(name: str) -> str:
    """Make a name fit to print: octets that are no UTF-8 become replacement characters."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _verifier(vkey: str, role: str) -> Verifier:
    verifier = Verifier.from_vkey(vkey)
    if not (verifier.algorithm.for_logs if role == "a log" else verifier.algorithm.timed):
        raise ValueError(f"a key of type {verifier.algorithm:#04x} is not for {role}")
    return verifier


def _limit(definitions: Sequence[object]) -> None:
    if len(definitions) > _MAX_DEFINITIONS:
        raise ValueError(f"more than {_MAX_DEFINITIONS} lines of one kind")
