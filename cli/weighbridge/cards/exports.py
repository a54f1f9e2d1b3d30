# SPDX-License-Identifier: Apache-2.0
"""One signed card in the formats that others read.

An export says what the other format can hold; `lost` names what it has no place for, so that nobody takes it
for the whole. The signed card stays the original: an export proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from weighbridge.errors import InputError

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.release import ReleaseFile

__all__ = ["FORMATS", "ExportSubject", "Exported", "export_card"]


@dataclass(frozen=True, slots=True)
class ExportSubject:
    """Which release a card is of, as far as it is known; a card file alone knows nothing of it.

    Digests are `sha256:<hex>`; `released_at` is RFC 3339. `signer` says in words who signed the release,
    `signer_id` is bare hex. `datasets` are descriptions that the lineage names, by their statement digest.
    """

    name: str = ""
    namespace: str = ""
    version: str = ""
    released_at: str = ""
    model_digest: str = ""
    weights_digest: str = ""
    statement: str = ""
    """Statement that the card is from: the release or its newest card revision."""
    release_statement: str = ""
    files: tuple[ReleaseFile, ...] = ()
    lineage: Lineage | None = None
    locations: tuple[str, ...] = field(default=())
    signer: str = ""
    signer_id: str = ""
    datasets: Mapping[str, Dataset] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exported:
    """A card in another format, and the members of the card that the format has no place for."""

    text: str
    lost: tuple[str, ...]


def export_card(card: Card, name: str, subject: ExportSubject | None = None) -> Exported:
    """Write a card in the format of a name in `FORMATS`; raises InputError for another name."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name}", hint=f"formats are {', '.join(FORMATS)}")
    return FORMATS[name](card, subject or ExportSubject())


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


FORMATS: Final[dict[str, Callable[[Card, ExportSubject], Exported]]] = {
    "hf": _huggingface,
    "cyclonedx-1.6": _cyclonedx("1.6"),
    "cyclonedx-1.7": _cyclonedx("1.7"),
    "mof": _mof,
    "spdx-3.0.1": _spdx,
    "prov-json": _prov,
}
"""What `card export --format` takes."""
