# SPDX-License-Identifier: Apache-2.0
"""The tables.

`checkpoint` and `staged` are the two small tables that are truth, beside tiles and bundles (DESIGN
section 7). `submission` is the queue between those who take submissions and the sequencer: losing
it loses nothing that was acknowledged. `fact` is the state that `weighbridge_registry.state`
computes. Everything below it is a view: made from the log's entries, remade from them, and never
asked when a statement is admitted. Attachments (`blob`) are truth as far as their bytes go, which
are files.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

__all__ = [
    "OF_ATTACHMENTS",
    "SCHEMA_VERSION",
    "VIEWS",
    "About",
    "Advisory",
    "Band",
    "Blob",
    "Checkpoint",
    "DataUse",
    "Deployed",
    "Description",
    "Digest",
    "Edge",
    "Entry",
    "Fact",
    "Likeness",
    "Meta",
    "Model",
    "Owner",
    "Position",
    "Release",
    "Signer",
    "Staged",
    "Submission",
    "Tensor",
    "Term",
]

SCHEMA_VERSION: Final = 6
"""Number of the last revision in `migrations/versions`; a database with a greater one is refused."""

_BYTEWISE: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by its bytes on every database, so that digests of state and ranges agree."""

_COUNTED: Final = BigInteger().with_variant(Integer(), "sqlite")
"""Counted by the database; SQLite counts only plain integers."""


class Meta(SQLModel, table=True):
    """Small named values: `schema`, `vkey`, `applied` (entries in views), `term` of a leader, `moved`."""

    key: str = Field(primary_key=True)
    value: str


class Checkpoint(SQLModel, table=True):
    """The one current signed checkpoint; swapped only against the size that it had before."""

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    root: str
    note: bytes = Field(sa_type=LargeBinary)


class Staged(SQLModel, table=True):
    """A batch that is durable, but perhaps not yet in tiles and views; one for each start."""

    start: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    leaves: bytes = Field(sa_type=LargeBinary)
    """The leaves as an entry bundle (C2SP tlog-tiles): 16-bit length, leaf, repeated."""


class Submission(SQLModel, table=True):
    """A submission that waits for the sequencer, or its outcome; all times in Unix seconds."""

    __table_args__ = (
        Index("submission_token", "token", unique=True),
        Index("submission_expires", "expires"),
        Index(
            "submission_waiting",
            "number",
            sqlite_where=text("outcome IS NULL"),
            postgresql_where=text("outcome IS NULL"),
        ),
    )
    number: int = Field(primary_key=True, sa_type=_COUNTED)
    """Order in which they are decided."""
    token: str
    """Random; whoever knows it may ask for the outcome."""
    bundles: str
    """SHA-256 of each bundle, which is durable in storage, or `=INDEX` of an entry; spaces between."""
    submitted: int = Field(sa_type=BigInteger)
    expires: int = Field(sa_type=BigInteger)
    """From then on nobody waits for it: it may go, decided or not."""
    kept: bool
    """Whether somebody was told to ask for it later."""
    outcome: str | None = None
    """JSON: `{"places": [[index, created], …]}` or `{"error": …}`; null while it waits."""


class Fact(SQLModel, table=True):
    """One fact of the state: key and canonical JSON value."""

    key: str = Field(primary_key=True, sa_type=_BYTEWISE)
    value: str


class Entry(SQLModel, table=True):
    """One log entry: what it is, who signed it, what it is about."""

    __table_args__ = (
        Index("entry_statement", "statement", "number"),
        Index("entry_bundle", "bundle"),
        Index("entry_signer", "signer", "number"),
        Index("entry_subject", "subject", "kind", "number"),
        Index("entry_namespace", "namespace", "number"),
    )
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """Index in the log."""
    kind: str
    statement: str
    """Statement digest, bare hex; the same statement may be signed by several."""
    bundle: str
    signer: str
    subject: str
    """Digest of the statement's one subject, bare hex."""
    subject_name: str
    received: int = Field(sa_type=BigInteger)
    namespace: str | None = None
    """Folded name of the namespace that it concerns, or null."""
    release: int | None = Field(default=None, sa_type=BigInteger)
    """Entry of the release that it is or revises, or null."""
    release_page: str | None = None
    """Path of that release's page."""
    summary: str
    """One sentence in plain words."""


class Signer(SQLModel, table=True):
    """One signer of an admitted entry."""

    id: str = Field(primary_key=True)
    identity: str
    """The signer as JSON."""
    first: int = Field(sa_type=BigInteger)
    """First entry that it signed."""
    introduction: int | None = Field(default=None, sa_type=BigInteger)
    """Newest signer/v1 entry, or null."""
    label: str | None = None
    """Label of that statement: a claim of the holder."""


class Owner(SQLModel, table=True):
    """A signer that owns a namespace now; CI owners match many signers and are not here."""

    namespace: str = Field(primary_key=True)
    """Folded name."""
    signer: str = Field(primary_key=True, index=True)


