# SPDX-License-Identifier: Apache-2.0
"""What a registry says, when `--registry` asks one: evidence to check, and its word to report.

The lines that it hands out are checked exactly like those of a record file. What nobody signed, such as
"nothing was reported", is its word and no more.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from weighbridge.errors import UndecidedError, WeighbridgeError
from weighbridge.memory import Prove
from weighbridge.records import RecordLine
from weighbridge.tlog import SignedCheckpoint, parse_checkpoint, parse_checkpoint_text, split_note

from .evidence import Found, lines_found

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge_schemas.api import ReleaseDocument

    from .entries import Pins
    from .request import WantedRelease

__all__ = ["RegistryWord", "ask"]

_MAX_MANIFESTS: Final = 16


@dataclass(frozen=True, slots=True)
class RegistryWord:
    """What one registry answered. `problem` says why it could not help, if it could not.

    `checkpoint` is its current one, if a pinned log signed it; `prove` then fetches consistency proofs.
    """

    url: str
    prove: Prove | None = None
    found: tuple[Found, ...] = ()
    release: ReleaseDocument | None = None
    checkpoint: SignedCheckpoint | None = None
    problem: WeighbridgeError | None = None


def ask(
    client: RegistryClient,
    release: WantedRelease | None,
    manifests: Sequence[tuple[str, str]],
    pins: Pins,
) -> RegistryWord:
    """Ask a registry for the record of a release, or of the manifests that were found.

    `manifests` are (root digest, statement digest) in bare hex. The current checkpoint is fetched last, so
    that it is never older than a receipt of the same answer. A registry that does not answer or does not
    know is a `problem` in what is returned, no error.
    """
    word = RegistryWord(client.url)
    try:
        if release is not None:
            document = _release(client, release, [root for root, _ in manifests])
            lines = client.provenance(document.namespace, document.name, document.version)
            word = replace(word, release=document, found=tuple(lines_found(client.url, lines, named=False)))
        else:
            lines = tuple(_line(client, statement) for _, statement in manifests[:_MAX_MANIFESTS])
            word = replace(word, found=tuple(lines_found(client.url, lines, named=False)))
        checkpoint = _checkpoint(client, pins)
    except WeighbridgeError as error:
        return replace(word, problem=error)
    return replace(word, checkpoint=checkpoint, prove=client.consistency)


def _release(client: RegistryClient, wanted: WantedRelease, roots: Sequence[str]) -> ReleaseDocument:
    """Find the release that is meant: of the version asked for, else of these files, else the latest."""
    version = wanted.version or _version_of(client, wanted, roots)
    document = client.release(wanted.namespace, wanted.name, version)
    if document is None:
        raise UndecidedError(f"{client.url} does not know {wanted}.", hint="Check the name and the registry.")
    return document


def _version_of(client: RegistryClient, wanted: WantedRelease, roots: Sequence[str]) -> str | None:
    for answer in client.digests(roots).answers if roots else ():
        for match in answer.matches:
            if match.version is not None and wanted.is_called(match.namespace, match.name):
                return match.version
    return None


def _line(client: RegistryClient, statement: str) -> RecordLine:
    document = client.statement(statement)
    if document is None:
        raise UndecidedError(f"{client.url} has no record of the statement {statement}.")
    if document.bundle is None:
        raise UndecidedError(f"{client.url} withholds the statement {statement}.")
    return RecordLine(b64decode(document.bundle), b64decode(document.leaf), document.receipt.encode())


def _checkpoint(client: RegistryClient, pins: Pins) -> SignedCheckpoint | None:
    """Fetch the log's current checkpoint; None if its log is not pinned.

    Raises `NoteError` if it claims to be of a pinned log that did not sign it.
    """
    data = client.checkpoint()
    verifiers = pins.of(parse_checkpoint_text(split_note(data)[0]).origin)
    return parse_checkpoint(data, verifiers) if verifiers else None
