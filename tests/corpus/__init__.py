# SPDX-License-Identifier: Apache-2.0
"""A corpus of hostile and broken signatures and models, each with the step that must refuse it and why.

`python -m tests.corpus FOLDER` writes it all, with an index, for other tools to be tried on; test_corpus.py
runs ours on it. `cases()` gives every case; the parts are in the modules beside this one.
"""

from __future__ import annotations

from .case import Case
from .envelopes import envelope_cases
from .files import file_cases
from .signers import signer_cases
from .statements import statement_cases

__all__ = ["Case", "cases"]


def cases() -> list[Case]:
    """Return all cases; names are unique."""
    found = [*envelope_cases(), *signer_cases(), *statement_cases(), *file_cases()]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found
