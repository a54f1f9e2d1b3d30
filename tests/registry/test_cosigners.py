# SPDX-License-Identifier: Apache-2.0
"""The registry's side of witnessing: who lies, lags or hangs gets no cosignature onto a checkpoint."""

from __future__ import annotations

import dataclasses
import gzip
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.library.servers import Asked, Handler, Script, ScriptedServer, scripted_server
from tests.registry.publishers import Publisher, stored
from tests.registry.test_crashes import Death, dying_at
from tests.registry.witnesses import GrowingLog, cosigner_key, policy_text, running_witness, witness_of
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, CosigningError
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import fsck
from weighbridge_registry.log.cosigners import Cosigners, Refresher, read_witness_policy
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings
from weighbridge_registry.store.queue import Waiting
from weighbridge_registry.witness import Witness

LOG = GrowingLog()
KEY = cosigner_key()


@dataclasses.dataclass
class Fake:
    """A witness made of a script, with one key."""

    server: ScriptedServer
    key: tlog.Signer = KEY

    @property
    def posts(self) -> list[tlog.Submission]:
        """The requests to cosign so far."""
        return [tlog.parse_submission(one.body) for one in self.server.asked if one.method == "POST"]

    def cosigners(self, **options: Any) -> Cosigners:
        return cosigners_of((self.key.verifier, self.server.url), **options)


def cosigners_of(*witnesses: tuple[tlog.Verifier, str], seconds: float = 5.0, **options: Any) -> Cosigners:
    policy = read_witness_policy(policy_text(*witnesses), LOG.signer.verifier)
    return Cosigners(policy.witnesses, LOG.signer.verifier, seconds=seconds, **options)


@pytest.fixture
def fake() -> Iterator[Callable[[Script], Fake]]:
    with ExitStack() as stack:
        yield lambda script: Fake(stack.enter_context(scripted_server(script)))


def answers(body: bytes, status: int = 200, content_type: str = "text/plain") -> Script:
    return lambda handler, _asked: handler.answer(status, body, content_type)


def line(size: int, key: tlog.Signer = KEY, log: GrowingLog = LOG, ahead: float = 0) -> bytes:
    return tlog.cosign(log.note(size), key, int(time.time() + ahead)).line().encode()


def serving(witness: Witness) -> Script:
    """A real witness behind the small server."""

    def script(handler: Handler, asked: Asked) -> None:
        if asked.method == "GET":
            note = witness.checkpoint(asked.path.split("/")[1])
            handler.answer(404 if note is None else 200, note or b"", "text/plain")
            return
        try:
            handler.answer(200, witness.add_checkpoint(asked.body), "text/plain")
        except CosigningError as error:
            told = b"" if error.size is None else tlog.format_size(error.size)
            handler.answer(error.status, told, tlog.SIZE_TYPE)

    return script


def cosigned_by(note: bytes, *keys: tlog.Verifier) -> set[str]:
    opened = tlog.parse_checkpoint(note, [LOG.signer.verifier])
    return {one.name for one in tlog.cosignatures(opened.note, keys)}


def test_an_honest_witness_cosigns_every_step(fake: Callable[[Script], Fake], tmp_path: Path) -> None:
    witness = witness_of(tmp_path / "w", LOG.signer.verifier)
    server = fake(serving(witness)).server
    cosigners = cosigners_of((witness.verifier, server.url))
    for size in (1, 70, 256, 300, 300):
        note = cosigners.cosign(LOG.note(size), LOG.prove(size))
        assert cosigned_by(note, witness.verifier) == {witness.verifier.name}
    (state,) = cosigners.states()
    assert (state.cosigned, state.failures, state.problem) == (300, 0, None)
    assert len(server.asked) == 5
    witness.close()


def test_after_a_restart_the_witness_tells_where_it_is(
    fake: Callable[[Script], Fake], tmp_path: Path
) -> None:
    """The registry knows nothing, asks from 0, is told 100, and proves from there."""
    witness = witness_of(tmp_path / "w", LOG.signer.verifier)
    witness.add_checkpoint(LOG.ask(0, 100))
    server = fake(serving(witness)).server
    note = cosigners_of((witness.verifier, server.url)).cosign(LOG.note(300), LOG.prove(300))
    assert cosigned_by(note, witness.verifier)
    assert [tlog.parse_submission(one.body).old_size for one in server.asked] == [0, 100]
    witness.close()


def garbage(handler: Handler) -> None:
    handler.wfile.write(b"garbage\r\n\r\n")
    handler.close_connection = True


