# SPDX-License-Identifier: Apache-2.0
"""Step 4: which of the signatures is by the wanted signer."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.errors import SignerError, StatementError
from weighbridge.identities import Identity, describe, signer_id
from weighbridge.verdict import Result

from .case import Case
from .ownership import Ownership, claims_of, read_ownership
from .releases import FoundRelease, find_release
from .request import WantedRelease
from .signatures import Candidate
from .wanted import Wanted

__all__ = ["judge_signer"]

_LISTED = 100
NOT_TOLD = "Not verified: you have not said whom to trust."


def judge_signer(case: Case) -> bool:
    """Conclude step 4 and choose the manifest that counts."""
    wanted, release = case.request.wanted, case.request.release
    if wanted is not None:
        return _by_named_signer(case, wanted)
    if release is not None:
        try:
            return _by_owner(case, release)
        except (SignerError, StatementError) as error:
            return case.put_error(4, error)
    return case.put(4, Result.FAIL, f"{NOT_TOLD} {_found(case)}")


def _by_named_signer(case: Case, wanted: Wanted) -> bool:
    for candidate in case.reading.candidates:
        identity = _identity(case, candidate)
        if identity is not None and wanted.accepts(identity):
            return _choose(case, candidate, identity, describe(identity))
    return _refuse(case, f"by {wanted.describe()}")


def _by_owner(case: Case, release: WantedRelease) -> bool:
    """Accept an owner of the namespace, as recorded, in force at the release's own entry."""
    entries = case.reading.entries
    claims = claims_of(release.namespace, entries)
    if not any(each.proved for each in claims):
        return case.put(4, Result.UNKNOWN, _why_unknown(case, release))
    ownerships = read_ownership(release.namespace, entries, lambda entry: case.authenticator(entry.bundle))
    for candidate in _named_first(case, release):
        identity = _identity(case, candidate)
        if identity is None:
            continue
        for origin, index in _places(case, release, candidate, ownerships):
            if ownerships[origin].owns(identity, index):
                case.owner_entries = tuple(each for each in claims if each.proved and each.origin == origin)
                who = f"{describe(identity)}, an owner of {release.namespace} as recorded in {origin}"
                return _choose(case, candidate, identity, who)
    return _refuse(case, f"by an owner of {release.namespace}, as recorded")


def _choose(case: Case, candidate: Candidate, identity: Identity, who: str) -> bool:
    case.chosen, case.signer = candidate, identity
    evidence = {
        "signer": signer_id(identity),
        "source": candidate.source,
        "statement": candidate.bundle.statement_digest,
    }
    strangers = _strangers(case, candidate, identity)
    if strangers:
        return case.put(4, Result.WARN, f"{who}. {strangers}", evidence)
    return case.put(4, Result.PASS, who, evidence)


def _strangers(case: Case, candidate: Candidate, identity: Identity) -> str:
    """Warn loudly if this client remembers other signers for the namespace, but not this one."""
    release = case.request.release
    found = release and _release_of(case, release, candidate)
    if not found or not found.entry.proved:
        return ""
    remembered = case.request.memory.signers(found.entry.origin, found.document.namespace)
    if not remembered or signer_id(identity) in remembered:
        return ""
    return (
        f"NEW SIGNER: releases of {found.document.namespace} that this computer saw before were signed by "
        f"somebody else ({', '.join(sorted(each[:16] for each in remembered))}…). Ask the publisher first"
    )


def _named_first(case: Case, release: WantedRelease) -> Sequence[Candidate]:
    """Put manifests of the named release first: a record may hold those of several versions."""

    def is_other(candidate: Candidate) -> bool:
        found = _release_of(case, release, candidate)
        return found is None or not found.holds_root(candidate.statement.subjects[0].sha256)

    return sorted(case.reading.candidates, key=is_other)


def _release_of(case: Case, release: WantedRelease, candidate: Candidate) -> FoundRelease | None:
    """Find the release of a manifest; one that is malformed is none here, and fails step 6."""
    try:
        return find_release(case.reading.entries, release, candidate.statement.subjects[0].sha256)
    except StatementError:
        return None


def _places(
    case: Case, release: WantedRelease, candidate: Candidate, ownerships: dict[str, Ownership]
) -> list[tuple[str, int]]:
    """At which entries of which logs the ownership is judged.

    The release's entry; where there is none that is proved, the manifest's own; else the end of each list
    (then steps 6 and 7 have no pass to give).
    """
    found = _release_of(case, release, candidate)
    for entry in (found.entry if found else None, candidate.entry):
        if entry is not None and entry.proved and entry.origin in ownerships:
            return [(entry.origin, entry.index)]
    return [(origin, each.lists[-1].index + 1) for origin, each in ownerships.items()]


def _refuse(case: Case, wanted: str) -> bool:
    advice = "If you did not expect that signer, do not use this model; if you did, name them."
    found = [case.authenticator.found(each).to_json() for each in case.reading.candidates]
    return case.put(
        4, Result.FAIL, f"Not signed {wanted}. {_found(case)} {advice}", {"found": found[:_LISTED]}
    )


def _identity(case: Case, candidate: Candidate) -> Identity | None:
    try:
        return case.authenticator(candidate.bundle)
    except SignerError:
        return None


def _found(case: Case) -> str:
    """Say who signed what was found, or why that cannot be said; the same words once for all sources."""
    sources: dict[str, list[str]] = {}
    for candidate in case.reading.candidates[:_LISTED]:
        found = case.authenticator.found(candidate)
        says = "signed by" if found.authenticated else "said to be signed by"
        sources.setdefault(f"{says} {found.description}", []).append(candidate.source)
    return "Found: " + "; ".join(f"{' and '.join(names)}, {what}" for what, names in sources.items()) + "."


def _why_unknown(case: Case, release: WantedRelease) -> str:
    claims = claims_of(release.namespace, case.reading.entries)
    if not claims:
        return (
            f"Nothing here says who owns {release.namespace}: no record holds its namespace statement. "
            "Give --record or --registry, or name the signer with --public-key or --identity."
        )
    logs = sorted({each.origin for each in claims if each.origin})
    return (
        f"The owners of {release.namespace} are recorded in {', '.join(logs) or 'a log'}, whose key is not "
        "trusted here, or the record does not prove it (step 7)."
    )
