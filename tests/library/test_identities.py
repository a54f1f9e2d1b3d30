# SPDX-License-Identifier: Apache-2.0
"""Signers: one id for all statements of one signer, and owners that match nobody else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authorities import Authority
from weighbridge import identities, keys
from weighbridge.identities import CertificateIdentity, CiClaims, KeyIdentity, SigstoreIdentity
from weighbridge_schemas.namespace import CertificateOwner, CiOwner, KeyOwner, SigstoreOwner

DOMAIN = "d" * 64
CLAIMS = CiClaims(
    repository="https://github.com/acme/models",
    repository_id="42",
    owner_id="7",
    workflow_path=".github/workflows/release.yml",
    ref="refs/tags/v1.0",
)
CI_RUN = SigstoreIdentity(
    DOMAIN,
    "https://token.actions.githubusercontent.com",
    "https://github.com/acme/models/.github/workflows/release.yml@refs/tags/v1.0",
    CLAIMS,
)
CI_OWNER = CiOwner(
    type="ci",
    trust_domain=f"sha256:{DOMAIN}",
    issuer="https://token.actions.githubusercontent.com",
    repository_id="42",
    owner_id="7",
    workflow_path=".github/workflows/release.yml",
    ref_pattern="refs/tags/v*",
)


def test_the_canonical_form_is_what_the_specification_says() -> None:
    # docs/spec/signers.md: these bytes name signers in logs for ever
    assert identities.canonical(KeyIdentity("a" * 64)) == (
        b'{"spki_sha256":"' + b"a" * 64 + b'","type":"key"}'
    )
    assert identities.canonical(CertificateIdentity("b" * 64, "CN=Ä")) == (
        b'{"anchor_sha256":"' + b"b" * 64 + '","subject":"CN=Ä","type":"certificate"}'.encode()
    )
    assert identities.canonical(SigstoreIdentity(DOMAIN, "https://i", "a@example.org")) == (
        b'{"issuer":"https://i","subject":"a@example.org","trust_domain":"sha256:'
        + DOMAIN.encode()
        + b'","type":"sigstore"}'
    )


@given(issuer=st.text(max_size=40), subject=st.text(max_size=40))
def test_two_signers_have_two_ids(issuer: str, subject: str) -> None:
    one = SigstoreIdentity(DOMAIN, issuer, subject)
    other = SigstoreIdentity(DOMAIN, subject, issuer)

    assert (identities.signer_id(one) == identities.signer_id(other)) == (issuer == subject)
    assert identities.signer_id(one) == hashlib.sha256(identities.canonical(one)).hexdigest()
    assert json.loads(identities.canonical(one))["issuer"] == issuer


def test_the_run_of_a_workflow_is_no_part_of_who_it_is() -> None:
    bare = dataclasses.replace(CI_RUN, ci=None)
    assert identities.signer_id(CI_RUN) == identities.signer_id(bare)


def test_a_workflow_s_file_name_cannot_speak_for_another_repository() -> None:
    """Mallory's file is called like a sentence about acme."""
    path = ".github/workflows/release.yml of acme/models (repository id 42, owner id 7) at refs/x'.yml"
    ci = CiClaims(repository="https://github.com/mallory/x", repository_id="666", workflow_path=path)
    words = identities.describe(dataclasses.replace(CI_RUN, ci=ci))
    assert words.startswith("the workflow '.github/")
    assert ".yml' of https://github.com/mallory/x (repository id 666)" in words
    assert words.count("'") == 2


def test_a_workflow_keeps_its_lasting_id_from_tag_to_tag_and_nobody_else_has_it() -> None:
    def tagged(**changes: str | None) -> SigstoreIdentity:
        ci = dataclasses.replace(CLAIMS, **changes)
        return dataclasses.replace(CI_RUN, subject=f"{ci.repository}@{ci.ref}", ci=ci)

    first = identities.lasting_id(tagged())
    assert first == identities.lasting_id(tagged(ref="refs/tags/v2.0", commit="b" * 40))
    assert first == identities.lasting_id(tagged(repository="https://github.com/renamed/models"))
    for change in ({"repository_id": "43"}, {"owner_id": "8"}, {"workflow_path": "x.yml"}):
        assert first != identities.lasting_id(tagged(**change))
    without_ids = tagged(owner_id=None)
    assert identities.lasting_id(without_ids) == identities.signer_id(without_ids)
    assert identities.lasting_id(KeyIdentity("a" * 64)) == identities.signer_id(KeyIdentity("a" * 64))


@given(subject=st.text(max_size=600))
def test_a_description_is_one_printable_line_whatever_a_certificate_says(subject: str) -> None:
    words = identities.describe(CertificateIdentity("b" * 64, subject))

    assert words.isprintable()
    assert len(words) < 600


