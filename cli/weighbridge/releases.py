# SPDX-License-Identifier: Apache-2.0
"""From a weighed model to the statements of a release: what `publish` signs.

Two statements make a release: OMS, which every tool of the field verifies, and release/v1, which
gives the same files a name, a version, a card and a lineage. Two more are signed only when they are
needed: signer/v1 introduces a key, namespace/v1 claims a name. Everything here is pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from weighbridge import identities
from weighbridge.errors import InputError
from weighbridge.statements import abstract_subject, encode_statement
from weighbridge.weighing import tensor_table

if TYPE_CHECKING:
    from weighbridge.weighing import WeighedFile, WeighedModel
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.namespace import Owner

__all__ = [
    "ALGORITHMS",
    "ReleaseName",
    "Tables",
    "encode_release",
    "namespace_claim",
    "owner_of",
    "release_predicate",
    "signer_introduction",
]

ALGORITHMS: Final = ("sha256", "blake3")
"""Digests that a release holds of every file: the one that OMS signs, and the fast one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,95}")


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """NS/NAME@VERSION."""

    namespace: str
    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> ReleaseName:
        """Read NS/NAME@VERSION; raises `InputError` saying which part is wrong and what it may hold."""
        path, at, version = text.partition("@")
        namespace, slash, name = path.partition("/")
        if not at or not slash:
            raise InputError(
                f"{text!r} does not name a release",
                hint="write NAMESPACE/NAME@VERSION, for instance acme/minilm@1.0",
            )
        for part, value, pattern in (
            ("namespace", namespace, _NAME),
            ("name", name, _NAME),
            ("version", version, _VERSION),
        ):
            if not pattern.fullmatch(value):
                raise InputError(
                    f"{value!r} can't be the {part} of a release",
                    hint="at most 96 letters, digits, '.', '_', '-' (in a version also '+'), no sign first",
                )
        if version.lower().endswith(".json"):
            raise InputError("a version does not end in .json: pages have their JSON twins there")
        return cls(namespace, name, version)

    def __str__(self) -> str:
        """Give NS/NAME@VERSION."""
        return f"{self.namespace}/{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Tables:
    """What travels beside a release, named by its own SHA-256 (bare hex)."""

    tensor_table: bytes | None
    table_sha256: str | None

    @classmethod
    def of(cls, weighed: WeighedModel) -> Tables:
        """Make the tensor table of a model, or none without tensors."""
        if weighed.weights_digest is None:
            return cls(None, None)
        table = tensor_table(weighed.tensors)
        return cls(table, hashlib.sha256(table).hexdigest())


def release_predicate(
    release: ReleaseName,
    weighed: WeighedModel,
    *,
    origin: str,
    card: Card | None,
    lineage: Lineage | None,
    locations: Sequence[str] = (),
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return the predicate of release/v1 for a model weighed with `ALGORITHMS`.

    `origin` is the log that the signer means it for. Nothing is checked here beyond what building
    it needs: `encode_statement` refuses whatever the schema does not allow.
    """
    return {
        "namespace": release.namespace,
        "name": release.name,
        "version": release.version,
        "released_at": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "model": _model(weighed),
        "card": card.to_json() if card else None,
        "lineage": lineage.to_json() if lineage else None,
        **({"locations": list(locations)} if locations else {}),
        "logs": [origin],
    }


def _model(weighed: WeighedModel) -> dict[str, Any]:
    templates = [
        {
            "path": template.path,
            **({"name": template.name} if template.name else {}),
            "sha256": template.sha256,
        }
        for template in weighed.chat_templates
    ]
    root = {"algorithm": "sha256", "method": "files", "root_digest": f"sha256:{weighed.root_digest}"}
    files = sorted(weighed.files, key=lambda file: file.path.encode())
    return {
        "model_digest": f"sha256:{weighed.model_digest}",
        "root_digests": [root],
        "weights_digest": f"sha256:{weighed.weights_digest}" if weighed.weights_digest else None,
        "files": [_file(file) for file in files],
        **({"chat_templates": templates} if templates else {}),
        "tensors": _tensors(weighed),
    }


def _file(file: WeighedFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        **({"blake3": file.digests["blake3"]} if "blake3" in file.digests else {}),
        **({"git_sha1": file.git_sha1} if file.git_sha1 else {}),
        "role": file.role,
        "format": file.format,
        "unsafe_to_load": file.unsafe_to_load,
    }


def _tensors(weighed: WeighedModel) -> dict[str, Any] | None:
    tables = Tables.of(weighed)
    if tables.table_sha256 is None:
        return None
    return {
        "count": len(weighed.tensors),
        "bytes": sum(tensor.nbytes for tensor in weighed.tensors),
        "table_digest": f"sha256:{tables.table_sha256}",
    }


def encode_release(release: ReleaseName, predicate: dict[str, Any]) -> bytes:
    """Return the payload of release/v1 to sign; raises `StatementError` for a predicate out of bounds."""
    model_digest = predicate["model"]["model_digest"].removeprefix("sha256:")
    return encode_statement("release", str(release), model_digest, predicate)


def signer_introduction(public_pem: str, spki_sha256: str, *, origin: str, label: str | None = None) -> bytes:
    """Return the payload of signer/v1 for a key that the registry has not seen."""
    predicate = {
        "public_key": public_pem,
        "spki_sha256": spki_sha256,
        **({"label": label} if label else {}),
        "logs": [origin],
        "previous": None,
    }
    return encode_statement("signer", spki_sha256, abstract_subject("signer", spki_sha256), predicate)


def namespace_claim(namespace: str, owner: Owner, *, origin: str) -> bytes:
    """Return the payload of the namespace/v1 that claims an unclaimed name for one owner."""
    from weighbridge_schemas.base import fold_name

    predicate = {"namespace": namespace, "owners": [owner.to_json()], "logs": [origin], "previous": None}
    return encode_statement(
        "namespace", namespace, abstract_subject("namespace", fold_name(namespace)), predicate
    )


def owner_of(identity: identities.Identity, pem: str | None) -> Owner:
    """Return the namespace owner that is this signer.

    `pem` is the public key of a key, or the anchor of a certificate. A CI run becomes a matcher of its
    repository's and owner's numbers, its workflow and its kind of ref: names can be registered again by
    a stranger, the numbers can't, and the next tag must be able to publish too.
    """
    from weighbridge_schemas import namespace

    match identity:
        case identities.KeyIdentity():
            return namespace.KeyOwner(type="key", public_key=_required(pem))
        case identities.CertificateIdentity():
            return namespace.CertificateOwner(
                type="certificate", anchor=_required(pem), subject=identity.subject
            )
        case identities.SigstoreIdentity():
            return _sigstore_owner(identity)


def _required(pem: str | None) -> str:
    if pem is None:
        raise InputError("the signer does not say its public key, so it can't claim a namespace")
    return pem


def _sigstore_owner(identity: identities.SigstoreIdentity) -> Owner:
    from weighbridge_schemas import namespace

    trust_domain = f"sha256:{identity.trust_domain}"
    ci = identity.ci
    if ci and ci.repository_id and ci.owner_id and ci.workflow_path and ci.ref:
        return namespace.CiOwner(
            type="ci",
            trust_domain=trust_domain,
            issuer=identity.issuer,
            repository_id=ci.repository_id,
            owner_id=ci.owner_id,
            workflow_path=ci.workflow_path,
            ref_pattern="refs/tags/**" if ci.ref.startswith("refs/tags/") else ci.ref,
        )
    return namespace.SigstoreOwner(
        type="sigstore", trust_domain=trust_domain, issuer=identity.issuer, subject=identity.subject
    )
