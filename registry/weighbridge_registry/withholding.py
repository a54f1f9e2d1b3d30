# SPDX-License-Identifier: Apache-2.0
"""Take down and restore: what happens to the bytes around a logged decision.

    1 account   what the entry did is computed from the log and written down, durably
    2 decide    the operator's statement is logged; from that moment on the address answers 451
    3 remove    the bytes are deleted from the storage, and what was indexed of them

A crash after 2 leaves bytes that nobody is served; `remove` may be done again at any time, and a
registry does it at every start. Nothing is deleted whose account is not written down, since the
operator could not replay the log past it any more.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlmodel import col

from weighbridge import tlog
from weighbridge.errors import InputError, LogError, UnprocessableError
from weighbridge.withholding import effect_of
from weighbridge_schemas.card import CardRevision
from weighbridge_schemas.operator import Operator, Restore, Target
from weighbridge_schemas.release import Release

from .copies import vkey_of
from .fsck import scratch
from .replaying import FolderSource, Replay
from .state import Admitted, Authenticator, Candidate, Fact, effect_facts, is_withheld, read_candidate
from .store import tables
from .store.accounts import Accounts
from .store.database import Database
from .store.files import DataFolder
from .store.state import SqlState, facts_below
from .store.views import write_facts

__all__ = ["Found", "account_of", "attachments_of", "check_restorable", "find", "read", "remove", "sweep"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a digest is here: a bundle with its entry, or an attachment. `sha256` is bare hex."""

    target: Target
    sha256: str
    entry: int | None
    decision: Fact | None
    """The takedown in force, or None."""


def find(connection: Connection, sha256: str) -> Found:
    """Say what could be withheld by this digest; raises `InputError` if nothing here has it."""
    state = SqlState(connection)
    place = state.get(f"bundle/{sha256}")
    if place is not None:
        return Found("bundle", sha256, place["index"], is_withheld(state, "bundle", sha256))
    decision = is_withheld(state, "attachment", sha256)
    stored = select(col(tables.Blob.sha256)).where(col(tables.Blob.sha256) == sha256)
    if decision is not None or connection.execute(stored).scalar() is not None:
        return Found("attachment", sha256, None, decision)
    named = select(col(tables.Entry.bundle)).where(col(tables.Entry.statement) == sha256)
    bundles = list(connection.execute(named.limit(3)).scalars())
    hint = f"that is a statement; its bundle is {' or '.join(bundles)}" if bundles else ""
    raise InputError(
        f"no logged bundle and no attached file here has the SHA-256 {sha256}",
        hint=hint or "the digest of an entry's bundle is on its page: /log/INDEX",
    )


def account_of(folder: DataFolder, authenticate: Authenticator, index: int) -> dict[str, Fact]:
    """Replay the log up to an entry and return what it did, in the form whose digest is its effect.

    Takes as long as a check of so many entries. Raises `LogError` if the log cannot be replayed.
    """
    note = folder.log.published()
    if note is None:
        raise InputError(f"there is no registry in {folder.path}", hint="give its data folder with --data")
    checkpoint = tlog.parse_checkpoint(note, [tlog.Verifier.from_vkey(vkey_of(folder))])
    with scratch() as fresh:
        replay = Replay(FolderSource(folder), checkpoint, authenticate, SqlState(fresh), end=index + 1)
        for batch in replay.batches():
            last = batch.entries[-1]
            if last.index == index and isinstance(last.admitted, Admitted):
                return effect_facts(last.leaf, last.admitted.facts)
            write_facts(fresh, batch.facts)
    raise LogError(f"entry {index} cannot be read any more", hint="run: weighbridge log fsck")


def attachments_of(candidate: Candidate) -> tuple[str, ...]:
    """List the files (bare hex) that a statement names, which stay where they are when it is withheld."""
    document = candidate.document
    found: list[str] = []
    if isinstance(document, (Release, CardRevision)) and document.card is not None and document.card.readme:
        found.append(document.card.readme.sha256)
    if isinstance(document, Release) and document.model.tensors is not None:
        found.append(document.model.tensors.table_digest.removeprefix("sha256:"))
    return tuple(found)


def read(folder: DataFolder, found: Found) -> bytes | None:
    """Return the plain bytes of a bundle or an attachment, or None if they are gone."""
    try:
        if found.target == "bundle":
            return folder.bundles.read(found.sha256)
        return gzip.decompress(folder.blobs.read(found.sha256))
    except FileNotFoundError:
        return None


def remove(database: Database, folder: DataFolder, target: str, sha256: str) -> bool:
    """Delete withheld bytes and what was indexed of them; tell whether they are gone now.

    Does nothing without a decision in force, nor before a bundle's account is written down.
    """
    with database.read() as connection:
        state = SqlState(connection)
        if is_withheld(state, target, sha256) is None:
            return False
        place = state.get(f"bundle/{sha256}")
    if target == "attachment":
        folder.blobs.delete(sha256)
        with database.write() as connection:
            connection.execute(delete(tables.Tensor).where(col(tables.Tensor.table) == sha256))
            connection.execute(delete(tables.Blob).where(col(tables.Blob.sha256) == sha256))
        return True
    facts = Accounts(folder.path).facts(sha256)
    if facts is None or place is None or effect_of(facts) != place["effect"]:
        return False
    folder.bundles.delete(sha256)
    return True


def sweep(database: Database, folder: DataFolder) -> list[str]:
    """Finish what was decided: delete what is withheld. Returns the bundles that lack their account."""
    with database.read() as connection:
        decided = [
            tuple(key.split("/")[1:])
            for key, fact in facts_below(connection, "withheld/")
            if fact["restored"] is None
        ]
    return [sha256 for target, sha256 in decided if not remove(database, folder, target, sha256)]


def check_restorable(folder: DataFolder, candidate: Candidate) -> None:
    """Refuse a restoration of a bundle whose bytes are not in the storage (422): it would promise them."""
    document = candidate.document
    decision = document.decision if isinstance(document, Operator) else None
    if not isinstance(decision, Restore) or decision.target != "bundle":
        return
    sha256 = decision.sha256.removeprefix("sha256:")
    try:
        data = folder.bundles.read(sha256)
    except FileNotFoundError as error:
        raise UnprocessableError(
            "the bytes of that bundle are not here, so they cannot be served again",
            hint="use weighbridge log restore, which puts them back first",
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise LogError("the bundle to be restored is another one")
    read_candidate(data)