def test_a_key_owner_is_the_holder_of_that_key_only() -> None:
    key, other = (keys.generate_private_key().public_key() for _ in range(2))
    owner = KeyOwner(type="key", public_key=keys.public_pem(key).decode())

    assert identities.matches(owner, KeyIdentity(keys.spki_sha256(key)))
    assert not identities.matches(owner, KeyIdentity(keys.spki_sha256(other)))
    assert not identities.matches(owner, CI_RUN)


def test_a_certificate_owner_is_one_subject_below_one_anchor() -> None:
    authority, other = Authority("Acme Root"), Authority("Acme Root")
    owner = CertificateOwner(type="certificate", anchor=authority.pem.decode(), subject="CN=models")

    assert identities.matches(owner, CertificateIdentity(authority.sha256, "CN=models"))
    assert not identities.matches(owner, CertificateIdentity(authority.sha256, "CN=model"))
    assert not identities.matches(owner, CertificateIdentity(other.sha256, "CN=models"))
    assert not identities.matches(owner, KeyIdentity(authority.sha256))


@pytest.mark.parametrize(
    "identity",
    [
        SigstoreIdentity("e" * 64, "https://i.example", "a@example.org"),
        SigstoreIdentity(DOMAIN, "https://other.example", "a@example.org"),
        SigstoreIdentity(DOMAIN, "https://i.example", "A@example.org"),
        SigstoreIdentity(DOMAIN, "https://i.example", "a@example.org.evil.org"),
        KeyIdentity(DOMAIN),
    ],
)
def test_an_account_is_matched_exactly(identity: identities.Identity) -> None:
    owner = SigstoreOwner(
        type="sigstore", trust_domain=f"sha256:{DOMAIN}", issuer="https://i.example", subject="a@example.org"
    )

    assert identities.matches(owner, SigstoreIdentity(DOMAIN, "https://i.example", "a@example.org"))
    assert not identities.matches(owner, identity)


def test_a_workflow_is_matched_by_numbers_path_and_ref() -> None:
    assert identities.matches(CI_OWNER, CI_RUN)


@pytest.mark.parametrize(
    "claims",
    [
        dataclasses.replace(CLAIMS, repository_id="43"),  # the name was registered again by somebody else
        dataclasses.replace(CLAIMS, owner_id="8"),
        dataclasses.replace(CLAIMS, workflow_path=".github/workflows/pull-request.yml"),
        dataclasses.replace(CLAIMS, workflow_path=None),
        dataclasses.replace(CLAIMS, ref="refs/heads/main"),
        dataclasses.replace(CLAIMS, ref="refs/tags/v1/evil"),
        dataclasses.replace(CLAIMS, ref=None),
        CiClaims(),
        None,
    ],
)
def test_another_workflow_run_is_not_the_owner(claims: CiClaims | None) -> None:
    assert not identities.matches(CI_OWNER, dataclasses.replace(CI_RUN, ci=claims))


def test_the_same_workflow_at_another_sigstore_is_not_the_owner() -> None:
    assert not identities.matches(CI_OWNER, dataclasses.replace(CI_RUN, trust_domain="e" * 64))
    assert not identities.matches(CI_OWNER, dataclasses.replace(CI_RUN, issuer="https://evil.example"))


@pytest.mark.parametrize(
    ("pattern", "ref", "fits"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/heads/main2", False),
        ("refs/heads/main", "refs/heads/mai", False),
        ("refs/tags/v*", "refs/tags/v1.0", True),
        ("refs/tags/v*", "refs/tags/v", True),
        ("refs/tags/v*", "refs/tags/v1/0", False),
        ("refs/tags/**", "refs/tags/v1/0", True),
        ("refs/**/main", "refs/heads/main", True),
        ("refs/*/main", "refs/heads/x/main", False),
        ("refs/tags/v*-rc*", "refs/tags/v1-rc-rc2", True),
        ("refs/***", "refs/a/b", True),
        ("refs/tags/v.", "refs/tags/v1", False),
    ],
)
def test_ref_patterns(pattern: str, ref: str, *, fits: bool) -> None:
    assert identities.ref_matches(pattern, ref) is fits


@given(
    pattern=st.lists(st.sampled_from(["a", "b", "/", "*", "**"]), max_size=8),
    ref=st.text(alphabet="ab/", max_size=10),
)
def test_ref_patterns_mean_what_a_regular_expression_would(pattern: list[str], ref: str) -> None:
    text = "".join(pattern)
    parts = re.findall(r"\*+|[^*]", text)
    regex = "".join({"*": "[^/]*"}.get(p, ".*" if p.startswith("**") else re.escape(p)) for p in parts)

    assert identities.ref_matches(text, ref) == bool(re.fullmatch(regex, ref))


def test_a_pattern_made_to_stop_a_registry_does_not() -> None:
    started = time.monotonic()
    identities.ref_matches("refs/" + "*a" * 120, "refs/" + "a" * 1000 + "b")
    assert time.monotonic() - started < 5
