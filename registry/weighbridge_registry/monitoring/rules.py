# SPDX-License-Identifier: Apache-2.0
"""What of a log's entries somebody wants to hear: a pure function of entry, facts and memos.

| rule | when |
|---|---|
| `signer` | a watched signer signed an entry |
| `owner-named` | a namespace statement of somebody else names a watched key or account as owner |
| `namespace` | anything in a watched namespace: claim, owners, release, revision |
| `lookalike` | a namespace is claimed whose name is confusable with a watched one |
| `digest` | somebody else names a watched digest, or one of a watched namespace's or model's releases |
| `signer-change` | a watched model's release is signed by another signer than the one before |
| `upstream` | a statement about a parent, at any depth, or a data set of a watched model (no release) |
| `operator` | a decision of the log's operator |
| `withheld` | an entry in a watched namespace, or by a watched signer, whose statement is withheld |

Memos are small facts that the rules keep for themselves, `key → JSON value`, beside the log's state:
`mine/<digest>` and `parent/<digest>` (the watched release that it belongs to), `signer/<model>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from weighbridge import identities
from weighbridge.identities import Identity, SigstoreIdentity
from weighbridge_registry.state import Admitted, Fact, Overlay, State, WithheldEntry
from weighbridge_registry.store.summaries import summary
from weighbridge_registry.store.testimonies import named_digests
from weighbridge_registry.store.views import owner_identity
from weighbridge_schemas.card import CardRevision
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.lineage import Lineage, LineageRevision
from weighbridge_schemas.names import fold_name
from weighbridge_schemas.namespace import Namespace, SigstoreOwner
from weighbridge_schemas.oms import OmsPredicate
from weighbridge_schemas.release import Release
from weighbridge_schemas.status import Status

from .lookalikes import looks_like

__all__ = ["Alert", "Watch", "alert_id", "judge", "judge_withheld"]

_MAX_WALK: Final = 1000
"""Ancestors of a watched release that are watched, too."""
_SILENT: Final = ("oms", "release", "signer", "namespace", "operator")
"""Kinds that say nothing about a parent: other rules are for them."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody watches for. Digests and signer ids are bare hex; models are (namespace, name)."""

    signers: frozenset[str] = frozenset()
    accounts: frozenset[tuple[str, str]] = frozenset()
    """Sigstore identities, (subject, issuer), in whatever trust domain."""
    namespaces: tuple[str, ...] = ()
    models: tuple[tuple[str, str], ...] = ()
    digests: frozenset[str] = frozenset()

    def signs(self, identity: Identity) -> bool:
        """Tell whether this is a watched signer."""
        account = (
            isinstance(identity, SigstoreIdentity) and (identity.subject, identity.issuer) in self.accounts
        )
        return account or identities.signer_id(identity) in self.signers

    def has_namespace(self, folded: str | None) -> bool:
        """Tell whether a folded namespace is watched as a whole."""
        return folded in {fold_name(name) for name in self.namespaces}

    def has_model(self, namespace: str, name: str) -> bool:
        """Tell whether a model is watched, by itself or with its namespace."""
        folded = (fold_name(namespace), fold_name(name))
        return self.has_namespace(folded[0]) or folded in {
            (fold_name(a), fold_name(b)) for a, b in self.models
        }


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that somebody must hear. `id` is the same whenever the same thing is found again."""

    id: str
    rule: str
    message: str
    origin: str
    index: int | None = None
    """Entry, or None for what is about the log itself."""
    received: int | None = None
    """The log operator's time of the entry, Unix seconds."""
    kind: str | None = None
    statement: str | None = None
    signer: str | None = None
    signed_by: str | None = None
    yours: bool = False
    """Signed by a watched signer."""
    about: str | None = None
    """What was matched: a namespace, model, digest or signer."""
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the document that outputs get."""
        return {"v": 1, "type": "alert", **asdict(self)}


def alert_id(origin: str, rule: str, *parts: object) -> str:
    """Return the stable id of an alert: 32 hex digits over log, rule, and what it is about."""
    text = "\n".join(("weighbridge/alert/v1", origin, rule, *map(str, parts)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def judge(watch: Watch, state: State, memos: Overlay, entry: Admitted) -> list[Alert]:
    """Find the alerts of one entry; `state` holds the facts before it, `memos` takes new memos."""
    found = _Findings(watch, state, memos, entry)
    found.look()
    return found.alerts


def judge_withheld(watch: Watch, origin: str, entry: WithheldEntry) -> list[Alert]:
    """Find the alerts of an entry that its operator withholds: by what he says that it did."""
    if not (watch.has_namespace(entry.namespace) or entry.signer in watch.signers):
        return []
    about = entry.namespace or entry.signer
    return [
        Alert(
            id=alert_id(origin, "withheld", entry.index, about),
            rule="withheld",
            message=f"A {entry.kind} statement that concerns you is withheld by the operator",
            origin=origin,
            index=entry.index,
            received=entry.leaf.received,
            kind=entry.kind,
            statement=f"sha256:{entry.statement}",
            signer=entry.signer,
            yours=entry.signer in watch.signers,
            about=about,
        )
    ]


class _Findings:
    """The entry that is judged, and what was found."""

    def __init__(self, watch: Watch, state: State, memos: Overlay, entry: Admitted) -> None:
        self.alerts: list[Alert] = []
        self._watch = watch
        self._state = state
        self._memos = memos
        self._entry = entry
        self._document = entry.candidate.document
        self._digest = entry.candidate.digest
        self._yours = watch.signs(entry.identity)
        genesis = entry.facts.get("log/genesis") or state.get("log/genesis") or {}
        self._origin = str(genesis.get("origin", ""))
        self._release = self._released()
        self._model = self._release is not None and watch.has_model(
            self._release["namespace"], self._release["name"]
        )

    def look(self) -> None:
        """Ask every rule."""
        entry, what = self._entry, summary(self._entry.candidate, self._page())
        if entry.candidate.kind == "operator" and entry.index > 0:
            self._alert("operator", f"The operator decided: {what}", None)
        if self._yours:
            self._alert("signer", f"Signed by a signer that you watch: {what}", entry.signer)
        if self._watch.has_namespace(entry.namespace):
            self._alert("namespace", f"In the namespace {entry.namespace}: {what}", entry.namespace)
        elif self._model:
            self._alert("namespace", f"In a model that you watch: {what}", self._name())
        if isinstance(self._document, Namespace):
            self._names(self._document)
        if self._model and isinstance(self._document, Release):
            self._same_signer(self._document)
        self._digests()
        self._upstream(what)
        if self._model:
            self._remember()

    def _names(self, document: Namespace) -> None:
        """Look at a claim or change of owners."""
        if not self._yours and any(map(self._is_watched, self._owner_ids(document))):
            text = f"Somebody else names you among the owners of {document.namespace}"
            self._alert("owner-named", text, document.namespace)
        if document.previous is None:
            for name in self._watch.namespaces:
                if looks_like(document.namespace, name):
                    text = f"The namespace {document.namespace} was claimed: it can be taken for {name}"
                    self._alert("lookalike", text, name)

    def _owner_ids(self, document: Namespace) -> Iterator[str | tuple[str, str]]:
        for owner in document.owners:
            if isinstance(owner, SigstoreOwner):
                yield owner.subject, owner.issuer
            identity = owner_identity(owner)
            if identity is not None:
                yield identities.signer_id(identity)

    def _is_watched(self, one: str | tuple[str, str]) -> bool:
        return one in self._watch.signers or one in self._watch.accounts

    def _same_signer(self, document: Release) -> None:
        """Compare a release's signer with that of the model's release before."""
        key = f"signer/{fold_name(document.namespace)}/{fold_name(document.name)}"
        before, now = self._memos.get(key), identities.lasting_id(self._entry.identity)
        if before is not None and before != now:
            text = f"{self._name()} was signed by another signer than the release before"
            self._alert("signer-change", text, self._name(), before=before, now=now)
        self._memos.update({key: now})

    def _digests(self) -> None:
        """Look for digests of mine in statements of others."""
        if self._yours or self._model:
            return
        for digest in sorted(set(self._named())):
            mine = self._memos.get(f"mine/{digest}")
            if digest in self._watch.digests or mine is not None:
                text = f"Somebody else names a digest of yours{f' ({mine})' if mine else ''}: sha256:{digest}"
                self._alert("digest", text, f"sha256:{digest}")

    def _upstream(self, what: str) -> None:
        """Look whether a parent of mine is spoken of: revised, withdrawn, warned about, taken down."""
        if self._entry.candidate.kind in _SILENT or self._model:
            return
        child = self._child()
        if child is not None:
            if isinstance(self._document, Dataset):
                self._memos.update({f"parent/{self._digest}": child})  # whatever replaces it, is of it
            self._alert("upstream", f"Upstream of {child}: {what}", child)
        if isinstance(self._document, LineageRevision) and child is not None:
            self._remember_parents(child, _pins(self._document.lineage))

    def _child(self) -> Fact | None:
        """Return the watched model that stands on what the statement speaks of, or None."""
        spoken = [self._entry.candidate.subject]
        spoken += [digest for role, digest in named_digests(self._entry) if role in ("subject", "affects")]
        if isinstance(self._document, Dataset) and self._document.previous is not None:
            spoken.append(self._document.previous.sha256)
        found = (self._memos.get(f"parent/{digest}") for digest in spoken)
        return next((child for child in found if child is not None), None)

    def _remember(self) -> None:
        """Keep what belongs to a watched release: its digests, and its parents as far as they are known."""
        if isinstance(self._document, Release):
            own = {
                self._digest,
                *(_hex(root.root_digest) for root in self._document.model.root_digests),
                _hex(self._document.model.model_digest),
            }
            if self._document.model.weights_digest is not None:
                own.add(_hex(self._document.model.weights_digest))
            self._memos.update({f"mine/{digest}": self._name() for digest in own})
        if isinstance(self._document, (Release, LineageRevision)):
            lineage = self._document.lineage
            self._remember_parents(self._name(), _pins(lineage))
            self._memos.update({f"parent/{digest}": self._name() for digest in _data_pins(lineage)})

    def _remember_parents(self, child: str, pins: Iterable[str]) -> None:
        """Watch parents and theirs: by each digest that a statement about them can have as its subject."""
        waiting, seen = list(pins), set[str]()
        while waiting and len(seen) < _MAX_WALK:
            pin = waiting.pop()
            if pin in seen:
                continue
            seen.add(pin)
            self._memos.update({f"parent/{_hex(pin.removeprefix('release:'))}": child})
            if not pin.startswith("release:"):
                first = self._state.get(f"first/{pin}")
                waiting += [f"release:{first}"] if first is not None else []
                continue
            release = pin.removeprefix("release:")
            waiting += self._state.get(f"parents/{release}") or ()
            facts = self._state.get(f"release/{release}")
            if facts is not None:
                waiting.append(facts["model_digest"])

    def _named(self) -> Iterator[str]:
        """Yield every digest that the statement names, bare hex."""
        yield self._entry.candidate.subject
        match self._document:
            case Release() as document:
                model = document.model
                yield _hex(model.model_digest)
                yield from (_hex(root.root_digest) for root in model.root_digests)
                yield from (file.sha256 for file in model.files)
                yield from (_hex(one) for one in (model.weights_digest,) if one is not None)
                if model.tensors is not None:
                    yield _hex(model.tensors.table_digest)
                if document.card is not None and document.card.readme is not None:
                    yield document.card.readme.sha256
                yield from (_hex(pin.removeprefix("release:")) for pin in _pins(document.lineage))
            case CardRevision() as document if document.card.readme is not None:
                yield document.card.readme.sha256
            case LineageRevision() as document:
                yield from (_hex(pin.removeprefix("release:")) for pin in _pins(document.lineage))
            case OmsPredicate() as document:
                yield from (resource.digest for resource in document.resources)
            case _:
                yield from (digest for _, digest in named_digests(self._entry))

    def _released(self) -> Fact | None:
        """Return the facts of the release that the entry is or revises."""
        if isinstance(self._document, Release):
            return self._entry.facts.get(f"release/{self._digest}")
        if not isinstance(self._document, (CardRevision, LineageRevision, Status)):
            return None
        return self._state.get(f"release/{self._entry.candidate.subject}")

    def _name(self) -> str:
        facts = self._release or {}
        return f"{facts.get('namespace')}/{facts.get('name')}@{facts.get('version')}"

    def _page(self) -> str | None:
        facts = self._release
        return f"/models/{facts['namespace']}/{facts['name']}/{facts['version']}" if facts else None

    def _alert(self, rule: str, message: str, about: str | None, **evidence: Any) -> None:
        entry = self._entry
        self.alerts.append(
            Alert(
                id=alert_id(self._origin, rule, entry.index, about or ""),
                rule=rule,
                message=message,
                origin=self._origin,
                index=entry.index,
                received=entry.leaf.received,
                kind=entry.candidate.kind,
                statement=f"sha256:{self._digest}",
                signer=entry.signer,
                signed_by=identities.describe(entry.identity),
                yours=self._yours,
                about=about,
                evidence=evidence,
            )
        )


def _pins(lineage: Lineage | None) -> Iterator[str]:
    for parent in lineage.parents if lineage is not None else ():
        if parent.digest is not None:
            yield parent.digest
        if parent.statement is not None:
            yield f"release:{parent.statement.sha256}"


def _data_pins(lineage: Lineage | None) -> Iterator[str]:
    for use in lineage.datasets if lineage is not None else ():
        if use.digest is not None:
            yield _hex(use.digest)
        if use.statement is not None:
            yield use.statement.sha256


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
