# SPDX-License-Identifier: Apache-2.0
"""What pages load is from here, is what it says it is, and can be read by everybody."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import weighbridge_web
from weighbridge_web.assets import asset_url, load_assets

STATIC = Path(weighbridge_web.__file__).parent / "static"
TEMPLATES = Path(weighbridge_web.__file__).parent / "templates"
STYLE = (STATIC / "style.css").read_text()


def test_vendored_fonts_are_the_very_files_that_were_taken_in() -> None:
    lines = (STATIC / "fonts" / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(listed) == {path.name for path in (STATIC / "fonts").glob("*.woff2")}
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / "fonts" / name).read_bytes()).hexdigest() == digest


def test_vendored_fonts_carry_version_and_licence() -> None:
    for path in (STATIC / "fonts").glob("*.woff2"):
        found = re.match(r"([a-z0-9-]+?)-(\d+\.\d+\.\d+)-latin", path.name)
        assert found, path.name
        licence = STATIC / "fonts" / f"{found.group(1)}-LICENSE.txt"
        assert "SIL Open Font License, Version 1.1" in licence.read_text()


def test_an_asset_is_named_by_its_hash_so_that_browsers_may_keep_it() -> None:
    asset = load_assets()["style.css"]
    assert asset.sha256 == hashlib.sha256(STYLE.encode()).hexdigest()
    assert asset_url("style.css") == f"/static/style.css?v={asset.sha256[:12]}"


def test_a_name_that_is_no_asset_is_an_error_when_the_page_is_made() -> None:
    with pytest.raises(KeyError):
        asset_url("app.js")


def test_the_style_sheet_loads_nothing_from_elsewhere() -> None:
    for target in re.findall(r"url\(\"?([^\")]+)", STYLE):
        assert (STATIC / target).is_file()
    assert "@import" not in STYLE
    assert "//" not in re.sub(r"/\*.*?\*/", "", STYLE, flags=re.DOTALL)


def test_templates_have_neither_scripts_nor_inline_styles_nor_handlers() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text()
        assert "<script" not in text, path
        assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", text), path
        assert "| safe" not in text, path
        assert "|safe" not in text, path


def _colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", block))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "papers"),
    [
        ("ink", ("paper", "card", "tint", "record-paper")),
        ("soft", ("paper", "card", "tint", "record-paper")),
        ("link", ("paper", "card", "tint", "record-paper")),
        ("link-hover", ("paper", "card")),
        ("warn-ink", ("warn-paper",)),
        ("bad-ink", ("bad-paper",)),
        ("yours-ink", ("yours-paper",)),
        ("record-ink", ("record-paper",)),
        ("paper", ("link", "link-hover")),
    ],
)
def test_text_stands_out_from_its_paper_as_wcag_aa_asks(
    scheme: str, ink: str, papers: tuple[str, ...]
) -> None:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    colours = _colours(blocks[0]) | (_colours(blocks[1]) if scheme == "dark" else {})
    for paper in papers:
        assert _contrast(colours[ink], colours[paper]) >= 4.5, (scheme, ink, paper)
