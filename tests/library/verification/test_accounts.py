# SPDX-License-Identifier: Apache-2.0
"""Online accounts and CI runs, certified by a local Sigstore: who is told, accepted, and advised to pin."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned, told
from tests.local_sigstore import EMAIL_ISSUER, GITHUB_ISSUER, LocalSigstore
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog
from weighbridge.errors import InputError
from weighbridge.memory import Memory
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.sigstore_trust import SigstoreTrust
from weighbridge.verdict import Conclusion, Result

pytestmark = pytest.mark.needs("node", "npm")

WORKFLOW = ".github/workflows/release.yml"
Sign = Callable[..., Path]


def publisher(sigstore: LocalSigstore, token: str) -> Publisher:
    someone = Publisher()
    someone.signer = SigstoreSigner(token=token, trust_config=sigstore.trust_config)
    return someone


@pytest.fixture
def signed(tmp_path: Path, local_sigstore: LocalSigstore) -> Sign:
    """Sign a model once for each identity token, one bundle a line."""

    def sign(*tokens: str) -> Path:
        model = tiny_model(tmp_path / "m")
        bundles = [publisher(local_sigstore, token).oms(model) for token in tokens]
        (model / "model.sig").write_bytes(b"\n".join(bundles))
        return model

    return sign


def ids(verdict_commands: tuple[str, ...]) -> dict[str, Any]:
    """Read the options of the first advised command, as a shell would."""
    words = shlex.split(verdict_commands[0].partition("   #")[0])
    names = [word for word in words if word.startswith("--")]
    return {name[2:].replace("-", "_"): words[words.index(name) + 1] for name in names}


def test_bare_verify_tells_a_ci_run_in_words_and_how_to_pin_its_ids(
    signed: Sign, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    model, config = signed(local_sigstore.ci_token()), local_sigstore.trust_config
    verdict = verify_it(model, trust_config=config)
    assert (verdict.verdict, verdict.exit_code) == (Conclusion.UNTRUSTED, 1)
    assert (
        f"the workflow {WORKFLOW} of https://github.com/acme/models (repository id 4242, owner id 77) at "
        f"refs/tags/v1.0, commit aaaaaaaaaaaa, says {GITHUB_ISSUER}"
    ) in verdict.step(4).reason
    options = ids(verdict.next_commands)
    assert options.pop("trust_config") == "JSON"
    assert options == {
        "ci_repository_id": "4242",
        "ci_owner_id": "77",
        "ci_workflow": WORKFLOW,
        "ci_ref": "refs/tags/v1.0",
        "issuer": GITHUB_ISSUER,
    }
    good = verify_it(model, trust_config=config, **options)
    assert_verified(good)
    ci = good.step(4).evidence["ci"]
    assert (ci["repository_id"], ci["owner_id"], ci["ref"]) == ("4242", "77", "refs/tags/v1.0")
    for change in (
        {"ci_repository_id": "4243"},
        {"ci_owner_id": "78"},
        {"ci_workflow": ".github/workflows/other.yml"},
        {"ci_ref": "refs/heads/*"},
        {"issuer": EMAIL_ISSUER},
    ):
        assert_refused(verify_it(model, trust_config=config, **(options | change)), 4, "Not signed by")


def test_a_name_registered_again_by_somebody_else_passes_by_name_and_not_by_ids(
    signed: Sign, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    """Acme left GitHub, Mallory took the name; the subject is the same text, the ids are hers."""
    model = signed(local_sigstore.ci_token(repository_id="666", owner_id="13"))
    trust: dict[str, Any] = {"trust_config": local_sigstore.trust_config, "issuer": GITHUB_ISSUER}
    subject = f"https://github.com/acme/models/{WORKFLOW}@refs/tags/v1.0"
    by_name = verify_it(model, identity=subject, **trust)
    assert_verified(by_name)
    assert by_name.step(4).result is Result.PASS
    assert (
        "registered again, its ids never: --ci-repository-id 666 --ci-owner-id 13" in by_name.step(4).reason
    )
    assert by_name.step(4).evidence["ci"]["repository_id"] == "666"
    assert_refused(verify_it(model, ci_repository_id="4242", **trust), 4, "repository id 666")


def test_who_signed_and_when_is_told_for_programs(
    signed: Sign, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    model = signed(local_sigstore.email_token("alice@example.org"), local_sigstore.ci_token())
    options = {"identity": "alice@example.org", "issuer": EMAIL_ISSUER}
    verdict = verify_it(model, trust_config=local_sigstore.trust_config, **options)
    assert_verified(verdict)
    assert "Also here: model.sig:2, signed by the workflow" in verdict.step(4).reason
    alice, workflow = verdict.to_json()["signers"]
    assert (alice["type"], alice["subject"], alice["issuer"]) == (
        "sigstore",
        "alice@example.org",
        EMAIL_ISSUER,
    )
    assert alice["trust_domain"] == f"sha256:{local_sigstore.trust_domain}"
    assert alice["ci"] is None
    assert [each["source"] for each in alice["times"]] == ["rekor"]
    assert workflow["ci"]["workflow_path"] == WORKFLOW
    assert (alice["wanted"], workflow["wanted"]) == (True, False)


def test_a_pattern_is_for_the_whole_subject_and_too_wide_a_one_is_warned_of(
    signed: Sign, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    model = signed(local_sigstore.email_token("alice@example.org"))
    trust: dict[str, Any] = {"trust_config": local_sigstore.trust_config, "issuer": EMAIL_ISSUER}
    narrow = verify_it(model, identity_regex=r"[a-z]+@example\.org", **trust)
    assert narrow.step(4).result is Result.PASS, told(narrow)
    assert_warned(verify_it(model, identity_regex=".*", **trust), 4, "fits anybody")
    for pattern in ("alice", r"alice@example\.or", r"lice@example\.org", "bob@.*"):
        assert_refused(
            verify_it(model, identity_regex=pattern, **trust), 4, "Not signed by whoever fits the pattern"
        )
    either = verify_it(model, identity=["bob@example.org", "alice@example.org"], **trust)
    assert either.step(4).result is Result.PASS


def test_another_sigstore_is_refused_and_the_ways_to_name_it_are_told(
    signed: Sign, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    model = signed(local_sigstore.email_token("alice@example.org"))
    options: dict[str, Any] = {"identity": "alice@example.org", "issuer": EMAIL_ISSUER}
    for instance in ({}, {"staging": True}):
        verdict = verify_it(model, **options, **instance)
        assert_refused(verdict, 4, "not trusted here", "--staging", "--trust-config")
        assert verdict.signers[0].details["type"] == "sigstore"
    with pytest.raises(InputError, match="two Sigstore instances"):
        verify_it(model, **options, staging=True, trust_config=local_sigstore.trust_config)
    bare = verify_it(model)
    assert any("--trust-config JSON   # or --staging" in each for each in bare.next_commands)


def test_the_staging_instance_is_known_offline_and_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a connection was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    staging, production = SigstoreTrust.staging(), SigstoreTrust.production()
    assert not set(staging.trust_domains) & set(production.trust_domains)


def test_the_next_tag_of_a_workflow_is_no_new_signer(
    tmp_path: Path, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    """Each tag is another subject; the workflow, by its ids, is the same one."""
    memory, log = Memory(tmp_path / "remembers", enabled=True), TinyLog.new()
    owner = {
        "type": "ci",
        "trust_domain": f"sha256:{local_sigstore.trust_domain}",
        "issuer": GITHUB_ISSUER,
        "repository_id": "4242",
        "owner_id": "77",
        "workflow_path": WORKFLOW,
        "ref_pattern": "refs/tags/v*",
    }
    releases = []
    for seed, version in enumerate(("1.0", "2.0"), start=1):
        acme = publisher(local_sigstore, local_sigstore.ci_token(ref=f"refs/tags/v{version}"))
        model, title = tiny_model(tmp_path / version, seed=seed), f"acme/tiny@{version}"
        if not log.leaves:
            log.add(acme.namespace(log, "acme", [owner]))
        entries = log.add(acme.oms(model), acme.release(log, model, title))
        (model / "provenance.jsonl").write_bytes(log.record([0, *entries]))
        releases.append(Published(model, acme, log, title))
    for release in releases:
        verdict = verify_it(
            release.model,
            release=release.title,
            log_keys=[log.vkey],
            memory=memory,
            trust_config=local_sigstore.trust_config,
        )
        assert_verified(verdict)
        assert verdict.step(4).result is Result.PASS, told(verdict)
