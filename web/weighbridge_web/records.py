# SPDX-License-Identifier: Apache-2.0
"""What pages ask of a registry, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol

from fastapi import Depends, Request

if TYPE_CHECKING:
    from weighbridge_schemas.api import (
        DigestAnswer,
        EntryDocument,
        EventList,
        LogDocument,
        ModelDocument,
        ModelList,
        NamespaceDocument,
        ReleaseDocument,
        SignerDocument,
    )

__all__ = ["Ask", "NotRecordedError", "Records"]


class NotRecordedError(LookupError):
    """Nothing of that name or number is recorded here; the text says what was looked for."""


class Records(Protocol):
    """Read access to one registry in the documents of its own API."""

    def log(self) -> LogDocument:
        """Return the head of the log."""
        ...

    def models(self, query: str, cursor: int | None) -> ModelList:
        """Search models; an empty query lists all, newest first."""
        ...

    def model(self, namespace: str, name: str) -> ModelDocument:
        """Return a model with its releases."""
        ...

    def release(self, namespace: str, name: str, version: str) -> ReleaseDocument:
        """Return one release."""
        ...

    def signer(self, signer: str, cursor: int | None) -> SignerDocument:
        """Return what one signer did here."""
        ...

    def namespace(self, namespace: str) -> NamespaceDocument:
        """Return a namespace with its owners and models."""
        ...

    def digest(self, sha256: str) -> DigestAnswer:
        """Return what is known of a digest (bare hex)."""
        ...

    def entry(self, index: int) -> EntryDocument:
        """Return one line of the log."""
        ...

    def events(self, since: int, limit: int) -> EventList:
        """Return up to `limit` entries from index `since` on, oldest first."""
        ...

    def attachment(self, sha256: str, limit: int) -> bytes | None:
        """Return an attached file by digest, or None if it is not here or longer than `limit` bytes."""
        ...


def _ask(request: Request) -> Records:
    records: Records = request.app.state.records
    return records


Ask = Annotated[Records, Depends(_ask)]
"""A page's access to the record."""
