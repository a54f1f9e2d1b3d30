# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import json
import socket
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

import pytest

from tests.library.servers import Asked, Handler, scripted_server
from weighbridge import transport
from weighbridge.client import RegistryClient
from weighbridge.errors import (
    AdmissionError,
    ConflictError,
    ForbiddenError,
    InputError,
    LogError,
    MalformedError,
    ProofError,
    TooLargeError,
    UnavailableError,
    UndecidedError,
    UnprocessableError,
)
from weighbridge.leaves import encode_leaf
from weighbridge.records import RecordLine, format_record
from weighbridge.tlog import (
    Signer,
)

LOG = Signer("log.example/one", bytes(range(32)))
DIGEST = "ab" * 32
AS_OF = {"size": 5, "origin": "log.example/one"}
LOG_DOCUMENT = {
    "origin": "log.example/one",
    "vkey": LOG.verifier.vkey,
    "fingerprint": DIGEST,
    "size": 5,
    "root": f"sha256:{DIGEST}",
    "checkpoint": "text",
    "admission": "open",
}


def result(bundle: bytes, index: int = 0) -> dict[str, Any]:
    digest = sha256(bundle).hexdigest()
    return {
        "entry": f"sha256:{DIGEST}",
        "index": index,
        "leaf": b64encode(encode_leaf(digest, 1)).decode(),
        "receipt": "text",
        "url": "/log/0",
        "kind": "release",
        "statement": f"sha256:{DIGEST}",
        "bundle": f"sha256:{digest}",
        "created": True,
    }


def client(url: str, **options: float) -> RegistryClient:
    """A client that gives up at once."""
    return RegistryClient(url, **{"timeout": 5.0, "retry_for": 0.0, **options})


def says(value: object, status: int = 200, content_type: str = "application/json") -> Any:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda handler, _asked: handler.answer(status, body, content_type)


def test_a_document_is_read_and_checked() -> None:
    with scripted_server(says(LOG_DOCUMENT)) as server:
        document = client(f"{server.url}/").log()
    assert document.origin == "log.example/one"
    assert server.asked[0].path == "/api/v1/log"
    assert server.asked[0].headers["User-Agent"].startswith("weighbridge/")


def test_a_registry_below_a_prefix_keeps_it() -> None:
    with scripted_server(says(LOG_DOCUMENT)) as server:
        registry = client(f"{server.url}/below/here/")
        registry.log()
    assert server.asked[0].path == "/below/here/api/v1/log"
    assert registry.url == f"{server.url}/below/here"
    assert registry.absolute("/log/7") == f"{server.url}/log/7"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry.example",
        "file:///etc/passwd",
        "ftp://registry.example",
        "http://",
        "http://user:secret@registry.example",
        "http://registry.example/?q=1",
        "http://registry.example/#part",
        "http://registry.example:notaport",
        "http://registry.example:0",
        "http://[::1",
        "javascript:alert(1)",
    ],
)
def test_only_plain_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(InputError, match="not the address of a registry") as caught:
        RegistryClient(url)
    assert caught.value.exit_code == 2


# What a registry may do wrong


def test_a_body_that_is_cut_off_is_fetched_again() -> None:
    whole = json.dumps(LOG_DOCUMENT).encode()

    def cut_off_first(handler: Handler, _asked: Asked) -> None:
        if len(server.asked) > 1:
            handler.answer(200, whole)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[:40])
        handler.close_connection = True

    with scripted_server(cut_off_first) as server:
        assert client(server.url, retry_for=5.0).log().size == 5
    with scripted_server(cut_off_first) as server, pytest.raises(UnavailableError, match="cut off") as caught:
        client(server.url).log()
    assert server.url in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("announced", [True, False])
def test_fifty_megabytes_are_not_read(announced: bool) -> None:  # noqa: FBT001 - two cases
    sent = 0

    def flood(handler: Handler, _asked: Asked) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        if announced:
            handler.send_header("Content-Length", str(50 << 20))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(50):
            handler.wfile.write(b" " * (1 << 20))
            sent += 1 << 20

    with (
        scripted_server(flood) as server,
        pytest.raises(UnavailableError, match="more than 16,777,216 bytes"),
    ):
        client(server.url).log()
    assert sent < 40 << 20


def test_a_compression_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(64 << 20))

    def send_bomb(handler: Handler, _asked: Asked) -> None:
        handler.answer(200, bomb, Content_Encoding="gzip")

    with scripted_server(send_bomb) as server, pytest.raises(UnavailableError, match="more than"):
        client(server.url).log()


