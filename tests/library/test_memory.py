# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from weighbridge.errors import (
    ConfigurationError,
    ForkError,
    InputError,
    LogError,
    SignerError,
    UnavailableError,
)
from weighbridge.memory import LoggedRelease, Memory
from weighbridge.tlog import (
    Checkpoint,
    SignedCheckpoint,
    Signer,
    leaf_hash,
    open_note,
    parse_checkpoint,
    root_hash,
    sign_checkpoint,
)

LOG = Signer("log.example/one", bytes(range(32)))
KEY_ID = LOG.verifier.key_id
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
Proof = Callable[[SignedCheckpoint, SignedCheckpoint], None]


def checkpoint(size: int, *, history: bytes = b"honest", signer: Signer = LOG) -> SignedCheckpoint:
    """A signed checkpoint of one of several histories that the log's operator keeps."""
    root = root_hash(leaf_hash(history + b" %d" % number) for number in range(size))
    return parse_checkpoint(sign_checkpoint(Checkpoint(signer.name, size, root), signer), [signer.verifier])


def tiles_of(history: bytes = b"honest") -> Proof:
    """What a client with the tiles of one history can prove."""

    def prove(old: SignedCheckpoint, new: SignedCheckpoint) -> None:
        if checkpoint(new.size, history=history).root != new.root:
            raise LogError("these are not the tiles of that checkpoint")
        if checkpoint(old.size, history=history).root != old.root:
            raise ForkError("the larger tree does not begin with the smaller one")

    return prove


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "config", enabled=True, clock=lambda: NOW)


def evidence_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "config" / "evidence").glob("*"))


def test_nothing_is_known_at_first(memory: Memory, tmp_path: Path) -> None:
    assert memory.checkpoint("log.example/one", KEY_ID) is None
    assert memory.signers("log.example/one", "acme") == frozenset()
    assert memory.known_logged("00" * 32) == ()
    assert not (tmp_path / "config").exists()


def test_the_largest_checkpoint_is_remembered(memory: Memory) -> None:
    for size in (3, 9, 5):
        memory.remember_checkpoint(checkpoint(size))
    largest = memory.checkpoint("log.example/one", KEY_ID)
    assert largest is not None
    assert largest.size == 9
    assert memory.checkpoint("log.example/two", KEY_ID) is None
    assert memory.checkpoint("log.example/one", bytes(4)) is None


def test_an_old_receipt_is_no_rollback(memory: Memory, tmp_path: Path) -> None:
    """A model downloaded last year still carries last year's receipt."""
    memory.remember_checkpoint(checkpoint(9), live=True)
    memory.remember_checkpoint(checkpoint(5))
    memory.remember_checkpoint(checkpoint(5), prove=tiles_of())
    assert evidence_files(tmp_path) == []


def test_a_server_whose_log_shrinks_is_caught(memory: Memory, tmp_path: Path) -> None:
    memory.remember_checkpoint(checkpoint(9))
    with pytest.raises(ForkError, match="size 9 before, and now one of size 5") as caught:
        memory.remember_checkpoint(checkpoint(5), live=True)
    assert caught.value.evidence["checkpoints"] == [checkpoint(9).data.decode(), checkpoint(5).data.decode()]
    assert len(evidence_files(tmp_path)) == 1


def test_what_another_process_learnt_meanwhile_is_no_rollback(tmp_path: Path) -> None:
    """Two publications at once: one asks, the other is recorded and remembered, the first gets its answer."""
    clock = [NOW]
    memory = Memory(tmp_path / "config", enabled=True, clock=lambda: clock[0])
    memory.remember_checkpoint(checkpoint(3))
    asked, clock[0] = NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)
    memory.remember_checkpoint(checkpoint(7))
    memory.remember_checkpoint(checkpoint(5), prove=tiles_of(), live=True, asked=asked)
    with pytest.raises(ForkError, match="size 7 before, and now one of size 5"):
        memory.remember_checkpoint(checkpoint(5), live=True)
    with pytest.raises(ForkError, match="size 7 before, and now one of size 6"):
        memory.remember_checkpoint(checkpoint(6), live=True, asked=NOW + timedelta(seconds=3))


def test_many_processes_remember_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    def remember(part: int) -> None:
        memory = Memory(tmp_path / "config", enabled=True)
        for number in range(6):
            memory.remember_checkpoint(checkpoint(1 + part * 6 + number))
            memory.remember_logged("o", ["ab" * 32], release=f"a/b@{part}.{number}", received=1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(remember, range(4)))
    memory = Memory(tmp_path / "config", enabled=True)
    assert len(memory.known_logged("ab" * 32)) == 24
    asked: list[int] = []
    memory.remember_checkpoint(checkpoint(30), prove=lambda old, _new: asked.append(old.size))
    assert sorted(asked) == list(range(1, 25))


