# SPDX-License-Identifier: Apache-2.0
"""Steps 6 and 10: the release that was asked for, and what it says it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.errors import ReleaseError, SignerError, StatementError
from weighbridge.identities import describe, signer_id
from weighbridge.verdict import Result

from .case import Case
from .contents import compare_readme, compare_with_files, compare_with_manifest
from .ownership import read_ownership
from .releases import FoundRelease, names_of
from .revisions import card_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighbridge_schemas.api import ParentEdge, ReleaseDocument, UpstreamNote
    from weighbridge_schemas.lineage import Lineage, Parent

__all__ = ["judge_lineage", "judge_release"]

_SHOWN = 5
_ANCHORED, _MATCHED = 2, 3  # evidence levels of DESIGN section 5


def judge_release(case: Case) -> bool:
    """Conclude step 6."""
    wanted = case.request.release
    if wanted is None:
        names = names_of(case.reading.entries)
        about = f" (the record speaks of {', '.join(names[:_SHOWN])})" if names else ""
        return case.put(6, Result.SKIPPED, f"no release was asked for{about}")
    try:
        found = None if case.releases is None else case.releases.find(case.root_sha256)
        if found is None:
            return _no_such_release(case)
        case.release = found
        return _judge_found(case, found)
    except (ReleaseError, SignerError, StatementError) as error:
        return case.put_error(6, error)


def _judge_found(case: Case, found: FoundRelease) -> bool:
    """Compare who signed it, then the two signed statements, then the files."""
    if case.signer is None or case.manifest is None:
        return case.put(6, Result.UNKNOWN, f"{found.title} is claimed; not checked: no manifest was accepted")
    evidence = {
        "release": found.title,
        "statement": found.entry.bundle.statement_digest,
        "model_digest": found.document.model.model_digest,
        "signer": _authorised(case, found),
    }
    if case.remote is not None and case.matched:
        from .hubs import compare_with_hub

        return case.put(6, Result.REPORTED, compare_with_hub(found, case.remote, case.manifest), evidence)
    compare_with_manifest(found, case.manifest)
    weighed = case.comparison.weighed if case.comparison is not None else None
    if weighed is None or case.comparison is None or not case.passed(1, 2):
        agrees = (
            f"{found.title} and the signed manifest agree; the files here differ from both (steps 1 and 2)"
        )
        return case.put(6, Result.UNKNOWN, agrees, evidence)
    compare_with_files(found, weighed, subset=bool(case.comparison.missing))
    readme, warned = compare_readme(card_in_force(case, found), weighed.readme)
    told = "; ".join(filter(None, (f"{found.title} names exactly these files", readme)))
    return case.put(6, Result.WARN if warned else Result.PASS, told, evidence)


def judge_lineage(case: Case) -> bool:
    """Conclude step 10: what the signed release states, each edge in the words of its evidence level."""
    found = case.release
    if found is None or not case.passed(6):
        if 10 in case.asked:  # noqa: PLR2004  the step's number
            return case.put(10, Result.REPORTED, "no lineage to report: no release was checked")
        return case.put(10, Result.SKIPPED, "no release was checked")
    lineage = found.document.lineage
    if lineage is None or not (lineage.parents or lineage.datasets):
        return case.put(10, Result.REPORTED, "its publisher says nothing of where it comes from")
    spoken = case.word.release if case.word is not None else None
    if spoken is not None and spoken.statement != f"sha256:{found.entry.bundle.statement_digest}":
        spoken = None  # of another version: step 9 says so
    says = case.word.says if case.word is not None else ""
    words = _words(spoken, says) | _rechecked(case, spoken)
    told = [_edge(parent, words) for parent in lineage.parents[:_SHOWN]]
    if len(lineage.parents) > _SHOWN:
        told.append(f"and {len(lineage.parents) - _SHOWN} more parents")
    if lineage.datasets:
        told.append(_datasets(lineage))
    notes = spoken.upstream if spoken is not None else ()
    told += [_note(note, says) for note in notes[:_SHOWN]]
    if len(notes) > _SHOWN:
        told.append(f"and {len(notes) - _SHOWN} more about its ancestors and data")
    if case.word is not None and case.word.proves and spoken is not None and not notes:
        told.append(f"nothing is said against what it names by digest, {says}")
    evidence = {"lineage": lineage.to_json(), "upstream": [note.to_json() for note in notes]}
    concerned = any(note.by_owner for note in notes) or any("contradict" in text for text in words.values())
    return case.put(10, Result.WARN if concerned else Result.REPORTED, "; ".join(told), evidence)


def _rechecked(case: Case, released: ReleaseDocument | None) -> dict[str, str]:
    """Return who re-checked which parent, of those whose re-checks count by the policy: level 4."""
    if case.request.policy is None or released is None:
        return {}
    from .hearing import heard

    found = heard(case, released).rechecks
    refuted = {edge.parent for edge in _parents_of(released) if edge.contradicted}
    return {parent: f"re-checked by {said[0].who}" for parent, said in found.items() if parent not in refuted}


def _parents_of(document: ReleaseDocument | None) -> Sequence[ParentEdge]:
    return document.lineage.parents if document is not None and document.lineage is not None else ()


def _note(note: UpstreamNote, says: str) -> str:
    """Say what is known of an ancestor or a data set, and whose word that is; `says` tells how."""
    up = {0: "", 1: "its parent ", 2: "its grandparent "}.get(note.generation, "its ancestor ")
    who = "" if note.by_owner else f" (says {note.signer.label}, a third party)"
    match note.kind:
        case "yanked":
            return f"{up}{note.name} was withdrawn by its owners, {says}: {note.text}"
        case "advisory":
            return f"an advisory about {up}{note.name}, {says}: {note.text}{who}"
        case "data_withdrawn":
            of = f" of {up.strip()}" if up else ""
            return f"the data set {note.name}{of} was withdrawn, {says}: {note.text}{who}"


def _authorised(case: Case, found: FoundRelease) -> str:
    """Require that the release is by the manifest's signer, or by an owner in force at its entry."""
    wanted = case.request.release
    signer = case.authenticator(found.entry.bundle)
    if case.signer is not None and signer_id(signer) == signer_id(case.signer):
        return signer_id(signer)
    namespace = found.document.namespace if wanted is None else wanted.namespace
    owners = read_ownership(namespace, case.reading.entries, lambda entry: case.authenticator(entry.bundle))
    ownership = owners.get(found.entry.origin) if found.entry.proved else None
    if ownership is None or not ownership.owns(signer, found.entry.index):
        raise ReleaseError(
            f"{found.title} is signed by {describe(signer)}, who is neither the signer of the model nor an "
            f"owner of {namespace} as recorded.",
            hint="Do not use it under this name.",
            evidence={"signer": signer_id(signer), "entry": found.entry.index},
        )
    return signer_id(signer)


