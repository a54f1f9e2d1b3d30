# SPDX-License-Identifier: Apache-2.0
"""Step 4: which of the signatures is by the wanted signer."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.errors import SignerError, StatementError
from weighbridge.identities import Identity, SigstoreIdentity, describe, lasting_id, signer_id, to_json
from weighbridge.verdict import Result

from .case import Case
from .entries import Entry
from .others import disagreements, other_signers
from .ownership import Ownership, claims_of, read_ownership
from .releases import claimed_roots
from .request import WantedRelease
from .signatures import Candidate, unproved_stamps
from .wanted import Wanted, ci_options

__all__ = ["judge_signer"]

_LISTED = 100
_NAMESPACES = 16
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
            caution = wanted.caution(identity)
            return _choose(case, candidate, identity, _accepted(wanted, identity), [caution])
    return _refuse(case, f"by {wanted.describe()}")


def _accepted(wanted: Wanted, identity: Identity) -> str:
    """Say who signed, and how to pin the ids of a CI run that was named by its name."""
    ci = identity.ci if isinstance(identity, SigstoreIdentity) else None
    if ci is None or ci.repository_id is None or wanted.named_by_ids(identity):
        return describe(identity)
    options = ci_options(ci)
    return f"{describe(identity)}. A repository's name can be registered again, its ids never: {options}"


def _by_owner(case: Case, release: WantedRelease) -> bool:
    """Accept an owner of the namespace, as recorded, in force at the release's own entry."""
    entries = case.reading.entries
    claims = claims_of(release.namespace, entries)
    if not any(each.proved for each in claims):
        return case.put(4, Result.UNKNOWN, _why_unknown(case, release))
    ownerships = read_ownership(release.namespace, entries, lambda entry: case.authenticator(entry.bundle))
    late = ""
    for candidate in _named_first(case):
        identity = _identity(case, candidate)
        if identity is None:
            continue
        for origin, index in _places(case, candidate, ownerships):
            if not ownerships[origin].owns(identity, index):
                continue
            if recorded := _recorded_after(case, candidate, identity, origin, index):
                late = f" (one by {describe(identity)} was recorded at entry {recorded}, after the release)"
                continue
            cautions, refusal = _epoch(case, ownerships[origin], index)
            if refusal is not None:
                return case.put_error(4, refusal)
            case.owner_entries = tuple(each for each in claims if each.proved and each.origin == origin)
            who = f"{describe(identity)}, an owner of {release.namespace} as recorded in {origin}"
            return _choose(case, candidate, identity, who, cautions)
    return _refuse(case, f"by an owner of {release.namespace}, as recorded{late}")


def _epoch(case: Case, ownership: Ownership, index: int) -> tuple[list[str], SignerError | None]:
    """Compare the epoch of the owners in force with what this client knows: cautions, or a refusal.

    A release of an earlier epoch than the one remembered is judged by the owners of its own time.
    """
    owners = ownership.at(index)
    if owners is None or owners.begun is None:
        return [], None
    origin, namespace = ownership.origin, ownership.namespace
    told = f"{namespace} was given to other owners by the operator of {origin} at entry {owners.begun}"
    remembered = case.request.memory.namespace(origin, namespace)
    if remembered is None or remembered.epoch >= owners.epoch or case.request.accept_owners:
        return [told], None
    return [], SignerError(
        f"{told}; this computer knew it with its former owners.",
        hint="Ask the publisher that you knew, on another way. If the change is right: --accept-owners.",
        evidence={"remembered_epoch": remembered.epoch, "epoch": owners.epoch, "entry": owners.begun},
    )


def _choose(case: Case, candidate: Candidate, identity: Identity, who: str, more: Sequence[str] = ()) -> bool:
    case.chosen, case.signer = candidate, identity
    proved = case.authenticator.proved(candidate.bundle)
    contradiction, differing = disagreements(case, candidate)
    evidence = {
        "signer": signer_id(identity),
        "source": candidate.source,
        "statement": candidate.bundle.statement_digest,
        **to_json(identity),
        "times": [{"source": each.source, "time": each.time.isoformat()} for each in proved.times],
    }
    if differing:
        evidence["disagreements"] = differing
    if unproved_stamps(proved, candidate.bundle):
        who += " (with a time stamp by an authority that is not trusted here: --tsa-certificate)"
    cautions = [each for each in (*more, _strangers(case, candidate, identity), contradiction) if each]
    others = other_signers(case, candidate)
    reason = ". ".join([who, *cautions, *([others] if others else [])])
    return case.put(4, Result.WARN if cautions else Result.PASS, reason, evidence)


