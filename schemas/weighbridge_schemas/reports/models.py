# SPDX-License-Identifier: Apache-2.0
"""Reports about models: weighed, compared, signed, verified, published, identified."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from weighbridge_schemas.api.lineages import ImpactDocument, LineageGraph, UpstreamNote
from weighbridge_schemas.api.lookups import DigestAnswer
from weighbridge_schemas.api.releases import ReleaseStatus
from weighbridge_schemas.api.testimonies import StatementAbout
from weighbridge_schemas.base import Count, Digest, Flag, Hex256
from weighbridge_schemas.lineage import Relation

from .forms import Report, Text, VersionOne

__all__ = [
    "CachedReport",
    "CompareReport",
    "DeclareReport",
    "IdentifyReport",
    "LineageCheckReport",
    "LineageExportReport",
    "LineageImpactReport",
    "LineageReviseReport",
    "LineageShowReport",
    "PublishReport",
    "SignReport",
    "VerifyReport",
    "WeighReport",
]


class FileReport(Report):
    """A file that was read."""

    path: str
    """Path inside the model."""
    size: Count
    """Bytes."""
    sha256: Hex256
    """SHA-256 of its content."""
    git_sha1: str = ""
    """Git's blob id, for comparing with a hub; files of at most 10 MB."""
    role: str
    """What it is for: weights, tokenizer, config, code and so on."""
    format: str
    """What it is: safetensors, gguf, pytorch and so on."""
    unsafe_to_load: Flag
    """The usual loader of this format runs code that the file brings."""


class TensorReport(Report):
    """A tensor."""

    name: str
    """Its name."""
    dtype: str
    """Type of its elements."""
    shape: tuple[Count, ...]
    """Dimensions, outermost first."""
    nbytes: Count
    """Bytes."""
    sketch: Hex256 | None = None
    """Its sketch (docs/spec/resemblance.md), if it has one."""


class TensorsReport(Report):
    """The tensors of a model."""

    count: Count
    """How many there are."""
    bytes: Count
    """Their bytes."""
    list: tuple[TensorReport, ...] | None = None
    """All of them, with `--tensors`."""


class TemplateReport(Report):
    """A chat template."""

    path: str
    """The file that holds it."""
    name: str | None
    """Its name where a file holds several."""
    sha256: Digest
    """SHA-256 of its text."""


class WeighReport(Report):
    """`weigh --json`."""

    v: VersionOne
    """Version of this form."""
    name: str
    """Name of the folder or file."""
    size: Count
    """Bytes of all files but README.md."""
    model_digest: Digest
    """Fingerprint of all files."""
    root_digest: Digest
    """What the OMS signature that `publish` makes is of."""
    weights_digest: Digest | None
    """Fingerprint of the weights; null without tensors."""
    files: tuple[FileReport, ...]
    """The files in the order of their paths' code points, without README.md."""
    readme: FileReport | None
    """README.md, which the card binds."""
    tensors: TensorsReport
    """The tensors."""
    chat_templates: tuple[TemplateReport, ...]
    """The chat templates, also those inside configuration and GGUF files."""
    ignored: tuple[str, ...]
    """Paths that were left out."""
    warnings: tuple[Text, ...]
    """What a person should know."""


class PairReport(Report):
    """An item of the first model beside what it is in the second."""

    first: dict[str, Any]
    """In the first model."""
    second: dict[str, Any]
    """In the second."""


class BytesReport(Report):
    """Bytes of both models."""

    first: Count
    """Of the first."""
    second: Count
    """Of the second."""


class DifferencesReport(Report):
    """What became of the files, or of the tensors, of the first model in the second."""

    equal: Count
    """How many have the same name and content."""
    equal_bytes: Count
    """Their bytes."""
    percent_equal: Annotated[float, Field(ge=0, le=100)]
    """Share of the first model's bytes that is in the second too, under whatever name."""
    changed: tuple[PairReport, ...]
    """Same name, other content, dtype or shape."""
    moved: tuple[PairReport, ...]
    """Same content under another name."""
    removed: tuple[dict[str, Any], ...]
    """Only in the first."""
    added: tuple[dict[str, Any], ...]
    """Only in the second."""
    bytes: BytesReport
    """Bytes of both."""


