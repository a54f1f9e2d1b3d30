# SPDX-License-Identifier: Apache-2.0
"""Lineage on pages: evidence in plain words, what nobody declared kept apart, what stands on a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.web.documents import RECEIVED, MemoryRecords, example, lineage, release, sha, signer
from tests.web.serving import Reader, pages_over, served
from weighbridge.license_terms import compare_licenses
from weighbridge_schemas.api import (
    EdgePosition,
    GraphEdge,
    ImpactItem,
    LicenseCheck,
    LineageGraph,
    LineageNode,
    ParentEdge,
    StatedLicense,
    TensorMatch,
    UpstreamNote,
)
from weighbridge_web.drawing import Relative, draw_lineage
from weighbridge_web.lineages import edge_groups, graph_drawing, steps

HOSTILE = "<script>alert(1)</script>"
SVG = "{http://www.w3.org/2000/svg}"


def match(**changes: Any) -> TensorMatch:
    values: dict[str, Any] = {
        "equal": 9,
        "count": 12,
        "equal_bytes": 9,
        "bytes": 12,
        "compared": 3,
        "near": 3,
    }
    values |= {"differing": 35, "error": 16, "finding": "shares", "words": "9 of 12 tensors are equal"}
    return TensorMatch(**(values | changes))


def edge(name: str, **changes: Any) -> ParentEdge:
    values: dict[str, Any] = {"child": f"sha256:{sha('model')}", "parent": f"sha256:{sha(name)}"}
    values |= {"relation": "finetune", "level": 2, "declared": True, "evidence": ("registered",)}
    values |= {"namespace": "tiny", "model": name, "version": "1", "url": f"/models/tiny/{name}/1"}
    return ParentEdge(**(values | changes))


def node(name: str, generation: int, **changes: Any) -> LineageNode:
    values: dict[str, Any] = {"digest": f"sha256:{sha(name)}", "statement": f"sha256:{sha(name + 's')}"}
    values |= {
        "namespace": "tiny",
        "model": name,
        "version": "1",
        "url": f"/models/tiny/{name}/1",
        "index": 4,
    }
    return LineageNode(**(values | {"generation": generation} | changes))


def licenses(spdx: str | None, text: str | None = None) -> LicenseCheck:
    child = StatedLicense(spdx="MIT", of="distribution", statement=f"sha256:{sha('card')}")
    place = {"url": "https://example.org/terms", "path": "LICENSE", "sha256": sha("terms")}
    parent = StatedLicense(spdx=spdx, text=text, of="weights", statement=f"sha256:{sha('its')}", **place)
    return compare_licenses(child, parent, relation="finetune")


def link(child: str, parent: str, **changes: Any) -> GraphEdge:
    values = edge(parent).model_dump() | {"child": f"sha256:{sha(child)}"}
    values |= {
        "child_statement": f"sha256:{sha(child + 's')}",
        "parent_statement": f"sha256:{sha(parent + 's')}",
    }
    return GraphEdge(**(values | changes))


def note(kind: str, generation: int, **changes: Any) -> UpstreamNote:
    values: dict[str, Any] = {"kind": kind, "generation": generation, "subject": f"sha256:{sha('up')}"}
    values |= {"name": "tiny/base@1", "text": f"Because of {HOSTILE}", "by_owner": True, "signer": signer()}
    values |= {"statement": f"sha256:{sha('says')}", "index": 5, "url": "/models/tiny/base/1"}
    return UpstreamNote(**(values | changes))


@pytest.fixture(scope="module")
def records() -> MemoryRecords:
    found = example()
    positions = tuple(
        EdgePosition(
            stance=stance,
            signer=signer(),
            party=party,
            reason=HOSTILE,
            statement=f"sha256:{sha(stance)}",
            index=6,
            url="/log/6",
        )
        for stance, party in (("acknowledges", "parent"), ("rechecked", "other"))
    )
    told = lineage().model_copy(
        update={
            "parents": (
                edge("base", level=3, match=match(), positions=positions, license=licenses("CC-BY-NC-4.0")),
                edge("own", relation="merge", license=licenses(None, text=HOSTILE)),
                edge("free", relation="adapter", license=licenses("MIT")),
                edge(
                    "fake", relation="quantized", contradicted=True, match=match(), evidence=("It is not so",)
                ),
            ),
            "proposed": (edge("noticed", declared=False, relation=None, level=0, match=match()),),
        }
    )
    upstream = (
        note("yanked", 1),
        note("advisory", 2, severity="high", by_owner=False, url=f"/advisories/{sha('says')}"),
        note("data_withdrawn", 0, name=HOSTILE),
    )
    found.releases["tiny", "encoder", "1.0"] = release(lineage=told, upstream=upstream)
    found.graphs[sha("release-1.0")] = LineageGraph(
        digest=f"sha256:{sha('release-1.0')}",
        up=2,
        down=1,
        nodes=(
            node("encoder", 0, statement=f"sha256:{sha('release-1.0')}"),
            node("base", -1),
            node("origin", -2, more_up=3),
            node("small", 1),
        ),
        edges=(
            link("encoder", "base", child_statement=f"sha256:{sha('release-1.0')}"),
            link("base", "origin", relation="merge"),
            link("small", "encoder", parent_statement=f"sha256:{sha('release-1.0')}", declared=False),
        ),
        as_of=found.as_of,
    )
    found.impacts[sha("model")] = tuple(
        ImpactItem(
            digest=f"sha256:{sha(str(number))}",
            statement=f"sha256:{sha(str(number))}",
            namespace="tiny",
            model=f"child{number}",
            version="1",
            distance=1 + number // 2,
            relation="quantized",
            state="yanked" if number else "released",
            signer=signer(),
            received=RECEIVED,
            index=10 + number,
            url=f"/models/tiny/child{number}/1",
        )
        for number in range(3)
    )
    return found


@pytest.fixture(scope="module")
def reader(records: MemoryRecords) -> Iterator[Reader]:
    with served(pages_over(records)) as url:
        one = Reader(url)
        yield one
        one.close()


RELEASE = "/models/tiny/encoder/1.0"


def test_evidence_is_told_in_plain_words(reader: Reader) -> None:
    text = reader.text(RELEASE)
    assert "9 of 12 tensors are equal" in text
    assert "the tables contradict it" in text
    assert "It is not so" in text
    assert "acknowledged by" in text
    assert "an owner of the parent" in text
    assert "re-checked by" in text
    assert HOSTILE not in text


def test_licences_that_do_not_agree_are_shown_beside_the_edge_with_both(reader: Reader) -> None:
    page = reader.text(RELEASE)
    start = page.index('<details class="look">')
    told = page[start : page.index("</details>", start)]
    assert "CC-BY-NC-4.0 does not allow commercial use" in told
    assert "this is no advice" in told
    assert '<a href="https://example.org/terms" rel="noopener noreferrer nofollow ugc">its text</a>' in told
    assert f'href="/digests/{sha("terms")}"' in told
    assert "for the weights" in told
    assert sha("card") in told
    assert sha("its") in told
    assert page.count('<details class="look">') == 1, "only what there is to look at"
    assert "licences: The child says MIT; the parent&#39;s card says &lt;script&gt;" in page
    assert "finds nothing against it" not in page
    assert 'id="licenses"' in reader.text("/about/trust")


def test_a_parents_page_says_of_its_childrens_licences_only_a_word() -> None:
    conflict, unknown = licenses("CC-BY-NC-4.0"), licenses(None, text="?")
    edges = [edge("one", license=conflict), edge("two", license=unknown)]
    (group,) = edge_groups(edges, from_parent=True)
    first, second = (line.license for line in group.edges)
    assert first is not None
    assert (first.words, first.look, first.sentence) == ("its licence", True, conflict.words)
    assert second is None, "what is unknown of strangers' children is not the parent's affair"


def test_what_nobody_declared_is_kept_apart(reader: Reader) -> None:
    text = reader.text(RELEASE)
    declared, _, noticed = text.partition("Not declared: what this may come from")
    assert "/models/tiny/noticed/1" in noticed
    assert "nobody declared it" in noticed
    assert "does not prove to be the parent" in noticed
    list_ = declared.partition("Made from</h3>")[2]
    assert "/models/tiny/noticed/1" not in list_


def test_what_is_said_upstream_is_told_with_who_says_it(reader: Reader) -> None:
    text = reader.text(RELEASE)
    assert "Its parent <a" in text
    assert "A warning (high) about its grandparent" in text
    assert "a third party" in text
    assert "was withdrawn: “" in text


def test_more_steps_are_asked_for_by_the_address(reader: Reader) -> None:
    text = reader.text(f"{RELEASE}?up=2&down=1")
    assert "2 steps up" in text
    assert "/models/tiny/origin/1" in text
    assert f"{RELEASE}?up=3&amp;down=1#lineage" in text
    for nonsense in ("up=11", "down=-1", "up=x"):
        assert reader.get(f"{RELEASE}?{nonsense}").status == 400


def test_a_drawing_of_several_steps_leads_each_line_to_what_is_nearer(records: MemoryRecords) -> None:
    graph = records.graphs[sha("release-1.0")]
    svg = ET.fromstring(graph_drawing(graph, "me") or "")  # noqa: S314 - made here
    paths = svg.findall(f"{SVG}path")
    assert [path.get("class") for path in paths] == [None, None, "proposed"]
    marks = {mark.get("cx"): mark.get("cy") for mark in svg.iter(f"{SVG}circle")}
    assert paths[0].get("d", "").endswith(" 27 69")  # origin's line ends in the mark of base
    assert marks["27"] == "69"
    texts = [text.text for text in svg.iter(f"{SVG}text")]
    assert "tiny/origin 1 (+3)" in texts
    assert [step.title for step in steps(graph)] == ["2 steps up", "1 step up", "1 step down"]


def test_manners_of_lines_are_told_apart() -> None:
    relatives = [Relative("a", "r", 2, manner=manner) for manner in ("", "contradicted", "proposed")]
    svg = ET.fromstring(draw_lineage("me", [*relatives, Relative("b", "r", 0)]))  # noqa: S314 - made here
    found = [path.get("class") for path in svg.findall(f"{SVG}path")]
    assert found == [None, "contradicted", "proposed", "claim"]


def test_a_graph_of_many_keeps_what_is_near(records: MemoryRecords) -> None:
    nodes = [node("me", 0), *(node(f"n{number}", -1 - number // 5, index=number) for number in range(20))]
    graph = LineageGraph(
        digest=f"sha256:{sha('me')}", up=9, down=0, nodes=tuple(nodes), edges=(), as_of=records.as_of
    )
    svg = ET.fromstring(graph_drawing(graph, "me") or "")  # noqa: S314 - made here
    texts = [text.text or "" for text in svg.iter(f"{SVG}text")]
    assert texts[0] == "+ 14 more"
    assert "tiny/n0 1" in texts
    assert "tiny/n19 1" not in texts


def test_what_stands_on_a_model_is_listed_and_paged(reader: Reader) -> None:
    assert f'/impact/{sha("model")}">3 models</a>' in reader.text(f"/digests/{sha('model')}")
    first = reader.text(f"/impact/{sha('model')}")
    assert "tiny/child0" in first
    assert "tiny/child2" not in first
    assert f"/impact/{sha('model')}?cursor=1.11" in first
    assert "tiny/child2" in reader.text(f"/impact/{sha('model')}?cursor=1.11")
    assert '"total":3' in reader.text(f"/impact/{sha('model')}.json")
    assert reader.get(f"/impact/{sha('model')}?cursor=x").status == 400
    assert "No model in this record" in reader.text(f"/impact/{sha('nothing')}")


def test_two_releases_are_compared(reader: Reader, records: MemoryRecords) -> None:
    bare = next(name for _, name, _ in records.releases if name.startswith("bare"))
    other = next(version for _, name, version in records.releases if name == bare)
    text = reader.text(f"/compare?a=tiny/encoder@1.0&b=tiny/{bare}/{other.replace('+', '%2B')}")
    assert "only in the first" in text
    assert "<code>identity.title</code>" in text
    assert "not said" in text
    same = reader.text("/compare?a=tiny/encoder@1.0&b=tiny/encoder@1.0")
    assert "Every file is the same" in same
    assert "both have one fingerprint" in same
    assert "The cards say the same" in same
    assert "namespace/name@version" in reader.text("/compare")
    assert reader.get("/compare?a=nonsense&b=tiny/encoder@1.0").status == 400
    assert reader.get("/compare?a=tiny/absent@1&b=tiny/encoder@1.0").status == 404
    assert reader.get(f"/compare?a={'x' * 301}&b=y").status == 400


def test_advisories_have_a_feed(reader: Reader) -> None:
    feed = ET.fromstring(reader.text("/advisories/feed.atom"))  # noqa: S314 - made here
    assert feed.find("{http://www.w3.org/2005/Atom}title").text == "Advisories"  # type: ignore[union-attr]  # it has one
