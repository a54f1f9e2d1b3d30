# SPDX-License-Identifier: Apache-2.0
"""A publisher's README as HTML that can only be read: nothing in it runs, styles or fetches.

A README is hostile input shown on our own origin. Three walls stand one behind the other: the sanitiser's
list of what may stay (everything else goes), images turned into links so that a page view never tells a
third party about the reader, and the Content-Security-Policy of `weighbridge_web.headers`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from html.parser import HTMLParser

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from weighbridge_web.formats import visible_controls

__all__ = ["MAX_README", "render_readme", "strip_front_matter"]

MAX_README = 100_000
"""Characters of a README that a page shows; the rest is behind the link to the signed original."""

MAX_MARKS = 4000
"""Opening brackets of tags, links or images, each, up to which a README is read as Markdown.

Deeply nested tags take time that grows with the square of their number (20,000 `<div>`: two seconds).
No README that people wrote comes near this; beyond it the text is shown as it is.
"""

_HEADING_SHIFT = 2
_FRONT_MATTER = re.compile(
    r"\A\ufeff?---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_HEADING = re.compile(r"h([1-6])\Z")

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
        "h1",
        "h2",
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
    ),
    *(
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
    ),
    *("th", "thead", "tr", "u", "ul", "var"),
}
_ATTRIBUTES = {
    "a": {"href"},
    "li": {"value"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
# Gone with all that is inside them; other unknown tags go alone and leave their text.
_DROPPED_WHOLE = {
    "script",
    "style",
    "iframe",
    "object",
    "embed",
    "noscript",
    "template",
    "math",
    "svg",
    "title",
}
_SCHEMES = {"http", "https", "mailto"}

_sanitise_with_images = nh3.Cleaner(
    tags=_TAGS | {"img"},
    attributes={**_ATTRIBUTES, "img": {"src", "alt"}},
    clean_content_tags=_DROPPED_WHOLE,
    url_schemes=_SCHEMES,
    url_relative="deny",
    link_rel=None,
)
_sanitise = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    clean_content_tags=_DROPPED_WHOLE,
    url_schemes=_SCHEMES,
    url_relative="deny",
    link_rel="noopener noreferrer nofollow ugc",
    tag_attribute_values={
        "a": {"class": {"image"}},
        "span": {"class": {"image"}},
        "div": {"class": {"scroll"}},
    },
)


def strip_front_matter(text: str) -> str:
    """Return the README without its YAML front matter, which the card shows as fields."""
    return _FRONT_MATTER.sub("", text, count=1)


@lru_cache(maxsize=64)
def render_readme(text: str) -> Markup:
    """Turn a README into inert HTML below a page's own `h2`.

    The sanitiser runs first, so that our rewriting sees only well-formed tags from its list, and once more at
    the end, so that nothing the rewriting did can matter.
    """
    source = visible_controls(strip_front_matter(text)[:MAX_README])
    if source.count("<") > MAX_MARKS or source.count("[") > MAX_MARKS:
        return Markup("<pre>{}</pre>").format(source)
    rewriting = _Rewriting()
    rewriting.feed(_sanitise_with_images.clean(_markdown().render(source)))
    rewriting.close()
    return Markup(_sanitise.clean("".join(rewriting.out)))  # noqa: S704 - the sanitiser's own output


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    """CommonMark with tables, as hubs read READMEs; raw HTML passes here, for the sanitiser to judge."""
    options = {"html": True, "linkify": False, "typographer": False, "maxNesting": 20}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"])


class _Rewriting(HTMLParser):
    """Images to links, headings below the page's own, tables in a box that scrolls."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._links_open = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Write the tag again, changed where it must be."""
        if tag == "img":
            self._image(dict(attrs))
            return
        self._links_open += tag == "a"
        if tag == "table":
            self.out.append('<div class="scroll">')
        written = "".join(f' {name}="{escape(value or "")}"' for name, value in attrs)
        self.out.append(f"<{_below(tag)}{written}>")

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened, under its new name."""
        self._links_open -= tag == "a"
        self.out.append(f"</{_below(tag)}>")
        if tag == "table":
            self.out.append("</div>")

    def handle_data(self, data: str) -> None:
        """Text stays as it is: the sanitiser has escaped it."""
        self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        """Keep a named character reference."""
        self.out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Keep a numeric character reference."""
        self.out.append(f"&#{name};")

    def _image(self, attrs: dict[str, str | None]) -> None:
        label = escape(f"image: {(attrs.get('alt') or '').strip() or 'without description'}")
        source = attrs.get("src")
        if source and not self._links_open:
            self.out.append(f'<a class="image" href="{escape(source)}">{label}</a>')
        else:
            self.out.append(f'<span class="image">{label}</span>')


def _below(tag: str) -> str:
    """Move a heading two levels down: the page has the first two."""
    heading = _HEADING.match(tag)
    return f"h{min(6, int(heading.group(1)) + _HEADING_SHIFT)}" if heading else tag