class AdapterReport(Report):
    """Low-rank matrices of an adapter, held against the layers that they are for."""

    matrices: Count
    """How many there are."""
    known: Count
    """Those whose layer the other model has."""
    fitting: Count
    """Those of them that have its shape."""


class TableReport(Report):
    """What one model's tensor table says about another's. Resemblance is never proof."""

    verdict: Literal["equal", "shares", "resembles", "fits", "no sign", "contradicts"]
    """In one word (docs/spec/resemblance.md)."""
    words: Text
    """In a sentence."""
    tensors: Count
    """Tensors of the first model, the child."""
    tensors_parent: Count
    """Tensors of the second, the supposed parent."""
    equal: Count
    """Tensors with name and bytes in common."""
    renamed: Count
    """Those with the same bytes under another name."""
    telling: Count
    """Those of both that say something of their origin: large, and neither constant nor sparse."""
    bytes: Count
    """Bytes of the first model's tensors."""
    bytes_equal: Count
    """Bytes of those that the second has too."""
    percent_equal: Annotated[float, Field(ge=0, le=100)]
    """The same as a share."""
    compared: Count
    """Other tensors that were compared by their sketches."""
    near: Count
    """Those of them that are nearer to one of the second model than chance allows."""
    percent_differing: Annotated[float, Field(ge=0, le=100)] | None
    """Median share of compared pairs that differ, of those that are near, or of all; chance gives 50."""
    error: Annotated[float, Field(ge=0)] | None
    """Half the width of its 95 % interval."""
    complete: Flag
    """Each tensor was compared with all of its shape."""
    adapter: AdapterReport | None
    """Null if the first model has no low-rank matrices."""


class CompareReport(Report):
    """`weigh --compare --json`."""

    v: VersionOne
    """Version of this form."""
    same: Flag
    """Both are the same model: all files but README.md are equal."""
    same_weights: Flag
    """Both have the same tensors, however they are spread over files."""
    model_digests: tuple[Digest, Digest]
    """Of the first and of the second."""
    weights_digests: tuple[Digest | None, Digest | None]
    """Of the first and of the second."""
    files: DifferencesReport
    """Files by path."""
    tensors: DifferencesReport
    """Tensors by name."""
    resemblance: TableReport | None = None
    """How alike the tensors are that are not equal; null if all are, or one model has none."""


class WeighedReport(Report):
    """One of two models that were weighed for a comparison."""

    path: str
    """Where it lies."""
    model_digest: Digest
    """Fingerprint of all files."""
    weights_digest: Digest
    """Fingerprint of the weights."""


class LineageCheckReport(Report):
    """`lineage check --json`: two models recomputed here and compared."""

    v: VersionOne
    """Version of this form."""
    child: WeighedReport
    """What was made from the other, as is claimed."""
    parent: WeighedReport
    """What it was made from."""
    relation: Relation | None
    """The claimed relation."""
    table: TableReport
    """What the tensors say of that."""


class LineageShowReport(Report):
    """`lineage show --json`."""

    v: VersionOne
    """Version of this form."""
    graph: LineageGraph
    """The registry's answer as it is."""


class LineageExportReport(Report):
    """`lineage export --json`."""

    v: VersionOne
    """Version of this form."""
    format: Literal["prov-json"]
    """Format of the text."""
    text: Text
    """The releases and edges in that format."""
    lost: tuple[Text, ...]
    """What is left out."""


class PolicyInitReport(Report):
    """`policy init --json`."""

    v: VersionOne
    """Version of this form."""
    file: Text | None
    """Where the policy was written; null if the model was not verified."""
    verdict: VerifyReport
    """The verification that it was made from."""


class PolicyCheckReport(Report):
    """`policy check --json`."""

    v: VersionOne
    """Version of this form."""
    policy: Digest
    """SHA-256 of the file."""
    signers: Count
    """Signers that it names."""
    reviewers: Count
    """Entries of third parties whose word counts."""
    rules: Count
    """Rules."""
    warnings: tuple[Text, ...]
    """What lets in more than it seems to, or has no effect."""
    verdict: VerifyReport | None
    """The verdict on the model that was held against it; null without one."""


