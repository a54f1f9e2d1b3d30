# SPDX-License-Identifier: Apache-2.0
"""Made-up accounts: whether a pattern that accepts somebody would accept strangers too.

Whether one regular expression is wider than a person meant cannot be decided from its text, so names are
tried. *Anybody*: names of many forms that have nothing to do with the signer. *Lookalikes*: the signer's own
name with the part replaced that says whose it is, in the ways in which patterns are usually too wide: any
domain, a longer domain, a dot that was not escaped, `acme` that is also the beginning of `acme-evil`.

The same pattern and signer always give the same answer. That none fits proves nothing: it is a net for
mistakes of the person who verifies, who has no reason to deceive themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

__all__ = ["anybody", "lookalikes"]

# Letters only, digits only, both, capitals, signs, one letter, long, beyond ASCII: classes that patterns use.
_WORDS: Final = ("nobody", "730219", "q7f3a", "Nobody", "no-body.7_f", "z", "n0b0dy" * 5, "nièmand")
_WORD: Final = "q7f3a"
_DOMAINS: Final = (
    *(
        "nobody-q7f3a.com",
        "nobodyqf.org",
        "q7f3a.net",
        "nobody.io",
        "n.ai",
        "nobody.dev",
        "mail.nobody.co.uk",
    ),
    *("nobody.invalid", "nobody.example"),
)
_PROVIDERS: Final = (
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "proton.me",
    "icloud.com",
    "gmx.net",
)
_SHARED: Final = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "huggingface.co")
"""Hosts on which the first part of a path is anybody's who asks for it."""
_MAX_PLACES: Final = 64  # in which a dot is tried as another character: a name may be long
_SHORT: Final = 3  # letters of a label below which a registry gives out names

_WORKFLOWS: Final = (
    "/{0}/.github/workflows/{0}.yml@refs/heads/{0}",
    "/{0}/.github/workflows/release.yml@refs/tags/v1.0.0",
    "/{0}//.gitlab-ci.yml@refs/heads/main",
    "/{0}",
)


def anybody() -> Iterator[str]:
    """Yield names of accounts that nobody means: people, addresses, workflows, services."""
    yield from _WORDS
    for word, domain in product(_WORDS, (*_DOMAINS, *_PROVIDERS)):
        yield f"{word}@{domain}"
    for word, host, rest in product(_WORDS, (*_SHARED, *_DOMAINS), _WORKFLOWS):
        yield f"https://{host}/{word}{rest.format(word)}"
    for word in _WORDS:
        yield f"https://kubernetes.io/namespaces/{word}/serviceaccounts/{word}"
        yield f"spiffe://{word}.nobody.invalid/ns/{word}"


def lookalikes(subject: str) -> Iterator[str]:
    """Yield names that are as like a signer's as possible, and belong to whoever registers them."""
    scheme, is_url, rest = subject.partition("://")
    if is_url:
        host, slash, path = rest.partition("/")
        yield from (f"{scheme}://{other}{slash}{path}" for other in _other_hosts(host))
        if host.lower() in _SHARED:
            owner, slash, path = path.partition("/")
            yield from (f"{scheme}://{host}/{other}{slash}{path}" for other in _other_owners(owner))
    elif "@" in subject:
        local, _, domain = subject.rpartition("@")
        yield from (f"{local}@{other}" for other in _other_hosts(domain))
        if domain.lower() in _PROVIDERS:
            yield from (f"{other}@{domain}" for other in _other_owners(local))
    else:
        yield from _other_owners(subject)


def _other_hosts(host: str) -> Iterator[str]:
    """Yield domains that have other owners; one below the signer's own domain has not."""
    yield from _DOMAINS
    yield f"{host}.{_WORD}.com"
    labels = host.rsplit(".", 3)
    # What is registered is the last two labels, or three where the last but one is like `co` in `co.uk`.
    count = 3 if len(labels) > 2 and len(labels[-2]) <= _SHORT else 2  # noqa: PLR2004 - see above
    above, own = labels[:-count], labels[-count:]
    registered = ".".join(own)
    before = "".join(f"{label}." for label in above)
    yield from (f"{before}{_WORD}{registered}", f"{before}{_WORD}-{registered}")
    if above:
        yield f"{before.removesuffix('.')}x{registered}"
    if len(own) > 1:
        yield from (f"{before}{own[0]}.{ending}" for ending in (_WORD, "evil.com"))


def _other_owners(name: str) -> Iterator[str]:
    yield from _WORDS
    yield from (f"{name}-{_WORD}", f"{name}{_WORD}", f"{_WORD}-{name}", f"{_WORD}{name}")
    yield from (
        f"{name[:place]}x{name[place + 1 :]}"
        for place, letter in enumerate(name[:_MAX_PLACES])
        if letter == "."
    )
