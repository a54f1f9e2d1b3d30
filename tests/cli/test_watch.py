# SPDX-License-Identifier: Apache-2.0
"""Rebuild, mirror, read-only registry and monitor, as an operator and a publisher type them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import models
from tests.commands import Outcome, environment, weighbridge_here
from tests.registries import Registry, free_port, registry_here
from tests.reports import check
from weighbridge import tlog


@pytest.fixture
def registry(tmp_path: Path, config_folder: Path) -> Iterator[Registry]:
    """A registry with a release, whose log this user trusts."""
    assert config_folder is not None
    with registry_here(tmp_path / "r") as one:
        assert run("key", "new", tmp_path / "k.pem", "--no-passphrase").exit_code == 0
        publish(one, tmp_path, "acme/tiny@1")
        yield one


def run(*arguments: str | Path) -> Outcome:
    return weighbridge_here(*arguments)


def publish(registry: Registry, folder: Path, release: str) -> None:
    model = folder / "m"
    if not model.exists():
        models.tiny_model(model)
    done = run("publish", model, release, "--registry", registry.url, "--key", folder / "k.pem")
    assert done.exit_code == 0, done.stderr


def lines(outcome: Outcome) -> list[Any]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def take_down(registry: Registry, index: int) -> None:
    size = registry.get("/api/v1/log")["size"]
    data = (registry.data / "public" / tlog.entries_path(0, size)).read_bytes()
    sha256 = json.loads(tlog.parse_entry_bundle(data, size)[index])["bundle"].removeprefix("sha256:")
    options = ("--reason", "court_order", "--yes", "--data", registry.data, "--registry", registry.url)
    done = run("log", "takedown", sha256, *options)
    assert done.exit_code == 0, done.stderr


def test_a_log_is_copied_shown_and_verified_against(registry: Registry, tmp_path: Path) -> None:
    """The registry is gone; whoever has the copy goes on verifying, with the same key."""
    copy = tmp_path / "copy"
    done = run("log", "mirror", registry.url, "--data", copy)
    assert done.exit_code == 0, done.stderr
    assert "5 entries, 5 of them new" in done.stdout
    registry.stop()
    assert run("log", "fsck", "--data", copy).exit_code == 0
    assert run("log", "mirror", registry.url, "--data", copy).exit_code == 3
    mirror = Registry(copy, free_port(), ("--read-only",))
    mirror.start()
    try:
        verified = run("verify", tmp_path / "m", "--release", "acme/tiny@1", "--registry", mirror.url)
        assert verified.exit_code == 0, verified.stdout + verified.stderr
        refused = run(
            "publish", tmp_path / "m", "acme/tiny@2", "--registry", mirror.url, "--key", tmp_path / "k.pem"
        )
        assert refused.exit_code == 3
        assert "read-only" in refused.stderr
    finally:
        assert mirror.stop() == 0


@pytest.mark.files
def test_what_was_taken_down_is_counted_by_mirror_monitor_and_rebuild(
    registry: Registry, tmp_path: Path
) -> None:
    take_down(registry, 4)
    copy = tmp_path / "copy"
    mirrored = run("log", "mirror", registry.url, "--data", copy, "--json")
    assert mirrored.exit_code == 0, mirrored.stderr
    check("MirrorReport", lines(mirrored)[0])
    assert lines(mirrored)[0]["withheld"] >= 1
    checked = run("log", "fsck", "--data", copy, "--json")
    assert checked.exit_code == 0, checked.stdout
    watching = (
        "log",
        "monitor",
        registry.url,
        "--namespace",
        "acme",
        "--json",
        "--state",
        tmp_path / "state",
    )
    watched = run(*watching)
    assert watched.exit_code == 1, watched.stderr
    *alerts, report = lines(watched)
    check("MonitorRunReport", report)
    for alert in alerts:
        check("MonitorAlertReport", alert)
    assert [(one["rule"], one["index"]) for one in alerts] == [
        ("namespace", 2),
        ("withheld", 4),
        ("operator", 5),
        ("namespace", 5),
    ]
    assert (report["type"], report["size"], report["withheld"]) == ("run", 6, 1)
    registry.stop()
    rebuilt = run("log", "rebuild", "--data", registry.data, "--json")
    assert rebuilt.exit_code == 0, rebuilt.stderr
    check("RebuildReport", rebuilt.json())
    assert rebuilt.json()["state_digest"] == checked.json()["state_digest"]


def test_a_publisher_is_told_what_happens_under_their_name(registry: Registry, tmp_path: Path) -> None:
    watching = ["log", "monitor", registry.url, "--model", "acme/tiny", "--state", tmp_path / "state"]
    first = run(*watching, "--atom", tmp_path / "alerts.xml")
    assert first.exit_code == 1, first.stderr
    assert "ALERT namespace, entry 4: In a model that you watch: Released acme/tiny@1" in first.stdout
    assert "read 5 entries, 5 new, 1 alerts" in first.stdout
    assert "acme/tiny@1" in (tmp_path / "alerts.xml").read_text()
    again = run(*watching)
    assert again.exit_code == 0
    assert "read 5 entries, 0 new, 0 alerts" in again.stdout
    registry.stop()
    away = run(*watching)
    assert away.exit_code == 3
    assert "does not answer" in away.stderr


def test_a_monitor_goes_on_until_it_is_stopped(registry: Registry, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "weighbridge_cli", "log", "monitor", registry.url, "--every", "1"]
    state = ["--state", str(tmp_path / "state"), "--namespace", "acme", "--json"]
    with subprocess.Popen(
        [*command, *state], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            first = [json.loads(process.stdout.readline()) for _ in range(3)]
            assert [one["type"] for one in first] == ["alert", "alert", "run"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("monitor", "--once", "--every", "5"), "not both"),
        (("monitor", "--model", "tiny"), "is not NS/NAME"),
        (("monitor", "--digest", "abc"), "is not a SHA-256"),
        (("monitor", "--identity", "me@example.org"), "belong together"),
        (("monitor", "--webhook", "file:///etc/passwd"), "not an http or https address"),
        (("monitor", "--command", "'"), "--command cannot be read"),
        (("mirror", "--data", "x", "--once", "--every", "5"), "not both"),
    ],
)
def test_wrong_words(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    key = tlog.Signer.generate("log.example.org").verifier.vkey
    name, *rest = arguments
    state = ("--state", tmp_path / "state") if name == "monitor" else ()
    told = run("log", name, "http://127.0.0.1:9", "--log-key", key, *rest, *state)
    assert told.exit_code == 2
    assert words in told.stderr


@pytest.mark.parametrize("command", ["mirror", "monitor"])
def test_an_address_is_not_believed_without_a_pinned_key(
    command: str, tmp_path: Path, config_folder: Path
) -> None:
    assert config_folder is not None
    more = ("--data", tmp_path / "copy") if command == "mirror" else ()
    told = run("log", command, "http://127.0.0.1:9", *more)
    assert told.exit_code == 2
    assert "log trust add" in told.stderr
    assert not (tmp_path / "copy").exists()
