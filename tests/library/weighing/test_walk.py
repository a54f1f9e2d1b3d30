# SPDX-License-Identifier: Apache-2.0
"""Enumerating and opening files where someone hostile, or just busy, shares the folder."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.models import tiny_model, write
from weighbridge.errors import EnumerationError, InputError
from weighbridge.oms import compare, manifest_of
from weighbridge.weighing import scale, weigh
from weighbridge.weighing import tree as trees
from weighbridge.weighing.reading import FileReader
from weighbridge.weighing.tree import Tree


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


@pytest.fixture(params=["descriptors", "paths"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to open files: relative to descriptors, and by checked paths as on Windows."""
    if request.param == "paths":
        monkeypatch.setattr(trees, "RELATIVE", False)
    return str(request.param)


def after_listing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let the attacker act between the first enumeration and the first opening."""
    real = Tree.listing
    acted: list[bool] = []

    def listing(self: Tree, *arguments: Any) -> Any:
        result = real(self, *arguments)
        if not acted:
            acted.append(True)
            act()
        return result

    monkeypatch.setattr(Tree, "listing", listing)


def during_reading(monkeypatch: pytest.MonkeyPatch, path: str, act: Callable[[], object]) -> None:
    """Let something happen just after the bytes of `path` were read and before they count."""
    real = FileReader.read

    def read(self: FileReader, handle: int, file: trees.Listed) -> Any:
        result = real(self, handle, file)
        if file.path == path:
            act()
        return result

    monkeypatch.setattr(FileReader, "read", read)


def refused(folder: Path, words: str, **options: Any) -> EnumerationError:
    with pytest.raises(EnumerationError, match=words) as caught:
        weigh(folder, **options)
    assert caught.value.step == 1
    return caught.value


# -- links --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
def test_a_link_out_of_the_model_is_refused_and_not_read(model: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.txt", "secret")
    (model / "notes.txt").symlink_to(secret)
    error = refused(model, r"notes\.txt is a link")
    assert "cp -L" in error.hint
    assert weigh(model, ignore=["notes.txt"]).model_digest


@pytest.mark.usefixtures("way")
def test_a_link_to_a_folder_is_refused(model: Path, tmp_path: Path) -> None:
    (model / "outside").symlink_to(tmp_path, target_is_directory=True)
    refused(model, "outside is a link")


@pytest.mark.usefixtures("way")
def test_links_in_a_circle_are_refused_at_once(model: Path) -> None:
    (model / "loop").symlink_to(model, target_is_directory=True)
    refused(model, "loop is a link")
    (model / "loop").unlink()
    (model / "self").symlink_to("self")
    refused(model, "self is a link")


def test_the_folder_that_you_name_may_be_reached_through_a_link(model: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(model, target_is_directory=True)
    assert weigh(tmp_path / "link").model_digest == weigh(model).model_digest


def test_a_single_file_that_is_a_link_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to(model / "model.safetensors")
    refused(tmp_path / "link.safetensors", "is a link")


@pytest.mark.usefixtures("way")
def test_a_file_swapped_for_a_link_after_listing_is_not_followed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = write(tmp_path / "secret.txt", (model / "tokenizer.json").read_bytes())

    def swap() -> None:
        (model / "tokenizer.json").unlink()
        (model / "tokenizer.json").symlink_to(secret)

    after_listing(monkeypatch, swap)
    refused(model, r"tokenizer\.json (was|changed or was) replaced")


@pytest.mark.usefixtures("way")
def test_a_folder_swapped_for_a_link_after_listing_is_not_followed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap() -> None:
        shutil.move(model / "1_Pooling", tmp_path / "elsewhere")
        (model / "1_Pooling").symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    after_listing(monkeypatch, swap)
    refused(model, "1_Pooling was replaced")


@pytest.mark.usefixtures("way")
def test_a_file_swapped_for_another_of_the_same_size_and_time_is_noticed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = model / "config.json"

    def swap() -> None:
        status = target.stat()
        other = write(model.parent / "other", b"x" * status.st_size)
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(target)

    after_listing(monkeypatch, swap)
    refused(model, r"config\.json changed or was replaced")


# -- what is no file ----------------------------------------------------------------------------


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("way")
def test_a_named_pipe_does_not_hang_the_weighing(model: Path) -> None:
    os.mkfifo(model / "pipe.bin")
    refused(model, r"pipe\.bin is a named pipe")


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("way")
def test_a_file_swapped_for_a_named_pipe_does_not_hang(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap() -> None:
        (model / "tokenizer.json").unlink()
        os.mkfifo(model / "tokenizer.json")

    after_listing(monkeypatch, swap)
    refused(model, r"tokenizer\.json changed or was replaced")


@pytest.mark.timeout(20)
def test_a_named_pipe_given_as_the_model_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is a named pipe")


def test_a_socket_is_refused_by_name(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model)  # the path of a socket may have about a hundred bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.sock")
        refused(model, r"s\.sock is a socket")


def test_a_device_given_as_the_model_is_refused() -> None:
    refused(Path("/dev/null"), "is a character device")


def test_what_does_not_exist_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file") as caught:
        weigh(tmp_path / "nowhere")
    assert caught.value.exit_code == 2


def test_an_empty_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m" / "empty").mkdir(parents=True)
    refused(tmp_path / "m", "nothing to weigh")
    write(tmp_path / "m" / "README.md", "# only a card")
    refused(tmp_path / "m", "nothing to weigh")
    assert weigh(tmp_path / "m", exclude_readme=False).files
    write(tmp_path / "m" / "a", "a")
    refused(tmp_path / "m", "nothing to weigh", ignore=["a"])


def test_a_folder_called_like_the_card_is_refused(model: Path) -> None:
    """Its files would be neither in the manifest, which leaves README.md out, nor in the card."""
    (model / "README.md").unlink()
    write(model / "README.md" / "evil.py", "x")
    refused(model, r"README\.md is a folder")


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"caf\xe9.txt", "not valid UTF-8"),
        (b"a\nb", "control"),
        (b"\x1b[2J", "control"),
        ("a\u202egpj.exe".encode(), "direction"),
        ("a\u200b.txt".encode(), "invisible"),
        ("a\U000e0041".encode(), "invisible"),
        (b"..\\..\\evil", "backslash"),
        (b"C:evil", "drive letter"),
    ],
)
@pytest.mark.usefixtures("way")
def test_a_name_that_deceives_is_refused(model: Path, name: bytes, words: str) -> None:
    with open(os.path.join(os.fsencode(model), name), "wb"):  # noqa: PTH118, PTH123 - no Path of bytes
        pass
    error = refused(model, words)
    assert error.message.isprintable()


@pytest.mark.parametrize(
    "name", ["modell-ä.bin", "模型.bin", "a b.txt", "emoji-🤗.json", "-rf", "model:latest", "..."]
)
def test_unusual_but_honest_names_are_fine(tmp_path: Path, name: str) -> None:
    write(tmp_path / "m" / name, "x")
    assert [file.path for file in weigh(tmp_path / "m").files] == [name]


def test_files_come_in_code_point_order(tmp_path: Path) -> None:
    names = ["a/b", "a.txt", "B", "a", "ä", "Z/z", "\ue000", "\U0001f917"]
    for name in names[:3] + names[4:]:
        write(tmp_path / "m" / name, name)
    found = [file.path for file in weigh(tmp_path / "m").files]
    assert found == ["B", "Z/z", "a.txt", "a/b", "ä", "\ue000", "\U0001f917"]
    assert [path.encode() for path in found] == sorted(path.encode() for path in found)


def test_names_that_collide_on_other_systems_are_weighed_with_a_warning(tmp_path: Path) -> None:
    for name in ("Model.bin", "model.bin", "\u00e4", "a\u0308"):
        write(tmp_path / "m" / name, name)
    weighed = weigh(tmp_path / "m")
    assert len(weighed.files) == 4
    assert any("Model.bin and model.bin differ only by case" in warning for warning in weighed.warnings)
    assert len(weighed.warnings) == 2


def test_a_folder_too_deep_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write(folder / "/".join("d" * 60) / "f", "x")
    assert weigh(folder).files
    write(folder / "/".join("d" * 80) / "f", "x")
    refused(folder, "folders deep")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_FILES", 10)
    for number in range(11):
        write(tmp_path / "m" / str(number), "x")
    refused(tmp_path / "m", "more than 10 files")


# -- ignoring -----------------------------------------------------------------------------------


def test_what_is_never_weighed_is_left_out_at_the_top_level_only(model: Path) -> None:
    before = weigh(model)
    for name in (".git/config", ".gitignore", ".gitattributes", ".github/x", ".cache/huggingface/a/b"):
        write(model / name, "x")
    write(model / "model.sig", "x")
    write(model / "provenance.jsonl", "x")
    after = weigh(model)
    assert (after.model_digest, after.root_digest) == (before.model_digest, before.root_digest)
    write(model / "sub" / "model.sig", "x")
    write(model / ".cache" / "other", "x")
    paths = {file.path for file in weigh(model).files} - {file.path for file in before.files}
    assert paths == {"sub/model.sig", ".cache/other"}


def test_an_ignored_folder_is_not_even_entered(model: Path) -> None:
    (model / "scratch").mkdir()
    (model / "scratch" / "link").symlink_to("/etc")
    os.mkfifo(model / "scratch" / "pipe")
    refused(model, "scratch/")
    weighed = weigh(model, ignore=["scratch/"])
    assert "scratch" in weighed.ignored


@pytest.mark.parametrize("path", [".", "", "./", "/", "..", "../m", "/etc", "a//b", "a/../.."])
def test_an_ignore_that_is_no_exact_path_inside_is_an_input_error(model: Path, path: str) -> None:
    with pytest.raises(InputError, match="Cannot ignore"):
        weigh(model, ignore=[path])


# -- what changes meanwhile ---------------------------------------------------------------------


@pytest.mark.usefixtures("way")
def test_a_file_that_changes_while_it_is_hashed_is_noticed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    during_reading(monkeypatch, "config.json", lambda: write(model / "config.json", "{}"))
    refused(model, r"config\.json changed while")


def test_a_file_that_changes_after_it_was_hashed_is_noticed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    during_reading(monkeypatch, "tokenizer.json", lambda: write(model / "config.json", "{}"))
    refused(model, r"config\.json changed while")


def test_a_file_that_appears_or_vanishes_meanwhile_is_noticed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        during_reading(patch, "tokenizer.json", lambda: write(model / "evil.py", "x"))
        refused(model, r"evil\.py appeared")
    (model / "evil.py").unlink()
    with monkeypatch.context() as patch:
        during_reading(patch, "tokenizer.json", (model / "config.json").unlink)
        refused(model, r"config\.json disappeared")


def test_a_file_that_vanishes_before_it_is_opened_is_noticed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_listing(monkeypatch, (model / "config.json").unlink)
    refused(model, r"config\.json disappeared")


@pytest.mark.parametrize("size", [100, 3 * 1024 * 1024])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = write(tmp_path / "m" / "f", b"x" * size)
    for change in (lambda: write(path, b"x" * (size + 5)), lambda: write(path, b"x" * (size - 5))):
        write(path, b"x" * size)
        with monkeypatch.context() as patch, during_opening(patch, change):
            refused(tmp_path / "m", "f changed")


@contextmanager
def during_opening(patch: pytest.MonkeyPatch, act: Callable[[], object]) -> Iterator[None]:
    """Let something happen after a file was opened and found unchanged, before its first byte is read."""
    real = FileReader.read

    def read(self: FileReader, handle: int, file: trees.Listed) -> Any:
        act()
        return real(self, handle, file)

    patch.setattr(FileReader, "read", read)
    yield


def test_verifying_notices_a_swap_too(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = manifest_of(weigh(model))

    def swap() -> None:
        shutil.copy(model / "config.json", tmp_path / "copy")
        (model / "config.json").unlink()
        (model / "config.json").symlink_to(tmp_path / "copy")

    after_listing(monkeypatch, swap)
    with pytest.raises(EnumerationError, match=r"config\.json"):
        compare(manifest, model)


def test_verifying_notices_a_file_that_appears(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = manifest_of(weigh(model))
    during_reading(monkeypatch, "tokenizer.json", lambda: write(model / "evil.py", "x"))
    with pytest.raises(EnumerationError, match=r"evil\.py appeared"):
        compare(manifest, model)


# -- the run itself -----------------------------------------------------------------------------


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "m" / str(number), os.urandom(2 * 1024 * 1024))
    seen: list[tuple[int, int]] = []
    weigh(tmp_path / "m", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3 * 2 * 1024 * 1024,) * 2
    assert seen == sorted(seen)


@pytest.mark.parametrize("stopper", [KeyboardInterrupt, RuntimeError])
def test_stopping_ends_all_threads_and_leaves_nothing(tmp_path: Path, stopper: type[BaseException]) -> None:
    for number in range(4):
        write(tmp_path / "m" / str(number), os.urandom(3 * 1024 * 1024))
    before = sorted(path.name for path in tmp_path.rglob("*"))

    def stop(done: int, total: int) -> None:
        raise stopper

    with pytest.raises(stopper):
        weigh(tmp_path / "m", progress=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("weigh_")]
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_one_worker_and_many_give_the_same(tmp_path: Path) -> None:
    for number in range(300):
        write(tmp_path / "m" / f"d{number % 7}" / str(number), os.urandom(50))
    for number in range(3):
        write(tmp_path / "m" / f"big{number}", os.urandom(1_500_000 + number))
    write(tmp_path / "m" / "middle", os.urandom(900_000))
    one = weigh(tmp_path / "m", workers=1, algorithms=["blake3", "blake2b"])
    many = weigh(tmp_path / "m", workers=5, algorithms=["blake3", "blake2b"])
    assert one == many
    assert [file.path for file in one.files] == sorted(file.path for file in one.files)


def test_no_descriptor_stays_open(model: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208
    weigh(model)
    with pytest.raises(EnumerationError):
        weigh(Path("/dev/null"))
    (model / "link").symlink_to("x")
    with pytest.raises(EnumerationError):
        weigh(model)
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208
    assert after == before


def test_an_unknown_algorithm_is_an_input_error(model: Path) -> None:
    with pytest.raises(InputError, match="md5"):
        weigh(model, algorithms=["md5"])


@contextmanager
def as_nobody() -> Iterator[None]:
    """Run as somebody who may not read everything, where the suite is root's."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("closed", ["tokenizer.json", "1_Pooling"])
def test_what_may_not_be_read_is_an_input_error_that_names_it(closed: str) -> None:
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as place:
        folder = tiny_model(Path(place) / "m")
        for path in (Path(place), folder, folder / "1_Pooling"):
            path.chmod(0o755)
        (folder / closed).chmod(0)
        try:
            with (
                as_nobody(),
                pytest.raises(InputError, match=f"Cannot read {closed}: Permission denied") as caught,
            ):
                weigh(folder)
        finally:
            (folder / closed).chmod(0o755)
        assert "--ignore" in caught.value.hint
        assert weigh(folder, ignore=[closed]).files


def test_the_defaults_of_the_design_are_in_force() -> None:
    assert scale.default_ignores.__doc__
    assert set(scale.DEFAULT_IGNORES) == {
        ".git",
        ".gitignore",
        ".gitattributes",
        ".github",
        ".cache/huggingface",
        "model.sig",
        "provenance.jsonl",
    }
