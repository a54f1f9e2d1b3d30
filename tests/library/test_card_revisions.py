# SPDX-License-Identifier: Apache-2.0
"""Revising a card: what it replaces is proved, nothing is lost on the way, and a race is explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.models import tiny_model
from tests.records import Published, TinyLog, published
from tests.registries import Registry, registry_here
from weighbridge import identities, keys, revisions
from weighbridge.bundles import parse_bundle
from weighbridge.card_revisions import revise_card
from weighbridge.client import RegistryClient
from weighbridge.errors import ConflictError, InputError, LogError, UnavailableError
from weighbridge.memory import Memory
from weighbridge.pending import PendingStore
from weighbridge.publishing import publish
from weighbridge.record_signers import signer_in_record
from weighbridge.releases import ReleaseName
from weighbridge.revisions import History, Revised, find_history
from weighbridge.signing import KeySigner
from weighbridge.statements import encode_statement
from weighbridge.trust import TrustStore
from weighbridge_schemas.card import Card

NAME = ReleaseName.parse("acme/tiny@1.0")


def card(title: str) -> Card:
    return Card.model_validate({"identity": {"title": title}})


# the history of a release's cards, from its record


@pytest.fixture
def release(tmp_path: Path) -> Published:
    return published(tiny_model(tmp_path / "m"))


def revision(
    of: Published, title: str, previous: bytes | None = None, *, release: bytes | None = None
) -> bytes:
    """Sign a card revision; `previous` is the bundle that it replaces."""
    digest = parse_bundle(previous).statement_digest if previous is not None else None
    predicate = {
        "logs": [of.log.origin],
        "previous": {"kind": "card", "sha256": digest} if digest else None,
        "card": {"identity": {"title": title}},
    }
    subject = parse_bundle(release or of.log.bundles[3]).statement_digest
    return of.publisher.signer.sign(encode_statement("card", of.title, subject, predicate))


def titles(log: TinyLog) -> list[str]:
    history = find_history(NAME, tuple(log.lines()), "card")
    return [str(one.identity.title) for one in history.parts if one is not None and one.identity is not None]


def test_a_history_is_the_releases_card_and_each_revision_in_turn(release: Published) -> None:
    first = revision(release, "first")
    second = revision(release, "second", first)
    release.log.add(first, second)
    history = find_history(NAME, tuple(release.log.lines()), "card")
    assert titles(release.log) == ["Tiny", "first", "second"]
    assert history.previous == parse_bundle(second).statement_digest
    assert history.current == history.parts[2]


def test_a_revision_that_is_kept_from_us_is_noticed(release: Published) -> None:
    first = revision(release, "first")
    release.log.add(revision(release, "second", first))
    with pytest.raises(LogError, match="lacks a card revision: it is withheld, or hidden"):
        titles(release.log)


def test_revisions_of_another_release_and_a_record_without_the_release_do_not_count(
    release: Published, tmp_path: Path
) -> None:
    other = published(
        tiny_model(tmp_path / "o", seed=1), publisher=release.publisher, log=release.log, title="acme/o@1"
    )
    release.log.add(revision(other, "theirs", release=release.log.bundles[5]))
    assert titles(release.log) == ["Tiny"]
    with pytest.raises(LogError, match="does not hold that release"):
        find_history(ReleaseName.parse("acme/tiny@2.0"), tuple(release.log.lines()), "card")


def test_a_record_names_the_key_that_signed_only_if_the_signature_holds(release: Published) -> None:
    lines = tuple(release.log.lines())
    statement = parse_bundle(release.log.bundles[3]).statement_digest
    found = signer_in_record(lines, statement)
    assert found is not None
    assert identities.signer_id(found) == identities.signer_id(release.publisher.signer.identity)
    foreign = [one for one in lines if b"signer/v1" not in parse_bundle(one.bundle).payload]
    assert signer_in_record(foreign, statement) is None, "nobody introduced that key"
    assert signer_in_record(lines, "0" * 64) is None


# with a real registry


@dataclass
class Owner:
    """Somebody who released acme/tiny@1.0 on a registry of their own."""

    folder: Path
    registry: Registry
    signer: KeySigner

    def asked(self) -> dict[str, Any]:
        """What every call needs."""
        return {
            "registry": RegistryClient(self.registry.url),
            "signer": self.signer,
            "trust": TrustStore(self.folder),
            "memory": Memory(self.folder, enabled=True),
            "pending": PendingStore(self.folder / "pending"),
        }

    def revise(self, title: str, **options: Any) -> Revised:
        """Revise the card."""
        return revise_card(NAME, card(title), **self.asked(), **options)


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    folder = tmp_path_factory.mktemp("owner")
    with registry_here(folder / "registry") as registry:
        one = Owner(folder, registry, KeySigner(keys.generate_private_key()))
        publish(tiny_model(folder / "m"), NAME, **one.asked())
        yield one


def history(owner: Owner) -> History[Card]:
    lines = RegistryClient(owner.registry.url).provenance(NAME.namespace, NAME.name, NAME.version)
    return find_history(NAME, lines, "card")


def test_who_was_overtaken_is_told_so_and_can_run_again(owner: Owner) -> None:
    before = history(owner)
    owner.revise("mine")
    with (
        mock.patch.object(revisions, "find_history", return_value=before),
        pytest.raises(ConflictError, match="was revised by somebody else meanwhile") as caught,
    ):
        owner.revise("theirs")
    assert "card show acme/tiny@1.0" in caught.value.hint
    assert list((owner.folder / "pending").iterdir()) == [], "what is refused for good is not kept"
    done = owner.revise("theirs")
    assert (done.already, done.previous) == (
        False,
        history(owner).statements[-2],
    )


def test_what_was_signed_is_kept_while_the_registry_is_away_and_sent_again(owner: Owner) -> None:
    said: list[str] = []
    with (
        mock.patch.object(RegistryClient, "submit", side_effect=UnavailableError("away")),
        pytest.raises(UnavailableError) as caught,
    ):
        owner.revise("later")
    assert "what was signed is saved" in caught.value.hint
    (kept,) = (owner.folder / "pending").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    done = owner.revise("later", report=said.append)
    assert done.index is not None
    assert "taking up the card that was signed before and not yet recorded" in said
    assert list((owner.folder / "pending").iterdir()) == []
    assert owner.revise("later").already


def test_a_dry_run_signs_and_sends_nothing(owner: Owner) -> None:
    size = RegistryClient(owner.registry.url).log().size
    with mock.patch.object(KeySigner, "sign", side_effect=AssertionError("nothing is signed")):
        done = owner.revise("never", dry_run=True)
    assert (done.index, done.statement) == (None, None)
    assert b'"never"' in done.payload
    assert RegistryClient(owner.registry.url).log().size == size


def test_a_registry_whose_record_does_not_prove_the_release_gets_no_signature(owner: Owner) -> None:
    honest = RegistryClient(owner.registry.url).provenance("acme", "tiny", "1.0")
    swapped = (honest[0], *(type(line)(line.bundle, honest[0].leaf, line.receipt) for line in honest[1:]))
    with (
        mock.patch.object(RegistryClient, "provenance", return_value=swapped),
        mock.patch.object(KeySigner, "sign", side_effect=AssertionError("nothing is signed")),
        pytest.raises(LogError),
    ):
        owner.revise("unproved")


def test_a_release_that_is_not_there_is_said_plainly(owner: Owner) -> None:
    with pytest.raises(InputError, match=r"has no release acme/none@1"):
        revise_card(ReleaseName.parse("acme/none@1"), card("x"), **owner.asked())
