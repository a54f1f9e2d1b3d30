# SPDX-License-Identifier: Apache-2.0
"""`sign(reuse=…)`: what has not been touched is not hashed again, and no trick makes a change look like that.

Tables are kept with a clock that is an hour ahead, so that files made a moment ago are old enough to be
believed; one test leaves the clock alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models import single_file, tiny_model, write
from weighbridge import bundles, keys
from weighbridge.errors import BundleError, EnumerationError, InputError
from weighbridge.file_tables import MAX_TABLES, FileTables
from weighbridge.oms import compare, parse_manifest
from weighbridge.signing import KeySigner, SignedModel, sign
from weighbridge.statements import parse_statement
from weighbridge.weighing import hashing
from weighbridge.weighing.mounts import devices_without_ctime
from weighbridge.weighing.reuse import MARGIN_NS, FileTable
from weighbridge.weighing.tree import Listed

HOUR = 3600 * 10**9
SIGNER = KeySigner(keys.generate_private_key())
WEIGHTS = "model.safetensors"


@pytest.fixture
def tables(tmp_path: Path) -> FileTables:
    return FileTables(tmp_path / "config" / "hashed", clock=lambda: time.time_ns() + HOUR)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


def spared(signed: SignedModel) -> list[str]:
    return [file.path for file in signed.serialized.spared]


def true_of(signed: SignedModel, model: Path) -> bool:
    """Whether the signature says what the files really are, hashed anew."""
    manifest, _ = parse_manifest(parse_statement(bundles.parse_bundle(signed.bundle).payload))
    comparison = compare(manifest, model)
    return comparison.enumeration_error() is None and comparison.digest_error() is None


def table_of(tables: FileTables, signed: SignedModel) -> Path:
    return tables.folder / f"{hashlib.sha256(signed.bundle).hexdigest()}.json"


def signed_twice(
    model: Path, tables: FileTables, between: Callable[[], object] = lambda: None
) -> SignedModel:
    """Sign, let something happen, sign again with the first signature to reuse."""
    sign(model, signer=SIGNER, tables=tables)
    between()
    return sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")


# What it is for


@pytest.mark.parametrize("algorithm", ["sha256", "blake3", "blake2b"])
def test_only_what_changed_is_hashed_and_the_signature_is_the_same_as_of_all(
    model: Path, tables: FileTables, algorithm: str
) -> None:
    sign(model, signer=SIGNER, tables=tables, algorithm=algorithm)
    write(model / "config.json", '{"hidden_size": 16}\n')
    write(model / "new.json", "{}\n")

    again = sign(model, signer=SIGNER, tables=tables, algorithm=algorithm, reuse=model / "model.sig")

    whole = sign(model, signer=SIGNER, tables=tables, algorithm=algorithm)
    assert again.serialized.manifest == whole.serialized.manifest
    assert again.serialized.files == whole.serialized.files, "what the files are is known too"
    assert again.serialized.model_digest == whole.serialized.model_digest
    hashed = {file.path for file in again.serialized.files} - set(spared(again))
    assert hashed == {"config.json", "new.json"}
    assert again.serialized.why_hashed == "1 changed, 1 new"
    assert true_of(again, model)


def test_no_byte_of_an_untouched_file_is_hashed(model: Path, tables: FileTables) -> None:
    sign(model, signer=SIGNER, tables=tables)
    with mock.patch.object(hashing, "new_hash", side_effect=AssertionError("hashed")):
        again = sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")
    assert len(spared(again)) == len(again.serialized.files)
    assert again.serialized.why_hashed == ""


def test_shards_are_spared_file_by_file_and_files_of_no_bytes_too(tmp_path: Path, tables: FileTables) -> None:
    model = tmp_path / "m"
    write(model / "large.bin", os.urandom(2_500_000))
    write(model / "small.bin", os.urandom(10))
    write(model / "empty", b"")
    first = sign(model, signer=SIGNER, tables=tables, shard_size=1_000_000)
    write(model / "small.bin", os.urandom(10))

    again = sign(model, signer=SIGNER, tables=tables, shard_size=1_000_000, reuse=model / "model.sig")

    assert spared(again) == ["empty", "large.bin"]
    assert len(again.serialized.manifest.resources) == len(first.serialized.manifest.resources) == 4
    assert true_of(again, model)
    third = sign(model, signer=SIGNER, tables=tables, shard_size=1_000_000, reuse=model / "model.sig")
    assert len(spared(third)) == 3


def test_a_single_file_and_a_signature_that_lies_elsewhere(tmp_path: Path, tables: FileTables) -> None:
    file = single_file(tmp_path / "w.safetensors")
    sign(file, signer=SIGNER, tables=tables)
    elsewhere = shutil.copy(tmp_path / "w.safetensors.sig", tmp_path / "kept.sig")
    assert spared(sign(file, signer=SIGNER, tables=tables, reuse=elsewhere)) == ["w.safetensors"]


def test_a_moved_model_and_another_signer_are_spared_too(
    tmp_path: Path, model: Path, tables: FileTables
) -> None:
    """The digests are true of the bytes, wherever they lie and whoever signs them."""
    sign(model, signer=SIGNER, tables=tables)
    moved = model.rename(tmp_path / "moved")
    other = KeySigner(keys.generate_private_key())
    again = sign(moved, signer=other, tables=tables, reuse=moved / "model.sig")
    assert len(spared(again)) == len(again.serialized.files)


def test_one_of_several_signatures_in_a_file_is_found(
    tmp_path: Path, model: Path, tables: FileTables
) -> None:
    stranger = sign(model, signer=SIGNER, tables=FileTables(tmp_path / "theirs")).bundle
    own = sign(model, signer=SIGNER, tables=tables).bundle
    both = write(tmp_path / "both.sig", stranger + b"\n" + own + b"\n")
    assert spared(sign(model, signer=SIGNER, tables=tables, reuse=both))


def test_a_chain_of_signings_goes_on_sparing(model: Path, tables: FileTables) -> None:
    for _ in range(3):
        again = signed_twice(model, tables)
        assert len(spared(again)) == len(again.serialized.files)


# Who changes a file and would have it pass for unchanged


def in_place(model: Path) -> None:
    """Other bytes, as many, into the same inode."""
    with (model / WEIGHTS).open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"evil" * 2)


def set_back(model: Path) -> None:
    before = (model / WEIGHTS).stat()
    in_place(model)
    os.utime(model / WEIGHTS, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(model: Path) -> None:
    """Another inode of the same size and time at the same name."""
    path, other = model / WEIGHTS, model / "other"
    before = path.stat()
    other.write_bytes(path.read_bytes()[:-8] + b"evil" * 2)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def through_another_name(model: Path) -> None:
    outside = model.parent / "outside"
    os.link(model / WEIGHTS, outside)
    before = outside.stat()
    with outside.open("r+b") as file:
        file.write(b"\x00")
    os.utime(outside, ns=(before.st_atime_ns, before.st_mtime_ns))


def swapped(model: Path) -> None:
    """Two files of the same size exchange their names."""
    a, b, aside = model / "a.bin", model / "b.bin", model / "aside"
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


@pytest.mark.parametrize("attack", [in_place, set_back, replaced, through_another_name])
def test_a_change_is_seen_whatever_the_times_say(
    model: Path, tables: FileTables, attack: Callable[[Path], None]
) -> None:
    again = signed_twice(model, tables, lambda: attack(model))
    assert WEIGHTS not in spared(again)
    assert again.serialized.why_hashed == "1 changed"
    assert true_of(again, model)


def test_files_that_exchange_their_names_are_hashed(model: Path, tables: FileTables) -> None:
    write(model / "a.bin", b"a" * 100)
    write(model / "b.bin", b"b" * 100)
    again = signed_twice(model, tables, lambda: swapped(model))
    assert not {"a.bin", "b.bin"} & set(spared(again))
    assert true_of(again, model)


def test_a_link_in_place_of_an_unchanged_file_is_refused(
    tmp_path: Path, model: Path, tables: FileTables
) -> None:
    def link() -> None:
        (model / WEIGHTS).rename(tmp_path / "aside")
        (model / WEIGHTS).symlink_to(tmp_path / "aside")

    with pytest.raises(EnumerationError, match="is a link"):
        signed_twice(model, tables, link)


def test_a_file_that_vanished_is_not_signed(model: Path, tables: FileTables) -> None:
    again = signed_twice(model, tables, (model / "config.json").unlink)
    assert "config.json" not in [file.path for file in again.serialized.files]
    assert true_of(again, model)


def test_what_is_changed_while_signing_is_noticed_although_it_is_not_read(
    model: Path, tables: FileTables
) -> None:
    def change(done: int, total: int) -> None:
        assert done == total
        in_place(model)

    sign(model, signer=SIGNER, tables=tables)
    with pytest.raises(EnumerationError, match="changed while"):
        sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig", progress=change)


def test_a_file_that_may_not_be_read_any_more_is_told(model: Path, tables: FileTables) -> None:
    """It is opened all the same: a signature of what nobody can read is of no use."""
    sign(model, signer=SIGNER, tables=tables)
    real = os.open

    def refusing(path: str, flags: int, *more: int, **options: int) -> int:
        if path == WEIGHTS:
            raise OSError(errno.EACCES, "Permission denied", path)
        return real(path, flags, *more, **options)

    with mock.patch("os.open", refusing), pytest.raises(InputError, match="Permission denied"):
        sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")


def test_what_was_written_just_before_signing_is_hashed_again(tmp_path: Path, model: Path) -> None:
    """Within one tick of the file system's clock a second change leaves no trace ("racy git")."""
    real = FileTables(tmp_path / "hashed")
    again = signed_twice(model, real)
    assert spared(again) == []
    assert "so shortly before" in again.serialized.why_hashed


