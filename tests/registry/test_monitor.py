# SPDX-License-Identifier: Apache-2.0
"""Monitors: what happens under somebody's name is told, once, and silence is never taken for peace."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.registry.publishers import Publisher, digest_of, model_of, submit
from tests.registry.test_mirror import Registry, gone, leaves_of, other_bytes, serve, served
from weighbridge import identities, tlog
from weighbridge.errors import ConfigurationError, InputError
from weighbridge.identities import KeyIdentity
from weighbridge.leaves import encode_leaf
from weighbridge_registry.monitoring import Monitor, Outputs, RunReport, Watch
from weighbridge_registry.monitoring.delivery import write_feed
from weighbridge_registry.monitoring.lookalikes import looks_like

NOW = 1_800_000_000


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with served(Registry(tmp_path / "registry")) as one:
        submit(one.client, *one.publisher.start())
        one.publish(1)
        yield one


@dataclass
class Watcher:
    """Somebody who watches, with a clock and a folder."""

    registry: Registry
    folder: Path
    watch: Watch = field(default_factory=Watch)
    now: float = NOW
    told: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    webhook: str | None = None
    feed: Path | None = None

    def run(self) -> RunReport:
        outputs = Outputs(self.told.append, self.command, self.webhook, self.feed)
        with Monitor(
            self.registry.url,
            self.folder,
            self.registry.vkey,
            self.watch,
            outputs,
            public_sigstore=False,
            clock=lambda: self.now,
            **self.options,
        ) as monitor:
            return monitor.run()

    def rules(self) -> list[tuple[str, int | None]]:
        return [(one["rule"], one["index"]) for one in self.told]

    def next(self) -> list[str]:
        """The rules of a run that finds something new."""
        self.told.clear()
        report = self.run()
        assert report.exit_code == (1 if self.told else 0), report
        return [rule for rule, _ in self.rules()]


@pytest.fixture
def watcher(registry: Registry, tmp_path: Path) -> Watcher:
    return Watcher(registry, tmp_path / "state")


def signer_id(publisher: Publisher) -> str:
    return identities.signer_id(KeyIdentity(publisher.spki))


def test_a_quiet_log_says_how_far_it_was_read(watcher: Watcher) -> None:
    report = watcher.run()
    assert (report.exit_code, report.size, report.log_size, report.new_entries) == (0, 5, 5, 5)
    assert (report.grown, report.checked, report.cosigned) == (NOW, NOW, None)
    watcher.now += 60
    report = watcher.run()
    assert (report.exit_code, report.size, report.new_entries, report.grown) == (0, 5, 0, NOW)
    assert watcher.told == []


@pytest.mark.everywhere
def test_all_that_happens_in_my_namespace_is_told_once(registry: Registry, watcher: Watcher) -> None:
    mine = signer_id(registry.publisher)
    watcher.watch = Watch(signers=frozenset({mine}), namespaces=("Acme",))
    assert watcher.run().exit_code == 1
    assert watcher.rules() == [
        ("signer", 1),
        ("signer", 2),
        ("namespace", 2),
        ("signer", 3),
        ("signer", 4),
        ("namespace", 4),
    ]
    assert {one["yours"] for one in watcher.told} == {True}
    ids = [one["id"] for one in watcher.told]
    assert len(set(ids)) == len(ids)
    assert watcher.next() == []
    registry.publish()
    assert watcher.next() == ["signer", "signer", "namespace"]
    again = Watcher(registry, watcher.folder.with_name("again"), watcher.watch)
    again.run()
    assert [one["id"] for one in again.told][:6] == ids


def test_a_thief_of_my_key_is_told_of(registry: Registry, watcher: Watcher) -> None:
    """The key signs something that its owner did not: only the log shows it."""
    watcher.watch = Watch(signers=frozenset({signer_id(registry.publisher)}))
    watcher.run()
    thief = Publisher(registry.service.origin, "thief", "acme")
    thief.key, thief.signer = registry.publisher.key, registry.publisher.signer
    submit(registry.client, thief.release("tiny", "666", {"a": b"evil"}))
    assert watcher.next() == ["signer"]
    assert "tiny@666" in watcher.told[0]["message"]


def test_another_owner_and_another_signer_are_told_of(registry: Registry, watcher: Watcher) -> None:
    me, friend = registry.publisher, Publisher(registry.service.origin, "friend", "acme")
    watcher.watch = Watch(signers=frozenset({signer_id(me)}), models=(("acme", "tiny"),))
    watcher.run()
    claimed = registry.client.get("/api/v1/namespaces/acme").json()["statement"].removeprefix("sha256:")
    more = me.claim(owners=[me.owner, friend.owner], previous={"kind": "namespace", "sha256": claimed})
    submit(registry.client, more, friend.introduction(), friend.release("tiny", "2", {"a": b"2"}))
    assert watcher.next() == ["signer", "namespace", "signer-change"]
    change = watcher.told[-1]
    assert (change["evidence"]["before"], change["evidence"]["now"]) == (signer_id(me), signer_id(friend))
    assert not change["yours"]


def test_names_that_can_be_taken_for_mine_are_told_of(registry: Registry, watcher: Watcher) -> None:
    watcher.watch = Watch(namespaces=("acme",))
    watcher.run()
    for name in ("acrne", "zebra", "acme-official"):
        other = Publisher(registry.service.origin, name, name)
        submit(registry.client, *other.start())
    assert watcher.next() == ["lookalike", "lookalike"]


def test_somebody_who_names_me_as_an_owner_is_told_of(registry: Registry, watcher: Watcher) -> None:
    watcher.watch = Watch(signers=frozenset({signer_id(registry.publisher)}))
    watcher.run()
    other = Publisher(registry.service.origin, "other", "other")
    submit(registry.client, other.introduction(), other.claim(owners=[other.owner, registry.publisher.owner]))
    assert watcher.next() == ["owner-named"]


def test_digests_of_mine_in_statements_of_others_are_told_of(registry: Registry, watcher: Watcher) -> None:
    """A copy under another name, a model that says to descend from mine, one file that I named."""
    watcher.watch = Watch(namespaces=("acme",), digests=frozenset({digest_of(b"secret weights")}))
    watcher.run()
    other = Publisher(registry.service.origin, "other", "other")
    submit(registry.client, *other.start())
    assert watcher.next() == []
    submit(registry.client, other.release("copy", "1", {"a.safetensors": b"1"}))
    assert set(watcher.next()) == {"digest"}
    assert "acme/tiny@1" in watcher.told[0]["message"]
    submit(registry.client, other.release("leak", "1", {"x": b"secret weights"}))
    assert watcher.next() == ["digest"]
    mine = model_of({"a.safetensors": b"1"})["model_digest"]
    lineage = {"parents": [{"relation": "finetune", "digest": mine}], "datasets": []}
    submit(registry.client, other.release("child", "1", {"x": b"y"}, lineage=lineage))
    assert watcher.next() == ["digest"]


def test_what_is_said_of_a_parent_is_told_of(registry: Registry, watcher: Watcher) -> None:
    """Grandparents too: the parent of my model's parent revises what it says of itself."""
    origin = registry.service.origin
    grand, parent = Publisher(origin, "grand", "grand"), Publisher(origin, "parent", "parent")
    release = grand.release("base", "1", {"x": b"base"})
    statement = submit(registry.client, *grand.start(), release)["results"][-1]["statement"]
    lineage = {"parents": [{"relation": "finetune", "digest": model_of({"x": b"base"})["model_digest"]}]}
    submit(registry.client, *parent.start(), parent.release("mid", "1", {"x": b"mid"}, lineage=lineage))
    lineage = {"parents": [{"relation": "finetune", "digest": model_of({"x": b"mid"})["model_digest"]}]}
    submit(registry.client, registry.publisher.release("mine", "1", {"x": b"mine"}, lineage=lineage))
    watcher.watch = Watch(models=(("acme", "mine"),))
    watcher.run()
    submit(registry.client, grand.revision("card", statement, {"card": {"identity": {"title": "Worse"}}}))
    assert watcher.next() == ["upstream"]
    assert watcher.told[0]["about"] == "acme/mine@1"


