# SPDX-License-Identifier: Apache-2.0
"""Entries whose bundle cannot be read any more: what they did, by the operator's word.

Each entry commits to its own effect: the digest of the facts that it wrote is a fact, too. So a
takedown cannot lie about what the withheld statement did to anybody who replayed the log before,
and whoever replays it later takes the facts from the operator, checked against the logged
decision, and knows from which entry on the state rests on that word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weighbridge.errors import LogError
from weighbridge.leaves import Leaf
from weighbridge.withholding import effect_of

from .change import Change
from .facts import Fact, State, check_place

__all__ = ["WithheldEntry", "apply_withheld", "effect_facts", "is_withheld", "placed", "withheld_key"]

_LOGGED: Final = re.compile(r"logged/([0-9a-f]{64})/([0-9a-f]{64})")
_ALWAYS: Final = ("logged/", "signer/", "log/head", "bundle/")
_WRITES: Final[Mapping[str, tuple[str, ...]]] = {
    "oms": (),
    "signer": ("introduction/", "key/"),
    "namespace": ("namespace/", "key/", "anchors/"),
    "release": ("version/", "release/", "model/", "first/", "parents/"),
    "card": ("card/",),
    "lineage": ("lineage/", "parents/"),
    "status": ("status/",),
    "dataset": ("dataset/",),
    "advisory": ("advisory/", "advisories/"),
    "position": ("position/",),
    "disclosure": ("disclosure/",),
    "deployment": ("deployment/",),
    "attestation": (),
}
"""What an entry of a kind writes beside what every entry does: nothing else may be claimed of it."""


@dataclass(frozen=True, slots=True)
class WithheldEntry:
    """What is known of an entry without its bundle."""

    index: int
    leaf: Leaf
    kind: str
    statement: str
    """Statement digest, bare hex, as the operator says."""
    signer: str
    """Signer id, bare hex, as the operator says."""
    facts: dict[str, Fact] = field(repr=False)
    namespace: str | None = None
    release: int | None = None


def withheld_key(target: str, sha256: str) -> str:
    """Return the key of the fact that a bundle or an attachment (bare hex) is withheld."""
    return f"withheld/{target}/{sha256}"


def is_withheld(state: State, target: str, sha256: str) -> Fact | None:
    """Return the decision in force about a bundle or an attachment (bare hex), or None."""
    found = state.get(withheld_key(target, sha256))
    return None if found is None or found["restored"] is not None else found


def placed(change: Change, leaf: Leaf) -> tuple[str, Fact]:
    """Return the fact that says where a bundle stands, with the digest of all that its entry wrote."""
    key = f"bundle/{leaf.bundle_sha256}"
    value = {
        "index": change.index,
        "kind": change.candidate.kind,
        "namespace": change.namespace,
        "release": change.release,
    }
    return key, value | {"effect": effect_of(change.facts | {key: value})}


def effect_facts(leaf: Leaf, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return the facts of an entry in the form whose digest is its effect."""
    key = f"bundle/{leaf.bundle_sha256}"
    bare = {name: value for name, value in facts[key].items() if name != "effect"}
    return dict(facts) | {key: bare}


def apply_withheld(state: State, index: int, leaf: Leaf, facts: Mapping[str, Fact]) -> WithheldEntry:
    """Apply an entry whose bundle is withheld by the facts that its operator gives for it.

    They must have been held against a logged decision (`weighbridge.withholding.prove`). Raises
    `LogError` if they are not what one entry at this place could have written.
    """
    check_place(state, index, leaf)
    key = f"bundle/{leaf.bundle_sha256}"
    place = facts.get(key)
    logged = [match for match in map(_LOGGED.fullmatch, facts) if match]
    if (
        not isinstance(place, dict)
        or place.keys() != {"index", "kind", "namespace", "release"}
        or place["index"] != index
        or place["kind"] not in _WRITES
        or facts.get("log/head") != {"size": index + 1, "received": leaf.received}
        or len(logged) != 1
        or facts[logged[0].string] != index
        or state.get(logged[0].string) is not None
    ):
        raise _impossible(index)
    writes = (*_ALWAYS, *_WRITES[place["kind"]])
    if not all(name.startswith(writes) for name in facts):
        raise _impossible(index)
    changed = dict(facts) | {key: place | {"effect": effect_of(facts)}}
    return WithheldEntry(
        index,
        leaf,
        place["kind"],
        logged[0][1],
        logged[0][2],
        changed,
        place["namespace"],
        place["release"],
    )


def _impossible(index: int) -> LogError:
    return LogError(
        f"what the operator says that the withheld entry {index} did, no entry at that place can have done",
        hint="do not rely on this log until its operator has explained that; keep the answer",
        evidence={"index": index},
    )
