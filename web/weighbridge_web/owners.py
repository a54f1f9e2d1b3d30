# SPDX-License-Identifier: Apache-2.0
"""Owners of a namespace in plain words."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from weighbridge_schemas.namespace import CertificateOwner, CiOwner, KeyOwner, SigstoreOwner
from weighbridge_web.formats import said

if TYPE_CHECKING:
    from weighbridge_schemas.namespace import Owner

__all__ = ["owner_fingerprint", "owner_words"]


def owner_words(owner: Owner) -> str:
    """Say who may sign: the holder of a key or certificate, an online account, a workflow."""
    match owner:
        case KeyOwner():
            return "whoever holds a key"
        case CertificateOwner():
            return f"whoever holds a certificate for {said(owner.subject, 300)} from one authority"
        case SigstoreOwner():
            return f"{said(owner.subject, 300)}, logged in at {said(owner.issuer, 300)}"
        case CiOwner():
            return (
                f"the workflow {said(owner.workflow_path, 300)} of repository no. {owner.repository_id} "
                f"(owner no. {owner.owner_id}) for {said(owner.ref_pattern, 200)}, "
                f"at {said(owner.issuer, 300)}"
            )


def owner_fingerprint(owner: Owner) -> str | None:
    """Return the SHA-256 of a key's SubjectPublicKeyInfo or of an anchor's certificate (DER), else None."""
    match owner:
        case KeyOwner():
            return _pem_digest(owner.public_key)
        case CertificateOwner():
            return _pem_digest(owner.anchor)
        case SigstoreOwner() | CiOwner():
            return None


def _pem_digest(pem: str) -> str | None:
    """Hash the DER inside one PEM block; the registry has checked what it is."""
    lines = [line for line in pem.strip().splitlines() if not line.startswith("-----")]
    try:
        return hashlib.sha256(base64.b64decode("".join(lines), validate=True)).hexdigest()
    except binascii.Error:
        return None
