# SPDX-License-Identifier: Apache-2.0
"""Publish a release: weigh, sign, save, record, check the proof, write it down beside the model.

The order is what makes it safe to run again after anything died in the middle:

1. ask the registry for its log, and pin it on first use;
2. weigh the model, make card and lineage;
3. ask whether the release is recorded already (then only what is missing here is done);
4. sign what is needed, and save the bundles before they are sent;
5. send them, all or none, again and again for a minute if the registry is away;
6. check the receipts before anything of them is believed;
7. upload what the statements name by digest (README.md, the tensor table);
8. write `model.sig` and `provenance.jsonl`, whole or not at all;
9. remember what was seen; forget the saved bundles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from weighbridge import canonical, identities, releases
from weighbridge.atomic import write_atomically
from weighbridge.bundles import Bundle, CertificateChain, PublicKeyHint, SigstoreMaterial, parse_bundle
from weighbridge.errors import (
    AdmissionError,
    ConflictError,
    DigestError,
    ForbiddenError,
    InputError,
    LogError,
    UnavailableError,
    WithheldError,
)
from weighbridge.introductions import introduction, is_unknown_key, owner_pem
from weighbridge.oms import manifest_of, oms_statement
from weighbridge.pending import PendingKey, PendingStore
from weighbridge.recording import RecordedStatement, Recorder, open_recorder
from weighbridge.records import format_record
from weighbridge.releases import ReleaseName
from weighbridge.signing import (
    default_signature,
    require_replaceable,
    require_valid,
)
from weighbridge.stamping import StampedSigner
from weighbridge.weighing import README, weigh

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge.weighing import Progress, WeighedFile, WeighedModel
    from weighbridge_schemas.api import NamespaceDocument, ReleaseDocument
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.lineage import Lineage

__all__ = ["Published", "card_from_file", "owner_pem", "publish", "record_path", "require_owner"]

RETRY_SECONDS: Final = 60
_MAX_TEXT_BYTES: Final = 4 * 1024 * 1024

Report = Callable[[str], None]
"""Called with a sentence after each thing that was done."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is now recorded. Digests are bare hex; `index` is the release's entry in the log.

    `already` says that the release was recorded before this run; `pinned_now` that this run pinned the
    log. `not_understood` are front-matter members that the card could not place.
    """

    release: ReleaseName
    model_digest: str
    weights_digest: str | None
    root_digest: str
    origin: str
    log_fingerprint: str
    index: int
    received: int
    url: str
    signer: str
    signature: Path
    record: Path
    already: bool
    pinned_now: bool
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the document that `publish --json` prints."""
        return {
            "v": 1,
            "release": str(self.release),
            "model_digest": f"sha256:{self.model_digest}",
            "weights_digest": f"sha256:{self.weights_digest}" if self.weights_digest else None,
            "root_digest": f"sha256:{self.root_digest}",
            "log": {
                "origin": self.origin,
                "fingerprint": self.log_fingerprint,
                "pinned_now": self.pinned_now,
            },
            "index": self.index,
            "received": self.received,
            "url": self.url,
            "signer": self.signer,
            "signature": str(self.signature),
            "record": str(self.record),
            "already": self.already,
            "warnings": list(self.warnings),
        }


def record_path(path: Path) -> Path:
    """Where a model's record lies: `provenance.jsonl` in its folder, else `FILE.provenance.jsonl`."""
    return path / "provenance.jsonl" if path.is_dir() else path.with_name(f"{path.name}.provenance.jsonl")


@dataclass(frozen=True, slots=True)
class _Disclosure:
    """What a publisher says beside the weights, and the README that people read."""

    card: Card | None
    lineage: Lineage | None
    readme: bytes | None