def test_what_is_said_of_me_by_strangers_and_of_what_i_stand_on(registry: Registry, watcher: Watcher) -> None:
    """A stranger warns of my digest, not in my name; a yanked parent and withdrawn data are upstream."""
    origin, data = registry.service.origin, digest_of("corpus")
    other = Publisher(origin, "other", "other")
    base = submit(registry.client, *other.start(), other.release("base", "1", {"x": b"base"}))["results"][-1]
    parent = base["statement"].removeprefix("sha256:")
    described = submit(registry.client, other.say("dataset", data, name="d", identity="root"))["results"][0]
    lineage = {
        "parents": [{"relation": "finetune", "statement": {"kind": "release", "sha256": parent}}],
        "datasets": [{"stage": "sft", "name": "d", "digest": f"sha256:{data}"}],
    }
    mine = registry.publisher.release("mine", "1", {"x": b"mine"}, lineage=lineage)
    release = submit(registry.client, mine)["results"][0]["statement"].removeprefix("sha256:")
    watcher.watch = Watch(models=(("acme", "mine"),))
    watcher.run()
    warning = {"id": "W", "subject_kind": "release", "severity": "high", "summary": "it bites"}
    submit(registry.client, other.say("advisory", release, **warning))
    assert watcher.next() == ["digest"]
    assert "acme/mine@1" in watcher.told[0]["message"]
    affects = [{"statement": {"kind": "release", "sha256": parent}}]
    elsewhere = warning | {"id": "V", "subject_kind": "digest", "affects": affects}
    submit(registry.client, other.say("advisory", "0" * 64, **elsewhere))
    assert watcher.next() == ["upstream"]
    submit(registry.client, other.say("status", parent, state="yanked", reason="unsafe"))
    assert watcher.next() == ["upstream"]
    assert watcher.told[0]["message"] == "Upstream of acme/mine@1: Yanked other/base@1: unsafe"
    before = described["statement"].removeprefix("sha256:")
    gone = other.say("dataset", data, before, name="d", identity="root", withdrawn={"reason": "no consent"})
    submit(registry.client, gone)
    assert watcher.next() == ["upstream"]
    assert watcher.told[0]["message"].endswith("Withdrew the data set d: no consent")


