# SPDX-License-Identifier: Apache-2.0
"""Tensor tables: attached once, checked against the weights digest, found tensor by tensor."""

from __future__ import annotations

import gzip
from typing import Any

from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, digest_of, model_of, submit
from weighbridge import weighing
from weighbridge.weighing import Tensor
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import Service

TENSORS = tuple(
    Tensor(f"layer.{number}.weight", "F32", (2, number + 1), 8 * (number + 1), digest_of(b"t%d" % number))
    for number in range(7)
)
TABLE = weighing.tensor_table(TENSORS)
FILES = {"model.safetensors": b"weights"}


def model_with(table: bytes, **changes: Any) -> dict[str, Any]:
    tensors = {
        "count": len(TENSORS),
        "bytes": sum(tensor.nbytes for tensor in TENSORS),
        "table_digest": f"sha256:{digest_of(table)}",
    }
    weights = {"weights_digest": f"sha256:{weighing.weights_digest(TENSORS)}"}
    return model_of(FILES) | weights | {"tensors": tensors | changes}


def put(client: TestClient, table: bytes) -> Any:
    return client.put(
        f"/api/v1/blobs/{digest_of(table)}",
        content=gzip.compress(table),
        headers={"content-encoding": "gzip"},
    )


def test_a_tensor_is_found_in_every_release_that_names_its_table(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    submit(client, publisher.release("tiny", "1", FILES, model=model_with(TABLE)))
    assert put(client, TABLE).status_code == 201
    submit(client, publisher.release("tiny", "2", FILES, model=model_with(TABLE)))
    matches = client.get(f"/api/v1/digests/{TENSORS[3].sha256}").json()["matches"]
    assert [(m["kind"], m["path"], m["version"]) for m in matches] == [
        ("tensor", "layer.3.weight", "1"),
        ("tensor", "layer.3.weight", "2"),
    ]
    weights = client.get(f"/api/v1/digests/{weighing.weights_digest(TENSORS)}").json()["matches"]
    assert [match["kind"] for match in weights] == ["weights", "weights"]
    release = client.get("/api/v1/models/acme/tiny/2").json()
    assert client.get(release["tensor_table"]).content == TABLE
    assert fsck(service.folder.path, public_sigstore=False).ok


def test_a_table_that_contradicts_its_release_is_refused(client: TestClient, publisher: Publisher) -> None:
    """The digest is the one that was signed, but the content is not what the weights digest stands for."""
    other = weighing.tensor_table(TENSORS[:5])
    submit(client, publisher.release("a", "1", FILES, model=model_with(other)))
    answer = put(client, other)
    assert (answer.status_code, answer.json()["step"]) == (422, 2)
    submit(client, publisher.release("b", "1", FILES, model=model_with(TABLE, count=6)))
    assert put(client, TABLE).status_code == 422
    nonsense = b"not a table\n"
    submit(client, publisher.release("c", "1", FILES, model=model_with(nonsense)))
    assert put(client, nonsense).status_code == 422


def test_a_namespace_has_a_quota(service: Service, publisher: Publisher, client: TestClient) -> None:
    submit(client, publisher.release("tiny", "1", FILES, model=model_with(TABLE)))
    object.__setattr__(service.settings.limits, "namespace_blob_bytes", 10)
    answer = put(client, TABLE)
    assert answer.status_code == 413
    assert "quota" in answer.json()["detail"]
    assert client.get(f"/api/v1/blobs/{digest_of(TABLE)}").status_code == 404


def test_a_table_with_sketches_is_taken_for_the_same_weights_and_a_malformed_one_is_not(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    """A registry cannot check a sketch, as it never has the weights, but it checks what has one at all."""
    large = Tensor("z.weight", "F32", (250, 250), 250_000, digest_of(b"large"), sketch="5" * 64)
    tensors = (*TENSORS, large)
    weights = {"weights_digest": f"sha256:{weighing.weights_digest(tensors)}"}
    count = {"count": len(tensors), "bytes": sum(tensor.nbytes for tensor in tensors)}
    good = weighing.tensor_table(tensors)
    tables = {
        "1": good,
        "2": good.replace(b"5" * 64, b"5" * 63),
        "3": good.replace(b'"shape":[250,250]', b'"shape":[62500]'),
    }
    for version, table in tables.items():
        summary = {"tensors": model_with(table, **count)["tensors"]}
        submit(client, publisher.release("tiny", version, FILES, model=model_with(table) | weights | summary))
        assert put(client, table).status_code == (201 if version == "1" else 422)
    matches = client.get(f"/api/v1/digests/{large.sha256}").json()["matches"]
    assert [(match["kind"], match["version"]) for match in matches] == [("tensor", "1")]
    assert fsck(service.folder.path, public_sigstore=False).ok
