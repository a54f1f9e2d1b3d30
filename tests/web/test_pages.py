# SPDX-License-Identifier: Apache-2.0
"""Every page over documents in memory: what it says, how it fails, what it does with hostile text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Literal
from xml.etree import ElementTree as ET

import pytest

from tests.web.documents import MemoryRecords, example, files, lineage, release, sha, signer
from tests.web.serving import Reader, pages_over, served
from weighbridge.openness import Evidence, describe_openness
from weighbridge_schemas.api import (
    EntryDocument,
    EntryRef,
    Problem,
    ReleaseDocument,
    ReleaseStatus,
    WitnessDocument,
)
from weighbridge_schemas.card import Card
from weighbridge_web.headers import CONTENT_SECURITY_POLICY
from weighbridge_web.words import GLOSSARY

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    records = example()
    signed_by = signer("hostile").model_copy(update={"label": HOSTILE, "introduced_as": HOSTILE})
    hostile_card = Card.model_validate(
        {
            "identity": {"title": HOSTILE, "task": HOSTILE, "tags": [HOSTILE], "developers": [HOSTILE] * 100},
            "description": {"summary": HOSTILE * 20},
            "evaluations": [{"metric": HOSTILE, "value": HOSTILE, "task": HOSTILE}] * 200,
            "links": [{"rel": "homepage", "url": "https://example.org/?onerror=alert(1)", "title": HOSTILE}],
            "licenses": {"distribution": {"spdx": "NOSUCH-1.0"}},
            "components": [
                {"name": "model_card", "present": True, "license": {"text": HOSTILE}},
                {"name": "training_code", "present": True, "location": "x/" + HOSTILE.replace("/", "")},
            ],
            "readme": {"sha256": hashlib.sha256(HOSTILE.encode()).hexdigest(), "size": len(HOSTILE)},
        }
    )
    file = files()[0]
    many = tuple(file.model_copy(update={"path": f"{'x' * 200}/{i:05}{HOSTILE}"}) for i in range(500))
    records.releases["hostile", "model", "1"] = release(
        namespace="hostile",
        name="model",
        version="1",
        signer=signed_by,
        oms_signer=signed_by,
        card=hostile_card,
        openness=describe_openness(hostile_card, Evidence()),
        files=many,
        files_total=len(many),
        locations=(f"https://example.org/{'y' * 1500}",),
        status=ReleaseStatus(state="yanked", reason=HOSTILE),
        warnings=(HOSTILE,),
        url="/models/hostile/model/1",
    )
    records.attachments[hashlib.sha256(HOSTILE.encode()).hexdigest()] = HOSTILE.encode()
    with served(pages_over(records)) as url:
        reader = Reader(url)
        yield reader
        reader.close()


@pytest.fixture(scope="module")
def empty() -> Iterator[Reader]:
    with served(pages_over(MemoryRecords(size=1), "https://registry.example")) as url:
        reader = Reader(url)
        yield reader
        reader.close()


RELEASE = "/models/tiny/encoder/1.0"
PAGES = [
    "/",
    "/models",
    "/models?q=encoder",
    "/models/tiny/encoder",
    RELEASE,
    f"/signers/{sha('hostile')}",
    "/namespaces/tiny",
    "/log",
    "/log/4",
    f"/digests/{sha('config.json')}",
    "/about/trust",
    "/models/hostile/model",
    "/models/hostile/model/1",
    "/namespaces/hostile",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_html_with_strict_headers(reader: Reader, path: str) -> None:
    response = reader.get(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_no_text_of_a_publisher_becomes_markup(reader: Reader, path: str) -> None:
    text = reader.text(path)
    assert "<script" not in text
    assert "<img" not in text
    assert "onerror=alert(1)>" not in text


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/about/trust"])
def test_no_page_of_the_record_says_verified_or_safe(reader: Reader, path: str) -> None:
    words = reader.text(path).lower().replace("safetensors", "").replace("does not make that safe", "")
    assert "verified" not in words
    assert " safe" not in words


def test_every_label_leads_to_its_explanation(reader: Reader) -> None:
    text = reader.text("/about/trust")
    for key, term in GLOSSARY.items():
        assert f'<dt id="{key}">' in text
        assert len(term.meaning.split(". ")) <= 3


def test_the_release_page_begins_with_one_sentence_as_of_an_entry(reader: Reader) -> None:
    text = " ".join(reader.text(RELEASE).split())
    assert "<bdi>key SHA256:9f2c41d07a3b…</bdi></strong> and recorded in this public log on" in text
    assert "as entry 4. As of entry 8, no withdrawal of it is reported." in text


def test_the_release_page_gives_the_exact_commands(reader: Reader) -> None:
    text = reader.text(RELEASE)
    assert "weighbridge verify ./encoder" in text
    assert "--release tiny/encoder@1.0" in text
    assert f"--registry {reader.url}" in text
    assert 'download="provenance.jsonl"' in text


def test_files_that_can_run_code_are_pointed_out(reader: Reader) -> None:
    text = reader.text(RELEASE)
    assert "1 file here can run code when loaded" in text
    assert "pickle" in text


def test_a_withdrawn_release_says_so_first(reader: Reader) -> None:
    text = reader.text("/models/hostile/model/1")
    assert "Withdrawn by its owners." in text
    assert "it should not be used" in text


def test_long_lists_are_capped_and_lead_to_the_json(reader: Reader) -> None:
    text = reader.text("/models/hostile/model/1")
    assert "+ 400 more" in text
    assert "+ 76 more" in text
    assert len(text) < 400_000


def test_a_model_with_nothing_but_files_has_a_whole_page(reader: Reader) -> None:
    bare = next(r for r in example().releases.values() if r.card is None)
    text = reader.text(f"/models/{bare.namespace}/{bare.name}/{bare.version}")
    assert "has no model card" in text
    assert "does not say what this model was made from" in text
    assert "no safetensors or GGUF tensors" in text
    assert "no OMS signature" in text


def test_the_twin_of_a_page_is_the_document_itself(reader: Reader) -> None:
    response = reader.get(f"{RELEASE}.json")
    assert response.headers["Content-Type"] == "application/json"
    assert ReleaseDocument.model_validate_json(response.data) == release()
    for path in PAGES:
        if path not in {"/", "/models?q=encoder", "/about/trust"}:
            assert json.loads(reader.text(f"{path}.json")), path


def test_the_record_file_is_a_download_of_json_lines(reader: Reader) -> None:
    response = reader.get(f"{RELEASE}/provenance.jsonl")
    assert response.headers["Content-Disposition"] == 'attachment; filename="provenance.jsonl"'
    lines = response.data.decode().splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["bundle", "leaf", "receipt", "v"]] * 2


def test_the_twin_of_a_search_keeps_its_question(reader: Reader) -> None:
    assert json.loads(reader.text("/models.json?q=bare"))["query"] == "bare"


def test_nobody_takes_the_address_of_a_twin_by_claiming_a_name_that_ends_in_json() -> None:
    records = example()
    records.releases["tiny.json", "encoder.json", "1.0"] = release(namespace="tiny.json", name="encoder.json")
    records.releases["tiny", "encoder.json", "1.0"] = release(name="encoder.json")
    with served(pages_over(records)) as url:
        reader = Reader(url)
        assert json.loads(reader.text("/namespaces/tiny.json"))["namespace"] == "tiny"
        assert json.loads(reader.text("/models/tiny/encoder.json"))["name"] == "encoder"
        assert "<h1>tiny.json/encoder.json</h1>" in reader.text("/models/tiny.json/encoder.json")
        reader.close()


def test_another_spelling_of_a_name_leads_to_the_one_that_was_claimed(reader: Reader) -> None:
    response = reader.get("/models/Tiny/ENCODER/1.0")
    assert (response.status, response.headers["Location"]) == (308, RELEASE)
    assert reader.get("/namespaces/TINY").headers["Location"] == "/namespaces/tiny"


def test_a_digest_in_the_search_box_leads_to_its_page(reader: Reader) -> None:
    digest = sha("config.json")
    for query in (digest, f"sha256:{digest}", f"%20{digest.upper()}%20"):
        response = reader.get(f"/models?q={query}")
        assert (response.status, response.headers["Location"]) == (303, f"/digests/{digest}")


def test_an_unknown_digest_is_an_answer_and_no_error(reader: Reader) -> None:
    assert "Nothing with this number is recorded here" in reader.text(f"/digests/{'0' * 64}")


def test_an_empty_registry_says_how_to_begin_with_its_own_address(empty: Reader) -> None:
    for path in ("/", "/models"):
        text = empty.text(path)
        assert "Nothing has been released here yet" in text
        assert "weighbridge publish ./my-model" in text
        assert "--registry https://registry.example" in text


def test_a_host_header_that_is_no_host_is_not_repeated(reader: Reader) -> None:
    text = reader.get(RELEASE, host="evil.example/$(rm -rf ~)").data.decode()
    assert "rm -rf" not in text
    assert "http://REGISTRY" in text


def test_the_log_is_paged_backwards(reader: Reader) -> None:
    text = reader.text("/log?before=5")
    assert 'href="/log/4"' in text
    assert 'href="/log/5"' not in text
    assert "/log?before=9#entries" in text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing", 404, "There is no page at this address"),
        ("/models/tiny/absent", 404, "No model tiny/absent is recorded here."),
        ("/models/tiny/encoder/9", 404, "No release tiny/encoder 9 is recorded here"),
        ("/log/999", 404, "so there is no entry 999"),
        ("/log/-1", 400, "counted from 0"),
        ("/log/01", 400, "counted from 0"),
        ("/digests/xyz", 400, "64 hexadecimal digits"),
        ("/signers/xyz", 400, "64 hexadecimal digits"),
        (f"/signers/{'0' * 64}", 404, "No such signer"),
        ("/log?before=many", 400, "The value of before"),
        (f"/models?q={'q' * 201}", 400, "The value of q"),
        ("/static/../app.py", 404, ""),
        ("/static/%2e%2e/app.py", 404, ""),
    ],
)
def test_an_error_is_a_page_that_says_what_and_what_to_do(
    reader: Reader, path: str, status: int, words: str
) -> None:
    response = reader.get(path, accept="text/html")
    assert response.status == status
    assert words in response.data.decode()
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_a_program_that_errs_gets_problem_json(reader: Reader) -> None:
    for path, accept in ((f"{RELEASE}9.json", "text/html"), ("/models/tiny/absent", "application/json")):
        response = reader.get(path, accept=accept)
        assert response.status == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert Problem.model_validate_json(response.data).status == 404


def test_an_unexpected_error_shows_no_insides() -> None:
    class Broken(MemoryRecords):
        def log(self) -> Any:
            raise RuntimeError("secret: /var/lib/key")

    with served(pages_over(Broken())) as url:
        reader = Reader(url)
        response = reader.get("/log", accept="text/html")
        assert response.status == 500
        assert b"secret" not in response.data
        assert "Something broke on our side" in response.data.decode()
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        reader.close()


def test_feeds_are_atom_with_stable_ids(reader: Reader) -> None:
    for path in ("/feed.atom", "/namespaces/tiny/feed.atom"):
        response = reader.get(path)
        assert response.headers["Content-Type"].startswith("application/atom+xml")
        root = ET.fromstring(response.data)  # noqa: S314 - made here
        ids = [entry.findtext(f"{ATOM}id") for entry in root.iter(f"{ATOM}entry")]
        assert ids
        assert len(set(ids)) == len(ids)
        assert all(entry.findtext(f"{ATOM}author/{ATOM}name") for entry in root.iter(f"{ATOM}entry"))


def test_a_feed_with_hostile_names_is_still_xml(reader: Reader) -> None:
    ET.fromstring(reader.get("/namespaces/hostile/feed.atom").data)  # noqa: S314 - made here


def test_badges_say_recorded_withdrawn_or_not_here(reader: Reader) -> None:
    assert "1.0 signed and recorded" in reader.text("/badges/tiny/encoder/1.0.svg")
    assert "1.0 signed and recorded" in reader.text("/badges/tiny/encoder.svg")
    assert "1 withdrawn" in reader.text("/badges/hostile/model/1.svg")
    missing = reader.get("/badges/tiny/absent.svg")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "image/svg+xml")
    assert "not recorded here" in missing.data.decode()


def test_assets_may_be_kept_for_ever_and_are_typed(reader: Reader) -> None:
    home = reader.text("/")
    address = home.split('rel="stylesheet" href="')[1].split('"')[0]
    response = reader.get(address)
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in response.headers["Cache-Control"]
    assert reader.get(address, if_none_match=response.headers["ETag"]).status == 304
    assert reader.get("/favicon.ico").headers["Content-Type"] == "image/svg+xml"


def test_a_lineage_of_hundreds_is_capped() -> None:
    edges = lineage().parents * 150
    records = example()
    records.releases["tiny", "merge", "1"] = release(
        name="merge", version="1", lineage=lineage().model_copy(update={"parents": edges})
    )
    with served(pages_over(records)) as url:
        reader = Reader(url)
        assert reader.text("/models/tiny/merge/1").count("+ 90 more") == 2
        reader.close()


@pytest.mark.parametrize(
    ("quorum", "words"),
    [
        ("met", "as many as this registry itself asks for"),
        ("missed", "fewer than this registry itself asks for"),
    ],
)
def test_the_log_page_tells_in_words_who_co_signs_and_whether_that_was_all(
    quorum: Literal["met", "missed"], words: str
) -> None:
    seen = WitnessDocument(name=f"w.example{HOSTILE}", vkey="w.example+0a0b0c0d+BA==", time=1_795_423_680)
    with served(pages_over(MemoryRecords(witnesses=(seen,), quorum=quorum))) as url:
        reader = Reader(url)
        page = " ".join(reader.text("/log").split())
        reader.close()
    assert "w.example" in page
    assert "saw this very state on" in page
    assert words in page
    assert "<script>alert" not in page


# openness and card revisions


def test_the_openness_section_says_what_counts_why_and_what_is_missing(reader: Reader) -> None:
    text = " ".join(reader.text(RELEASE).split())
    assert "<strong>Unclassified</strong>" in text
    assert '<h3>Missing for class III <span class="count">4</span></h3>' in text
    assert "To add it: <bdi>describe the training data" in text
    assert "Evidence seen: is the file model.safetensors of this release" in text
    assert "Declared, nothing seen of it here" in text
    assert "Apache-2.0 is open, but made for something else than data" in text
    assert "Open Source AI Definition" in text


def test_the_disclosure_section_counts_what_was_said_and_grades_nothing(reader: Reader) -> None:
    text = reader.text(RELEASE)
    section = text[text.index('id="disclosure"') : text.index('id="raw"')]
    plain = " ".join(re.sub(r"<[^>]*>", "", section).split())
    assert re.search(r"[0-9]+ of [0-9]+ points stated", plain)
    assert "never whether it is true, complete or good" in plain
    assert "card: licenses.distribution" in plain
    assert "To say it: give data.sizes" in plain
    assert "FMTI Public datasets" in plain


def test_a_release_without_a_card_has_no_openness(reader: Reader) -> None:
    bare = "/models/tiny/bare-weights-with-a-rather-long-name.that-goes-on/0.0.1-alpha.20261123+build.4711"
    assert 'id="openness"' not in reader.text(bare)


def test_hostile_components_stay_text(reader: Reader) -> None:
    text = reader.text("/models/hostile/model/1")
    assert "SPDX does not know this licence of the card" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "is no SPDX identifier: give spdx" in text


def revised(predicates: list[dict[str, Any] | None]) -> MemoryRecords:
    """A registry with one release and these statements about its card, the release's own first."""
    records = example()
    entries = [
        EntryRef(
            index=20 + number,
            kind="card" if number else "release",
            statement=f"sha256:{sha(f'revision-{number}')}",
            bundle=f"sha256:{sha(f'bundle-{number}')}",
            received=1_795_500_000 + number,
            url=f"/log/{20 + number}",
        )
        for number in range(len(predicates))
    ]
    records.releases["tiny", "revised", "1"] = release(
        namespace="tiny", name="revised", version="1", statement=entries[0].statement, entries=tuple(entries)
    )
    asked = records.entry

    def entry(index: int) -> EntryDocument:
        known = asked(4)
        stated = predicates[index - 20] if index >= 20 else known.predicate
        return known.model_copy(update={"index": index, "predicate": stated})

    records.entry = entry  # type: ignore[method-assign]
    return records


def test_the_timeline_shows_what_each_card_revision_changed() -> None:
    first = {"card": {"identity": {"title": "Old", "tags": ["a"]}}}
    second = {"card": {"identity": {"title": HOSTILE, "tags": ["a"]}}}
    many = {"card": {"identity": {"tags": [f"tag-{n}" for n in range(60)]}}}
    with served(pages_over(revised([first, second, second, many, None]))) as url:
        reader = Reader(url)
        text = " ".join(reader.text("/models/tiny/revised/1").split())
        reader.close()
    assert "1 member of the card changed" in text
    assert "<code>identity.title</code></dt><dd><del><bdi>Old</bdi></del> → <ins><bdi>&lt;script&gt;" in text
    assert "It changes nothing in the card." in text
    assert "62 members of the card changed" in text
    assert "and 22 more, in the statement itself" in text
    assert "one of the two cards is withheld, or too long" in text
    assert "<script" not in text