class Model(SQLModel, table=True):
    """One model name and its newest release."""

    __table_args__ = (Index("model_latest", "latest"), Index("model_namespace", "namespace", "latest"))
    key: str = Field(primary_key=True, sa_type=_BYTEWISE)
    """Folded `namespace/name`."""
    namespace: str
    """Folded namespace."""
    latest: int = Field(sa_type=BigInteger)
    """Entry of the newest release: lists are newest first."""
    releases: int


class Release(SQLModel, table=True):
    """One release."""

    __table_args__ = (
        Index("release_model", "model", "number"),
        Index("release_version", "model", "version", unique=True),
        Index("release_statement", "statement"),
        Index("release_status_entry", "status_entry"),
    )
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    model: str
    """Folded `namespace/name`."""
    namespace: str
    name: str
    version: str
    statement: str
    bundle: str
    signer: str
    received: int = Field(sa_type=BigInteger)
    released_at: str
    model_digest: str
    weights_digest: str | None = None
    headline: str
    """What lists show of the card, as JSON."""
    card: int | None = Field(default=None, sa_type=BigInteger)
    """Entry of the newest card revision, or null: the release's own card holds."""
    lineage: int | None = Field(default=None, sa_type=BigInteger)
    """Entry of the newest lineage revision, or null."""
    status: str | None = None
    """What owners said last: yanked, restored, deprecated, superseded; null if nothing."""
    status_entry: int | None = Field(default=None, sa_type=BigInteger)
    """Entry that says so."""
    status_statement: str | None = None
    """Its statement digest, bare hex."""
    reason: str | None = None
    """Why; null, too, if that entry is withheld."""
    superseded_by: str | None = None
    """Statement digest of the release that takes its place, bare hex."""


class License(SQLModel, table=True):
    """The licence that an entry states: of a release or a card revision for the weights, or of a data set."""

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """The entry."""
    of: str
    """weights, data, distribution, data set."""
    spdx: str | None = None
    text: str | None = None
    url: str | None = None
    path: str | None = None
    sha256: str | None = None
    """Digest of the file at `path`, if the release has it."""


class Digest(SQLModel, table=True):
    """Where a digest occurs: in which release, as what, under which path or tensor name."""

    __table_args__ = (Index("digest_number", "number", "role"),)
    sha256: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """Entry of the release or manifest, newest readable first by index order."""
    role: str = Field(primary_key=True)
    """file, readme, table, weights, root, model."""
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """Place in its list; 0 where there is one."""
    name: str | None = None
    """Path of the file."""


class Tensor(SQLModel, table=True):
    """Where a tensor occurs: in which stored table, under which name."""

    __table_args__ = (Index("tensor_table", "table"),)
    sha256: str = Field(primary_key=True)
    table: str = Field(primary_key=True)
    """Digest of the tensor table; releases name it in rows of role `table`."""
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str


class Edge(SQLModel, table=True):
    """One parent of a release, from the lineage that holds now."""

    __table_args__ = (Index("edge_digest", "digest", "number"),)
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """Entry of the child's release."""
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """Place in the list of parents."""
    relation: str | None = None
    digest: str = Field(primary_key=True)
    """Digest that pins the parent: model, weights, root or release statement; empty if it is only named."""
    name: str | None = None
    """Name or location of the parent as the publisher gives it."""


class DataUse(SQLModel, table=True):
    """One data set that a release says it was made with, from the lineage that holds now."""

    __table_args__ = (Index("datause_digest", "digest", "number"), Index("datause_name", "name", "number"))
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """Entry of the release."""
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """Place in the list of data sets."""
    digest: str = Field(primary_key=True)
    """Digest or statement that pins the data set; empty if it is only named."""
    stage: str | None = None
    name: str
    """Name of the data set in lower case, as it is looked up."""


class Likeness(SQLModel, table=True):
    """What a child's stored tensor table has in common with a parent's, as `weighbridge.resemblance` finds.

    Made when the second table or an edge between them comes. A table stands beside itself, too: two
    releases may have one.
    """

    __table_args__ = (Index("likeness_parent", "parent", "equal_bytes"),)
    child: str = Field(primary_key=True)
    """Digest of the child's tensor table."""
    parent: str = Field(primary_key=True)
    """Digest of the parent's."""
    tensors: int
    """Tensors of the child; `bytes` are theirs."""
    equal: int
    """Those of them that the parent has, too, under whatever name; `equal_bytes` are theirs."""
    bytes: int = Field(sa_type=BigInteger)
    equal_bytes: int = Field(sa_type=BigInteger)
    compared: int
    """Tensors compared by their sketches; `near` are those that are nearer than chance allows."""
    near: int
    differing: int | None = None
    """Median share of the bits in which those differ, in thousandths."""
    error: int | None = None
    """Half the width of its error bar, in thousandths."""
    finding: str
    """One word: equal, shares, resembles, fits, no sign."""
    words: str
    """One sentence."""
    refuted: str
    """Relations that the tables refute, each with a sentence, as a JSON object."""