def test_a_time_of_the_future_is_not_believed(model: Path, tables: FileTables) -> None:
    far = time.time_ns() + 100 * HOUR
    os.utime(model / WEIGHTS, ns=(far, far))
    again = signed_twice(model, tables)
    assert WEIGHTS not in spared(again)
    assert spared(again)


def test_a_file_system_without_ctime_is_not_believed(model: Path, tables: FileTables) -> None:
    device = frozenset({model.stat().st_dev})
    sign(model, signer=SIGNER, tables=tables)
    with mock.patch("weighbridge.oms.reusing.devices_without_ctime", return_value=device):
        again = sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")
    assert spared(again) == []
    assert again.serialized.why_hashed == "7 on a file system that does not tell when a file was last changed"


def test_such_file_systems_are_found_in_the_list_of_mounts(tmp_path: Path) -> None:
    mounts = write(
        tmp_path / "mountinfo",
        "22 28 0:21 / /proc rw,relatime shared:5 - proc proc rw\n"
        "30 28 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
        "31 28 8:17 / /media/a\\040stick rw shared:9 master:1 - vfat /dev/sdb1 rw\n"
        "32 28 0:44 / /home/me/far rw - fuse.sshfs me@far:/ rw\n"
        "33 28 x:y / /odd rw - cifs //h/s rw\n"
        "34 28\n - \n\n",
    )
    assert devices_without_ctime(mounts) == {os.makedev(8, 17), os.makedev(0, 44)}
    assert devices_without_ctime(tmp_path / "none") == frozenset()