def _strangers(case: Case, candidate: Candidate, identity: Identity) -> str:
    """Warn loudly if this client remembers other signers for the namespace, but not this one."""
    told = (
        _stranger(case, origin, namespace, identity) for origin, namespace in _namespaces(case, candidate)
    )
    return next((each for each in told if each), "")


def _namespaces(case: Case, candidate: Candidate) -> list[tuple[str, str]]:
    """Return log and namespace of the release as which a manifest is recorded, proved.

    Where none was asked for, of all releases in the record that claim the manifest.
    """
    wanted, found = case.request.release, _release_of(case, candidate)
    if wanted is not None:
        return [] if found is None or not found.proved else [(found.origin, wanted.namespace)]
    root = candidate.statement.subjects[0].sha256
    claimed = [
        (each.origin, str(each.statement.predicate.get("namespace")))
        for each in case.reading.entries
        if each.kind == "release" and each.proved and root in claimed_roots(each)
    ]
    return [each for each in dict.fromkeys(claimed) if WantedRelease.reads(f"{each[1]}/x")][:_NAMESPACES]


def _stranger(case: Case, origin: str, namespace: str, identity: Identity) -> str:
    memory, own = case.request.memory, {signer_id(identity), lasting_id(identity)}
    remembered = memory.signers(origin, namespace)
    if own & remembered:
        return ""
    if remembered:
        return (
            f"NEW SIGNER: releases of {namespace} that this computer saw before were signed by somebody else "
            f"({', '.join(sorted(each[:16] for each in remembered))}…). Ask the publisher first"
        )
    elsewhere = [
        log
        for log in sorted({each.name for each in case.request.pins.verifiers} - {origin})
        if (known := memory.signers(log, namespace)) and not own & known
    ]
    if not elsewhere:
        return ""
    return (
        f"ANOTHER LOG: this computer knows {namespace} from {', '.join(elsewhere)}, where its releases were "
        f"signed by somebody else; in {origin} the same name can be anybody's. Ask the publisher first"
    )


def _named_first(case: Case) -> Sequence[Candidate]:
    """Put manifests of the named release first: a record may hold those of several versions."""
    releases = case.releases

    def is_other(candidate: Candidate) -> bool:
        return releases is None or not releases.claims(candidate.statement.subjects[0].sha256)

    return sorted(case.reading.candidates, key=is_other)


def _release_of(case: Case, candidate: Candidate) -> Entry | None:
    """Find the entry of a manifest's release; whether it is well formed is for step 6 to say."""
    return None if case.releases is None else case.releases.entry(candidate.statement.subjects[0].sha256)


def _places(case: Case, candidate: Candidate, ownerships: dict[str, Ownership]) -> list[tuple[str, int]]:
    """At which entries of which logs the ownership is judged.

    The release's entry; where there is none that is proved, the manifest's own; else the end of each list
    (then steps 6 and 7 have no pass to give).
    """
    for entry in (_release_of(case, candidate), candidate.entry):
        if entry is not None and entry.proved and entry.origin in ownerships:
            return [(entry.origin, entry.index)]
    return [(origin, each.lists[-1].index + 1) for origin, each in ownerships.items()]


def _recorded_after(case: Case, candidate: Candidate, identity: Identity, origin: str, index: int) -> int:
    """Return the entry at which a manifest was first recorded, if that was after entry `index`; else 0.

    Anybody may record a manifest, and a record may leave a removal of owners out: so a former owner, or
    the thief of a removed key, could sign the files of an old release again and add what to ignore.
    `publish` records a manifest before its release; an older one is fine, since a log takes the same
    statement once.
    """
    digest, id_ = candidate.bundle.statement_digest, signer_id(identity)
    first = min(
        (
            each.index
            for each in case.reading.entries
            if each.proved and each.origin == origin and each.bundle.statement_digest == digest
            if case.authenticator.signer_id(each.bundle) == id_
        ),
        default=0,
    )
    return first if first > index else 0


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