LIES = {
    "another witness's key": answers(line(100, cosigner_key())),
    "another key under its name": answers(line(100, cosigner_key(KEY.name))),
    "a cosignature for a smaller tree": answers(line(99)),
    "a cosignature for a fork": answers(line(100, log=LOG.forked(3))),
    "a cosignature beside a false one": answers(line(100) + line(99)),
    "a time far ahead": answers(line(100, ahead=3600)),
    "a time long ago": answers(line(100, ahead=-3600)),
    "a checkpoint instead of a line": answers(LOG.note(100)),
    "a further line for the log's own key": answers(b"\n\n" + line(100)),
    "nothing": answers(b""),
    "a size beyond the log": answers(b"101\n", 409, tlog.SIZE_TYPE),
    "the size that was sent": answers(b"0\n", 409, tlog.SIZE_TYPE),
    "a size that is none": answers(b"ten\n", 409, tlog.SIZE_TYPE),
    "a conflict without a size": answers(b"50\n", 409, "text/plain"),
    "a refusal": answers(b"no", 403),
    "a fault": answers(b"", 500),
    "busy for an hour": lambda handler, _asked: handler.answer(503, b"", Retry_After="3600"),
    "a redirect to elsewhere": lambda handler, _asked: handler.answer(
        307, b"", Location="http://127.0.0.1:1/add-checkpoint"
    ),
    "a huge answer": answers(line(100) * 3000),
    "a compressed flood": lambda handler, _asked: handler.answer(
        200, gzip.compress(bytes(50_000_000)), "text/plain", Content_Encoding="gzip"
    ),
    "a broken line": lambda handler, _asked: garbage(handler),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_never_reaches_the_checkpoint(lie: str, fake: Callable[[Script], Fake]) -> None:
    witness = fake(LIES[lie])
    cosigners = witness.cosigners()
    assert cosigners.cosign(LOG.note(100), LOG.prove(100)) == LOG.note(100)
    (state,) = cosigners.states()
    assert state.failures == 1
    assert state.problem
    assert len(witness.posts) == 1


def test_a_witness_that_tells_ever_other_sizes_is_left_after_three(fake: Callable[[Script], Fake]) -> None:
    sizes = iter(range(1, 90))
    witness = fake(lambda handler, _asked: handler.answer(409, tlog.format_size(next(sizes)), tlog.SIZE_TYPE))
    assert witness.cosigners().cosign(LOG.note(100), LOG.prove(100)) == LOG.note(100)
    assert [one.old_size for one in witness.posts] == [0, 1, 2]


def test_a_witness_that_forgets_what_it_cosigned_is_not_helped_to(fake: Callable[[Script], Fake]) -> None:
    """It was reset: proving from its smaller size again would let it serve a second history."""
    replies = iter([(200, line(100)), (409, b"50\n")])

    def script(handler: Handler, _asked: Asked) -> None:
        status, body = next(replies)
        handler.answer(status, body, tlog.SIZE_TYPE if status == 409 else "text/plain")

    witness = fake(script)
    cosigners = witness.cosigners()
    assert cosigned_by(cosigners.cosign(LOG.note(100), LOG.prove(100)), KEY.verifier)
    assert cosigners.cosign(LOG.note(200), LOG.prove(200)) == LOG.note(200)
    assert "forgotten" in (cosigners.states()[0].problem or "")


def test_one_that_hangs_and_one_that_drips_do_not_keep_the_others_waiting(
    fake: Callable[[Script], Fake], caplog: pytest.LogCaptureFixture
) -> None:
    """Three at once: the honest one's line is there when the time is up, and is not lost."""

    def hang(handler: Handler, _asked: Asked) -> None:
        handler.server.scripted.stopping.wait(20)

    def drip(handler: Handler, _asked: Asked) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n")
        while not handler.server.scripted.stopping.wait(0.1):
            handler.wfile.write(b"x")

    hanging, dripping, honest = fake(hang), fake(drip), fake(answers(line(100)))
    others = [cosigner_key(name) for name in ("witness.example/hangs", "witness.example/drips")]
    cosigners = cosigners_of(
        (others[0].verifier, hanging.server.url),
        (others[1].verifier, dripping.server.url),
        (KEY.verifier, honest.server.url),
        seconds=0.7,
    )
    assert cosigned_by(cosigners.cosign(LOG.note(100), LOG.prove(100)), KEY.verifier) == {KEY.name}
    assert [one.failures for one in cosigners.states()] == [1, 1, 0]
    # From now on only the honest one is waited for, until a round of refreshing asks everybody.
    assert cosigned_by(cosigners.cosign(LOG.note(100), LOG.prove(100)), KEY.verifier) == {KEY.name}
    assert len(honest.posts) == 2
    assert len(hanging.server.asked) == len(dripping.server.asked) == 1
    cosigners.cosign(LOG.note(100), LOG.prove(100), everybody=True)
    assert [one.failures for one in cosigners.states()] == [2, 2, 0]
    told = [one for one in caplog.records if "does not cosign" in one.getMessage()]
    assert len(told) == 2


def test_a_witness_that_comes_back_is_asked_again_by_the_next_refreshing(
    fake: Callable[[Script], Fake], caplog: pytest.LogCaptureFixture
) -> None:
    replies = iter([(500, b""), (500, b""), (200, line(100))])

    def script(handler: Handler, _asked: Asked) -> None:
        status, body = next(replies)
        handler.answer(status, body, "text/plain")

    cosigners = fake(script).cosigners()
    for everybody in (False, True, False):
        assert cosigners.cosign(LOG.note(100), LOG.prove(100), everybody=everybody) == LOG.note(100)
    note = cosigners.cosign(LOG.note(100), LOG.prove(100), everybody=True)
    assert cosigned_by(note, KEY.verifier)
    (state,) = cosigners.states()
    assert (state.failures, state.problem) == (2, None)
    assert [one.getMessage().partition(" ")[0] for one in caplog.records].count("the") == 2


def test_what_a_witness_promised_is_known_again_from_the_published_checkpoint(
    fake: Callable[[Script], Fake],
) -> None:
    """After a restart of the registry, too, a witness that was reset is caught."""
    witness = fake(answers(b"50\n", 409, tlog.SIZE_TYPE))
    published = tlog.add_signatures(LOG.note(100), [tlog.cosign(LOG.note(100), KEY, int(time.time()))])
    cosigners = witness.cosigners()
    assert cosigners.cosign(published, LOG.prove(100), everybody=True) == published
    assert [one.old_size for one in witness.posts] == [100]
    assert "forgotten" in (cosigners.states()[0].problem or "")


def test_a_spoilt_line_on_the_published_checkpoint_is_replaced(fake: Callable[[Script], Fake]) -> None:
    """Somebody edited the file: publication goes on, and the line that does not hold is gone."""
    spoilt = LOG.note(100) + line(99)
    note = fake(answers(line(100))).cosigners().cosign(spoilt, LOG.prove(100))
    assert cosigned_by(note, KEY.verifier) == {KEY.name}


def test_two_rounds_at_once_take_turns_at_a_witness_and_neither_goes_without(
    fake: Callable[[Script], Fake], tmp_path: Path
) -> None:
    """A batch is published while the refreshing of the tree before is under way."""
    witness = witness_of(tmp_path / "w", LOG.signer.verifier)
    slowly = serving(witness)

    def script(handler: Handler, asked: Asked) -> None:
        time.sleep(0.2)
        slowly(handler, asked)

    cosigners = cosigners_of((witness.verifier, fake(script).server.url), seconds=20.0)
    notes: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: notes.append(cosigners.cosign(LOG.note(100), LOG.prove(100))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [cosigned_by(note, witness.verifier) for note in notes] == [{witness.verifier.name}] * 3
    witness.close()


def test_a_tree_that_was_overtaken_is_not_asked_for_and_is_no_failure(
    fake: Callable[[Script], Fake],
) -> None:
    witness = fake(answers(line(200)))
    cosigners = witness.cosigners()
    cosigners.cosign(LOG.note(200), LOG.prove(200))
    assert cosigners.cosign(LOG.note(100), LOG.prove(100)) == LOG.note(100)
    assert cosigners.states()[0].failures == 0
    assert len(witness.posts) == 1


def test_earlier_cosignatures_stay_until_the_same_witness_gives_a_newer_one(
    fake: Callable[[Script], Fake],
) -> None:
    other = cosigner_key("witness.example/w2")
    before = tlog.add_signatures(
        LOG.note(100), [tlog.cosign(LOG.note(100), one, 1_700_000_000) for one in (KEY, other)]
    )
    note = fake(answers(line(100))).cosigners().cosign(before, LOG.prove(100))
    opened = tlog.parse_checkpoint(note, [LOG.signer.verifier]).note
    times = {one.name: one.time for one in tlog.cosignatures(opened, [KEY.verifier, other.verifier])}
    assert times[other.name] == 1_700_000_000
    assert times[KEY.name] > 1_700_000_000
    assert len(opened.signatures) == 3


def test_two_registries_with_one_key_cannot_both_be_cosigned(
    fake: Callable[[Script], Fake], tmp_path: Path
) -> None:
    """The operator runs a second history under the same key: one witness cosigns one of them."""
    witness = witness_of(tmp_path / "w", LOG.signer.verifier)
    server = fake(serving(witness)).server
    logs = (LOG, LOG.forked(150))
    start = threading.Barrier(2)
    notes: list[bytes] = []

    def publish(log: GrowingLog) -> None:
        cosigners = cosigners_of((witness.verifier, server.url))
        start.wait()
        notes.append(cosigners.cosign(log.note(200), log.prove(200)))
        notes.append(cosigners.cosign(log.note(300), log.prove(300), everybody=True))

    threads = [threading.Thread(target=publish, args=[log]) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    roots: dict[int, set[bytes]] = {200: set(), 300: set()}
    for note in notes:
        signed = tlog.parse_checkpoint(note, [LOG.signer.verifier])
        if cosigned_by(note, witness.verifier):
            roots[signed.size].add(signed.root)
    assert [len(found) for found in roots.values()] == [1, 1]
    assert next(iter(roots[300])) == tlog.root_hash(
        (LOG if next(iter(roots[200])) == tlog.root_hash(LOG.hashes[:200]) else logs[1]).hashes
    )
    witness.close()


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        ("quorum none\n", "no witness with an address"),
        (f"witness w {KEY.verifier.vkey}\nquorum w\n", "no witness with an address"),
        (f"witness w {KEY.verifier.vkey} ftp://w.example\nquorum w\n", "not the address of a witness"),
        (f"witness w {KEY.verifier.vkey} http://u:p@w.example\nquorum w\n", "not the address of a witness"),
        (f"log {tlog.Signer.generate('log.example/two').verifier.vkey}\nquorum none\n", "names other logs"),
    ],
    ids=["no witness", "no address", "no web address", "a password", "another log"],
)
def test_policies_that_cannot_be_meant(policy: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as caught:
        read_witness_policy(policy.encode(), LOG.signer.verifier)
    assert "u:p" not in str(caught.value)


# The whole registry with a real witness.


@dataclasses.dataclass
class Witnessed:
    """A registry's settings with one real witness that serves its log."""

    settings: Settings
    witness: Witness
    url: str

    def open(self, hook: Callable[[str], None] | None = None, **changes: Any) -> Service:
        return open_service(dataclasses.replace(self.settings, **changes), hook)

    def published(self, service: Service) -> set[str]:
        data = service.folder.log.published() or b""
        opened = tlog.parse_checkpoint(data, [service.keys.log.verifier])
        return {one.name for one in tlog.cosignatures(opened.note, [self.witness.verifier])}


@pytest.fixture
def witnessed(tmp_path: Path) -> Iterator[Witnessed]:
    plain = Settings(data=tmp_path / "data", public_sigstore=False)
    service = open_service(plain)
    verifier = service.keys.log.verifier
    service.close()
    witness = witness_of(tmp_path / "w", verifier)
    with running_witness(witness) as url:
        policy = policy_text((witness.verifier, url))
        settings = dataclasses.replace(
            plain, witness_policy=policy, witness_seconds=10.0, witness_refresh_seconds=3600.0
        )
        yield Witnessed(settings, witness, url)


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def numbers(service: Service) -> dict[str, float]:
    """What `/metrics` tells of the witness that the policy calls w1, by the name without its prefix."""
    text = TestClient(create_api(service)).get("/metrics").text
    pattern = r'^weighbridge_witness_(\w+){witness="w1"} (\S+)$'
    return {name: float(value) for name, value in re.findall(pattern, text, re.MULTILINE)}


def test_receipts_carry_cosignatures_and_the_log_document_names_them(witnessed: Witnessed) -> None:
    service = witnessed.open()
    until(lambda: service.queries.log().witnesses)  # the first refreshing, at the start
    (place, _) = service.submit(Publisher(service.origin).start()).result(30)
    document = service.queries.log()
    (told,) = document.witnesses
    assert (told.name, told.vkey) == (witnessed.witness.verifier.name, witnessed.witness.verifier.vkey)
    assert abs(told.time - time.time()) < 300
    assert document.quorum == "met"
    counted = numbers(service)
    assert abs(counted["cosigned_seconds"] - time.time()) < 300
    assert (counted["cosigned_entries"], "failures_total" in counted) == (3, True)
    (result,) = service.queries.submissions([(place.index, True)])
    receipt = tlog.parse_receipt(result.receipt.encode())
    policy = tlog.WitnessPolicy.parse(witnessed.settings.witness_policy or b"")
    signed = tlog.parse_checkpoint(receipt.checkpoint, [service.keys.log.verifier])
    assert [one.verifier for one in policy.satisfied(signed.note)] == [witnessed.witness.verifier]
    service.close()
    assert fsck(witnessed.settings.data, public_sigstore=False).ok


def test_refreshing_makes_the_published_checkpoint_newer_and_nothing_else(
    witnessed: Witnessed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnessed.witness, "_clock", lambda: time.time() - 100)
    service = witnessed.open(witness_refresh_seconds=0.05)
    until(lambda: service.queries.log().witnesses)
    before = service.queries.log()
    monkeypatch.setattr(witnessed.witness, "_clock", time.time)
    until(lambda: service.queries.log().witnesses[0].time >= before.witnesses[0].time + 99)
    after = service.queries.log()
    assert (after.size, after.root) == (before.size, before.root)
    service.close()


def test_without_its_witness_a_registry_goes_on_and_says_so(witnessed: Witnessed) -> None:
    policy = policy_text((witnessed.witness.verifier, "http://127.0.0.1:1"))
    plain = witnessed.open()
    before = numbers(plain).get("failures_total", 0.0)
    plain.close()
    service = witnessed.open(witness_policy=policy)
    assert len(service.submit(Publisher(service.origin).start()).result(30)) == 2
    document = service.queries.log()
    assert (document.witnesses, document.quorum) == ((), "missed")
    until(lambda: numbers(service)["failures_total"] > before)
    service.close()


@pytest.mark.parametrize("step", ["staged", "swapped", "tiles", "published", "applied"])
def test_dead_at_a_step_it_is_cosigned_once_it_is_healed(
    witnessed: Witnessed, step: str, tmp_path: Path
) -> None:
    """Never before the swap: what a witness saw is then always what the healed log has."""
    service = witnessed.open(dying_at(step, 1))
    until(lambda: witnessed.published(service))
    origin = service.origin
    seen = witnessed.witness.checkpoint(tlog.origin_digest(origin))
    with pytest.raises(Death):
        service.sequencer._process(submissions_of(service))
    shown = witnessed.witness.checkpoint(tlog.origin_digest(origin))
    assert (shown != seen) == (step in {"published", "applied"})
    abandon(service)
    again = witnessed.open()
    until(lambda: witnessed.published(again))
    head = tlog.parse_checkpoint(again.folder.log.published() or b"", [again.keys.log.verifier])
    assert head.size == 3
    again.close()
    assert fsck(witnessed.settings.data, public_sigstore=False).ok


def submissions_of(service: Service) -> list[Any]:
    """Rows of a queue that the service's own thread does not look at."""
    names = stored(service, Publisher(service.origin).start())
    return [Waiting("0" * 32, names, 0, 2**40, kept=False, number=1)]


def abandon(service: Service) -> None:
    """Leave a registry as a crash does, in a process that goes on."""
    assert service._refresher is not None
    service._refresher.close()
    service.desk.close(0)
    service.sequencer.close()
    service.database.close()
    service._crew.close()
    service._lock.release()


@pytest.mark.files
def test_a_registry_restored_from_an_old_backup_does_not_start(witnessed: Witnessed, tmp_path: Path) -> None:
    """The operator vouches for the backup with a checkpoint as old as itself. The witness knows better."""
    backup = tmp_path / "backup"
    shutil.copytree(witnessed.settings.data, backup)
    old = (backup / "public" / "checkpoint").read_bytes()
    service = witnessed.open()
    service.submit(Publisher(service.origin).start()).result(30)
    service.close()
    with pytest.raises(ConfigurationError, match="has seen 3 entries") as caught:
        witnessed.open(data=backup, saw_checkpoints=(old,))
    assert "checkpoint" in caught.value.evidence
    shutil.rmtree(backup)


def test_a_refresher_survives_what_it_calls() -> None:
    calls: list[int] = []
    done = threading.Event()

    def refresh() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("disk full")
        done.set()

    refresher = Refresher(refresh, 0.001)
    refresher.start()
    assert done.wait(20)
    refresher.close()
