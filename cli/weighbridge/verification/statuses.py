# SPDX-License-Identifier: Apache-2.0
"""Step 9: whether the release still stands, by what its owners said, by a registry's word, or by a replay.

Pure. A status in a record is signed and proves itself: a yank among the lines fails the step offline, whoever
handed the record over. Lines can be left out of a record, so nothing in it is ever a pass; out of a log that
was replayed from its first entry to its last nothing can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.errors import SignerError, StatementError
from weighbridge.identities import Identity, describe, lasting_id
from weighbridge.statements import parse_statement
from weighbridge.verdict import Result

from .case import Case
from .entries import Entry, Proof
from .ownership import read_ownership
from .registries import Replayed
from .releases import FoundRelease
from .witnesses import freshness

if TYPE_CHECKING:
    from weighbridge.tlog import SignedCheckpoint
    from weighbridge_schemas.api import ReleaseDocument, StatementAbout
    from weighbridge_schemas.status import Status

    from .registries import RegistryWord

__all__ = ["LoggedStatus", "judge_status", "read_statuses", "released"]

_SHOWN = 3
_WARNING_KINDS = ("advisory", "position")

Authenticate = Callable[[Entry], Identity]
"""Gives the signer of an entry's bundle; raises `SignerError`."""


@dataclass(frozen=True, slots=True)
class LoggedStatus:
    """One status statement about a release. `by_owner`: its signer is shown to have been an owner then."""

    entry: Entry
    document: Status
    signer: Identity
    by_owner: bool


def read_statuses(
    found: FoundRelease, entries: Iterable[Entry], authenticate: Authenticate
) -> list[LoggedStatus]:
    """Return what a record holds of the statuses of a release, in the order of its log.

    Of a proved release only proved entries of its own log count. A signer is shown to be an owner by the
    owner lists of the record; where it has none, by having signed the release. Statements that nobody can
    authenticate, or that are not valid of their kind, are left out: they say nothing.
    """
    known = list(entries)
    about = {
        each.index: each
        for each in known
        if each.kind == "status"
        and each.origin == found.entry.origin
        and each.statement.subjects[0].sha256 == found.entry.bundle.statement_digest
        and (each.proved or (each.proof is Proof.OPEN and not found.entry.proved))
    }
    owns = _owner_test(found, known, authenticate)
    statuses = []
    for index in sorted(about):
        try:
            signer, document = authenticate(about[index]), _document(about[index])
        except (SignerError, StatementError):
            continue
        statuses.append(LoggedStatus(about[index], document, signer, owns(signer, index)))
    return statuses


def judge_status(case: Case) -> bool:
    """Conclude step 9: only a replay of all entries proves that nothing was said."""
    found = case.release
    statuses = []
    if found is not None:
        statuses = read_statuses(found, case.reading.entries, lambda entry: case.authenticator(entry.bundle))
    said = [each for each in statuses if each.by_owner]
    newest = said[-1] if said else None
    if newest is not None and newest.document.state != "restored":
        return _put_logged(case, newest)
    if case.word is None and newest is not None:
        told = (
            f"restored by its publisher ({_where(newest.entry)}); whether anything was said since, "
            "a record cannot tell"
        )
        return case.put(9, Result.REPORTED, told, _evidence(newest))
    if case.word is None and statuses:
        return _put_strangers(case, statuses[-1])
    if case.word is None:
        return case.put(9, Result.SKIPPED, "no registry was asked")
    return _put_word(case, newest)


def _owner_test(
    found: FoundRelease, entries: list[Entry], authenticate: Authenticate
) -> Callable[[Identity, int], bool]:
    """Return the test whether a signer owned the release's namespace at an entry."""
    try:
        owners = read_ownership(found.document.namespace, entries, authenticate).get(found.entry.origin)
        publisher = lasting_id(authenticate(found.entry))
    except (SignerError, StatementError):
        return lambda _signer, _index: False
    if owners is not None:
        return owners.owns
    return lambda signer, _index: lasting_id(signer) == publisher


