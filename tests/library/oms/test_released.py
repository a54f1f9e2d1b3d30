# SPDX-License-Identifier: Apache-2.0
"""Bundles of every released format verify for ever: those that model-signing 0.2.0 to 1.1.1 really wrote.

`released/make.py` says how they were made. Each must verify as a person would ask, with its own files, and be
refused once a byte is another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.library.oms.released.make import FILES, SINGLE
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned
from tests.models import write
from weighbridge.memory import Memory
from weighbridge.trust import TrustStore
from weighbridge.verdict import Verdict
from weighbridge.verification import check

RELEASED = Path(__file__).parent / "released"
BUNDLES = sorted(RELEASED.glob("*/*.sig"))


def verify(path: Path, bundle: Path, tmp_path: Path, **options: Any) -> Verdict:
    config = tmp_path / "config"
    own = {"trust": TrustStore(config), "memory": Memory(config, enabled=False), "signature": bundle}
    return check(path, **(own | wanted(bundle) | options))  # type: ignore[arg-type]  # options of many types


def wanted(bundle: Path) -> dict[str, Any]:
    if bundle.stem == "certificate":
        return {"certificate_chain": [(bundle.parent / "root.pem").read_bytes()]}
    name = bundle.stem if bundle.stem.startswith("P-") else "P-256"
    return {"public_key": (bundle.parent / f"{name}.pub").read_bytes()}


def model_of(bundle: Path, tmp_path: Path) -> Path:
    if bundle.stem == "single":
        return write(tmp_path / "renamed.bin", SINGLE[1])
    for path, content in FILES.items():
        write(tmp_path / "model" / path, content)
    return tmp_path / "model"


def name(bundle: Path) -> str:
    return f"{bundle.parent.name}-{bundle.stem}"


def test_every_version_and_method_is_there() -> None:
    made = {version.name: {each.stem for each in version.glob("*.sig")} for version in RELEASED.glob("*.*.*")}
    keys = {"P-256", "P-384", "P-521"}
    assert made == {
        "0.2.0": {*keys, "certificate"},
        "0.3.1": {*keys, "single", "shards"},  # its certificates cannot be made with any library of today
        "1.0.0": {*keys, "certificate", "single", "shards"},
        "1.1.1": {*keys, "certificate", "single", "shards"},
    }


@pytest.mark.parametrize("bundle", BUNDLES, ids=name)
def test_it_verifies_with_its_files(bundle: Path, tmp_path: Path) -> None:
    verdict = verify(model_of(bundle, tmp_path), bundle, tmp_path)
    assert_verified(verdict)
    if bundle.parent.name == "0.2.0":
        assert_warned(verdict, 5, "experimental format of model-signing 0.2")
    if bundle.stem == "shards":
        assert_warned(verdict, 1, "NOT SIGNED, let through: empty.txt")
        assert_warned(verdict, 5, "shard size is written as a float")


@pytest.mark.parametrize("bundle", BUNDLES, ids=name)
def test_it_refuses_a_changed_byte(bundle: Path, tmp_path: Path) -> None:
    path = model_of(bundle, tmp_path)
    changed = path if path.is_file() else path / "weights.bin"
    content = bytearray(changed.read_bytes())
    content[2500] ^= 1
    changed.write_bytes(content)
    verdict = verify(path, bundle, tmp_path)
    assert_refused(verdict, 2, "weights.bin" if path.is_dir() else "renamed.bin")


@pytest.mark.parametrize("bundle", BUNDLES, ids=name)
def test_it_refuses_another_signer(bundle: Path, tmp_path: Path) -> None:
    version = "1.0.0" if bundle.parent.name != "1.0.0" else "1.1.1"
    stranger = wanted(RELEASED / version / bundle.name.replace("shards", "P-256"))
    assert_refused(verify(model_of(bundle, tmp_path), bundle, tmp_path, **stranger), 4, "Not signed by")


@pytest.mark.parametrize("bundle", [each for each in BUNDLES if each.stem != "single"], ids=name)
def test_it_refuses_an_extra_and_a_missing_file(bundle: Path, tmp_path: Path) -> None:
    path = model_of(bundle, tmp_path)
    write(path / "extra.py", "import os")
    assert_refused(verify(path, bundle, tmp_path), 1, "extra.py")
    (path / "extra.py").unlink()
    (path / "a.txt").unlink()
    assert_refused(verify(path, bundle, tmp_path), 1, "a.txt")
