# SPDX-License-Identifier: Apache-2.0
"""A policy file, read strictly: a misspelt demand must not be silently without effect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from weighbridge import tlog
from weighbridge.errors import InputError, NoteError, WeighbridgeError

from .matching import fits, may_fit

if TYPE_CHECKING:
    from weighbridge.tlog import Verifier, WitnessPolicy
    from weighbridge.verification.wanted import Wanted
    from weighbridge_schemas.policy import Policy, Rule

__all__ = ["MAX_POLICY_BYTES", "LoadedPolicy", "read_policy"]

MAX_POLICY_BYTES: Final = 256 * 1024
"""Longest policy file that is read."""

_MAX_LINE: Final = 4096
"""Bytes of one line: a parser takes time that grows with the square of a dotted key's length."""
_HINT: Final = "what a policy may hold: docs/spec/policy.md; weighbridge policy init writes one"


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy whose every part was read: keys, patterns, logs, witnesses."""

    document: Policy
    sha256: str
    """Of the file's bytes, bare hex: verdicts say by which policy they are."""
    logs: tuple[Verifier, ...]
    """The only logs that are trusted; empty: the policy does not say."""
    witness_policy: WitnessPolicy | None

    def signers(self, names: Iterable[str]) -> Wanted | None:
        """Return these signers of the policy as those who are wanted; None for no name."""
        from weighbridge.verification.wanted import named_signers

        known = self.document.signers
        return named_signers([known[name] for name in dict.fromkeys(names)])

    @cached_property
    def everybody(self) -> Wanted | None:
        """All signers of the policy: their keys and anchors are known wherever a signature is checked."""
        return self.signers(self.document.signers)

    def rule_for(self, namespace: str, name: str, version: str) -> Rule | None:
        """Return the first rule that fits a release, or None: then it is refused."""
        for rule in self.document.rules:
            if not rule.releases or any(fits(one, namespace, name, version) for one in rule.releases):
                return rule
        return None

    def rule_without_release(self) -> Rule | None:
        """Return the first rule for a model that is no release, or None."""
        return next((rule for rule in self.document.rules if not rule.releases), None)

    def possible(self, namespace: str, name: str, version: str | None) -> Sequence[Rule]:
        """Return the rules of which one will count, before the release itself is known."""
        found: list[Rule] = []
        for rule in self.document.rules:
            if not rule.releases or any(may_fit(one, namespace, name, version) for one in rule.releases):
                found.append(rule)
                certain = not rule.releases or any(
                    fits(one, namespace, name, version or "") for one in rule.releases if "@" not in one
                )
                if certain or version is not None:
                    break
        return found

    def number(self, rule: Rule) -> str:
        """Say which rule it is: its name, or its number in the file."""
        place = next(n for n, one in enumerate(self.document.rules, 1) if one is rule)
        return f"rule {place}" if rule.name is None else f"rule {place} ({rule.name})"


def read_policy(data: bytes | str) -> LoadedPolicy:
    """Read a policy file. Raises `InputError` (exit 2) that names the member, the signer or the line."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > MAX_POLICY_BYTES:
        raise InputError(f"a policy of {len(raw):,} bytes; the limit is {MAX_POLICY_BYTES:,}", hint=_HINT)
    document = _document(_toml(raw))
    policy = LoadedPolicy(document, hashlib.sha256(raw).hexdigest(), _logs(document), _witnesses(document))
    witnesses = policy.witness_policy
    if witnesses is not None and not witnesses.demands_witnesses and any(r.witnessed for r in document.rules):
        raise InputError(
            "a rule wants to be witnessed, and the witness policy asks for no witness (quorum none)",
            hint="name a quorum in witness_policy, or leave witnessed out",
        )
    for name in document.signers:
        try:
            policy.signers([name])
        except WeighbridgeError as error:
            raise InputError(
                f"the policy's signer {name} cannot be used: {error.message}", hint=error.hint
            ) from error
    return policy


def _toml(raw: bytes) -> dict[str, Any]:
    import tomllib

    if (longest := max(map(len, raw.split(b"\n")))) > _MAX_LINE:
        raise InputError(
            f"a line of the policy has {longest:,} bytes; the limit is {_MAX_LINE:,}",
            hint="a list in brackets may go over several lines",
        )
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"the policy is not UTF-8 at byte {error.start}", hint=_HINT) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"the policy is not TOML: {error}", hint=_HINT) from error


def _document(value: dict[str, Any]) -> Policy:
    from pydantic import ValidationError

    from weighbridge.validation import first_fault
    from weighbridge_schemas.policy import Policy

    try:
        return Policy.model_validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as error:
        raise InputError(
            f"the policy does not say what a policy says: {first_fault(error)}", hint=_HINT
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError("the policy holds a date or a number that no member takes", hint=_HINT) from error


def _logs(document: Policy) -> tuple[Verifier, ...]:
    try:
        return tuple(tlog.Verifier.from_vkey(vkey) for vkey in document.logs)
    except NoteError as error:
        raise InputError(
            f"the policy names a log key that is none: {error.message}", hint=error.hint
        ) from error


def _witnesses(document: Policy) -> WitnessPolicy | None:
    if document.witness_policy is None:
        return None
    try:
        return tlog.WitnessPolicy.parse(document.witness_policy)
    except WeighbridgeError as error:
        raise InputError(f"the witness policy in the policy: {error.message}", hint=error.hint) from error