def _document(entry: Entry) -> Status:
    from weighbridge_schemas.status import Status

    document = parse_statement(entry.bundle.payload, strict=True).document()
    if not isinstance(document, Status):
        raise StatementError(f"{entry.source}: not a status statement.", step=9)
    return document


def _put_logged(case: Case, newest: LoggedStatus) -> bool:
    """Conclude by what an owner signed; a registry that says otherwise is told of."""
    document, where = newest.document, _where(newest.entry)
    hidden, word = _hidden(case, newest), released(case)
    warnings, warned = _warnings(word) if word is not None else ("", {})
    if document.state == "yanked":
        danger = " as dangerous" if document.security else ""
        told = f"Its publisher withdrew this release{danger}: {document.reason} ({where}){hidden}{warnings}."
        return _put_yank(case, told, _evidence(newest) | warned)
    if word is not None and word.status.state == "yanked" and _is_newer(word, newest):
        return _put_word(case, newest)
    told = f"{document.state} by its publisher: {document.reason} ({where}){hidden}{_newer(word)}{warnings}"
    return case.put(9, Result.WARN, told, _evidence(newest) | warned)


def _put_yank(case: Case, told: str, evidence: dict[str, Any]) -> bool:
    if case.request.allow_yanked:
        return case.put(9, Result.WARN, f"{told} You allowed that.", evidence)
    return case.put(9, Result.FAIL, f"{told} Use another version, or add --allow-yanked.", evidence)


def _put_strangers(case: Case, status: LoggedStatus) -> bool:
    """Tell of a status by somebody who is not shown to be an owner: it neither holds nor is kept quiet."""
    told = (
        f"{describe(status.signer)} calls it {status.document.state} ({_where(status.entry)}), and is not "
        "shown to be an owner; ask a registry"
    )
    return case.put(9, Result.WARN, told, _evidence(status))


def _put_word(case: Case, newest: LoggedStatus | None) -> bool:
    """Conclude by a registry's word, which proves nothing; `newest` is at most a restoration."""
    word = case.word
    if word is None or word.problem is not None or word.checkpoint is None:
        problem = word.problem if word is not None else None
        why = problem.message if problem is not None else "its log is not trusted here"
        url = word.url if word is not None else "nobody"
        return case.put(9, Result.UNKNOWN, f"{url} gave no word that could be reported: {why}")
    entry = _as_of(word, word.checkpoint)
    release, found = word.release, case.release
    if release is None:
        return case.put(9, Result.REPORTED, f"no release was named, so no status was asked for ({entry})")
    if found is not None and release.statement != f"sha256:{found.entry.bundle.statement_digest}":
        told = f"{word.url} spoke of version {release.version}, not of {found.title}"
        return case.put(9, Result.UNKNOWN, f"{told}. Ask for that one: --release {found.title}.")
    return _told_status(case, release, entry, newest)


def _told_status(case: Case, release: ReleaseDocument, entry: str, newest: LoggedStatus | None) -> bool:
    """Report what the registry says of a release's status, and of what others say."""
    status, newer = release.status, _newer(release)
    reason = f": {status.reason}" if status.reason else ""
    warnings, evidence = _warnings(release)
    match status.state:
        case "yanked" if newest is None or _is_newer(release, newest):
            told = f"Its publisher withdrew this release{reason} ({entry}){newer}{warnings}."
            return _put_yank(case, told, evidence)
        case "deprecated" | "superseded" if newest is None or _is_newer(release, newest):
            successor = status.superseded_by
            by = f" by {successor.namespace}/{successor.name}@{successor.version}" if successor else ""
            told = f"{status.state}{by} by its publisher{reason} ({entry}){newer}{warnings}"
            return case.put(9, Result.WARN, told, evidence)
        case "withheld":
            return case.put(9, Result.UNKNOWN, f"withheld by the operator of the log ({entry}){newer}")
        case _ if newest is not None:
            told = f"restored by its publisher ({_where(newest.entry)}); {_none(case)} since {entry}"
            return _put_none(case, f"{told}{newer}{warnings}", _evidence(newest) | evidence)
        case _:
            return _put_none(case, f"{_none(case)} {entry}{newer}{warnings}", evidence)


