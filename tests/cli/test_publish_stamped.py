# SPDX-License-Identifier: Apache-2.0
"""`publish --tsa-url`: both statements are stamped, and outlive the certificate that signed them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests import models
from tests.authorities import Authority
from tests.commands import Outcome
from tests.commands import weighbridge_here as here
from tests.library.servers import Asked, Handler, scripted_server
from tests.local_sigstore.forgery import TimeStamper
from tests.registries import Registry, registry_here
from weighbridge import bundles, keys
from weighbridge.memory import Memory
from weighbridge.records import parse_record
from weighbridge.trust import TrustStore
from weighbridge.verification import check

pytestmark = pytest.mark.needs("openssl")

DAY = timedelta(days=1)


@dataclass
class Publisher:
    """A certificate, its authority, and the authority that says when."""

    folder: Path
    stamper: TimeStamper
    root: Authority

    @classmethod
    def make(cls, folder: Path) -> Publisher:
        now = datetime.now(UTC)
        root = Authority("Acme Root", start=now - 9 * DAY, end=now + 999 * DAY)
        key = keys.generate_private_key()
        leaf = root.issue("Acme Models", key.public_key(), start=now - DAY, end=now + DAY)
        keys.write_private_key(folder / "key.pem", key, None)
        (folder / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
        (folder / "root.pem").write_bytes(root.pem)
        return cls(folder, TimeStamper.make(folder / "tsa"), root)

    @property
    def trust_config(self) -> Path:
        """A trust configuration that names the time-stamp authority; its Sigstore signs nothing here."""
        stamper = [self.stamper.certificate.public_bytes(Encoding.DER), self.stamper.root.der]
        unused = {"certChain": _chain([Authority("No Sigstore").der]), "validFor": {}}
        document = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [],
                "certificateAuthorities": [unused],
                "ctlogs": [],
                "timestampAuthorities": [{"certChain": _chain(stamper), "validFor": {}}],
            },
        }
        path = self.folder / "trust.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def publish(self, registry: str, model: Path, release: str, *options: str | Path) -> Outcome:
        signing = ("--key", self.folder / "key.pem", "--certificate", self.folder / "leaf.pem")
        chain = ("--chain", self.folder / "root.pem")
        return here("publish", model, release, "--registry", registry, *signing, *chain, *options, "--json")


def _chain(certificates: list[bytes]) -> dict[str, list[dict[str, str]]]:
    return {"certificates": [{"rawBytes": base64.b64encode(each).decode()} for each in certificates]}


@contextmanager
def stamping(publisher: Publisher) -> Iterator[tuple[str, list[Asked]]]:
    asked: list[Asked] = []

    def answer(handler: Handler, question: Asked) -> None:
        asked.append(question)
        handler.answer(200, publisher.stamper.reply(question.body), "application/timestamp-reply")

    with scripted_server(answer) as server:
        yield f"{server.url}/tsa", asked


@pytest.fixture
def publisher(tmp_path: Path, config_folder: Path) -> Publisher:
    return Publisher.make(tmp_path)


@pytest.fixture
def trusting(tmp_path: Path, publisher: Publisher) -> Iterator[Registry]:
    """A registry whose trust configuration names the time-stamp authority."""
    with registry_here(tmp_path / "r", trust_configs=(publisher.trust_config.read_bytes(),)) as one:
        yield one


def test_both_statements_are_stamped_and_hold_when_the_certificate_has_expired(
    tmp_path: Path, config_folder: Path, publisher: Publisher, trusting: Registry
) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    with stamping(publisher) as (url, asked):
        done = publisher.publish(trusting.url, model, "acme/tiny@1", "--tsa-url", url)
    assert done.exit_code == 0, done.stdout + done.stderr
    lines = parse_record((model / "provenance.jsonl").read_bytes())
    assert len(asked) == len(lines) == 3, "namespace, OMS, release"
    stamped = [len(bundles.parse_bundle(line.bundle, strict=True).timestamps) for line in lines]
    assert stamped == [1, 1, 1]

    later = datetime.now(UTC) + 400 * DAY
    own = {"trust": TrustStore(config_folder), "memory": Memory(config_folder, enabled=False), "now": later}
    refused = check(model, release="acme/tiny@1", **own)
    assert refused.exit_code != 0
    tsa = publisher.stamper.root.pem
    assert check(model, release="acme/tiny@1", tsa_certificate=tsa, **own).exit_code == 0
    own["now"] = datetime.now(UTC)
    assert check(model, release="acme/tiny@1", tsa_certificate=tsa, **own).exit_code == 0


def test_a_registry_that_does_not_know_the_authority_says_what_to_do(
    tmp_path: Path, publisher: Publisher, registry: Registry
) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    with stamping(publisher) as (url, _):
        done = publisher.publish(registry.url, model, "stamped/tiny@1", "--tsa-url", url)
    error = done.json()["error"]
    assert done.exit_code == 1
    assert "no trusted authority made" in error["message"]
    assert "--tsa-url" in error["hint"]
    assert not (model / "model.sig").exists()
    again = publisher.publish(registry.url, model, "stamped/tiny@1")
    assert again.exit_code == 0, "without the stamp it is another request: nothing that was refused is sent"


def test_an_authority_that_is_away_publishes_nothing(
    tmp_path: Path, publisher: Publisher, registry: Registry
) -> None:
    model = models.tiny_model(tmp_path / "tiny")
    done = publisher.publish(registry.url, model, "unstamped/tiny@1", "--tsa-url", "http://127.0.0.1:1/tsa")
    assert done.exit_code == 3
    assert "time-stamp authority" in done.json()["error"]["hint"]
    assert not (model / "model.sig").exists()
