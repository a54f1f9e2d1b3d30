# SPDX-License-Identifier: Apache-2.0
"""A mirror whose copy lies in a bucket: as whole as one in a folder, whatever the storage does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from fastapi.testclient import TestClient

from tests.registries import running_registry
from tests.registry.publishers import digest_of
from tests.registry.s3 import S3, Proxy, answering
from tests.registry.test_fsck import README
from tests.registry.test_mirror import PowerCutError, Registry, leaves_of, registry, serve
from tests.registry.test_tensors import TABLE
from weighbridge import tlog
from weighbridge.errors import ConfigurationError, ForkError, InputError, LogError, UndecidedError
from weighbridge_cli.main import run
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import Report, fsck
from weighbridge_registry.mirroring import Mirror, Mirrored
from weighbridge_registry.read_only import open_read_only
from weighbridge_registry.settings import Settings

__all__ = ["registry"]  # a fixture that lives beside the mirror's other tests

pytestmark = pytest.mark.files


@dataclass
class Copy:
    """Where one copy lives: its folder, its objects' prefix and the address that holds it."""

    data: Path
    prefix: str
    storage: str

    def mirror(self, registry: Registry) -> Mirrored:
        with Mirror(
            registry.url, self.data, registry.vkey, storage=self.storage, public_sigstore=False
        ) as one:
            return one.round()

    def fsck(self) -> Report:
        return fsck(self.data, storage=self.storage, public_sigstore=False)

    @property
    def settings(self) -> Settings:
        return Settings(data=self.data, storage=self.storage, public_sigstore=False, read_only=True)


@pytest.fixture
def copy(proxy: Proxy, tmp_path: Path) -> Copy:
    prefix = f"copies/{tmp_path.name}"
    return Copy(tmp_path / "copy", prefix, proxy.address(prefix))


def test_a_copy_in_a_bucket_is_whole_follows_and_answers_as_the_registry_does(
    registry: Registry, copy: Copy, s3: S3
) -> None:
    done = copy.mirror(registry)
    assert (done.size, done.new_entries, done.new_attachments, done.problems) == (8, 8, 2, ())
    registry.publish()
    registry.asked.clear()
    assert copy.mirror(registry).new_entries == 2
    assert sum(path.startswith("/bundles/") for path in registry.asked) == 2, "only what is new"
    report = copy.fsck()
    assert report.ok, report.to_json()
    assert report.state_digest == fsck(registry.data, public_sigstore=False).state_digest
    assert {path.name for path in copy.data.iterdir()} & {"public", "blobs"} == set()
    assert s3.object(f"{copy.prefix}/checkpoint").data == registry.client.get("/checkpoint").content
    service = open_read_only(copy.settings)
    try:
        client = TestClient(create_api(service))
        for path in (
            "/checkpoint",
            "/tile/0/000.p/10",
            "/tile/entries/000.p/10",
            "/api/v1/log",
            "/api/v1/models/acme/tiny/3",
            f"/api/v1/blobs/{digest_of(README)}",
            f"/api/v1/blobs/{digest_of(TABLE)}",
        ):
            here, there = client.get(path), registry.client.get(path)
            assert (here.status_code, here.content) == (200, there.content), path
    finally:
        service.close()


@pytest.mark.parametrize(
    "part",
    [
        "/tile/",
        *(pytest.param(one, marks=pytest.mark.faults) for one in ("/bundles/", "/checkpoint", "/blobs/")),
    ],
)
def test_a_bucket_that_refuses_a_write_holds_the_mirror_up_and_spoils_nothing(
    registry: Registry, copy: Copy, proxy: Proxy, part: str
) -> None:
    with (
        proxy.fault(answering(403, b"<Code>AccessDenied</Code>"), "PUT", part),
        pytest.raises(UndecidedError),
    ):
        copy.mirror(registry)
    if part != "/blobs/":
        with pytest.raises(InputError, match="lies in a bucket"):
            open_read_only(Settings(data=copy.data, read_only=True))
    assert copy.mirror(registry).size == 8
    assert copy.fsck().ok


