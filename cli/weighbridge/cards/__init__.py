# SPDX-License-Identifier: Apache-2.0
"""Cards: read from what publishers have, written for what others read, compared.

Bytes and documents in, documents out; nothing here reads a file or asks anybody.

    card_from_readme, card_from_model   a hub's repository → card
    read_card, card_template            a card file of one's own, and a commented one to fill in
    read_mof                            a file of the Model Openness Tool → card
    export_card                         front matter, CycloneDX, the Model Openness Tool's YAML, EU forms
    compare_cards                       what changed between two
"""

from __future__ import annotations

from .comparison import MemberChange, compare_cards
from .exports import FORMATS, DescribedData, Exported, ExportSubject, Format, export_card
from .files import MAX_CARD_BYTES, card_template, is_readme, read_card
from .models import MAX_SIDE_FILES, card_from_model, side_files
from .mof import read_mof
from .readmes import MAX_README_BYTES, FrontMatter, card_from_readme, split_readme

__all__ = [
    "FORMATS",
    "MAX_CARD_BYTES",
    "MAX_README_BYTES",
    "MAX_SIDE_FILES",
    "DescribedData",
    "ExportSubject",
    "Exported",
    "Format",
    "FrontMatter",
    "MemberChange",
    "card_from_model",
    "card_from_readme",
    "card_template",
    "compare_cards",
    "export_card",
    "is_readme",
    "read_card",
    "read_mof",
    "side_files",
    "split_readme",
]
