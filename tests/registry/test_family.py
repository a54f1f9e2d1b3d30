# SPDX-License-Identifier: Apache-2.0
"""A real model's family, published without a word of where it is from: the registry finds who is related."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests import families
from tests.families import WORDS, changed, noise, table_of, weighed
from tests.registry.publishers import Publisher
from tests.registry.test_likenesses import Lab

pytestmark = [pytest.mark.needs("model"), pytest.mark.xdist_group("family")]


RELATIVES = ("base", "sharded", "half", "Q8_0", "Q4_0", "tuned", "trained-on", "merged")


@pytest.fixture
def lab(client: TestClient, publisher: Publisher, tmp_path: Path) -> Lab:
    """Everybody in the order in which they were made. Two say where they are from, one of them falsely."""
    lab = Lab(client, publisher)
    weights = families.real_weights()
    small = {name: value for name, value in weights.items() if name != WORDS}
    other, merged = families.merge(weights)
    lab.publish("base", table_of(weights, tmp_path / "base"))
    families.reshard(weights, tmp_path / "sharded")
    lab.publish("sharded", weighed(tmp_path / "sharded"))
    lab.publish("half", table_of(families.half(weights), tmp_path / "half"))
    for kind in ("Q8_0", "Q4_0"):
        families.quantise(weights, tmp_path / kind, kind)
        lab.publish(kind, weighed(tmp_path / kind))
    lab.publish("tuned", table_of(families.tune_a_layer(weights), tmp_path / "tuned"))
    lab.publish("trained-on", table_of(changed(small, noise(0.3)), tmp_path / "trained"))
    lab.publish("second", table_of(other, tmp_path / "second"))
    lab.publish("merged", table_of(merged, tmp_path / "merged"))
    lab.publish("stranger", table_of(families.stranger(weights, 11), tmp_path / "stranger"))
    lora = table_of(families.adapter(weights), tmp_path / "adapter")
    lab.publish("adapter", lora, lab.of("base", "adapter"))
    fake = table_of(families.stranger(weights, 12), tmp_path / "fake")
    lab.publish("fake", fake, lab.of("base", "quantized"))
    return lab


def noticed(lab: Lab, name: str) -> dict[str, str]:
    """Return what is proposed as parents of a release."""
    found = lab.lineage_of(name) or {"proposed": []}
    return {edge["model"]: edge["match"]["finding"] for edge in found["proposed"]}


def test_relatives_are_found_and_strangers_are_not(lab: Lab) -> None:
    found = {name: noticed(lab, name) for name in (*RELATIVES, "second")}
    assert found["base"] == {}
    assert found["sharded"] == {"base": "equal"}
    assert found["half"] == {"base": "resembles"}
    for name in ("Q8_0", "Q4_0"):
        assert found[name]["base"] == "resembles"
    assert found["tuned"]["base"] == "shares"
    assert found["trained-on"]["base"] == "resembles"
    assert found["merged"].items() >= {"base": "resembles", "second": "resembles"}.items()
    for parents in found.values():
        assert parents.keys() <= {*RELATIVES, "second"}
    for name in ("stranger", "fake"):
        assert noticed(lab, name) == {}
    (edge,) = lab.lineage_of("adapter")["parents"]
    assert (edge["level"], edge["match"]["finding"], edge["contradicted"]) == (2, "fits", False)
    (edge,) = lab.lineage_of("fake")["parents"]
    assert (edge["level"], edge["contradicted"]) == (2, True)
