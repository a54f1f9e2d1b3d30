# SPDX-License-Identifier: Apache-2.0
"""Every error that weighbridge raises, in one tree.

Each class says what the caller should do, carries the verification step that failed
(DESIGN section 6, `docs/spec/verification.md`) and the evidence, and maps to one exit code:

    WeighbridgeError
    ├── InputError                 2  fix the command, the path or the file that you gave
    │   └── ConfigurationError     2  fix the configuration that is named
    ├── RefusedError               1  do not use this; it was looked at and is not right
    │   ├── EnumerationError       1  step 1: files missing, extra, unreadable as a model
    │   ├── DigestError            1  step 2: bytes differ from what was signed
    │   ├── BundleError            1  step 3: the signed statement is malformed
    │   ├── SignerError            1  step 4: the signature or its signer is not the wanted one
    │   ├── StatementError         1  step 5: signed, but not about this model, or not valid of its kind
    │   ├── ReleaseError           1  step 6: the release says otherwise
    │   ├── LogError               1  step 7: the public record does not prove it
    │   │   ├── NoteError          1  a signed note or checkpoint is malformed or not signed by the log
    │   │   ├── ProofError         1  an inclusion or consistency proof does not hold
    │   │   ├── ForkError          1  the log showed two histories; keep the evidence file
    │   │   └── CosigningError     1  a witness does not cosign this checkpoint (HTTP status inside)
    │   ├── WitnessError           1  step 8: too few independent co-signers
    │   ├── StatusError            1  step 9: the release was withdrawn by its publisher
    │   ├── AdmissionError         1  a registry does not take this statement (HTTP status inside)
    │   │   ├── MalformedError     1  400: not a bundle, not JSON, not strict
    │   │   ├── ForbiddenError     1  403: not an owner, or the signer is unknown (step 4)
    │   │   ├── ConflictError      1  409: the name is taken, or `previous` is stale
    │   │   ├── TooLargeError      1  413: over a size limit
    │   │   └── UnprocessableError 1  422: well formed, but refused at the named step
    │   └── NotVerifiedError       1  a whole verdict: carries every step
    └── UndecidedError             3  nothing was refuted, but something asked for could not be checked
        ├── UnavailableError       3  a registry does not answer; try again later
        │   └── RateLimitedError   3  429: too much in a short time; try again after `seconds`
        └── WithheldError          3  451: an operator's logged decision withholds it; ask others for it

`RefusedError` is never raised for want of information, and `UndecidedError` is never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "AdmissionError",
    "BundleError",
    "ConfigurationError",
    "ConflictError",
    "CosigningError",
    "DigestError",
    "EnumerationError",
    "ForbiddenError",
    "ForkError",
    "InputError",
    "LogError",
    "MalformedError",
    "NotVerifiedError",
    "NoteError",
    "ProofError",
    "RateLimitedError",
    "RefusedError",
    "ReleaseError",
    "SignerError",
    "StatementError",
    "StatusError",
    "TooLargeError",
    "UnavailableError",
    "UndecidedError",
    "UnprocessableError",
    "WeighbridgeError",
    "WithheldError",
    "WitnessError",
]


class WeighbridgeError(Exception):
    """Base of all errors raised by weighbridge.

    `message` is one sentence: what, where. `hint` is what to do, or empty. `evidence` is
    JSON-able detail (digests, sizes, both checkpoints of a fork). `step` is the number of the
    verification step that failed, or None.
    """

    exit_code: ClassVar[int] = 1
    default_step: ClassVar[int | None] = None

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        evidence: Mapping[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence: dict[str, Any] = dict(evidence or {})
        self.step = self.default_step if step is None else step


class InputError(WeighbridgeError):
    """The command, path or file given cannot be used: fix it and run again."""

    exit_code = 2


class ConfigurationError(InputError):
    """A configuration file, folder or environment variable is wrong: fix what is named."""


class RefusedError(WeighbridgeError):
    """Looked at and refused: do not use it."""


class EnumerationError(RefusedError):
    """Step 1: the files present are not the files signed."""

    default_step = 1


class DigestError(RefusedError):
    """Step 2: a file's bytes differ from what was signed."""

    default_step = 2


