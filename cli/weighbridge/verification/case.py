# SPDX-License-Identifier: Apache-2.0
"""One verification in progress: what was asked, what was found, what each step concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.errors import WeighbridgeError
from weighbridge.identities import Identity, signer_id
from weighbridge.verdict import REQUIRED, Result, Step
from weighbridge.weighing.names import README

from .entries import Entry
from .evidence import Evidence
from .releases import FoundRelease, Releases
from .request import Request
from .signatures import Authenticator, Candidate, Reading

if TYPE_CHECKING:
    from weighbridge.hub import CachedSnapshot
    from weighbridge.hub.remote import RemoteModel
    from weighbridge.oms import Comparison, Manifest
    from weighbridge.policy import LoadedPolicy
    from weighbridge.weighing.copying import ModelCopy
    from weighbridge_schemas.policy import Rule

    from .hearing import Heard
    from .registries import RegistryWord

__all__ = ["Case"]


@dataclass(slots=True)
class Case:
    """Facts in the order in which they become known; each is set by one step and read by later ones."""

    path: Path
    request: Request
    evidence: Evidence
    reading: Reading
    authenticator: Authenticator
    releases: Releases | None = None
    word: RegistryWord | None = None
    # where the model is, if a hub has to do with it
    snapshot: CachedSnapshot | None = None
    remote: RemoteModel | None = None
    copy: ModelCopy | None = None
    # set by step 4
    chosen: Candidate | None = None
    signer: Identity | None = None
    owner_entries: tuple[Entry, ...] = ()
    # set by steps 5, 1 and 2
    manifest: Manifest | None = None
    comparison: Comparison | None = None
    # set by step 6
    release: FoundRelease | None = None
    # set by step 7
    used: tuple[Entry, ...] = ()
    memory_asks: bool = False
    # what third parties say whom the policy names; set when it is first asked for
    heard: Heard | None = None
    steps: dict[int, Step] = field(default_factory=dict)

    def put(self, n: int, result: Result, reason: str, evidence: Mapping[str, Any] | None = None) -> bool:
        """Conclude a step; True if what follows may rely on it."""
        self.steps[n] = Step.of(n, result, reason, evidence)
        return result in {Result.PASS, Result.WARN}

    def put_error(self, n: int, error: WeighbridgeError) -> bool:
        """Conclude that a step failed, in the error's own words."""
        hint = f" {error.hint}" if error.hint else ""
        return self.put(n, Result.FAIL, f"{error.message.rstrip('.')}.{hint}", error.evidence)

    def passed(self, *numbers: int) -> bool:
        """Tell whether all these steps were concluded well."""
        return all(n in self.steps and self.steps[n].result in {Result.PASS, Result.WARN} for n in numbers)

    def accepts(self, identity: Identity) -> bool:
        """Tell whether step 4 accepts a signer: one whom somebody named, or the owner who was chosen."""
        if self.signer is None:
            return False
        wanted = self.request.wanted
        return signer_id(identity) == signer_id(self.signer) if wanted is None else wanted.accepts(identity)

    def unexpected(self, unsigned: Sequence[str]) -> list[str]:
        """Name the unsigned files that deserve a warning.

        Those that everybody expects beside a model deserve none: README.md (the card binds it, step 6) and
        what is never weighed. The rest was hidden by a signed ignore path, --ignore or
        --ignore-unsigned-files.
        """
        expected = {README, ".gitignore", ".gitattributes", *self.evidence.inside}
        folders = (".git/", ".github/", ".cache/huggingface/")
        return [each for each in unsigned if each not in expected and not each.startswith(folders)]

    @property
    def matched(self) -> bool:
        """Whether the hub's word for steps 1 and 2 agrees with what was signed."""
        return all(n in self.steps and self.steps[n].result is Result.REPORTED for n in (1, 2))

    @property
    def place(self) -> str:
        """The model as a person would name it in the next command."""
        return str(self.remote or self.snapshot or self.path)

    @property
    def root_sha256(self) -> str | None:
        """The manifest's subject: root digest in bare hex, once step 4 has chosen a manifest."""
        return None if self.chosen is None else self.chosen.statement.subjects[0].sha256

    @property
    def asked(self) -> frozenset[int]:
        """The steps that input or memory asks for."""
        asked = set(REQUIRED)
        request = self.request
        if request.release is not None:
            asked |= {6, 7}
        if self.evidence.has_record or self.memory_asks:
            asked.add(7)
        if request.witness_policy is not None and request.witness_policy.demands_witnesses:
            asked.add(8)
        if request.registry is not None or request.mirror is not None:
            asked |= {7, 9, 10}
        if request.policy is not None:
            asked |= {11, *self._asked_by_policy(request.policy)}
        return frozenset(asked)

    def rule(self, policy: LoadedPolicy) -> Rule | None:
        """Return the rule of a policy that counts for this model, or None if it has none for it."""
        found = self.release.document if self.release is not None else None
        if found is not None:
            return policy.rule_for(found.namespace, found.name, found.version)
        return policy.rule_without_release() if self.request.release is None else None

    def _asked_by_policy(self, policy: LoadedPolicy) -> set[int]:
        """Return the steps that a policy demands, also before it is known which of its rules counts."""
        wanted, rule = self.request.release, self.rule(policy)
        if rule is not None:
            rules: Sequence[Rule] = [rule]
        else:
            rules = () if wanted is None else policy.possible(wanted.namespace, wanted.name, wanted.version)
        asked = {7} if any(rule.recorded for rule in rules) else set()
        return asked | ({8} if any(rule.witnessed for rule in rules) else set())
