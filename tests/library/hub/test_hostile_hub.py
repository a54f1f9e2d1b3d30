# SPDX-License-Identifier: Apache-2.0
"""A hub that wants more than an answer: memory, time, a token, or a request to somebody else's server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.library.hub.conftest import Hub
from tests.library.servers import Asked, Handler, ScriptedServer, scripted_server
from tests.library.verification.expectations import assert_refused, told
from weighbridge.errors import ConfigurationError, DigestError, EnumerationError, InputError, UnavailableError
from weighbridge.hub import HubName, access
from weighbridge.hub.remote import RemoteFile, RemoteModel, ask
from weighbridge.verdict import Conclusion

NAME = HubName.parse("hf:acme/tiny")
COMMIT = "a" * 40
TOKEN = "hf_" + "secret" * 3
Script = Callable[[Handler, Asked], None]


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


@contextmanager
def a_hub(script: Script, monkeypatch: pytest.MonkeyPatch, path: str = "") -> Iterator[ScriptedServer]:
    with scripted_server(script) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url + path)
        yield server


def says(document: object, **headers: str) -> Script:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return lambda handler, _: handler.answer(200, body, **headers)


def listing(*siblings: object) -> dict[str, object]:
    return {"id": "acme/tiny", "sha": COMMIT, "siblings": list(siblings)}


def remote_with(path: str, size: int = 3) -> RemoteModel:
    file = RemoteFile(path, size, None, "0" * 40)
    return RemoteModel(NAME, COMMIT, {path: file}, access.HubAccess())


def token_of(server: ScriptedServer) -> set[str | None]:
    return {asked.headers.get("Authorization") for asked in server.asked}


# ---- where a request, and a token, may go ------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed_and_takes_no_token_along(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with scripted_server(says(listing())) as thief:
        away = thief.url.replace("127.0.0.1", "localhost")
        with (
            a_hub(lambda h, a: h.answer(status, Location=away + a.path), monkeypatch) as hub,
            pytest.raises(UnavailableError, match="not followed") as caught,
        ):
            ask(NAME)
    assert token_of(hub) == {f"Bearer {TOKEN}"}
    assert thief.asked == []
    assert TOKEN not in repr((caught.value, caught.value.hint, caught.value.evidence))


def test_another_port_is_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens on this machine's other ports is not the hub: no request may be forged to it."""
    with (
        scripted_server(says(listing())) as inner,
        a_hub(lambda h, _: h.answer(302, Location=f"{inner.url}/admin?delete=all"), monkeypatch),
        pytest.raises(UnavailableError, match="not followed"),
    ):
        ask(NAME)
    assert inner.asked == []


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//evil.invalid/x", "https://127.0.0.1/"]
)
def test_no_other_scheme_is_followed(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    with (
        a_hub(lambda h, _: h.answer(307, Location=place), monkeypatch),
        pytest.raises(UnavailableError, match="not followed"),
    ):
        ask(NAME)


def test_a_renamed_model_is_found_where_the_hub_itself_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(handler: Handler, asked: Asked) -> None:
        if asked.path.startswith("/api/models/acme/tiny/"):
            handler.answer(307, Location=asked.path.replace("acme/tiny", "acme/small"))
        else:
            handler.answer(200, json.dumps(listing()).encode())

    with a_hub(moved, monkeypatch):
        assert ask(NAME).commit == COMMIT


def test_redirects_in_a_circle_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        a_hub(lambda h, a: h.answer(307, Location=a.path), monkeypatch) as hub,
        pytest.raises(UnavailableError, match="without end"),
    ):
        ask(NAME)
    assert len(hub.asked) == 4


def test_a_file_kept_elsewhere_is_not_fetched_and_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        a_hub(lambda h, _: h.answer(302, Location="https://cdn.invalid/x"), monkeypatch),
        pytest.raises(UnavailableError, match="another address") as caught,
    ):
        remote_with("model.sig").fetch("model.sig", 100)
    assert "hf download acme/tiny" in caught.value.hint


def test_a_token_is_not_sent_in_clear_text_over_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for endpoint, sent in (
        ("http://mirror.invalid", False),
        ("http://127.evil.invalid", False),
        ("https://mirror.invalid", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]:9", True),
        ("", True),
    ):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        headers = access.HubAccess()._headers
        assert headers == ({"Authorization": f"Bearer {TOKEN}"} if sent else {}), endpoint


def test_the_token_that_a_login_left_is_used_and_one_that_is_none_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(f"{TOKEN}\n")
    with a_hub(says(listing()), monkeypatch) as hub:
        ask(NAME)
        monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
        ask(NAME)
        monkeypatch.delenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")
        assert [asked.headers.get("Authorization") for asked in hub.asked] == [f"Bearer {TOKEN}", None]
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path))
        ask(NAME)
        assert "Authorization" not in hub.asked[-1].headers
        monkeypatch.setenv("HF_TOKEN", "hf_secret\r\nX-Evil: 1")
        with pytest.raises(ConfigurationError) as caught:
            ask(NAME)
    assert "secret" not in repr((caught.value, caught.value.hint, caught.value.evidence))


def test_offline_means_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with a_hub(says(listing()), monkeypatch) as hub, pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        ask(NAME)
    assert hub.asked == []


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "file:///etc", "https://me:pass@hub.invalid", "https://hub/?a=b"]
)
def test_an_endpoint_that_is_no_address_is_named_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(InputError, match="not the address of a hub") as caught:
        ask(NAME)
    assert "pass@" not in str(caught.value)


def test_a_hub_below_a_path_is_asked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_hub(says(listing()), monkeypatch, path="/mirror") as hub:
        ask(HubName.parse("hf:acme/tiny@refs/pr/1"))
    assert hub.asked[0].path == "/mirror/api/models/acme/tiny/revision/refs%2Fpr%2F1?blobs=true"


