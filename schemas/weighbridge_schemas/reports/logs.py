# SPDX-License-Identifier: Apache-2.0
"""Reports about keys, namespaces and logs."""

from __future__ import annotations

from typing import Any, Literal

from weighbridge_schemas.api.parts import AsOf
from weighbridge_schemas.api.releases import ModelSummary
from weighbridge_schemas.api.signers import NamespaceChange
from weighbridge_schemas.base import Count, Digest, Flag, Hex256
from weighbridge_schemas.namespace import Owner

from .forms import Report, Text, VersionOne

__all__ = [
    "AllowReport",
    "ExportReport",
    "FsckReport",
    "KeyReport",
    "LogReport",
    "LogsReport",
    "MirrorReport",
    "MonitorAlertReport",
    "MonitorRunReport",
    "MoveReport",
    "NamespaceReport",
    "OwnersReport",
    "ReassignReport",
    "RebuildReport",
    "RestoreReport",
    "TakedownReport",
]


class NamespaceReport(Report):
    """`namespace show --json`."""

    v: VersionOne
    """Version of this form."""
    namespace: str
    """The namespace."""
    claimed: Flag
    """Somebody has claimed it."""
    epoch: Count | None = None
    """This and what follows: as in [NamespaceDocument](api.md#namespacedocument); absent if not claimed."""
    owners: tuple[Owner, ...] | None = None
    """Owners now."""
    statement: Digest | None = None
    """Latest namespace statement."""
    index: Count | None = None
    """Its entry."""
    history: tuple[NamespaceChange, ...] | None = None
    """All changes, newest first."""
    models: tuple[ModelSummary, ...] | None = None
    """Its models."""
    url: str | None = None
    """Page of the namespace."""
    as_of: AsOf | None = None
    """State of the log."""


class KeyReport(Report):
    """`key new --json`."""

    v: VersionOne
    """Version of this form."""
    private_key: str
    """Where the private key was written."""
    public_key: str
    """Where the public key was written."""
    fingerprint: Digest
    """SHA-256 of the public key (DER SubjectPublicKeyInfo)."""
    curve: Literal["P-256", "P-384", "P-521"]
    """Its curve."""
    encrypted: Flag
    """The private key has a passphrase."""


class LogReport(Report):
    """`log trust add --json` and `log trust remove --json`."""

    v: VersionOne
    """Version of this form."""
    origin: str
    """Name of the log."""
    vkey: str
    """Its verifier key."""
    fingerprint: Hex256
    """SHA-256 of the verifier key."""
    trusted: Flag
    """It is trusted from now on, or no longer."""


class TrustedLogReport(Report):
    """A log that is trusted on this computer."""

    origin: str
    """Its name."""
    vkey: str
    """Its verifier key."""
    fingerprint: Hex256
    """SHA-256 of the verifier key."""
    url: str
    """Address of its registry; empty if only the key was named."""
    added: str
    """Since when, RFC 3339."""


class LogsReport(Report):
    """`log trust list --json`."""

    v: VersionOne
    """Version of this form."""
    logs: tuple[TrustedLogReport, ...]
    """The trusted logs."""


class FsckCheckReport(Report):
    """One of the checks of a log."""

    name: str
    """What was checked."""
    looked_at: Count
    """How many things were looked at."""
    problems: tuple[Text, ...]
    """What is wrong."""
    undecided: tuple[Text, ...]
    """What could not be judged."""


class FsckReport(Report):
    """`log fsck --json`."""

    v: VersionOne
    """Version of this form."""
    ok: Flag
    """Everything agrees."""
    origin: str
    """Name of the log."""
    size: Count
    """Entries."""
    root: Digest
    """Root of the tree."""
    state_digest: Digest
    """Digest of the state that replaying all entries gives."""
    withheld: Count
    """Bundles that the operator withholds, each by a logged decision."""
    word_from: Count | None
    """First entry from which on the state rests on the operator's word for what withheld entries did."""
    predecessor: dict[str, Any] | None
    """The log that this one succeeds, as its genesis says; null if it is the first."""
    checks: tuple[FsckCheckReport, ...]
    """The checks."""


class CopiedReport(Report):
    """What was copied."""

    objects: Count
    """Tiles, bundles, attachments and the checkpoint."""
    bytes: Count
    """Their bytes."""


class ExportReport(FsckReport):
    """`log export --json`: the copy as it was checked afterwards."""

    copied: CopiedReport
    """What was copied, or was there already."""


class MovedReport(Report):
    """What moved into another database."""

    size: Count
    """Entries whose facts and look-up tables were made anew."""
    staged: Count
    """Entries of a batch that the next start finishes."""
    submissions: Count
    """Submissions of the queue that came along, decided or not."""
    attachments: Count
    """Stored files whose rows were made anew."""


class MoveReport(FsckReport):
    """`db move --json`: the registry as it was checked in its new database."""

    moved: MovedReport | None
    """What was moved; null if it had been moved there before."""


