# SPDX-License-Identifier: Apache-2.0
"""One signed card in the formats that others read.

An export says what the other format can hold; `lost` names what it has no place for, so that nobody takes it
for the whole. The signed card stays the original: an export proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from weighbridge.errors import InputError

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.release import ReleaseFile

__all__ = ["FORMATS", "DescribedData", "ExportSubject", "Exported", "Format", "export_card"]


@dataclass(frozen=True, slots=True)
class DescribedData:
    """What a dataset/v1 statement says of a data set that the lineage names.

    `name` is the lineage's; `statement` is `sha256:<hex>`; `signer` says in words who signed it.
    """

    name: str
    statement: str
    signer: str
    dataset: Dataset


@dataclass(frozen=True, slots=True)
class ExportSubject:
    """Which release a card is of, as far as it is known; a card file alone knows nothing of it.

    Digests are `sha256:<hex>`; `released_at` is RFC 3339. `statement` is the card's, which may be a revision.
    `signer` says in words who signed the release, `signer_id` is bare hex.
    """

    name: str = ""
    namespace: str = ""
    version: str = ""
    released_at: str = ""
    model_digest: str = ""
    weights_digest: str = ""
    statement: str = ""
    files: tuple[ReleaseFile, ...] = ()
    lineage: Lineage | None = None
    locations: tuple[str, ...] = field(default=())
    release_statement: str = ""
    lineage_statement: str = ""
    signer: str = ""
    signer_id: str = ""
    datasets: tuple[DescribedData, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Exported:
    """A card in another format, and the members of the card that the format has no place for."""

    text: str
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that cards are written in. `title` is for people, `suffix` for file names."""

    write: Callable[[Card, ExportSubject], Exported]
    title: str
    media_type: str
    suffix: str


def export_card(card: Card, name: str, subject: ExportSubject | None = None) -> Exported:
    """Write a card in the format of a name in `FORMATS`; raises InputError for another name."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name}", hint=f"formats are {', '.join(FORMATS)}")
    return FORMATS[name].write(card, subject or ExportSubject())


def _huggingface(card: Card, subject: ExportSubject) -> Exported:
    from .huggingface import write_huggingface

    return write_huggingface(card, subject)


def _mof(card: Card, subject: ExportSubject) -> Exported:
    from .mof import write_mof

    return write_mof(card, subject)


def _spdx(card: Card, subject: ExportSubject) -> Exported:
    from .spdx import write_spdx

    return write_spdx(card, subject)


def _prov(card: Card, subject: ExportSubject) -> Exported:
    from weighbridge.prov import Provenance, describe_release

    document = Provenance()
    lost = describe_release(document, card, subject)
    return Exported(document.write(), lost)


def _cyclonedx(version: str) -> Callable[[Card, ExportSubject], Exported]:
    def write(card: Card, subject: ExportSubject) -> Exported:
        from .cyclonedx import write_cyclonedx

        return write_cyclonedx(card, subject, version)

    return write


def _documentation(form: Literal["markdown", "json"]) -> Callable[[Card, ExportSubject], Exported]:
    def write(card: Card, subject: ExportSubject) -> Exported:
        from .gpai_documentation import write_documentation

        return write_documentation(card, subject, form)

    return write


def _training_summary(form: Literal["markdown", "json"]) -> Callable[[Card, ExportSubject], Exported]:
    def write(card: Card, subject: ExportSubject) -> Exported:
        from .training_summary import write_training_summary

        return write_training_summary(card, subject, form)

    return write


_CYCLONEDX: Final = "application/vnd.cyclonedx+json"
_DOCUMENTATION: Final = "EU model documentation form"
_SUMMARY: Final = "EU public summary of training content"

FORMATS: Final[dict[str, Format]] = {
    "hf": Format(_huggingface, "Hugging Face front matter", "text/markdown", ".md"),
    "cyclonedx-1.6": Format(
        _cyclonedx("1.6"), "CycloneDX 1.6 ML-BOM", f"{_CYCLONEDX};version=1.6", ".cdx.json"
    ),
    "cyclonedx-1.7": Format(
        _cyclonedx("1.7"), "CycloneDX 1.7 ML-BOM", f"{_CYCLONEDX};version=1.7", ".cdx.json"
    ),
    "mof": Format(_mof, "Model Openness Tool", "application/yaml", ".mof.yml"),
    "spdx-3.0.1": Format(_spdx, "SPDX 3.0.1", "application/spdx+json", ".spdx3.json"),
    "prov-json": Format(_prov, "W3C PROV", "application/json", ".prov.json"),
    "eu-gpai-documentation": Format(
        _documentation("markdown"), _DOCUMENTATION, "text/markdown", ".eu-gpai-documentation.md"
    ),
    "eu-gpai-documentation-json": Format(
        _documentation("json"), f"{_DOCUMENTATION}, JSON", "application/json", ".eu-gpai-documentation.json"
    ),
    "eu-training-summary": Format(
        _training_summary("markdown"), _SUMMARY, "text/markdown", ".eu-training-summary.md"
    ),
    "eu-training-summary-json": Format(
        _training_summary("json"), f"{_SUMMARY}, JSON", "application/json", ".eu-training-summary.json"
    ),
}
"""What `card export --format` takes, and a registry answers at `…/exports/<format>`."""
