# SPDX-License-Identifier: Apache-2.0
"""What an operator decides before a registry starts.

Everything else is in the log itself (the genesis entry fixes origin, keys and admission for
ever) or in the limits below, which protect the service and never change what a statement means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

__all__ = ["Limits", "Settings"]

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes, counts and times that keep a stranger from filling the machine."""

    bundle_bytes: int = 16 * MIB
    """One bundle, as posted."""
    body_bytes: int = 32 * MIB
    """One request body, compressed or not."""
    bodies_bytes: int = 256 * MIB
    """All request bodies being read or handled at one time; above it: 503."""
    body_seconds: float = 60.0
    """A whole body must arrive within this time."""
    idle_seconds: float = 10.0
    """The longest pause within a body."""
    submission_bundles: int = 32
    """Bundles in one submission."""
    batch_entries: int = 256
    """Entries that the sequencer adds with one checkpoint."""
    queue_submissions: int = 256
    """Submissions that may wait for the sequencer, those of all processes; above it: 503."""
    waiting_seconds: int = 60
    """A submission that was not decided within this time is dropped; its sender was told 503."""
    kept_seconds: int = 3600
    """The outcome of a submission with `Prefer: respond-async` can be asked for during this time."""
    free_bytes: int = 64 * MIB
    """Room on the data folder's disk below which the registry is not ready."""
    client_statements: int = 240
    """Statements and files from one address in a minute, or at once; 0: any number. In each process."""
    client_questions: int = 1200
    """Questions from one address in a minute, or at once; 0: any number. In each process."""
    signer_statements: int = 240
    """New entries of one signer in a minute, or at once; 0: any number. In each process."""
    digests: int = 10_000
    """Digests in one look-up."""
    page: int = 100
    """Rows in one page of a list."""
    readme_bytes: int = 4 * MIB
    """One README attachment."""
    table_bytes: int = 64 * MIB
    """One tensor table attachment, uncompressed."""
    namespace_blob_bytes: int = 1024 * MIB
    """All attachments of one namespace, as stored."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to start a registry.

    `data` holds the keys; the tiles, the bundles and the attachments, unless `storage` names a
    bucket (`s3://BUCKET/PREFIX`); and, unless `database_url` names a PostgreSQL database
    (`postgresql+psycopg://…`), the SQLite database. `origin` and `admission` are read at
    the first start only; later starts with another value are refused, since both are in the
    genesis entry. `trust_configs` are Sigstore ClientTrustConfig JSON documents of private
    instances that are admitted beside the public one. `base_url` is the address that clients
    see, without a trailing slash; empty makes addresses relative. `witness_policy` is a C2SP tlog-policy
    file: its witnesses that have an address are asked to cosign each checkpoint, for at most
    `witness_seconds` before it is published, and again every `witness_refresh_seconds`.
    `saw_checkpoints` are checkpoints or receipts of this log that others kept; `successor_of` is the last
    checkpoint of the log that this one continues, read at the first start only. With `read_only` nothing is
    written or signed: a mirror's folder is shown, or a registry's beside its writer. `proxies` are addresses
    and networks of proxies in front, whose `X-Forwarded-For` names the client that the limits count.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8484
    database_url: str | None = None
    storage: str | None = None
    origin: str | None = None
    admission: Literal["open", "restricted"] | None = None
    trust_configs: tuple[bytes, ...] = ()
    public_sigstore: bool = True
    base_url: str = ""
    witness_policy: bytes | None = None
    witness_seconds: float = 2.0
    witness_refresh_seconds: float = 60.0
    saw_checkpoints: tuple[bytes, ...] = ()
    successor_of: bytes | None = None
    read_only: bool = False
    proxies: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.data / 'registry.db'}"
