# SPDX-License-Identifier: Apache-2.0
"""The published vectors of bundles, read as a stranger would: released bytes verify for ever."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import weighbridge_schemas
from weighbridge import bundles, certificates, identities, keys
from weighbridge.authentication import authenticate
from weighbridge.errors import RefusedError

FILE = Path(weighbridge_schemas.__file__).parent / "vectors" / "bundles.json"
VECTORS = json.loads(FILE.read_text())
CASES = [pytest.param(case, id=case["name"]) for case in VECTORS["cases"]]


def judged(case: dict[str, Any], mode: str) -> dict[str, Any]:
    known = [keys.load_public_key(pem.encode()) for pem in case.get("keys", ())]
    anchors = [certificates.load_certificates(pem.encode())[0] for pem in case.get("anchors", ())]
    now = datetime.fromisoformat(VECTORS["now"])
    try:
        bundle = bundles.parse_bundle(case["bundle"].encode(), strict=mode == "admission")
        proved = authenticate(bundle, keys=known, anchors=anchors, now=now)
    except RefusedError as error:
        return {"refused_at_step": error.step}
    return {
        "signer": json.loads(identities.canonical(proved.identity)),
        "signer_id": identities.signer_id(proved.identity),
        "statement_digest": f"sha256:{proved.statement_digest}",
    }


@pytest.mark.parametrize("mode", ["lenient", "admission"])
@pytest.mark.parametrize("case", CASES)
def test_a_published_bundle_is_judged_as_published(case: dict[str, Any], mode: str) -> None:
    assert judged(case, mode) == case[mode]


def test_each_step_and_both_modes_are_in_the_vectors() -> None:
    answers = {
        (mode, case[mode].get("refused_at_step"))
        for case in VECTORS["cases"]
        for mode in ("lenient", "admission")
    }
    assert answers == {(mode, step) for mode in ("lenient", "admission") for step in (None, 3, 4)}