def publish(
    path: Path,
    release: ReleaseName,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    pending: PendingStore,
    card: Path | Literal[False] | None = None,
    lineage: Path | None = None,
    locations: Sequence[str] = (),
    ignore: Sequence[str] = (),
    label: str | None = None,
    retry_for: float = RETRY_SECONDS,
    report: Report = lambda _: None,
    progress: Progress | None = None,
) -> Published:
    """Sign a model as a release, have it recorded, and write the proof beside it.

    `card` is a card file or a README.md (None: the model's own README.md if it has one, with its evaluation
    results and adapter configuration; False: none), `lineage` a lineage file (None: what README.md and
    adapter_config.json say), `retry_for` the seconds for which it is sent again while
    the registry is away. Run again after any failure: it resumes.

    Raises `ForbiddenError` if the namespace is somebody else's, `ConflictError` if the name and version
    are taken by other files, `UnavailableError` if the registry stays away (the signed bundles are
    kept), `LogError` if what it answers does not prove anything, `InputError` for unreadable input, a
    certificate that is not valid now, or a `model.sig` of several people, which this would replace.
    """
    path = Path(path)
    require_valid(signer)
    require_replaceable(default_signature(path), path, named=False)
    recorder = open_recorder(registry, trust, memory)
    if recorder.pinned_now:
        report(
            f"first use: the log {recorder.origin} is trusted from now on, "
            f"key fingerprint {recorder.fingerprint}"
        )
    weighed = weigh(path, algorithms=releases.ALGORITHMS, ignore=ignore, progress=progress)
    files = "1 file" if len(weighed.files) == 1 else f"{len(weighed.files)} files"
    report(f"weighed {files}, {weighed.size:,} bytes: model sha256:{weighed.model_digest}")
    said = _disclosure(path, weighed, card, lineage)
    namespace = registry.namespace(release.namespace)
    require_owner(namespace, release, signer.identity)
    if namespace is not None:
        _require_spelling("namespace", release.namespace, namespace.namespace)
    job = _Job(release, weighed, said, signer, recorder, pending, label, tuple(locations), retry_for, report)
    known = registry.release(release.namespace, release.name, release.version)
    if known is not None:
        _require_same(known, job)
        job.pending.remove(job.pending_key("", ()))
        report(f"{release} is recorded already, with these very files")
    else:
        job.record(claim=namespace is None)
    try:
        refused = _attach(registry, job)
        return _finish(path, job, already=known is not None, warnings=(*_warnings(job), *refused))
    except UnavailableError as error:
        raise UnavailableError(
            f"{release} is recorded, but not all could be finished: {error.message}",
            hint="run the same command again: it finishes what is missing and signs nothing anew",
            evidence=error.evidence,
        ) from error