class PolicyExplainReport(Report):
    """`policy explain --json`."""

    v: VersionOne
    """Version of this form."""
    policy: Digest
    """SHA-256 of the file."""
    release: Text | None
    """The release that was asked about."""
    lines: tuple[Text, ...]
    """What it demands, in words."""


class LineageImpactReport(Report):
    """`lineage impact --json`."""

    v: VersionOne
    """Version of this form."""
    impact: ImpactDocument
    """The registry's answer, all pages together."""


class LineageReviseReport(Report):
    """`lineage revise --json`."""

    v: VersionOne
    """Version of this form."""
    release: str
    """NS/NAME@VERSION."""
    statement: Digest | None
    """Statement digest of the lineage that now holds; null with `--dry-run`, unless it held already."""
    previous: Digest | None
    """Revision that it replaces, or replaced; null for the first."""
    index: Count | None
    """Its entry; null if nothing was recorded by this run."""
    log: str
    """Origin of the log."""
    already: Flag
    """It was the lineage already, so nothing was signed."""
    dry_run: Flag
    """Nothing was to be signed."""
    statement_json: dict[str, Any] | None
    """With `--dry-run`, what would be signed."""


class SignReport(Report):
    """`sign --json`."""

    v: VersionOne
    """Version of this form."""
    signature: str
    """Where the signature was written."""
    root_digest: Digest
    """What was signed."""
    model_digest: Digest | None
    """Fingerprint of all files; null where no SHA-256 of whole files was computed."""
    files: Count
    """How many files were read."""
    size: Count
    """Their bytes."""
    hash_type: Literal["sha256", "blake2b", "blake3"]
    """Hash of the files or shards."""
    shard_size: Count | None
    """Bytes of a shard; null for whole files."""
    signer: Text
    """Who signed, in words."""
    reused: ReusedReport
    """What was not hashed, because an older signature (`--reuse`) has its digests."""
    why_hashed: Text | None
    """Why the other files were hashed in spite of `--reuse`; null where all was spared or nothing asked."""
    warnings: tuple[Text, ...]
    """What a person should know."""


class ReusedReport(Report):
    """Files that were not hashed again."""

    files: Count
    """How many."""
    bytes: Count
    """Their bytes; `files` and `size` of the report count these too."""


class StepReport(Report):
    """One of the eleven steps of a verification."""

    n: Annotated[int, Field(ge=1, le=11)]
    """Its number."""
    name: str
    """Its name."""
    result: Literal["pass", "reported", "warn", "fail", "skipped", "unknown"]
    """Only `pass` means proved."""
    reason: Text
    """Why, in a sentence."""
    evidence: dict[str, Any]
    """What it rests on."""


class TimeReport(Report):
    """A time that somebody else than the signer vouches for."""

    source: Literal["rekor", "timestamp", "witness"]
    """Sigstore's log, a time-stamp authority, or a witness of the policy."""
    time: str
    """RFC 3339, with its zone."""


class SignerReport(Report):
    """A signature that was found."""

    id: Hex256 | None
    """The signer's id; null where the signature could not be checked."""
    description: Text
    """Who signed, in words; only a claim where it could not be checked."""
    authenticated: Flag
    """The signature holds, under whatever identity."""
    wanted: Flag
    """It is by a wanted signer."""
    statement: str
    """Kind of the signed statement."""
    source: str
    """Where it was found."""
    type: Literal["key", "certificate", "sigstore"]
    """Kind of the signer."""
    times: tuple[TimeReport, ...]
    """When others saw the signature."""


class VerifyReport(Report):
    """`verify --json`."""

    v: VersionOne
    """Version of this form."""
    verdict: Literal["verified", "subset", "failed", "untrusted", "undecided", "matches"]
    """The conclusion."""
    steps: Annotated[tuple[StepReport, ...], Field(min_length=11, max_length=11)]
    """All eleven, in the order of their numbers."""
    signers: tuple[SignerReport, ...]
    """Every signature that was found."""
    summary: Text
    """The conclusion in a sentence."""
    next: tuple[Text, ...]
    """Commands that a person could type now, where there is something to do."""


