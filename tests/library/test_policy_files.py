# SPDX-License-Identifier: Apache-2.0
"""Policy files: read strictly, matched as names are unique, explained, drafted; licences one by one."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authorities import Authority
from weighbridge import certificates, keys
from weighbridge.errors import InputError
from weighbridge.identities import CertificateIdentity, CiClaims, Identity, KeyIdentity, SigstoreIdentity
from weighbridge.policy import MAX_POLICY_BYTES, cautions, draft, explain, read_policy
from weighbridge.policy.matching import fits, may_fit
from weighbridge.tlog import Algorithm, Signer
from weighbridge.verification.cards import permitted

KEY = keys.generate_private_key().public_key()
PEM = keys.public_pem(KEY).decode()
DOMAIN = "ab" * 32
ISSUER = "https://accounts.example"
IN = f"trust_domain = 'sha256:{DOMAIN}'"
VKEY = "log.example/x+00000000+AAAA"
SIGNER = f'[signers.a]\ntype = "key"\npublic_key = """\n{PEM}"""\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is missing"),
        ("v = 1", "rules: is missing"),
        ("v = 1\nrules = []", "the least is 1"),
        ("v = 2\n[[rules]]", "v:"),
        ("v = true\n[[rules]]", "must be a number"),
        ("v = 1\nrule = 1\n[[rules]]", "rule: there is no such member"),
        ("v = 1\n[[rules]]\nrecorded = 1", "rules[0].recorded"),
        ('v = 1\n[[rules]]\nrecorded = "true"', "rules[0].recorded"),
        ("v = 1\n[[rules]]\nopenness = 4", "rules[0].openness"),
        ("v = 1\n[[rules]]\nopenness = true", "rules[0].openness"),
        ("v = 1\n[[rules]]\nlineage = { level = 0 }", "rules[0].lineage.level"),
        ("v = 1\n[[rules]]\nlineage = {}", "demands nothing"),
        ("v = 1\n[[rules]]\nlineage = { contradicted = 'no' }", "rules[0].lineage.contradicted"),
        ("v = 1\n[[rules]]\nstatus = ['yanked']", "rules[0].status[0]"),
        ("v = 1\n[[rules]]\nreleases = ['acme']", "is not NS/NAME"),
        ("v = 1\n[[rules]]\nreleases = ['a/b\\n']", "is not NS/NAME"),
        ("v = 1\n[[rules]]\nsigners = ['nobody']", "names the signer nobody"),
        (f"v = 1\n{SIGNER}[[rules]]\nsigners = ['a', 'a']", "names a signer twice"),
        (f"v = 1\n{SIGNER}[[reviewers]]\nsigners = ['a']\n[[rules]]", "nothing follows from it"),
        (
            f"v = 1\n{SIGNER}[[reviewers]]\nsigners = ['a']\nadvisories = {{}}\n[[rules]]",
            "needs fail or warn",
        ),
        ("v = 1\n[[rules]]\nwitnessed = true", "need a witness_policy"),
        ("v = 1\n[[rules]]\nfresh_within_days = 0", "fresh_within_days"),
        ("v = 1\n[[rules]]\nfresh_within_days = inf", "a date or a number"),
        ("v = 2026-01-01\n[[rules]]", "a date or a number"),
        ("v = 1\nwitness_policy = 'quorum none\\n'\n[[rules]]\nwitnessed = true", "witness policy"),
        ('v = 1\nwitness_policy = "quorum none\\n"\n[[rules]]\nwitnessed = true', "asks for no witness"),
        ("v = 1\nwitness_policy = 'quorum'\n[[rules]]", "witness policy in the policy"),
        (f"v = 1\nlogs = ['{VKEY}']\n[[rules]]", "log key that is none"),
        ("v = 1\n[signers.a]\ntype = 'key'\npublic_key = 'x'\n[[rules]]", "PEM"),
        ("v = 1\n[signers.a]\ntype = 'account'\n[[rules]]", "must be one of"),
        (
            f"v = 1\n[signers.a]\ntype = 'sigstore'\nissuer = '{ISSUER}'\nsubject = 'a@b.c'\n[[rules]]",
            "trust_domain: is missing",
        ),
        (
            f"v = 1\n[signers.a]\ntype = 'pattern'\npattern = '('\nissuer = '{ISSUER}'\n{IN}\n[[rules]]",
            "the policy's signer a cannot be used",
        ),
        ("v = 1\n[[rules]]\n[[rules.attestations]]\ntype = 'x'\nsigners = []", "the least is 1"),
        ("v = 1\nv = 1", "is not TOML"),
        ("\ufeffv = 1", "is not TOML"),
    ],
)
def test_what_is_no_policy_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        read_policy(text)
    assert words in refused.value.message


def test_a_key_that_is_none_names_its_signer() -> None:
    broken = PEM.replace("MFkw", "AAAA")
    with pytest.raises(InputError, match="signer a"):
        read_policy(f'v = 1\n[signers.a]\ntype = "key"\npublic_key = """\n{broken}"""\n[[rules]]')


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"v = 1 # " + b"x" * MAX_POLICY_BYTES,
        b"a" + b".a" * (MAX_POLICY_BYTES // 2 - 8) + b" = 1",
        (b"a" + b".a" * 2040 + b" = 1\n") * (MAX_POLICY_BYTES // 4096),
        (b"[b" + b".b" * 2040 + b"]\n") * (MAX_POLICY_BYTES // 4096),
        b"a = " + b"[\n" * (MAX_POLICY_BYTES // 2 - 8),
        b"a = " + b"[" * (MAX_POLICY_BYTES - 8),
        b"a = " + b"{a=" * (MAX_POLICY_BYTES // 3 - 8),
        b"[[a]]\n" * (MAX_POLICY_BYTES // 6),
    ],
)
def test_hostile_files_are_refused_quickly(data: bytes) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError):
        read_policy(data)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("pattern", "release", "fit"),
    [
        ("acme/*", ("acme", "tiny", "1"), True),
        ("ACME/t-i_n.y", ("a.cme", "Tiny", "1"), True),
        ("acme/*", ("acme-evil", "tiny", "1"), False),
        ("acme*/*", ("acme-evil", "tiny", "1"), True),
        ("*/*", ("a", "b", "1"), True),
        ("acme/tiny@1.*", ("acme", "tiny", "1.2"), True),
        ("acme/tiny@1.*", ("acme", "tiny", "10"), False),
        ("acme/tiny@1.0", ("acme", "tiny", "1-0"), False),
        ("acme/tiny@*", ("acme", "tiny", "1.0+b"), True),
    ],
)
def test_patterns_fit_names_as_they_are_unique(
    pattern: str, release: tuple[str, str, str], *, fit: bool
) -> None:
    assert fits(pattern, *release) is fit
    assert may_fit(pattern, *release) is fit


NAME = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,12}\Z")


@given(NAME, NAME, NAME)
def test_a_name_fits_itself_and_every_star(namespace: str, name: str, version: str) -> None:
    for pattern in (f"{namespace}/{name}@{version}", f"{namespace}/*", f"*/{name}", "*/*@*"):
        assert fits(pattern, namespace, name, version)
        assert may_fit(pattern, namespace, name, None)
    assert not fits(f"{namespace}/{name}x", namespace, name, version)


def test_the_rule_is_certain_only_once_the_version_is() -> None:
    policy = read_policy(
        "v = 1\n[[rules]]\nreleases = ['a/b@1.*']\n[[rules]]\nreleases = ['a/*']\n[[rules]]\n"
    )
    first, second, third = policy.document.rules
    assert list(policy.possible("a", "b", None)) == [first, second]
    assert list(policy.possible("a", "b", "1.5")) == [first]
    assert list(policy.possible("a", "b", "2")) == [second]
    assert list(policy.possible("x", "b", None)) == [third]
    assert policy.rule_for("x", "y", "1") is third is policy.rule_without_release()


@pytest.mark.parametrize(
    ("text", "allow", "deny", "permitted_"),
    [
        ("Apache-2.0", ["Apache-2.0"], [], True),
        ("apache-2.0", ["APACHE-2.0"], [], True),
        ("MIT", ["Apache-2.0"], [], False),
        ("MIT OR GPL-3.0-only", ["MIT"], [], True),
        ("MIT AND GPL-3.0-only", ["MIT"], [], False),
        ("MIT OR GPL-3.0-only", [], ["GPL-*"], True),
        ("MIT AND GPL-3.0-only", [], ["GPL-*"], False),
        ("(MIT OR Apache-2.0) AND CC-BY-4.0", ["MIT", "CC-*"], [], True),
        ("MIT", ["*"], ["MIT"], False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only"], [], False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only WITH *"], [], True),
    ],
)
def test_licences_as_a_reader_may_choose_among_them(
    text: str, allow: list[str], deny: list[str], *, permitted_: bool
) -> None:
    assert permitted(text, allow, deny) is permitted_


def test_a_licence_in_words_is_one_licence() -> None:
    assert permitted("llama3.1 OR MIT", ["MIT"], [], spdx=False) is False
    assert permitted("llama3.1", ["llama3*"], [], spdx=False) is True


ACCOUNT = SigstoreIdentity(DOMAIN, ISSUER, "a@acme.example")
RUN = SigstoreIdentity(
    DOMAIN,
    ISSUER,
    "https://git.example/acme/x/.github/workflows/r.yml@refs/tags/v1",
    CiClaims("acme/x", "42", "7", ".github/workflows/r.yml", "refs/tags/v1"),
)
AUTHORITY = Authority("acme CA")
CERTIFIED = CertificateIdentity(certificates.anchor_sha256(AUTHORITY.certificate), "CN=acme")


@pytest.mark.parametrize("identity", [KeyIdentity(keys.spki_sha256(KEY)), ACCOUNT, RUN, CERTIFIED])
@pytest.mark.parametrize("release", ["acme/tiny@1", None])
def test_a_drafted_policy_accepts_exactly_whom_it_was_made_from(
    identity: Identity, release: str | None
) -> None:
    witnesses = "quorum none\n"
    text = draft(
        identity,
        release=release,
        public_keys=[KEY],
        anchors=[AUTHORITY.certificate],
        witness_policy=witnesses,
    )
    policy = read_policy(text)
    (rule,) = policy.document.rules
    wanted = policy.signers(rule.signers)
    assert wanted is not None
    others = [
        KeyIdentity("0" * 64),
        ACCOUNT,
        RUN,
        CERTIFIED,
        SigstoreIdentity("cd" * 32, ISSUER, ACCOUNT.subject),
    ]
    assert wanted.accepts(identity)
    assert not any(wanted.accepts(one) for one in others if one != identity)
    assert rule.releases == (("acme/*",) if release else ())
    assert policy.document.witness_policy == witnesses
    assert list(explain(policy))
    assert cautions(policy) == []


def test_another_run_of_the_workflow_needs_its_ids() -> None:
    policy = read_policy(draft(RUN, release="acme/tiny@1"))
    wanted = policy.everybody
    assert wanted is not None
    for claims in (
        CiClaims("acme/x", "43", "7", ".github/workflows/r.yml", "refs/tags/v1"),
        CiClaims("acme/x", "42", "8", ".github/workflows/r.yml", "refs/tags/v1"),
        CiClaims("acme/x", "42", "7", ".github/workflows/other.yml", "refs/tags/v1"),
        CiClaims("acme/x", "42", "7", ".github/workflows/r.yml", "refs/heads/main"),
        None,
    ):
        assert not wanted.accepts(SigstoreIdentity(DOMAIN, ISSUER, RUN.subject, claims))


def test_a_draft_needs_the_signers_key() -> None:
    with pytest.raises(InputError, match="its public key is not here"):
        draft(KeyIdentity("0" * 64), release=None, public_keys=[KEY])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_name_breaks_out_of_a_drafted_text(subject: str) -> None:
    """Subjects come from certificates: what they hold is text in quotes, or refuses the file."""
    text = draft(SigstoreIdentity(DOMAIN, ISSUER, f"x{subject}"), release="acme/tiny@1")
    try:
        policy = read_policy(text)
    except InputError:
        return
    (signer,) = policy.document.signers.values()
    assert signer.type == "sigstore"
    assert signer.subject == f"x{subject}"


def test_an_explanation_says_every_demand() -> None:
    demands: dict[str, Any] = {
        "whole = true": "every signed file is here",
        "recorded = true": "recorded in a trusted log",
        "unsafe_formats = 'warn'": "is warned of",
        "openness = 2": "class II",
        "licenses = { allow = ['MIT'], deny = ['GPL-*'] }": "only MIT",
        "lineage = { level = 4, contradicted = 'fail' }": "level 4 at least",
        "known_by = 'registry'\nstatus = ['released']": "a registry's word will do",
    }
    for demand, words in demands.items():
        told = "\n".join(explain(read_policy(f"v = 1\n[[rules]]\n{demand}\n")))
        assert words in told, told


def test_the_example_of_the_specification_is_a_policy() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/spec/policy.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    log = Signer.generate("log.example/x").verifier.vkey
    witness = Signer.generate("first.example/w1", Algorithm.ED25519_COSIGNATURE).verifier.vkey
    for pattern, real in (
        (r"-----BEGIN PUBLIC KEY-----\n….*?-----END PUBLIC KEY-----\n", PEM),
        (r"sha256:…", f"sha256:{DOMAIN}"),
        (r'"log\.example/[^"]*"', f'"{log}"'),
        (r"first\.example/w1\+\S*", witness),
    ):
        example, count = re.subn(pattern, lambda _, text=real: text, example, flags=re.DOTALL)  # type: ignore[misc]
        assert count
    policy = read_policy(example)
    told = "\n".join(explain(policy))
    assert "Rule 1 (our own), for acme/*:" in told
    assert "with the result PASSED" in told
    assert cautions(policy) == []
