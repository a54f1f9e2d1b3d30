# SPDX-License-Identifier: Apache-2.0
"""What goes together must not fail together: turns, storing, answering."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from fastapi.testclient import TestClient

from tests.registry.publishers import Publisher, post
from weighbridge.errors import LogError, UnavailableError
from weighbridge_cli import main
from weighbridge_registry.api.receipts import Receipts
from weighbridge_registry.queries import Queries
from weighbridge_registry.service import Service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store import locks
from weighbridge_registry.store.database import open_database
from weighbridge_registry.store.files import DigestFiles
from weighbridge_registry.store.locks import BusyError, Turn

HOLDER = """
import sys
from pathlib import Path
from weighbridge_registry.store.locks import Turn
with Turn(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_a_turn_is_waited_for_across_processes_and_ends_with_a_killed_one(tmp_path: Path) -> None:
    path = tmp_path / "turn"
    command = [sys.executable, "-c", HOLDER, str(path)]
    got = threading.Event()

    def take() -> None:
        with Turn(path):
            got.set()

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"mine\n"
            waiting = threading.Thread(target=take)
            waiting.start()
            assert not got.wait(0.3), "two had the turn at one time"
        finally:
            holder.kill()
    assert got.wait(20)
    waiting.join(20)


def test_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    turn, inside, most = Turn(tmp_path / "turn"), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with turn:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1
    turn.close()


STOPPED = """
import os, signal, sys
from weighbridge_registry.store.database import open_database
with open_database(sys.argv[1]).write():
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextmanager
def stopped_writer(service: Service) -> Iterator[int]:
    """Another process that was stopped (Ctrl-Z, a debugger) in the middle of writing the database."""
    with subprocess.Popen([sys.executable, "-c", STOPPED, service.settings.database]) as holder:
        try:
            _, status = os.waitpid(holder.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            yield holder.pid
        finally:
            holder.kill()


@pytest.mark.files
def test_a_stopped_process_that_keeps_the_database_holds_nobody_up_for_ever(
    service: Service,
    client: TestClient,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service.database.turn, "_seconds", 0.3)
    threads = threading.active_count()
    with stopped_writer(service) as holder:
        for _ in range(3):  # each comes soon, and leaves nothing behind
            answer = post(client, publisher.oms({"a": b"1"}))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert answer.json()["hint"]
        assert client.get("/api/v1/log").json()["size"] == 3, "reading goes on"
        assert threading.active_count() <= threads + 3, "one thread waits for each of our three turns"
        os.kill(holder, signal.SIGCONT)
        os.waitpid(holder, 0)
        assert post(client, publisher.oms({"a": b"1"})).status_code in {200, 201}


@pytest.mark.files
def test_a_command_says_that_somebody_keeps_the_database(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.close()
    monkeypatch.setattr(locks, "TURN_SECONDS", 0.3)
    with stopped_writer(service):
        assert main.run(["log", "rebuild", "--data", str(service.folder.path)]) == 3
    told = capsys.readouterr().err
    assert "has been kept by another process or thread for 0.3 seconds" in told
    assert "a process that is stopped" in told


def test_a_turn_that_came_too_late_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "turn"
    first, second, third = Turn(path), Turn(path, 0.1), Turn(path, 20)
    with first:
        for _ in range(3):
            with pytest.raises(BusyError, match=r"for 0\.1 seconds"), second:
                pass
    with third:  # the thread that waited for the second has got it meanwhile, or not: nobody needs it
        pass
    with second:
        pass
    for turn in (first, second, third):
        turn.close()


def test_a_thread_that_keeps_the_turn_is_not_waited_for_either() -> None:
    turn = Turn(seconds=0.1)
    with turn, pytest.raises(BusyError, match="the database has been kept"), turn:
        pass


@pytest.mark.everywhere
def test_a_question_that_outlives_its_registry_leaves_no_connection_behind(tmp_path: Path, home: str) -> None:
    assert home
    database = open_database(Settings(tmp_path).database)
    with database.read() as connection:
        used: Any = connection.connection.dbapi_connection
        database.close()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        used.execute("SELECT 1")


def test_a_storage_that_fails_in_a_way_nobody_foresaw_does_not_end_the_desk(
    service: Service, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_files: DigestFiles, _objects: Any) -> None:
        raise RuntimeError("password=secret")

    with monkeypatch.context() as patch:
        patch.setattr(DigestFiles, "put_all", broken)
        with pytest.raises(UnavailableError, match="could not be stored") as caught:
            service.submit([publisher.oms({"a": b"1"})]).result(10)
        assert "secret" not in str(caught.value)
    assert service.submit([publisher.oms({"a": b"1"})]).result(10)[0].created


class Answers:
    """Queries that answer with what was asked, and fail if they are told to."""

    def __init__(self) -> None:
        self.asked: list[Sequence[tuple[int, bool]]] = []
        self.failing = False

    def submissions(self, places: Sequence[tuple[int, bool]]) -> tuple[Any, ...]:
        self.asked.append(list(places))
        if self.failing:
            raise LogError("the log is away")
        return tuple(places)


def test_everybody_gets_their_own_answer_and_who_leaves_spoils_nothing() -> None:
    answers, followed = Answers(), threading.Event()

    async def ask() -> None:
        receipts = Receipts(cast("Queries", answers), followed.set)
        asked = [asyncio.create_task(receipts.answer([(n, True), (n, False)])) for n in range(5)]
        await asyncio.sleep(0)
        asked[2].cancel()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(results[2], asyncio.CancelledError)
        for n in (0, 1, 3, 4):
            assert results[n] == ((n, True), (n, False))
        answers.failing = True
        failed = await asyncio.gather(
            *(receipts.answer([(n, True)]) for n in range(3)), return_exceptions=True
        )
        assert [type(one) for one in failed] == [LogError] * 3
        answers.failing = False
        assert await receipts.answer([(7, True)]) == ((7, True),)

    asyncio.run(ask())
    assert len(answers.asked[0]) == 10, "those who ask at one time are answered at once"
    assert followed.is_set()
