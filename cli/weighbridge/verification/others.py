# SPDX-License-Identifier: Apache-2.0
"""The signatures beside the one that counts: none of them is silently ignored (step 4).

Whoever can write to the folder can add signatures and take them away. What they add is named; it
never decides. What a wanted signer signed twice, and differently, is a warning, because somebody else may
have chosen which of the two comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from weighbridge.errors import SignerError, WeighbridgeError
from weighbridge.oms import Manifest, parse_manifest

from .case import Case
from .releases import claimed_roots
from .signatures import Candidate

__all__ = ["disagreements", "other_signers"]

_TOLD: Final = 3
_COMPARED: Final = 32


def other_signers(case: Case, chosen: Candidate) -> str:
    """Name who else signed, and what could not be checked; "" if there is nobody."""
    own = case.authenticator.signer_id(chosen.bundle)
    told: dict[str, list[str]] = {}
    for each in case.reading.candidates:
        found = case.authenticator.found(each)
        if found.id != own:
            says = "signed by" if found.authenticated else "said to be signed by"
            told.setdefault(f"{says} {found.description}", []).append(each.source)
    words = [f"{', '.join(sources[:_TOLD])}, {what}" for what, sources in told.items()]
    more = [f"{len(words) - _TOLD} more"] if len(words) > _TOLD else []
    return f"Also here: {'; '.join([*words[:_TOLD], *more])}" if words else ""


def disagreements(case: Case, chosen: Candidate) -> tuple[str, list[dict[str, Any]]]:
    """Compare all manifests of this model that wanted signers signed; a warning in words, and the evidence.

    A manifest that the evidence records as another release (an older version, say) contradicts nothing.
    """
    digests = {chosen.bundle.statement_digest}
    found: list[dict[str, Any]] = []
    for each in case.reading.candidates:
        if each.bundle.statement_digest in digests or not _accepted(case, each):
            continue
        digests.add(each.bundle.statement_digest)
        if _is_another_release(case, chosen, each):
            continue
        difference = _difference(chosen, each)
        if difference:
            found.append(
                {
                    "source": each.source,
                    "statement": each.bundle.statement_digest,
                    "signer": case.authenticator.signer_id(each.bundle),
                    "difference": difference,
                }
            )
        if len(digests) > _COMPARED:
            break
    if not found:
        return "", []
    sources = ", ".join(f"{one['source']} ({one['difference']})" for one in found[:_TOLD])
    more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return (
        f"SIGNED DIFFERENTLY: {chosen.source} counts here and contradicts {sources}{more}, which a wanted "
        "signer signed too. Ask them which one is meant"
    ), found


def _accepted(case: Case, candidate: Candidate) -> bool:
    try:
        return case.accepts(case.authenticator(candidate.bundle))
    except SignerError:
        return False


def _is_another_release(case: Case, chosen: Candidate, other: Candidate) -> bool:
    """Tell whether releases in the evidence, by the manifests' own signers, give the two different names."""
    titles = [_titles(case, each) for each in (chosen, other)]
    return bool(titles[0]) and bool(titles[1]) and titles[0].isdisjoint(titles[1])


def _titles(case: Case, candidate: Candidate) -> set[tuple[str, ...]]:
    root, signer = candidate.statement.subjects[0].sha256, case.authenticator.signer_id(candidate.bundle)
    return {
        tuple(str(entry.statement.predicate.get(key)) for key in ("namespace", "name", "version"))
        for entry in case.reading.entries
        if entry.kind == "release" and root in claimed_roots(entry)
        if case.authenticator.signer_id(entry.bundle) == signer
    }


def _difference(chosen: Candidate, other: Candidate) -> str:
    """Say in what two signed manifests contradict each other; "" if they can both be true."""
    try:
        one = parse_manifest(chosen.statement)[0]
    except WeighbridgeError:
        return ""  # step 5 says so
    try:
        two = parse_manifest(other.statement)[0]
    except WeighbridgeError:
        return "no sound manifest"
    told = []
    if names := _differing(one, two):
        told.append(", ".join(names[:_TOLD]) + (" …" if len(names) > _TOLD else ""))
    if one.serialization.ignore_paths != two.serialization.ignore_paths:
        told.append("other ignored paths")
    return "; ".join(told)


def _differing(one: Manifest, two: Manifest) -> Sequence[str]:
    """List the resources that only one has, or whose digests differ by the same algorithm."""
    if one.serialization.method != two.serialization.method:
        return []
    first, second = ({each.name: each for each in manifest.resources} for manifest in (one, two))
    return sorted(
        name
        for name in first.keys() | second.keys()
        if name not in first
        or name not in second
        or (first[name].algorithm == second[name].algorithm and first[name].digest != second[name].digest)
    )
