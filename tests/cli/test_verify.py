# SPDX-License-Identifier: Apache-2.0
"""`verify` as a person runs it: what it prints, how it ends, and that it never opens a connection unasked."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from tests.commands import environment
from tests.commands import weighbridge_here as weighbridge
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge.trust import TrustStore
from weighbridge.verdict import STEPS
from weighbridge_cli.main import run


@pytest.fixture
def honest(tmp_path: Path, config_folder: Path) -> Published:
    """A published model; the command's configuration is this test's own."""
    assert config_folder.parent == tmp_path
    return published(tiny_model(tmp_path / "tiny"))


@pytest.fixture
def key(honest: Published, tmp_path: Path) -> Path:
    """The publisher's public key, as a downloader has got it from elsewhere."""
    path = tmp_path / "acme.pub"
    path.write_bytes(honest.publisher.pem)
    return path


def test_a_good_release_prints_eleven_numbered_steps_and_one_sentence(honest: Published) -> None:
    told = weighbridge("verify", honest.model, "--release", honest.title, "--log-key", honest.log.vkey)
    assert told.exit_code == 0, told.stdout + told.stderr
    for n, name in STEPS.items():
        assert f"{n:>2} {name}" in told.stdout
    assert "Verified: all 6 files are as signed" in " ".join(told.stdout.split())
    assert "\x1b" not in told.stdout
    assert told.stderr == ""


@pytest.mark.parametrize(
    ("tamper", "code", "words"),
    [
        ("byte", 1, "step 2 (digests) failed"),
        ("missing", 1, "some of the signed files are not here (step 1)"),
        ("extra", 1, "step 1 (files) failed"),
        ("signature", 1, "step 3 (envelope) failed"),
        ("key", 1, "step 4 (signer) failed"),
        ("unpinned", 3, "step 7 (recorded) has no answer"),
        ("nobody", 1, "you have not said whom to trust"),
    ],
)
def test_each_ending_names_its_step_and_has_its_exit_code(
    honest: Published, key: Path, tamper: str, code: int, words: str
) -> None:
    arguments: list[str | Path] = ["--public-key", key, "--log-key", honest.log.vkey]
    match tamper:
        case "byte":
            with (honest.model / "model.safetensors").open("r+b") as file:
                file.seek(-1, os.SEEK_END)
                file.write(b"\xff\x00"[file.read(1) == b"\xff" :][:1])
        case "missing":
            (honest.model / "config.json").unlink()
        case "extra":
            (honest.model / "setup.py").write_text("import os")
        case "signature":
            honest.record.unlink()
            honest.signature.write_text("{}")
        case "key":
            key.write_bytes(Publisher().pem)
        case "unpinned":
            arguments = ["--public-key", key]
        case "nobody":
            arguments = []
    told = weighbridge("verify", honest.model, *arguments)
    assert told.exit_code == code, told.stdout + told.stderr
    assert words in " ".join(told.stdout.split())


def test_bare_verify_gives_commands_that_can_be_typed(honest: Published, key: Path) -> None:
    told = weighbridge("verify", honest.model)
    commands = [line.strip() for line in told.stdout.partition("Next:")[2].splitlines() if line.strip()]
    assert commands
    by_key = next(each for each in commands if "--public-key" in each)
    typed = by_key.partition("#")[0].replace("KEY.pub", str(key)).split()[1:]
    assert weighbridge(*typed, "--log-key", honest.log.vkey).exit_code == 0
    by_release = next(each for each in commands if "--release" in each)
    typed = by_release.partition("#")[0].replace("VKEY", honest.log.vkey).split()[1:]
    assert weighbridge(*typed).exit_code == 0


def test_json_is_the_contract_and_alone_on_standard_output(honest: Published, key: Path) -> None:
    told = weighbridge("verify", honest.model, "--public-key", key, "--log-key", honest.log.vkey, "--json")
    assert told.exit_code == 0
    document = told.json()
    assert document.keys() >= {"v", "verdict", "steps", "signers"}
    assert (document["v"], document["verdict"]) == (1, "verified")
    assert [(step["n"], step["name"]) for step in document["steps"]] == list(STEPS.items())
    assert all(step.keys() == {"n", "name", "result", "reason", "evidence"} for step in document["steps"])
    assert [signer["wanted"] for signer in document["signers"]] == [True, True]


def test_a_refusal_is_json_too_and_still_ends_with_1(honest: Published) -> None:
    told = weighbridge("verify", honest.model, "--json")
    assert (told.exit_code, told.json()["verdict"]) == (1, "untrusted")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        ["{model}", "--public-key", "nowhere.pub"],
        ["{model}", "--signature", "nowhere.sig"],
        ["{model}", "--record", "nowhere.jsonl"],
        ["{model}", "--log-key", "nowhere.key"],
        ["{model}", "--log-key", "a+b+c"],
        ["{model}", "--identity", "a@example.org"],
        ["{model}", "--release", "tiny"],
        ["{model}", "--offline", "--registry", "http://127.0.0.1:1"],
        ["{model}", "--registry", "ftp://example.org"],
        ["{model}", "--policy", "x"],
        ["{model}", "--public-key", "{model}"],
        [],
    ],
)
def test_a_wrong_command_ends_with_2_and_says_what_is_wrong(honest: Published, arguments: list[str]) -> None:
    told = weighbridge("verify", *(each.format(model=honest.model) for each in arguments))
    assert told.exit_code == 2, told.stdout + told.stderr
    assert told.stderr.startswith("error: ")
    assert told.stdout == ""


