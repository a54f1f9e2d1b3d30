# SPDX-License-Identifier: Apache-2.0
"""`--registry`: a real one as evidence, and one that lies, rolls back or is away."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import (
    assert_refused,
    assert_undecided,
    assert_verified,
    told,
)
from tests.models import tiny_model
from tests.records import Elsewhere, Published, Publisher, TinyLog
from tests.registries import Registry, registry_here
from weighbridge import keys
from weighbridge.bundles import PublicKeyHint, parse_bundle
from weighbridge.client import RegistryClient
from weighbridge.memory import Memory
from weighbridge.records import format_record
from weighbridge.statements import encode_statement, parse_statement
from weighbridge.tlog import SignedCheckpoint, TileReader, entry_bundle, leaf_hash
from weighbridge.verdict import Result
from weighbridge_schemas.api import AsOf, DigestAnswer, DigestMatch


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry_here(tmp_path_factory.mktemp("registry")) as one:
        yield one


@pytest.fixture
def client(registry: Registry) -> RegistryClient:
    return RegistryClient(registry.url)


def submitted(client: RegistryClient, publisher: Publisher, model: Path, title: str, *, claim: bool) -> None:
    """Publish a model by hand: what the registry admits, it logs."""
    log, namespace = Elsewhere(client.log().origin), title.partition("/")[0]
    first = [publisher.introduction(log), publisher.namespace(log, namespace, [publisher])] if claim else []
    client.submit([*first, publisher.oms(model), publisher.release(log, model, title)])


def test_a_release_verifies_with_nothing_but_the_registry(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    """The folder holds the files alone: no signature, no record."""
    publisher, model = Publisher(), tiny_model(tmp_path / "m")
    submitted(client, publisher, model, "alone/tiny@1.0", claim=True)
    log_key = [client.log().vkey]
    verdict = verify_it(model, release="alone/tiny@1.0", registry=client, log_keys=log_key)
    assert_verified(verdict)
    assert verdict.step(9).result is Result.REPORTED
    assert "none reported as of entry" in verdict.step(9).reason
    assert verdict.step(10).result is Result.REPORTED
    latest = verify_it(model, release="alone/tiny", registry=client, log_keys=log_key)
    assert_verified(latest)
    (model / "config.json").write_text("{}")
    assert_refused(verify_it(model, release="alone/tiny", registry=client, log_keys=log_key), 2)


def test_an_older_version_is_found_by_its_files_and_a_newer_one_is_told(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    publisher = Publisher()
    one, two = tiny_model(tmp_path / "one"), tiny_model(tmp_path / "two", seed=2)
    submitted(client, publisher, one, "twice/tiny@1.0", claim=True)
    submitted(client, publisher, two, "twice/tiny@2.0", claim=False)
    (one / "model.sig").write_bytes(publisher.oms(one))
    verdict = verify_it(one, release="twice/tiny", registry=client, log_keys=[client.log().vkey])
    assert_verified(verdict)
    assert "twice/tiny@1.0" in verdict.summary
    assert "version 2.0 is newer" in verdict.step(9).reason
    asked = verify_it(one, release="twice/tiny@2.0", registry=client, log_keys=[client.log().vkey])
    assert asked.exit_code == 1, told(asked)


def test_a_signature_alone_is_looked_up_by_what_was_signed_and_by_whom(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    """Somebody else recorded the same words before: the manifest of the same files, signed by them."""
    model, first, publisher = tiny_model(tmp_path / "m", seed=11), Publisher(), Publisher()
    submitted(client, first, model, "first/tiny@1.0", claim=True)
    submitted(client, publisher, model, "lookup/tiny@1.0", claim=True)
    (model / "model.sig").write_bytes(publisher.oms(model))
    verdict = verify_it(model, public_key=publisher.pem, registry=client, log_keys=[client.log().vkey])
    assert_verified(verdict)
    assert verdict.step(7).result is Result.PASS


def test_what_the_registry_does_not_know_is_undecided(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    publisher, model = Publisher(), tiny_model(tmp_path / "m", seed=12)
    (model / "model.sig").write_bytes(publisher.oms(model))
    log_key = [client.log().vkey]
    verdict = verify_it(model, public_key=publisher.pem, registry=client, log_keys=log_key)
    assert_undecided(verdict, 7, "has no record of the statement")
    by_name = verify_it(model, release="nobody/nothing@1", registry=client, log_keys=log_key)
    assert by_name.exit_code == 3, told(by_name)


def test_a_registry_whose_log_is_not_pinned_is_asked_but_not_believed(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    publisher, model = Publisher(), tiny_model(tmp_path / "m")
    submitted(client, publisher, model, "unpinned/tiny@1.0", claim=True)
    verdict = verify_it(model, release="unpinned/tiny@1.0", registry=client)
    assert verdict.exit_code == 3, told(verdict)
    assert verdict.step(7).result is Result.UNKNOWN
    assert verdict.step(9).result is Result.UNKNOWN


def test_memory_and_the_live_log_are_proved_consistent(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    publisher, model = Publisher(), tiny_model(tmp_path / "m")
    submitted(client, publisher, model, "memory/tiny@1.0", claim=True)
    memory = Memory(tmp_path / "remembers", enabled=True)
    (model / "provenance.jsonl").write_bytes(format_record(client.provenance("memory", "tiny", "1.0")))
    options: dict[str, Any] = {
        "release": "memory/tiny@1.0",
        "log_keys": [client.log().vkey],
        "memory": memory,
    }
    assert_verified(verify_it(model, **options))
    submitted(client, publisher, tiny_model(tmp_path / "n", seed=5), "memory/tiny@2.0", claim=False)
    assert_verified(verify_it(model, **options, registry=client))


class Faulty(RegistryClient):
    """A registry in memory that answers as a test wants; everything else is unreachable."""

    def __init__(self, log: TinyLog, checkpoint: bytes) -> None:
        super().__init__("http://127.0.0.1:9", timeout=1)
        self._log, self._checkpoint = log, checkpoint

    def checkpoint(self) -> bytes:
        return self._checkpoint

    def digest(self, digest: str) -> DigestAnswer:
        return DigestAnswer(
            digest=f"sha256:{digest}",
            matches=(),
            as_of=AsOf(size=len(self._log.leaves), origin="log.example"),
        )


@pytest.fixture
def recorded(tmp_path: Path) -> Published:
    """A model in a log of four entries, with its record."""
    publisher, log, model = Publisher(), TinyLog.new(), tiny_model(tmp_path / "m")
    log.add(publisher.introduction(log), publisher.namespace(log, "acme", [publisher]))
    log.add(publisher.oms(model), publisher.release(log, model, "acme/tiny@1.0"))
    (model / "provenance.jsonl").write_bytes(log.record())
    return Published(model, publisher, log, "acme/tiny@1.0")


def test_a_registry_that_forges_its_checkpoint_is_refused(recorded: Published, by_key: Check) -> None:
    forger = TinyLog.new()  # the same origin, another key
    forger.add(*recorded.log.bundles)
    registry = Faulty(recorded.log, forger.checkpoint())
    assert_refused(by_key(recorded, registry=registry), 7, "no trusted key")


@pytest.mark.parametrize("remembering", [False, True])
def test_a_log_that_shrinks_is_a_rollback(
    recorded: Published, by_key: Check, tmp_path: Path, *, remembering: bool
) -> None:
    """A registry restored from an old backup: its key is the same, its log shorter than its own receipt."""
    memory = Memory(tmp_path / "remembers", enabled=remembering)

    class Restored(Faulty):
        def digest(self, digest: str) -> DigestAnswer:
            match = DigestMatch(
                kind="statement",
                statement=f"sha256:{digest}",
                statement_kind="oms",
                signer=None,
                index=2,
                received=0,
                url="/log/2",
            )
            return super().digest(digest).model_copy(update={"matches": (match,)})

        def reader(self, checkpoint: SignedCheckpoint) -> TileReader:
            return TileReader(self._tile, checkpoint.size, checkpoint.root)

        def _tile(self, level: int, index: int, width: int) -> bytes:
            assert (level, index) == (0, 0)
            return b"".join(leaf_hash(leaf) for leaf in self._log.leaves[:width])

        def entries(self, index: int, width: int = 256) -> bytes:
            assert index == 0
            return entry_bundle(self._log.leaves[:width])

        def bundle(self, digest: str) -> bytes:
            return next(each for each in self._log.bundles if sha256(each).hexdigest() == digest)

    shorter = Restored(recorded.log, recorded.log.checkpoint(3))
    verdict = by_key(recorded, registry=shorter, memory=memory)
    assert_refused(verdict, 7, "size 3", "size 4" if not remembering else "")
    assert len(verdict.step(7).evidence["checkpoints"]) == 2


def test_a_registry_that_is_away_takes_nothing_from_a_record_that_is_here(
    recorded: Published, by_key: Check
) -> None:
    verdict = by_key(recorded, registry=RegistryClient("http://127.0.0.1:9", timeout=1))
    assert_undecided(verdict, 9, "127.0.0.1:9")
    assert verdict.step(7).result is Result.PASS


def test_a_decoy_cannot_turn_the_status_question_to_another_version(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    """A hub serves 1.0, which may be withdrawn, and puts a stranger's signature over 2.0's files first."""
    publisher, stranger = Publisher(), Publisher()
    one, two = tiny_model(tmp_path / "one", seed=11), tiny_model(tmp_path / "two", seed=12)
    submitted(client, publisher, one, "decoy/tiny@1.0", claim=True)
    submitted(client, publisher, two, "decoy/tiny@2.0", claim=False)
    client.submit([stranger.introduction(Elsewhere(client.log().origin)), stranger.oms(two)])
    record = client.provenance("decoy", "tiny", "1.0")
    theirs = [line for line in client.provenance("decoy", "tiny", "2.0") if line not in record]
    decoys = [line for line in theirs if parse_bundle(line.bundle).material == _hint_of(stranger)]
    assert decoys
    (one / "provenance.jsonl").write_bytes(format_record([*decoys, *record]))
    verdict = verify_it(one, release="decoy/tiny", registry=client, log_keys=[client.log().vkey])
    assert_undecided(verdict, 9, "spoke of version 2.0, not of decoy/tiny@1.0", "--release decoy/tiny@1.0")


def test_a_yank_in_the_registry_fails_and_a_strangers_warning_is_only_told(
    client: RegistryClient, verify_it: Check, tmp_path: Path
) -> None:
    publisher, stranger, model = Publisher(), Publisher(), tiny_model(tmp_path / "m", seed=21)
    submitted(client, publisher, model, "gone/tiny@1.0", claim=True)
    log, asked = Elsewhere(client.log().origin), {"registry": client, "log_keys": [client.log().vkey]}
    [release] = [
        line.bundle
        for line in client.provenance("gone", "tiny", "1.0")
        if parse_statement(parse_bundle(line.bundle).payload).kind == "release"
    ]
    warning = {"id": "W-1", "subject_kind": "release", "severity": "high", "summary": "it bites"}
    subject = parse_bundle(release).statement_digest
    predicate = warning | {"logs": [log.origin], "previous": None}
    said = stranger.signer.sign(encode_statement("advisory", "gone/tiny@1.0", subject, predicate))
    client.submit([stranger.introduction(log), said])
    verdict = verify_it(model, release="gone/tiny@1.0", **asked)
    assert_verified(verdict)
    assert "1 warning of others is listed there, which change nothing here" in verdict.step(9).reason
    assert "Warned (W-1, high): it bites" in verdict.step(9).reason
    assert len(verdict.step(9).evidence["warnings"]) == 1
    yank = publisher.status(log, release, "yanked", reason="poisoned")
    client.submit([yank])
    assert_refused(verify_it(model, release="gone/tiny@1.0", **asked), 9, "withdrew this release: poisoned")
    assert verify_it(model, release="gone/tiny@1.0", allow_yanked=True, **asked).exit_code == 0
    (model / "provenance.jsonl").write_bytes(format_record(client.provenance("gone", "tiny", "1.0")))
    offline = verify_it(model, release="gone/tiny@1.0", log_keys=asked["log_keys"])
    assert_refused(offline, 9, "poisoned")
    client.submit([publisher.status(log, release, "restored", previous=yank)])
    verdict = verify_it(model, release="gone/tiny@1.0", **asked)
    assert_verified(verdict)
    assert "restored by its publisher" in verdict.step(9).reason


def _hint_of(publisher: Publisher) -> PublicKeyHint:
    return PublicKeyHint(keys.hint(publisher.private_key.public_key()))
