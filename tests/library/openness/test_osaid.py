# SPDX-License-Identifier: Apache-2.0
"""The checklist of the Open Source AI Definition: yes, no, and not said."""

from __future__ import annotations

from typing import Any

from weighbridge.openness import OsaidRow, assess, checklist
from weighbridge_schemas.card import Card

CODE = ["model_architecture", "data_preprocessing_code", "training_code", "inference_code"]


def rows(**card: Any) -> dict[str, OsaidRow]:
    one = Card.model_validate(card)
    return {row.name: row for row in checklist(one, assess(one))}


def components(*names: str, spdx: str = "MIT") -> list[dict[str, Any]]:
    return [{"name": name, "present": True, "license": {"spdx": spdx}} for name in names]


def test_an_empty_card_has_said_nothing_which_is_not_no() -> None:
    assert {row.answer for row in rows().values()} == {"not said"}
    assert "does not mention: training code" in " ".join(rows()["code"].reasons)


def test_an_open_model_answers_yes_three_times() -> None:
    data = {
        "description": "Filtered from a crawl.",
        "references": [{"name": "c4", "location": "https://example.org/c4"}],
    }
    listed = [*components(*CODE), *components("data_card", "model_parameters_final", spdx="CC-BY-4.0")]
    found = rows(components=listed, data=data)
    assert {row.answer for row in found.values()} == {"yes"}
    assert all(row.reasons for row in found.values())


def test_code_needs_a_licence_that_the_osi_approved() -> None:
    found = rows(components=components(*CODE, spdx="CC-BY-4.0"))["code"]
    assert found.answer == "no"
    assert "not approved by the OSI" in found.reasons[0]


def test_what_is_not_released_is_a_no_and_decides() -> None:
    listed = [*components(*CODE[:3]), {"name": "inference_code", "present": False}]
    assert rows(components=listed)["code"].reasons == (
        "the card says that it is not released: inference code",
    )
    closed = components("model_parameters_final", spdx="CC-BY-NC-4.0")
    assert rows(components=closed)["parameters"].answer == "no"


def test_data_sets_of_which_nothing_is_said_are_named() -> None:
    data = {"description": "Crawled.", "references": [{"name": f"set-{n}"} for n in range(9)]}
    found = rows(components=components("data_card"), data=data)["data information"]
    assert found.answer == "not said"
    assert found.reasons == (
        "where it can be had, or that it cannot, is not said of: set-0, set-1, set-2 and 6 more",
    )
