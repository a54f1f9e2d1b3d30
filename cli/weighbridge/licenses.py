# SPDX-License-Identifier: Apache-2.0
"""Licence names of the Hugging Face hub ↔ SPDX identifiers.

The hub's names are mostly SPDX identifiers in lower case. Names that several licences share
(`bsd`, `cc`, `gpl`) and licences that SPDX does not list have no entry: they stay text.
SPDX defines the bare GNU identifiers as `-only`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["hub_name", "spdx_id"]

_IDENTIFIERS: Final = [
    "0BSD",
    "AFL-3.0",
    "Apache-2.0",
    "Artistic-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSL-1.0",
    "C-UDA-1.0",
    "CC0-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "CDLA-Sharing-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "CECILL-2.1",
    "ECL-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "etalab-2.0",
    "EUPL-1.1",
    "EUPL-1.2",
    "ISC",
    "LPPL-1.3c",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "MS-PL",
    "MS-RL",
    "MulanPSL-2.0",
    "NCSA",
    "ODbL-1.0",
    "ODC-By-1.0",
    "OFL-1.1",
    "OSL-3.0",
    "PDDL-1.0",
    "PostgreSQL",
    "Python-2.0",
    "Unlicense",
    "UPL-1.0",
    "WTFPL",
    "Zlib",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
]

_OTHER_NAMES: Final = {
    "agpl-3.0": "AGPL-3.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "lgpl-lr": "LGPLLR",
    "c-uda": "C-UDA-1.0",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
}

_BY_NAME: Final = MappingProxyType({name.lower(): name for name in _IDENTIFIERS} | _OTHER_NAMES)

_HUB_NAMES: Final = MappingProxyType(
    {name: name.lower() for name in _IDENTIFIERS} | {spdx: name for name, spdx in _OTHER_NAMES.items()}
)


def spdx_id(name: str) -> str | None:
    """Return the SPDX identifier that a hub licence name means, ignoring case; None if it has none."""
    return _BY_NAME.get(name.strip().lower())


def hub_name(identifier: str) -> str | None:
    """Return the hub's name of an SPDX identifier; None if it has none, as for an expression."""
    return _HUB_NAMES.get(identifier)