def _as_of(word: RegistryWord, checkpoint: SignedCheckpoint) -> str:
    """Say up to which entry that is known, and how."""
    last = max(checkpoint.size - 1, 0)
    match word.replayed:
        case None:
            return f"as of entry {last}, says {word.url}; a replay of the log would prove it"
        case Replayed(word_from=None):
            return (
                f"as of entry {last} of {checkpoint.origin}, by a replay of all its entries from {word.url}"
            )
        case Replayed(word_from=first):
            withheld = f"entry {first} is withheld, and what follows rests on its operator's word"
            return f"as of entry {last}; {withheld}"


def _none(case: Case) -> str:
    """Say that nothing was said: as found, or as reported."""
    return "none said" if case.word is not None and case.word.proves else "none reported"


def _put_none(case: Case, told: str, evidence: dict[str, Any]) -> bool:
    """Conclude that nothing stands against the release: proved by a replay, else reported."""
    word = case.word
    if word is None or word.checkpoint is None or not word.proves:
        return case.put(9, Result.REPORTED, told, evidence)
    replayed = {
        "log": word.checkpoint.origin,
        "size": word.checkpoint.size,
        "root": word.checkpoint.root.hex(),
    }
    told = f"{told}; {freshness(case, [word.checkpoint])}"
    return case.put(9, Result.PASS, told, evidence | {"replayed": replayed})


def _warnings(release: ReleaseDocument) -> tuple[str, dict[str, Any]]:
    """Return what others say against a release, as the registry lists it: words, and evidence.

    None of it changes a verdict: anybody may say anything.
    """
    against = [each for each in release.statements if _is_warning(each)]
    if not against:
        return "", {}
    shown = "; ".join(f"{each.summary} — {each.signer.label}" for each in against[:_SHOWN])
    more = f"; and {len(against) - _SHOWN} more" if len(against) > _SHOWN else ""
    listed = [
        {"statement": each.statement, "summary": each.summary, "signer": each.signer.id, "index": each.index}
        for each in against
    ]
    count = "1 warning of others is" if len(against) == 1 else f"{len(against)} warnings of others are"
    return f"; {count} listed there, which change nothing here: {shown}{more}", {"warnings": listed}


def _is_warning(each: StatementAbout) -> bool:
    if each.replaced or each.kind not in _WARNING_KINDS or each.role not in ("subject", "affects"):
        return False
    return not each.summary.startswith(("Withdrew", "Acknowledged", "Took back"))


def released(case: Case) -> ReleaseDocument | None:
    """Return what the registry, or the copy, says of this very release, or None."""
    word, found = case.word, case.release
    release = word.release if word is not None else None
    if release is None or found is None:
        return None
    return release if release.statement == f"sha256:{found.entry.bundle.statement_digest}" else None


def _is_newer(release: ReleaseDocument, newest: LoggedStatus) -> bool:
    """Tell whether the registry speaks of a later statement than the one that is here."""
    return release.status.index is not None and release.status.index > newest.entry.index


def _hidden(case: Case, newest: LoggedStatus) -> str:
    """Say so where a registry does not tell of a status that is signed and here."""
    release = released(case)
    if case.word is None or release is None or release.status.state == newest.document.state:
        return ""
    return f"; {case.word.url} does not say so: ask its operator why, and tell the log's monitors"


def _newer(release: ReleaseDocument | None) -> str:
    return f"; version {release.superseded_by} is newer" if release and release.superseded_by else ""


def _where(entry: Entry) -> str:
    proof = "" if entry.proved else ", as the record says"
    return f"entry {entry.index} of {entry.origin}{proof}"


def _evidence(status: LoggedStatus) -> dict[str, Any]:
    return {
        "status": {
            "state": status.document.state,
            "reason": status.document.reason,
            "statement": status.entry.bundle.statement_digest,
            "log": status.entry.origin,
            "index": status.entry.index,
            "security": status.document.security,
        }
    }
