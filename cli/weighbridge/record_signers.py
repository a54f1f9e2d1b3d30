# SPDX-License-Identifier: Apache-2.0
"""Whose key signed what a record file holds: as far as the record itself can tell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighbridge import identities, keys
from weighbridge.authentication import authenticate
from weighbridge.bundles import parse_bundle
from weighbridge.errors import BundleError, SignerError, StatementError
from weighbridge.statements import parse_statement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from weighbridge.records import RecordLine

__all__ = ["signer_in_record"]


def signer_in_record(lines: Iterable[RecordLine], statement: str) -> identities.Identity | None:
    """Return the key that signed a statement (bare hex), if the record introduces it and its signature holds.

    Certificates and online accounts need somebody whom the reader trusts, so of them nothing is said.
    """
    from weighbridge_schemas.signer import SignerIntroduction

    introduced: list[EllipticCurvePublicKey] = []
    wanted = None
    for line in lines:
        bundle = parse_bundle(line.bundle, strict=True)
        document = parse_statement(bundle.payload, strict=True).document()
        if isinstance(document, SignerIntroduction):
            introduced.append(keys.load_public_key(document.public_key.encode()))
        if bundle.statement_digest == statement:
            wanted = bundle
    if wanted is None:
        return None
    try:
        return authenticate(wanted, keys=introduced, now=datetime.now(UTC)).identity
    except (SignerError, BundleError, StatementError):
        return None