def _no_such_release(case: Case) -> bool:
    names = names_of(case.reading.entries)
    if names:
        return case.put(
            6,
            Result.FAIL,
            f"There is no release {case.request.release} here: the record is of {', '.join(names[:_SHOWN])}. "
            "Either you ask for the wrong one, or this is an older or another model under its name.",
            {"found": names[:100]},
        )
    return case.put(
        6,
        Result.UNKNOWN,
        f"No release statement is here: give the record of {case.request.release}, or --registry URL.",
    )


def _words(document: ReleaseDocument | None, says: str) -> dict[str, str]:
    """Return what is known of each parent that has a digest: its evidence, in plain words."""
    found: dict[str, str] = {}
    for edge in _parents_of(document):
        if edge.parent is None:
            continue
        if edge.contradicted:
            found[edge.parent] = f"the tensor tables contradict it, {says}"
        elif edge.level >= _MATCHED:
            found[edge.parent] = f"tables match, {says}"
        elif edge.level >= _ANCHORED:
            found[edge.parent] = f"parent is registered here, {says}"
    return found


def _edge(parent: Parent, words: Mapping[str, str]) -> str:
    """Say one edge in the plain words of DESIGN section 5."""
    if parent.relation == "from_scratch":
        return "made from scratch (says so)"
    name = parent.name or parent.location or parent.digest or "an unnamed model"
    relation = (parent.relation or "made").replace("_", " ")
    said = "says so"
    if parent.digest is not None or parent.statement is not None:
        said = words.get(parent.digest or "", "names the exact parent")
    return f"{relation} from {name} ({said})"


def _datasets(lineage: Lineage) -> str:
    count = len(lineage.datasets)
    return "1 data set named (says so)" if count == 1 else f"{count} data sets named (says so)"