@dataclass(frozen=True, slots=True)
class _Job:
    """One release on its way into the log."""

    release: ReleaseName
    weighed: WeighedModel
    said: _Disclosure
    signer: StatementSigner
    recorder: Recorder
    pending: PendingStore
    label: str | None
    locations: tuple[str, ...]
    retry_for: float
    report: Report

    def pending_key(self, request: str, kinds: Sequence[str]) -> PendingKey:
        """Name the place where this release's bundles wait."""
        text = "\n".join((request, *kinds))
        digest = hashlib.sha256(text.encode()).hexdigest()
        return PendingKey(self.recorder.origin, str(self.release), self.weighed.model_digest, digest)

    def record(self, *, claim: bool) -> None:
        """Sign what is missing, or take what a former run signed; send it; check the proof."""
        predicate = releases.release_predicate(
            self.release,
            self.weighed,
            origin=self.recorder.origin,
            card=self.said.card,
            lineage=self.said.lineage,
            locations=self.locations,
        )
        oms = oms_statement(manifest_of(self.weighed), self.weighed.name)
        introduce = is_unknown_key(self.recorder.registry, self.signer.identity)
        kinds = [*(["signer"] if introduce else []), *(["namespace"] if claim else []), "oms", "release"]
        key = self.pending_key(self._request(predicate, oms), kinds)
        bundles = self.pending.find(key)
        if bundles is not None:
            self.report("taking up the bundles that were signed before and not yet recorded")
        else:
            payloads = [
                *(
                    [introduction(self.signer, origin=self.recorder.origin, label=self.label)]
                    if introduce
                    else []
                ),
                *([self._claim()] if claim else []),
                oms,
                releases.encode_release(self.release, predicate),
            ]
            require_valid(self.signer)  # again: weighing may have taken hours
            bundles = tuple(self.signer.sign(payload) for payload in payloads)
            self.pending.save(key, bundles)
            self.report(f"signed {len(bundles)} statements ({', '.join(kinds)}): {self._who()}")
        self._send(key, bundles)

    def _send(self, key: PendingKey, bundles: tuple[bytes, ...]) -> None:
        registry = self.recorder.registry
        try:
            results = registry.submit(bundles, retry_for=self.retry_for)
        except AdmissionError:
            self.pending.remove(key)  # refused for good: sending the same again can't help
            raise
        except UnavailableError as error:
            raise UnavailableError(
                error.message,
                hint="what was signed is saved: run the same command again when the registry is back",
                evidence=error.evidence,
            ) from error
        recorded = self.recorder.accept(bundles, results)
        self.report(
            f"recorded as entries {recorded[0].index} to {recorded[-1].index} of {self.recorder.origin}"
        )

    def _request(self, predicate: dict[str, Any], oms: bytes) -> str:
        """Digest all that was asked for, but the time of asking."""
        asked = {name: value for name, value in predicate.items() if name != "released_at"}
        signer = identities.signer_id(self.signer.identity)
        stamped_by = self.signer.url if isinstance(self.signer, StampedSigner) else ""
        content = canonical.encode(
            {"release": asked, "signer": signer, "label": self.label or "", "stamped_by": stamped_by}
        )
        return hashlib.sha256(content + oms).hexdigest()

    def _introduction(self) -> bytes:
        return introduction(self.signer, origin=self.recorder.origin, label=self.label)

    def _claim(self) -> bytes:
        owner = releases.owner_of(self.signer.identity, owner_pem(self.signer))
        self.report(f"claiming the namespace {self.release.namespace}, which nobody has claimed here")
        return releases.namespace_claim(self.release.namespace, owner, origin=self.recorder.origin)

    def _who(self) -> str:
        return identities.describe(self.signer.identity)


def _disclosure(
    path: Path, weighed: WeighedModel, card: Path | Literal[False] | None, lineage: Path | None
) -> _Disclosure:
    """Make card and lineage from the files that say them.

    A card file is the card, whole; it binds the model's own README.md unless it binds one itself. Without
    one, README.md is the card, with what the model's `.eval_results` and `adapter_config.json` add.
    """
    from weighbridge.cards import card_from_model, is_readme, side_files
    from weighbridge.lineages import lineage_from_model, read_lineage

    readme = _own_readme(path, weighed) if card is not False and weighed.readme is not None else None
    beside = {} if weighed.is_file or card is False else {file.path: file for file in weighed.files}
    files = {name: _own(path, beside[name]) for name in side_files(beside)}
    if isinstance(card, Path) and is_readme(card.name):
        readme = _read(card)
    stated = lineage_from_model(readme, files)
    if lineage is not None:
        stated = read_lineage(_read(lineage), str(lineage))
    if isinstance(card, Path) and not is_readme(card.name):
        return _Disclosure(_with_readme(card_from_file(card), readme), stated, readme)
    return _Disclosure(card_from_model(readme, files), stated, readme)


def card_from_file(path: Path) -> Card:
    """Read a card file: YAML or JSON of a card, a README, or a file of the Model Openness Tool."""
    from weighbridge.cards import read_card

    return read_card(_read(path), str(path))