class CachedModelReport(Report):
    """A snapshot in the hub's cache."""

    repo: str
    """Its repository."""
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    """Its commit."""
    refs: tuple[str, ...]
    """Branches and tags that mean it."""
    path: str
    """Its folder."""
    result: Literal[
        "verified", "subset", "failed", "untrusted", "undecided", "matches", "unsigned", "unreadable"
    ]
    """The verdict's word, or why there is none."""
    reason: Text
    """Why, in a sentence."""
    verdict: VerifyReport | None
    """The whole verdict."""


class CachedReport(Report):
    """`verify --all-cached --json`."""

    v: VersionOne
    """Version of this form."""
    models: tuple[CachedModelReport, ...]
    """Every snapshot in the cache."""


class PublishedLogReport(Report):
    """The log in which a release is recorded."""

    origin: str
    """Its name."""
    fingerprint: Hex256
    """SHA-256 of its verifier key; compare it with one that you got elsewhere."""
    pinned_now: Flag
    """It was not trusted before, and is from now on."""


class PublishReport(Report):
    """`publish --json`."""

    v: VersionOne
    """Version of this form."""
    release: str
    """NS/NAME@VERSION."""
    model_digest: Digest
    """Fingerprint of all files."""
    weights_digest: Digest | None
    """Fingerprint of the weights; null without tensors."""
    root_digest: Digest
    """What the OMS signature is of."""
    log: PublishedLogReport
    """Where it is recorded."""
    index: Count
    """The release's entry."""
    received: Count
    """When the operator took it, Unix seconds."""
    url: str
    """The release's page."""
    signer: Text
    """Who signed, in words."""
    signature: str
    """Where the signature was written."""
    record: str
    """Where the record file was written."""
    already: Flag
    """It had been recorded before; nothing new was."""
    warnings: tuple[Text, ...]
    """What a person should know."""


class AskedReport(Report):
    """A digest that was asked for."""

    digest: Digest
    """The digest."""
    file: str | None
    """The file that has it; null for a digest of a whole model, or one that was given."""


class SpokenOfReport(Report):
    """What a statement is about."""

    name: str
    """Its name, informational."""
    sha256: Hex256
    """Its digest."""


class DeclaredInReport(Report):
    """The log that a statement is recorded in."""

    origin: Text
    """Its name."""
    fingerprint: Hex256
    """SHA-256 of its key's text."""
    pinned_now: Flag
    """True if this run pinned it."""


class DeclareReport(Report):
    """What was said and recorded: `attest --json`, `status yank --json` and its sisters.

    `status restore --json`, `status deprecate --json` and `status supersede --json` print the same.
    """

    v: VersionOne
    """Version of this form."""
    recorded: Flag
    """True if it is in the log; false of a dry run."""
    already: Flag
    """True if the same was recorded before: nothing was signed."""
    kind: Text
    """Kind of the statement; `attestation` for types of others."""
    predicate_type: Text
    """Its predicate type."""
    subjects: tuple[SpokenOfReport, ...]
    """What it is about."""
    statement: Digest | None
    """Statement digest; null of a dry run."""
    replaced: Digest | None
    """The statement in whose place it stands; null if it is the first."""
    payload: dict[str, Any]
    """The statement that was, or would be, signed."""
    signer: Text
    """Who signs, in words."""
    introduced: Flag
    """True if the signer's key was introduced, too."""
    log: DeclaredInReport
    """Where it is recorded."""
    index: Count | None
    """Its entry; null of a dry run."""
    received: Count | None
    """When the operator took it, Unix seconds; null of a dry run."""
    url: Text | None
    """Its page; null of a dry run."""


class StandingReport(Report):
    """What is wrong with a release, as a registry tells it."""

    release: str
    """`NS/NAME@VERSION`."""
    status: ReleaseStatus
    """What its owners said last."""
    upstream: tuple[UpstreamNote, ...]
    """What is said of its origins and concerns it."""
    advisories: tuple[StatementAbout, ...]
    """Warnings of others, newest first."""


class IdentifyReport(Report):
    """`identify --json`."""

    v: VersionOne
    """Version of this form."""
    known: Flag
    """The registry knows the model as a whole, or the file or digest that was asked for."""
    asked: tuple[AskedReport, ...]
    """All that was asked for."""
    answers: tuple[DigestAnswer, ...]
    """What the registry knows, as its API says it; without the digests that it does not know."""
    standings: tuple[StandingReport, ...]
    """What is wrong with the first five releases that were found."""