def test_the_margin_is_wider_than_the_coarsest_clock_of_a_file_system() -> None:
    assert MARGIN_NS > 2 * 10**9


# Who would have another table, or another signature, believed


def test_another_bundle_of_the_same_files_spares_nothing(
    tmp_path: Path, model: Path, tables: FileTables
) -> None:
    sign(model, signer=SIGNER, tables=tables)
    stranger = KeySigner(keys.generate_private_key())
    foreign = sign(
        model, signer=stranger, tables=FileTables(tmp_path / "theirs"), signature=tmp_path / "f.sig"
    )
    again = sign(model, signer=SIGNER, tables=tables, reuse=foreign.path_written)
    assert spared(again) == []
    assert "not made here" in again.serialized.why_hashed


def test_a_bundle_with_one_other_byte_spares_nothing(tmp_path: Path, model: Path, tables: FileTables) -> None:
    """Not even where its signature still holds: only the very bytes that were written here count."""
    first = sign(model, signer=SIGNER, tables=tables)
    document = json.loads(first.bundle)
    document["dsseEnvelope"]["signatures"][0]["keyid"] = "x"
    other = write(tmp_path / "other.sig", json.dumps(document))
    assert spared(sign(model, signer=SIGNER, tables=tables, reuse=other)) == []


def test_digests_come_from_the_signed_bundle_so_an_edited_table_cannot_choose_them(
    model: Path, tables: FileTables
) -> None:
    """Whoever can write the table is the user; even so it holds no digest to change."""
    first = sign(model, signer=SIGNER, tables=tables)
    text = table_of(tables, first).read_text()
    for resource in first.serialized.manifest.resources:
        assert resource.digest not in text


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text[: len(text) // 2], "spoilt"),
        (lambda text: text.replace('"v":1', '"v":2'), "spoilt"),
        (lambda text: text.replace('"v":1', '"more":1,"v":1'), "spoilt"),
        (lambda text: text.replace('"files":[[', '"files":[["x"],['), "spoilt"),
        (lambda text: text.replace('"listed_at":"', '"listed_at":"x'), "spoilt"),
        (lambda text: text.replace('"bundle":"', '"bundle":"0'), "another signature"),
        (lambda _: "[]", "spoilt"),
        (lambda _: "[" * 100_000, "spoilt"),
    ],
)
def test_a_spoilt_table_spares_nothing_and_is_no_error(
    model: Path, tables: FileTables, edit: Callable[[str], str], words: str
) -> None:
    path = table_of(tables, sign(model, signer=SIGNER, tables=tables))
    path.write_text(edit(path.read_text()))
    again = sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")
    assert spared(again) == []
    assert words in again.serialized.why_hashed
    assert true_of(again, model)