def _with_readme(card: Card, readme: bytes | None) -> Card:
    """Bind a README.md to a card that binds none; what a card file says itself is left as it is."""
    from weighbridge_schemas.card import ReadmeReference

    if card.readme is not None or readme is None:
        return card
    reference = ReadmeReference(sha256=hashlib.sha256(readme).hexdigest(), size=len(readme))
    return card.model_copy(update={"readme": reference})


def _own_readme(path: Path, weighed: WeighedModel) -> bytes:
    readme = _read(path / README)
    if weighed.readme is None or hashlib.sha256(readme).hexdigest() != weighed.readme.sha256:
        raise DigestError(
            f"{path / README} changed while the model was read", hint="run again when it is still"
        )
    return readme


def _own(path: Path, file: WeighedFile) -> bytes | None:
    """Read a file of the model, which must still be as it was weighed; None if it is too long."""
    if file.size > _MAX_TEXT_BYTES:
        return None
    data = _read(path / file.path)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise DigestError(
            f"{path / file.path} changed while the model was read", hint="run again when it is still"
        )
    return data


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    if len(data) > _MAX_TEXT_BYTES:
        raise InputError(f"{path} is longer than {_MAX_TEXT_BYTES:,} bytes")
    return data


def require_owner(
    namespace: NamespaceDocument | None, release: ReleaseName, identity: identities.Identity
) -> None:
    """Refuse early, before anything is signed, what the registry would refuse."""
    if namespace is None or any(identities.matches(owner, identity) for owner in namespace.owners):
        return
    raise ForbiddenError(
        f"the namespace {release.namespace} is not yours: you sign as {identities.describe(identity)}",
        hint="sign as one of its owners (weighbridge namespace show "
        f"{release.namespace}), or choose another namespace",
        evidence={
            "signer": identities.signer_id(identity),
            "owners": [o.to_json() for o in namespace.owners],
        },
    )


def _require_spelling(what: str, ours: str, recorded: str) -> None:
    """Refuse early another spelling of a name that exists: to a log they are one name."""
    if ours != recorded:
        raise ConflictError(
            f"the {what} {ours} is recorded as {recorded}",
            hint=f"names are unique ignoring case and -_. : write {recorded}",
        )


def _require_same(known: ReleaseDocument, job: _Job) -> None:
    """Refuse to publish other files under a name and version that are taken."""
    _require_spelling("model", job.release.name, known.name)
    found, ours = known.model_digest, f"sha256:{job.weighed.model_digest}"
    if found != ours:
        raise ConflictError(
            f"{job.release} is taken by other files",
            hint="a version is recorded once and for ever: choose a new version "
            f"(compare with: weighbridge identify PATH; see {known.url})",
            evidence={"recorded": found, "yours": ours},
        )


def _attach(registry: RegistryClient, job: _Job) -> tuple[str, ...]:
    """Upload what the statements name by digest; a registry takes the same again without complaint.

    What it refuses (too long, its quota is full) is a warning: the release is recorded all the same.
    """
    tables = releases.Tables.of(job.weighed)
    refused = []
    for what, data in (("README.md", job.said.readme), ("tensor table", tables.tensor_table)):
        if data is None:
            continue
        try:
            registry.put_blob(data, retry_for=job.retry_for)
        except (AdmissionError, WithheldError) as error:
            refused.append(f"the registry did not take the {what}: {error.message}")
        else:
            job.report(f"uploaded the {what}")
    return tuple(refused)


