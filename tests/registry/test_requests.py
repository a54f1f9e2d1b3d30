# SPDX-License-Identifier: Apache-2.0
"""Requests of strangers: whatever is sent, the answer is a problem that says what is wrong, never a fault."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
from typing import Any

import pytest
import urllib3
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import examples
from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher, digest_of, submit
from weighbridge_registry.service import Service

JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/jsonl"}


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"].startswith("https://weighbridge/problems/")
    return found


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"null", b"[]", b'"text"', b"{}", b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 100_000]
)
def test_bodies_that_are_no_bundle(client: TestClient, body: bytes) -> None:
    assert problem(client.post("/api/v1/statements", content=body, headers=JSON), 400)["step"] == 3


def test_a_truncated_bundle_is_named_by_its_line(client: TestClient, publisher: Publisher) -> None:
    good = publisher.oms({"a": b"1"})
    answer = client.post("/api/v1/statements", content=good + b"\n" + good[:500], headers=LINES)
    found = problem(answer, 400)
    assert (found["instance"], found["step"]) == ("#/1", 3)
    assert client.get("/api/v1/log").json()["size"] == 3


def test_a_blank_line_is_named(client: TestClient, publisher: Publisher) -> None:
    good = publisher.oms({"a": b"1"})
    answer = client.post("/api/v1/statements", content=good + b"\n\n" + good, headers=LINES)
    assert problem(answer, 400)["instance"] == "#/1"


def test_more_lines_than_a_submission_has(client: TestClient) -> None:
    answer = client.post("/api/v1/statements", content=b"{}\n" * 9, headers=LINES)
    assert "9 lines" in problem(answer, 400)["detail"]


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_content_types_that_are_not_taken(client: TestClient, kind: str) -> None:
    problem(client.post("/api/v1/statements", content=b"{}", headers={"content-type": kind}), 415)
    problem(client.post("/api/v1/digests", content=b"{}", headers={"content-type": kind}), 415)


def test_compressed_statements_are_not_taken(client: TestClient) -> None:
    headers = JSON | {"content-encoding": "gzip"}
    problem(client.post("/api/v1/statements", content=gzip.compress(b"{}"), headers=headers), 415)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/entries/-1",
        "/api/v1/entries/1e3",
        "/api/v1/entries/99999999999999999999",
        "/api/v1/events?since=x",
        "/api/v1/models?cursor=abc",
        "/api/v1/digests/xyz",
        "/api/v1/statements/ABC",
        f"/api/v1/signers/{'g' * 64}",
        "/bundles/../checkpoint.txt",
    ],
)
def test_addresses_that_mean_nothing(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (400, 404)


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ff", "..", "a%2Fb", "%F0%9F%98%80", "x" * 5000])
def test_odd_names_are_unknown_and_no_fault(client: TestClient, name: str) -> None:
    for path in (f"/api/v1/namespaces/{name}", f"/api/v1/models/{name}/b/1", f"/api/v1/models/a/b/{name}"):
        assert client.get(path).status_code == 404
    assert client.get(f"/api/v1/models?q={name}").status_code == 200


@pytest.mark.parametrize(
    "body", [b"[]", b'{"digests": "x"}', b'{"digests": ["x"]}', b'{"digests": [1]}', b"{}", b"nope"]
)
def test_questions_that_are_no_list_of_digests(client: TestClient, body: bytes) -> None:
    problem(client.post("/api/v1/digests", content=body, headers=JSON), 400)


def test_too_many_digests(client: TestClient) -> None:
    problem(client.post("/api/v1/digests", json={"digests": ["0" * 64] * 10_001}), 413)


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), lines=st.booleans())
def test_no_bytes_are_a_fault(client: TestClient, body: bytes, lines: bool) -> None:  # noqa: FBT001 - drawn
    answer = client.post("/api/v1/statements", content=body, headers=LINES if lines else JSON)
    assert 400 <= answer.status_code < 500, answer.text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_to_a_real_bundle_is_a_fault(
    client: TestClient, publisher: Publisher, data: st.DataObject
) -> None:
    """One member of a genuine bundle is replaced by anything, or taken away."""
    bundle: Any = json.loads(publisher.oms({"a": b"1"}))
    place = bundle
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    if data.draw(st.booleans()):
        place[key] = data.draw(_JSON)
    else:
        del place[key]
    answer = client.post("/api/v1/statements", content=json.dumps(bundle).encode(), headers=JSON)
    assert answer.status_code in (200, 201, 400, 403, 422), answer.text


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_signed_statement_is_a_fault(
    client: TestClient, publisher: Publisher, data: st.DataObject
) -> None:
    """A known signer may sign anything at all."""
    payload: Any = json.loads(
        base64.b64decode(json.loads(publisher.release("m", "1", {"a": b"1"}))["dsseEnvelope"]["payload"])
    )
    place = payload
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(_JSON)
    bundle = publisher.signer.sign(json.dumps(payload).encode())
    answer = client.post("/api/v1/statements", content=bundle, headers=JSON)
    assert answer.status_code in (200, 201, 400, 403, 409, 422), answer.text


def test_fifty_megabytes_are_refused_with_an_answer(registry: Registry) -> None:
    for body, headers in ((b"x" * 50_000_000, JSON), (iter([b"x" * 1_000_000] * 50), JSON)):
        answer = urllib3.request(
            "POST", f"{registry.url}/api/v1/statements", body=body, headers=headers, retries=False, timeout=60
        )
        assert answer.status == 413
        assert answer.json()["type"].endswith("/too-large")


def test_a_slow_body_is_cut_off_while_others_are_answered() -> None:
    with (
        running_registry(limits={"idle_seconds": 0.5}) as registry,
        socket.create_connection(("127.0.0.1", registry.port), timeout=20) as slow,
    ):
        slow.sendall(
            b"POST /api/v1/statements HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )
        started = time.monotonic()
        assert registry.get("/readyz")["status"] == "ready"
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < 10


def test_all_bodies_together_have_a_limit() -> None:
    with running_registry(limits={"bodies_bytes": 100_000}) as registry:
        answer = urllib3.request(
            "POST",
            f"{registry.url}/api/v1/statements",
            body=b"x" * 200_000,
            headers=JSON,
            retries=False,
            timeout=20,
        )
        assert answer.status == 503
        assert answer.headers["retry-after"]


def attached(publisher: Publisher, client: TestClient, readme: bytes) -> None:
    card = {"readme": {"sha256": digest_of(readme), "size": len(readme)}}
    submit(client, publisher.release("tiny", "1.0", {"a": b"1"}, card=card))


def test_a_readme_is_stored_if_an_owner_named_it(client: TestClient, publisher: Publisher) -> None:
    readme = b"# Tiny\n<script>alert(1)</script>\n"
    address = f"/api/v1/blobs/{digest_of(readme)}"
    assert problem(client.put(address, content=readme), 403)["hint"]
    attached(publisher, client, readme)
    assert client.put(address, content=readme).status_code == 201
    assert client.put(address, content=readme).status_code == 200
    answer = client.get(address)
    assert answer.content == readme
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    plain = client.get(address, headers={"accept-encoding": "identity"})
    assert (plain.content, "content-encoding" in plain.headers) == (readme, False)
    assert client.get("/api/v1/models/acme/tiny/1.0").json()["readme"] == address


def test_other_bytes_under_a_named_digest_are_refused(client: TestClient, publisher: Publisher) -> None:
    readme = b"# Tiny\n"
    attached(publisher, client, readme)
    address = f"/api/v1/blobs/{digest_of(readme)}"
    assert problem(client.put(address, content=b"# Evil\n"), 422)["step"] == 2
    problem(client.put(address, content=b"x", headers={"content-encoding": "gzip"}), 400)
    problem(client.put(address, content=b"x", headers={"content-encoding": "br"}), 415)
    assert client.get(address).status_code == 404


def test_a_gzip_bomb_stops_at_the_limit(client: TestClient, publisher: Publisher) -> None:
    readme = b"# Tiny\n"
    attached(publisher, client, readme)
    bomb = gzip.compress(b"\0" * 40_000_000)
    address = f"/api/v1/blobs/{digest_of(readme)}"
    problem(client.put(address, content=bomb, headers={"content-encoding": "gzip"}), 413)


def test_a_removed_owners_files_are_not_taken(
    service: Service, client: TestClient, publisher: Publisher
) -> None:
    readme = b"# Tiny\n"
    attached(publisher, client, readme)
    friend = Publisher(service.origin, "friend")
    current = client.get("/api/v1/namespaces/acme").json()["statement"].removeprefix("sha256:")
    previous = {"kind": "namespace", "sha256": current}
    submit(client, publisher.claim(owners=[friend.owner], previous=previous))
    answer = client.put(f"/api/v1/blobs/{digest_of(readme)}", content=readme)
    assert "current owner" in problem(answer, 403)["detail"]
