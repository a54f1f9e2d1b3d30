# SPDX-License-Identifier: Apache-2.0
"""Steps 1 and 2: what a downloader's disk holds against what was signed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models import sharded_model, single_file, tiny_model, write
from weighbridge.errors import DigestError, EnumerationError, InputError
from weighbridge.oms import Manifest, Resource, Serialization, compare, manifest_of
from weighbridge.weighing import weigh


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


@pytest.fixture
def manifest(model: Path) -> Manifest:
    return manifest_of(weigh(model))


def ignoring(manifest: Manifest, paths: Sequence[str]) -> Manifest:
    return replace(manifest, serialization=Serialization(ignore_paths=tuple(paths)))


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b", "blake3"])
def test_an_untouched_model_is_as_signed(model: Path, algorithm: str) -> None:
    manifest = manifest_of(weigh(model, algorithms=[algorithm]), algorithm=algorithm)
    found = compare(manifest, model)
    assert found.enumeration_error() is None
    assert found.digest_error() is None
    assert (found.signed, found.checked, found.algorithm) == (6, 6, algorithm)
    assert found.size == sum(file.size for file in weigh(model).files)
    assert found.unsigned == ("README.md",)
    assert found.weighed is None


def test_one_flipped_bit_is_named(model: Path, manifest: Manifest) -> None:
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "model.safetensors").write_bytes(content)
    found = compare(manifest, model)
    assert found.enumeration_error() is None
    error = found.digest_error()
    assert isinstance(error, DigestError)
    assert error.step == 2
    assert "model.safetensors" in error.message
    assert [change["path"] for change in error.evidence["changed"]] == ["model.safetensors"]


def test_missing_and_extra_files_are_named(model: Path, manifest: Manifest) -> None:
    (model / "tokenizer.json").unlink()
    write(model / "code" / "modeling.py", "import os")
    found = compare(manifest, model)
    assert found.missing == ("tokenizer.json",)
    assert found.extra == ("code/modeling.py",)
    error = found.enumeration_error()
    assert isinstance(error, EnumerationError)
    assert error.step == 1
    assert "1 signed file is missing (tokenizer.json)" in error.message
    assert "1 unsigned file is present (code/modeling.py)" in error.message


def test_permuted_names_with_the_same_root_digest_are_caught(tmp_path: Path) -> None:
    """Names are not in the root: rename b and c so that the order of contents stays the same."""
    folder = tmp_path / "m"
    for name, content in (("a", "one"), ("b", "two"), ("c", "three")):
        write(folder / name, content)
    manifest = manifest_of(weigh(folder))
    (folder / "a").rename(folder / "0")
    assert weigh(folder).root_digest == manifest.root_digest
    found = compare(manifest, folder)
    assert (found.missing, found.extra) == (("a",), ("0",))
    assert found.enumeration_error()


def test_swapped_contents_are_caught(model: Path, manifest: Manifest) -> None:
    one, two = model / "config.json", model / "data_config.json"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    error = compare(manifest, model).digest_error()
    assert error
    assert len(error.evidence["changed"]) == 2


def test_a_partial_download_needs_the_users_word(model: Path, manifest: Manifest) -> None:
    (model / "tokenizer.json").unlink()
    refused = compare(manifest, model)
    error = refused.enumeration_error()
    assert error
    assert "--allow-subset" in error.hint
    allowed = compare(manifest, model, allow_subset=True)
    assert allowed.enumeration_error() is None
    assert allowed.subset
    assert (allowed.signed, allowed.checked) == (6, 5)


def test_a_subset_of_nothing_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "empty").mkdir()
    assert compare(manifest, tmp_path / "empty", allow_subset=True).enumeration_error()


def test_one_file_of_a_signed_folder_is_a_subset(model: Path, manifest: Manifest) -> None:
    found = compare(manifest, model / "config.json", allow_subset=True)
    assert found.enumeration_error() is None
    assert found.checked == 1
    assert compare(manifest, model / "config.json").enumeration_error()


def test_ignoring_unsigned_files_lists_each_of_them(model: Path, manifest: Manifest) -> None:
    write(model / "evil.py", "boom")
    write(model / "logs" / "deep" / "run.txt", "x")
    (model / "link").symlink_to("/etc/passwd")
    with pytest.raises(EnumerationError, match="link is a link"):
        compare(manifest, model)
    found = compare(manifest, model, ignore_unsigned_files=True)
    assert found.enumeration_error() is None
    assert found.unsigned == ("README.md", "evil.py", "link", "logs/deep/run.txt")


def test_signed_ignore_paths_let_files_through_and_each_is_listed(model: Path, manifest: Manifest) -> None:
    write(model / "logs" / "evil.py", "boom")
    write(model / ".github" / "workflows" / "ci.yml", "boom")
    write(model / ".cache" / "huggingface" / "x.lock", "")
    write(model / ".git" / "config", "")
    write(model / "model.sig", "the signature")
    write(model / "provenance.jsonl", "the record")
    found = compare(ignoring(manifest, ["logs", "README.md"]), model)
    assert found.enumeration_error() is None
    assert found.unsigned == (
        ".cache/huggingface/",
        ".git/",
        ".github/workflows/ci.yml",
        "README.md",
        "logs/evil.py",
    )


def test_an_ignored_name_in_a_deeper_folder_is_not_ignored(model: Path, manifest: Manifest) -> None:
    write(model / "sub" / "model.sig", "x")
    write(model / "README.md.py", "x")
    assert compare(manifest, model).extra == ("README.md.py", "sub/model.sig")


def test_a_signed_file_is_checked_even_where_an_ignore_path_covers_it(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write(folder / "logs" / "signed.txt", "signed")
    write(folder / "logs" / "other.txt", "other")
    write(folder / "a", "a")
    whole = manifest_of(weigh(folder, ignore=["logs/other.txt"]))
    write(folder / "logs" / "signed.txt", "changed")
    found = compare(ignoring(whole, ["logs"]), folder, ignore=["logs/signed.txt"])
    assert [change.path for change in found.changed] == ["logs/signed.txt"]
    assert found.unsigned == ("logs/other.txt",)


def test_the_users_own_ignores_are_exact_paths(model: Path, manifest: Manifest) -> None:
    write(model / "notes.txt", "mine")
    assert compare(manifest, model).extra == ("notes.txt",)
    assert compare(manifest, model, ignore=["notes.txt"]).extra == ()
    for bad in ("*.txt", "../m", "/abs", "."):
        if bad == "*.txt":
            assert compare(manifest, model, ignore=[bad]).extra == ("notes.txt",)
        else:
            with pytest.raises(InputError, match="Cannot ignore"):
                compare(manifest, model, ignore=[bad])


def test_a_single_file_may_be_called_dot_by_its_signer(tmp_path: Path) -> None:
    path = single_file(tmp_path / "tiny.safetensors")
    digest = weigh(path).files[0].sha256
    manifest = Manifest((Resource(".", digest, "sha256"),), Serialization())
    assert compare(manifest, path).enumeration_error() is None
    assert compare(manifest, path).digest_error() is None
    with pytest.raises(EnumerationError, match="single file"):
        compare(manifest, tmp_path)


def test_a_single_file_under_another_name_is_not_the_signed_one(tmp_path: Path) -> None:
    path = single_file(tmp_path / "tiny.safetensors")
    manifest = manifest_of(weigh(path))
    path.rename(tmp_path / "renamed.safetensors")
    found = compare(manifest, tmp_path / "renamed.safetensors")
    assert (found.missing, found.extra) == (("tiny.safetensors",), ("renamed.safetensors",))
    assert found.enumeration_error()


def test_names_that_only_look_the_same_get_a_word_of_explanation(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write(folder / "Modell-\u00e4.bin", "x")
    manifest = manifest_of(weigh(folder))
    (folder / "Modell-\u00e4.bin").rename(folder / "modell-a\u0308.bin")
    found = compare(manifest, folder)
    assert found.enumeration_error()
    assert "another case or Unicode form" in found.warnings[0]


def test_identifying_gives_the_digests_of_the_same_read(model: Path, manifest: Manifest) -> None:
    weighed = weigh(model)
    found = compare(manifest, model, identify=True, algorithms=["blake3"])
    assert found.weighed
    assert found.weighed.model_digest == weighed.model_digest
    assert found.weighed.weights_digest == weighed.weights_digest
    assert found.weighed.readme
    assert weighed.readme
    assert found.weighed.readme.sha256 == weighed.readme.sha256
    assert set(found.weighed.files[0].digests) == {"sha256", "blake3"}
    assert found.checked == 6


def test_identifying_where_the_manifest_signs_the_readme(model: Path) -> None:
    weighed = weigh(model, exclude_readme=False)
    found = compare(manifest_of(weighed), model, identify=True)
    assert found.checked == 7
    assert found.unsigned == ()
    assert found.weighed
    assert found.weighed.model_digest == weighed.model_digest
    assert found.weighed.root_digest == weighed.root_digest
    write(model / "README.md", "edited")
    assert compare(manifest_of(weighed), model).digest_error()


def test_a_resharded_copy_is_other_files_with_the_same_weights(tmp_path: Path, manifest: Manifest) -> None:
    split = sharded_model(tmp_path / "split")
    found = compare(manifest, split)
    assert found.enumeration_error()


def test_files_of_another_place_do_not_matter(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    found = compare(manifest, copy)
    assert found.enumeration_error() is None
    assert found.digest_error() is None


def test_a_readme_is_read_beside_a_model_that_takes_all_threads(model: Path) -> None:
    """What stops the threads when a large model is read must not stop the reading of its README."""
    write(model / "weights.dat", bytes(6 * 1024 * 1024))
    weighed = weigh(model)
    found = compare(manifest_of(weighed), model, identify=True)
    assert found.digest_error() is None
    assert found.weighed is not None
    assert found.weighed.readme is not None
    assert found.weighed.model_digest == weighed.model_digest
