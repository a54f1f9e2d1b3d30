# SPDX-License-Identifier: Apache-2.0
"""`publish` by online accounts, CI runs and certificates, against a registry that knows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests import models
from tests.authorities import Authority
from tests.commands import Outcome
from tests.commands import weighbridge_here as here
from tests.local_sigstore import EMAIL_ISSUER, GITHUB_ISSUER, LocalSigstore
from tests.registries import Registry, registry_here
from weighbridge import keys


@pytest.fixture
def trust_config(tmp_path: Path, local_sigstore: LocalSigstore) -> Path:
    path = tmp_path / "sigstore.json"
    path.write_bytes(local_sigstore.trust_config)
    return path


@pytest.fixture
def sigstore_registry(tmp_path: Path, trust_config: Path) -> Iterator[Registry]:
    """A registry that admits signers of the local Sigstore."""
    with registry_here(tmp_path / "r", trust_configs=(trust_config.read_bytes(),)) as one:
        yield one


def _publish(registry: Registry, model: Path, release: str, *options: str | Path) -> Outcome:
    return here("publish", model, release, "--registry", registry.url, *options, "--json")


@pytest.mark.needs("node", "npm")
def test_an_account_publishes_and_verifies_without_any_key(
    tmp_path: Path,
    config_folder: Path,
    trust_config: Path,
    sigstore_registry: Registry,
    local_sigstore: LocalSigstore,
) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    keyless = ("--trust-config", trust_config, "--yes", "--identity-token")
    done = _publish(sigstore_registry, model, "alice/tiny@1", *keyless, local_sigstore.email_token())
    assert done.exit_code == 0, done.stderr
    assert "alice@example.org" in done.json()["signer"]
    assert "signer/v1" not in done.stderr
    checked = here("verify", model, "--release", "alice/tiny@1", "--trust-config", trust_config)
    assert checked.exit_code == 0, checked.stdout + checked.stderr
    named = ("--identity", "alice@example.org", "--issuer", EMAIL_ISSUER, "--trust-config", trust_config)
    assert here("verify", model, *named).exit_code == 0
    (model / "config.json").write_text("{}", encoding="utf-8")
    token = local_sigstore.email_token("mallory@example.org")
    thief = _publish(sigstore_registry, model, "alice/tiny@2", *keyless, token)
    assert thief.exit_code == 1
    assert thief.json()["error"]["step"]["n"] == 4
    assert (config_folder / "logs.json").exists()


@pytest.mark.needs("node", "npm")
def test_a_workflow_claims_by_its_numbers_and_its_next_tag_publishes_too(
    tmp_path: Path,
    config_folder: Path,
    trust_config: Path,
    sigstore_registry: Registry,
    local_sigstore: LocalSigstore,
) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    keyless = ("--trust-config", trust_config, "--yes", "--identity-token")
    first = _publish(sigstore_registry, model, "acme/tiny@1", *keyless, local_sigstore.ci_token())
    assert first.exit_code == 0, first.stderr
    (owner,) = sigstore_registry.get("/api/v1/namespaces/acme")["owners"]
    assert (owner["type"], owner["repository_id"], owner["owner_id"]) == ("ci", "4242", "77")
    assert (owner["issuer"], owner["ref_pattern"]) == (GITHUB_ISSUER, "refs/tags/**")
    (model / "config.json").write_text("{}", encoding="utf-8")
    renamed = local_sigstore.ci_token(repository="renamed/models", ref="refs/tags/v2.0")
    assert _publish(sigstore_registry, model, "acme/tiny@2", *keyless, renamed).exit_code == 0
    stranger = local_sigstore.ci_token(repository_id="666", ref="refs/tags/v3.0")
    assert _publish(sigstore_registry, model, "acme/tiny@3", *keyless, stranger).exit_code == 1
    branch = local_sigstore.ci_token(ref="refs/heads/main")
    assert _publish(sigstore_registry, model, "acme/tiny@3", *keyless, branch).exit_code == 1
    assert config_folder.exists()


@pytest.mark.needs("node", "npm")
def test_an_expired_token_signs_nothing(
    tmp_path: Path, config_folder: Path, trust_config: Path, local_sigstore: LocalSigstore
) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    token = local_sigstore.email_token(lifetime=-60)
    done = here("sign", model, "--yes", "--trust-config", trust_config, "--identity-token", token)
    assert done.exit_code == 2
    assert "token" in done.stderr
    assert not (model / "model.sig").exists()
    assert not config_folder.exists()


def test_a_certificate_publishes_below_its_own_authority(
    tmp_path: Path, config_folder: Path, registry: Registry
) -> None:
    now = datetime.now(UTC)
    root = Authority("Acme Root", start=now - timedelta(days=9), end=now + timedelta(days=9))
    key = keys.generate_private_key()
    leaf = root.issue(
        "Acme Models", key.public_key(), start=now - timedelta(days=1), end=now + timedelta(days=1)
    )
    keys.write_private_key(tmp_path / "key.pem", key, None)
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (tmp_path / "root.pem").write_bytes(root.pem)
    model = models.tiny_model(tmp_path / "tiny")
    signing = (
        "--key",
        tmp_path / "key.pem",
        "--certificate",
        tmp_path / "leaf.pem",
        "--chain",
        tmp_path / "root.pem",
    )
    done = _publish(registry, model, "certified/tiny@1", *signing)
    assert done.exit_code == 0, done.stderr
    (owner,) = registry.get("/api/v1/namespaces/certified")["owners"]
    assert (owner["type"], owner["subject"]) == ("certificate", "CN=Acme Models")
    checked = here("verify", model, "--release", "certified/tiny@1")
    assert checked.exit_code == 0, checked.stdout + checked.stderr
    assert here("verify", model, "--certificate-chain", tmp_path / "root.pem").exit_code == 0
    assert config_folder.exists()