class RebuildReport(Report):
    """`log rebuild --json`."""

    v: VersionOne
    """Version of this form."""
    origin: str
    """Name of the log."""
    size: Count
    """Entries that were replayed."""
    root: Digest
    """Root of the tree."""
    state_digest: Digest
    """Digest of the state that replaying them gave."""
    attachments: Count
    """Stored files whose rows were made anew."""
    restored: Flag
    """The database had lost its checkpoint; the published one took its place."""
    staged: Count
    """Entries of a batch that the next start finishes."""
    problems: tuple[Text, ...]
    """Stored files that are not what they should be."""


class MirrorReport(Report):
    """`log mirror --json`: one line for each round."""

    v: VersionOne
    """Version of this form."""
    origin: str
    """Origin of the log."""
    size: Count
    """Entries in the copy that is shown."""
    root: Digest
    """Root hash of its tree."""
    new_entries: Count
    """Entries that this round copied."""
    new_attachments: Count
    """Attached files that it copied."""
    absent_attachments: Count
    """Files that statements name and the registry does not have."""
    withheld: Count
    """New entries, and files, that the operator withholds by a logged decision."""
    problems: tuple[str, ...]
    """Attached files that were refused, and why."""


class MonitorAlertReport(Report):
    """`log monitor --json`: one line for each alert; what a program and a web hook get, too."""

    v: VersionOne
    """Version of this form."""
    type: Literal["alert"]
    """What the line is."""
    id: str
    """The same whenever the same thing is told again."""
    rule: str
    """Why it is told: docs/watch.md lists the rules."""
    message: str
    """What happened."""
    origin: str
    """Origin of the log."""
    index: Count | None
    """The entry; null for what is about the log itself."""
    received: Count | None
    """The operator's time of the entry, Unix seconds."""
    kind: str | None
    """Kind of its statement."""
    statement: Digest | None
    """Its statement digest."""
    signer: Hex256 | None
    """Id of its signer."""
    signed_by: str | None
    """The signer in words."""
    yours: Flag
    """Signed by a watched signer."""
    about: str | None
    """What was matched: a namespace, model, digest or signer."""
    evidence: dict[str, Any]
    """What it rests on; of a fork, both checkpoints and the file that holds them."""


class MonitorRunReport(Report):
    """`log monitor --json`: the last line of each run. Times are Unix seconds."""

    v: VersionOne
    """Version of this form."""
    type: Literal["run"]
    """What the line is."""
    origin: str
    """Origin of the log."""
    size: Count
    """Entries that were read, verified and judged."""
    root: Digest
    """Root hash of the tree of just these."""
    log_size: Count | None
    """Entries that the log's checkpoint has; null if there was none to be had."""
    new_entries: Count
    """Entries that this run read."""
    alerts: Count
    """Alerts that every output has taken."""
    undelivered: Count
    """Alerts that some output has not taken: the next run brings them again."""
    checked: Count
    """When the run began."""
    grown: Count
    """When the log was last seen to grow."""
    cosigned: Count | None
    """Newest cosignature of the witness policy."""
    withheld: Count
    """Entries, of all that were read, for which only the operator's word stands."""
    stale: Flag
    """The log has shown no life for longer than --stale-after."""
    refused: str | None
    """What is wrong with the log."""
    problem: str | None
    """What could not be read or delivered."""


class OwnersReport(Report):
    """`namespace add-owner --json` and `namespace remove-owner --json`."""

    v: VersionOne
    """Version of this form."""
    namespace: str
    """The namespace."""
    owners: tuple[Owner, ...]
    """Who may publish from now on."""
    index: Count
    """Entry of the change."""
    statement: Digest
    """Its statement digest."""
    log: str
    """Name of the log."""


class TakedownReport(Report):
    """`log takedown --json`."""

    v: VersionOne
    """Version of this form."""
    target: Literal["bundle", "attachment"]
    """What is withheld."""
    withheld: Digest
    """SHA-256 of its bytes."""
    entry: Count | None
    """Its own entry; null for an attachment."""
    index: Count
    """Entry of the decision."""
    statement: Digest
    """Statement digest of the decision."""
    deleted: Flag
    """The bytes are gone from the storage."""
    names: tuple[Digest, ...]
    """Attachments that the withheld statement names; they stay until they are taken down, too."""


class RestoreReport(Report):
    """`log restore --json`."""

    v: VersionOne
    """Version of this form."""
    restored: Digest
    """SHA-256 of what is served again."""
    index: Count
    """Entry of the decision."""
    statement: Digest
    """Its statement digest."""


class ReassignReport(Report):
    """`log reassign --json`."""

    v: VersionOne
    """Version of this form."""
    namespace: str
    """The namespace that has other owners now."""
    epoch: Count
    """Its new epoch."""
    index: Count
    """Entry of the decision."""
    statement: Digest
    """Its statement digest."""


class AllowReport(Report):
    """`log allow --json`."""

    v: VersionOne
    """Version of this form."""
    namespace: str
    """The namespace whose grants changed."""
    grants: Count
    """Grants in force, of all namespaces."""
    index: Count
    """Entry of the decision."""
    statement: Digest
    """Its statement digest."""