# ---- how much is read --------------------------------------------------------------------------


def test_an_endless_list_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_LIST_BYTES", 1 << 20)
    sent = 0

    def pour(handler: Handler, _: Asked) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        for _number in range(1 << 12):
            handler.wfile.write(b" " * (1 << 16))
            sent += 1 << 16

    with a_hub(pour, monkeypatch), pytest.raises(UnavailableError, match="more than 1,048,576 bytes"):
        ask(NAME)
    assert sent < 1 << 27


def test_a_small_answer_that_unpacks_to_gigabytes_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_LIST_BYTES", 1 << 20)
    bomb = gzip.compress(b" " * (1 << 25))
    with (
        a_hub(says(bomb, Content_Encoding="gzip"), monkeypatch),
        pytest.raises(UnavailableError, match="more than"),
    ):
        ask(NAME)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"{}," * 2_000_001 + b"{}]", "more than 2,000,000 members"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "no object"),
        (b'{"sha": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"{}", "does not say which commit"),
        (json.dumps({"sha": COMMIT}).encode(), "lists no files"),
        (json.dumps({"sha": COMMIT, "siblings": {"rfilename": "a"}}).encode(), "lists no files"),
        (json.dumps(listing("a")).encode(), "whose name is no text"),
        (json.dumps(listing(None)).encode(), "whose name is no text"),
        (
            json.dumps({"sha": COMMIT, "siblings": [{"rfilename": "a"}] * 100_001}).encode(),
            "more than 100,000",
        ),
    ],
)
def test_an_answer_that_is_no_list_of_files_is_refused(
    monkeypatch: pytest.MonkeyPatch, body: bytes, complaint: str
) -> None:
    with a_hub(says(body), monkeypatch), pytest.raises(EnumerationError, match=complaint):
        ask(NAME)


@pytest.mark.parametrize(
    "lfs", [5, "x", [], {"sha256": [], "size": "9"}, {"sha256": "A" * 64, "size": -1}, {}]
)
def test_what_is_no_digest_and_no_size_is_unknown(monkeypatch: pytest.MonkeyPatch, lfs: object) -> None:
    sibling = {"rfilename": "a", "size": True, "blobId": 5, "lfs": lfs}
    with a_hub(says(listing(sibling)), monkeypatch):
        assert ask(NAME).files["a"] == RemoteFile("a", None, None, None)


def test_a_file_longer_than_its_limit_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_hub(says(b"x" * 101, Content_Type="x/y"), monkeypatch):
        assert len(remote_with("a").fetch("a", 101)) == 101
        with pytest.raises(DigestError, match="longer than 100 bytes"):
            remote_with("a").fetch("a", 100)


def test_a_listed_file_that_is_not_given_is_no_refutation(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        a_hub(lambda h, _: h.answer(404, b"x" * 1000, X_Error_Code="EntryNotFound"), monkeypatch),
        pytest.raises(UnavailableError, match=r"does not give it \(status 404\)"),
    ):
        remote_with("a").fetch("a", 100)


def test_only_so_many_files_are_fetched_and_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_MAX_REQUESTS", 3)
    with a_hub(says(b"abc"), monkeypatch) as hub:
        remote = remote_with("a")
        for _ in range(3):
            remote.fetch("a", 3)
        with pytest.raises(UnavailableError, match="More than 3 files"):
            remote.fetch("a", 3)
        assert len(hub.asked) == 3
        monkeypatch.setattr(access, "_SECONDS_TOGETHER", -1.0)
        with pytest.raises(UnavailableError, match="seconds for one model"):
            remote_with("a").fetch("a", 3)


def test_a_hub_that_answers_by_drops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_SECONDS", 0.05)

    def drip(handler: Handler, _: Asked) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _number in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            if handler.server.scripted.stopping.wait(0.02):
                return

    with a_hub(drip, monkeypatch), pytest.raises(UnavailableError, match="for one answer"):
        ask(NAME)


# ---- what is said of a refusal -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "error", "complaint"),
    [
        (403, "GatedRepo", InputError, "lets in"),
        (401, "", InputError, "does not show it"),
        (404, "RepoNotFound", InputError, "no model"),
        (404, "RevisionNotFound", InputError, "no revision main"),
        (400, "", InputError, "status 400"),
        (500, "", UnavailableError, "status 500"),
    ],
)
def test_the_hubs_refusals_in_words(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, error: type[Exception], complaint: str
) -> None:
    with (
        a_hub(lambda h, _: h.answer(status, b"\x1b[31mevil", X_Error_Code=code), monkeypatch),
        pytest.raises(error, match=complaint) as caught,
    ):
        ask(NAME)
    assert "\x1b" not in repr(caught.value.args)


# ---- the whole verification --------------------------------------------------------------------


def test_a_hub_that_serves_more_than_it_says_is_refused(hub: Hub) -> None:
    revision = hub.server.repos["acme/tiny"]["main"]
    revision.served["config.json"] = revision.files["config.json"] + b" " * 5000
    assert_refused(hub.check(remote=True), 2, "config.json")


def test_what_is_let_through_unsigned_is_named(hub: Hub) -> None:
    """ "Exactly the signed files" was said of a hub that had others, hidden by an option."""
    metadata = hub.server.repos["acme/tiny"]["main"].metadata
    metadata.append({"rfilename": "evil.py", "size": 1, "blobId": "0" * 40})
    verdict = hub.check(remote=True, ignore_unsigned_files=True)
    assert verdict.verdict is Conclusion.MATCHES, told(verdict)
    assert "NOT SIGNED, let through: evil.py" in verdict.step(1).reason
    assert "evil.py" in verdict.step(1).evidence["unsigned"]
