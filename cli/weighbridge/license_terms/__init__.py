# SPDX-License-Identifier: Apache-2.0
"""Licences along an edge: does what a child says of its licence keep what its parent's card asks for.

    check = compare_licenses(child, parent, relation="finetune", names=("my-model",))
    check.result             # "conflict", "unknown", "nothing found"
    check.words              # one sentence
    check.findings           # each obligation that is dropped, or may be

Everything here is pure: two stated licences in, a finding out, under a named ruleset (`RULESET`) that is
documented in docs/spec/license-terms.md. It compares what two cards say, by a small table of what licences
ask for. It reads no licence text, gives no legal advice, and never says that something is allowed.
"""

from __future__ import annotations

from .comparison import RULESET, compare_data_license, compare_licenses, unregistered_parent
from .reading import Part, Reading, read_license
from .stated import license_of_data, stated_license
from .table import OBLIGATIONS, LicenseRow, Obligation, row_of, rows

__all__ = [
    "OBLIGATIONS",
    "RULESET",
    "LicenseRow",
    "Obligation",
    "Part",
    "Reading",
    "compare_data_license",
    "compare_licenses",
    "license_of_data",
    "read_license",
    "row_of",
    "rows",
    "stated_license",
    "unregistered_parent",
]