def test_the_table_of_another_signature_under_this_name_spares_nothing(
    tmp_path: Path, model: Path, tables: FileTables
) -> None:
    other = table_of(tables, sign(tiny_model(tmp_path / "n", seed=1), signer=SIGNER, tables=tables))
    shutil.copy(other, table_of(tables, sign(model, signer=SIGNER, tables=tables)))
    again = sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")
    assert spared(again) == []
    assert "of another signature" in again.serialized.why_hashed


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_a_table_that_others_may_have_written_spares_nothing(
    tmp_path: Path, model: Path, tables: FileTables, what: str
) -> None:
    path = table_of(tables, sign(model, signer=SIGNER, tables=tables))
    if what == "link":
        path.rename(tmp_path / "aside.json")
        path.symlink_to(tmp_path / "aside.json")
    else:
        (path if what == "file" else path.parent).chmod(0o777)
    again = sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")
    assert spared(again) == []
    assert (
        "symbolic link" in again.serialized.why_hashed.lower()
        or "somebody else" in again.serialized.why_hashed
    )


def test_a_pipe_in_place_of_a_table_does_not_make_signing_wait(model: Path, tables: FileTables) -> None:
    path = table_of(tables, sign(model, signer=SIGNER, tables=tables))
    path.unlink()
    os.mkfifo(path, 0o600)
    assert spared(sign(model, signer=SIGNER, tables=tables, reuse=model / "model.sig")) == []


@pytest.mark.parametrize("content", [b"", b"no signature", b"{}", b"[" * 10_000, b"{}\n" * 50])
def test_what_is_no_signature_spares_nothing_and_is_no_error(
    tmp_path: Path, model: Path, tables: FileTables, content: bytes
) -> None:
    again = sign(model, signer=SIGNER, tables=tables, reuse=write(tmp_path / "x.sig", content))
    assert spared(again) == []
    assert again.serialized.why_hashed