def test_two_trees_of_one_size_are_a_fork_wherever_the_second_comes_from(
    memory: Memory, tmp_path: Path
) -> None:
    memory.remember_checkpoint(checkpoint(7))
    for _ in range(2):
        with pytest.raises(ForkError, match="two different trees of size 7") as caught:
            memory.remember_checkpoint(checkpoint(7, history=b"for the victim"))
    (file,) = evidence_files(tmp_path)
    assert str(file) in caught.value.hint
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    evidence = json.loads(file.read_text())
    assert evidence["found"] == "2026-11-23T09:00:00Z"
    for text in evidence["checkpoints"]:
        assert open_note(text.encode(), [evidence["vkey"]]), "anyone can check the evidence"
    remembered = memory.checkpoint("log.example/one", KEY_ID)
    assert remembered is not None
    assert remembered.root == checkpoint(7).root


def test_a_fork_at_another_size_is_caught_as_soon_as_it_can_be_proved(memory: Memory, tmp_path: Path) -> None:
    """Offline, the victim got a receipt of a private history; later the client talks to the log."""
    memory.remember_checkpoint(checkpoint(4))
    memory.remember_checkpoint(checkpoint(6, history=b"for the victim"))
    assert evidence_files(tmp_path) == []
    with pytest.raises(ForkError, match="size 9 that does not begin with that of size 6"):
        memory.remember_checkpoint(checkpoint(9), prove=tiles_of(), live=True)
    assert len(evidence_files(tmp_path)) == 1


def test_checkpoints_that_wait_are_joined_once(memory: Memory) -> None:
    asked: list[tuple[int, int]] = []

    def prove(old: SignedCheckpoint, new: SignedCheckpoint) -> None:
        asked.append((old.size, new.size))
        tiles_of()(old, new)

    for size in (4, 2, 6):
        memory.remember_checkpoint(checkpoint(size))
    memory.remember_checkpoint(checkpoint(9), prove=prove)
    assert asked == [(2, 9), (4, 9), (6, 9)]
    memory.remember_checkpoint(checkpoint(9), prove=prove)
    assert len(asked) == 3
    memory.remember_checkpoint(checkpoint(12), prove=prove)
    assert asked[3:] == [(9, 12)]


def test_a_log_that_cannot_be_reached_leaves_the_question_open(memory: Memory) -> None:
    def unreachable(_old: SignedCheckpoint, _new: SignedCheckpoint) -> None:
        raise UnavailableError("no answer")

    memory.remember_checkpoint(checkpoint(4))
    with pytest.raises(UnavailableError):
        memory.remember_checkpoint(checkpoint(6, history=b"for the victim"), prove=unreachable)
    with pytest.raises(ForkError):
        memory.remember_checkpoint(checkpoint(9), prove=tiles_of())


def test_a_head_that_another_process_set_meanwhile_is_compared_later(memory: Memory) -> None:
    memory.remember_checkpoint(checkpoint(4))

    def prove(old: SignedCheckpoint, new: SignedCheckpoint) -> None:
        if new.size == 6:
            memory.remember_checkpoint(checkpoint(8, history=b"for the victim"))
            memory.remember_checkpoint(checkpoint(4))

    memory.remember_checkpoint(checkpoint(6), prove=prove)
    with pytest.raises(ForkError):
        memory.remember_checkpoint(checkpoint(9), prove=tiles_of())


def test_only_so_many_checkpoints_wait_and_the_largest_are_kept(memory: Memory) -> None:
    for size in range(60, 0, -1):
        memory.remember_checkpoint(checkpoint(size))
    largest = memory.checkpoint("log.example/one", KEY_ID)
    assert largest is not None
    assert largest.size == 60
    asked: list[int] = []
    memory.remember_checkpoint(checkpoint(61), prove=lambda old, _new: asked.append(old.size))
    assert len(asked) <= 33
    assert 60 in asked


def test_remembered_checkpoints_are_verified_again_when_read(memory: Memory, tmp_path: Path) -> None:
    memory.remember_checkpoint(checkpoint(4))
    (file,) = (tmp_path / "config" / "memory" / "checkpoints").glob("*.json")
    file.write_text(file.read_text().replace("\\n4\\n", "\\n5\\n"))
    with pytest.raises(ConfigurationError, match="spoilt"):
        memory.checkpoint("log.example/one", KEY_ID)
    with pytest.raises(ConfigurationError, match="spoilt"):
        memory.remember_checkpoint(checkpoint(6))


def test_evidence_that_cannot_be_written_is_still_in_the_error(memory: Memory, tmp_path: Path) -> None:
    memory.remember_checkpoint(checkpoint(7))
    (tmp_path / "config" / "evidence").write_text("a file where the folder should be")
    with pytest.raises(ForkError) as caught:
        memory.remember_checkpoint(checkpoint(7, history=b"other"))
    assert len(caught.value.evidence["checkpoints"]) == 2
    assert "the evidence of this error holds" in caught.value.hint


def test_owners_are_remembered_for_each_log_and_namespace(memory: Memory) -> None:
    memory.remember_signers("log.example/one", "Ac-me", {"aa", "bb"}, index=3)
    assert memory.signers("log.example/one", "acme") == {"aa", "bb"}
    assert memory.signers("log.example/two", "acme") == frozenset()
    assert memory.signers("log.example/one", "acm") == frozenset()
    memory.remember_signers("log.example/one", "acme", {"bb"}, index=9)
    memory.remember_signers("log.example/one", "acme", {"aa"}, index=3)
    assert memory.signers("log.example/one", "acme") == {"bb"}, "an older record changes nothing"


