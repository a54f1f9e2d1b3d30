# SPDX-License-Identifier: Apache-2.0
"""deployment/v1: which model answers behind a service, since when, and what was done to it.

A service has no bytes, so the subject is abstract: the name under which it is known, best its address.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from .base import (
    Digest,
    Document,
    Hex256,
    HttpsUrl,
    Line,
    Name,
    NamespaceName,
    Origins,
    Paragraph,
    Reference,
    Timestamp,
    predicate_type,
)

__all__ = ["KIND", "PREDICATE_TYPE", "DeployedModel", "Deployment"]

KIND: Final = "deployment"
PREDICATE_TYPE: Final = predicate_type(KIND)


class DeployedModel(Document):
    """One model that answers there."""

    name: Name | None = None
    """Name under which callers ask for it."""
    digest: Digest | None = None
    """Its model or weights digest."""
    release: Reference | None = None
    """Its release statement."""
    disclosure: Reference | None = None
    """A disclosure/v1 statement, for a model whose files nobody can weigh."""
    post_training: Paragraph | None = None
    """What was done to it after its release: further training, filters, tools."""
    quantization: Line | None = None
    """In which precision it runs, if other than released."""
    system_prompt_sha256: Hex256 | None = None
    """SHA-256 of the system prompt in UTF-8."""
    chat_template_sha256: Hex256 | None = None
    """SHA-256 of the chat template in UTF-8."""

    @model_validator(mode="after")
    def _target(self) -> Self:
        if self.digest is None and self.release is None and self.disclosure is None:
            raise ValueError("needs a digest, release or disclosure: otherwise it says nothing")
        if self.release is not None and self.release.kind != "release":
            raise ValueError("release must refer to a release")
        if self.disclosure is not None and self.disclosure.kind != "disclosure":
            raise ValueError("disclosure must refer to a disclosure")
        return self


class Deployment(Document):
    """Predicate of deployment/v1. Subject: the abstract digest of `deployment` and its name."""

    name: Name
    """The service, as it is found: its address without `https://`, or its name."""
    operator: Line
    """Who runs it."""
    namespace: NamespaceName | None = None
    """Namespace for which this is said; its signer owns it. Null: the signer speaks for themselves."""
    url: HttpsUrl | None = None
    """Its address."""
    models: Annotated[tuple[DeployedModel, ...], Field(min_length=1, max_length=64)]
    """What answers there."""
    since: Timestamp
    """From when on; not after the entry was taken."""
    until: Timestamp | None = None
    """When it ended; null while it goes on."""
    note: Paragraph | None = None
    """More about it."""
    logs: Origins
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The deployment/v1 statement that it replaces: of the same subject, by the same namespace or signer."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.until is not None and self.until < self.since:
            raise ValueError("ends before it begins")
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a deployment statement")
        return self
