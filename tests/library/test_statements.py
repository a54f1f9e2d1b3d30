# SPDX-License-Identifier: Apache-2.0
"""Statements: what is signed is readable, strict, and about what it says."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest

from weighbridge import statements
from weighbridge.errors import StatementError

ORIGIN = "log.example/0123456789abcdef"


def namespace_payload(**changes: Any) -> bytes:
    predicate = {
        "namespace": "Acme-Labs",
        "owners": [
            {
                "type": "sigstore",
                "trust_domain": "sha256:" + "1" * 64,
                "issuer": "https://accounts.example",
                "subject": "ada@acme.example",
            }
        ],
        "logs": [ORIGIN],
        "previous": None,
    } | changes
    subject = statements.abstract_subject("namespace", "acmelabs")
    return statements.encode_statement("namespace", "Acme-Labs", subject, predicate)


def altered(payload: bytes, change: Any) -> bytes:
    value = json.loads(payload)
    change(value)
    return json.dumps(value).encode()


def test_an_encoded_statement_parses_to_the_same_document() -> None:
    statement = statements.parse_statement(namespace_payload(), strict=True)
    assert statement.kind == "namespace"
    assert statement.subject.name == "Acme-Labs"
    assert statement.document().to_json() | {"previous": None} == statement.predicate


def test_the_abstract_subject_is_the_digest_that_the_specification_gives() -> None:
    assert (
        statements.abstract_subject("namespace", "acmelabs")
        == hashlib.sha256(b"weighbridge/subject/v1\nnamespace\nacmelabs").hexdigest()
    )


def test_nothing_invalid_is_ever_signed() -> None:
    with pytest.raises(StatementError, match="owners"):
        namespace_payload(owners=[])
    with pytest.raises(StatementError, match="previous must refer to a namespace"):
        namespace_payload(previous={"kind": "release", "sha256": "0" * 64})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(extra=1), "unknown or missing members: 'extra'"),
        (lambda v: v["predicate"].update(extra=1), "extra: there is no such member"),
        (lambda v: v["subject"][0].update(uri="x"), "other than name and digest"),
        (lambda v: v["subject"][0]["digest"].update(sha512="0"), "other than name and digest"),
        (lambda v: v["subject"].append(v["subject"][0]), "2 subjects, not one"),
        (lambda v: v["subject"].extend(v["subject"] * 16), "the limit is 16"),
        (lambda v: v["subject"][0]["digest"].update(sha256="0" * 64), "not what its predicate describes"),
        (lambda v: v.update(predicateType="https://weighbridge/rumour/v1"), "no statement kind"),
        (lambda v: v.update(predicateType="https://weighbridge/attestation/v1"), "no statement kind"),
    ],
)
def test_a_registry_admits_only_the_strict_form(change: Any, reason: str) -> None:
    with pytest.raises(StatementError, match=reason):
        statements.parse_statement(altered(namespace_payload(), change), strict=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
        (lambda v: v.update(predicateType=""), "predicateType"),
        (lambda v: v.update(predicateType=["x"]), "predicateType"),
        (lambda v: v.update(predicate=None), "predicate is missing"),
        (lambda v: v.update(subject=[]), "subject is missing"),
        (lambda v: v.update(subject={"a": 1}), "subject is missing"),
        (lambda v: v.update(subject=[None]), r"subject\[0\] has no digest"),
        (lambda v: v["subject"][0]["digest"].update(sha256="A" * 64), "no SHA-256 in lowercase"),
        (lambda v: v["subject"][0].update(name=7), "name is no text"),
    ],
)
def test_a_statement_without_its_parts_is_refused_in_any_mode(change: Any, reason: str) -> None:
    with pytest.raises(StatementError, match=reason) as caught:
        statements.parse_statement(altered(namespace_payload(), change))
    assert caught.value.step == 5


@pytest.mark.parametrize("payload", [b"", b"[]", b'"x"', b"{", b'{"_type":"a","_type":"b"}', b"\xff"])
def test_bytes_that_are_no_statement_are_refused(payload: bytes) -> None:
    with pytest.raises(StatementError):
        statements.parse_statement(payload)


def test_statements_of_other_tools_are_read_with_what_they_add() -> None:
    payload = altered(
        namespace_payload(),
        lambda v: (
            v.update(predicateType="https://slsa.dev/provenance/v1", note=1),
            v["subject"][0].update(name=None),
            v["subject"][0]["digest"].update(sha512="0" * 128),
        ),
    )
    statement = statements.parse_statement(payload)
    assert statement.kind == "attestation"
    with pytest.raises(StatementError, match="buildDefinition is missing"):
        statement.document()


def test_importing_statements_does_not_load_pydantic() -> None:
    code = "import sys, weighbridge.statements, weighbridge.canonical; sys.exit('pydantic' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False
        ).returncode
        == 0
    )
