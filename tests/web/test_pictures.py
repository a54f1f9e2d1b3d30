# SPDX-License-Identifier: Apache-2.0
"""Drawings and badges: well-formed, bounded, and deaf to markup in names."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from weighbridge_web.badges import badge
from weighbridge_web.drawing import MAX_DRAWN, Relative, draw_lineage

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\"'&\u202e"


def _parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - made here


def test_every_relative_gets_a_line_a_mark_and_its_name() -> None:
    above = [Relative("base", "fine-tuned from", 2, registered=True, url="/models/a/base/1")]
    below = [Relative("child", "quantised from this", 2, registered=True, url="/models/a/child/1")]
    root = _parse(draw_lineage("me 1.0", above, below))
    assert len(root.findall(f"{SVG}path")) == 2
    assert [text.text for text in root.iter(f"{SVG}text")] == [
        "base",
        "fine-tuned from",
        "child",
        "quantised from this",
        "me 1.0",
    ]
    assert [link.get("href") for link in root.iter(f"{SVG}a")] == ["/models/a/base/1", "/models/a/child/1"]


def test_a_mere_claim_is_drawn_dashed_and_hollow() -> None:
    root = _parse(draw_lineage("me", [Relative("x", "made from", 0)]))
    assert root.find(f"{SVG}path").get("class") == "claim"  # type: ignore[union-attr]  # just asserted to be there
    assert "unregistered" in {circle.get("class") for circle in root.iter(f"{SVG}circle")}


def test_a_data_set_has_a_square_mark() -> None:
    root = _parse(draw_lineage("me", [Relative("x", "data", 1, dataset=True)]))
    assert len(list(root.iter(f"{SVG}rect"))) == 1


def test_nothing_stated_draws_nothing() -> None:
    assert draw_lineage("me", []) == ""


def test_a_merge_of_sixty_models_is_capped_with_a_link_to_the_list() -> None:
    root = _parse(draw_lineage("me", [Relative(f"model {i}", "merged from", 1) for i in range(60)]))
    names = [text.text for text in root.iter(f"{SVG}text")]
    assert f"+ {60 - MAX_DRAWN + 1} more" in names
    assert len(root.findall(f"{SVG}path")) == MAX_DRAWN


@given(name=st.text(max_size=80), relation=st.text(max_size=80), level=st.integers(0, 4))
def test_any_name_gives_well_formed_markup(name: str, relation: str, level: int) -> None:
    _parse(draw_lineage(name, [Relative(name, relation, level, url="/x")], [Relative(name, relation, level)]))


def test_markup_in_a_name_stays_text() -> None:
    svg = draw_lineage(HOSTILE, [Relative(HOSTILE, HOSTILE, 0, url='/"onload="x')])
    assert "<script" not in svg
    assert {element.tag for element in _parse(svg).iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "path", "circle", "a", "text")
    }


def test_a_badge_says_recorded_and_never_verified() -> None:
    svg = badge("weighbridge", "1.0 signed and recorded")
    assert "verified" not in svg
    assert _parse(svg).find(f"{SVG}title").text == "weighbridge: 1.0 signed and recorded"  # type: ignore[union-attr]  # it has one


@given(st.text(max_size=100))
def test_any_text_gives_a_well_formed_badge(text: str) -> None:
    assert int(_parse(badge("weighbridge", text)).get("width", "0")) < 700
