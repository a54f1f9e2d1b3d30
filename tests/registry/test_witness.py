# SPDX-License-Identifier: Apache-2.0
"""The witness server: what it promises, over HTTP and across crashes, clocks and racing logs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.registry.witnesses import GrowingLog, running_witness, witness_of
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, CosigningError, UnavailableError
from weighbridge_registry.witness import Witness, WitnessSettings, create_app, open_witness, read_logs
from weighbridge_registry.witness import app as witness_app
from weighbridge_registry.witness.register import Register

LOG = GrowingLog()


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    opened = witness_of(tmp_path / "w", LOG.signer.verifier)
    yield opened
    opened.close()


@pytest.fixture
def http(witness: Witness) -> TestClient:
    return TestClient(create_app(witness), raise_server_exceptions=False)


def time_of(line: bytes, size: int, witness: Witness) -> int:
    """The verified time of an answer."""
    text = tlog.split_note(LOG.note(size))[0]
    return tlog.parse_answer(line, text, witness.verifier).time or 0


def test_a_log_that_grows_is_cosigned_over_http(http: TestClient, witness: Witness) -> None:
    for old, size in ((0, 1), (1, 70), (70, 256), (256, 300), (300, 300)):
        answer = http.post("/add-checkpoint", content=LOG.ask(old, size))
        assert answer.status_code == 200, answer.text
        assert time_of(answer.content, size, witness) > 1_700_000_000
    shown = http.get(f"/{tlog.origin_digest(LOG.signer.name)}/checkpoint")
    assert shown.headers["content-type"].startswith("text/plain")
    opened = tlog.parse_checkpoint(shown.content, [LOG.signer.verifier])
    assert opened.size == 300
    assert [one.verifier for one in tlog.cosignatures(opened.note, [witness.verifier])] == [witness.verifier]


def test_each_refusal_has_the_status_of_the_specification(http: TestClient) -> None:
    http.post("/add-checkpoint", content=LOG.ask(0, 100))
    stranger, fork = GrowingLog(tlog.Signer.generate("log.example/two")), LOG.forked(5)
    thief = GrowingLog(tlog.Signer.generate(LOG.signer.name))
    expected = [
        (b"old 0\n", 400),
        (LOG.ask(0, 10).replace(b"old 0", b"old 11"), 400),
        (stranger.ask(0, 10), 404),
        (thief.ask(100, 200), 403),
        (LOG.ask(50, 200), 409),
        (LOG.ask(0, 50), 409),
        (fork.ask(100, 100), 422),
        (fork.ask(100, 200), 422),
    ]
    for body, status in expected:
        answer = http.post("/add-checkpoint", content=body)
        assert answer.status_code == status, answer.text
        if status == 409:
            assert (answer.content, answer.headers["content-type"]) == (b"100\n", "text/x.tlog.size")
        else:
            assert answer.headers["content-type"] == "application/problem+json"
    assert http.post("/add-checkpoint", content=LOG.ask(100, 200)).status_code == 200


def test_a_fork_leaves_evidence_that_anybody_can_check(http: TestClient, tmp_path: Path) -> None:
    http.post("/add-checkpoint", content=LOG.ask(0, 100))
    for _ in range(2):
        assert http.post("/add-checkpoint", content=LOG.forked(5).ask(100, 100)).status_code == 422
    (kept,) = (tmp_path / "w" / "evidence").iterdir()
    evidence = json.loads(kept.read_text())
    one, other = (tlog.parse_checkpoint(text.encode(), evidence["vkeys"]) for text in evidence["checkpoints"])
    assert one.size == other.size == 100
    assert one.root != other.root


def test_what_is_not_there_and_what_is_too_large(http: TestClient) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get(f"/{tlog.origin_digest(LOG.signer.name)}/checkpoint").status_code == 404
    assert http.get("/nonsense/checkpoint").status_code == 404
    assert http.get("/add-checkpoint").status_code == 405
    assert http.post("/add-checkpoint", content=bytes(600_000)).status_code == 413


def test_a_witness_goes_on_where_it_was(tmp_path: Path) -> None:
    first = witness_of(tmp_path / "w", LOG.signer.verifier, name="witness.example/w1")
    first.add_checkpoint(LOG.ask(0, 100))
    first.close()
    second = witness_of(tmp_path / "w", LOG.signer.verifier)
    assert second.verifier == first.verifier
    with pytest.raises(CosigningError) as caught:
        second.add_checkpoint(LOG.ask(0, 50))
    assert (caught.value.status, caught.value.size) == (409, 100)
    second.close()
    assert (tmp_path / "w" / "witness.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "w" / "witness.db").stat().st_mode & 0o777 == 0o600


_DIES = """
import os, sys
from pathlib import Path
from weighbridge import tlog
from weighbridge_registry.witness import witness, WitnessSettings
verifier = tlog.Verifier.from_vkey(sys.argv[2])
opened = witness.open_witness(WitnessSettings(Path(sys.argv[1]), {verifier.name: (verifier,)}))
if sys.argv[3] == "before":
    witness.Cosigned = lambda *_: os._exit(9)
