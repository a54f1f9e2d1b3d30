# SPDX-License-Identifier: Apache-2.0
"""weighbridge.toml: what somebody demands of the models that they use.

No statement and signed by nobody: a file of the reader's own, in TOML. What it does not say is not demanded;
a model that no rule is for is refused. Signers are named in it by keys and accounts, never by labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from .advisory import Severity
from .base import Count, Digest, Document, Flag, Line, Name, Paragraph, Vkey, form
from .namespace import CertificateOwner, CiOwner, IssuerUrl, KeyOwner, SigstoreOwner

__all__ = [
    "AdvisoryEffects",
    "AttestationDemand",
    "LicenseDemand",
    "LineageDemand",
    "PatternSigner",
    "Policy",
    "ReleasePattern",
    "Reviewer",
    "Rule",
    "Signer",
]

_MOST_SIGNERS: Final = 64

SignerName = Annotated[
    str,
    form(
        r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        "is not 1 to 64 letters, digits and _ - that begin with a letter or digit",
    ),
]
ReleasePattern = Annotated[
    str,
    form(
        r"^[A-Za-z0-9*][A-Za-z0-9._*-]{0,95}/[A-Za-z0-9*][A-Za-z0-9._*-]{0,95}"
        r"(?:@[A-Za-z0-9*][A-Za-z0-9._+*-]{0,95})?$",
        "is not NS/NAME or NS/NAME@VERSION, with * for any run of characters",
    ),
]
LicensePattern = Annotated[
    str,
    StringConstraints(max_length=256),
    form(r"^[A-Za-z0-9*][A-Za-z0-9.+* -]*$", "is not an SPDX licence identifier, with * for any run"),
]
SignerNames = Annotated[tuple[SignerName, ...], Field(max_length=_MOST_SIGNERS)]
SomeSigners = Annotated[tuple[SignerName, ...], Field(min_length=1, max_length=_MOST_SIGNERS)]
Effect = Literal["fail", "warn"]


def _no_flag(value: object) -> object:
    """Refuse true, which Python takes for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - bad input, not a bad call
    return value


_NUMBER: Final = BeforeValidator(_no_flag)


class PatternSigner(Document):
    """Whoever has an account whose whole name fits a pattern. Name people exactly where you can."""

    type: Literal["pattern"]
    """Several online accounts."""
    trust_domain: Digest
    """SHA-256 of the Sigstore's root certificate (DER)."""
    issuer: IssuerUrl
    """OIDC issuer; compared exactly."""
    pattern: Line
    """Regular expression (RE2) that the whole subject fits."""
    label: Line | None = None
    """What you call them; shown, never compared."""


Signer = Annotated[
    KeyOwner | CertificateOwner | SigstoreOwner | CiOwner | PatternSigner, Field(discriminator="type")
]


class AdvisoryEffects(Document):
    """What an advisory of a reviewer does, by its severity."""

    fail: Severity | None = None
    """From this severity on step 11 fails."""
    warn: Severity | None = None
    """From this severity on step 11 warns."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.fail is None and self.warn is None:
            raise ValueError("needs fail or warn")
        return self


class Reviewer(Document):
    """Third parties whose word counts. Everybody else's is shown, and changes nothing."""

    signers: SomeSigners
    """Who."""
    advisories: AdvisoryEffects | None = None
    """What their warnings do, also those of what the model was made from, if they propagate."""
    disputes: Effect | None = None
    """What it does if they dispute the release or one of its edges."""
    rechecks: Flag = False
    """Their re-check of an edge (`basis` is not `knowledge`) raises it to level 4."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.advisories is None and self.disputes is None and not self.rechecks:
            raise ValueError("needs advisories, disputes or rechecks: else nothing follows from it")
        return self


class LicenseDemand(Document):
    """Which licences the signed card may state, for the distribution and each content type."""

    allow: Annotated[tuple[LicensePattern, ...], Field(max_length=256)] = ()
    """Only these; empty: any that is not denied, if one is stated."""
    deny: Annotated[tuple[LicensePattern, ...], Field(max_length=256)] = ()
    """None of these."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.allow and not self.deny:
            raise ValueError("needs allow or deny")
        return self


