# SPDX-License-Identifier: Apache-2.0
"""`verify`, by whom: several signers, patterns, CI ids, signature files of several bundles, as typed."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import Authority
from tests.commands import Outcome, weighbridge_here
from tests.local_sigstore import EMAIL_ISSUER, GITHUB_ISSUER, LocalSigstore
from tests.models import tiny_model
from tests.records import Published, Publisher, TinyLog, published
from weighbridge import keys
from weighbridge.oms import manifest_of, oms_statement
from weighbridge.signing import CertificateSigner, StatementSigner
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.weighing import weigh

pytestmark = pytest.mark.usefixtures("config_folder")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "m")


def sign(model: Path, *signers: StatementSigner) -> Path:
    """Sign a model once by each, one bundle a line."""
    weighed = weigh(model)
    statement = oms_statement(manifest_of(weighed), weighed.name)
    path = model / "model.sig"
    path.write_bytes(b"".join(each.sign(statement) + b"\n" for each in signers))
    return path


def pem(folder: Path, name: str, publisher: Publisher) -> Path:
    path = folder / name
    path.write_bytes(publisher.pem)
    return path


def plain(told: Outcome) -> str:
    """Standard output in one line: how lines are folded is not what is tested."""
    return " ".join(told.stdout.split())


def advised(told: Outcome) -> list[str]:
    """The commands that are advised."""
    lines = [line.strip() for line in told.stdout.partition("Next:")[2].splitlines()]
    return [line for line in lines if line]


def typed(command: str, **replaced: Path | str) -> Outcome:
    """Type an advised command, with what it leaves open filled in."""
    words = shlex.split(command.partition("   #")[0])
    assert words[0] == "weighbridge"
    return weighbridge_here(*(str(replaced.get(word.replace(".", "_"), word)) for word in words[1:]))


def assert_untrusted(told: Outcome) -> None:
    assert told.exit_code == 1, told.stdout + told.stderr
    assert "Not verified: you have not said whom to trust." in told.stdout


# --- nobody named ------------------------------------------------------------------------------


def test_bare_verify_of_a_key_s_signature(model: Path, tmp_path: Path) -> None:
    alice = Publisher()
    sign(model, alice.signer)
    bare = weighbridge_here("verify", model)
    assert_untrusted(bare)
    (command,) = advised(bare)
    assert typed(command, KEY_pub=pem(tmp_path, "alice.pub", alice)).exit_code == 0


def test_bare_verify_of_a_certified_signature(model: Path, tmp_path: Path) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    acme = Authority("Acme Root", start=now - day, end=now + day)
    key = keys.generate_private_key()
    leaf = acme.issue("Acme Models", key.public_key(), start=now - day, end=now + day)
    sign(model, CertificateSigner(key, leaf, [acme.certificate]))
    bare = weighbridge_here("verify", model)
    assert_untrusted(bare)
    assert "CN=Acme Models" in bare.stdout
    (command,) = advised(bare)
    (tmp_path / "anchor.pem").write_bytes(acme.pem)
    told = typed(command, ANCHOR_pem=tmp_path / "anchor.pem")
    assert told.exit_code == 0, told.stdout + told.stderr


@pytest.mark.needs("node", "npm")
def test_bare_verify_of_an_account_and_of_a_ci_run(
    model: Path, tmp_path: Path, local_sigstore: LocalSigstore
) -> None:
    config = tmp_path / "sigstore.json"
    config.write_bytes(local_sigstore.trust_config)
    tokens = (local_sigstore.email_token("alice@example.org"), local_sigstore.ci_token())
    path = sign(model, *(SigstoreSigner(token=t, trust_config=local_sigstore.trust_config) for t in tokens))
    bare = weighbridge_here("verify", model, "--signature", path, "--trust-config", config)
    assert_untrusted(bare)
    by_mail, by_ids = advised(bare)
    assert f"--identity alice@example.org --issuer {EMAIL_ISSUER}" in by_mail
    assert "--ci-repository-id 4242 --ci-owner-id 77" in by_ids
    assert GITHUB_ISSUER in by_ids
    for command in (by_mail, by_ids):
        told = typed(command, JSON=config)
        assert told.exit_code == 0, told.stdout + told.stderr
    assert "Verified: all 6 files are as signed by the workflow" in plain(told)


def test_bare_verify_of_several_signatures_names_all(model: Path) -> None:
    sign(model, Publisher().signer, Publisher().signer)
    bare = weighbridge_here("verify", model)
    assert_untrusted(bare)
    assert "2 signatures found: model.sig:1, model.sig:2" in plain(bare)
    document = weighbridge_here("verify", model, "--json").json()
    assert [(each["source"], each["type"]) for each in document["signers"]] == [
        ("model.sig:1", "key"),
        ("model.sig:2", "key"),
    ]


# --- several named -----------------------------------------------------------------------------


def test_keys_and_signature_files_may_be_given_again(model: Path, tmp_path: Path) -> None:
    alice, bob, eve = Publisher(), Publisher(), Publisher()
    for name, publisher in (("alice", alice), ("bob", bob)):
        (tmp_path / f"{name}.sig").write_bytes(publisher.oms(model))
    signatures = ("--signature", tmp_path / "alice.sig", "--signature", tmp_path / "bob.sig")
    named = ("--public-key", pem(tmp_path, "eve.pub", eve), "--public-key", pem(tmp_path, "bob.pub", bob))
    told = weighbridge_here("verify", model, *signatures, *named, "--json")
    assert told.exit_code == 0, told.stdout + told.stderr
    assert [each["wanted"] for each in told.json()["signers"]] == [False, True]
    assert weighbridge_here("verify", model, *signatures, *named[:2]).exit_code == 1
    (tmp_path / "bob.sig").write_text("{}")
    refused = weighbridge_here("verify", model, *signatures, *named)
    assert refused.exit_code == 1
    assert "step 3 (envelope) failed" in plain(refused)


def test_an_envelope_with_two_signatures_is_refused_in_plain_words(model: Path, tmp_path: Path) -> None:
    alice, bob = Publisher(), Publisher()
    document: dict[str, Any] = json.loads(alice.oms(model))
    document["dsseEnvelope"]["signatures"] += json.loads(bob.oms(model))["dsseEnvelope"]["signatures"]
    (model / "model.sig").write_text(json.dumps(document))
    told = weighbridge_here("verify", model, "--public-key", pem(tmp_path, "alice.pub", alice))
    assert told.exit_code == 1
    assert "has 2 signatures; weighbridge takes exactly one" in plain(told)
    assert "each into a file of its own" in plain(told)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--identity-regex", "(", "--issuer", "https://i.example"], "missing )"),
        (["--identity-regex", r"(?<=a)b", "--issuer", "https://i.example"], "invalid"),
        (["--identity-regex", "x{1000}{1000}", "--issuer", "https://i.example"], "bad repetition operator"),
        (["--identity-regex", "", "--issuer", "https://i.example"], "fits nobody"),
        (["--identity-regex", ".*"], "--issuer"),
        (["--identity-regex", "a\udcffb", "--issuer", "https://i.example"], "not text"),
        (["--ci-repository-id", "acme/models", "--issuer", "https://i.example"], "is no id"),
        (["--ci-owner-id", "1"], "--ci-repository-id"),
        (
            ["--identity", "a", "--issuer", "https://i", "--issuer", "https://j"],
            "2 issuers were given for 1 identities",
        ),
        (["--staging", "--trust-config", "{model}/config.json"], "two Sigstore instances"),
    ],
)
def test_a_wrong_naming_ends_with_2_and_says_why(model: Path, arguments: list[str], words: str) -> None:
    sign(model, Publisher().signer)
    told = weighbridge_here("verify", model, *(each.replace("{model}", str(model)) for each in arguments))
    assert told.exit_code == 2, told.stdout + told.stderr
    assert words in " ".join(told.stderr.split())
    assert told.stdout == ""


# --- somebody else than before -----------------------------------------------------------------


def test_a_new_signer_of_a_remembered_name_is_shouted_in_text_and_json(tmp_path: Path) -> None:
    log, old, new = TinyLog.new(), Publisher(), Publisher()
    first = published(tiny_model(tmp_path / "one"), publisher=old, log=log)
    log_key = ("--log-key", log.vkey)
    assert weighbridge_here("verify", first.model, "--release", first.title, *log_key).exit_code == 0
    log.add(old.namespace(log, "acme", [new], previous=log.bundles[1]))
    model = tiny_model(tmp_path / "two", seed=2)
    log.add(new.oms(model), new.release(log, model, "acme/tiny@2.0"))
    (model / "provenance.jsonl").write_bytes(log.record())
    second = Published(model, new, log, "acme/tiny@2.0")
    ways = (("--public-key", pem(tmp_path, "new.pub", new)), ("--release", second.title))
    for way in ways:
        told = weighbridge_here("verify", model, *way, *log_key, CI="true")
        assert "NEW SIGNER" not in told.stdout, "a machine of a CI system remembers nothing"
    for way, options in ((ways[0], []), (ways[0], ["--json"]), (ways[1], [])):
        told = weighbridge_here("verify", model, *way, *log_key, *options)
        assert told.exit_code == 0, told.stdout + told.stderr
        assert "NEW SIGNER: releases of acme that this computer saw before were signed by somebody else" in (
            plain(told)
        )
    told = weighbridge_here("verify", model, *ways[1], *log_key, "--json")
    assert told.json()["steps"][3]["result"] == "pass", "told once, and remembered after a good --release"


# --- policies ------------------------------------------------------------------------------------


@pytest.mark.needs("node", "npm")
def test_a_policy_made_from_a_ci_run_takes_that_workflow_and_no_other(
    model: Path, tmp_path: Path, local_sigstore: LocalSigstore
) -> None:
    """Pinned are the ids: a repository's name, or a mail address, may be somebody else's tomorrow."""
    config = tmp_path / "sigstore.json"
    config.write_bytes(local_sigstore.trust_config)
    trust = ("--trust-config", config)

    def signed_by(token: str) -> None:
        sign(model, SigstoreSigner(token=token, trust_config=local_sigstore.trust_config))

    signed_by(local_sigstore.ci_token())
    file = tmp_path / "weighbridge.toml"
    ids = ("--ci-repository-id", "4242", "--issuer", GITHUB_ISSUER)
    made = weighbridge_here("policy", "init", model, *ids, *trust, "--output", file)
    assert made.exit_code == 0, made.stderr
    assert 'type = "ci"' in file.read_text()
    judged = ("verify", model, "--policy", file, *trust)
    assert weighbridge_here(*judged).exit_code == 0
    for token in (
        local_sigstore.ci_token(repository_id="4243"),
        local_sigstore.ci_token(workflow=".github/workflows/evil.yml"),
        local_sigstore.ci_token(ref="refs/heads/main"),
        local_sigstore.email_token("alice@example.org"),
    ):
        signed_by(token)
        assert weighbridge_here(*judged).exit_code == 1
    (domain,) = [line for line in file.read_text().splitlines() if line.startswith("trust_domain")]
    pattern = f'v = 1\n[signers.us]\ntype = "pattern"\n{domain}\nissuer = "{EMAIL_ISSUER}"\npattern = ".*"\n'
    file.write_text(f'{pattern}[[rules]]\nsigners = ["us"]\n')
    loose = weighbridge_here(*judged, "--json")
    assert loose.exit_code == 0, loose.stdout
    assert loose.json()["steps"][10]["result"] == "warn"
    assert "fits anybody" in loose.json()["steps"][10]["reason"]
    file.write_text(file.read_text().replace(domain, f'trust_domain = "sha256:{"0" * 64}"'))
    assert weighbridge_here(*judged).exit_code == 1, "the same account of another Sigstore"


def test_a_policy_made_from_a_certificate_takes_its_subject_below_its_anchor(
    model: Path, tmp_path: Path
) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    acme = Authority("Acme Root", start=now - day, end=now + day)
    key = keys.generate_private_key()

    def signed_as(subject: str) -> None:
        leaf = acme.issue(subject, key.public_key(), start=now - day, end=now + day)
        sign(model, CertificateSigner(key, leaf, [acme.certificate]))

    signed_as("Acme Models")
    (tmp_path / "anchor.pem").write_bytes(acme.pem)
    file = tmp_path / "weighbridge.toml"
    anchors = ("--certificate-chain", tmp_path / "anchor.pem")
    made = weighbridge_here("policy", "init", model, *anchors, "--output", file)
    assert made.exit_code == 0, made.stderr
    assert weighbridge_here("verify", model, "--policy", file).exit_code == 0
    signed_as("Acme Interns")
    assert weighbridge_here("verify", model, "--policy", file).exit_code == 1
