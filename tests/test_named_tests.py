# SPDX-License-Identifier: Apache-2.0
"""A page that says "this test shows it" names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_NAMED = re.compile(r"(tests/[a-z0-9_/]+\.py)(?:::([a-z0-9_]+))?")


def named() -> set[tuple[str, str, str]]:
    """Page, file and function (or nothing) of every test that the docs name."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return {
        (str(page.relative_to(ROOT)), *match.groups(default=""))
        for page in pages
        for match in _NAMED.finditer(page.read_text(encoding="utf-8"))
    }


def test_every_test_that_a_page_names_exists() -> None:
    missing = []
    for page, file, name in sorted(named()):
        path = ROOT / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if not text or (name and f"def {name}(" not in text):
            missing.append(f"{page}: {file}::{name}")
    assert missing == []


def test_the_threat_model_and_the_conformance_page_name_theirs() -> None:
    found = named()
    assert sum(page == "docs/spec/conformance.md" for page, _, _ in found) > 50
    assert sum(page == "docs/threat-model.md" and "tests/attacks/" in file for page, file, _ in found) > 10
