# SPDX-License-Identifier: Apache-2.0
"""What exports say of a release beside its card: from its signed documents, wherever they were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from weighbridge import identities, keys
from weighbridge.authentication import authenticate
from weighbridge.bundles import parse_bundle
from weighbridge.cards import ExportSubject
from weighbridge.errors import BundleError, SignerError, StatementError
from weighbridge.statements import parse_statement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from weighbridge.records import RecordLine
    from weighbridge_schemas.dataset import Dataset
    from weighbridge_schemas.lineage import Lineage
    from weighbridge_schemas.release import Release

__all__ = ["MAX_DESCRIPTIONS", "described_by", "export_subject", "signer_in_record"]

MAX_DESCRIPTIONS: Final = 64
"""Most data set statements that are read for one export; the lineage names them."""


def export_subject(
    release: Release,
    *,
    release_statement: str,
    card_statement: str,
    lineage: Lineage | None,
    signer: str = "",
    signer_id: str = "",
    datasets: Mapping[str, Dataset] | None = None,
) -> ExportSubject:
    """Return what an export says of a release. Statements and `signer_id` are bare hex."""
    return ExportSubject(
        name=release.name,
        namespace=release.namespace,
        version=release.version,
        released_at=release.released_at,
        model_digest=release.model.model_digest,
        weights_digest=release.model.weights_digest or "",
        statement=f"sha256:{card_statement}",
        release_statement=f"sha256:{release_statement}",
        files=release.model.files,
        lineage=lineage,
        locations=release.locations,
        signer=signer,
        signer_id=signer_id,
        datasets=datasets or {},
    )


def described_by(lineage: Lineage | None) -> list[str]:
    """Return the statements by which a lineage names its data sets, bare hex, each once; at most 64."""
    uses = lineage.datasets if lineage is not None else ()
    named = dict.fromkeys(use.statement.sha256 for use in uses if use.statement is not None)
    return list(named)[:MAX_DESCRIPTIONS]


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
