# SPDX-License-Identifier: Apache-2.0
"""From a weighed model to the statements that publish signs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import models
from weighbridge import identities, keys, releases
from weighbridge.errors import InputError, StatementError
from weighbridge.statements import parse_statement
from weighbridge.weighing import read_tensor_table, weigh
from weighbridge_schemas.release import Release

_NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
_NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}", fullmatch=True)
_VERSION = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,95}", fullmatch=True)


@given(_NAME, _NAME, _VERSION.filter(lambda version: not version.lower().endswith(".json")))
def test_a_release_name_reads_back(namespace: str, name: str, version: str) -> None:
    release = releases.ReleaseName(namespace, name, version)
    assert releases.ReleaseName.parse(str(release)) == release


@pytest.mark.parametrize(
    "text",
    [
        *("", "acme", "acme/m", "acme@1", "acme/m@", "/m@1", "acme/@1", "../m@1", "a b/m@1", "acme/m/x@1"),
        *("acme/m@1.json", "acme/m@1@2", "acme/" + "m" * 97 + "@1", "acme/m\n@1", "acmé/m@1", "-a/m@1"),
    ],
)
def test_what_is_no_release_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as caught:
        releases.ReleaseName.parse(text)
    assert caught.value.exit_code == 2


def test_the_release_of_a_real_model_is_valid_of_its_kind(tmp_path: Path) -> None:
    weighed = weigh(models.tiny_model(tmp_path), algorithms=releases.ALGORITHMS)
    release = releases.ReleaseName("acme", "tiny", "1.0")
    predicate = releases.release_predicate(
        release,
        weighed,
        origin="log.example",
        card=None,
        lineage=None,
        locations=["https://a.example/m"],
        now=_NOW,
    )
    statement = parse_statement(releases.encode_release(release, predicate), strict=True)
    document = statement.document()
    assert isinstance(document, Release)
    assert statement.subject.sha256 == weighed.model_digest
    assert statement.subject.name == "acme/tiny@1.0"
    assert document.released_at == "2026-11-23T09:00:00Z"
    assert [file.path for file in document.model.files] == sorted(file.path for file in weighed.files)
    assert all(file.blake3 for file in document.model.files)
    assert "README.md" not in {file.path for file in document.model.files}
    assert document.model.chat_templates[0].path == "tokenizer_config.json"
    assert document.logs == ("log.example",)
    tables = releases.Tables.of(weighed)
    assert tables.tensor_table is not None
    assert document.model.tensors is not None
    assert document.model.tensors.table_digest == f"sha256:{hashlib.sha256(tables.tensor_table).hexdigest()}"
    assert [tensor.sha256 for tensor in read_tensor_table(tables.tensor_table)] == [
        tensor.sha256 for tensor in weighed.tensors
    ]


def test_a_model_without_tensors_says_so_with_null(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("if hungry: eat", encoding="ascii")
    weighed = weigh(tmp_path, algorithms=releases.ALGORITHMS)
    release = releases.ReleaseName("acme", "rules", "1")
    predicate = releases.release_predicate(release, weighed, origin="o", card=None, lineage=None, now=_NOW)
    releases.encode_release(release, predicate)
    assert predicate["model"]["weights_digest"] is None
    assert predicate["model"]["tensors"] is None


def test_a_location_that_a_page_must_not_link_is_never_signed(tmp_path: Path) -> None:
    weighed = weigh(models.tiny_model(tmp_path))
    release = releases.ReleaseName("acme", "tiny", "1")
    predicate = releases.release_predicate(
        release, weighed, origin="o", card=None, lineage=None, locations=["javascript:alert(1)"], now=_NOW
    )
    with pytest.raises(StatementError, match="locations"):
        releases.encode_release(release, predicate)


def test_a_key_is_introduced_and_claims_a_namespace_under_its_folded_name() -> None:
    key = keys.generate_private_key().public_key()
    pem, spki = keys.public_pem(key).decode(), keys.spki_sha256(key)
    introduced = parse_statement(releases.signer_introduction(pem, spki, origin="o", label="me"), strict=True)
    assert introduced.kind == "signer"
    owner = releases.owner_of(identities.KeyIdentity(spki), pem)
    assert identities.matches(owner, identities.KeyIdentity(spki))
    first = parse_statement(releases.namespace_claim("My-Models", owner, origin="o"), strict=True)
    second = parse_statement(releases.namespace_claim("my.models", owner, origin="o"), strict=True)
    assert first.subject.sha256 == second.subject.sha256


def test_a_workflow_claims_by_numbers_and_for_every_later_tag() -> None:
    ci = identities.CiClaims("acme/m", "11", "22", ".github/workflows/r.yml", "refs/tags/v1", "c" * 40, "run")
    first = identities.SigstoreIdentity("0" * 64, "https://i.example", "https://s/r.yml@refs/tags/v1", ci)
    owner = releases.owner_of(first, None)
    later = identities.SigstoreIdentity(
        "0" * 64,
        "https://i.example",
        "https://s/r.yml@refs/tags/v2",
        identities.CiClaims(
            "renamed/m", "11", "22", ".github/workflows/r.yml", "refs/tags/v2", "d" * 40, "run"
        ),
    )
    assert identities.matches(owner, first)
    assert identities.matches(owner, later)
    stranger = identities.SigstoreIdentity(
        "0" * 64,
        "https://i.example",
        "https://s/r.yml@refs/tags/v1",
        identities.CiClaims("acme/m", "99", "22", ".github/workflows/r.yml", "refs/tags/v1", "c" * 40, "run"),
    )
    assert not identities.matches(owner, stranger)
    person = identities.SigstoreIdentity("0" * 64, "https://i.example", "me@example.org")
    assert identities.matches(releases.owner_of(person, None), person)


def test_a_signer_without_a_public_key_cannot_claim() -> None:
    with pytest.raises(InputError, match="does not say its public key"):
        releases.owner_of(identities.KeyIdentity("0" * 64), None)