@pytest.mark.parametrize(
    "step", ["_store", *(pytest.param(one, marks=pytest.mark.faults) for one in ("_publish", "_replay"))]
)
def test_a_mirror_into_a_bucket_that_was_killed_goes_on(
    registry: Registry, copy: Copy, s3: S3, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = getattr(Mirror, step)

    def cut(self: Mirror, *arguments: object) -> None:
        done(self, *arguments)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Mirror, step, cut)
        with pytest.raises(PowerCutError):
            copy.mirror(registry)
    shown = s3.object(f"{copy.prefix}/checkpoint").status
    assert shown == (404 if step == "_store" else 200), "shown before it was whole, or not at all"
    assert copy.mirror(registry).size == 8
    assert copy.fsck().ok


def test_what_somebody_changed_in_the_bucket_is_found_before_anything_is_shown(
    registry: Registry, copy: Copy, s3: S3
) -> None:
    copy.mirror(registry)
    before = s3.object(f"{copy.prefix}/checkpoint").data
    registry.publish()
    tile = f"{copy.prefix}/tile/0/000.p/8"
    honest = s3.object(tile).data
    s3.overwrite(tile, honest[:-1] + bytes([honest[-1] ^ 1]))
    with pytest.raises(LogError, match="read before"):
        copy.mirror(registry)
    assert s3.object(f"{copy.prefix}/checkpoint").data == before
    s3.overwrite(tile, honest)
    assert copy.mirror(registry).size == 10
    assert copy.fsck().ok


def test_a_rewritten_log_never_gets_into_the_bucket(registry: Registry, copy: Copy, s3: S3) -> None:
    copy.mirror(registry)
    before = s3.object(f"{copy.prefix}/checkpoint").data
    serve(registry, leaves_of(registry.service)[:-1])
    with pytest.raises(ForkError, match="now one of size 7"):
        copy.mirror(registry)
    assert s3.object(f"{copy.prefix}/checkpoint").data == before


def test_a_bucket_or_a_folder_that_is_not_this_copys_is_left_alone(
    registry: Registry, copy: Copy, proxy: Proxy, s3: S3, tmp_path: Path
) -> None:
    copy.mirror(registry)
    held = (copy.data / "mirror.json").read_bytes()
    assert json.loads(held)["storage"] == copy.storage

    def refused(data: Path, storage: str | None, words: str) -> None:
        with pytest.raises(ConfigurationError, match=words):
            Mirror(registry.url, data, registry.vkey, storage=storage)

    refused(tmp_path / "thief", copy.storage, "there is a log in s3://.* already")
    refused(copy.data, None, "lies in s3://")
    refused(copy.data, proxy.address("elsewhere"), "lies in s3://")
    refused(registry.data, proxy.address("elsewhere"), "registry's own data folder")
    assert (copy.data / "mirror.json").read_bytes() == held
    copy.storage = s3.address(copy.prefix)  # the same bucket, reached otherwise
    assert copy.mirror(registry).new_entries == 0
    (copy.data / "mirror.json").write_text(json.dumps(json.loads(held) | {"storage": 1}))
    refused(copy.data, copy.storage, "spoilt")


def test_the_commands_mirror_into_a_bucket_and_show_it(
    registry: Registry,
    copy: Copy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    config_folder: Path,
) -> None:
    place = ("--data", str(copy.data), "--storage", copy.storage)
    assert run(["log", "mirror", registry.url, *place, "--log-key", registry.vkey, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 8
    assert run(["log", "fsck", *place]) == 0
    assert run(["log", "fsck", *place[:2]]) == 2
    assert f"give --storage '{copy.storage}'" in capsys.readouterr().err
    folder = tmp_path / "serving"
    folder.mkdir()
    (folder / "data").symlink_to(copy.data)
    with running_registry(folder, arguments=["--read-only", "--storage", copy.storage]) as shown:
        assert shown.get("/api/v1/log")["size"] == 8
        note = urllib3.request("GET", f"{shown.url}/checkpoint", retries=False, timeout=20).data
        assert tlog.parse_checkpoint(note, [registry.vkey]).size == 8
        assert shown.post([b"{}"]).status == 405
