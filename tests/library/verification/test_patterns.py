# SPDX-License-Identifier: Apache-2.0
"""Patterns for accounts, and namings that are not plain: matched whole, in linear time, or refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records import Publisher
from weighbridge.errors import InputError
from weighbridge.identities import CiClaims, KeyIdentity, SigstoreIdentity
from weighbridge.verification.patterns import SubjectPattern
from weighbridge.verification.strangers import lookalikes
from weighbridge.verification.wanted import Ci, Wanted, ci_options, wanted_signers

ISSUER = "https://login.example"
GITHUB = "https://token.actions.githubusercontent.com"


def account(subject: str, issuer: str = ISSUER) -> SigstoreIdentity:
    return SigstoreIdentity("d" * 64, issuer, subject)


def named(**options: Any) -> Wanted:
    wanted = wanted_signers(**options)
    assert wanted is not None
    return wanted


def ci(**changes: str) -> Ci:
    return Ci(**{"issuer": GITHUB, "repository_id": "1", **changes})


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        (r"release@acme\.example", ["release@acme.example"], ["release@acmeXexample"]),
        (r"[a-z]+@acme\.example", ["bob@acme.example"], ["Bob@acme.example", "bob@acme.example.evil.org"]),
        (r"a@x\.example|b@x\.example", ["b@x.example"], ["a@x.example@evil.org", "evil-b@x.example"]),
        (
            r"https://github\.com/acme/[^/]+/\.github/workflows/release\.yml@refs/tags/.*",
            ["https://github.com/acme/m/.github/workflows/release.yml@refs/tags/v1"],
            [
                "https://github.com/acme/m/.github/workflows/release.yml@refs/heads/x",
                "https://github.com/evil/x?https://github.com/acme/m/.github/workflows/release.yml@refs/tags/v",
            ],
        ),
        (r"a@x\.example$", ["a@x.example"], ["a@x.example\n"]),
        (r".*@acme\.example", ["a@acme.example"], ["a@evil.example\nb@acme.example"]),
    ],
)
def test_a_pattern_fits_the_whole_subject_or_not_at_all(
    pattern: str, fits: list[str], not_: list[str]
) -> None:
    wanted = named(patterns=[pattern], issuers=[ISSUER])
    for subject in fits:
        assert wanted.accepts(account(subject))
        assert not wanted.accepts(account(subject, GITHUB))
    for subject in not_:
        assert not wanted.accepts(account(subject))
    assert not wanted.accepts(KeyIdentity("0" * 64))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*)*(.*)*(.*)*!", "([a-z]+)*[0-9]"])
def test_no_pattern_takes_longer_than_the_text_is_long(pattern: str) -> None:
    """A backtracking engine would need longer than the universe has: the subject is a stranger's text."""
    compiled = SubjectPattern.read(pattern)
    began = time.monotonic()
    assert not compiled.matches("a" * 30_000 + "?")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "fits nobody"),
        ("a" * 1001, "at most 1,000"),
        ("(", "missing"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?<=a)b", "invalid"),
        ("(?=a)b", "invalid"),
        ("x{1000}{1000}", "bad repetition operator"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        (r"\pL{1000}", "too large"),
        ("a\udcffb", "not text"),
    ],
)
def test_a_bad_or_too_large_pattern_is_a_wrong_command(
    pattern: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        wanted_signers(patterns=[pattern], issuers=[ISSUER])
    assert caught.value.exit_code == 2
    assert capfd.readouterr().err == ""


WORKFLOW = "https://github.com/acme/m/.github/workflows/release.yml@refs/tags/v1"


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            ".*",
            ".+",
            "^.*$",
            "(?s).*",
            "(?i).*",
            ".*?",
            "(.*)",
            "(|.*)",
            "(a|.*)",
            "|.*",
            ".{0,}",
            ".{0,200}",
        ),
        *(
            r"[\s\S]+",
            r"[\w\W]*",
            r"\C*",
            r"[^x]*",
            r"[\x00-\x{10FFFF}]*",
            r"\PN*\PL*.*",
            r"(?:.|\n)*",
            r"\S+",
            "..*",
        ),
        *(".*@.*", r"\S+@\S+", r".+@.+\..+", "[a-z]+@.*", r"[a-z0-9._-]+@[a-z0-9.-]+", r"\w+@\w+\.\w+"),
        *(r".*\.com", ".*@gmail[.]com", r"[a-z]+@(gmail|outlook)\.com", r"[A-Z]\w+@.*", r"[0-9]+@.*"),
        *("https://.*", "https?://.*", "https://github.com/.*", r"https://github\.com/\w+/\w+/.*"),
        *(
            r"https://github\.com/[^/]+/[^/]+/\.github/workflows/release\.yml@refs/tags/v[0-9.]+",
            ".*refs/heads/.*",
        ),
        *(r"https://gitlab\.com/.*", "spiffe://.*", "[^@]*", r"[a-z]{1,5}", r"\pL+", r"[[:alpha:]]+"),
    ],
)
def test_a_pattern_that_accepts_anybody_is_known(pattern: str) -> None:
    """However it is spelt: the pattern itself is not looked at, it is tried."""
    assert "fits anybody" in SubjectPattern.read(pattern).caution("someone@else.example")