def test_compressed_answers_are_read() -> None:
    packed = gzip.compress(json.dumps(LOG_DOCUMENT).encode())
    with scripted_server(lambda handler, _: handler.answer(200, packed, Content_Encoding="gzip")) as server:
        assert client(server.url).log().size == 5
        assert server.asked[0].headers["Accept-Encoding"] == "gzip, identity"
    for encoding, body, complaint in (
        ("gzip", b"not gzip", "not gzip"),
        ("gzip", packed[:-5], "cut off"),
        ("br", b"", "encoding 'br'"),
    ):
        script = lambda handler, _, e=encoding, b=body: handler.answer(200, b, Content_Encoding=e)  # noqa: E731
        with scripted_server(script) as server, pytest.raises(UnavailableError, match=complaint):
            client(server.url).log()


def test_chunked_answers_are_read() -> None:
    def chunked(handler: Handler, _asked: Asked) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (json.dumps(LOG_DOCUMENT).encode()[:30], json.dumps(LOG_DOCUMENT).encode()[30:], b""):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))

    with scripted_server(chunked) as server:
        assert client(server.url).log().size == 5


def test_an_endless_slow_body_is_left() -> None:
    def drip(handler: Handler, _asked: Asked) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not server.stopping.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    started = time.monotonic()
    with scripted_server(drip) as server, pytest.raises(UnavailableError, match="seconds for one answer"):
        client(server.url, timeout=0.2).log()
    assert time.monotonic() - started < 5


def test_silence_is_left() -> None:
    def say_nothing(_handler: Handler, _asked: Asked) -> None:
        server.stopping.wait(5)

    with scripted_server(say_nothing) as server, pytest.raises(UnavailableError, match="not respond in time"):
        client(server.url, timeout=0.1).log()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "malformed JSON"),
        (b"<html>", "malformed JSON"),
        (b'{"origin": "a", "origin": "b"}', "appears twice"),
        (b"[" * 100_000, "malformed JSON"),
        (b'{"size": NaN}', "NaN"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "no LogDocument"),
        (b"{}", "no LogDocument"),
        (json.dumps({**LOG_DOCUMENT, "size": "5"}).encode(), "no LogDocument: size"),
        (json.dumps({**LOG_DOCUMENT, "size": -1}).encode(), "no LogDocument: size"),
        (json.dumps({**LOG_DOCUMENT, "vkey": "x" * 1000}).encode(), "no LogDocument: vkey"),
    ],
)
def test_garbage_is_no_document(body: bytes, complaint: str) -> None:
    with scripted_server(says(body)) as server, pytest.raises(UnavailableError, match=complaint):
        client(server.url).log()


def test_another_content_type_is_refused() -> None:
    for content_type in ("text/html", "", "application/octet-stream"):
        script = says(LOG_DOCUMENT, content_type=content_type)
        with scripted_server(script) as server, pytest.raises(UnavailableError, match="not application/json"):
            client(server.url).log()


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with scripted_server(says(LOG_DOCUMENT)) as other:
        script = lambda handler, _: handler.answer(302, Location=f"{other.url}/api/v1/log")  # noqa: E731
        with (
            scripted_server(script) as server,
            pytest.raises(UnavailableError, match="not followed") as caught,
        ):
            client(server.url).log()
    assert other.asked == []
    assert caught.value.evidence["location"].startswith(other.url)


def test_a_redirect_within_the_registry_is_followed_but_not_for_ever() -> None:
    def moved(handler: Handler, asked: Asked) -> None:
        if asked.path == "/api/v1/log":
            handler.answer(307, Location="/elsewhere")
        else:
            handler.answer(200, json.dumps(LOG_DOCUMENT).encode())

    with scripted_server(moved) as server:
        assert client(server.url).log().size == 5
    script = lambda handler, asked: handler.answer(301, Location=asked.path)  # noqa: E731
    with scripted_server(script) as server, pytest.raises(UnavailableError, match="without end"):
        client(server.url).log()


def test_a_submission_is_never_redirected() -> None:
    script = lambda handler, _: handler.answer(307, Location="/elsewhere")  # noqa: E731
    with scripted_server(script) as server, pytest.raises(UnavailableError, match="not followed"):
        client(server.url).submit([b"{}"], retry_for=0)
    assert len(server.asked) == 1


def test_nobody_there_is_said_with_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UnavailableError, match="no connection") as caught:
        client(url).log()
    assert url in caught.value.message
    assert url in caught.value.hint


