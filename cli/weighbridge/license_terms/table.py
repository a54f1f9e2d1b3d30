# SPDX-License-Identifier: Apache-2.0
"""What licences ask of those who share what is made from a work: a small table, each row with its source.

A row is only here if its terms are plain; all else is unknown, and said to be. Of a licence that asks to keep
its terms, `passes_as` lists the licences under which what is made from it may be shared, itself included.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from weighbridge.licenses import spdx_id
from weighbridge.openness import spdx_list

__all__ = ["OBLIGATIONS", "LicenseRow", "Obligation", "row_of", "rows", "same_license"]

Obligation: TypeAlias = Literal[
    "non_commercial", "no_derivatives", "share_alike", "use_restrictions", "naming", "attribution"
]
"""What a licence may ask for, in the order in which it is told."""
OBLIGATIONS: Final[tuple[Obligation, ...]] = get_args(Obligation)


@dataclass(frozen=True, slots=True)
class LicenseRow:
    """What one licence asks for. `source` is where its text is; `begins` is what names must begin with."""

    identifier: str
    asks: frozenset[Obligation]
    source: str
    passes_as: frozenset[str] = frozenset()
    begins: str = ""


_FREE: Final = "CC0-1.0 CC-PDDC PDDL-1.0 0BSD MIT-0 Unlicense WTFPL"
_NAMED: Final = (
    "Apache-2.0 AFL-3.0 BlueOak-1.0.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 ECL-2.0 ISC MIT "
    "CDLA-Permissive-1.0 CDLA-Permissive-2.0 etalab-2.0 MS-PL MulanPSL-2.0 NCSA ODC-By-1.0 OpenMDW-1.0 "
    "PostgreSQL Python-2.0 UPL-1.0 Zlib"
)
"""Licences that ask to keep notices and names, and nothing that this table has a word for beside."""

_GPL2: Final = ("GPL-2.0-only", "GPL-2.0-or-later")
_GPL3: Final = ("GPL-3.0-only", "GPL-3.0-or-later")
_AGPL3: Final = ("AGPL-3.0-only", "AGPL-3.0-or-later")
_LGPL: Final = ("LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later")
_OR_LATER: Final = ("GPL-3.0-or-later", "AGPL-3.0-or-later", "LGPL-3.0-or-later")
_EUPL: Final = ("EUPL-1.1", "EUPL-1.2")
_CECILL: Final = ("CECILL-2.0", "CECILL-2.1")
_GNU: Final = (*_GPL2, *_GPL3, *_AGPL3)

_SHARED: Final[dict[str, tuple[str, ...]]] = {
    "AGPL-3.0-only": ("AGPL-3.0-only",),
    "AGPL-3.0-or-later": _AGPL3,
    "CDLA-Sharing-1.0": ("CDLA-Sharing-1.0",),
    "CECILL-2.1": (*_CECILL, *_GNU, *_EUPL),
    "EPL-1.0": ("EPL-1.0", "EPL-2.0"),
    "EPL-2.0": ("EPL-2.0",),
    "EUPL-1.1": (*_EUPL, *_GPL2, "OSL-2.1", "OSL-3.0", "EPL-1.0", "CECILL-2.0"),
    "EUPL-1.2": (
        *(*_EUPL, *_GNU, *_LGPL, *_CECILL, "OSL-2.1", "OSL-3.0", "EPL-1.0", "MPL-2.0"),
        *("CC-BY-SA-3.0", "LiLiQ-R-1.1", "LiLiQ-Rplus-1.1"),
    ),
    "GFDL-1.3-only": ("GFDL-1.3-only",),
    "GFDL-1.3-or-later": ("GFDL-1.3-only", "GFDL-1.3-or-later"),
    "GPL-2.0-only": ("GPL-2.0-only",),
    "GPL-2.0-or-later": (*_GPL2, *_GPL3, *_AGPL3),
    "GPL-3.0-only": ("GPL-3.0-only", "AGPL-3.0-only"),
    "GPL-3.0-or-later": (*_GPL3, *_AGPL3),
    "LGPL-2.1-only": ("LGPL-2.1-only", *_GNU),
    "LGPL-2.1-or-later": (*_LGPL, *_GNU),
    "LGPL-3.0-only": ("LGPL-3.0-only", "GPL-3.0-only", "AGPL-3.0-only"),
    "LGPL-3.0-or-later": ("LGPL-3.0-only", "LGPL-3.0-or-later", *_GPL3, *_AGPL3),
    "MPL-2.0": ("MPL-2.0", *_GNU, *_LGPL),
    "MS-RL": ("MS-RL",),
    "ODbL-1.0": ("ODbL-1.0",),
    "OSL-3.0": ("OSL-3.0",),
    "SSPL-1.0": ("SSPL-1.0",),
}
"""Licences that ask for themselves, and what they accept in their place by their own words."""

_RESTRICTED: Final[dict[str, tuple[tuple[Obligation, ...], str]]] = {
    "BUSL-1.1": (("use_restrictions",), ""),
    "C-UDA-1.0": (("use_restrictions",), ""),
    "Elastic-2.0": (("use_restrictions",), ""),
    "Hippocratic-2.1": (("use_restrictions",), ""),
    "PolyForm-Noncommercial-1.0.0": (("non_commercial",), ""),
    "llama2": (("use_restrictions",), "https://ai.meta.com/llama/license/"),
    "llama3": (("use_restrictions", "naming"), "https://llama.meta.com/llama3/license/"),
    "llama3.1": (("use_restrictions", "naming"), "https://www.llama.com/llama3_1/license/"),
    "llama3.2": (("use_restrictions", "naming"), "https://www.llama.com/llama3_2/license/"),
    "llama3.3": (("use_restrictions", "naming"), "https://www.llama.com/llama3_3/license/"),
    "llama4": (("use_restrictions", "naming"), "https://www.llama.com/llama4/license/"),
    "gemma": (("use_restrictions",), "https://ai.google.dev/gemma/terms"),
    "openrail": (("use_restrictions",), "https://www.licenses.ai/"),
    "openrail++": (
        ("use_restrictions",),
        "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
    ),
    "creativeml-openrail-m": (
        ("use_restrictions",),
        "https://huggingface.co/spaces/CompVis/stable-diffusion-license",
    ),
    "bigscience-openrail-m": (
        ("use_restrictions",),
        "https://huggingface.co/spaces/bigscience/license",
    ),
    "bigscience-bloom-rail-1.0": (
        ("use_restrictions",),
        "https://huggingface.co/spaces/bigscience/license",
    ),
    "bigcode-openrail-m": (
        ("use_restrictions",),
        "https://huggingface.co/spaces/bigcode/bigcode-model-license-agreement",
    ),
    "deepfloyd-if-license": (
        ("non_commercial", "use_restrictions"),
        "https://github.com/deep-floyd/IF/blob/develop/LICENSE-MODEL",
    ),
    "fair-noncommercial-research-license": (
        ("non_commercial", "use_restrictions"),
        "https://huggingface.co/facebook/fair-noncommercial-research-license/blob/main/LICENSE",
    ),
}
"""Licences that ask to pass on restrictions; those of models under the hub's names, with their address."""

