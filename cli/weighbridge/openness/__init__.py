# SPDX-License-Identifier: Apache-2.0
"""How open a model is by its own signed card: class of the Model Openness Framework, OSAID checklist.

    assessment = assess(card, Evidence(files={"model.safetensors": sha256}))
    assessment.class_        # 1, 2, 3, or 0
    assessment.missing       # what the next class needs
    checklist(card, assessment)
    describe_openness(card)  # both, as the API's document

Everything here is pure: a card in, a finding out, under a named ruleset (`RULESET`).
"""

from __future__ import annotations

from .components import BY_NAME, COMPONENTS, ComponentRule
from .documents import describe_openness
from .licensing import OPEN_DATA, Terms, read_terms
from .mof import RULESET, Assessment, ComponentFinding, Evidence, Progress, assess
from .osaid import DEFINITION, OsaidRow, checklist

__all__ = [
    "BY_NAME",
    "COMPONENTS",
    "DEFINITION",
    "OPEN_DATA",
    "RULESET",
    "Assessment",
    "ComponentFinding",
    "ComponentRule",
    "Evidence",
    "OsaidRow",
    "Progress",
    "Terms",
    "assess",
    "checklist",
    "describe_openness",
    "read_terms",
]
