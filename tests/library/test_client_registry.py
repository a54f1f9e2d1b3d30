# SPDX-License-Identifier: Apache-2.0
"""The client against a real registry: what it answers is proved, step by step, and remembered."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest

from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher, model_of
from weighbridge.client import RegistryClient
from weighbridge.errors import (
    ConflictError,
    ForbiddenError,
    ForkError,
    MalformedError,
    ProofError,
    UnavailableError,
    UndecidedError,
)
from weighbridge.leaves import parse_leaf
from weighbridge.memory import Memory
from weighbridge.tlog import (
    Checkpoint,
    SignedCheckpoint,
    Signer,
    parse_checkpoint,
    parse_receipt,
    sign_checkpoint,
    verify_receipt,
)
from weighbridge.trust import TrustStore, fingerprint

FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


def proved(registry: RegistryClient, vkey: str, bundles: list[bytes]) -> list[SignedCheckpoint]:
    """Submit, and check bundle ↔ leaf ↔ receipt ↔ checkpoint as anybody would."""
    checkpoints = []
    for bundle, result in zip(bundles, registry.submit(bundles), strict=True):
        leaf = b64decode(result.leaf)
        assert parse_leaf(leaf).bundle_sha256 == sha256(bundle).hexdigest()
        receipt = parse_receipt(result.receipt.encode())
        assert receipt.index == result.index
        checkpoints.append(verify_receipt(receipt, leaf, [vkey]))
        assert registry.bundle(result.bundle) == bundle
    return checkpoints


def test_a_publication_is_proved_and_found_again(registry: Registry) -> None:
    client = RegistryClient(registry.url)
    log = client.log()
    assert log.fingerprint == fingerprint(log.vkey)
    publisher = Publisher(log.origin, namespace="prover")
    bundles = [*publisher.start(), publisher.oms(FILES), publisher.release("tiny", "1.0", FILES)]
    checkpoints = proved(client, log.vkey, bundles)
    again = client.submit(bundles[-1:])
    assert not again[0].created

    release = client.release("prover", "tiny")
    assert release is not None
    assert release.version == "1.0"
    assert client.release("prover", "tiny", "9") is None
    namespace = client.namespace("PROVER")
    assert namespace is not None
    assert namespace.owners[0].to_json()["public_key"] == publisher.pem
    assert client.namespace("nobody") is None
    signer = client.signer(release.signer.id)
    assert signer is not None
    assert signer.public_key == publisher.pem
    statement = client.statement(release.statement)
    assert statement is not None
    assert statement.bundle is not None
    assert b64decode(statement.bundle) == bundles[-1]

    known = sha256(FILES["model.safetensors"]).hexdigest()
    answer = client.digests([known, "00" * 32])
    assert [match.version for match in answer.answers[0].matches] == ["1.0"]
    assert answer.unknown == 1
    assert client.digest("00" * 32).matches == ()
    assert client.digest(model_of(FILES)["model_digest"]).matches

    lines = client.provenance("prover", "tiny", "1.0")
    for line in lines:
        assert parse_leaf(line.leaf).bundle_sha256 == sha256(line.bundle).hexdigest()
        verify_receipt(parse_receipt(line.receipt), line.leaf, [log.vkey])
    assert {line.bundle for line in lines} >= set(bundles[1:])
    with pytest.raises(UndecidedError, match="does not know"):
        client.provenance("prover", "tiny", "9")
    assert checkpoints[-1].size == parse_checkpoint(client.checkpoint(), [log.vkey]).size


def test_the_log_of_a_registry_only_grows(registry: Registry, tmp_path: Path) -> None:
    client = RegistryClient(registry.url)
    vkey = TrustStore(tmp_path).trust(client.log().vkey, registry.url).vkey
    memory = Memory(tmp_path, enabled=True)
    publisher = Publisher(registry.origin, namespace="grower")
    seen = proved(client, vkey, publisher.start())
    for version in range(5):
        files = {"model.safetensors": b"%d" % version}
        seen += proved(client, vkey, [publisher.release("tiny", f"{version}.0", files)])
    for one in seen:
        memory.remember_checkpoint(one)
    current = parse_checkpoint(client.checkpoint(), [vkey])
    memory.remember_checkpoint(current, prove=client.consistency, live=True)
    assert memory.checkpoint(current.origin, current.verifier.key_id) == current
    for index in range((current.size + 255) // 256):
        width = min(256, current.size - index * 256)
        entries = client.reader(current).entries(index, client.entries(index, width))
        assert all(map(parse_leaf, entries))


def test_a_history_for_one_victim_is_caught_at_the_next_contact(registry: Registry, tmp_path: Path) -> None:
    """The log key's thief shows the victim a private tree; the real log's tiles refute it."""
    client = RegistryClient(registry.url)
    thief = Signer.from_private_key((registry.data / "keys" / "log.key").read_text())
    private = sign_checkpoint(Checkpoint(registry.origin, 1, sha256(b"private").digest()), thief)
    memory = Memory(tmp_path, enabled=True)
    memory.remember_checkpoint(parse_checkpoint(private, [registry.vkey]))
    current = parse_checkpoint(client.checkpoint(), [registry.vkey])
    if current.size == 1:
        client.submit(Publisher(registry.origin, namespace="more").start())
        current = parse_checkpoint(client.checkpoint(), [registry.vkey])
    with pytest.raises(ForkError) as caught:
        memory.remember_checkpoint(current, prove=client.consistency, live=True)
    assert Path(caught.value.evidence["file"]).exists()


def test_refusals_arrive_as_what_they_are(registry: Registry) -> None:
    client = RegistryClient(registry.url)
    owner = Publisher(registry.origin, "owner", "guarded")
    client.submit([*owner.start(), owner.release("tiny", "1.0", FILES)])
    with pytest.raises(ConflictError) as taken:
        client.submit([owner.release("tiny", "1.0", {"model.safetensors": b"other"})])
    assert taken.value.evidence["status"] == 409
    assert taken.value.hint
    stranger = Publisher(registry.origin, "stranger", "guarded")
    with pytest.raises(ForbiddenError) as refused:
        client.submit([stranger.introduction(), stranger.release("tiny", "2.0", FILES)])
    assert refused.value.step == 4
    with pytest.raises(MalformedError) as malformed:
        client.submit([b"<html>"])
    assert malformed.value.step == 3


def test_a_file_that_no_statement_names_is_refused(registry: Registry) -> None:
    with pytest.raises(ForbiddenError, match="no statement recorded here names this file"):
        RegistryClient(registry.url).put_blob(b"not named by any statement")


def test_a_registry_that_died_is_unavailable_and_says_where(tmp_path: Path) -> None:
    with running_registry(tmp_path) as registry:
        client = RegistryClient(registry.url, retry_for=0.0)
        log = client.log()
        registry.kill()
        with pytest.raises(UnavailableError, match="no connection") as caught:
            client.log()
        assert registry.url in caught.value.hint
        registry.start()
        assert client.log().checkpoint == log.checkpoint


def test_tiles_beyond_the_tree_are_not_there(registry: Registry) -> None:
    client = RegistryClient(registry.url)
    with pytest.raises(UndecidedError, match="does not know"):
        client.tile(0, 1000)
    current = parse_checkpoint(client.checkpoint(), [registry.vkey])
    with pytest.raises(ProofError):
        client.reader(current).inclusion_proof(current.size)