_BEGINS: Final = {"llama3": "Llama 3"} | dict.fromkeys(
    ("llama3.1", "llama3.2", "llama3.3", "llama4"), "Llama"
)
_CC: Final = re.compile(r"CC-BY(?P<nc>-NC)?(?P<last>-SA|-ND)?-(?P<version>[1-4]\.[05])(?:-[A-Z]+)?")
_NAMES: Final = (
    (re.compile(r"(?:meta )?llama[ -]?(2|3|3\.[123]|4)(?: community license(?: agreement)?)?"), "llama{}"),
    (re.compile(r"gemma(?: terms of use)?()"), "gemma{}"),
)
"""Names of licences of models as people write them, in lower case, beside the hub's."""
_OLD_NAMES: Final = re.compile(r"(?P<bare>A?GPL-[0-9.]+|LGPL-[0-9.]+|GFDL-[0-9.]+)(?P<later>\+)?")


def same_license(name: str) -> str:
    """Return the one identifier for a licence that has several: `GPL-3.0+`, `Llama 3.1 Community License`."""
    old = _OLD_NAMES.fullmatch(name)
    if old is not None:
        return f"{old['bare']}-{'or-later' if old['later'] else 'only'}"
    if name in spdx_list.IDENTIFIERS:
        return name
    lower = " ".join(name.casefold().split())
    for pattern, form in _NAMES:
        if (match := pattern.fullmatch(lower)) is not None:
            return form.format(match[1])
    return lower if lower in _RESTRICTED else spdx_id(name) or name


def row_of(identifier: str) -> LicenseRow | None:
    """Return what a licence asks for, by its SPDX identifier or the hub's name; None if it is not here."""
    return _table().get(identifier)


def rows() -> tuple[LicenseRow, ...]:
    """Return the whole table."""
    return tuple(_table().values())


@functools.cache
def _table() -> dict[str, LicenseRow]:
    found = {row.identifier: row for row in (*_plain(), *_creative_commons())}
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def _plain() -> Iterator[LicenseRow]:
    for one in _FREE.split():
        yield _row(one, ())
    for one in _NAMED.split():
        yield _row(one, ("attribution",))
    for one, passes_as in _SHARED.items():
        yield _row(one, ("attribution", "share_alike"), passes_as=passes_as)
    for one, (asks, source) in _RESTRICTED.items():
        kept = ("attribution", *asks)
        yield _row(one, kept, source=source, passes_as=(one,), begins=_BEGINS.get(one, ""))


def _creative_commons() -> Iterator[LicenseRow]:
    """Yield the licences of Creative Commons by their elements, ported versions included."""
    for one in sorted(spdx_list.IDENTIFIERS):
        match = _CC.fullmatch(one)
        if match is None:
            continue
        asks: list[Obligation] = ["attribution"]
        if match["nc"]:
            asks.append("non_commercial")
        if match["last"]:
            asks.append("share_alike" if match["last"] == "-SA" else "no_derivatives")
        shared = _later(match) if match["last"] == "-SA" else ()
        yield _row(one, asks, passes_as=shared)


def _later(own: re.Match[str]) -> Iterator[str]:
    """Yield the licences with the same elements, of the same version or a later one, and what 4.0 accepts."""
    for one in spdx_list.IDENTIFIERS:
        match = _CC.fullmatch(one)
        if match is None or (match["nc"], match["last"]) != (own["nc"], own["last"]):
            continue
        if match["version"] >= own["version"]:
            yield one
    if own["version"] == "4.0" and not own["nc"]:
        yield from ("LAL-1.3", *_GPL3)


def _row(
    identifier: str,
    asks: Iterable[Obligation],
    *,
    source: str = "",
    passes_as: Iterable[str] = (),
    begins: str = "",
) -> LicenseRow:
    place = source or f"https://spdx.org/licenses/{identifier}.html"
    return LicenseRow(identifier, frozenset(asks), place, frozenset(passes_as), begins)