# Delivery


class Stopped(BaseException):
    """Somebody pulled the plug."""


def test_a_run_that_is_killed_loses_no_alert_and_doubles_none(registry: Registry, watcher: Watcher) -> None:
    watcher.watch = Watch(namespaces=("acme",))
    seen: list[str] = []

    class Dying(list[dict[str, Any]]):
        def append(self, alert: dict[str, Any]) -> None:
            if len(seen) == 1:
                raise Stopped
            seen.append(alert["id"])

    watcher.told = Dying()
    with pytest.raises(Stopped):
        watcher.run()
    watcher.told = []
    report = watcher.run()
    seen += [one["id"] for one in watcher.told]
    assert len(seen) == len(set(seen)) == 2
    assert (report.alerts, report.new_entries) == (1, 0)


def test_a_command_gets_each_alert_and_a_failed_one_gets_it_again(
    registry: Registry, watcher: Watcher, tmp_path: Path
) -> None:
    taken, broken = tmp_path / "taken", tmp_path / "broken"
    program = tmp_path / "hook.py"
    program.write_text(
        f"import pathlib, sys\n"
        f"if pathlib.Path({str(broken)!r}).exists(): sys.exit(7)\n"
        f"open({str(taken)!r}, 'a').write(sys.stdin.read())\n"
    )
    broken.touch()
    watcher.watch, watcher.command = Watch(namespaces=("acme",)), (sys.executable, str(program))
    report = watcher.run()
    assert (report.alerts, report.undelivered, report.exit_code) == (0, 2, 3)
    assert "ended with 7" in str(report.problem)
    broken.unlink()
    report = watcher.run()
    assert (report.alerts, report.undelivered, report.exit_code) == (2, 0, 1)
    assert [json.loads(line)["id"] for line in taken.read_text().splitlines()] == [
        one["id"] for one in watcher.told
    ]
    assert len(watcher.told) == 2, "shown twice, though it was taken the first time"
    watcher.command = (str(tmp_path / "missing"),)
    registry.publish()
    assert "cannot be run" in str(watcher.run().problem)


