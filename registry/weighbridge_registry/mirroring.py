# SPDX-License-Identifier: Apache-2.0
"""A full verified copy of somebody else's log: `weighbridge log mirror`.

    1 checkpoint    signed by the pinned key, and no fork or rollback against all that was seen
    2 copy          entries and bundles that hash up to it; each is stored once it was verified
    3 publish       the checkpoint is shown when all below it is here and hashes to its root
    4 replay        what the entries mean, from the copy: facts and views, as the registry has them
    5 attachments   README files and tensor tables that the statements name, as far as they are there

Each step begins where it ended the last time, so a mirror may be killed anywhere. Tiles are not
copied but made from the verified entries. The folder is laid out as a registry's, without keys:
`serve --read-only` shows it, `log fsck` checks it. As with a registry, what the log consists of may lie
in a bucket instead, and the rest in the folder: database, memory, accounts of what is withheld.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from sqlalchemy import Connection, insert, update
from sqlmodel import col

from weighbridge import tlog
from weighbridge.errors import LogError, UnavailableError, WeighbridgeError, WithheldError
from weighbridge.memory import Memory
from weighbridge.withholding import Withheld, prove

from .attachments import Slot, named_files, record_file
from .authentication import Authentication
from .copies import Copied, pin
from .likenesses import Likenesses
from .log.writing import get_applied, set_applied
from .rebuilding import locked
from .replaying import AddressSource, Batch, FolderSource, Position, Reading, Replay, write_batch
from .settings import Limits
from .store import tables
from .store.accounts import Accounts
from .store.database import open_database, read_meta
from .store.files import DataFolder
from .store.state import LiveState

__all__ = ["Mirror", "Mirrored"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the step's name, entries done, and their total."""