opened.add_checkpoint(sys.stdin.buffer.read())
os._exit(9)
"""


@pytest.mark.parametrize(("moment", "stored"), [("before", 0), ("after", 100)])
def test_killed_around_the_commit_it_has_promised_nothing_that_it_forgets(
    tmp_path: Path, moment: str, stored: int
) -> None:
    """Killed before the record stands: nobody has a cosignature. After it: the log asks again."""
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", _DIES, str(tmp_path / "w"), LOG.signer.verifier.vkey, moment]
    done = subprocess.run(
        command, input=LOG.ask(0, 100), env=os.environ | {"PYTHONPATH": paths}, check=False, timeout=60
    )
    assert done.returncode == 9
    again = witness_of(tmp_path / "w", LOG.signer.verifier)
    if stored:
        with pytest.raises(CosigningError):
            again.add_checkpoint(LOG.ask(0, 50))
    assert time_of(again.add_checkpoint(LOG.ask(stored, 100)), 100, again)
    again.close()


def test_two_processes_of_one_witness_never_cosign_two_histories(tmp_path: Path) -> None:
    """Two servers on one register, and an operator who shows each another tree at the same moment."""
    one, two = (witness_of(tmp_path / "w", LOG.signer.verifier) for _ in range(2))
    one.add_checkpoint(LOG.ask(0, 50))
    start = threading.Barrier(2)

    def ask(witness: Witness, log: GrowingLog, old: int, size: int) -> bool:
        start.wait()
        try:
            witness.add_checkpoint(log.ask(old, size))
        except CosigningError:
            return False
        return True

    fork = LOG.forked(250)
    with ThreadPoolExecutor(2) as pool:
        for size in range(50, 60):
            # Honest growth by one, and a jump by two: only one of them may win.
            both = [(one, LOG, size, size + 1), (two, LOG, size, size + 2)]
            won = list(pool.map(lambda each: ask(*each), both))
            assert won.count(True) == 1
            if won[1]:
                break
            assert won[0]
        with pytest.raises(CosigningError) as caught:
            one.add_checkpoint(LOG.ask(0, 300))
        at = caught.value.size or 0
        won = list(pool.map(lambda each: ask(*each), [(one, LOG, at, 300), (two, fork, at, 300)]))
    assert won.count(True) == 1
    one.close()
    two.close()


def test_a_clock_that_jumps_back_never_gives_an_earlier_time(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    witness = witness_of(tmp_path / "w", LOG.signer.verifier, clock=lambda: now)
    assert time_of(witness.add_checkpoint(LOG.ask(0, 100)), 100, witness) == 1_800_000_000
    now -= 30
    assert time_of(witness.add_checkpoint(LOG.ask(100, 200)), 200, witness) == 1_800_000_000
    now -= 3600
    with pytest.raises(UnavailableError, match="clock"):
        witness.add_checkpoint(LOG.ask(200, 300))
    now += 3700
    assert time_of(witness.add_checkpoint(LOG.ask(200, 300)), 300, witness) == 1_800_000_070
    witness.close()


def test_without_its_register_a_witness_does_not_start_again(tmp_path: Path) -> None:
    witness_of(tmp_path / "w", LOG.signer.verifier).close()
    for name in ("witness.db", "witness.db-wal", "witness.db-shm"):
        (tmp_path / "w" / name).unlink(missing_ok=True)
    with pytest.raises(ConfigurationError, match="register"):
        witness_of(tmp_path / "w", LOG.signer.verifier)


def test_key_and_register_of_two_witnesses_do_not_make_one(tmp_path: Path) -> None:
    for name in "ab":
        witness_of(tmp_path / name, LOG.signer.verifier).close()
    (tmp_path / "a" / "witness.key").replace(tmp_path / "b" / "witness.key")
    with pytest.raises(ConfigurationError, match="is the register of"):
        witness_of(tmp_path / "b", LOG.signer.verifier)
    with pytest.raises(ConfigurationError, match="missing"):
        witness_of(tmp_path / "a", LOG.signer.verifier)


def test_a_first_start_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    """The register was made, the key not yet."""
    (tmp_path / "w").mkdir()
    Register.open(tmp_path / "w" / "witness.db").close()
    witness_of(tmp_path / "w", LOG.signer.verifier).close()


def test_what_a_witness_does_not_start_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one log"):
        witness_of(tmp_path / "w")
    with pytest.raises(ConfigurationError, match="cannot name"):
        witness_of(tmp_path / "w", LOG.signer.verifier, name="two words")
    witness_of(tmp_path / "w", LOG.signer.verifier, name="witness.example/w1").close()
    with pytest.raises(ConfigurationError, match="cannot become"):
        witness_of(tmp_path / "w", LOG.signer.verifier, name="witness.example/w2")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "witness.db").write_text("no database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigurationError, match="no register"):
        witness_of(tmp_path / "x", LOG.signer.verifier)


def test_logs_are_named_by_key_origin_or_policy() -> None:
    one, two = LOG.signer.verifier, tlog.Signer.generate("log.example/two").verifier
    policy = tlog.WitnessPolicy.parse(f"log {two.vkey}\nquorum none\n")
    found = read_logs([one.vkey, f"{one.vkey},other origin+1, really"], policy)
    assert found == {two.name: [two], one.name: [one], "other origin+1, really": [one]}
    for bad in ("", "log.example", witness_key(), one.vkey + "+", one.vkey.replace("+", ",", 1)):
        with pytest.raises(ConfigurationError):
            read_logs([bad])


def witness_key() -> str:
    return tlog.Signer.generate("w", tlog.Algorithm.ED25519_COSIGNATURE).verifier.vkey


def test_a_log_with_another_name_than_its_key_is_served(tmp_path: Path) -> None:
    logs = read_logs([f"{LOG.signer.verifier.vkey},log.example/renamed"])
    witness = open_witness(WitnessSettings(tmp_path / "w", logs))
    root = tlog.root_hash(LOG.hashes[:9])
    text = tlog.Checkpoint("log.example/renamed", 9, root).text()
    note = tlog.sign_note(text, [LOG.signer])
    body = tlog.format_submission(tlog.Submission(0, (), note))
    assert tlog.parse_answer(witness.add_checkpoint(body), text, witness.verifier)
    witness.close()


def test_a_slow_body_is_cut_off_and_others_are_served(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_app, "LIMITS", replace(witness_app.LIMITS, idle_seconds=0.5))
    with running_witness(witness) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 1000\r\n\r\nold ")
            assert TestClient(create_app(witness)).get("/healthz").status_code == 200
            answer = slow.recv(4096)
    assert b" 408 " in answer.split(b"\r\n")[0]
