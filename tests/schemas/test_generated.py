# SPDX-License-Identifier: Apache-2.0
"""Generated files and spec pages say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge_schemas.kinds import PREDICATES, kind_of

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "docs" / "spec"
PAGES = sorted(SPEC.glob("*.md"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_schemas_vectors_and_tables_are_what_the_models_give() -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "schemas" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_spec_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("kind", sorted(kind_of(type_) for type_ in PREDICATES))
def test_every_kind_has_a_page_with_example_members_duties_and_vectors(kind: str) -> None:
    text = (SPEC / f"{kind}.md").read_text()
    for part in (
        "generated: example",
        "generated: fields",
        "generated: refusals",
        "MUST",
        f"vectors/{kind}.json",
    ):
        assert part in text, part
    assert f"]({kind}.md)" in (SPEC / "README.md").read_text()
    assert f"]({kind}.md)" in (SPEC / "statements.md").read_text()
