# SPDX-License-Identifier: Apache-2.0
"""Exports: valid by the official schemas, read back where a format can be, honest about what they lose."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from huggingface_hub import ModelCard
from hypothesis import given, settings

from tests.library.cards.documents import cards, full_card
from tests.web.documents import files
from weighbridge.cards import FORMATS, ExportSubject, card_from_readme, export_card, read_mof
from weighbridge.errors import InputError
from weighbridge_schemas.card import Card
from weighbridge_schemas.lineage import Lineage

VERSIONS = {"cyclonedx-1.6": SchemaVersion.V1_6, "cyclonedx-1.7": SchemaVersion.V1_7}
SUBJECT = ExportSubject(
    name="encoder",
    namespace="tiny",
    version="1.0",
    released_at="2026-11-23T12:00:00Z",
    model_digest=f"sha256:{'1' * 64}",
    statement=f"sha256:{'2' * 64}",
    files=files(),
    lineage=Lineage.model_validate(
        {
            "parents": [
                {"relation": "adapter", "name": "org/base", "revision": "abc"},
                {"relation": None, "digest": f"sha256:{'3' * 64}"},
                {"relation": "merge", "location": "pkg:huggingface/org/other@c9745ed1"},
            ]
        }
    ),
    locations=("https://example.org/x", "pkg:huggingface/tiny/encoder@c9745ed1"),
)

# The form of the Model Openness Tool's own files, described from them: the schema beside them is older.
_TEXT: dict[str, Any] = {"type": "string"}
_PLACED = {"type": "object", "required": ["name", "path"], "properties": {"name": _TEXT, "path": _TEXT}}
MOF_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["framework", "release"],
    "additionalProperties": False,
    "properties": {
        "framework": {
            "type": "object",
            "required": ["name", "version", "date"],
            "properties": {"name": {"const": "Model Openness Framework"}, "version": _TEXT, "date": _TEXT},
        },
        "release": {
            "type": "object",
            "required": [
                "name",
                "version",
                "date",
                "architecture",
                "origin",
                "producer",
                "contact",
                "components",
            ],
            "additionalProperties": False,
            "properties": {
                **dict.fromkeys(
                    ("name", "version", "origin", "producer", "contact", "repository", "huggingface"), _TEXT
                ),
                "date": {"pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$", **_TEXT},
                "type": {"enum": ["", "language", "vision", "image", "audio", "multimodal", "other"]},
                "architecture": {
                    "enum": ["", "transformer", "decoder", "encoder", "diffusion", "RNN", "CNN", "other"]
                },
                "license": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": dict.fromkeys(("distribution", "code", "data", "document"), _PLACED),
                },
                "components": {
                    "type": "array",
                    "maxItems": 17,
                    "items": {
                        "type": "object",
                        "required": ["name", "description"],
                        "additionalProperties": False,
                        "properties": dict.fromkeys(
                            ("name", "description", "license", "license_path", "component_path"), _TEXT
                        ),
                    },
                },
            },
        },
    },
}


def exported(card: Card, name: str, subject: ExportSubject | None = None) -> str:
    return export_card(card, name, subject).text


# CycloneDX


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("card", [Card(), full_card()], ids=["empty", "full"])
@pytest.mark.parametrize("subject", [None, SUBJECT], ids=["file", "release"])
def test_a_bill_of_materials_is_valid_by_the_strict_schema(
    name: str, card: Card, subject: ExportSubject | None
) -> None:
    text = exported(card, name, subject)
    assert JsonStrictValidator(VERSIONS[name]).validate_str(text) is None
    assert exported(card, name, subject) == text  # the same bytes each time


@settings(max_examples=15)
@given(cards())
def test_any_card_makes_a_valid_bill_of_materials(card: Card) -> None:
    for name, version in VERSIONS.items():
        assert JsonStrictValidator(version).validate_str(exported(card, name, SUBJECT)) is None


def test_the_bill_of_materials_says_what_the_card_says() -> None:
    model = json.loads(exported(full_card(), "cyclonedx-1.7", SUBJECT))["metadata"]["component"]
    assert (model["type"], model["group"], model["name"]) == ("machine-learning-model", "tiny", "encoder")
    assert model["licenses"] == [{"expression": "Apache-2.0"}]
    assert model["purl"] == "pkg:huggingface/tiny/encoder@c9745ed1"
    assert {"alg": "SHA-256", "content": files()[0].sha256} in model["components"][0]["hashes"]
    assert model["pedigree"]["ancestors"][0]["name"] == "org/base"
    card = model["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"][1] == {
        "type": "hle",
        "value": "20.9",
        "slice": "cais/hle / hle",
    }
    (energy,) = card["considerations"]["environmentalConsiderations"]["energyConsumptions"]
    assert energy["activityEnergyCost"] == {"value": 12.5, "unit": "kWh"}
    assert energy["co2CostEquivalent"] == {"value": 0.004, "unit": "tCO2eq"}
    properties = {one["name"]: one["value"] for one in model["properties"]}
    assert properties["weighbridge:model_digest"] == SUBJECT.model_digest
    assert properties["weighbridge:component.training_code"] == "not released"


# Hugging Face


@settings(max_examples=15)
@given(cards())
def test_front_matter_that_is_read_back_is_written_the_same(card: Card) -> None:
    text = exported(card, "hf")
    assert exported(card_from_readme(text.encode()), "hf") == text


def test_the_hubs_own_reader_takes_it_too() -> None:
    text = exported(full_card(), "hf", SUBJECT)
    data = ModelCard(f"{text}\n# Tiny\n", ignore_metadata_errors=False).data
    assert (data.license, data.library_name, data.base_model) == ("apache-2.0", "transformers", ["org/base"])
    assert data.eval_results[0].metric_value == 0.5
    assert yaml.safe_load(text.strip("-\n"))["language"] == ["en", "multilingual"]


def test_an_expression_becomes_other_with_a_name_and_comes_back_as_it_was() -> None:
    card = Card.model_validate({"licenses": {"distribution": {"spdx": "MIT OR Apache-2.0"}}})
    text = exported(card, "hf")
    assert "license: other\nlicense_name: MIT OR Apache-2.0\n" in text
    assert card_from_readme(text.encode()).licenses == card.licenses


# Model Openness Tool


@settings(max_examples=15)
@given(cards())
def test_a_mof_file_that_is_read_back_is_written_the_same(card: Card) -> None:
    text = exported(card, "mof")
    jsonschema.validate(yaml.safe_load(text), MOF_FORM)
    assert exported(read_mof(text.encode(), "model.yml"), "mof") == text


def test_a_mof_file_keeps_components_and_licences() -> None:
    read = read_mof(exported(full_card(), "mof", SUBJECT).encode(), "model.yml")
    assert read.licenses == full_card().licenses
    assert [one.name for one in read.components] == ["evaluation_results", "model_card"]
    assert {one.location for one in read.components} == {"README.md"}


# what is lost


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_says_what_it_has_no_place_for(name: str) -> None:
    assert export_card(full_card(), name).lost
    assert export_card(Card(), name).lost == ()


def test_an_unknown_format_is_refused_with_the_list() -> None:
    with pytest.raises(InputError, match="there is no format spdx") as caught:
        export_card(Card(), "spdx")
    assert "cyclonedx-1.7" in caught.value.hint
