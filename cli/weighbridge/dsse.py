# SPDX-License-Identifier: Apache-2.0
"""Dead Simple Signing Envelope: the bytes that a signature is really made over.

Source: secure-systems-lab/dsse v1.0.0, protocol.md. A signature covers PAE(type, payload) and
nothing else of the envelope, so the statement digest is taken over exactly these bytes: two
bundles with one digest say the same, however differently they are wrapped (DESIGN section 1).
"""

from __future__ import annotations

import hashlib

__all__ = ["IN_TOTO", "legacy_pae", "pae", "statement_digest"]

IN_TOTO = "application/vnd.in-toto+json"
"""Payload type of an in-toto statement: the only one that weighbridge and OMS know."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding of a payload: what is signed.

    `DSSEv1 SP LEN(type) SP type SP LEN(payload) SP payload`, lengths in bytes, decimal ASCII.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def legacy_pae(payload_type: str, payload: bytes) -> bytes:
    """Return what model-signing 0.2 signed by mistake: another first word, the payload as Python shows it.

    For verifying its statements only (OMS section 11.2); never to be signed again.
    """
    return f"DSSEV1 {len(payload_type)} {payload_type} {len(payload)} {payload!r}".encode()


def statement_digest(payload_type: str, payload: bytes) -> str:
    """Return the bare lowercase hex SHA-256 of the PAE: how statements refer to each other."""
    return hashlib.sha256(pae(payload_type, payload)).hexdigest()