@contextmanager
def hook(statuses: list[int]) -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                got.append(json.loads(body))
            self.send_response(status)
            if status == 302:
                self.send_header("location", f"http://127.0.0.1:{server.server_address[1]}/stolen")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token-s3cret?k=s3cret", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_web_hook_is_tried_again_and_its_secret_is_never_told(registry: Registry, watcher: Watcher) -> None:
    watcher.watch = Watch(models=(("acme", "tiny"),))
    with hook([503, 200]) as (address, got):
        watcher.webhook = address
        assert watcher.run().exit_code == 1
        assert [one["rule"] for one in got] == ["namespace"]
    registry.publish()
    with hook([302]) as (address, got):
        watcher.webhook = address
        report = watcher.run()
        assert got == [], "a redirect was followed"  # by GET it could not even be taken
        assert report.undelivered == 1
        assert "s3cret" not in str(report)
        assert watcher.run().undelivered == 0
        assert len(got) == 1
        assert len({one["id"] for one in watcher.told}) == len(watcher.told) == 2
    with pytest.raises(InputError) as caught:
        Outputs(print, webhook="ftp://s3cret")
    assert "s3cret" not in str(caught.value)


def test_the_feed_holds_the_newest_alerts(registry: Registry, watcher: Watcher, tmp_path: Path) -> None:
    watcher.watch, watcher.feed = Watch(namespaces=("acme",)), tmp_path / "feed.xml"
    watcher.run()
    atom = "{http://www.w3.org/2005/Atom}"
    entries = ET.parse(watcher.feed).getroot().findall(f"{atom}entry")  # noqa: S314 - our own
    assert [one.findtext(f"{atom}id") for one in entries] == [
        f"tag:weighbridge,2026:alert/{one['id']}" for one in reversed(watcher.told)
    ]
    hostile = watcher.told[0] | {"message": "<b>\x1b[31m\x00 & ]]>", "received": 2**53}
    write_feed(watcher.feed, [hostile], "x", NOW)
    assert "\x1b" not in watcher.feed.read_text()
    assert ET.parse(watcher.feed).getroot().find(f"{atom}entry") is not None  # noqa: S314 - our own


# A log that is not what it should be


LIES: dict[str, tuple[str, Callable[[Any], Any], int, str]] = {
    "forges tiles": ("/tile/0/", other_bytes, 1, "not of the tree"),
    "changes an entry": ("/tile/entries/", other_bytes, 1, "entries"),
    "swaps a bundle": ("/bundles/", other_bytes, 1, "serves other bytes"),
    "hides a bundle": ("/bundles/", gone, 3, "does not know"),
    "signs with another key": ("/checkpoint", other_bytes, 1, ""),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_operator_who_lies_is_told_of_and_what_was_read_stands(
    registry: Registry, watcher: Watcher, lie: str
) -> None:
    watcher.run()
    registry.publish()
    path, change, code, words = LIES[lie]
    registry.lies[path] = change
    report = watcher.run()
    assert (report.exit_code, report.size) == (code, 5)
    assert words in str(report.refused or report.problem)
    assert [rule for rule, _ in watcher.rules()] == (["log"] if code == 1 else [])
    told = len(watcher.told)
    assert watcher.run().exit_code == code, "still not right"
    assert len(watcher.told) == told, "told twice"
    registry.lies.clear()
    assert watcher.run().size == 7


REWRITES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "rewrites an entry": lambda leaves: [*leaves[:-1], encode_leaf("0" * 64, 2**33)],
    "drops an entry": lambda leaves: leaves[:-1],
    "serves an old checkpoint": lambda leaves: leaves[:2],
    "drops one and goes on": lambda leaves: [*leaves[:3], leaves[4], leaves[3], leaves[3]],
}


@pytest.mark.parametrize("rewrite", REWRITES)
def test_an_operator_who_shows_another_tree_is_told_of_with_the_evidence(
    registry: Registry, watcher: Watcher, rewrite: str
) -> None:
    watcher.run()
    serve(registry, REWRITES[rewrite](leaves_of(registry.service)))
    assert watcher.run().exit_code == 1
    (alert,) = watcher.told
    assert alert["rule"] == "fork"
    evidence = json.loads(Path(alert["evidence"]["file"]).read_text())
    assert (
        len({tlog.parse_checkpoint(one.encode(), [registry.vkey]).data for one in evidence["checkpoints"]})
        == 2
    )


