# SPDX-License-Identifier: Apache-2.0
"""What commands print with `--json`, and what every command prints for an error.

A report is for programs on the same machine: it is not signed and proves nothing to anybody else. `v` counts
up when a member changes its meaning; members may be added at any time, so a reader ignores what it does not
know. The command line makes these documents by hand, because pydantic would double its start-up time; tests
hold its real output against the schema.
"""

from __future__ import annotations

from .cards import (
    CardCheckReport,
    CardDiffReport,
    CardExportReport,
    CardInitReport,
    CardReviseReport,
    CardShowReport,
)
from .forms import ErrorReport
from .logs import (
    AllowReport,
    ExportReport,
    FsckReport,
    KeyReport,
    LogReport,
    LogsReport,
    MirrorReport,
    MonitorAlertReport,
    MonitorRunReport,
    MoveReport,
    NamespaceReport,
    OwnersReport,
    ReassignReport,
    RebuildReport,
    RestoreReport,
    TakedownReport,
)
from .models import (
    CachedReport,
    CompareReport,
    DeclareReport,
    IdentifyNameReport,
    IdentifyReport,
    LineageCheckReport,
    LineageExportReport,
    LineageImpactReport,
    LineageReviseReport,
    LineageShowReport,
    PolicyCheckReport,
    PolicyExplainReport,
    PolicyInitReport,
    PublishReport,
    SignReport,
    VerifyReport,
    WeighReport,
)

__all__ = [
    "AllowReport",
    "CachedReport",
    "CardCheckReport",
    "CardDiffReport",
    "CardExportReport",
    "CardInitReport",
    "CardReviseReport",
    "CardShowReport",
    "CompareReport",
    "DeclareReport",
    "ErrorReport",
    "ExportReport",
    "FsckReport",
    "IdentifyNameReport",
    "IdentifyReport",
    "KeyReport",
    "LineageCheckReport",
    "LineageExportReport",
    "LineageImpactReport",
    "LineageReviseReport",
    "LineageShowReport",
    "LogReport",
    "LogsReport",
    "MirrorReport",
    "MonitorAlertReport",
    "MonitorRunReport",
    "MoveReport",
    "NamespaceReport",
    "OwnersReport",
    "PolicyCheckReport",
    "PolicyExplainReport",
    "PolicyInitReport",
    "PublishReport",
    "ReassignReport",
    "RebuildReport",
    "RestoreReport",
    "SignReport",
    "TakedownReport",
    "VerifyReport",
    "WeighReport",
]