class Band(SQLModel, table=True):
    """A piece of a sketch of a stored tensor table, by which tables that resemble each other are found."""

    __table_args__ = (Index("band_table", "table"),)
    key: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    """First 64 bits of the digest of shape, place of the piece and its bits."""
    table: str = Field(primary_key=True)
    """Digest of the tensor table."""


class About(SQLModel, table=True):
    """A digest that an entry speaks of beside its subject."""

    __table_args__ = (Index("about_number", "number"),)
    sha256: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    role: str
    """subject (a further one), superseded_by, affects, fixed_by, parent, croissant, derived_from, model."""


class Description(SQLModel, table=True):
    """The newest of what one namespace or signer says of a data set, a closed model or a service."""

    __table_args__ = (
        Index("description_subject", "kind", "subject", "number"),
        Index("description_kind", "kind", "number"),
        Index("description_number", "number"),
    )
    chain: str = Field(primary_key=True, sa_type=_BYTEWISE)
    """`<kind>/<holder>/<subject>`, the key of its fact."""
    kind: str
    """dataset, disclosure, deployment."""
    number: int = Field(sa_type=BigInteger)
    """Entry of the statement."""
    subject: str
    """Digest that it is about, bare hex."""
    name: str
    ended: bool
    """Whether it says that the thing was withdrawn, or is over."""


class Deployed(SQLModel, table=True):
    """A digest of a model that answers behind a service, as the newest statement of one speaker says."""

    __table_args__ = (
        Index("deployed_digest", "digest", "number"),
        Index("deployed_speaker", "digest", "speaker", "number"),
        Index("deployed_number", "number"),
    )
    chain: str = Field(primary_key=True, sa_type=_BYTEWISE)
    """`deployment/<speaker>/<subject>`, the key of its fact."""
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """Place in the list of models."""
    digest: str = Field(primary_key=True)
    """Model, weights or root digest, or a release's or disclosure's statement, bare hex."""
    number: int = Field(sa_type=BigInteger)
    """Entry of the statement."""
    speaker: str
    """Who says so: `namespace:<folded>` or `signer:<lasting id>`."""
    said: str
    """What is said, bounded, as JSON: a statement may be far longer than what lists can show of it."""


class Advisory(SQLModel, table=True):
    """The newest statement of one advisory."""

    __table_args__ = (Index("advisory_subject", "subject", "number"), Index("advisory_number", "number"))
    chain: str = Field(primary_key=True, sa_type=_BYTEWISE)
    """`advisory/<signer>/<id>`, the key of its fact."""
    number: int = Field(sa_type=BigInteger)
    """Entry of the statement."""
    subject: str
    """Digest that it is about, bare hex; further ones are in `about`."""
    severity: str
    propagates: str
    """Relations along which it reaches children, as a JSON list."""
    withdrawn: bool


class Position(SQLModel, table=True):
    """The newest position of one signer on one statement or edge."""

    __table_args__ = (Index("position_subject", "subject", "number"), Index("position_number", "number"))
    chain: str = Field(primary_key=True, sa_type=_BYTEWISE)
    """`position/<signer>/<subject>[/<parent>]`, the key of its fact."""
    number: int = Field(sa_type=BigInteger)
    """Entry of the statement."""
    subject: str
    """Statement digest, or model digest of an edge's child, bare hex."""
    parent: str | None = None
    """Digest of an edge's parent, bare hex."""
    stance: str
    """acknowledges, disputes, withdrawn."""
    basis: str
    """knowledge, recomputed, rederived."""


class Term(SQLModel, table=True):
    """One word under which a model is found."""

    __table_args__ = (Index("term_model", "model"),)
    word: str = Field(primary_key=True, sa_type=_BYTEWISE)
    model: str = Field(primary_key=True, sa_type=_BYTEWISE)


class Blob(SQLModel, table=True):
    """One attachment that is stored: a README or a tensor table."""

    __table_args__ = (Index("blob_namespace", "namespace"),)
    sha256: str = Field(primary_key=True)
    role: str
    namespace: str
    """Folded namespace whose quota it counts against."""
    size: int = Field(sa_type=BigInteger)
    """Bytes, uncompressed."""
    stored: int = Field(sa_type=BigInteger)
    """Bytes on disk."""


VIEWS: Final[tuple[type[SQLModel], ...]] = (
    *(Entry, Signer, Owner, Model, Release, License, Digest, Edge, DataUse, Term),
    *(About, Description, Deployed, Advisory, Position),
)
"""The tables that entries are projected into."""
OF_ATTACHMENTS: Final[tuple[type[SQLModel], ...]] = (Blob, Tensor, Band, Likeness)
"""The tables that stored attachments are projected into."""
