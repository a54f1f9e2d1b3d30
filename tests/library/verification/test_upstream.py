# SPDX-License-Identifier: Apache-2.0
"""Step 10: what the registry reports of parents; their owners' words warn, strangers' are listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.library.verification.conftest import Check
from tests.library.verification.expectations import assert_verified
from tests.models import tiny_model, write
from tests.registries import registry_here
from weighbridge import keys
from weighbridge.client import RegistryClient
from weighbridge.memory import Memory
from weighbridge.pending import PendingStore
from weighbridge.publishing import Published, publish
from weighbridge.releases import ReleaseName
from weighbridge.signing import KeySigner
from weighbridge.statements import encode_statement
from weighbridge.trust import TrustStore
from weighbridge.verdict import Result


class Person:
    """Somebody with a key who publishes, and says things of what is published."""

    def __init__(self, folder: Path, url: str) -> None:
        self.client = RegistryClient(url)
        self._folder = folder
        self._signer = KeySigner(keys.generate_private_key())

    def publish(self, path: Path, name: str, *parents: Published) -> Published:
        lines = [f"  - {{relation: finetune, digest: 'sha256:{one.model_digest}'}}" for one in parents]
        lineage = write(self._folder / "lineage.yaml", "\n".join(["parents:", *lines])) if parents else None
        return publish(
            path,
            ReleaseName.parse(name),
            registry=self.client,
            signer=self._signer,
            trust=TrustStore(self._folder),
            memory=Memory(self._folder, enabled=True),
            pending=PendingStore(self._folder),
            lineage=lineage,
        )

    def say(self, kind: str, sha256: str, **content: Any) -> None:
        """Record a statement about a digest."""
        predicate = {"logs": [self.client.log().origin], "previous": None} | content
        self.client.submit([self._signer.sign(encode_statement(kind, "it", sha256, predicate))])


def warning(id_: str) -> dict[str, Any]:
    about = {"id": id_, "subject_kind": "digest", "severity": "high", "summary": f"Warning {id_}"}
    return about | {"propagates": ["finetune"]}


def test_a_parents_yank_and_its_owners_warning_warn_and_a_strangers_is_listed(
    tmp_path: Path, verify_it: Check
) -> None:
    with registry_here(tmp_path) as registry:
        lab, other = Person(tmp_path / "lab", registry.url), Person(tmp_path / "other", registry.url)
        base = lab.publish(tiny_model(tmp_path / "base"), "lab/base@1")
        model = tiny_model(tmp_path / "child", seed=1)
        other.publish(model, "other/child@1", base)
        log_keys = [lab.client.log().vkey]

        def step_10() -> tuple[Result, str]:
            verdict = verify_it(model, release="other/child@1", registry=lab.client, log_keys=log_keys)
            assert_verified(verdict)
            return verdict.step(10).result, verdict.step(10).reason

        result, told = step_10()
        assert result is Result.REPORTED
        assert "parent is registered here, says the registry" in told
        other.say("advisory", base.model_digest, **warning("strange"))
        result, told = step_10()
        assert result is Result.REPORTED
        assert "an advisory about its parent lab/base@1, says the registry: Warning strange" in told
        assert "a third party" in told
        lab.say("advisory", base.model_digest, **warning("true"))
        assert step_10()[0] is Result.WARN
        release = lab.client.release("lab", "base", "1")
        assert release is not None
        statement = release.statement.removeprefix("sha256:")
        lab.say("status", statement, state="yanked", reason="Bites")
        result, told = step_10()
        assert result is Result.WARN
        assert "its parent lab/base@1 was withdrawn by its owners, says the registry: Bites" in told
        assert "names the exact parent" in told