def test_a_registry_that_comes_back_is_asked_again() -> None:
    def break_twice(handler: Handler, _asked: Asked) -> None:
        if len(server.asked) < 3:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        handler.answer(201, json.dumps(result(b"{}")).encode())

    with scripted_server(break_twice) as server:
        assert client(server.url).submit([b"{}"], retry_for=10)[0].index == 0
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_registry_says_how_long_to_wait(status: int) -> None:
    def busy_once(handler: Handler, _asked: Asked) -> None:
        if len(server.asked) > 1:
            handler.answer(201, json.dumps(result(b"{}")).encode())
        else:
            handler.answer(status, b"", Retry_After="1")

    started = time.monotonic()
    with scripted_server(busy_once) as server:
        client(server.url).submit([b"{}"], retry_for=10)
    assert time.monotonic() - started >= 1
    assert len(server.asked) == 2


def test_a_wait_longer_than_the_patience_is_not_begun() -> None:
    started = time.monotonic()
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2))
    for value in ("7200", later):
        script = lambda handler, _, v=value: handler.answer(503, b"", Retry_After=v)  # noqa: E731
        with scripted_server(script) as server, pytest.raises(UnavailableError, match=r"asks to wait 7[12]"):
            client(server.url).submit([b"{}"], retry_for=60)
        assert len(server.asked) == 1
    assert time.monotonic() - started < 5


def test_nonsense_in_retry_after_is_as_if_it_were_absent() -> None:
    assert transport._retry_after("") is None
    assert transport._retry_after("soon") is None
    assert transport._retry_after("-5") is None
    assert transport._retry_after("9" * 5000) is None
    assert transport._retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


# What a registry refuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, MalformedError),
        (403, ForbiddenError),
        (409, ConflictError),
        (413, TooLargeError),
        (422, UnprocessableError),
    ],
)
def test_a_refusal_becomes_the_error_of_its_status(status: int, kind: type[AdmissionError]) -> None:
    problem = {
        "type": "https://weighbridge/problems/refused",
        "title": "Refused",
        "status": status,
        "detail": "the name acme/tiny@1.0 is\x1b[2J taken\nby another digest",
        "step": 6,
        "hint": "choose another version",
        "evidence": {"digest": f"sha256:{DIGEST}"},
    }
    script = says(problem, status, "application/problem+json")
    with scripted_server(script) as server, pytest.raises(kind) as caught:
        client(server.url).submit([b"{}"])
    assert type(caught.value) is kind
    assert caught.value.message == "the name acme/tiny@1.0 is [2J taken by another digest"
    assert caught.value.hint == "choose another version"
    assert caught.value.step == 6
    assert caught.value.exit_code == 1
    assert caught.value.evidence["digest"] == f"sha256:{DIGEST}"
    assert caught.value.evidence["status"] == status


def test_a_refusal_without_a_problem_document_is_still_one() -> None:
    for body, content_type in ((b"<h1>no</h1>", "text/html"), (b"{}", "application/problem+json")):
        script = says(body, 403, content_type)
        with scripted_server(script) as server, pytest.raises(ForbiddenError) as caught:
            client(server.url).submit([b"{}"])
        assert caught.value.step == 4


def test_a_huge_refusal_is_not_read_to_its_end() -> None:
    script = says(b"x" * (20 << 20), 422, "application/problem+json")
    with scripted_server(script) as server, pytest.raises(UnprocessableError):
        client(server.url).submit([b"{}"])


@pytest.mark.parametrize("status", [405, 418, 500, 501])
def test_other_statuses_are_no_working_registry(status: int) -> None:
    with scripted_server(says({}, status)) as server, pytest.raises(UnavailableError, match=str(status)):
        client(server.url).submit([b"{}"])
    with scripted_server(says({}, status)) as server, pytest.raises(UnavailableError, match=str(status)):
        client(server.url).log()


def test_what_is_not_known_is_none_for_look_ups_and_undecided_for_the_rest() -> None:
    with scripted_server(says({}, 404, "application/problem+json")) as server:
        registry = client(server.url)
        assert registry.namespace("acme") is None
        assert registry.signer(DIGEST) is None
        assert registry.statement(f"sha256:{DIGEST}") is None
        assert registry.model("acme", "tiny") is None
        assert registry.release("acme", "tiny") is None
        assert registry.release("acme", "tiny", "1.0+x") is None
        for ask in (
            lambda: registry.provenance("acme", "tiny", "1.0"),
            lambda: registry.bundle(DIGEST),
            lambda: registry.tile(0, 0),
            lambda: registry.tile(0, 0, 5),
            lambda: registry.entries(0, 5),
        ):
            with pytest.raises(UndecidedError, match="does not know") as caught:
                ask()
            assert caught.value.exit_code == 3
    assert server.asked[5].path == "/api/v1/models/acme/tiny/1.0%2Bx"


def test_what_is_withheld_is_undecided() -> None:
    script = says({}, 451, "application/problem+json")
    with scripted_server(script) as server, pytest.raises(UndecidedError, match="withholds"):
        client(server.url).bundle(DIGEST)


