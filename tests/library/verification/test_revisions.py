# SPDX-License-Identifier: Apache-2.0
"""Step 6: a README that its publisher revised, and one that a stranger claims to have."""

from __future__ import annotations

import hashlib

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_verified, assert_warned
from tests.records import Published, Publisher
from weighbridge.bundles import parse_bundle
from weighbridge.statements import encode_statement
from weighbridge.verdict import Result

NEW = b"# Tiny, revised\n"
OLDER = b"# Tiny, revised once\n"


def revision(of: Published, readme: bytes, by: Publisher, *, subject: str | None = None) -> bytes:
    """Sign a card that binds a README; whose `previous` is the registry's business."""
    bound = {"sha256": hashlib.sha256(readme).hexdigest(), "size": len(readme)}
    predicate = {"logs": [of.log.origin], "previous": None, "card": {"readme": bound}}
    release = subject or parse_bundle(of.log.bundles[3]).statement_digest
    return by.signer.sign(encode_statement("card", of.title, release, predicate))


def edit(of: Published, readme: bytes, *statements: bytes) -> None:
    """Put a README beside the model, and statements into the log and the record."""
    of.log.add(*statements)
    (of.model / "README.md").write_bytes(readme)
    of.record.write_bytes(of.log.record())


def test_the_readme_of_the_newest_revision_is_the_one_that_its_card_describes(
    honest: Published, by_release: Check
) -> None:
    owner = honest.publisher
    edit(honest, NEW, revision(honest, OLDER, owner), revision(honest, NEW, owner))
    verdict = by_release(honest)
    assert_verified(verdict)
    assert verdict.step(6).result is Result.PASS
    edit(honest, OLDER)
    assert_warned(by_release(honest), 6, "no longer describes README.md")


def test_a_strangers_revision_describes_nothing_even_if_a_log_took_it(
    honest: Published, by_release: Check
) -> None:
    mallory = Publisher()
    edit(honest, NEW, mallory.introduction(honest.log), revision(honest, NEW, mallory))
    assert_warned(by_release(honest), 6, "no longer describes README.md")


def test_a_former_owners_revision_describes_nothing(honest: Published, by_release: Check) -> None:
    heir = Publisher()
    handed_over = honest.publisher.namespace(honest.log, "acme", [heir], previous=honest.log.bundles[1])
    edit(honest, NEW, handed_over, revision(honest, NEW, honest.publisher))
    assert_warned(by_release(honest), 6, "no longer describes README.md")
    edit(honest, NEW, heir.introduction(honest.log), revision(honest, NEW, heir))
    assert by_release(honest).step(6).result is Result.PASS


def test_a_revision_of_another_release_describes_nothing(honest: Published, by_release: Check) -> None:
    other = parse_bundle(honest.log.bundles[2]).statement_digest
    edit(honest, NEW, revision(honest, NEW, honest.publisher, subject=other))
    assert_warned(by_release(honest), 6, "no longer describes README.md")
