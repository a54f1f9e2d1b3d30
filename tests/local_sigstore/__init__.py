# SPDX-License-Identifier: Apache-2.0
"""A local Sigstore: real sigstore-python against real HTTP on loopback, no account, no internet.

`with local_sigstore.start() as sigstore:` gives a running instance; tests ask for the fixture
`local_sigstore` (one instance per run of a worker) and mark themselves `@pytest.mark.needs("node", "npm")`.

    sigstore.trust_config          ClientTrustConfig JSON, for --trust-config and SigstoreTrust.from_config
    sigstore.email_token(address)  what `--identity-token` takes, of a person
    sigstore.ci_token(…)           the same, of a GitHub Actions run
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import platformdirs
import pytest

from tests import programs

__all__ = ["EMAIL_ISSUER", "GITHUB_ISSUER", "LocalSigstore", "start"]

EMAIL_ISSUER = "https://login.example.org"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"

_HERE = Path(__file__).parent
_INSTALL_SECONDS = 180
_START_SECONDS = 60
_LONG_AGO = "2020-01-01T00:00:00Z"


@dataclass(frozen=True)
class LocalSigstore:
    """A running local Sigstore: where it is, and the keys that its trusted root would name."""

    url: str
    root_certificate: bytes
    ct_public_key: bytes
    ct_log_id: bytes
    rekor_public_key: bytes
    rekor_private_key: bytes = field(repr=False)

    @property
    def trust_config(self) -> bytes:
        """ClientTrustConfig JSON: what `--trust-config` reads."""
        return json.dumps(self.trust_document()).encode()

    @property
    def trust_domain(self) -> str:
        """Bare hex SHA-256 of the root certificate: the instance's name in identities."""
        return hashlib.sha256(self.root_certificate).hexdigest()

    @property
    def rekor_log_id(self) -> bytes:
        """Rekor's log id: SHA-256 of its public key."""
        return hashlib.sha256(self.rekor_public_key).digest()

    def trust_document(self) -> dict[str, Any]:
        """The trust configuration as a document, for tests that change it."""
        service = {
            "url": self.url,
            "majorApiVersion": 1,
            "operator": "local",
            "validFor": {"start": _LONG_AGO},
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [_log(self.url, self.rekor_public_key, self.rekor_log_id)],
                "certificateAuthorities": [
                    {
                        "subject": {"commonName": "sigstore", "organization": "sigstore.mock"},
                        "uri": self.url,
                        "certChain": {"certificates": [{"rawBytes": _base64(self.root_certificate)}]},
                        "validFor": {"start": _LONG_AGO},
                    }
                ],
                "ctlogs": [_log(self.url, self.ct_public_key, self.ct_log_id)],
                "timestampAuthorities": [],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [service],
                "rekorTlogUrls": [service],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [],
                "tsaConfig": {"selector": "ANY"},
            },
        }

    def email_token(
        self, address: str = "alice@example.org", *, issuer: str = EMAIL_ISSUER, lifetime: int = 600
    ) -> str:
        """Identity token of a person who logged in, `lifetime` seconds long (may be negative)."""
        return _token(
            {"iss": issuer, "sub": address, "email": address, "email_verified": True}, lifetime=lifetime
        )

    def ci_token(
        self,
        *,
        repository: str = "acme/models",
        repository_id: str = "4242",
        owner_id: str = "77",
        workflow: str = ".github/workflows/release.yml",
        ref: str = "refs/tags/v1.0",
    ) -> str:
        """Identity token of a GitHub Actions run, with the claims that Fulcio puts into certificates."""
        workflow_ref = f"{repository}/{workflow}@{ref}"
        return _token(
            {
                "iss": GITHUB_ISSUER,
                "sub": f"repo:{repository}:ref:{ref}",
                "certificate_subject": f"https://github.com/{workflow_ref}",
                "repository": repository,
                "repository_id": repository_id,
                "repository_owner": repository.partition("/")[0],
                "repository_owner_id": owner_id,
                "repository_visibility": "public",
                "workflow_ref": workflow_ref,
                "workflow_sha": "a" * 40,
                "job_workflow_ref": workflow_ref,
                "job_workflow_sha": "a" * 40,
                "ref": ref,
                "sha": "a" * 40,
                "run_id": "1001",
                "run_attempt": "1",
                "event_name": "push",
                "runner_environment": "github-hosted",
            },
            lifetime=600,
        )


@contextmanager
def start() -> Iterator[LocalSigstore]:
    """Start an instance with fresh keys and stop it at the end; skips if node can't be had."""
    modules = _install()
    command = [_program("node"), str(_HERE / "server.cjs"), str(modules)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        watchdog = threading.Timer(_START_SECONDS, server.kill)
        watchdog.start()
        try:
            line = server.stdout.readline()
        finally:
            watchdog.cancel()
        try:
            if not line:
                raise RuntimeError("the local Sigstore did not start: see its messages above")
            ready = json.loads(line)
            yield LocalSigstore(
                url=ready["url"],
                root_certificate=base64.b64decode(ready["root_certificate"]),
                ct_public_key=base64.b64decode(ready["ct_public_key"]),
                ct_log_id=base64.b64decode(ready["ct_log_id"]),
                rekor_public_key=base64.b64decode(ready["rekor_public_key"]),
                rekor_private_key=ready["rekor_private_key"].encode(),
            )
        finally:
            server.stdin.close()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()


def _install() -> Path:
    """Install the locked packages once per lock file, outside the tree; safe for parallel workers."""
    lock = (_HERE / "package-lock.json").read_bytes()
    name = f"local-sigstore-{hashlib.sha256(lock).hexdigest()[:16]}"
    cache = platformdirs.user_cache_path("weighbridge-tests")
    folder = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(cache / f"{name}.lock", timeout=_INSTALL_SECONDS + 30):
        if (folder / "installed").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / file, folder)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        done = subprocess.run(
            [*_npm(), "ci", *options, "--cache", str(cache / "npm")],
            cwd=folder,
            env={**os.environ, "PATH": programs.path_with("node", "npm")},
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"npm can't install the local Sigstore: {' / '.join(done.stderr.split(chr(10))[:4])}")
        (folder / "installed").touch()
    return folder


def _npm() -> list[str]:
    """Give the command for npm: by its script, because a wheel's `bin/npm` is a copy of a link and broken."""
    npm = Path(_program("npm"))
    script = npm.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [_program("node"), str(script)] if script.exists() else [str(npm)]


def _program(tool: str) -> str:
    found = programs.find(tool)
    if found is None:
        pytest.skip(programs.missing(tool) or tool)
    return str(found)


def _log(url: str, public_key: bytes, log_id: bytes) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": _base64(public_key),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": _LONG_AGO},
        },
        "logId": {"keyId": _base64(log_id)},
    }


def _token(claims: dict[str, Any], *, lifetime: int) -> str:
    """A JWT that nobody signed: Fulcio would check it, the clients and the mock don't."""
    now = int(time.time())
    parts = (
        {"alg": "RS256", "typ": "JWT"},
        {"aud": "sigstore", "iat": now, "nbf": now - 5, "exp": now + lifetime, **claims},
    )
    texts = [_base64url(json.dumps(part).encode()) for part in parts]
    return ".".join([*texts, _base64url(b"nobody checks this signature")])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