def test_an_entry_that_may_not_stand_is_told_of_and_those_before_it_too(
    registry: Registry, watcher: Watcher
) -> None:
    watcher.watch = Watch(namespaces=("acme",))
    watcher.run()
    watcher.told.clear()
    thief = Publisher(registry.service.origin, "thief", "acme")
    good = registry.publisher.release("tiny", "8", {"a": b"8"})
    bundles = [good, thief.introduction(), thief.release("tiny", "9", {"a": b"evil"})]
    stored = {digest_of(bundle): bundle for bundle in bundles}
    serve(registry, [*leaves_of(registry.service), *(encode_leaf(one, 2**33) for one in stored)])
    for digest, bundle in stored.items():
        registry.lies[f"/bundles/{digest}"] = lambda _, b=bundle: (  # type: ignore[misc]  # bound now
            200,
            {"content-type": "application/json"},
            b,
        )
    report = watcher.run()
    assert (report.exit_code, report.size) == (1, 7), report
    assert [rule for rule, _ in watcher.rules()] == ["namespace", "log"]
    assert "entry 7" in watcher.told[1]["message"]


def test_a_log_that_shows_no_life_is_told_of_once(registry: Registry, watcher: Watcher) -> None:
    watcher.options = {"stale_after": 3600.0}
    assert watcher.run().exit_code == 0
    watcher.now += 3601
    report = watcher.run()
    assert (report.exit_code, report.stale) == (1, True)
    assert watcher.rules() == [("stale", None)]
    watcher.now += 3600
    report = watcher.run()
    assert (report.exit_code, report.stale, len(watcher.told)) == (3, True, 1)
    registry.publish()
    report = watcher.run()
    assert (report.exit_code, report.stale) == (0, False)


def test_a_registry_that_hangs_up_is_stale_as_well(registry: Registry, watcher: Watcher) -> None:
    watcher.options = {"stale_after": 3600.0}
    watcher.run()
    registry.lies["/checkpoint"] = gone
    assert watcher.run().exit_code == 3
    watcher.now += 3601
    assert watcher.run().exit_code == 1
    assert watcher.rules() == [("stale", None)]


def test_a_witness_shows_that_a_quiet_log_lives(registry: Registry, watcher: Watcher) -> None:
    witness = tlog.Signer.generate("witness.example", tlog.Algorithm.ED25519_COSIGNATURE)
    policy = tlog.WitnessPolicy.parse(f"witness w {witness.verifier.vkey}\nquorum w\n")
    watcher.options = {"stale_after": 3600.0, "policy": policy}
    watcher.run()
    watcher.now += 7200

    def cosigned(answer: Any) -> Any:
        status, headers, body = answer
        line = tlog.cosign(body, witness, int(watcher.now) - 10)
        return status, headers, tlog.add_signatures(body, [line])

    registry.lies["/checkpoint"] = cosigned
    report = watcher.run()
    assert (report.exit_code, report.stale, report.cosigned) == (0, False, NOW + 7190)


def test_one_folder_is_for_one_monitor_of_one_log(registry: Registry, watcher: Watcher) -> None:
    watcher.run()
    outputs = Outputs(print)
    other = tlog.Signer.generate("log.example.org").verifier.vkey
    with pytest.raises(ConfigurationError, match="belongs to a monitor"):
        Monitor(registry.url, watcher.folder, other, Watch(), outputs)
    with (
        Monitor(registry.url, watcher.folder, registry.vkey, Watch(), outputs),
        pytest.raises(InputError, match="another monitor"),
    ):
        Monitor(registry.url, watcher.folder, registry.vkey, Watch(), outputs)


@pytest.mark.parametrize(
    ("name", "watched", "alike"),
    [
        ("acme", "acme", False),
        ("A-C_M.e", "acme", False),
        ("acne", "acme", True),
        ("acrne", "acme", True),
        ("acm", "acme", True),
        ("acmee", "acme", True),
        ("amce", "acme", True),
        ("acme-official", "acme", True),
        ("the-acme", "acme", True),
        ("zebra", "acme", False),
        ("ab", "ac", False),
        ("openai", "0penai", True),
        ("googIe", "google", True),
        ("mistral", "minstrel", False),
    ],
)
def test_names_that_look_alike(name: str, watched: str, alike: bool) -> None:  # noqa: FBT001 - a table
    assert looks_like(name, watched) is alike
