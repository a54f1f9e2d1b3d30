# SPDX-License-Identifier: Apache-2.0
"""Where a model is served, as signers say: nothing here proves what a service really runs."""

from __future__ import annotations

from weighbridge_schemas.base import (
    Count,
    Digest,
    Document,
    Flag,
    Hex256,
    HttpsUrl,
    Line,
    ModelName,
    Name,
    NamespaceName,
    Paragraph,
    Timestamp,
    Version,
)

from .parts import Address, SignerSummary

__all__ = ["DeploymentNote", "ServedRelease"]


class DeploymentNote(Document):
    """One statement that a model answers behind a service: the word of its signer."""

    name: Name
    """The service."""
    operator: Line
    """Who runs it, as the signer says."""
    service: HttpsUrl | None = None
    """Address of the service."""
    model_name: Name | None = None
    """Name under which callers ask for the model."""
    since: Timestamp
    """From when on."""
    stated: Digest
    """Digest by which the model is named: model, weights or root digest, or a statement."""
    post_training: Paragraph | None = None
    """What was done to it after its release, as the signer says: the first 1,000 characters."""
    quantization: Line | None = None
    """In which precision it runs, if other than released."""
    system_prompt_sha256: Hex256 | None = None
    """SHA-256 of the system prompt."""
    chat_template_sha256: Hex256 | None = None
    """SHA-256 of the chat template."""
    own_chat_template: Flag | None = None
    """Whether that is a template of the release's own files; null where it was not compared."""
    by_owner: Flag
    """True if an owner of the model's namespace, or its signer, says so; all else is a third party's word."""
    namespace: NamespaceName | None = None
    """Folded name of the namespace for which it is said; null: the signer speaks for themselves."""
    signer: SignerSummary
    """Who says so."""
    statement: Digest
    """The statement."""
    index: Count
    """Its entry."""
    received: Count
    """When the operator took it, Unix seconds."""
    url: Address
    """Page of the entry."""


class ServedRelease(DeploymentNote):
    """A release that answers behind a service, as somebody says."""

    release: Digest
    """Statement digest of the release."""
    release_namespace: NamespaceName
    """Its namespace."""
    model: ModelName
    """Its name."""
    version: Version
    """Its version."""
    release_url: Address
    """Its page."""
