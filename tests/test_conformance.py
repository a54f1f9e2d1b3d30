# SPDX-License-Identifier: Apache-2.0
"""The OMS conformance adapter (.ci/oms-conformance), called as the suite calls it, on its kinds of cases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.authorities import Authority
from tests.commands import install
from tests.library.oms.released.make import FILES
from tests.local_sigstore import EMAIL_ISSUER, LocalSigstore
from tests.models import write
from weighbridge import keys

ADAPTER = Path(__file__).resolve().parent.parent / ".ci" / "oms-conformance"
RELEASED = Path(__file__).parent / "library" / "oms" / "released"

Adapter = Callable[..., int]


@pytest.fixture
def adapter(tmp_path: Path, config_folder: Path) -> Adapter:
    """Run the adapter with a `weighbridge` of this tree on its path; gives the exit code."""
    install(tmp_path / "bin")

    def run(*arguments: str | Path) -> int:
        done = subprocess.run(
            [sys.executable, ADAPTER, *map(str, arguments)],
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        write(tmp_path / "model" / name, content)
    write(tmp_path / "model" / "ignore-me", b"secret")
    write(tmp_path / "model" / ".gitignore", b"x")
    return tmp_path / "model"


def key_files(folder: Path, curve: str = "P-256") -> tuple[Path, Path]:
    key = keys.generate_private_key(curve)
    keys.write_private_key(folder / "key.pem", key, None)
    return folder / "key.pem", write(folder / "key.pub", keys.public_pem(key.public_key()))


def test_the_key_method_signs_and_verifies_and_refuses(tmp_path: Path, adapter: Adapter, model: Path) -> None:
    private, public = key_files(tmp_path)
    _, other = key_files(write(tmp_path / "other" / "x", b"").parent)
    bundle = tmp_path / "out.sig"
    ignore = ("--ignore-paths", model / "ignore-me", "--ignore-paths", bundle)
    sign = ("sign-model", "--method", "key", "--model-path", model, "--output-bundle", bundle)
    assert adapter(*sign, "--private-key", private, *ignore) == 0
    verify = ("verify-model", "--method", "key", "--model-path", model, "--bundle", bundle, "--public-key")
    assert adapter(*verify, public) == 0
    assert adapter(*verify, other) == 1
    write(model / "extra.bin", b"x")
    assert adapter(*verify, public) == 1
    assert adapter(*verify, public, "--ignore-unsigned-files") == 0
    write(model / "weights.bin", b"x")
    assert adapter(*verify, public, "--ignore-unsigned-files") == 1
    write(bundle, bundle.read_bytes()[:-30])
    assert adapter(*verify, public) == 1


def test_the_certificate_method(tmp_path: Path, adapter: Adapter, model: Path) -> None:
    private, _ = key_files(tmp_path)
    now = datetime.now(UTC)
    years = {"start": now - timedelta(days=1), "end": now + timedelta(days=1)}
    root, other = Authority("Root", **years), Authority("Root", **years)
    middle = Authority("Middle", issuer=root, **years)
    leaf = middle.issue("release", keys.load_private_key(private).public_key(), **years)
    pem = leaf.public_bytes(serialization.Encoding.PEM)
    paths = {
        name: write(tmp_path / f"{name}.pem", content)
        for name, content in (("leaf", pem), ("middle", middle.pem), ("root", root.pem), ("other", other.pem))
    }
    bundle = tmp_path / "out.sig"
    sign = ("sign-model", "--method", "certificate", "--model-path", model, "--output-bundle", bundle)
    chain = ("--cert-chain", paths["middle"], "--cert-chain", paths["root"])
    assert adapter(*sign, "--private-key", private, "--signing-cert", paths["leaf"], *chain) == 0
    verify = ("verify-model", "--method", "certificate", "--model-path", model, "--bundle", bundle)
    assert adapter(*verify, "--cert-chain", paths["root"]) == 0
    assert adapter(*verify, "--cert-chain", paths["other"]) == 1


@pytest.mark.needs("node", "npm")
def test_the_sigstore_method(
    tmp_path: Path, adapter: Adapter, model: Path, local_sigstore: LocalSigstore
) -> None:
    bundle, config = tmp_path / "out.sig", write(tmp_path / "trust.json", local_sigstore.trust_config)
    where = ("--method", "sigstore", "--model-path", model, "--trust-config", config)
    token = local_sigstore.email_token()
    assert adapter("sign-model", *where, "--output-bundle", bundle, "--identity-token", token) == 0
    verify = ("verify-model", *where, "--bundle", bundle, "--identity-provider", EMAIL_ISSUER, "--identity")
    assert adapter(*verify, "alice@example.org") == 0
    assert adapter(*verify, "mallory@example.org") == 1


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "1.0.0", "1.1.1"])
def test_bundles_of_old_versions(adapter: Adapter, model: Path, version: str) -> None:
    (model / "ignore-me").unlink()
    (model / ".gitignore").unlink()
    place = RELEASED / version
    verify = ("verify-model", "--method", "key", "--model-path", model, "--bundle", place / "P-384.sig")
    assert adapter(*verify, "--public-key", place / "P-384.pub") == 0
    assert adapter(*verify, "--public-key", place / "P-256.pub") == 1


def test_an_empty_model_and_a_link_are_refused(tmp_path: Path, adapter: Adapter) -> None:
    private, _ = key_files(tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    bundle = tmp_path / "out.sig"
    sign = ("sign-model", "--method", "key", "--private-key", private, "--output-bundle", bundle)
    assert adapter(*sign, "--model-path", folder) == 1
    write(folder / "a", b"a")
    (folder / "link").symlink_to("a")
    assert adapter(*sign, "--model-path", folder) == 1
    assert not bundle.exists()