class BundleError(RefusedError):
    """Step 3: the bundle or its envelope is malformed."""

    default_step = 3


class SignerError(RefusedError):
    """Step 4: the signature does not hold, or its signer is not the one that was asked for."""

    default_step = 4


class StatementError(RefusedError):
    """Step 5: the statement is not about this model, or not valid of its kind."""

    default_step = 5


class ReleaseError(RefusedError):
    """Step 6: the release statement names another model, name or version."""

    default_step = 6


class LogError(RefusedError):
    """Step 7: the public record does not prove what it should."""

    default_step = 7


class NoteError(LogError):
    """A signed note or checkpoint is malformed, or not signed by a known key."""


class ProofError(LogError):
    """An inclusion or consistency proof does not hold."""


class ForkError(LogError):
    """A log showed two histories; `evidence` has both checkpoints. Keep it and tell others."""


class CosigningError(LogError):
    """A witness does not cosign this checkpoint; `status` is the HTTP status that says why.

    400 malformed, 403 not signed by the log, 404 a log that it does not serve, 409 it has cosigned
    another size, which is in `size`, 422 the tree is not shown to have only grown.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        size: int | None = None,
        hint: str = "",
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.status = status
        self.size = size


class WitnessError(RefusedError):
    """Step 8: the witness policy is not satisfied."""

    default_step = 8


class StatusError(RefusedError):
    """Step 9: the publisher has withdrawn this release."""

    default_step = 9


class AdmissionError(RefusedError):
    """A registry does not take this statement; `status` is the HTTP status it answers with."""

    status: ClassVar[int] = 422


class MalformedError(AdmissionError):
    """400: not a strict bundle."""

    status = 400
    default_step = 3


class ForbiddenError(AdmissionError):
    """403: the signer is not an owner, or not known to this registry."""

    status = 403
    default_step = 4


class ConflictError(AdmissionError):
    """409: the name is taken by another digest, or `previous` is stale."""

    status = 409
    default_step = 6


class TooLargeError(AdmissionError):
    """413: over a size limit of the registry."""

    status = 413
    default_step = 3


class UnprocessableError(AdmissionError):
    """422: well formed, but refused at the step that is named."""

    status = 422
    default_step = 5


class NotVerifiedError(RefusedError):
    """A verification did not pass; `verdict` (a `weighbridge.verdict.Verdict`) has every step."""

    def __init__(
        self,
        message: str,
        *,
        verdict: Any,
        hint: str = "",
        evidence: Mapping[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence, step=step)
        self.verdict = verdict


class UndecidedError(WeighbridgeError):
    """Nothing was refuted, but something that was asked for could not be checked."""

    exit_code = 3


class UnavailableError(UndecidedError):
    """A registry, log or Sigstore service does not answer now: try again later."""


class RateLimitedError(UnavailableError):
    """429: a registry takes no more from this address, or of this signer, for `seconds` (at least 1)."""

    def __init__(
        self,
        message: str,
        *,
        seconds: int,
        hint: str = "",
        evidence: Mapping[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence, step=step)
        self.seconds = seconds
        self.evidence.setdefault("retry_after", seconds)


class WithheldError(UndecidedError):
    """451 (RFC 7725): the operator of a log withholds these bytes, by a decision that is logged.

    `withheld` (a `weighbridge.withholding.Withheld`) is that decision with its proof. From a client it
    is what the registry *says*: `weighbridge.withholding.prove` holds it against a pinned log key, and
    only then is the refusal more than an answer that did not come. Whoever has the bytes from elsewhere
    may use them: they are still what the log's leaf names.
    """

    def __init__(
        self,
        message: str,
        *,
        withheld: Any,
        hint: str = "",
        evidence: Mapping[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence, step=step)
        self.withheld = withheld
