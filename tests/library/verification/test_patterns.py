# SPDX-License-Identifier: Apache-2.0
"""Patterns for accounts, and namings that are not plain: matched whole, in linear time, or refused."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.records import Publisher
from weighbridge.errors import InputError
from weighbridge.identities import CiClaims, KeyIdentity, SigstoreIdentity
from weighbridge.verification.patterns import SubjectPattern
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


@pytest.mark.parametrize(
    "pattern",
    [".*", ".+", "(?s).*", ".*@.*", "https://.*", "https://github.com/.*", "[^x]*", "|.*", ".{0,200}"],
)
def test_a_pattern_that_accepts_anybody_is_known(pattern: str) -> None:
    assert SubjectPattern.read(pattern).accepts_anybody


@pytest.mark.parametrize("pattern", [r".*@acme\.example", "https://github.com/acme/.*", "alice|bob"])
def test_a_pattern_that_names_somebody_is_not_called_too_wide(pattern: str) -> None:
    assert not SubjectPattern.read(pattern).accepts_anybody


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
