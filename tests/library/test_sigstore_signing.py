# SPDX-License-Identifier: Apache-2.0
"""Keyless signing: the real Sigstore client against a local Sigstore, over real HTTP."""

from __future__ import annotations

import gc
import io
import threading
import urllib.request
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.local_sigstore import EMAIL_ISSUER, GITHUB_ISSUER, LocalSigstore
from weighbridge import bundles
from weighbridge.authentication import SigstoreTrust, authenticate
from weighbridge.errors import ConfigurationError, InputError, UnavailableError
from weighbridge.identities import CiClaims, SigstoreIdentity, canonical, signer_id
from weighbridge.signing import StatementSigner
from weighbridge.sigstore_signing import SigstoreSigner, ambient_token

pytestmark = pytest.mark.needs("node", "npm")

PAYLOAD = (
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://example.org/x",'
    b'"subject":[{"digest":{"sha256":"' + b"0" * 64 + b'"},"name":"x"}]}'
)


def test_a_person_signs_with_an_online_account(local_sigstore: LocalSigstore) -> None:
    signer = SigstoreSigner(token=local_sigstore.email_token(), trust_config=local_sigstore.trust_config)
    assert isinstance(signer, StatementSigner)
    before = datetime.now(UTC).replace(microsecond=0)

    raw = signer.sign(PAYLOAD)

    trust = SigstoreTrust.from_config(local_sigstore.trust_config)
    proved = authenticate(bundles.parse_bundle(raw, strict=True), sigstore=[trust], now=datetime.now(UTC))
    assert proved.payload == PAYLOAD
    assert proved.identity == signer.identity
    assert proved.identity == SigstoreIdentity(
        local_sigstore.trust_domain, EMAIL_ISSUER, "alice@example.org", None
    )
    (evidence,) = proved.times
    assert evidence.source == "rekor"
    assert before <= evidence.time <= datetime.now(UTC)


def test_a_ci_run_signs_and_its_repository_s_numbers_are_certified(local_sigstore: LocalSigstore) -> None:
    signer = SigstoreSigner(token=local_sigstore.ci_token(), trust_config=local_sigstore.trust_config)

    identity = signer.identity

    assert identity.issuer == GITHUB_ISSUER
    assert identity.subject == ("https://github.com/acme/models/.github/workflows/release.yml@refs/tags/v1.0")
    assert identity.ci == CiClaims(
        repository="https://github.com/acme/models",
        repository_id="4242",
        owner_id="77",
        workflow_path=".github/workflows/release.yml",
        ref="refs/tags/v1.0",
        commit="a" * 40,
        run="https://github.com/acme/models/actions/runs/1001/attempts/1",
    )
    bare = SigstoreIdentity(identity.trust_domain, identity.issuer, identity.subject)
    assert canonical(identity) == canonical(bare)
    assert signer_id(identity) == signer_id(bare)


def test_one_login_serves_several_statements(local_sigstore: LocalSigstore) -> None:
    signer = SigstoreSigner(token=local_sigstore.email_token(), trust_config=local_sigstore.trust_config)

    first, second = (bundles.parse_bundle(signer.sign(PAYLOAD)) for _ in range(2))

    assert isinstance(first.material, bundles.SigstoreMaterial)
    assert isinstance(second.material, bundles.SigstoreMaterial)
    assert first.material.certificate == second.material.certificate
    assert first.statement_digest == second.statement_digest


def test_an_expired_token_is_named_as_such(local_sigstore: LocalSigstore) -> None:
    token = local_sigstore.email_token(lifetime=-60)

    with pytest.raises(InputError, match="identity token can't be used") as caught:
        SigstoreSigner(token=token, trust_config=local_sigstore.trust_config).sign(PAYLOAD)
    assert "audience 'sigstore'" in caught.value.hint


def test_a_token_that_is_none_is_refused(local_sigstore: LocalSigstore) -> None:
    with pytest.raises(InputError, match="identity token can't be used"):
        SigstoreSigner(token="no.jwt.here", trust_config=local_sigstore.trust_config).sign(PAYLOAD)


def test_without_token_ci_and_browser_both_ways_out_are_said(local_sigstore: LocalSigstore) -> None:
    signer = SigstoreSigner(trust_config=local_sigstore.trust_config, browser=False)

    with pytest.raises(InputError, match="no identity to sign with") as caught:
        signer.sign(PAYLOAD)
    assert "--identity-token" in caught.value.hint
    assert "--key" in caught.value.hint


@pytest.fixture
def _leaks() -> Iterator[None]:
    """sigstore-python leaves the socket of its login server open; collect it where that is allowed."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("_leaks")
def test_a_person_without_a_token_logs_in_with_a_browser(
    local_sigstore: LocalSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = []

    def browse(url: str) -> bool:
        browser = threading.Thread(target=_visit, args=(url,))
        browser.start()
        browsers.append(browser)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)

    signer = SigstoreSigner(trust_config=local_sigstore.trust_config)

    assert signer.identity.subject == "browser@example.org"
    assert signer.identity.issuer == local_sigstore.url
    for browser in browsers:
        browser.join(timeout=10)


def _visit(url: str) -> None:
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 - the login server on loopback
        assert b"Sigstore" in page.read()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("_leaks")
def test_without_browser_and_terminal_the_way_out_is_said(
    local_sigstore: LocalSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _url: False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    with pytest.raises(InputError, match="nobody to log in") as caught:
        SigstoreSigner(trust_config=local_sigstore.trust_config).sign(PAYLOAD)
    assert "--identity-token" in caught.value.hint


def test_a_ci_system_that_withholds_its_token_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")  # and no ACTIONS_ID_TOKEN_REQUEST_TOKEN: no permission

    with pytest.raises(InputError, match="gives no identity token") as caught:
        ambient_token()
    assert "id-token: write" in caught.value.hint


def test_outside_of_ci_there_is_no_ambient_token() -> None:
    assert ambient_token() is None


def test_a_sigstore_that_does_not_answer_is_unavailable(local_sigstore: LocalSigstore) -> None:
    nowhere = local_sigstore.trust_config.replace(local_sigstore.url.encode(), b"http://127.0.0.1:9")

    with pytest.raises(UnavailableError, match="Sigstore does not answer"):
        SigstoreSigner(token=local_sigstore.email_token(), trust_config=nowhere).sign(PAYLOAD)


@pytest.mark.parametrize("config", [b"", b"[]", b"{}", b'{"trustedRoot":{}}', b'{"trustedRoot":7}', b"\xff"])
def test_a_broken_trust_configuration_is_a_configuration_error(config: bytes) -> None:
    with pytest.raises(ConfigurationError):
        SigstoreTrust.from_config(config)
    with pytest.raises(ConfigurationError):
        SigstoreSigner(token="x", trust_config=config).sign(PAYLOAD)


def test_two_instances_at_once_are_refused(local_sigstore: LocalSigstore) -> None:
    with pytest.raises(InputError, match="two Sigstore instances"):
        SigstoreSigner(trust_config=local_sigstore.trust_config, staging=True)