_COPIED: Final = "copied"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a round brought."""

    origin: str
    size: int
    root: str
    new_entries: int
    new_attachments: int
    absent_attachments: int
    """Files that statements name and the registry does not have."""
    withheld: int
    """New entries, and files, that the operator withholds by a logged decision."""
    problems: tuple[str, ...]
    """Attachments that were refused."""

    def to_json(self) -> dict[str, Any]:
        """Return the document that `log mirror --json` prints."""
        return {
            "v": 1,
            "origin": self.origin,
            "size": self.size,
            "root": f"sha256:{self.root}",
            "new_entries": self.new_entries,
            "new_attachments": self.new_attachments,
            "absent_attachments": self.absent_attachments,
            "withheld": self.withheld,
            "problems": list(self.problems),
        }


class Mirror:
    """One copy of one log, in a `with` block: it holds the folder's lock.

    `vkey` is the log's pinned key. `storage` is the s3:// address where the copied objects lie, else they
    lie in the folder. `memories` are asked and told of each checkpoint, beside the
    mirror's own in the folder, which is never off.
    """

    def __init__(
        self,
        url: str,
        data: Path,
        vkey: str,
        *,
        storage: str | None = None,
        trust_configs: Sequence[bytes] = (),
        public_sigstore: bool = True,
        memories: Sequence[Memory] = (),
        progress: Progress | None = None,
    ) -> None:
        self._verifier = tlog.Verifier.from_vkey(vkey)
        self._memories = (Memory(data, enabled=True), *memories)
        self._authentication = Authentication(trust_configs, public_sigstore=public_sigstore)
        self._tell = progress or (lambda _step, _done, _total: None)
        self._open = ExitStack()
        with ExitStack() as opening:
            self._folder = DataFolder.open(data, storage)
            opening.callback(self._folder.close)
            self._folder.make()
            pin(self._folder, Copied(self._verifier.name, self._verifier.vkey, url, storage))
            opening.enter_context(locked(self._folder))
            self._source = opening.enter_context(AddressSource(url))
            self._database = open_database(f"sqlite:///{data / 'registry.db'}", upgrade=None)
            opening.callback(self._database.close)
            with self._database.write() as connection:
                _begin(connection, self._verifier.vkey)
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def round(self) -> Mirrored:
        """Copy what is new.

        Raises `ForkError` (with an evidence file) for a fork or a rollback, `LogError` if anything is
        not what the checkpoint commits to or may not stand where it stands, `UndecidedError` if
        something cannot be had. The checkpoint shown stays where it was until its copy is whole.
        """
        checkpoint = self._checkpoint()
        held = self._copied()
        withheld = self._copy(checkpoint, held)
        self._publish(checkpoint)
        self._replay(checkpoint)
        new, absent, hidden, problems = self._attachments()
        return Mirrored(
            checkpoint.origin,
            checkpoint.size,
            checkpoint.root.hex(),
            checkpoint.size - held,
            new,
            absent,
            withheld + hidden,
            tuple(problems),
        )

    def _checkpoint(self) -> tlog.SignedCheckpoint:
        """Step 1: what the log says to be now, compared with all that it has said before."""
        asked = datetime.now(UTC)
        client = self._source.client
        found = tlog.parse_checkpoint(client.checkpoint(), [self._verifier])
        for memory in self._memories:
            memory.remember_checkpoint(found, prove=client.consistency, live=True, asked=asked)
        shown = self._folder.log.published()
        if shown is not None:
            self._check_follows(tlog.parse_checkpoint(shown, [self._verifier]), found)
        return found

    def _check_follows(self, held: tlog.SignedCheckpoint, found: tlog.SignedCheckpoint) -> None:
        """Compare with what is shown here, also if the memory beside it was deleted."""
        memory = self._memories[0]
        if found.size < held.size:
            why = f"showed a tree of size {held.size} before, and now one of size {found.size}"
            raise memory.fork(held, found, why)
        if self._source.client.reader(found).root_at(held.size) != held.root:
            why = f"has a tree of size {found.size} that does not begin with that of size {held.size}"
            raise memory.fork(held, found, why)

    def _copied(self) -> int:
        with self._database.read() as connection:
            return int(read_meta(connection, _COPIED) or 0)

    def _copy(self, checkpoint: tlog.SignedCheckpoint, held: int) -> int:
        """Step 2: store what is new, once it was verified; return how many bundles are withheld."""
        files = self._folder.log
        start = Position(held, tlog.edge_root(held, files.read_tile) if held else tlog.EMPTY_ROOT)
        reading = Reading(self._source, checkpoint, start=start)
        reading.check_start()
        for batch in reading.batches():
            self._store(batch)
            self._tell("copy", batch.entries[-1].index + 1, checkpoint.size)
        if checkpoint.size and tlog.edge_root(checkpoint.size, files.read_tile) != checkpoint.root:
            raise LogError(
                f"the copy of {self._folder.path} does not hash to the checkpoint",
                hint="its disk or bucket is damaged, or somebody changed it: mirror the log again, elsewhere",
            )
        return reading.withheld

    def _store(self, batch: Batch) -> None:
        start = batch.entries[0].index
        leaves = [entry.data for entry in batch.entries]
        hashes = [tlog.leaf_hash(leaf) for leaf in leaves]
        bundles = {one.leaf.bundle_sha256: one.raw for one in batch.entries if one.raw is not None}
        for entry in batch.entries:
            if entry.withheld is not None:
                self._keep_account(entry.leaf.bundle_sha256, entry.withheld)
        self._folder.bundles.put_all(bundles)
        files = self._folder.log
        files.append(start, leaves, tlog.new_tiles(start, hashes, files.read_tile))
        with self._database.write() as connection:
            _set_meta(connection, _COPIED, str(start + len(leaves)))

    def _keep_account(self, sha256: str, withheld: Withheld) -> None:
        """Keep what a withheld entry did, once the log's decision about it is proved."""
        proved = prove(withheld, "bundle", sha256, [self._verifier])
        if proved.facts is None:
            raise WithheldError(
                f"the bundle {sha256[:16]}… is withheld with all that it did: no copy gets past it",
                withheld=withheld,
                hint="mirror from a copy that still has it",
            )
        Accounts(self._folder.path).keep_facts(sha256, proved.facts)

    def _publish(self, checkpoint: tlog.SignedCheckpoint) -> None:
        """Step 3: show it. The same tree may come with newer cosignatures."""
        if self._folder.log.published() != checkpoint.data:
            self._folder.log.publish(checkpoint.data)
        values = {"size": checkpoint.size, "root": checkpoint.root.hex(), "note": checkpoint.data}
        with self._database.write() as connection:
            connection.execute(update(tables.Checkpoint).values(**values))

    def _replay(self, checkpoint: tlog.SignedCheckpoint) -> None:
        """Step 4: facts and views, from the copy; what a withheld entry did is its operator's word."""
        source = FolderSource(self._folder)
        with self._database.read() as connection:
            applied = get_applied(connection)
        with LiveState(self._database) as state:
            replay = Replay(source, checkpoint, self._authentication, state, start=Position(applied))
            for batch in replay.batches():
                reached = batch.entries[-1].index + 1
                with self._database.write() as connection:
                    write_batch(connection, batch)
                    set_applied(connection, reached)
                state.renew()
                self._tell("replay", reached, checkpoint.size)

    def _attachments(self) -> tuple[int, int, int, list[str]]:
        """Step 5: fetch the files that are named and not here: new, absent, withheld, refused."""
        new = absent = withheld = 0
        problems: list[str] = []
        with self._database.read() as connection:
            missing = list(named_files(connection, self._folder, Limits(), missing=True))
        for slot in missing:
            try:
                if self._fetch(slot):
                    new += 1
                else:
                    absent += 1
            except WithheldError:
                withheld += 1
            except UnavailableError:
                raise
            except WeighbridgeError as error:
                problems.append(f"{slot.sha256}: {error.message}")
        Likenesses(self._database, self._folder).catch_up()
        return new, absent, withheld, problems

    def _fetch(self, slot: Slot) -> bool:
        data = self._source.client.blob(slot.sha256, limit=slot.limit)
        if data is None:
            return False
        compressed = gzip.compress(data, mtime=0)
        with self._database.write() as connection:
            record_file(connection, self._folder, slot, data, len(compressed))
            self._folder.blobs.put(slot.sha256, compressed)
        return True


def _begin(connection: Connection, vkey: str) -> None:
    """Make the rows of a log that nothing is known of yet."""
    if read_meta(connection, "vkey") is None:
        _set_meta(connection, "vkey", vkey)
        connection.execute(
            insert(tables.Checkpoint).values(id=1, size=0, root=tlog.EMPTY_ROOT.hex(), note=b"")
        )


def _set_meta(connection: Connection, key: str, value: str) -> None:
    changed = connection.execute(update(tables.Meta).where(col(tables.Meta.key) == key).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(tables.Meta).values(key=key, value=value))
