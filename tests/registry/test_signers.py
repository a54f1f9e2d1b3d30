# SPDX-License-Identifier: Apache-2.0
"""Publishers without a bare key: online accounts, CI runs, certificates of an authority."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.authorities import Authority
from tests.local_sigstore import EMAIL_ISSUER, GITHUB_ISSUER, LocalSigstore
from tests.registry.publishers import Publisher, post, submit
from weighbridge import bundles, keys
from weighbridge.errors import ConfigurationError
from weighbridge.signing import CertificateSigner, StatementSigner
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge_registry.api import create_api
from weighbridge_registry.fsck import fsck
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Settings

FILES = {"model.safetensors": b"weights"}


class Somebody(Publisher):
    """A publisher whose signer and owner entry are given."""

    def __init__(self, origin: str, signer: StatementSigner, owner: dict[str, Any]) -> None:
        super().__init__(origin)
        self.named = owner
        self.with_signer = signer

    @property
    def owner(self) -> dict[str, Any]:
        return self.named

    def sign(self, kind: str, name: str, sha256: str, predicate: dict[str, Any]) -> bytes:
        return self.with_signer.sign(self.payload(kind, name, sha256, predicate))


@pytest.fixture
def keyless(tmp_path: Path, local_sigstore: LocalSigstore) -> Iterator[Service]:
    """A registry that knows the local Sigstore."""
    trusted = (local_sigstore.trust_config,)
    opened = open_service(Settings(data=tmp_path / "data", trust_configs=trusted, public_sigstore=False))
    yield opened
    opened.close()


def account(origin: str, sigstore: LocalSigstore, address: str) -> Somebody:
    signer = SigstoreSigner(token=sigstore.email_token(address), trust_config=sigstore.trust_config)
    owner = {
        "type": "sigstore",
        "trust_domain": f"sha256:{sigstore.trust_domain}",
        "issuer": EMAIL_ISSUER,
        "subject": address,
    }
    return Somebody(origin, signer, owner)


@pytest.mark.needs("node", "npm")
def test_an_online_account_publishes_and_a_replay_agrees(
    keyless: Service, local_sigstore: LocalSigstore
) -> None:
    client = TestClient(create_api(keyless))
    alice = account(keyless.origin, local_sigstore, "alice@example.org")
    submit(client, alice.claim(), alice.oms(FILES), alice.release("tiny", "1.0", FILES))
    release = client.get("/api/v1/models/acme/tiny/1.0").json()
    assert release["signer"]["kind"] == "sigstore"
    assert "alice@example.org" in release["signer"]["label"]
    signer = client.get(f"/api/v1/signers/{release['signer']['id']}").json()
    assert signer["namespaces"] == ["acme"]
    mallory = account(keyless.origin, local_sigstore, "mallory@example.org")
    answer = post(client, mallory.release("tiny", "1.1", FILES))
    assert (answer.status_code, answer.json()["step"]) == (403, 4)
    trusted = (local_sigstore.trust_config,)
    report = fsck(keyless.folder.path, trust_configs=trusted, public_sigstore=False)
    assert report.ok, report.to_json()


@pytest.mark.needs("node", "npm")
def test_a_sigstore_that_the_registry_does_not_know(
    client: TestClient, service: Service, local_sigstore: LocalSigstore
) -> None:
    alice = account(service.origin, local_sigstore, "alice@example.org")
    answer = post(client, alice.claim())
    assert (answer.status_code, answer.json()["step"]) == (403, 4)


@pytest.mark.needs("node", "npm")
def test_a_ci_run_is_an_owner_by_the_numbers_of_its_repository(
    keyless: Service, local_sigstore: LocalSigstore
) -> None:
    client = TestClient(create_api(keyless))
    owner = {
        "type": "ci",
        "trust_domain": f"sha256:{local_sigstore.trust_domain}",
        "issuer": GITHUB_ISSUER,
        "repository_id": "4242",
        "owner_id": "77",
        "workflow_path": ".github/workflows/release.yml",
        "ref_pattern": "refs/tags/*",
    }
    signer = SigstoreSigner(token=local_sigstore.ci_token(), trust_config=local_sigstore.trust_config)
    run = Somebody(keyless.origin, signer, owner)
    submit(client, run.claim())
    submit(client, run.release("tiny", "1.0", FILES))
    found = client.get("/api/v1/models/acme/tiny/1.0").json()["signer"]["id"]
    assert client.get(f"/api/v1/signers/{found}").json()["namespaces"] == ["acme"]
    owner["repository_id"] = "4243"
    answer = post(client, Somebody(keyless.origin, signer, owner).claim("other"))
    assert (answer.status_code, answer.json()["step"]) == (403, 4)


def test_a_trust_configuration_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        open_service(Settings(data=tmp_path / "data", trust_configs=(b"{}",), public_sigstore=False))


def certified(origin: str, authority: Authority, name: str, until: timedelta) -> Somebody:
    key = keys.generate_private_key()
    now = datetime.now(UTC)
    leaf = authority.issue(name, key.public_key(), start=now - timedelta(days=2), end=now + until)
    signer = CertificateSigner(key, leaf, [authority.certificate])
    owner = {"type": "certificate", "anchor": authority.pem.decode(), "subject": f"CN={name}"}
    return Somebody(origin, signer, owner)


@pytest.fixture
def authority() -> Authority:
    now = datetime.now(UTC)
    return Authority("Acme Root", start=now - timedelta(days=100), end=now + timedelta(days=100))


def test_a_certificate_publishes_below_the_authority_that_its_namespace_names(
    service: Service, client: TestClient, authority: Authority
) -> None:
    acme = certified(service.origin, authority, "Acme Release", timedelta(days=10))
    submit(client, acme.claim(), acme.oms(FILES), acme.release("tiny", "1.0", FILES))
    release = client.get("/api/v1/models/acme/tiny/1.0").json()
    assert release["signer"]["kind"] == "certificate"
    assert client.get(f"/api/v1/signers/{release['signer']['id']}").json()["namespaces"] == ["acme"]
    other = certified(service.origin, authority, "Somebody Else", timedelta(days=10))
    answer = post(client, other.release("tiny", "1.1", FILES))
    assert (answer.status_code, answer.json()["step"]) == (403, 4)
    assert fsck(service.folder.path, public_sigstore=False).ok


def test_a_certificate_of_an_authority_with_the_same_name(
    service: Service, client: TestClient, authority: Authority
) -> None:
    """Mallory's root has the name of Acme's, and Mallory's namespace makes it known. It stays another."""
    acme = certified(service.origin, authority, "Acme Release", timedelta(days=10))
    submit(client, acme.claim())
    now = datetime.now(UTC)
    twin = Authority("Acme Root", start=now - timedelta(days=100), end=now + timedelta(days=100))
    mallory = certified(service.origin, twin, "Acme Release", timedelta(days=10))
    submit(client, mallory.claim("evil"))
    answer = post(client, mallory.release("tiny", "1.0", FILES))
    assert (answer.status_code, answer.json()["step"]) == (403, 4)


def test_an_expired_certificate(service: Service, client: TestClient, authority: Authority) -> None:
    acme = certified(service.origin, authority, "Acme Release", -timedelta(days=1))
    answer = post(client, acme.claim())
    assert (answer.status_code, answer.json()["step"]) == (403, 4)


def test_an_authority_that_nobody_named(service: Service, client: TestClient, authority: Authority) -> None:
    acme = certified(service.origin, authority, "Acme Release", timedelta(days=10))
    answer = post(client, acme.oms(FILES))
    assert (answer.status_code, answer.json()["step"]) == (403, 4)
    assert answer.json()["hint"]


def test_a_chain_whose_last_certificate_is_nonsense(
    service: Service, client: TestClient, authority: Authority
) -> None:
    acme = certified(service.origin, authority, "Acme Release", timedelta(days=10))
    parsed = bundles.parse_bundle(acme.oms(FILES))
    assert isinstance(parsed.material, bundles.CertificateChain)
    unknown_version = authority.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
    for chain in ([b"nonsense"], [*parsed.material.certificates, b"nonsense"], [unknown_version]):
        forged = bundles.encode_certificate_bundle(parsed.payload, parsed.signature, chain)
        answer = post(client, forged)
        assert answer.status_code == 403, answer.text