def _finish(path: Path, job: _Job, *, already: bool, warnings: tuple[str, ...]) -> Published:
    """Fetch the whole record, prove it, write it down, remember it."""
    release, recorder = job.release, job.recorder
    recorded = recorder.check(recorder.registry.provenance(release.namespace, release.name, release.version))
    oms, own = _own_statements(job, recorded)
    signature, record = default_signature(path), record_path(path)
    write_atomically(signature, oms.line.bundle)
    write_atomically(record, format_record(statement.line for statement in recorded))
    job.report(f"wrote {signature.name} and {record.name} beside the model")
    _remember(job, own)
    job.pending.remove(job.pending_key("", ()))
    known = recorder.registry.release(release.namespace, release.name, release.version)
    return Published(
        release=release,
        model_digest=job.weighed.model_digest,
        weights_digest=job.weighed.weights_digest,
        root_digest=job.weighed.root_digest,
        origin=recorder.origin,
        log_fingerprint=recorder.fingerprint,
        index=own.index,
        received=own.received,
        url=recorder.registry.absolute(known.url) if known is not None else recorder.registry.url,
        signer=identities.describe(job.signer.identity),
        signature=signature,
        record=record,
        already=already,
        pinned_now=recorder.pinned_now,
        warnings=warnings,
    )


def _own_statements(
    job: _Job, recorded: Sequence[RecordedStatement]
) -> tuple[RecordedStatement, RecordedStatement]:
    """Find the OMS statement and the release of exactly this model in a checked record."""
    from weighbridge.statements import parse_statement

    manifests: list[tuple[RecordedStatement, Bundle]] = []
    own: RecordedStatement | None = None
    signed_by: tuple[str, ...] = ()
    for statement in recorded:
        bundle = parse_bundle(statement.line.bundle, strict=True)
        parsed = parse_statement(bundle.payload, strict=True)
        if parsed.kind == "oms" and parsed.subject.sha256 == job.weighed.root_digest:
            manifests.append((statement, bundle))
        if parsed.kind == "release" and parsed.subject.sha256 == job.weighed.model_digest:
            names = tuple(parsed.predicate[name] for name in ("namespace", "name", "version"))
            if names == (job.release.namespace, job.release.name, job.release.version):
                own, signed_by = statement, _claimed_signer(bundle)
    oms = next((one for one, bundle in manifests if own and _goes_with(one, bundle, own, signed_by)), None)
    if oms is None or own is None:
        raise LogError(
            f"the record that {job.recorder.origin} gives for {job.release} lacks one of its statements",
            hint="run the same command again; if it stays so, the registry is at fault",
        )
    return oms, own


def _goes_with(
    manifest: RecordedStatement, bundle: Bundle, release: RecordedStatement, signed_by: tuple[str, ...]
) -> bool:
    """Tell whether a manifest is the release's: anybody may have recorded one of the same files."""
    return manifest.index < release.index and _claimed_signer(bundle) == signed_by


def _claimed_signer(bundle: Bundle) -> tuple[str, ...]:
    """Say as whom a bundle is signed. The log checked it at admission; here bundles are only sorted by it."""
    from weighbridge import certificates
    from weighbridge.sigstore_trust import identity_of

    match bundle.material:
        case PublicKeyHint(hint=hint):
            return "key", hint or ""
        case CertificateChain(certificates=chain):
            subject = certificates.load_certificate(chain[0]).subject.rfc4514_string()
            return "certificate", hashlib.sha256(chain[-1]).hexdigest(), subject
        case SigstoreMaterial(certificate=der):
            identity = identity_of(certificates.load_certificate(der), "")
            return "sigstore", identity.issuer, identity.subject


def _remember(job: _Job, own: RecordedStatement) -> None:
    release, recorder = job.release, job.recorder
    digests = (job.weighed.root_digest, job.weighed.model_digest)
    recorder.memory.remember_logged(recorder.origin, digests, release=str(release), received=own.received)


def _warnings(job: _Job) -> tuple[str, ...]:
    unsafe = [
        f"{file.path} is {file.format}: loading it can run code that somebody put there"
        for file in job.weighed.files
        if file.unsafe_to_load
    ]
    card = job.said.card
    lost = card.imported.not_understood if card is not None and card.imported is not None else ()
    return (*job.weighed.warnings, *unsafe, *(f"the card leaves out: {name}" for name in lost))
