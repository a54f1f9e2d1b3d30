# SPDX-License-Identifier: Apache-2.0
"""Verification against a real registry whose operator goes back, or shows one victim another history."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models import tiny_model
from tests.registries import Registry, running_registry
from tests.registry.publishers import Publisher
from weighbridge import keys
from weighbridge.client import RegistryClient
from weighbridge.memory import Memory
from weighbridge.pending import PendingStore
from weighbridge.publishing import publish
from weighbridge.records import format_record
from weighbridge.releases import ReleaseName
from weighbridge.signing import KeySigner
from weighbridge.tlog import Checkpoint, Signer, parse_checkpoint, sign_checkpoint
from weighbridge.trust import TrustStore
from weighbridge.verdict import Result, Verdict
from weighbridge.verification import check


class Client:
    """Somebody with a configuration folder, who publishes and verifies at one registry."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self.trust = TrustStore(folder / "config")
        self.memory = Memory(folder / "config", enabled=True)
        self.registry = RegistryClient(registry.url, retry_for=0.0)
        folder.mkdir()
        self.model = tiny_model(folder / "tiny")
        self.signer = KeySigner(keys.generate_private_key())

    def publish(self) -> None:
        """Publish acme/tiny@1.0."""
        name = ReleaseName("acme", "tiny", "1.0")
        pending = PendingStore(self.folder / "pending")
        publish(
            self.model,
            name,
            registry=self.registry,
            signer=self.signer,
            trust=self.trust,
            memory=self.memory,
            pending=pending,
        )

    def verify(self) -> Verdict:
        """Verify the model with everything that the registry can add, as a process of its own would."""
        return check(
            self.model,
            release="acme/tiny@1.0",
            registry=RegistryClient(self.registry.url, retry_for=0.0),
            trust=self.trust,
            memory=self.memory,
        )

    @property
    def evidence(self) -> list[Path]:
        """Evidence files that were written."""
        return list((self.folder / "config" / "evidence").glob("fork-*.json"))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Registry]:
    (tmp_path / "registry").mkdir()
    with running_registry(tmp_path / "registry", limits={}) as registry:  # without pages: it starts often
        yield registry


@pytest.fixture
def someone(one: Registry, tmp_path: Path) -> Client:
    client = Client(tmp_path / "someone", one)
    client.publish()
    return client


def step_7(verdict: Verdict) -> tuple[Result, str]:
    (step,) = [step for step in verdict.steps if step.n == 7]
    return step.result, step.reason


def test_an_honest_registry_is_believed_again_and_again(one: Registry, someone: Client) -> None:
    assert step_7(someone.verify())[0] is Result.PASS
    someone.registry.submit(Publisher(one.origin, namespace="others").start())
    assert step_7(someone.verify())[0] is Result.PASS
    assert someone.evidence == []


def test_a_registry_restored_from_an_old_backup_is_caught(
    one: Registry, someone: Client, tmp_path: Path
) -> None:
    someone.registry.submit(Publisher(one.origin, namespace="others").start())
    one.stop()
    shutil.copytree(one.data, tmp_path / "backup")
    one.start()
    someone.registry.submit(Publisher(one.origin, namespace="more").start())
    assert step_7(someone.verify())[0] is Result.PASS
    one.stop()
    shutil.rmtree(one.data)
    shutil.copytree(tmp_path / "backup", one.data)
    one.start_restored()
    (someone.model / "provenance.jsonl").unlink()
    verdict = someone.verify()
    assert step_7(verdict)[0] is Result.FAIL
    assert verdict.exit_code == 1
    (evidence,) = someone.evidence
    assert str(evidence) in step_7(verdict)[1]


def test_a_history_made_for_one_victim_is_caught_when_the_victim_comes_back(
    one: Registry, someone: Client
) -> None:
    """With the stolen log key, the victim was shown a tree of 2 that nobody else ever saw."""
    thief = Signer.from_private_key((one.data / "keys" / "log.key").read_text())
    private = sign_checkpoint(Checkpoint(one.origin, 2, bytes(range(32))), thief)
    someone.memory.remember_checkpoint(parse_checkpoint(private, [one.vkey]))
    verdict = someone.verify()
    assert step_7(verdict)[0] is Result.FAIL
    (evidence,) = someone.evidence
    assert str(evidence) in step_7(verdict)[1]


def test_a_client_without_memory_still_catches_what_it_holds_in_hand(
    one: Registry, someone: Client, tmp_path: Path
) -> None:
    """The record beside the model is newer than all that the restored registry has."""
    one.stop()
    shutil.copytree(one.data, tmp_path / "backup")
    one.start()
    someone.registry.submit(Publisher(one.origin, namespace="others").start())
    newer = someone.registry.provenance("acme", "tiny", "1.0")
    (someone.model / "provenance.jsonl").write_bytes(format_record(newer))
    one.stop()
    shutil.rmtree(one.data)
    shutil.copytree(tmp_path / "backup", one.data)
    one.start_restored()
    someone.memory = Memory(tmp_path / "nothing", enabled=False)
    result, reason = step_7(someone.verify())
    assert result is Result.FAIL
    assert "the evidence of this error holds both checkpoints" in reason
    assert not (tmp_path / "nothing").exists()
