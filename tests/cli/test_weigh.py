# SPDX-License-Identifier: Apache-2.0
"""`weigh`: what a person sees of a model's digests."""

from __future__ import annotations

from pathlib import Path

from tests import models
from tests.commands import weighbridge_here as weighbridge
from weighbridge.weighing import weigh


def test_the_json_is_the_contract(tmp_path: Path) -> None:
    model = models.tiny_model(tmp_path / "m")
    told = weighbridge("weigh", model, "--json")
    assert told.exit_code == 0, told.stderr
    document = told.json()
    weighed = weigh(model)
    assert document["model_digest"] == f"sha256:{weighed.model_digest}"
    assert document["root_digest"] == f"sha256:{weighed.root_digest}"
    assert document["weights_digest"] == f"sha256:{weighed.weights_digest}"
    assert document["tensors"] == {"count": 6, "bytes": sum(tensor.nbytes for tensor in weighed.tensors)}
    assert {"path", "size", "sha256", "role", "format", "unsafe_to_load"} <= document["files"][0].keys()
    assert told.stderr == ""


def test_people_see_files_tensors_and_fingerprints(tmp_path: Path) -> None:
    told = weighbridge("weigh", models.tiny_model(tmp_path / "m"), "--tensors")
    assert told.exit_code == 0, told.stderr
    for words in ("model.safetensors", "embeddings.weight", "32x8", "fingerprint of the weights: 6 tensors"):
        assert words in told.stdout
    assert "(bound by the card)" in told.stdout


def test_the_tensors_are_in_the_json_when_asked_for(tmp_path: Path) -> None:
    told = weighbridge("weigh", models.tiny_model(tmp_path / "m"), "--tensors", "--json").json()
    assert [tensor["name"] for tensor in told["tensors"]["list"]] == sorted(models.tiny_tensors())


def test_a_renamed_copy_is_the_same_model(tmp_path: Path) -> None:
    first, second = models.tiny_model(tmp_path / "a"), models.tiny_model(tmp_path / "b", readme=False)
    told = weighbridge("weigh", first, "--compare", second)
    assert told.exit_code == 0
    assert "the same model" in told.stdout


def test_another_model_is_told_apart_file_by_file_and_tensor_by_tensor(tmp_path: Path) -> None:
    first, second = models.tiny_model(tmp_path / "a"), models.tiny_model(tmp_path / "b", seed=7)
    (second / "extra.bin").write_bytes(b"x")
    told = weighbridge("weigh", first, "--compare", second)
    assert told.exit_code == 1
    assert "changed  model.safetensors" in told.stdout
    assert "added    extra.bin" in told.stdout
    assert "tensors: 7.54 % of the first model's 1.7 kB is in both" in told.stdout
    found = weighbridge("weigh", first, "--compare", second, "--json")
    assert found.exit_code == 1
    document = found.json()
    assert [each["first"]["path"] for each in document["files"]["changed"]] == ["model.safetensors"]
    assert document["tensors"]["equal"] == 1
    assert document["tensors"]["equal_bytes"] == 128


def test_what_is_not_there_is_exit_2(tmp_path: Path) -> None:
    told = weighbridge("weigh", tmp_path / "no-model")
    assert told.exit_code == 2
    assert "no-model" in told.stderr


def test_an_empty_folder_is_refused_not_weighed(tmp_path: Path) -> None:
    told = weighbridge("weigh", tmp_path, "--json")
    assert told.exit_code == 1
    assert told.json()["error"]["step"] == {"n": 1, "name": "files"}


def test_a_pickle_is_warned_of_and_never_loaded(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "m").mkdir()
    payload = f"cos\nsystem\n(S'touch {trap}'\ntR.".encode()
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(payload)
    told = weighbridge("weigh", tmp_path / "m")
    assert told.exit_code == 0
    assert "warning:" in told.stderr
    assert not trap.exists()
