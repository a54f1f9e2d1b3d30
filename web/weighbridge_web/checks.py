# SPDX-License-Identifier: Apache-2.0
"""The eleven verification steps as a registry can speak of them (DESIGN sections 6 and 10).

The numbers are those of the specification, the code and the command's output. A registry never has the
weights, so steps 1 and 2 are the reader's; what it checked before recording is its word until the reader
checks it; and nothing here is ever called verified.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from weighbridge_web.formats import file_size, grouped, plural, said, who
from weighbridge_web.words import DATASET_LEVELS, LEVELS

if TYPE_CHECKING:
    from weighbridge_schemas.api import LineageDocument, LogDocument, ReleaseDocument

__all__ = ["Check", "State", "release_checks"]

State = Literal["yours", "recorded", "reported", "none", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """One numbered step: what it asks, what this registry can say, and why."""

    n: int
    name: str
    state: State
    label: str
    reason: str
    explained: str = ""

    @property
    def anchor(self) -> str:
        """Where `/about/trust` explains the label: the step's own term, else that of its state."""
        return self.explained or _EXPLAINED[self.state]


_EXPLAINED: dict[State, str] = {
    "yours": "yours",
    "recorded": "admission",
    "reported": "reported",
    "none": "reported",
    "warn": "reported",
    "bad": "withdrawn",
}


def release_checks(release: ReleaseDocument, log: LogDocument) -> tuple[Check, ...]:
    """Say of each step what the registry knows about `release`, in order 1 to 11."""
    yours = "only you can check this, on your copy"
    files = plural(release.files_total, "file")
    return (
        Check(
            1,
            "Files",
            "yours",
            yours,
            f"The publisher signed a list of {files}: exactly these, no more and no fewer.",
        ),
        Check(
            2,
            "Digests",
            "yours",
            yours,
            f"Each file's SHA-256 was signed, over {file_size(release.bytes_total)} in all. "
            "The registry never has the weights.",
        ),
        Check(
            3,
            "Envelope",
            "recorded",
            "checked on admission",
            "The signed statement is well formed, holds one signature, and nothing in it is ambiguous.",
        ),
        _signer(release),
        _binding(release),
        _contents(release),
        Check(
            7,
            "Recorded",
            "recorded",
            f"entry {grouped(_index(release))}",
            "The record file below carries the proof: it leads from this entry to the log's signature and "
            "can be checked offline.",
            "receipt",
        ),
        _witnesses(log),
        _status(release),
        _lineage(release.lineage),
        Check(
            11,
            "Policy",
            "yours",
            "yours to decide",
            "Which signers, licences and co-signers you accept is for your own policy to say.",
            "policy",
        ),
    )


def _index(release: ReleaseDocument) -> int:
    """Return the entry of the release itself; it is always among its entries."""
    return next(entry.index for entry in release.entries if entry.statement == release.statement)


def _signer(release: ReleaseDocument) -> Check:
    reason = (
        f"The signature was made by {who(release.signer.label)}, an owner of the namespace "
        f"{release.namespace} at entry {grouped(_index(release))}. "
        "Whether that is whom you expect is for you to say."
    )
    return Check(4, "Signer", "recorded", "checked on admission", reason)


def _binding(release: ReleaseDocument) -> Check:
    name = "Statement binds this model"
    if release.oms_statement is None:
        reason = "No model signature (OMS) over the same files is recorded here."
        return Check(5, name, "warn", "no OMS signature", reason)
    if release.oms_signer is None or release.oms_signer.id != release.signer.id:
        other = who(release.oms_signer.label) if release.oms_signer else "an unknown signer"
        reason = f"The model signature (OMS) was made by {other}, the release by {who(release.signer.label)}."
        return Check(5, name, "warn", "two signers", reason)
    reason = "Model signature (OMS) and release are by the same signer and speak of the same files."
    return Check(5, name, "recorded", "checked on admission", reason)


def _contents(release: ReleaseDocument) -> Check:
    card = "a card" if release.card else "no card"
    lineage = "its lineage" if release.lineage else "no lineage"
    reason = (
        f"The signed release names {release.namespace}/{release.name} {release.version}, every file, "
        f"{card} and {lineage}. A name and version are recorded once and never reused."
    )
    return Check(6, "Release", "recorded", "checked on admission", reason)


def _witnesses(log: LogDocument) -> Check:
    if not log.witnesses:
        reason = (
            "Nobody independent co-signs this record yet, so that it is the same for everybody rests on the "
            "operator. Keep your receipts: two that contradict each other would prove fraud."
        )
        return Check(8, "Witnesses", "none", "no co-signer", reason, "witness")
    names = ", ".join(said(witness.name, 80) for witness in log.witnesses[:5])
    reason = (
        f"The current state of the public record is also signed by {names}. "
        "Your witness policy says whom you count."
    )
    return Check(8, "Witnesses", "reported", plural(len(log.witnesses), "co-signer"), reason, "witness")


def _status(release: ReleaseDocument) -> Check:
    head = f"as of entry {grouped(release.as_of.size - 1)}"
    reason = f": {said(release.status.reason)}" if release.status.reason else "."
    if release.status.state == "yanked":
        return Check(9, "Status", "bad", "withdrawn", f"Its owners withdrew it{reason}")
    if release.status.state in ("deprecated", "superseded"):
        return Check(
            9, "Status", "warn", release.status.state, f"Its owners call it {release.status.state}{reason}"
        )
    warnings = _warnings(release)
    others = f"; {plural(warnings, 'warning')} of others, below" if warnings else ""
    absence = (
        f"Its owners have recorded no withdrawal {head}{others}. Absence cannot be proved by a receipt: "
        "this is the registry's word, until you replay the log."
    )
    return Check(9, "Status", "reported", "none reported", absence)


def _warnings(release: ReleaseDocument) -> int:
    """Count what others say against a release, as far as it is listed."""
    taken_back = ("Withdrew", "Acknowledged", "Took back")
    return sum(
        one.kind in ("advisory", "position")
        and one.role in ("subject", "affects")
        and not one.replaced
        and not one.summary.startswith(taken_back)
        for one in release.statements
    )


def _lineage(lineage: LineageDocument | None) -> Check:
    if lineage is None or not (lineage.parents or lineage.datasets or lineage.from_scratch):
        reason = "The publisher does not say what this was made from."
        return Check(10, "Lineage", "none", "not stated", reason, "lineage")
    parts = []
    if lineage.from_scratch:
        parts.append("trained from scratch")
    for edges, noun, words in (
        (lineage.parents, "parent model", LEVELS),
        (lineage.datasets, "data set", DATASET_LEVELS),
    ):
        levels = Counter(edge.level for edge in edges)
        parts += [f"{plural(levels[level], noun)} ({words[level]})" for level in sorted(levels, reverse=True)]
    return Check(
        10, "Lineage", "reported", "as stated", f"The publisher states: {', '.join(parts)}.", "lineage"
    )