@pytest.mark.parametrize(
    ("pattern", "signer", "stranger"),
    [
        (r".*acme\.example", "bob@acme.example", "@q7f3aacme.example"),
        (r"bob@acme\.example.*", "bob@acme.example", "bob@acme.example.q7f3a.com"),
        (r"bob@acme\.[a-z0-9]*", "bob@acme.example", "bob@acme.q7f3a"),
        (r"bob@mail.acme\.example", "bob@mail.acme.example", "bob@mailxacme.example"),
        (r"bob@mail.acme\.co\.uk", "bob@mail.acme.co.uk", "bob@mailxacme.co.uk"),
        (r"bob@.*", "bob@acme.example", "bob@nobody-q7f3a.com"),
        (r"https://github.com/acme.*", WORKFLOW, "https://github.com/acme-q7f3a/m/"),
        (r"https://github\.com/.*acme/.*", WORKFLOW, "https://github.com/q7f3a-acme/m/"),
        (r"https://[a-z.]+/acme/.*", WORKFLOW, "https://nobodyqf.org/acme/m"),
        (r"https://github\.com.*/acme/m/.*", WORKFLOW, "https://github.com.q7f3a.com/acme/m/"),
        (r"b.*@gmail\.com", "bob@gmail.com", "bob-q7f3a@gmail.com"),
        (r"b.b@gmail\.com", "b.b@gmail.com", "bxb@gmail.com"),
        (r"build.*", "build-bot", "build-bot-q7f3a"),
    ],
)
def test_a_pattern_that_fits_a_lookalike_of_the_signer_is_known(
    pattern: str, signer: str, stranger: str
) -> None:
    caution = SubjectPattern.read(pattern).caution(signer)
    assert "fits strangers too" in caution
    assert stranger in caution


@pytest.mark.parametrize(
    ("pattern", "signer"),
    [
        (r".*@acme\.example", "bob@acme.example"),
        (r"[a-z]+@(eu|us)\.acme\.example", "bob@eu.acme.example"),
        (r".*@(.*\.)?acme\.example", "bob@a.b.c.acme.example"),
        (r"(alice|bob)@gmail\.com", "bob@gmail.com"),
        ("alice|bob", "bob"),
        (r"https://github\.com/acme/.*", WORKFLOW),
        (r"https://github\.com/acme/[^/]+/\.github/workflows/release\.yml@refs/tags/.*", WORKFLOW),
        (r"https://git\.acme\.example/.*", "https://git.acme.example/team/m//.gitlab-ci.yml@refs/heads/main"),
    ],
)
def test_a_pattern_that_names_somebody_is_not_called_too_wide(pattern: str, signer: str) -> None:
    compiled = SubjectPattern.read(pattern)
    assert compiled.matches(signer)
    assert compiled.caution(signer) == ""


@given(subject=st.text(max_size=40))
@settings(max_examples=25)
def test_a_name_as_it_is_never_fits_a_stranger(subject: str) -> None:
    """No name is cautioned against when it is asked for exactly, and no subject of a stranger breaks this."""
    if subject:
        assert SubjectPattern.read(re2.escape(subject)).caution(subject) == ""


@pytest.mark.parametrize(
    "subject", ["." * 30_000, "a@" + "x." * 15_000, "https://" + "/" * 30_000, "@", "://"]
)
def test_a_long_or_odd_subject_is_tried_in_bounded_work(subject: str) -> None:
    assert sum(map(len, lookalikes(subject))) < 10_000_000


def test_who_is_named_exactly_is_never_called_a_chance_match_of_a_pattern() -> None:
    wanted = named(patterns=[".*"], identities=["a@x.example"], issuers=[ISSUER])
    assert wanted.caution(account("a@x.example")) == ""
    assert "fits anybody" in wanted.caution(account("b@x.example"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ci": ci(repository_id="acme/models")}, "is no id"),
        ({"ci": ci(owner_id="acme")}, "is no id"),
        ({"ci": ci(workflow="")}, "must not be empty"),
        ({"ci": ci(ref="")}, "must not be empty"),
        ({"public_keys": [b""]}, "not a public key"),
        ({"public_keys": [Publisher().pem] * 65}, "at most 64"),
        ({"identities": ["a"], "patterns": ["b"], "issuers": [ISSUER, GITHUB]}, "2 issuers were given"),
    ],
)
def test_what_is_not_plain_is_a_wrong_command(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        wanted_signers(**options)
    assert caught.value.exit_code == 2


def test_the_options_that_pin_a_run_are_as_a_shell_takes_them() -> None:
    claims = CiClaims(repository_id="4242", owner_id="77", workflow_path="a b'; rm -rf ~")
    assert ci_options(claims) == (
        """--ci-repository-id 4242 --ci-owner-id 77 --ci-workflow 'a b'"'"'; rm -rf ~'"""
    )
    assert ci_options(CiClaims(repository="https://github.com/acme/models")) == ""
