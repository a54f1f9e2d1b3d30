# SPDX-License-Identifier: Apache-2.0
"""Predicates of others that a registry admits beside its own kinds: an explicit list.

They are standards with specifications of their own, which allow unknown members; what is read here is what
tells them apart and makes one line of them. They are kept as signed, shown as their signer's word, and
never as the publisher's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from .base import Document, Line

__all__ = ["ADMITTED", "TEST_RESULT", "Attestation", "Form", "read_attestation"]

Result = Literal["passed", "warned", "failed"]

TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """A predicate type: its name for people, the longest payload taken, members with their JSON type."""

    name: str
    max_bytes: int
    members: tuple[tuple[str, type], ...]


ADMITTED: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "https://slsa.dev/provenance/v1": Form(
            "SLSA provenance", 4 * _MIB, (("buildDefinition", dict), ("runDetails", dict))
        ),
        "https://slsa.dev/verification_summary/v1": Form(
            "SLSA verification summary", _MIB, (("verifier", dict), ("verificationResult", str))
        ),
        "https://in-toto.io/attestation/svr/v0.1": Form(
            "Simple verification result", _MIB, (("verifier", dict), ("properties", list))
        ),
        TEST_RESULT: Form("Test result", _MIB, (("result", str), ("configuration", list))),
        "https://in-toto.io/attestation/vulns/v0.1": Form(
            "Vulnerability scan", 4 * _MIB, (("scanner", dict), ("metadata", dict))
        ),
        "https://in-toto.io/attestation/vulns/v0.2": Form(
            "Vulnerability scan", 4 * _MIB, (("scanner", dict), ("metadata", dict))
        ),
        "https://cyclonedx.org/bom": Form("CycloneDX bill of materials", 8 * _MIB, (("specVersion", str),)),
        "https://cyclonedx.org/bom/v1.6": Form(
            "CycloneDX bill of materials", 8 * _MIB, (("specVersion", str),)
        ),
        "https://cyclonedx.org/bom/v1.7": Form(
            "CycloneDX bill of materials", 8 * _MIB, (("specVersion", str),)
        ),
        "https://spdx.dev/Document": Form("SPDX document", 8 * _MIB, (("spdxVersion", str),)),
        "https://spdx.dev/Document/v2.3": Form("SPDX document", 8 * _MIB, (("spdxVersion", str),)),
        "https://spdx.dev/Document/v3": Form("SPDX document", 8 * _MIB, (("@graph", list),)),
    }
)
"""Predicate types that are admitted (docs/spec/attestation.md)."""

_RESULTS: Final[Mapping[str, Mapping[str, Result]]] = {
    TEST_RESULT: {"PASSED": "passed", "WARNED": "warned", "FAILED": "failed"},
    "https://slsa.dev/verification_summary/v1": {"PASSED": "passed", "FAILED": "failed"},
}
_RESULT_MEMBER: Final = {
    TEST_RESULT: "result",
    "https://slsa.dev/verification_summary/v1": "verificationResult",
}


class Attestation(Document):
    """What was read of a predicate of others."""

    predicate_type: Line
    """Its type, one of the admitted ones."""
    name: Line
    """What such a statement is called."""
    result: Result | None = None
    """What it found, for types that say so in one word."""


def read_attestation(predicate_type: str, predicate: Mapping[str, Any], size: int) -> Attestation:
    """Read a predicate of an admitted type from a payload of `size` bytes.

    Raises `ValueError`, naming what is wrong; `KeyError` for a type that is not admitted.
    """
    form = ADMITTED[predicate_type]
    if size > form.max_bytes:
        raise ValueError(f"the statement has {size} bytes; of this type at most {form.max_bytes} are taken")
    for member, kind in form.members:
        if member not in predicate:
            raise ValueError(f"{member} is missing")
        if not isinstance(predicate[member], kind):
            raise ValueError(f"{member} is not of the right type")  # noqa: TRY004 - of JSON, not of Python
    result: Result | None = None
    if predicate_type in _RESULTS:
        word = predicate[_RESULT_MEMBER[predicate_type]]
        result = _RESULTS[predicate_type].get(word)
        if result is None:
            words = ", ".join(_RESULTS[predicate_type])
            raise ValueError(f"{_RESULT_MEMBER[predicate_type]} is none of {words}")
    return Attestation(predicate_type=predicate_type, name=form.name, result=result)
