# SPDX-License-Identifier: Apache-2.0
"""Names of kinds and predicate types, free of pydantic so that a cold start stays fast."""

from __future__ import annotations

import re
from typing import Final, Literal, cast, get_args

__all__ = [
    "OMS_PREDICATE_TYPE",
    "PREDICATE_ROOT",
    "STATEMENT_TYPE",
    "Kind",
    "fold_name",
    "kind_of",
    "predicate_type",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
"""`_type` of every statement (in-toto attestation framework, Statement v1)."""

OMS_PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
"""Predicate type of OpenSSF Model Signing v1.0."""

PREDICATE_ROOT: Final = "https://weighbridge/"
"""Predicate types of ours are names below this root, not addresses to fetch."""

Kind = Literal[
    "oms",
    "release",
    "card",
    "lineage",
    "status",
    "namespace",
    "dataset",
    "advisory",
    "position",
    "disclosure",
    "deployment",
    "signer",
    "operator",
    "attestation",
]
"""Statement kinds; `attestation` is any predicate type that is not ours."""

_OURS: Final = re.compile(re.escape(PREDICATE_ROOT) + r"([a-z]+)/v1")
_NOT_OURS: Final = ("oms", "attestation")


def predicate_type(kind: str) -> str:
    """Return the in-toto predicate type of a kind, e.g. `release` → `https://weighbridge/release/v1`."""
    return OMS_PREDICATE_TYPE if kind == "oms" else f"{PREDICATE_ROOT}{kind}/v1"


def kind_of(predicate_type: str) -> Kind:
    """Return the kind of a predicate type; `attestation` for any that is not ours."""
    if predicate_type == OMS_PREDICATE_TYPE:
        return "oms"
    match = _OURS.fullmatch(predicate_type)
    if match and match[1] in get_args(Kind) and match[1] not in _NOT_OURS:
        return cast("Kind", match[1])
    return "attestation"


def fold_name(name: str) -> str:
    """Return the key under which a namespace or model name is unique: without case and `-_.`."""
    return re.sub(r"[-_.]", "", name).lower()