class LineageDemand(Document):
    """What is demanded of where a model comes from."""

    stated: Flag = False
    """The publisher must say it: parents, or that it was made from scratch."""
    level: Annotated[Literal[1, 2, 3, 4] | None, _NUMBER] = None
    """Evidence level that each parent must have at least."""
    parents: Annotated[tuple[ReleasePattern, ...], Field(max_length=256)] = ()
    """Each parent must be a registered release that one of these fits; empty: any."""
    contradicted: Effect | None = None
    """What it does if the tensor tables contradict a stated parent."""
    upstream: Effect | None = None
    """What it does if owners withdrew, or warn of, a model or data set that it comes from."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self == LineageDemand.model_construct():
            raise ValueError("demands nothing")
        return self


class AttestationDemand(Document):
    """A statement of another kind about this model that somebody must have recorded."""

    type: Name
    """Its in-toto predicate type, exactly."""
    signers: SomeSigners
    """Who must have signed it; one of them is enough. The newest by them counts."""
    result: Line | None = None
    """What its `result` (or `verificationResult`) must be, e.g. `PASSED`; null: whatever it says."""


class Rule(Document):
    """What is demanded of some models. The first rule that fits a model is the one that counts."""

    name: Line | None = None
    """What you call it."""
    releases: Annotated[tuple[ReleasePattern, ...], Field(max_length=256)] = ()
    """For releases that one of these fits; empty: for any model, also one without a release."""
    signers: SignerNames = ()
    """Who must have signed manifest and release; empty: owners of the namespace, as recorded."""
    whole: Flag = False
    """No signed file may be missing, and none that is unsigned be let through, whatever flags are given."""
    recorded: Flag = False
    """Step 7 must pass, also if the record was deleted."""
    witnessed: Flag = False
    """Step 8 must pass."""
    fresh_within_days: Annotated[Count, Field(ge=1, le=36_500)] | None = None
    """A witness of the policy must have seen the log at most so long ago, in the state that is relied on."""
    status: Annotated[tuple[Literal["released", "deprecated", "superseded"], ...], Field(max_length=3)] = ()
    """What its owners may have said of it last; empty: step 9 alone decides. Never a withdrawal."""
    known_by: Literal["replay", "registry"] = "replay"
    """How that nothing was said must be known: by a replay of the log; or a registry's word will do."""
    unsafe_formats: Effect | None = None
    """What it does if a file has a format that can run code when it is loaded."""
    openness: Annotated[Literal[1, 2, 3] | None, _NUMBER] = None
    """Openness class that the signed card must give it at least; 3 is the first, 1 the best."""
    licenses: LicenseDemand | None = None
    """Which licences the card may state."""
    lineage: LineageDemand | None = None
    """What is demanded of where it comes from."""
    attestations: Annotated[tuple[AttestationDemand, ...], Field(max_length=32)] = ()
    """What else must be recorded of it."""


class Policy(Document):
    """A policy file."""

    v: Annotated[Literal[1], _NUMBER]
    """Version of this format."""
    description: Line | None = None
    """What it is for."""
    logs: Annotated[tuple[Vkey, ...], Field(max_length=16)] = ()
    """Keys of the only logs that are trusted; empty: those that this computer trusts."""
    witness_policy: Paragraph | None = None
    """Text of a C2SP tlog-policy file: the co-signers that count. Its `log` lines are logs, too."""
    signers: Annotated[dict[SignerName, Signer], Field(max_length=256)] = {}  # noqa: RUF012 - frozen
    """Who is who. The names are this file's own."""
    reviewers: Annotated[tuple[Reviewer, ...], Field(max_length=64)] = ()
    """Third parties whose word counts, for every rule."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=256)]
    """What is demanded. A model that no rule fits is refused."""

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        for where, names in self._named():
            for name in names:
                if name not in self.signers:
                    raise ValueError(f"{where} names the signer {name}, which [signers] does not have")
            if len(set(names)) != len(names):
                raise ValueError(f"{where} names a signer twice")
        if self.witness_policy is None and any(
            rule.witnessed or rule.fresh_within_days for rule in self.rules
        ):
            raise ValueError("witnessed and fresh_within_days need a witness_policy")
        return self

    def _named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for n, reviewer in enumerate(self.reviewers, 1):
            yield f"reviewer {n}", reviewer.signers
        for n, rule in enumerate(self.rules, 1):
            yield f"rule {n}", rule.signers
            for demand in rule.attestations:
                yield f"an attestation of rule {n}", demand.signers