def test_a_namespace_given_to_others_is_refused_by_those_who_knew_it(memory: Memory) -> None:
    memory.remember_signers("log.example/one", "acme", {"aa"})
    with pytest.raises(SignerError, match="given to other owners") as caught:
        memory.remember_signers("log.example/one", "acme", {"zz"}, epoch=2, index=50)
    assert caught.value.step == 4
    assert memory.signers("log.example/one", "acme") == {"aa"}
    memory.remember_signers("log.example/one", "acme", {"zz"}, epoch=2, index=50, accept_epoch=True)
    remembered = memory.namespace("log.example/one", "acme")
    assert remembered is not None
    assert (remembered.signers, remembered.epoch, remembered.index) == ({"zz"}, 2, 50)


def test_a_digest_known_to_be_logged_is_told_with_name_and_date(memory: Memory) -> None:
    root, model = "ab" * 32, "cd" * 32
    for _ in range(2):
        memory.remember_logged(
            "log.example/one", [root, model], release="acme/tiny@1.0", received=1_700_000_000
        )
    memory.remember_logged("log.example/two", [model], release="acme/tiny@1.0", received=1_800_000_000)
    one = LoggedRelease("log.example/one", "acme/tiny@1.0", 1_700_000_000, "2026-11-23T09:00:00Z")
    assert memory.known_logged(root) == (one,)
    assert [each.origin for each in memory.known_logged(model)] == ["log.example/one", "log.example/two"]
    assert memory.known_logged("ef" * 32) == ()


@pytest.mark.parametrize("digest", ["", "../" * 10 + "x", "AB" * 32, "sha256:" + "ab" * 32, "ab" * 31])
def test_only_digests_name_files(memory: Memory, digest: str) -> None:
    with pytest.raises(LogError):
        memory.known_logged(digest)
    with pytest.raises(LogError):
        memory.remember_logged("o", [digest], release="a/b@1", received=1)


def test_spoilt_files_are_named(memory: Memory, tmp_path: Path) -> None:
    memory.remember_signers("o", "acme", {"aa"})
    memory.remember_logged("o", ["ab" * 32], release="a/b@1", received=1)
    for kind in ("namespaces", "logged"):
        (file,) = (tmp_path / "config" / "memory" / kind).glob("*.json")
        file.write_text('{"v": 1, "releases": [{"unknown": 1}]}')
    with pytest.raises(ConfigurationError, match=r"namespaces.* is spoilt"):
        memory.signers("o", "acme")
    with pytest.raises(ConfigurationError, match=r"logged.* is spoilt"):
        memory.known_logged("ab" * 32)


def test_memory_is_off_in_ci(tmp_path: Path) -> None:
    for value in ("true", "1", "yes"):
        assert not Memory(tmp_path, environment={"CI": value}).enabled
        assert Memory(tmp_path, True, environment={"CI": value}).enabled
    for environment in ({}, {"CI": ""}, {"CI": "false"}):
        assert Memory(tmp_path, environment=environment).enabled


def test_memory_that_is_off_knows_and_writes_nothing(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "config", enabled=False)
    memory.remember_checkpoint(checkpoint(4))
    memory.remember_checkpoint(checkpoint(4, history=b"other"), live=True)
    memory.remember_signers("o", "acme", {"aa"})
    memory.remember_logged("o", ["ab" * 32], release="a/b@1", received=1)
    assert memory.checkpoint("log.example/one", KEY_ID) is None
    assert memory.signers("o", "acme") == frozenset()
    assert memory.known_logged("ab" * 32) == ()
    assert not (tmp_path / "config").exists()


def test_everything_in_memory_is_private(memory: Memory, tmp_path: Path) -> None:
    memory.remember_checkpoint(checkpoint(4))
    memory.remember_signers("o", "acme", {"aa"})
    for path in (tmp_path / "config", *(tmp_path / "config").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_folder_that_cannot_be_written_is_told_and_stops_nobody(tmp_path: Path) -> None:
    """A read-only container verifies as well as any other machine at its first sight of a log."""
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file", enabled=True)
    memory.remember_checkpoint(checkpoint(1), prove=tiles_of(), live=True)
    memory.remember_signers("o", "acme", {"aa"})
    memory.remember_logged("o", ["ab" * 32], release="a/b@1", received=1)
    assert memory.problem is not None
    assert "cannot be written" in memory.problem
    assert memory.known_logged("ab" * 32) == ()


def test_what_cannot_be_written_is_still_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(tmp_path / "config", enabled=True)
    memory.remember_checkpoint(checkpoint(7))

    def full_disk(*_args: object, **_options: object) -> None:
        raise InputError("cannot write: No space left on device")

    monkeypatch.setattr("weighbridge.stores.write_atomically", full_disk)
    memory.remember_checkpoint(checkpoint(9))
    assert memory.problem == "nothing is remembered: cannot write: No space left on device"
    with pytest.raises(ForkError):
        memory.remember_checkpoint(checkpoint(7, history=b"other"))
