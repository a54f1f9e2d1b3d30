# SPDX-License-Identifier: Apache-2.0
"""What a log's entries mean: a pure function from facts and one entry to new facts.

`apply(state, index, leaf, candidate, authenticate)` takes bytes that were parsed, and facts; it
does no I/O, reads no clock and keeps nothing. The sequencer, a rebuild, `log fsck`, and later
mirrors and monitors run it over the same entries in index order and reach the same facts, which
`digest` compares in one line (docs/spec/registry.md, "State").

Facts are `key → JSON value`:

| key | value |
|---|---|
| `log/head` | `{size, received}`: entries applied, the largest `received` so far |
| `log/genesis` | `{origin, vkey, admission, statement}`, with `predecessor` of a successor |
| `log/operator` | `{signer, statement}`: the operator, and its newest statement |
| `log/allowed` | `{folded namespace: [owner, …]}` of a restricted log |
| `bundle/<SHA-256>` | `{index, kind, namespace, release, effect}`: `effect` is the digest of what it wrote |
| `withheld/<target>/<SHA-256>` | `{entry, index, statement, facts_withheld, restored}`: a takedown |
| `logged/<statement>/<signer>` | index: a statement is logged once for each signer |
| `signer/<id>` | `{identity, first}` |
| `key/<hint>` | PEM of an introduced key |
| `introduction/<signer>` | newest signer/v1 statement of that key |
| `anchors/<SHA-256 of the issuer's name>` | PEMs of authorities that owners are certified by |
| `namespace/<folded>` | `{name, epoch, owners, statement, index}` |
| `model/<folded namespace>/<folded name>` | `{namespace, name}` as first written |
| `version/<folded namespace>/<folded name>/<version>` | `{statement, model_digest, index}` |
| `release/<statement>` | `{namespace, name, version, model_digest, index}` |
| `card/<release>`, `lineage/<release>` | newest revision's statement |
| `status/<release>` | `{statement, state, superseded_by}`: what its owners said last |
| `advisory/<signer>/<id>` | `{statement, subject, withdrawn}`: the newest of that signer and id |
| `advisories/<signer>/<subject>` | how many advisories of that signer are about it |
| `position/<signer>/<subject>[/<parent>]` | newest position/v1 of that signer on that |
| `dataset/<holder>/<subject>` | newest dataset/v1; holder: `namespace:<folded>` or `signer:<id>` |
| `disclosure/<holder>/<subject>`, `deployment/<holder>/<subject>` | newest one, as above |
| `first/<digest>` | the release that was first with this model or root digest |
| `parents/<release>` | digests and release statements that its lineage pins |

`<signer>` of an advisory, position or holder is `identities.lasting_id`: all refs of one CI workflow.
"""

from __future__ import annotations

from .admission import Admitted, Authenticator, apply, identify, logged
from .candidates import Candidate, read_candidate
from .change import owned_by, owners_of
from .facts import Fact, MemoryState, Overlay, State, digest, required
from .withheld import WithheldEntry, apply_withheld, effect_facts, is_withheld, withheld_key

__all__ = [
    "Admitted",
    "Authenticator",
    "Candidate",
    "Fact",
    "MemoryState",
    "Overlay",
    "State",
    "WithheldEntry",
    "apply",
    "apply_withheld",
    "digest",
    "effect_facts",
    "identify",
    "is_withheld",
    "logged",
    "owned_by",
    "owners_of",
    "read_candidate",
    "required",
    "withheld_key",
]
