# SPDX-License-Identifier: Apache-2.0
"""The conclusion in one plain sentence, and the exact command to type next."""

from __future__ import annotations

import re
import shlex

from weighbridge.bundles import Bundle, CertificateChain, PublicKeyHint, SigstoreMaterial
from weighbridge.errors import SignerError
from weighbridge.identities import (
    CertificateIdentity,
    CiClaims,
    Identity,
    KeyIdentity,
    SigstoreIdentity,
    describe,
)
from weighbridge.verdict import Conclusion, Verdict

from .case import Case
from .entries import Proof
from .releases import names_of
from .request import WantedRelease
from .wanted import ci_options

__all__ = ["next_commands", "summary"]

_PIN = "weighbridge log trust add URL|VKEY   # compare the fingerprint with one from its operator"
_NOT_VERIFIED = {
    Conclusion.UNTRUSTED: "you have not said whom to trust",
    Conclusion.SUBSET: "some of the signed files are not here (step 1)",
}
_WAYS = 16  # more commands than anybody reads
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def summary(case: Case, verdict: Verdict) -> str:
    """Say in one sentence what was found out."""
    failed, undecided = verdict.failed, verdict.undecided
    match verdict.verdict:
        case Conclusion.VERIFIED | Conclusion.SUBSET if verdict.exit_code == 0:
            return _good(case, subset=verdict.verdict is Conclusion.SUBSET)
        case Conclusion.MATCHES:
            return _matching(case)
        case Conclusion.UNTRUSTED | Conclusion.SUBSET as bad:
            return f"Not verified: {_NOT_VERIFIED[bad]}."
        case Conclusion.UNDECIDED if undecided is not None:
            return f"Undecided: nothing was refuted, but step {undecided.n} ({undecided.name}) has no answer."
        case _ if failed is not None:
            return (
                f"NOT VERIFIED: step {failed.n} ({failed.name}) failed. Do not use this model as if it were "
                "the one you wanted."
            )
        case _:
            return "Undecided: not every step that is needed was run."


def next_commands(case: Case, verdict: Verdict) -> tuple[str, ...]:
    """Give what to type next where nobody was named, or a log is not pinned."""
    commands: list[str] = []
    if verdict.verdict is Conclusion.UNTRUSTED:
        commands.extend(_ways_to_name_a_signer(case))
    elif verdict.verdict is Conclusion.MATCHES and case.remote is not None:
        commit = shlex.quote(case.remote.commit)
        commands.append(f"hf download {shlex.quote(case.remote.name.repo)} --revision {commit}")
    elif 7 in verdict.asked and any(each.proof is Proof.OPEN for each in case.reading.entries):  # noqa: PLR2004  the step
        commands.append(_PIN)
    return tuple(dict.fromkeys(commands))


def _good(case: Case, *, subset: bool) -> str:
    who = describe(case.signer) if case.signer is not None else "the wanted signer"
    comparison = case.comparison
    count = comparison.checked if comparison is not None else 0
    files = "the file is" if count == 1 else f"all {count:,} files are"
    if subset and comparison is not None:
        files = f"the {count:,} files that are here, of {comparison.signed:,}, are"
    name = ""
    if case.release is not None and case.used:
        name = f", and recorded as {case.release.title} in {case.release.entry.origin}"
    return shortened(f"Verified: {files} as signed by {who}{name}.")


def _matching(case: Case) -> str:
    who = describe(case.signer) if case.signer is not None else "the wanted signer"
    return shortened(
        f"Matches: what the hub says of {case.remote} is as signed by {who}. Nothing was downloaded, so "
        "nothing is verified: do that when you have it."
    )


def shortened(text: str) -> str:
    """Shorten digests in prose: the whole value stands in step 4, and in the evidence of each step."""
    return _DIGEST.sub(r"\1…", text)


def _ways_to_name_a_signer(case: Case) -> list[str]:
    path = shlex.quote(case.place) + (" --remote" if case.remote else "") + _evidence(case)
    ways: list[str] = []
    unpinned = any(each.proof is Proof.OPEN for each in case.reading.entries)
    for name in [each for each in names_of(case.reading.entries) if WantedRelease.reads(each)][:1]:
        log = " --log-key VKEY" if unpinned else ""
        ways.append(f"weighbridge verify {path} --release {shlex.quote(name)}{log}")
    for candidate in case.reading.candidates:
        try:
            identity = case.authenticator(candidate.bundle)
        except SignerError:
            ways.append(f"weighbridge verify {path} {_guess(candidate.bundle)}")
            continue
        ways.append(f"weighbridge verify {path} {_option(identity)}{_instance(case, identity)}")
    return list(dict.fromkeys(ways))[:_WAYS]


def _evidence(case: Case) -> str:
    """Repeat the options that say where to look."""
    request = case.request
    given = [*(("--signature", each) for each in request.signatures), ("--record", request.record)]
    return "".join(f" {option} {shlex.quote(str(each))}" for option, each in given if each is not None)


def _instance(case: Case, identity: Identity) -> str:
    """Repeat which Sigstore was believed."""
    if not isinstance(identity, SigstoreIdentity):
        return ""
    if case.request.staging:
        return " --staging"
    return "" if case.request.trust_config is None else " --trust-config JSON   # the one that you gave now"


def _guess(bundle: Bundle) -> str:
    match bundle.material:
        case PublicKeyHint():
            return "--public-key KEY.pub   # from its publisher, not from here"
        case CertificateChain():
            return "--certificate-chain ANCHOR.pem   # from its authority, not from here"
        case SigstoreMaterial():
            return "--identity S --issuer U --trust-config JSON   # or --staging: where it was signed"


def _option(identity: Identity) -> str:
    match identity:
        case KeyIdentity(spki_sha256=spki):
            return f"--public-key KEY.pub   # whose fingerprint is sha256:{spki}"
        case CertificateIdentity(subject=subject):
            return f"--certificate-chain ANCHOR.pem   # the authority that certified {subject}"
        case SigstoreIdentity(issuer=issuer, ci=CiClaims(repository_id=str()) as ci):
            return f"{ci_options(ci)} --issuer {shlex.quote(issuer)}"
        case SigstoreIdentity(subject=subject, issuer=issuer):
            return f"--identity {shlex.quote(subject)} --issuer {shlex.quote(issuer)}"
