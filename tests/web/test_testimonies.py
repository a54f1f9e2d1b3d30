# SPDX-License-Identifier: Apache-2.0
"""What anyone says, on pages: always beside who says it, never as markup, never as the publisher's word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.documents import ORIGIN, example, release, sha, signer
from tests.web.serving import Reader, pages_over, served
from weighbridge.disclosures import describe_score, find_answered
from weighbridge_schemas.api import (
    AdvisoryDocument,
    AsOf,
    DatasetDescription,
    DatasetDocument,
    DeploymentNote,
    DigestAnswer,
    DisclosureDocument,
    DisclosureStatement,
    EntryRef,
    FieldAnswer,
    FieldAnswers,
    ReleaseStatus,
    StatementAbout,
    Successor,
)
from weighbridge_schemas.base import Reference
from weighbridge_schemas.disclosure import Disclosure

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
DATA, WARNING = sha("corpus"), sha("warning")


def about(kind: Any, summary: str, **changes: Any) -> StatementAbout:
    values = {
        "index": 7,
        "kind": kind,
        "statement": f"sha256:{WARNING}",
        "role": "subject",
        "signer": signer("stranger"),
        "received": 1_800_000_000,
        "summary": summary,
        "url": f"/advisories/{WARNING}",
    }
    return StatementAbout.model_validate(values | changes)


def closed() -> DisclosureDocument:
    """A closed model of which three parties speak, two of whom say to be its vendor."""
    parties = (("lab", True), ("impostor", True), ("watchdog", False))
    stated = {
        "name": HOSTILE,
        "vendor": HOSTILE,
        "fields": [
            {"id": "training_data", "answer": HOSTILE, "evidence": ["https://example.org/?a=%3Cimg"]},
            {"id": "energy", "left_open": HOSTILE},
            {"id": "colour", "question": HOSTILE, "answer": "blue"},
        ],
        "logs": ["log.example/x"],
        "previous": None,
    }
    document = Disclosure.model_validate(stated | {"by_vendor": True})
    return DisclosureDocument(
        digest=f"sha256:{sha('closed')}",
        name=HOSTILE,
        disclosures=tuple(
            DisclosureStatement(
                index=place,
                statement=f"sha256:{sha(name)}",
                signer=signer(name),
                claims_vendor=claims,
                vendor=HOSTILE,
                answered=2,
                left_open=1,
                score=describe_score(find_answered(document)),
                received=1_800_000_000,
                url=f"/log/{place}",
            )
            for place, (name, claims) in enumerate(parties)
        ),
        total=3,
        fields=tuple(
            FieldAnswers(
                id=one.id,
                title=one.question or one.id,
                indicator=one.id != "colour",
                answers=tuple(
                    FieldAnswer(
                        index=place,
                        claims_vendor=claims,
                        answer=one.answer,
                        left_open=one.left_open,
                        evidence=one.evidence,
                    )
                    for place, (_, claims) in enumerate(parties)
                ),
            )
            for one in document.fields
        ),
        deployments=(deployment("lab"),),
        deployments_total=1200,
        next=None,
        url=f"/disclosures/{sha('closed')}",
        as_of=AsOf(size=9, origin=ORIGIN),
    )


def deployment(who: str, **changes: Any) -> DeploymentNote:
    values = {
        "name": HOSTILE,
        "operator": HOSTILE,
        "service": "https://example.org/?a=%3Cimg",
        "model_name": HOSTILE,
        "since": "2026-06-01T00:00:00Z",
        "stated": f"sha256:{sha('closed')}",
        "post_training": HOSTILE,
        "quantization": HOSTILE,
        "system_prompt_sha256": sha("prompt"),
        "chat_template_sha256": sha("template"),
        "own_chat_template": False,
        "by_owner": False,
        "signer": signer(who),
        "statement": f"sha256:{sha('deployment')}",
        "index": 8,
        "received": 1_800_000_000,
        "url": "/log/8",
    }
    return DeploymentNote.model_validate(values | changes)


def warning(**changes: Any) -> AdvisoryDocument:
    content = {
        "id": "W-1",
        "subject_kind": "digest",
        "severity": "high",
        "summary": HOSTILE,
        "details": HOSTILE,
        "workaround": HOSTILE,
        "affects": [{"name": HOSTILE, "versions": ["1.0"]}],
        "propagates": ["finetune"],
        "fixed_by": [{"digest": f"sha256:{sha('fixed')}"}],
        "references": ["https://example.org/?onerror=alert(1)"],
        "logs": ["log.example/x"],
        "previous": None,
    } | changes
    ref = {"kind": "advisory", "bundle": f"sha256:{sha('b')}", "received": 1_800_000_000, "url": "/log/7"}
    return AdvisoryDocument.model_validate(
        {
            "index": 7,
            "statement": f"sha256:{WARNING}",
            "subject": f"sha256:{sha('subject')}",
            "subject_name": HOSTILE,
            "subject_url": f"/digests/{sha('subject')}",
            "signer": signer("stranger"),
            "received": 1_800_000_000,
            "advisory": content,
            "replaced_by": None,
            "history": [
                EntryRef.model_validate(ref | {"index": n, "statement": f"sha256:{sha(str(n))}"})
                for n in (7, 6)
            ],
            "url": f"/advisories/{WARNING}",
            "as_of": {"size": 9, "origin": "log.example/x"},
        }
    )


def described(**changes: Any) -> DatasetDescription:
    content = {
        "name": HOSTILE,
        "identity": "root",
        "summary": HOSTILE,
        "method": HOSTILE,
        "license": {"text": HOSTILE},
        "sources": [{"name": HOSTILE, "note": HOSTILE}],
        "consent": {"basis": "opt_out", "note": HOSTILE},
        "personal_data": {"state": "present", "note": HOSTILE},
        "period": {"begin": "2019"},
        "mirrors": ["https://example.org/corpus", "magnet:?xt=1"],
        "derived_from": [{"name": HOSTILE, "note": HOSTILE}],
        "logs": ["log.example/x"],
        "previous": None,
    } | changes
    return DatasetDescription.model_validate(
        {
            "index": 6,
            "statement": f"sha256:{sha('d')}",
            "signer": signer("describer"),
            "received": 1_800_000_000,
            "dataset": content,
            "files_total": 3,
            "url": "/log/6",
        }
    )


def as_json(reader: Reader, path: str) -> Any:
    return json.loads(reader.get(path).data)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    records = example()
    records.warnings[WARNING] = warning()
    records.datasets[DATA] = DatasetDocument(
        digest=f"sha256:{DATA}",
        descriptions=(described(), described(withdrawn={"reason": HOSTILE})),
        descriptions_total=2,
        withdrawn=1,
        statements=(about("position", HOSTILE),),
        url=f"/datasets/{DATA}",
        as_of=records.as_of,
    )
    records.closed[sha("closed")] = closed()
    successor = Successor(namespace="tiny", name="encoder", version="1.0", url="/models/tiny/encoder/1.0")
    for state in ("yanked", "deprecated", "superseded", "released"):
        records.releases["spoken", "of", state] = release(
            namespace="spoken",
            name="of",
            version=state,
            url=f"/models/spoken/of/{state}",
            status=ReleaseStatus(
                state=state,  # type: ignore[arg-type]  # one of the literals
                reason=HOSTILE,
                statement=Reference(kind="status", sha256=sha("s")),
                index=8,
                superseded_by=successor if state == "superseded" else None,
            ),
            statements=(about("advisory", HOSTILE), about("attestation", "Test result, passed", index=5)),
            statements_total=3,
            deployments=(deployment("lab", by_owner=True, namespace="spoken"), deployment("stranger")),
            deployments_total=2,
        )
    answer = records.digest(sha("nothing"))
    spoken = DigestAnswer(
        digest=answer.digest,
        matches=(),
        statements=(about("dataset", "Described the data set corpus", url="/log/6"),),
        statements_total=1,
        as_of=answer.as_of,
    )
    records.digest = lambda sha256: spoken.model_copy(update={"digest": f"sha256:{sha256}"})  # type: ignore[method-assign]  # a digest of which something is said
    with served(pages_over(records)) as url:
        reader = Reader(url)
        yield reader
        reader.close()


PAGES = [
    f"/datasets/{DATA}",
    f"/disclosures/{sha('closed')}",
    "/disclosures",
    "/disclosures?name=%3Cscript%3E",
    "/advisories",
    f"/advisories?about={sha('subject')}",
    f"/advisories?about={sha('other')}",
    f"/advisories/{WARNING}",
    f"/digests/{sha('nothing')}",
    *(f"/models/spoken/of/{state}" for state in ("yanked", "deprecated", "superseded", "released")),
]


@pytest.mark.parametrize("path", PAGES)
def test_text_of_strangers_is_text_and_nothing_is_called_verified(reader: Reader, path: str) -> None:
    text = reader.text(path)
    assert "<script" not in text
    assert "<img" not in text
    assert "onerror=alert(1)>" not in text
    words = text.lower().replace("safetensors", "").replace("does not make that safe", "")
    assert "verified" not in words
    assert " safe" not in words


def test_the_banner_says_what_the_owners_said(reader: Reader) -> None:
    assert "Withdrawn" in reader.text("/models/spoken/of/yanked")
    assert "<strong>Deprecated.</strong>" in reader.text("/models/spoken/of/deprecated")
    superseded = reader.text("/models/spoken/of/superseded")
    assert 'in its place: <a href="/models/tiny/encoder/1.0">tiny/encoder 1.0</a>' in superseded
    restored = reader.text("/models/spoken/of/released")
    assert "Its owners restored it" in restored
    assert '<a href="/log/8">entry 8</a>' in restored


def test_what_others_say_stands_beside_who_says_it(reader: Reader) -> None:
    text = reader.text("/models/spoken/of/released")
    assert "What is said about it" in text
    assert f'href="/signers/{sha("stranger")}"' in text
    assert "Test result, passed" in text
    assert "and 1 older ones" in text
    assert "1 warning of others, below" in text
    assert "not the publisher" in text


def test_a_data_set_is_each_describers_word(reader: Reader) -> None:
    text = reader.text(f"/datasets/{DATA}")
    assert f'href="/impact/{DATA}"' in text
    assert "2 descriptions" in text
    assert text.count("Withdrawn</strong>, says this signer") == 1
    assert 'href="https://example.org/corpus" rel="noopener noreferrer nofollow ugc"' in text
    assert 'href="magnet' not in text
    assert as_json(reader, f"/datasets/{DATA}.json")["withdrawn"] == 1
    assert reader.get(f"/datasets/{'0' * 64}").status == 404
    assert reader.get("/datasets/x").status == 400


def test_an_advisory_and_the_list(reader: Reader) -> None:
    text = reader.text(f"/advisories/{WARNING}")
    assert f'href="/impact/{WARNING}"' in text
    assert "It is the word of this signer" in text
    assert "History" in text
    assert f"/advisories/{WARNING}" in reader.text("/advisories")
    assert "No warning is recorded here about that" in reader.text(f"/advisories?about={sha('other')}")
    assert as_json(reader, f"/advisories/{WARNING}.json")["advisory"]["id"] == "W-1"
    assert len(as_json(reader, "/advisories.json")["advisories"]) == 1
    assert reader.get("/advisories?about=x").status == 400
    assert reader.get(f"/advisories/{'0' * 64}").status == 404


def test_a_digest_of_which_only_something_is_said(reader: Reader) -> None:
    text = reader.text(f"/digests/{sha('nothing')}")
    assert "something is said about it" in text
    assert f'<a href="/datasets/{sha("nothing")}">' in text


def test_a_closed_model_is_each_partys_word_and_nobodys_vendor(reader: Reader) -> None:
    text = " ".join(reader.text(f"/disclosures/{sha('closed')}").split())
    assert "3 parties speak of a closed model of this name" in text
    assert "2 parties say that they are the vendor.</strong> This record cannot tell which of them is" in text
    assert text.count("says to be the vendor") == 2
    assert "a third party" in text
    assert "field of their own" in text
    assert "<em>left open</em>: “<bdi>&lt;script&gt;" in text
    assert text.count('href="#by-2"') == 3, "each answer leads to whoever gives it"
    assert "none of this release" in text
    assert "a third party&#39;s word" in text
    assert "or more statements say where it is served" in text
    assert 'weighbridge attest "NAME"' in text, "no name of a stranger's choice in a command to copy"
    twin = json.loads(reader.text(f"/disclosures/{sha('closed')}.json"))
    assert twin["total"] == 3


def test_a_served_release_says_whose_word_it_is(reader: Reader) -> None:
    text = reader.text("/models/spoken/of/released")
    section = text[text.index('id="served"') : text.index('id="history"')]
    assert section.index("its owner&#39;s word") < section.index("a third party&#39;s word")
    assert "Nothing here shows what a service really runs" in section
