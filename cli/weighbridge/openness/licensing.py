# SPDX-License-Identifier: Apache-2.0
"""What a licence expression allows: is it open, and is it made for what it is put on.

Openness is the Model Openness Tool's: approved by the Open Source Initiative, free by the Free Software
Foundation's list (both as SPDX marks them), on the tool's list of open data licences, or OpenMDW-1.0. Of
`A OR B` one open licence is enough, since the user chooses; `A AND B` needs both.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from . import spdx_list

if TYPE_CHECKING:
    from license_expression import Licensing

    from .components import Content

__all__ = ["OPEN_DATA", "Terms", "parse_expression", "read_terms"]

_OPEN_DATA_FORM: Final = re.compile(
    r"CC0-1\.0|CC-BY(?:-SA)?-[0-9].*|CDLA-.*|OGL-.*|ODC-By-1\.0|ODbL-1\.0|PDDL-1\.0|GFDL-1\.3.*"
)
_DOCUMENT_FORM: Final = re.compile(
    r"CC0-1\.0|CC-(?:BY|PDDC).*|GFDL-.*|FreeBSD-DOC|OGL-.*|FDK-AAC|LAL-.*|OPL-.*|OPUBL-.*"
)
_DATA_FORM: Final = re.compile(
    r"CC0-1\.0|CC-(?:BY|PDDC).*|CDLA-.*|C-UDA-1\.0|OGL-.*|ODC-By-1\.0|ODbL-1\.0|PDDL-1\.0|DL-DE-.*|etalab-.*"
)
_ANY_CONTENT: Final = "OpenMDW-1.0"
_MOST_CHARACTERS: Final = 512

OPEN_DATA: Final = frozenset(one for one in spdx_list.IDENTIFIERS if _OPEN_DATA_FORM.fullmatch(one))
"""The open data licences: the tool's list, with its families in SPDX's identifiers."""

_OPEN: Final = spdx_list.OSI_APPROVED | spdx_list.FSF_LIBRE | OPEN_DATA | {_ANY_CONTENT}


@dataclass(frozen=True, slots=True)
class Terms:
    """One licence expression, read.

    `expression` is in SPDX's spelling, or the text as it was given where it cannot be read; then `problem`
    says why, and it counts as not open. `unknown` are identifiers that the SPDX list does not have.
    """

    expression: str
    is_open: bool
    osi_approved: bool
    fits: frozenset[Content]
    """Kinds of content that it is made for."""
    unknown: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    problem: str = ""


@functools.lru_cache(maxsize=1024)
def read_terms(expression: str) -> Terms:
    """Read an SPDX licence expression; never raises, since a card may hold anything of its form."""
    nothing: frozenset[Content] = frozenset()
    parsed = parse_expression(expression)
    if parsed is None:
        return Terms(expression, False, False, nothing, problem="is no SPDX licence expression")
    try:
        return _terms(parsed)
    except (RecursionError, ValueError):
        return Terms(expression, False, False, nothing, problem="is no SPDX licence expression")


def parse_expression(expression: str) -> Any:
    """Return the tree of a licence expression as `license_expression` has it; None if it cannot be read."""
    from license_expression import ExpressionError, ExpressionParseError

    try:
        return _licensing().parse(expression[:_MOST_CHARACTERS], simple=False)
    except (ExpressionError, ExpressionParseError, RecursionError, AttributeError, TypeError, IndexError):
        return None


@functools.cache
def _licensing() -> Licensing:
    """Return a reader of expressions that knows exactly the identifiers of our list."""
    from license_expression import LicenseSymbol, Licensing

    symbols = [LicenseSymbol(one) for one in sorted(spdx_list.IDENTIFIERS)]
    exceptions = [LicenseSymbol(one, is_exception=True) for one in sorted(spdx_list.EXCEPTIONS)]
    return Licensing([*symbols, *exceptions])


def _terms(parsed: Any) -> Terms:
    from license_expression import LicenseWithExceptionSymbol

    operands = getattr(parsed, "args", ())
    if operands:
        parts = [_terms(operand) for operand in operands]
        either = str(parsed.operator).strip().upper() == "OR"
        return _joined(parsed.render("{symbol.key}"), parts, either=either)
    unknown: list[str] = []
    symbol = parsed
    if isinstance(parsed, LicenseWithExceptionSymbol):
        symbol = parsed.license_symbol
        if parsed.exception_symbol.key not in spdx_list.EXCEPTIONS:
            unknown.append(parsed.exception_symbol.key)
    identifier = _or_later(symbol.key)
    if " " in identifier:
        raise ValueError("two identifiers without an operator")
    if identifier not in spdx_list.IDENTIFIERS:
        unknown.append(identifier)
    return Terms(
        expression=parsed.render("{symbol.key}"),
        is_open=identifier in _OPEN and not unknown,
        osi_approved=identifier in spdx_list.OSI_APPROVED and not unknown,
        fits=_made_for(identifier),
        unknown=tuple(unknown),
        deprecated=(identifier,) if identifier in spdx_list.DEPRECATED else (),
    )


def _or_later(identifier: str) -> str:
    """Read `X+` as X: later versions are a choice of the user."""
    bare = identifier.removesuffix("+")
    return identifier if identifier in spdx_list.IDENTIFIERS else bare


def _made_for(identifier: str) -> frozenset[Content]:
    if identifier == _ANY_CONTENT:
        return frozenset(("code", "data", "document"))
    found: set[Content] = set()
    if _DATA_FORM.fullmatch(identifier):
        found.add("data")
    if _DOCUMENT_FORM.fullmatch(identifier):
        found.add("document")
    if not found and identifier in spdx_list.OSI_APPROVED | spdx_list.FSF_LIBRE:
        found.add("code")
    return frozenset(found)


def _joined(expression: str, parts: list[Terms], *, either: bool) -> Terms:
    """Join the operands of OR (one is enough) or AND (all are needed)."""
    enough = any if either else all
    chosen = [part.fits for part in parts if part.is_open or not either] or [parts[0].fits]
    first, *others = chosen
    fits = first.union(*others) if either else first.intersection(*others)
    return Terms(
        expression=expression,
        is_open=enough(part.is_open for part in parts),
        osi_approved=enough(part.osi_approved for part in parts),
        fits=fits,
        unknown=tuple(dict.fromkeys(one for part in parts for one in part.unknown)),
        deprecated=tuple(dict.fromkeys(one for part in parts for one in part.deprecated)),
    )
