# SPDX-License-Identifier: Apache-2.0
"""Publishers for tests: people with a key who sign real statements, honest or not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from fastapi.testclient import TestClient

from weighbridge import canonical, keys, tlog
from weighbridge.signing import KeySigner
from weighbridge.statements import abstract_subject, encode_statement
from weighbridge_registry.service import Service
from weighbridge_schemas.base import fold_name

__all__ = ["Publisher", "digest_of", "model_of", "post", "stored", "submit"]


def digest_of(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def model_of(files: dict[str, bytes]) -> dict[str, Any]:
    """The `model` member of a release of these files."""
    listed = [
        {
            "path": path,
            "size": len(data),
            "sha256": digest_of(data),
            "role": "weights" if path.endswith(".safetensors") else "other",
            "format": "unknown",
            "unsafe_to_load": path.endswith(".bin"),
        }
        for path, data in sorted(files.items(), key=lambda item: item[0].encode())
    ]
    leaves = [f"weighbridge/file/v1\n{f['size']}\n{f['sha256']}\n{f['path']}".encode() for f in listed]
    root = digest_of(b"".join(bytes.fromhex(digest_of(files[path])) for path in sorted(files)))
    return {
        "model_digest": f"sha256:{tlog.root_hash([tlog.leaf_hash(leaf) for leaf in leaves]).hex()}",
        "root_digests": [{"algorithm": "sha256", "method": "files", "root_digest": f"sha256:{root}"}],
        "weights_digest": None,
        "files": listed,
        "tensors": None,
    }


class Publisher:
    """Somebody with a key, who means their statements for one log."""

    def __init__(self, origin: str, name: str = "someone", namespace: str = "acme") -> None:
        self.origin = origin
        self.name = name
        self.namespace = namespace
        self.key = keys.generate_private_key()
        self.signer = KeySigner(self.key)
        self.pem = keys.public_pem(self.key.public_key()).decode()
        self.spki = keys.spki_sha256(self.key.public_key())

    @property
    def owner(self) -> dict[str, Any]:
        return {"type": "key", "public_key": self.pem}

    def sign(self, kind: str, name: str, sha256: str, predicate: dict[str, Any]) -> bytes:
        return self.signer.sign(self.payload(kind, name, sha256, predicate))

    def payload(self, kind: str, name: str, sha256: str, predicate: dict[str, Any]) -> bytes:
        return encode_statement(kind, name, sha256, predicate)

    def introduction(self, **changes: Any) -> bytes:
        predicate = {
            "public_key": self.pem,
            "spki_sha256": self.spki,
            "label": self.name,
            "logs": [self.origin],
            "previous": None,
        } | changes
        return self.sign("signer", self.name, abstract_subject("signer", self.spki), predicate)

    def claim(
        self, namespace: str | None = None, owners: Sequence[dict[str, Any]] | None = None, **changes: Any
    ) -> bytes:
        name = namespace or self.namespace
        predicate = {
            "namespace": name,
            "owners": list(owners) if owners is not None else [self.owner],
            "logs": [self.origin],
            "previous": None,
        } | changes
        return self.sign("namespace", name, abstract_subject("namespace", fold_name(name)), predicate)

    def oms(self, files: dict[str, bytes]) -> bytes:
        resources = [
            {"name": path, "digest": digest_of(files[path]), "algorithm": "sha256"} for path in sorted(files)
        ]
        root = digest_of(b"".join(bytes.fromhex(r["digest"]) for r in resources))
        serialization = {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": [],
        }
        return self.sign("oms", "model", root, {"resources": resources, "serialization": serialization})

    def release(self, name: str, version: str, files: dict[str, bytes], **changes: Any) -> bytes:
        model = changes.pop("model", None) or model_of(files)
        predicate = {
            "namespace": self.namespace,
            "name": name,
            "version": version,
            "released_at": "2026-11-23T12:00:00Z",
            "model": model,
            "card": None,
            "lineage": None,
            "logs": [self.origin],
        } | changes
        return self.sign("release", name, model["model_digest"].removeprefix("sha256:"), predicate)

    def revision(
        self, kind: str, release: str, content: dict[str, Any], previous: str | None = None
    ) -> bytes:
        """A card or lineage revision of a release, given by its statement digest."""
        reference = {"kind": kind, "sha256": previous} if previous is not None else None
        predicate = {"logs": [self.origin], "previous": reference} | content
        return self.sign(kind, "release", release.removeprefix("sha256:"), predicate)

    def say(self, kind: str, sha256: str, previous: str | None = None, **content: Any) -> bytes:
        """A statement of a kind that has `logs` and `previous`, about a subject."""
        return self.revision(kind, sha256, content, previous)

    def position(self, previous: str | None = None, **content: Any) -> bytes:
        """A position; its subject follows from what it is about."""
        if "of" in content:
            subject = content["of"]["sha256"]
        else:
            subject = content["edge"]["child"].removeprefix("sha256:")
        return self.say("position", subject, previous, **({"basis": "knowledge"} | content))

    def attest(
        self, predicate_type: str, subjects: Sequence[dict[str, Any]], predicate: dict[str, Any]
    ) -> bytes:
        """A statement of somebody else's type, unchecked."""
        value = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": list(subjects),
            "predicateType": predicate_type,
            "predicate": predicate,
        }
        return self.signer.sign(canonical.encode(value))

    def start(self) -> list[bytes]:
        """What a first publication sends before its model."""
        return [self.introduction(), self.claim()]


def post(client: TestClient, *bundles: bytes) -> Any:
    """Submit bundles as JSON Lines."""
    return client.post(
        "/api/v1/statements",
        content=b"\n".join(bundles) + b"\n",
        headers={"content-type": "application/jsonl"},
    )


def submit(client: TestClient, *bundles: bytes, expect: int = 201) -> Any:
    """Submit bundles and give the answer's JSON, which must come with this status."""
    answer = post(client, *bundles)
    assert answer.status_code == expect, answer.text
    return answer.json()


def stored(service: Service, bundles: Sequence[bytes]) -> tuple[str, ...]:
    """Judge bundles and make them durable, as the desk does; return the names that a row of the queue has."""
    prepared = service.prepare(bundles)
    service.folder.bundles.put_all({one.bundle.sha256: one.bundle.raw for one in prepared.new})
    return prepared.bundles