def test_a_log_key_may_be_a_file(honest: Published, key: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    file.write_text(honest.log.vkey + "\n")
    assert weighbridge("verify", honest.model, "--public-key", key, "--log-key", file).exit_code == 0


def test_without_a_registry_no_connection_is_opened(
    honest: Published, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even with an address of a registry in the environment."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a connection was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setenv("WEIGHBRIDGE_REGISTRY", "http://127.0.0.1:9")
    log_key = honest.log.vkey
    assert (
        run(["verify", str(honest.model), "--release", honest.title, "--log-key", log_key, "--offline"]) == 0
    )
    assert run(["verify", str(honest.model), "--public-key", str(key), "--log-key", log_key]) == 0
    assert run(["verify", str(honest.model)]) == 1
    assert "Verified" in capsys.readouterr().out


def test_a_registry_that_is_not_there_is_undecided_not_refused(honest: Published, key: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    log = ("--log-key", honest.log.vkey)
    told = weighbridge("verify", honest.model, "--public-key", key, *log, "--registry", address)
    assert told.exit_code == 3, told.stdout + told.stderr
    assert "status" in told.stdout


def test_a_hostile_file_name_cannot_write_on_the_terminal(honest: Published, key: Path) -> None:
    (honest.model / "x\x1b[2J\x1b[32m✓ Verified\n.txt").write_text("x")
    told = weighbridge("verify", honest.model, "--public-key", key, "--log-key", honest.log.vkey)
    assert told.exit_code == 1
    assert "\x1b" not in told.stdout + told.stderr
    assert "\n✓ Verified" not in told.stdout


def on_a_terminal(*arguments: str | Path, **changes: str) -> str:
    """Run a command whose standard output is a terminal, and return what the terminal gets."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "weighbridge_cli", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env=environment(TERM="xterm", **changes),
    ) as process:
        os.close(follower)
        chunks = []
        while True:
            try:
                chunk = os.read(leader, 65_536)
            except OSError:  # what Linux says when the last writer has gone
                break
            if not chunk:
                break
            chunks.append(chunk)
        process.wait(60)
    os.close(leader)
    return b"".join(chunks).decode()


def test_colour_is_for_terminals_and_never_alone(honest: Published, key: Path) -> None:
    arguments = ("verify", honest.model, "--public-key", key, "--log-key", honest.log.vkey)
    coloured = on_a_terminal(*arguments)
    assert "\x1b[32m" in coloured
    assert "✓ pass" in coloured
    plain = on_a_terminal(*arguments, NO_COLOR="1")
    assert "\x1b" not in plain
    assert "✓ pass" in plain


def test_a_terminal_that_knows_only_ascii_gets_ascii(honest: Published, key: Path) -> None:
    told = weighbridge(
        *("verify", honest.model, "--public-key", key, "--log-key", honest.log.vkey),
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="0",
    )
    assert told.exit_code == 0, told.stderr
    assert "+ pass" in told.stdout


def test_what_is_remembered_makes_a_deleted_record_undecided(honest: Published, key: Path) -> None:
    log = ("--log-key", honest.log.vkey)
    assert weighbridge("verify", honest.model, "--release", honest.title, *log).exit_code == 0
    honest.record.unlink()
    told = weighbridge("verify", honest.model, "--public-key", key, *log)
    assert told.exit_code == 3, told.stdout
    assert "acme/tiny@1.0" in told.stdout
    assert weighbridge("verify", honest.model, "--public-key", key, *log, CI="true").exit_code == 0


def test_a_log_that_was_trusted_before_is_trusted_and_a_named_one_alone(
    honest: Published, config_folder: Path
) -> None:
    TrustStore(config_folder).trust(honest.log.vkey)
    assert weighbridge("verify", honest.model, "--release", honest.title).exit_code == 0
    other = TinyLog.new("other.example")
    refused = weighbridge("verify", honest.model, "--release", honest.title, "--log-key", other.vkey)
    assert refused.exit_code == 1
    assert "other.example" in refused.stdout


def test_a_file_called_like_the_log_key_does_not_become_the_log_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made the model chose its file names: one is the public log's key, and holds another's."""
    public, evil = TinyLog.new("log.example/public"), TinyLog.new("evil.example/log")
    model = tiny_model(tmp_path / "tiny")
    trap = model / public.vkey
    trap.parent.mkdir(parents=True)
    trap.write_text(evil.vkey)
    published(model, log=evil)
    monkeypatch.chdir(model)
    told = weighbridge("verify", ".", "--release", "acme/tiny", "--log-key", public.vkey)
    assert told.exit_code == 1, told.stdout
    assert "not of log.example/public" in " ".join(told.stdout.split())
