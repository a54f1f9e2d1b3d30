# SPDX-License-Identifier: Apache-2.0
"""Witnesses for tests: real ones on loopback, in threads, and an in-memory log that they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.web.serving import served
from weighbridge import tlog
from weighbridge_registry.log.cosigners import Prove
from weighbridge_registry.witness import Witness, WitnessSettings, create_app, open_witness

__all__ = ["GrowingLog", "cosigner_key", "policy_text", "running_witness", "witness_of"]


def cosigner_key(name: str = "witness.example/w1") -> tlog.Signer:
    return tlog.Signer.generate(name, tlog.Algorithm.ED25519_COSIGNATURE)


@dataclass
class GrowingLog:
    """A log of leaf hashes, honest unless a test rewrites one."""

    signer: tlog.Signer = field(default_factory=lambda: tlog.Signer.generate("log.example/one"))
    hashes: list[bytes] = field(
        default_factory=lambda: [tlog.leaf_hash(b"%d" % number) for number in range(300)]
    )

    def note(self, size: int) -> bytes:
        """The signed checkpoint of a size."""
        root = tlog.root_hash(self.hashes[:size])
        return tlog.sign_checkpoint(tlog.Checkpoint(self.signer.name, size, root), self.signer)

    def prove(self, size: int) -> Prove:
        """Proofs to the tree of a size."""

        def prove(old: int) -> Sequence[bytes]:
            return tlog.consistency_proof(old, size, tlog.hashes_of(self.hashes[:size]))

        return prove

    def ask(self, old: int, size: int) -> bytes:
        """An honest request's body."""
        return tlog.format_submission(tlog.Submission(old, tuple(self.prove(size)(old)), self.note(size)))

    def forked(self, at: int) -> GrowingLog:
        """The same log, by the same key, with another entry in one place."""
        hashes = [*self.hashes]
        hashes[at] = tlog.leaf_hash(b"rewritten")
        return GrowingLog(self.signer, hashes)


def witness_of(
    folder: Path, *verifiers: tlog.Verifier, clock: Callable[[], float] | None = None, name: str | None = None
) -> Witness:
    """Open a witness that serves these logs."""
    settings = WitnessSettings(folder, {one.name: (one,) for one in verifiers}, name)
    return open_witness(settings, clock) if clock is not None else open_witness(settings)


@contextmanager
def running_witness(witness: Witness) -> Iterator[str]:
    """Serve a witness on loopback; gives its address."""
    with served(create_app(witness)) as url:
        yield url


def policy_text(*witnesses: tuple[tlog.Verifier, str], quorum: str = "all") -> bytes:
    """A policy of named witnesses with addresses."""
    names = [f"w{number}" for number in range(1, len(witnesses) + 1)]
    lines = [f"witness {name} {key.vkey} {url}" for name, (key, url) in zip(names, witnesses, strict=True)]
    lines += [f"group together {quorum} {' '.join(names)}", "quorum together"]
    return "".join(f"{line}\n" for line in lines).encode()
