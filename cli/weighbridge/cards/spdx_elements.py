# SPDX-License-Identifier: Apache-2.0
"""Elements of an SPDX 3.0.1 document: their identifiers, relationships, licences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from weighbridge.openness import read_terms
from weighbridge.openness.spdx_list import VERSION

if TYPE_CHECKING:
    from weighbridge_schemas.card import License

__all__ = ["Elements", "digest_hash", "said"]


def said(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return members that say something."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def digest_hash(digest: str, words: str) -> Iterator[dict[str, Any]]:
    """Yield a digest that is over more than one file's bytes: SPDX calls its algorithm `other`."""
    if digest:
        hash_ = digest.removeprefix("sha256:")
        yield {"type": "Hash", "algorithm": "other", "hashValue": hash_, "comment": words}


class Elements:
    """The elements of one document, in the order in which they were written."""

    CREATION: Final = "_:creation"
    """Blank node of the one CreationInfo."""
    NO_LICENSE: Final = "expandedlicensing_NoAssertionLicense"
    """Individual for a licence of which nobody said anything."""

    def __init__(self, base: str) -> None:
        """Begin a document whose identifiers start with `base`."""
        self.found: list[dict[str, Any]] = []
        self._base = base
        self._licenses: dict[tuple[str | None, ...], str] = {}

    def id_of(self, name: str) -> str:
        """Return the identifier of an element, written or not."""
        return f"{self._base}{name}"

    def add(self, id_: str, kind: str, /, **members: Any) -> str:
        """Write an element with those of its members that say something; return its identifier."""
        whole = self.id_of(id_)
        self.found.append({"type": kind, "spdxId": whole, "creationInfo": self.CREATION, **said(members)})
        return whole

    def relate(self, id_: str, from_: str, kind: str, to: Iterable[str], *, comment: str = "") -> None:
        """Write a relationship."""
        members: dict[str, Any] = {"from": from_, "relationshipType": kind, "to": list(to)}
        self.add(f"relation-{id_}", "Relationship", comment=comment, **members)

    def license(self, stated: License | None) -> str:
        """Return the identifier of a licence, written once; of none, the individual that asserts nothing.

        Where SPDX has no identifier, or the stated expression is none, the licence is a `LicenseRef-`
        whose text says what the card does: its name and where its text is.
        """
        if stated is None:
            return self.NO_LICENSE
        key = (stated.spdx, stated.text, stated.url, stated.path)
        if key not in self._licenses:
            self._licenses[key] = self._license(f"license-{len(self._licenses)}", stated)
        return self._licenses[key]

    def _license(self, id_: str, stated: License) -> str:
        terms = read_terms(stated.spdx) if stated.spdx is not None else None
        if terms is not None and not terms.problem and not terms.unknown:
            return self._expression(id_, terms.expression)
        name = stated.spdx or stated.text or "unnamed"
        place = f", at {stated.url or stated.path}" if stated.url or stated.path else ""
        words = f"Not reproduced here. The card names it so: {name}{place}"
        text = self.add(
            f"{id_}-text", "simplelicensing_SimpleLicensingText", name=name, simplelicensing_licenseText=words
        )
        reference = f"LicenseRef-{hashlib.sha256(words.encode()).hexdigest()[:16]}"
        entry = {"type": "DictionaryEntry", "key": reference, "value": text}
        return self._expression(id_, reference, simplelicensing_customIdToUri=[entry])

    def _expression(self, id_: str, expression: str, **members: Any) -> str:
        return self.add(
            id_,
            "simplelicensing_LicenseExpression",
            simplelicensing_licenseExpression=expression,
            simplelicensing_licenseListVersion=VERSION,
            **members,
        )
