# SPDX-License-Identifier: Apache-2.0
"""What a file is, and whether loading it runs code, told without ever loading it."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from tests.models import single_file, tiny_model, write
from weighbridge.weighing import weigh
from weighbridge.weighing.formats import recognise


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (open, (str(self.path), "w"))


def zipped(name: str, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "name", ["model.pkl", "weights.bin", "notes.txt", "config.json", "data.dat", "nothing"]
)
def test_a_pickle_is_unsafe_whatever_it_is_called_and_never_loaded(
    tmp_path: Path, name: str, protocol: int
) -> None:
    write(tmp_path / "m" / name, pickle.dumps(Bomb(tmp_path / "boom"), protocol=protocol))
    file = weigh(tmp_path / "m").files[0]
    assert file.unsafe_to_load
    assert file.format in {"pickle", "pytorch"}
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "value", [{"a": 1}, [1, 2], "text", b"bytes", None, True, 7, 2**70, 1.5, (), (1,), {1}]
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_binary_pickle_is_seen(value: object, protocol: int) -> None:
    assert recognise("x.txt", pickle.dumps(value, protocol=protocol)).format == "pickle"


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        ("model.safetensors", b"\x80\x02(\0\0\0\0\0{", ("weights", "safetensors", False)),
        ("m-00001-of-00002.SAFETENSORS", b"", ("weights", "safetensors", False)),
        ("model.gguf", b"GGUF\x03\0\0\0", ("weights", "gguf", False)),
        ("model", b"GGUF\x03\0\0\0", ("weights", "gguf", False)),
        ("pytorch_model.bin", zipped("archive/data.pkl"), ("weights", "pytorch", True)),
        ("model.dat", zipped("archive/data.pkl"), ("weights", "pytorch", True)),
        ("model.zip", zipped("weights/data.pkl"), ("weights", "pytorch", True)),
        ("docs.zip", zipped("docs/readme.txt"), ("other", "zip", False)),
        ("last.ckpt", b"(dp0\n.", ("weights", "pytorch", True)),
        ("model.pt", b"", ("weights", "pytorch", True)),
        ("model.pth", b"", ("weights", "pytorch", True)),
        ("scaler.joblib", b"x\x9c", ("weights", "joblib", True)),
        ("old.pickle", b"(lp0\n.", ("weights", "pickle", True)),
        ("model.h5", b"\x89HDF\r\n\x1a\n", ("weights", "hdf5", True)),
        ("weights", b"\x89HDF\r\n\x1a\n", ("weights", "hdf5", True)),
        ("model.keras", zipped("config.json"), ("weights", "keras", True)),
        ("saved_model.pb", b"\x08\x01", ("weights", "tensorflow", True)),
        ("model.nemo", b"", ("weights", "nemo", True)),
        ("lib/kernel.so", b"\x7fELF", ("code", "executable", True)),
        ("lib/kernel.so.1.2", b"", ("code", "executable", True)),
        ("harmless.txt", b"\x7fELF\x02", ("code", "executable", True)),
        ("setup.dat", b"MZ" + b"\0" * 100 + b"PE\0\0", ("code", "executable", True)),
        ("model.llamafile", b"MZqFpD", ("code", "executable", True)),
        ("model.onnx", b"\x08\x07", ("weights", "onnx", False)),
        ("model.tflite", b"\0\0\0\0TFL3", ("weights", "tflite", False)),
        ("flax_model.msgpack", b"\x81", ("weights", "msgpack", False)),
        ("config.json", b"{}", ("config", "json", False)),
        ("model.safetensors.index.json", b"{}", ("config", "json", False)),
        ("tokenizer.json", b"{}", ("tokenizer", "json", False)),
        ("sub/vocab.txt", b"a", ("tokenizer", "text", False)),
        ("tokenizer.model", b"\n", ("tokenizer", "sentencepiece", False)),
        ("chat_template.jinja", b"{{ x }}", ("template", "jinja", False)),
        ("chat_template.json", b"{}", ("template", "json", False)),
        ("modeling_tiny.py", b"import os", ("code", "python", False)),
        ("README.md", b"#", ("document", "markdown", False)),
        ("LICENSE", b"Apache", ("document", "text", False)),
        ("NOTICE.xyz", b"\0", ("document", "unknown", False)),
        ("train.parquet", b"PAR1", ("data", "parquet", False)),
        ("Dockerfile", b"FROM x", ("document", "text", False)),
        ("blob", b"\0\1\2", ("other", "unknown", False)),
        (".hidden", b"\xff\xfe\0", ("other", "unknown", False)),
        ("cut", "ä".encode() * 2047 + b"a\xc3", ("document", "text", False)),
        ("empty", b"", ("document", "text", False)),
    ],
)
def test_files_are_recognised_by_name_and_first_bytes(
    path: str, head: bytes, expected: tuple[str, str, bool]
) -> None:
    assert tuple(recognise(path, head)) == expected


def template(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_chat_templates_are_found_wherever_they_are_kept(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "m")
    write(folder / "chat_template.jinja", "{{ own }}")
    write(folder / "additional_chat_templates" / "tools.jinja", "{{ tools }}")
    write(
        folder / "tokenizer_config.json",
        json.dumps(
            {"chat_template": [{"name": "default", "template": "a"}, {"name": "rag", "template": "b"}]}
        ),
    )
    write(folder / "processor_config.json", json.dumps({"chat_template": {"default": "c"}}))
    found = {(each.path, each.name, each.sha256) for each in weigh(folder).chat_templates}
    assert found == {
        ("chat_template.jinja", None, template("{{ own }}")),
        ("additional_chat_templates/tools.jinja", None, template("{{ tools }}")),
        ("tokenizer_config.json", "default", template("a")),
        ("tokenizer_config.json", "rag", template("b")),
        ("processor_config.json", "default", template("c")),
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b"[]",
        b'{"chat_template": 3}',
        b'{"chat_template": [3, {"name": 1}]}',
    ],
)
def test_a_malformed_tokenizer_file_holds_no_template_and_is_weighed(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "m" / "tokenizer_config.json", content)
    weighed = weigh(tmp_path / "m")
    assert weighed.chat_templates == ()
    assert weighed.files[0].size == len(content)


def test_a_large_tokenizer_file_is_searched_too(tmp_path: Path) -> None:
    content = json.dumps({"chat_template": "late", "x": "y" * 3_000_000})
    write(tmp_path / "m" / "tokenizer_config.json", content)
    weighed = weigh(tmp_path / "m")
    assert [each.sha256 for each in weighed.chat_templates] == [template("late")]
    assert weighed.files[0].sha256 == template(content)


def test_git_ids_stop_where_hubs_use_lfs(tmp_path: Path) -> None:
    write(tmp_path / "m" / "small", b"x" * (10 * 1024 * 1024))
    write(tmp_path / "m" / "large", b"x" * (10 * 1024 * 1024 + 1))
    large, small = weigh(tmp_path / "m").files
    blob = b"blob 10485760\0" + b"x" * (10 * 1024 * 1024)
    assert small.git_sha1 == hashlib.sha1(blob).hexdigest()  # noqa: S324 - git's own
    assert large.git_sha1 == ""
    assert all(file.git_sha1 == "" for file in weigh(tmp_path / "m", git=False).files)


def test_a_single_safetensors_file_is_weights(tmp_path: Path) -> None:
    file = weigh(single_file(tmp_path / "x.safetensors")).files[0]
    assert (file.role, file.format, file.unsafe_to_load) == ("weights", "safetensors", False)