def test_names_and_digests_cannot_climb_out_of_the_path() -> None:
    with scripted_server(says({}, 404)) as server:
        registry = client(server.url)
        registry.namespace("../../log?x=1#y")
        assert server.asked[0].path == "/api/v1/namespaces/..%2F..%2Flog%3Fx%3D1%23y"
        for name in ("", ".", ".."):
            with pytest.raises(InputError):
                registry.namespace(name)
        for digest in ("", "../x", DIGEST.upper(), DIGEST[:-1], f"sha512:{DIGEST}"):
            with pytest.raises(InputError):
                registry.bundle(digest)
    assert len(server.asked) == 1


# Submitting and asking


def test_a_batch_travels_as_lines_and_comes_back_in_order() -> None:
    bundles = [b'{"n": 1}', b'{"n": 2}']
    answer = {"results": [result(bundle, index) for index, bundle in enumerate(bundles)]}
    with scripted_server(says(answer, 201)) as server:
        results = client(server.url).submit(bundles)
    assert [one.index for one in results] == [0, 1]
    assert server.asked[0].body == b'{"n": 1}\n{"n": 2}\n'
    assert server.asked[0].headers["Content-Type"] == "application/jsonl"
    assert server.asked[0].method == "POST"


def test_fewer_answers_than_statements_are_no_answer() -> None:
    script = says({"results": [result(b"{}")]}, 201)
    with scripted_server(script) as server, pytest.raises(UnavailableError, match="1 times to 2"):
        client(server.url).submit([b"{}", b"{}"])


def test_impossible_batches_are_not_sent() -> None:
    with scripted_server(says({})) as server:
        for bundles in ([], [b"{}"] * 33):
            with pytest.raises(InputError, match="1 to 32"):
                client(server.url).submit(bundles)
        with pytest.raises(MalformedError, match="line breaks"):
            client(server.url).submit([b"{}", b"{\n}"])
    assert server.asked == []


def test_many_digests_are_asked_in_parts() -> None:
    def count(handler: Handler, asked: Asked) -> None:
        digests = json.loads(asked.body)["digests"]
        handler.answer(200, json.dumps({"answers": [], "unknown": len(digests), "as_of": AS_OF}).encode())

    with scripted_server(count) as server:
        answer = client(server.url).digests([f"{number:064x}" for number in range(10_001)])
        assert client(server.url).digests([]).unknown == 0
    assert answer.unknown == 10_001
    assert [len(json.loads(one.body)["digests"]) for one in server.asked] == [10_000, 1, 0]


def test_the_latest_release_is_found_by_its_model() -> None:
    def serve(handler: Handler, asked: Asked) -> None:
        if asked.path == "/api/v1/models/acme/tiny":
            model = {"namespace": "acme", "name": "tiny", "latest": "2.0", "versions": [], "url": "/x"}
            handler.answer(200, json.dumps({**model, "as_of": AS_OF}).encode())
        else:
            handler.answer(404, b"{}")

    with scripted_server(serve) as server:
        client(server.url).release("acme", "tiny")
    assert [one.path for one in server.asked] == ["/api/v1/models/acme/tiny", "/api/v1/models/acme/tiny/2.0"]


def test_a_record_is_read_line_by_line() -> None:
    lines = (RecordLine(b"{}", b"leaf", b"receipt"),)
    with scripted_server(says(format_record(lines), content_type="application/jsonl")) as server:
        assert client(server.url).provenance("acme", "tiny", "1.0") == lines
    assert server.asked[0].headers["Accept"].startswith("application/jsonl")
    with (
        scripted_server(says(b"{}\n", content_type="application/jsonl")) as server,
        pytest.raises(LogError, match="line 1"),
    ):
        client(server.url).provenance("acme", "tiny", "1.0")


def test_a_bundle_must_be_the_one_that_its_name_says() -> None:
    bundle = b'{"a": 1}'
    with scripted_server(says(bundle, content_type="application/octet-stream")) as server:
        assert client(server.url).bundle(sha256(bundle).hexdigest()) == bundle
        with pytest.raises(ProofError, match="other bytes"):
            client(server.url).bundle(DIGEST)


def test_a_file_travels_compressed_under_the_digest_of_its_bytes() -> None:
    data = b"tensor table\n" * 1000
    with scripted_server(lambda handler, _: handler.answer(204, b"", "")) as server:
        assert client(server.url).put_blob(data) == sha256(data).hexdigest()
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("PUT", f"/api/v1/blobs/{sha256(data).hexdigest()}")
    assert asked.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(asked.body) == data
