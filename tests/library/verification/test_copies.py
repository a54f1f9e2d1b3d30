# SPDX-License-Identifier: Apache-2.0
"""`--copy-to`: what is used is what was checked, whoever writes to the folder meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment, weighbridge_here
from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified
from tests.models import tiny_model, write
from tests.records import Publisher
from weighbridge.errors import InputError
from weighbridge.signing import sign
from weighbridge.weighing import reading

MIB = 1 << 20


@pytest.fixture
def alice() -> Publisher:
    return Publisher()


@pytest.fixture
def model(tmp_path: Path, alice: Publisher) -> Path:
    folder = tiny_model(tmp_path / "m")
    write(folder / "deep" / "er" / "weights.dat", os.urandom(3 * MIB))
    sign(folder, signer=alice.signer)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("options", [{}, {"shard_size": 1_000_000}, {"algorithm": "blake3"}])
def test_a_good_model_is_copied_byte_for_byte_without_what_nobody_signed(
    tmp_path: Path, model: Path, alice: Publisher, verify_it: Check, options: dict[str, object]
) -> None:
    sign(model, signer=alice.signer, **options)  # type: ignore[arg-type]  # options of several types
    signed = contents(model)
    write(model / "evil.py", "import os")
    target = tmp_path / "verified"
    assert_verified(verify_it(model, public_key=alice.pem, copy_to=target, ignore_unsigned_files=True))
    del signed["model.sig"]
    assert contents(target) == signed
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_bad_model_leaves_nothing(tmp_path: Path, model: Path, alice: Publisher, verify_it: Check) -> None:
    target = tmp_path / "verified"
    write(model / "deep" / "er" / "weights.dat", os.urandom(3 * MIB))
    assert_refused(verify_it(model, public_key=alice.pem, copy_to=target), 2)
    assert_refused(verify_it(model, public_key=Publisher().pem, copy_to=target), 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config", "m"] or not target.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_bytes_that_change_after_they_were_read_are_not_in_the_copy(
    tmp_path: Path, model: Path, alice: Publisher, verify_it: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody swaps the weights between the check and the use: the copy has what was checked."""
    original = contents(model)["deep/er/weights.dat"]
    target = tmp_path / "verified"
    assert_verified(verify_it(model, public_key=alice.pem, copy_to=target))
    write(model / "deep" / "er" / "weights.dat", b"evil")
    assert (target / "deep" / "er" / "weights.dat").read_bytes() == original


def test_an_existing_target_is_never_written_to(
    tmp_path: Path, model: Path, alice: Publisher, verify_it: Check
) -> None:
    target = write(tmp_path / "there" / "mine", "mine").parent
    with pytest.raises(InputError, match="exists"):
        verify_it(model, public_key=alice.pem, copy_to=target)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="exists"):
        verify_it(model, public_key=alice.pem, copy_to=tmp_path / "link")
    with pytest.raises(InputError, match="cannot write"):
        verify_it(model, public_key=alice.pem, copy_to=tmp_path / "no" / "such" / "parent")
    assert contents(target) == {"mine": b"mine"}


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, model: Path, alice: Publisher) -> None:
    """RLIMIT_FSIZE stands for a disk on which there is room for one megabyte."""
    public = write(tmp_path / "a.pub", alice.pem)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({MIB}, {MIB}))\n"
        "from weighbridge_cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    arguments = ["verify", model, "--public-key", public, "--copy-to", tmp_path / "verified"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment(WEIGHBRIDGE_CONFIG_DIR=str(tmp_path / "config")),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot write" in done.stderr
    assert "weights.dat" in done.stderr
    left = {path.name for path in tmp_path.iterdir()}
    assert not {name for name in left if name.endswith(".tmp")}
    assert "verified" not in left


def test_as_typed(tmp_path: Path, model: Path, alice: Publisher, config_folder: Path) -> None:
    public = write(tmp_path / "a.pub", alice.pem)
    target = tmp_path / "verified"
    done = weighbridge_here("verify", model, "--public-key", public, "--copy-to", target)
    assert done.exit_code == 0, done.stderr
    assert (target / "config.json").is_file()
    assert weighbridge_here("verify", "hf:a/b", "--remote", "--copy-to", tmp_path / "x").exit_code == 2
    assert reading.SMALL == MIB, "the model above has a file of each way of reading"
