# SPDX-License-Identifier: Apache-2.0
"""Which licence a card states for a model's weights.

As with openness: that of the component *model parameters (final)*, else that of data (which the card says
includes parameters), else that of the whole distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from weighbridge_schemas.api import StatedLicense

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, License

__all__ = ["license_of_data", "stated_license"]

_WEIGHTS = "model_parameters_final"


def stated_license(
    card: Card | None, statement: str | None = None, files: Mapping[str, str] | None = None
) -> StatedLicense | None:
    """Return the licence that a card states for the weights; None if it states none.

    `statement` (bare hex) is the one that holds the card; `files` are SHA-256 digests by path, among which
    that of the licence's text is looked for.
    """
    if card is None:
        return None
    component = next((one for one in card.components if one.name == _WEIGHTS), None)
    licenses = card.licenses
    if component is not None and component.license is not None:
        return _stated(component.license, "weights", statement, files)
    if licenses is not None and licenses.data is not None:
        return _stated(licenses.data, "data", statement, files)
    if licenses is not None and licenses.distribution is not None:
        return _stated(licenses.distribution, "distribution", statement, files)
    return None


def license_of_data(license_: License | None, statement: str | None) -> StatedLicense | None:
    """Return the licence that somebody states for a data set."""
    return _stated(license_, "data set", statement, None) if license_ is not None else None


def _stated(
    license_: License,
    of: Literal["weights", "data", "distribution", "data set"],
    statement: str | None,
    files: Mapping[str, str] | None,
) -> StatedLicense:
    sha256 = files.get(license_.path) if files is not None and license_.path is not None else None
    return StatedLicense(
        spdx=license_.spdx,
        text=license_.text,
        url=license_.url,
        path=license_.path,
        sha256=sha256,
        of=of,
        statement=f"sha256:{statement}" if statement is not None else None,
    )
