# SPDX-License-Identifier: Apache-2.0
"""Models in the hub's cache: verified where they lie, offline; and every way in which the cache could lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.library.hub.conftest import Hub
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned, told
from tests.models import tiny_model, write
from weighbridge.errors import EnumerationError, InputError
from weighbridge.hub import HubName, find_snapshot
from weighbridge.verification import check_cached, worst
from weighbridge.weighing import snapshots, weigh
from weighbridge.weighing.tree import Listed


def blob_of(snapshot: Path, name: str) -> Path:
    return (snapshot / name).resolve()


def relink(link: Path, target: str | Path) -> None:
    link.unlink()
    link.symlink_to(target)


def test_a_downloaded_model_verifies_by_its_name_and_by_its_folder(hub: Hub) -> None:
    snapshot = hub.download()
    assert (snapshot / "big.bin").is_symlink()
    hub.server.asked.clear()
    for name in ("hf:acme/tiny", "hf:acme/tiny@main", f"hf:acme/tiny@{snapshot.name}", snapshot):
        verdict = hub.check(name)
        assert_verified(verdict)
        assert verdict.step(1).evidence["commit"] == snapshot.name
        assert snapshot.name[:12] in verdict.step(1).reason
    assert_verified(hub.check(f"hf:acme/tiny@{snapshot.name[:8]}"))
    assert_verified(hub.check(release=hub.published.title))
    assert hub.server.asked == [], "no network"


def test_it_weighs_as_the_folder_that_was_uploaded(hub: Hub) -> None:
    hub.download()
    assert weigh("hf:acme/tiny").model_digest == weigh(hub.published.model).model_digest


def test_a_revision_that_is_not_there_is_told_with_those_that_are(hub: Hub) -> None:
    snapshot = hub.download()
    with pytest.raises(InputError) as caught:
        find_snapshot(HubName.parse("hf:acme/tiny@v2"))
    assert f"{snapshot.name[:12]} (main)" in caught.value.message
    assert "--revision v2" in caught.value.hint


def test_a_partial_download_is_a_subset(hub: Hub) -> None:
    hub.download(ignore_patterns=["big.bin", "tokenizer*"])
    refused = hub.check()
    assert_refused(refused, 1, "big.bin", "missing")
    assert refused.verdict.value == "subset"
    assert_warned(hub.check(allow_subset=True), 1, "missing: big.bin")


def test_an_interrupted_download_leaves_a_missing_file(hub: Hub) -> None:
    snapshot = hub.download()
    blob_of(snapshot, "big.bin").unlink()
    assert_refused(hub.check(), 1, "1 signed file is missing (big.bin)")


def test_a_blob_that_was_changed_later_is_refused(hub: Hub) -> None:
    blob = blob_of(hub.download(), "big.bin")
    blob.chmod(0o644)
    blob.write_bytes(b"X" + blob.read_bytes()[1:])
    assert_refused(hub.check(), 2, "big.bin")


def test_the_second_hop_into_the_store_that_models_share_is_followed_once(hub: Hub) -> None:
    """The layout of huggingface_hub since 1.32: `blobs/<etag>` is a link to `<cache>/blobs/<xx>/<hash>`."""
    snapshot = hub.download()
    blob, shared = blob_of(snapshot, "big.bin"), "ab" * 32
    place = write(hub.cache / "blobs" / "ab" / shared, blob.read_bytes())
    relink(blob, os.path.relpath(place, blob.parent))
    assert_verified(hub.check())
    write(place, b"other")
    assert_refused(hub.check(), 2, "big.bin")
    place.unlink()
    assert_refused(hub.check(), 1, "big.bin")
    relink_target = hub.cache / "blobs" / "ab" / ("cd" * 32)
    write(relink_target, b"x")
    place.symlink_to(relink_target.name)
    assert_refused(hub.check(), 1, "no file")


@pytest.mark.parametrize(
    "target",
    [
        "../../../../secret",
        "{secret}",
        "../../blobs/../../../secret",
        "../../blobs/a/b",
        "../../blobs",
        "../../refs/main",
        "config.json",
        "../../blobs/..",
        "../../../models--evil--tiny/blobs/x",
        "big.bin",
    ],
)
def test_a_link_out_of_the_blobs_is_refused_and_never_read(hub: Hub, tmp_path: Path, target: str) -> None:
    snapshot = hub.download()
    secret = write(tmp_path / "secret", b"secret")
    write(hub.cache / "models--evil--tiny" / "blobs" / "x", b"x")
    relink(snapshot / "big.bin", target.format(secret=secret))
    verdict = hub.check()
    assert_refused(verdict, 1, "big.bin is a link that leads out")


@pytest.mark.parametrize("kind", ["loop", "out", "pipe", "folder"])
def test_a_blob_that_is_no_file_is_refused(hub: Hub, tmp_path: Path, kind: str) -> None:
    snapshot = hub.download()
    blob = blob_of(snapshot, "big.bin")
    blob.unlink()
    if kind == "loop":
        blob.symlink_to(blob.name)
    elif kind == "out":
        blob.symlink_to(write(tmp_path / "secret", b"secret"))
    elif kind == "pipe":
        os.mkfifo(blob)
    else:
        blob.mkdir()
    assert_refused(hub.check(), 1, "link")


def test_a_folder_of_blobs_that_is_a_link_is_not_followed(hub: Hub, tmp_path: Path) -> None:
    snapshot = hub.download()
    blobs = snapshot.parent.parent / "blobs"
    shutil.move(blobs, tmp_path / "elsewhere")
    blobs.symlink_to(tmp_path / "elsewhere")
    assert hub.check(f"hf:acme/tiny@{snapshot.name}").exit_code == 1


def test_a_blob_that_is_swapped_after_listing_is_noticed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = hub.download()
    blob = blob_of(snapshot, "big.bin")
    original = snapshots.Snapshot._open

    def swapping(tree: snapshots.Snapshot, folder: int | str, file: Listed) -> int:
        if file.path == "big.bin" and blob.exists():
            content = blob.read_bytes()
            blob.unlink()
            blob.write_bytes(content)  # the same bytes in another file: still not what was listed
        return original(tree, folder, file)

    monkeypatch.setattr(snapshots.Snapshot, "_open", swapping)
    with pytest.raises(EnumerationError, match="changed or was replaced"):
        weigh("hf:acme/tiny")


def test_a_link_in_a_plain_folder_stays_refused(hub: Hub, tmp_path: Path) -> None:
    """Only the cache's own layout is followed: a copy of a snapshot elsewhere is a folder with links."""
    snapshot = hub.download()
    copy = tmp_path / "copy"
    shutil.copytree(snapshot, copy, symlinks=True)
    for name in ("model.sig", "provenance.jsonl"):
        content = (snapshot / name).read_bytes()
        (copy / name).unlink()
        write(copy / name, content)
    assert_refused(hub.check(copy), 1, "is a link")


def test_every_model_of_the_cache_in_one_table(hub: Hub, tmp_path: Path) -> None:
    hub.download()
    hub.server.add("acme/unsigned", tiny_model(tmp_path / "unsigned"))
    hub.download("acme/unsigned")
    found = {each.snapshot.repo: each for each in check_cached(public_key=hub.published.publisher.pem)}
    assert found["acme/tiny"].word == "undecided", "its record asks for step 7, and no log is pinned"
    assert found["acme/unsigned"].word == "unsigned"
    found = {
        each.snapshot.repo: each
        for each in check_cached(public_key=hub.published.publisher.pem, log_keys=[hub.published.log.vkey])
    }
    assert found["acme/tiny"].word == "verified", told(found["acme/tiny"].verdict)  # type: ignore[arg-type]  # it is there
    assert worst(list(found.values())) == 1
    assert worst([found["acme/tiny"]]) == 0
    with pytest.raises(InputError, match="one model"):
        check_cached(release="acme/tiny@1.0")
