# SPDX-License-Identifier: Apache-2.0
"""Whom a verifier names: one or several, by name, by pattern, by a CI workflow's ids; and many signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_refused, assert_verified, assert_warned, told
from tests.local_sigstore import EMAIL_ISSUER, GITHUB_ISSUER, LocalSigstore
from tests.models import tiny_model, write
from tests.records import Publisher
from weighbridge.bundle_files import MAX_BUNDLES
from weighbridge.identities import CiClaims, SigstoreIdentity, describe
from weighbridge.signing import sign
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.verdict import Result
from weighbridge.verification.wanted import Ci, wanted_signers

ISSUER = "https://issuer.example"
CLAIMS = CiClaims(
    repository="https://github.com/acme/models",
    repository_id="123",
    owner_id="456",
    workflow_path=".github/workflows/release.yml",
    ref="refs/tags/v1.0",
    commit="0123456789abcdef0123456789abcdef01234567",
)
RUN = SigstoreIdentity("0" * 64, ISSUER, "https://github.com/acme/models/x.yml@refs/tags/v1.0", CLAIMS)


def account(subject: str, issuer: str = ISSUER) -> SigstoreIdentity:
    return SigstoreIdentity("0" * 64, issuer, subject)


def accepts(identity: SigstoreIdentity, **named: Any) -> bool:
    wanted = wanted_signers(**named)
    assert wanted is not None
    return wanted.accepts(identity)


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        (r"[a-z]+@acme\.example", "release@acme.example", True),
        (r"[a-z]+@acme\.example", "release@acme.example.evil.example", False),
        (r"[a-z]+@acme\.example", "x release@acme.example", False),
        (r"[a-z]+@acme\.example", "release@acme.example\n", False),
        (r"[a-z]+@acme\.example$", "release@acme.example\n", False),
        (r"^[a-z]+@acme\.example|b", "release@acme.example and more", False),
        (r"[a-z]+@acme\.example", "Release@acme.example", False),
    ],
)
def test_a_pattern_must_fit_the_whole_name(pattern: str, subject: str, *, fits: bool) -> None:
    assert accepts(account(subject), patterns=[pattern], issuers=[ISSUER]) is fits
    assert not accepts(account(subject, "https://evil.example"), patterns=[pattern], issuers=[ISSUER])


def test_a_pattern_that_would_keep_a_backtracking_engine_busy_for_years_answers_at_once() -> None:
    for pattern in (r"(a+)+$", r"(a|aa)*b", r"(a|a?)+b", r"([a-z]*)*1"):
        assert not accepts(account("a" * 5000 + "!"), patterns=[pattern], issuers=[ISSUER])


def test_each_identity_has_its_own_issuer_or_all_have_one() -> None:
    named = {"identities": ["a@x", "b@x"], "issuers": ["https://one.example", "https://two.example"]}
    assert accepts(account("a@x", "https://one.example"), **named)
    assert accepts(account("b@x", "https://two.example"), **named)
    assert not accepts(account("a@x", "https://two.example"), **named)
    assert accepts(account("b@x"), identities=["a@x", "b@x"], issuers=[ISSUER])


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"owner_id": "456", "workflow": ".github/workflows/release.yml", "ref": "refs/tags/*"}, True),
        ({"repository_id": "124"}, False),
        ({"owner_id": "457"}, False),
        ({"workflow": ".github/workflows/evil.yml"}, False),
        ({"ref": "refs/heads/*"}, False),
        ({"issuer": "https://evil.example"}, False),
    ],
)
def test_a_workflow_is_named_by_ids_that_nobody_can_register_again(
    changes: dict[str, str], *, accepted: bool
) -> None:
    ci = Ci(**{"issuer": ISSUER, "repository_id": "123", **changes})
    assert accepts(RUN, ci=ci) is accepted
    assert not accepts(account(RUN.subject), ci=ci), "a name without certified ids is no workflow"


def test_a_workflow_is_told_in_words() -> None:
    words = describe(RUN)
    assert words == (
        "the workflow .github/workflows/release.yml of https://github.com/acme/models "
        "(repository id 123, owner id 456) at refs/tags/v1.0, commit 0123456789ab, says https://issuer.example"
    )


def test_whoever_is_named_may_have_signed_and_nobody_else(tmp_path: Path, verify_it: Check) -> None:
    model, alice, bob, eve = tiny_model(tmp_path / "m"), Publisher(), Publisher(), Publisher()
    sign(model, signer=bob.signer)
    assert_verified(verify_it(model, public_key=[alice.pem, bob.pem]))
    refused = verify_it(model, public_key=[alice.pem, eve.pem])
    assert_refused(refused, 4, "Not signed by", " or ")


@pytest.mark.needs("node", "npm")
def test_a_pattern_for_everybody_passes_with_a_warning(
    tmp_path: Path, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    config = local_sigstore.trust_config
    model = tiny_model(tmp_path / "m")
    sign(model, signer=SigstoreSigner(token=local_sigstore.email_token("a@example.org"), trust_config=config))
    own: dict[str, Any] = {"issuer": EMAIL_ISSUER, "trust_config": config}
    assert_verified(verify_it(model, identity_regex=r".+@example\.org", **own))
    assert verify_it(model, identity_regex=r".+@example\.org", **own).step(4).result is Result.PASS
    assert_warned(verify_it(model, identity_regex=".*", **own), 4, "fits anybody")
    assert_refused(verify_it(model, identity_regex=r".+@acme\.example", **own), 4)


@pytest.mark.needs("node", "npm")
def test_a_bare_verify_of_a_workflow_advises_its_ids_and_the_report_has_them(
    tmp_path: Path, verify_it: Check, local_sigstore: LocalSigstore
) -> None:
    config = local_sigstore.trust_config
    model = tiny_model(tmp_path / "m")
    sign(model, signer=SigstoreSigner(token=local_sigstore.ci_token(), trust_config=config))
    bare = verify_it(model, trust_config=config)
    signer = bare.to_json()["signers"][0]
    assert signer["type"] == "sigstore"
    assert signer["issuer"] == GITHUB_ISSUER
    assert [each["source"] for each in signer["times"]] == ["rekor"]
    ci = signer["ci"]
    if ci is None or ci["repository_id"] is None:
        # The local authority certifies no ids: then the name is all there is to compare.
        assert any(f"--identity {signer['subject']}" in each for each in bare.next_commands), told(bare)
        return
    advised = f"--ci-repository-id {ci['repository_id']}"
    assert any(advised in each for each in bare.next_commands), told(bare)


# --- many signatures ---------------------------------------------------------------------------


def lines(*bundles: bytes) -> bytes:
    return b"".join(bundle + b"\n" for bundle in bundles)


def signed_by(model: Path, *publishers: Publisher) -> list[bytes]:
    return [sign(model, signer=each.signer).bundle for each in publishers]


def test_each_of_several_signatures_in_a_file_is_reported(tmp_path: Path, verify_it: Check) -> None:
    model, alice, bob = tiny_model(tmp_path / "m"), Publisher(), Publisher()
    (model / "model.sig").write_bytes(lines(*signed_by(model, alice, bob)))
    verdict = verify_it(model, public_key=bob.pem)
    assert_verified(verdict)
    found = [(each.source, each.authenticated, each.wanted) for each in verdict.signers]
    assert found == [("model.sig:1", False, False), ("model.sig:2", True, True)]


def test_a_spoilt_line_beside_a_good_one_is_a_warning_and_alone_a_refusal(
    tmp_path: Path, verify_it: Check
) -> None:
    model, alice = tiny_model(tmp_path / "m"), Publisher()
    (bundle,) = signed_by(model, alice)
    (model / "model.sig").write_bytes(lines(b'{"mediaType":"x"}', bundle))
    assert_warned(verify_it(model, public_key=alice.pem), 3, "model.sig:1 is spoilt")
    named = write(tmp_path / "named.sig", lines(b'{"mediaType":"x"}', bundle))
    assert_refused(verify_it(model, public_key=alice.pem, signature=named), 3)
    (model / "model.sig").write_bytes(lines(b'{"a":1}', b'{"b":2}'))
    assert_refused(verify_it(model, public_key=alice.pem), 3)


def test_several_signature_files_may_be_named(tmp_path: Path, verify_it: Check) -> None:
    model, alice, bob = tiny_model(tmp_path / "m"), Publisher(), Publisher()
    files = [write(tmp_path / f"{n}.sig", each) for n, each in enumerate(signed_by(model, alice, bob))]
    (model / "model.sig").unlink()
    assert_verified(verify_it(model, signature=files, public_key=bob.pem))
    assert_refused(verify_it(model, signature=files[:1], public_key=bob.pem), 4)


def test_a_flood_of_signatures_is_not_read(tmp_path: Path, verify_it: Check) -> None:
    model, alice = tiny_model(tmp_path / "m"), Publisher()
    (bundle,) = signed_by(model, alice)
    (model / "model.sig").write_bytes(lines(*[bundle] * (MAX_BUNDLES + 1)))
    assert_refused(verify_it(model, public_key=alice.pem), 3, "33 lines", "at most 32")


def test_an_older_list_by_the_same_signer_is_pointed_out_and_never_chosen_silently(
    tmp_path: Path, verify_it: Check
) -> None:
    """Whoever can write beside the model puts an old signature first: refused, or said, but not unnoticed."""
    model, alice = tiny_model(tmp_path / "m"), Publisher()
    (old,) = signed_by(model, alice)
    write(model / "config.json", "{}")
    (new,) = signed_by(model, alice)
    (model / "model.sig").write_bytes(lines(old, new))
    refused = verify_it(model, public_key=alice.pem)
    assert_refused(refused, 2, "config.json")
    assert "SIGNED DIFFERENTLY" in refused.step(4).reason
    (model / "model.sig").write_bytes(lines(new, old))
    assert_warned(verify_it(model, public_key=alice.pem), 4, "model.sig:2", "SIGNED DIFFERENTLY")


def test_a_bundle_made_readable_over_many_lines_is_one_bundle(tmp_path: Path, verify_it: Check) -> None:
    import json  # noqa: PLC0415 - for this test only

    model, alice = tiny_model(tmp_path / "m"), Publisher()
    (bundle,) = signed_by(model, alice)
    (model / "model.sig").write_bytes(json.dumps(json.loads(bundle), indent=2).encode())
    assert_verified(verify_it(model, public_key=alice.pem))