def test_another_hash_or_shard_size_spares_nothing_and_says_so(model: Path, tables: FileTables) -> None:
    sign(model, signer=SIGNER, tables=tables)
    old = model / "model.sig"
    blake = sign(model, signer=SIGNER, tables=tables, algorithm="blake3", reuse=old)
    assert spared(blake) == []
    assert blake.serialized.why_hashed == "the older signature is of whole files by sha256"
    shards = sign(model, signer=SIGNER, tables=tables, algorithm="blake3", shard_size=10**6, reuse=old)
    assert shards.serialized.why_hashed == "the older signature is of whole files by blake3"
    other = sign(model, signer=SIGNER, tables=tables, algorithm="blake3", shard_size=2 * 10**6, reuse=old)
    assert "shards of 1000000 bytes by blake3" in other.serialized.why_hashed
    assert spared(shards) == spared(other) == []


def test_an_older_signature_that_is_not_there_is_a_wrong_command(model: Path, tables: FileTables) -> None:
    with pytest.raises(InputError, match="There is no signature"):
        sign(model, signer=SIGNER, tables=tables, reuse=model / "old.sig")
    assert not (model / "model.sig").exists()


# The tables themselves


def test_tables_are_private_few_and_no_temporary_file_stays(tmp_path: Path, tables: FileTables) -> None:
    files = [Listed("a", 1, 2, 3, 4, 5)]
    for number in range(MAX_TABLES + 5):
        assert tables.save(b"bundle %d" % number, files, number) == ""
        os.utime(
            tables.folder / f"{hashlib.sha256(b'bundle %d' % number).hexdigest()}.json", (number, number)
        )
    stale = write(tables.folder / ".x.json.00.tmp", "left by a crash")
    os.utime(stale, (0, 0))
    assert tables.save(b"last", files, 1) == ""
    kept = list(tables.folder.iterdir())
    assert len(kept) == MAX_TABLES
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert tables.folder.stat().st_mode & 0o777 == 0o700
    assert tables.find(hashlib.sha256(b"last").hexdigest()).files == {"a": files[0]}


def test_all_tables_together_are_bounded(tables: FileTables) -> None:
    with mock.patch("weighbridge.file_tables.MAX_TOTAL_BYTES", 300):
        for number in range(4):
            tables.save(b"bundle %d" % number, [Listed("a" * 40, 1, 2, 3, 4, 5)], 1)
    assert len(list(tables.folder.iterdir())) == 1


def test_a_table_that_is_too_long_is_not_kept_and_it_is_said(model: Path, tables: FileTables) -> None:
    with mock.patch("weighbridge.file_tables.MAX_TABLE_BYTES", 100):
        signed = sign(model, signer=SIGNER, tables=tables)
    assert "longer than" in signed.not_kept
    assert not tables.folder.exists()


def test_a_folder_that_cannot_be_written_fails_no_signing(tmp_path: Path, model: Path) -> None:
    write(tmp_path / "config", "a file where a folder should be")
    signed = sign(model, signer=SIGNER, tables=FileTables(tmp_path / "config" / "hashed"))
    assert signed.not_kept
    assert true_of(signed, model)
    again = sign(
        model, signer=SIGNER, tables=FileTables(tmp_path / "config" / "hashed"), reuse=model / "model.sig"
    )
    assert spared(again) == []


def test_a_failed_signing_keeps_no_table(model: Path, tables: FileTables) -> None:
    (model / "link").symlink_to("/etc/passwd")
    with pytest.raises(EnumerationError):
        sign(model, signer=SIGNER, tables=tables)
    assert not tables.folder.exists()


_numbers = st.integers(min_value=-(2**63), max_value=2**64 - 1)
_rows = st.builds(Listed, st.text(max_size=20), _numbers, _numbers, _numbers, _numbers, _numbers)


@given(st.text(max_size=64), _numbers, st.lists(_rows, max_size=4, unique_by=lambda row: row.path))
def test_a_table_is_read_as_it_was_written(bundle: str, listed_at: int, rows: list[Listed]) -> None:
    table = FileTable(bundle, listed_at, {row.path: row for row in rows})
    try:
        data = table.encode()
    except BundleError:  # a lone surrogate has no JSON
        return
    assert FileTable.decode(data) == table


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    try:
        FileTable.decode(data)
    except BundleError:
        return
    assert data.startswith(b"{")
