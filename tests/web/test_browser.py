# SPDX-License-Identifier: Apache-2.0
"""The pages in a real browser, over a real registry that was filled through its real interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.programs import find
from tests.web.published import Site, site

pytestmark = pytest.mark.needs("chromium")

PAGES = [
    "home",
    "models",
    "search",
    "found nothing",
    "model",
    "release",
    "child",
    "hostile",
    "revised",
    "signer",
    "namespace",
    "log",
    "genesis",
    "entry",
    "digest",
    "unknown digest",
    "impact",
    "deep lineage",
    "compare",
    "compare what",
    "trust",
    "missing",
]


@pytest.fixture(scope="module")
def registry_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=find("chromium"),
            args=[
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
            ],
        )
        yield opened
        opened.close()


@dataclass
class Watch:
    """What a browser did and complained of while it showed pages."""

    host: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        """Note every request, console message, script error and dialogue of a page."""
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialogue: {dialog.message}"))

    @property
    def elsewhere(self) -> list[str]:
        """Requests to anybody but the registry."""
        return [url for url in self.requests if urlsplit(url).netloc != self.host]


def _context(
    browser: Browser, width: int = 1280, scheme: Literal["light", "dark"] = "light", **options: Any
) -> BrowserContext:
    return browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce", **options
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_every_page_fits_and_asks_nobody_else_for_anything(
    registry_site: Site, browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    watch = Watch(urlsplit(registry_site.url).netloc)
    paths = registry_site.pages()
    assert list(paths) == PAGES
    context = _context(browser, width, scheme)
    page = context.new_page()
    watch.over(page)
    for name, path in paths.items():
        response = page.goto(registry_site.url + path)
        assert response is not None
        assert response.status == (404 if name == "missing" else 200), name
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide at {width} px"
        fonts = page.evaluate("document.fonts.load('16px \"Source Sans 3\"').then(found => found.length)")
        assert fonts, name
    context.close()
    assert watch.elsewhere == []
    refused = "Failed to load resource: the server responded with a status of 404 (Not Found)"
    assert [text for text in watch.complaints if text != refused] == []
    assert watch.complaints.count(refused) <= 1


def test_a_hostile_readme_and_card_do_nothing_and_look_like_nothing_of_ours(
    registry_site: Site, browser: Browser
) -> None:
    watch = Watch(urlsplit(registry_site.url).netloc)
    context = _context(browser)
    page = context.new_page()
    watch.over(page)
    page.goto(f"{registry_site.url}/models/tinylab/hostile/1.0")
    page.wait_for_timeout(300)
    assert watch.elsewhere == []
    assert watch.complaints == []
    assert page.url.startswith(registry_site.url)
    assert page.locator(".readme").is_visible()
    assert page.locator(".signed-by").is_visible()
    dead = "script, style, img, iframe, object, embed, form, input, svg, link, meta, base, [style], [onclick]"
    assert page.locator(f".readme :is({dead})").count() == 0
    assert page.locator("script, iframe, object, embed, main style, [onerror], [onload]").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    pixel = page.locator(".readme a.image")
    assert [link.get_attribute("href") for link in pixel.all()] == [
        "https://tracker.example/pixel.png",
        "https://tracker.example/pixel2.png",
    ]
    assert page.title() == "tinylab/hostile 1.0 · weighbridge"
    context.close()


def test_pages_are_whole_without_javascript(registry_site: Site, browser: Browser) -> None:
    context = _context(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{registry_site.url}/models/tinylab/encoder/1.0")
    assert page.locator("ol.checks > li").count() == 11
    page.locator("details.raw > summary").first.click()
    assert page.locator("details.raw pre").first.is_visible()
    context.close()


def test_a_reader_goes_from_the_start_page_to_the_signer_by_links_alone(
    registry_site: Site, browser: Browser
) -> None:
    context = _context(browser)
    page = context.new_page()
    page.goto(registry_site.url)
    page.get_by_role("searchbox").fill("encoder")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="tinylab/encoder").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "tinylab/encoder 1.0"
    page.locator(".signed-by .who a").click()
    assert "The holder of the key sha256:" in page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="tinylab", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == "tinylab"
    context.close()


def test_a_digest_in_the_search_box_finds_the_file(registry_site: Site, browser: Browser) -> None:
    context = _context(browser)
    page = context.new_page()
    page.goto(f"{registry_site.url}/models/tinylab/encoder/1.0")
    sha256 = page.locator("td .digest").first.get_attribute("title") or ""
    page.goto(registry_site.url)
    page.get_by_role("searchbox").fill(sha256)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/digests/{sha256}", timeout=10_000)
    assert page.get_by_role("link", name="tinylab/encoder 1.0").count() >= 1
    context.close()


def test_a_digest_that_is_cut_for_the_eye_is_copied_whole(registry_site: Site, browser: Browser) -> None:
    context = _context(browser)
    page = context.new_page()
    page.goto(f"{registry_site.url}/log/{registry_site.plain.index}")
    digest = page.locator("dd > .digest.cut").first
    digest.click()
    selected = page.evaluate("String(window.getSelection())").strip()
    assert selected == digest.get_attribute("title")
    assert len(selected) == 64
    context.close()


def test_the_keyboard_reaches_the_content_first_and_always_shows_where_it_is(
    registry_site: Site, browser: Browser
) -> None:
    context = _context(browser)
    page = context.new_page()
    page.goto(f"{registry_site.url}/models/tinylab/encoder/1.0")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
    context.close()


def test_headings_are_in_order_and_every_control_has_a_name(registry_site: Site, browser: Browser) -> None:
    context = _context(browser)
    page = context.new_page()
    for name, path in registry_site.pages().items():
        page.goto(registry_site.url + path)
        levels = page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')]"
            ".filter(h => !h.closest('.readme')).map(h => +h.tagName[1])"
        )
        assert levels.count(1) == 1, name
        assert levels[0] == 1, name
        assert all(after - before <= 1 for before, after in pairwise(levels)), name
        unnamed = page.evaluate(
            "[...document.querySelectorAll('a,button,input,svg[role=img]')].filter(e => "
            "!(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).length"
        )
        assert unnamed == 0, name
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), name
    context.close()


def test_every_link_to_a_label_meets_its_explanation(registry_site: Site, browser: Browser) -> None:
    context = _context(browser)
    page = context.new_page()
    wanted: set[str] = set()
    for path in registry_site.pages().values():
        page.goto(registry_site.url + path)
        wanted |= set(
            page.evaluate(
                "[...document.querySelectorAll('a[href*=\"/about/trust#\"]')]"
                ".map(a => a.getAttribute('href').split('#')[1])"
            )
        )
    page.goto(f"{registry_site.url}/about/trust")
    assert len(wanted) > 8
    assert wanted <= set(page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))
    context.close()


def test_every_link_of_ours_leads_somewhere(registry_site: Site, browser: Browser) -> None:
    context = _context(browser)
    page = context.new_page()
    links: set[str] = set()
    for path in registry_site.pages().values():
        page.goto(registry_site.url + path)
        links |= set(
            page.evaluate("[...document.querySelectorAll('a[href^=\"/\"]')].map(a => a.getAttribute('href'))")
        )
    assert len(links) > 50
    broken = [link for link in links if context.request.get(registry_site.url + link).status != 200]
    context.close()
    assert broken == []


def test_a_page_prints_without_navigation_and_with_whole_digests(
    registry_site: Site, browser: Browser
) -> None:
    context = _context(browser)
    page = context.new_page()
    page.goto(f"{registry_site.url}/models/tinylab/encoder/1.0")
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation", name="Main").is_visible()
    assert not page.get_by_role("navigation", name="On this page").is_visible()
    box = page.locator("td .digest.cut").first
    assert box.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    context.close()


def test_the_twin_of_a_page_is_what_the_interface_answers(registry_site: Site, browser: Browser) -> None:
    context = _context(browser)
    pairs = {
        "/models/tinylab/encoder/1.0.json": "/api/v1/models/tinylab/encoder/1.0",
        "/models/tinylab/encoder.json": "/api/v1/models/tinylab/encoder",
        "/models.json?q=encoder": "/api/v1/models?q=encoder",
        "/namespaces/tinylab.json": "/api/v1/namespaces/tinylab",
        "/log.json": "/api/v1/log",
        "/log/2.json": "/api/v1/entries/2",
        f"/digests/{registry_site.plain.model_digest}.json": (
            f"/api/v1/digests/{registry_site.plain.model_digest}"
        ),
    }
    for twin, answer in pairs.items():
        one = context.request.get(registry_site.url + twin)
        other = context.request.get(registry_site.url + answer)
        assert (one.status, other.status) == (200, 200), twin
        assert one.body() == other.body(), twin
    context.close()


def test_the_record_file_offered_is_the_one_that_publish_wrote(registry_site: Site, browser: Browser) -> None:
    context = _context(browser, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{registry_site.url}/models/tinylab/encoder/1.0")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="download here").click()
    offered = Path(waiting.value.path()).read_bytes().splitlines()
    assert waiting.value.suggested_filename == "provenance.jsonl"
    written = registry_site.plain.record.read_bytes().splitlines()
    assert [json.loads(line)["bundle"] for line in offered] == [
        json.loads(line)["bundle"] for line in written
    ]
    context.close()
