# SPDX-License-Identifier: Apache-2.0
"""Names: what is weighed must be what a statement may hold, so that nothing fails after hashing."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.models import write
from weighbridge.weighing import weigh
from weighbridge.weighing.names import IgnoreRules, collisions, name_fault, shown
from weighbridge.weighing.tree import MAX_FILES
from weighbridge_schemas import base
from weighbridge_schemas.release import ChatTemplate

PATH: TypeAdapter[str] = TypeAdapter(base.FilePath)


def admitted(path: str) -> bool:
    try:
        PATH.validate_python(path)
    except ValidationError:
        return False
    return True


def test_every_character_is_judged_as_the_schema_judges_it() -> None:
    last = chain.from_iterable((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(17))
    codes = chain(range(0xD800), range(0xE000, 0x1_0400), range(0xE_0000, 0xE_1001), last)
    judged = {code: f"a{chr(code)}b" for code in codes}
    assert [hex(code) for code, path in judged.items() if admitted(path) != (name_fault(path) == "")] == []


@given(st.text(st.sampled_from("ab./\\:\u00e4\u202e C"), max_size=8))
@example("a" * 1024)
@example("a" * 1025)
@example("C:/a")
@example("..a/b..")
def test_every_path_is_judged_as_the_schema_judges_it(path: str) -> None:
    assert admitted(path) == (name_fault(path) == "")


def test_as_many_files_are_weighed_as_a_release_lists() -> None:
    assert MAX_FILES == base.MAX_FILES


@given(st.text(st.characters(codec=None), max_size=20))
def test_what_is_shown_deceives_nobody(path: str) -> None:
    text = shown(path.replace("/", ""))
    assert text == "" or name_fault(text.replace("\\", "").replace(".", "").replace(":", "") or "x") == ""


def test_what_is_plain_is_shown_as_it_is() -> None:
    assert shown("模型/ä b.txt") == "模型/ä b.txt"
    assert shown("a\x1b[2J") == "a\\x1b[2J"
    assert shown("a\u202eb") == "a\\u202eb"
    assert shown("caf\udce9") == "caf\\xe9"


@pytest.mark.parametrize(
    ("path", "covered"),
    [("a", True), ("a/b", True), ("a/b/c", True), ("ab", False), ("b/a", False), ("x/y", True), ("x", False)],
)
def test_ignores_cover_a_path_and_all_below_it(path: str, *, covered: bool) -> None:
    assert IgnoreRules(["a", "x/y"]).covers(path) is covered


def test_collisions_are_found_by_case_and_form() -> None:
    assert collisions(["a", "B", "b", "\u00e9", "e\u0301", "c"]) == [("B", "b"), ("e\u0301", "\u00e9")]


def test_a_template_with_a_deceptive_name_still_fits_a_release(tmp_path: Path) -> None:
    """The name comes from the model's own files; the release must hold it and a page must show it."""
    names = ["a\x1b[2J", "\u202e", "\n", "x" * 5000, ""]
    document = {"chat_template": [{"name": name, "template": "t"} for name in names]}
    write(tmp_path / "m" / "tokenizer_config.json", json.dumps(document))
    found = weigh(tmp_path / "m").chat_templates
    assert len(found) == len(names)
    for each in found:
        ChatTemplate(path=each.path, name=each.name, sha256=each.sha256)


def test_more_templates_than_a_release_lists_are_cut_with_a_warning(tmp_path: Path) -> None:
    for number in range(257):
        write(tmp_path / "m" / f"{number}.jinja", str(number))
    weighed = weigh(tmp_path / "m")
    assert len(weighed.chat_templates) == 256
    assert weighed.warnings == ("only the first 256 of 257 chat templates are listed",)
