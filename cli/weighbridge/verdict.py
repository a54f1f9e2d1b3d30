# SPDX-License-Identifier: Apache-2.0
"""The answer of a verification: eleven numbered steps, and what follows from them.

The numbers are those of `docs/spec/verification.md`; code, command line and pages use the same.
This module only draws the conclusion. It takes facts and does no I/O, so that the rule "what makes
a verdict good" is one small function that can be read at one sitting: `conclude`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

__all__ = [
    "REQUIRED",
    "STEPS",
    "VERSION",
    "Conclusion",
    "FoundSigner",
    "Result",
    "Step",
    "Verdict",
    "conclude",
]

VERSION: Final = 1
"""`v` of the JSON form."""

STEPS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "files",
        2: "digests",
        3: "envelope",
        4: "signer",
        5: "statement",
        6: "release",
        7: "recorded",
        8: "witnesses",
        9: "status",
        10: "lineage",
        11: "policy",
    }
)
"""Number to name of each step, in the order in which they are shown."""

REQUIRED: Final = frozenset({1, 2, 3, 4, 5})
"""Steps without which nothing is ever called verified, whatever was asked."""


class Result(StrEnum):
    """What one step found. Only `PASS` means proved; `REPORTED` and `UNKNOWN` are never shown as it."""

    PASS = "pass"  # noqa: S105  a word of the format, no password
    REPORTED = "reported"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Conclusion(StrEnum):
    """What the steps amount to."""

    VERIFIED = "verified"
    SUBSET = "subset"
    FAILED = "failed"
    UNTRUSTED = "untrusted"
    MATCHES = "matches"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Step:
    """One step's result: `reason` is a sentence for people, `evidence` is JSON-able detail."""

    n: int
    name: str
    result: Result
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, n: int, result: Result, reason: str, evidence: Mapping[str, Any] | None = None) -> Step:
        """Make step `n` with its fixed name."""
        return cls(n, STEPS[n], result, reason, dict(evidence or {}))

    def to_json(self) -> dict[str, Any]:
        """Give the step as the JSON object that `verify --json` prints."""
        return {
            "n": self.n,
            "name": self.name,
            "result": self.result.value,
            "reason": self.reason,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class FoundSigner:
    """A signature that was found, whether or not it is the wanted one.

    `id` is the signer's id (SHA-256 of its canonical form, hex), empty where the signature could not
    be checked, for want of the key for instance: then `description` tells only what the bundle claims
    and `authenticated` is false. `wanted` says that this signer satisfied step 4. `details` are what was
    proved of the signer, and the times at which others saw the signature.
    """

    id: str
    description: str
    authenticated: bool
    wanted: bool
    statement: str
    source: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give the signer as the JSON object that `verify --json` prints."""
        return {
            "id": self.id or None,
            "description": self.description,
            "authenticated": self.authenticated,
            "wanted": self.wanted,
            "statement": self.statement,
            "source": self.source,
            **self.details,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A whole verification: all eleven steps, everyone found to have signed, and the conclusion.

    `asked` holds the numbers of the steps that the input (or the client's memory) asked for.
    `subset` says that the only thing wrong with the files is that some are not there.
    `remote` says that nothing was downloaded: a hub told what it holds, so the best conclusion is `matches`.
    `summary` is the conclusion in one plain sentence, `next_commands` what to type next, where there is
    something to do.
    """

    steps: tuple[Step, ...]
    signers: tuple[FoundSigner, ...] = ()
    asked: frozenset[int] = REQUIRED
    subset: bool = False
    trust_named: bool = True
    remote: bool = False
    summary: str = ""
    next_commands: tuple[str, ...] = ()

    def step(self, n: int) -> Step:
        """Give step `n`; a step that was never reached is `skipped`."""
        for each in self.steps:
            if each.n == n:
                return each
        return Step.of(n, Result.SKIPPED, "not reached")

    @property
    def verdict(self) -> Conclusion:
        """What the steps amount to; see `conclude`."""
        return conclude(
            self.steps,
            asked=self.asked,
            subset=self.subset,
            trust_named=self.trust_named,
            remote=self.remote,
        )

    @property
    def exit_code(self) -> int:
        """0 verified, 1 refused, 3 undecidable (2, a wrong command, never gets as far as a verdict)."""
        match self.verdict:
            case Conclusion.VERIFIED | Conclusion.MATCHES:
                return 0
            case Conclusion.SUBSET:
                return 1 if self._has(Result.FAIL) else 0
            case Conclusion.FAILED | Conclusion.UNTRUSTED:
                return 1
            case Conclusion.UNDECIDED:
                return 3

    @property
    def failed(self) -> Step | None:
        """The first step that failed, in the order in which steps are executed."""
        return self._first(Result.FAIL)

    @property
    def undecided(self) -> Step | None:
        """The first asked step that could not be decided, in the order of execution."""
        return self._first(Result.UNKNOWN)

    def to_json(self) -> dict[str, Any]:
        """Give the contract's JSON: `{v, verdict, steps[], signers[], summary, next[]}`."""
        return {
            "v": VERSION,
            "verdict": self.verdict.value,
            "steps": [each.to_json() for each in self.steps],
            "signers": [each.to_json() for each in self.signers],
            "summary": self.summary,
            "next": list(self.next_commands),
        }

    def _has(self, result: Result) -> bool:
        return any(each.result is result for each in self.steps)

    def _first(self, result: Result) -> Step | None:
        order = (3, 4, 5, 1, 2, 6, 7, 8, 9, 10, 11)
        for n in order:
            if self.step(n).result is result and (result is Result.FAIL or n in self.asked):
                return self.step(n)
        return None


def conclude(
    steps: Iterable[Step],
    *,
    asked: frozenset[int],
    subset: bool = False,
    trust_named: bool = True,
    remote: bool = False,
) -> Conclusion:
    """Draw the conclusion: any fail refuses; else anything asked and not answered is undecided.

    Steps 1 to 5 are always asked. A required or asked step that is missing or skipped counts as
    unanswered: a bug that forgets a step can then never end in "verified". `reported` answers steps 9
    and 10, which no single party can prove, and 11, where the policy lets a registry's word do; no other.
    With `remote` it answers 1, 2 and 6 too, and then nothing is ever called verified: what a hub says of
    files matches, and that is all.
    """
    results = {each.n: each.result for each in steps}
    if not trust_named:
        return Conclusion.UNTRUSTED
    fails = {n for n, result in results.items() if result is Result.FAIL}
    if fails:
        return Conclusion.SUBSET if subset and fails == {1} else Conclusion.FAILED
    told = {1, 2, 6, 9, 10} if remote else {9, 10, 11}
    for n in REQUIRED | asked:
        answers = {Result.PASS, Result.WARN} | ({Result.REPORTED} if n in told else set())
        if results.get(n) not in answers:
            return Conclusion.UNDECIDED
    if remote:
        return Conclusion.MATCHES
    return Conclusion.SUBSET if subset else Conclusion.VERIFIED
