# SPDX-License-Identifier: Apache-2.0
"""A registry that lies to its publisher: whatever it changes, nothing is believed and nothing written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests import models
from tests.commands import weighbridge_here as here
from tests.library.servers import Asked, Handler, scripted_server
from tests.registries import Registry, registry_here
from weighbridge import keys
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.tlog import Signer

Lie = Callable[[Asked, bytes], bytes]


@contextmanager
def _liar(honest: Registry, lie: Lie) -> Iterator[str]:
    """Stand between publisher and registry; hand every answer through `lie`."""

    def script(handler: Handler, asked: Asked) -> None:
        kept = {
            name: asked.headers[name]
            for name in ("Accept", "Content-Type", "Content-Encoding")
            if name in asked.headers
        }
        answer = urllib3.request(
            asked.method,
            f"{honest.url}{asked.path}",
            body=asked.body or None,
            headers=kept,
            retries=False,
            timeout=30,
        )
        body = lie(asked, answer.data) if answer.status < 300 else answer.data
        handler.answer(answer.status, body, answer.headers.get("Content-Type", ""))

    with scripted_server(script) as server:
        yield server.url


def _changing_results(change: Callable[[list[dict[str, Any]]], None]) -> Lie:
    """Lie in the answer to a submission."""

    def lie(asked: Asked, body: bytes) -> bytes:
        if asked.method != "POST" or not asked.path.endswith("/statements"):
            return body
        document = json.loads(body)
        change(document["results"])
        return json.dumps(document).encode()

    return lie


def _other_time(results: list[dict[str, Any]]) -> None:
    leaf = parse_leaf(base64.b64decode(results[-1]["leaf"]))
    results[-1]["leaf"] = base64.b64encode(encode_leaf(leaf.bundle_sha256, leaf.received + 86400)).decode()


def _other_bundle(results: list[dict[str, Any]]) -> None:
    results[-1]["bundle"] = results[-2]["bundle"]


def _swapped_receipts(results: list[dict[str, Any]]) -> None:
    results[0]["receipt"], results[1]["receipt"] = results[1]["receipt"], results[0]["receipt"]


def _beyond_the_tree(results: list[dict[str, Any]]) -> None:
    receipt = results[-1]["receipt"]
    results[-1]["receipt"] = receipt.replace(f"index {results[-1]['index']}\n", "index 999\n")


def _no_receipt(results: list[dict[str, Any]]) -> None:
    results[-1]["receipt"] = "trust me"


def _another_logs_checkpoint(results: list[dict[str, Any]]) -> None:
    head, _, note = results[-1]["receipt"].partition("\n\n")
    text, _, _ = note.rpartition("\n\n")
    from weighbridge.tlog import sign_note  # noqa: PLC0415 - the forger's tool, used nowhere else here

    origin = text.split("\n")[0]
    forged = sign_note(f"{text}\n", [Signer.generate(origin)])
    results[-1]["receipt"] = f"{head}\n\n{forged.decode()}"


@pytest.fixture
def honest(tmp_path: Path) -> Iterator[Registry]:
    with registry_here(tmp_path / "honest") as one:
        yield one


@pytest.fixture
def publisher(tmp_path: Path, config_folder: Path) -> tuple[Path, Path]:
    assert not config_folder.exists()
    keys.write_private_key(tmp_path / "key.pem", keys.generate_private_key(), None)
    return models.tiny_model(tmp_path / "tiny"), tmp_path / "key.pem"


@pytest.mark.parametrize(
    "change",
    [_other_time, _other_bundle, _swapped_receipts, _beyond_the_tree, _no_receipt, _another_logs_checkpoint],
)
def test_a_receipt_that_proves_nothing_is_not_believed(
    honest: Registry, publisher: tuple[Path, Path], change: Callable[[list[dict[str, Any]]], None]
) -> None:
    model, key = publisher
    with _liar(honest, _changing_results(change)) as url:
        done = here("publish", model, "acme/tiny@1", "--registry", url, "--key", key, "--json")
    assert done.exit_code == 1, done.stdout + done.stderr
    assert done.json()["error"]["step"] == {"n": 7, "name": "recorded"}
    assert not (model / "provenance.jsonl").exists()
    assert not (model / "model.sig").exists()


def test_a_record_without_the_release_is_not_written(honest: Registry, publisher: tuple[Path, Path]) -> None:
    model, key = publisher

    def lie(asked: Asked, body: bytes) -> bytes:
        return body.splitlines(keepends=True)[0] if asked.path.endswith("/provenance") else body

    with _liar(honest, lie) as url:
        done = here("publish", model, "acme/tiny@1", "--registry", url, "--key", key)
    assert done.exit_code == 1
    assert "lacks one of its statements" in done.stderr
    assert not (model / "provenance.jsonl").exists()


def test_a_log_that_names_another_key_than_the_pinned_one(
    honest: Registry, publisher: tuple[Path, Path]
) -> None:
    model, key = publisher
    here("log", "trust", "add", honest.url, "--yes")
    impostor = Signer.generate(honest.origin)

    def lie(asked: Asked, body: bytes) -> bytes:
        if asked.path != "/api/v1/log":
            return body
        return json.dumps({**json.loads(body), "vkey": impostor.verifier.vkey}).encode()

    with _liar(honest, lie) as url:
        done = here("publish", model, "acme/tiny@1", "--registry", url, "--key", key)
    assert done.exit_code == 1
    assert "another key than when you pinned it" in done.stderr
    assert honest.get("/api/v1/log")["size"] == 1


def test_a_log_whose_checkpoint_is_not_signed_by_its_key_is_never_pinned(
    honest: Registry, publisher: tuple[Path, Path], config_folder: Path
) -> None:
    model, key = publisher

    def lie(asked: Asked, body: bytes) -> bytes:
        if asked.path != "/api/v1/log":
            return body
        document = json.loads(body)
        return json.dumps({**document, "vkey": Signer.generate(document["origin"]).verifier.vkey}).encode()

    with _liar(honest, lie) as url:
        done = here("publish", model, "acme/tiny@1", "--registry", url, "--key", key)
    assert done.exit_code == 1
    assert "step 7" in done.stderr
    assert not (config_folder / "logs.json").exists()
