# SPDX-License-Identifier: Apache-2.0
"""SPDX 3.0.1: read by SPDX's own bindings, which are generated from its SHACL model: it says it all."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from spdx_python_model.bindings import v3_0_1 as spdx

from tests.library.cards.documents import cards, full_card
from tests.library.cards.test_exports import SUBJECT
from weighbridge.cards import DescribedData, ExportSubject, export_card
from weighbridge.cards.spdx import MAX_FILES
from weighbridge.cards.spdx_models import measured
from weighbridge_schemas.card import Card
from weighbridge_schemas.dataset import Dataset
from weighbridge_schemas.lineage import Lineage
from weighbridge_schemas.release import ReleaseFile

TERMS = "https://spdx.org/rdf/3.0.1/terms/"
STATEMENT = "4" * 64
LINEAGE = Lineage.model_validate(
    {
        "parents": [
            {"relation": "quantized", "name": "org/base", "digest": f"sha256:{'3' * 64}", "revision": "abc"},
            {"relation": "merge", "statement": {"kind": "release", "sha256": "5" * 64}},
            {"relation": None, "location": "pkg:huggingface/org/other@c9745ed1"},
        ],
        "datasets": [
            {"stage": "sft", "name": "org/mails", "statement": {"kind": "dataset", "sha256": STATEMENT}},
            {"stage": "eval", "name": "org/exam", "digest": f"sha256:{'6' * 64}"},
            {"stage": None, "name": "org/more"},
        ],
    }
)
MAILS = Dataset.model_validate(
    {
        "name": "org/mails",
        "identity": "root",
        "summary": "Mails.",
        "bytes": 1234,
        "license": {"spdx": "CC-BY-NC-4.0"},
        "method": "Asked for.",
        "personal_data": {"state": "pseudonymised", "note": "Names are numbers."},
        "availability": "public",
        "mirrors": ["https://example.org/mails"],
        "logs": ["log.example/0123456789abcdef"],
        "previous": None,
    }
)


def subject(**changes: Any) -> ExportSubject:
    known = {one: getattr(SUBJECT, one) for one in ExportSubject.__slots__}
    told = {
        "lineage": LINEAGE,
        "datasets": (DescribedData("org/mails", f"sha256:{STATEMENT}", "key 1234", MAILS),),
        "signer": "key 1234",
        "signer_id": "7" * 64,
    }
    return ExportSubject(**known | told | changes)


def read(text: str) -> spdx.SHACLObjectSet:
    """Read a document strictly: a member that SPDX does not know, or of another form, raises."""
    found = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().deserialize_data(json.loads(text), found)
    assert found.missing_ids == set(), "every element that is spoken of is in the document"
    spdx.JSONLDSerializer().write(found, io.BytesIO())  # raises where a required member is missing
    return found


def export(card: Card, of: ExportSubject | None = None) -> spdx.SHACLObjectSet:
    return read(export_card(card, "spdx-3.0.1", of).text)


def one(found: spdx.SHACLObjectSet, kind: Any) -> Any:
    (element,) = found.foreach_type(kind)
    return element


def relations(found: spdx.SHACLObjectSet) -> set[tuple[str, str, str, str]]:
    """Return who stands in which relation to whom, by names; licences by their expressions."""

    def name(element: Any) -> str:
        if isinstance(element, str):
            return element.rpartition("/")[2]
        return getattr(element, "simplelicensing_licenseExpression", None) or element.name

    return {
        (name(each.from_), each.relationshipType.rpartition("/")[2], name(to), each.comment or "")
        for each in found.foreach_type(spdx.Relationship)
        for to in each.to
    }


def entries(listed: Any) -> dict[str, str | None]:
    return {entry.key: entry.value for entry in listed}


@pytest.mark.parametrize("card", [Card(), full_card()], ids=["empty", "full"])
@pytest.mark.parametrize("of", [None, SUBJECT, subject()], ids=["file", "release", "whole"])
def test_a_document_is_what_spdx_reads_and_the_same_each_time(card: Card, of: ExportSubject | None) -> None:
    text = export_card(card, "spdx-3.0.1", of).text
    found = read(text)
    document = one(found, spdx.SpdxDocument)
    (bill,) = document.rootElement
    assert bill is one(found, spdx.software_Sbom)
    assert list(bill.rootElement) == [one(found, spdx.ai_AIPackage)]
    assert len(document.element) == len(json.loads(text)["@graph"]) - 2, (
        "all but the document and its creation"
    )
    assert text == export_card(card, "spdx-3.0.1", of).text


@settings(max_examples=20)
@given(cards())
def test_any_card_makes_a_document_that_says_every_value_and_every_data_set(card: Card) -> None:
    found = export(card, subject())
    model = one(found, spdx.ai_AIPackage)
    said = entries(model.ai_metric)
    assert {measured(result) for result in card.evaluations} <= said.keys()
    assert set(card.metrics) <= said.keys()
    names = {package.name for package in found.foreach_type(spdx.dataset_DatasetPackage)}
    assert {each.name for each in card.data.references} <= names if card.data is not None else True
    assert all(risk.description in model.ai_limitation for risk in card.risks)
    for stage in card.training:
        assert stage.process is None or stage.process in model.ai_informationAboutTraining


def test_the_model_says_what_the_card_says() -> None:
    model = one(export(full_card(), subject()), spdx.ai_AIPackage)
    assert (model.name, model.software_packageVersion, model.description) == ("encoder", "1.0", "Small.")
    assert model.releaseTime.isoformat() == "2026-11-23T12:00:00+00:00"
    assert (model.suppliedBy.name, [each.name for each in model.originatedBy]) == ("Tiny Lab", ["Ada"])
    assert model.software_downloadLocation == "https://example.org/x"
    assert model.software_packageUrl == "pkg:huggingface/tiny/encoder@c9745ed1"
    assert [each.hashValue for each in model.verifiedUsing] == ["1" * 64]
    assert [each.identifier for each in model.externalIdentifier] == [f"sha256:{'2' * 64}"]
    assert (list(model.ai_typeOfModel), list(model.ai_domain)) == (["transformer"], ["text-classification"])
    assert entries(model.ai_hyperparameter) == {
        "model.parameters": "22713216",
        "model.context_length": "512",
        "finetuning.lr": "2e-05",
        "finetuning.warm": "true",
    }
    assert entries(model.ai_metric) == {
        "accuracy / t / glue / test": "0.5",
        "hle / cais/hle": "20.9",
        "accuracy": None,
    }
    (energy,) = model.ai_energyConsumption.ai_finetuningEnergyConsumption
    assert (energy.ai_energyQuantity, energy.ai_energyUnit) == (
        12.5,
        f"{TERMS}AI/EnergyUnitType/kilowattHour",
    )
    assert "emissions in grams of CO2 equivalent: 4000" in model.ai_informationAboutTraining
    assert model.ai_informationAboutApplication.startswith("Intended use: Tests.")
    assert model.ai_limitation == "Knows nothing.\nbias: Some. (mitigation: Measure.)"
    assert model.ai_useSensitivePersonalInformation == f"{TERMS}Core/PresenceType/yes"
    assert model.ai_safetyRiskAssessment is None, "nobody graded it"
    assert {each.locator[0] for each in model.externalRef} == {
        "https://example.org/p",
        "https://example.org/aup",
    }


def test_files_are_contained_with_all_their_digests() -> None:
    found = export(full_card(), subject())
    files = {each.name: each for each in found.foreach_type(spdx.software_File)}
    assert files.keys() == {file.path for file in SUBJECT.files}
    for file in SUBJECT.files:
        hashes = {
            each.algorithm.rpartition("/")[2]: each.hashValue for each in files[file.path].verifiedUsing
        }
        assert hashes == {"sha256": file.sha256} | ({"blake3": file.blake3} if file.blake3 else {})
        assert ("can run code" in (files[file.path].comment or "")) == file.unsafe_to_load
    assert {to for from_, kind, to, _ in relations(found) if (from_, kind) == ("encoder", "contains")} == set(
        files
    )


def test_lineage_becomes_relationships_with_their_manner() -> None:
    found = export(full_card(), subject())
    told = relations(found)
    assert {each[1:] for each in told if each[1] in ("descendantOf", "trainedOn", "testedOn", "other")} == {
        ("descendantOf", "org/base", "quantized"),
        ("descendantOf", "unnamed", "merge"),
        ("descendantOf", "pkg:huggingface/org/other@c9745ed1", "the publisher does not say how"),
        ("trainedOn", "org/mails", "Stage: sft"),
        ("testedOn", "org/exam", ""),
        ("other", "org/more", "Used; the publisher does not say for what"),
        ("trainedOn", "org/c", "The card names it as training data"),
        ("testedOn", "glue", ""),
        ("testedOn", "cais/hle", ""),
        ("trainedOn", "partner/mails", "The card names it as training data"),
    }
    parents = {each.name: each for each in found.foreach_type(spdx.software_Package)}
    assert [each.hashValue for each in parents["org/base"].verifiedUsing] == ["3" * 64]
    assert [each.identifier for each in parents["unnamed"].externalIdentifier] == [f"sha256:{'5' * 64}"]


def test_a_data_set_is_as_its_own_statement_describes_it() -> None:
    found = export(full_card(), subject())
    mails = next(each for each in found.foreach_type(spdx.dataset_DatasetPackage) if each.name == "org/mails")
    assert (mails.description, mails.dataset_datasetSize) == ("Mails.", 1234)
    assert mails.dataset_dataCollectionProcess == "Asked for."
    assert mails.software_downloadLocation == "https://example.org/mails"
    assert mails.dataset_hasSensitivePersonalInformation.endswith("/yes")
    assert list(mails.dataset_anonymizationMethodUsed) == ["Names are numbers."]
    assert ("org/mails", "hasDeclaredLicense", "CC-BY-NC-4.0", "") in relations(found)


def test_every_package_has_one_declared_licence_and_nobody_concluded_anything() -> None:
    card = Card.model_validate(
        {
            "licenses": {
                "distribution": {"spdx": "MIT OR Apache-2.0"},
                "data": {"text": "Own terms", "url": "https://example.org/terms"},
            },
            "data": {"references": [{"name": "odd", "license": {"spdx": "Not-On-The-List"}}]},
        }
    )
    found = export(card, subject(lineage=None))
    told = {(from_, kind, to) for from_, kind, to, _ in relations(found) if kind.endswith("License")}
    assert ("encoder", "hasDeclaredLicense", "MIT OR Apache-2.0") in told
    assert ("encoder", "hasConcludedLicense", "NoAssertionLicense") in told
    texts = {
        each.name: each.simplelicensing_licenseText
        for each in found.foreach_type(spdx.simplelicensing_SimpleLicensingText)
    }
    assert texts.keys() == {"Own terms", "Not-On-The-List"}
    assert texts["Own terms"].endswith("so: Own terms, at https://example.org/terms")
    weights = next(file.path for file in SUBJECT.files if file.role == "weights")
    (reference,) = (to for from_, kind, to in told if from_ == weights)
    assert reference.startswith("LicenseRef-")
    silent = relations(export(Card()))
    assert ("model", "hasDeclaredLicense", "NoAssertionLicense", "") in silent


def test_the_ai_profile_is_claimed_only_where_all_that_it_asks_for_is_said() -> None:
    def profiles(of: ExportSubject | None) -> set[str]:
        document = one(export(full_card(), of), spdx.SpdxDocument)
        return {each.rpartition("/")[2] for each in document.profileConformance}

    assert "ai" in profiles(subject())
    assert "ai" not in profiles(None)
    assert "ai" not in profiles(subject(locations=()))
    assert "dataset" not in profiles(subject()), "nobody says when a data set was built"


def test_a_model_of_many_files_lists_so_many_and_says_what_is_missing() -> None:
    def file(number: int) -> ReleaseFile:
        told = {"path": f"{number:06}", "size": 1, "sha256": "a" * 64, "role": "other", "format": "unknown"}
        return ReleaseFile.model_validate(told | {"unsafe_to_load": False})

    many = tuple(map(file, range(MAX_FILES + 3)))
    exported = export_card(Card(), "spdx-3.0.1", subject(files=many))
    kinds = [element["type"] for element in json.loads(exported.text)["@graph"]]
    assert kinds.count("software_File") == MAX_FILES
    assert f"files: 3 of {MAX_FILES + 3:,}" in exported.lost


def test_another_lineage_or_description_makes_another_document() -> None:
    def root(of: ExportSubject) -> str:
        document = one(export(Card(), of), spdx.SpdxDocument)
        return str(document.spdxId)

    assert root(subject()) == root(subject())
    assert len({root(subject()), root(subject(lineage=None)), root(subject(datasets=()))}) == 3
