# SPDX-License-Identifier: Apache-2.0
"""Change who owns a namespace: the answer to a stolen key, and to a new colleague.

The list that is changed is never the registry's word: it is the newest statement itself, proved to be in
the pinned log, so that a registry cannot have an owner sign for somebody whom they never named.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge import identities
from weighbridge.bundles import parse_bundle
from weighbridge.errors import ForbiddenError, InputError, LogError
from weighbridge.recording import Recorder, open_recorder
from weighbridge.records import RecordLine
from weighbridge.statements import abstract_subject, encode_statement, parse_statement

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.memory import Memory
    from weighbridge.signing import StatementSigner
    from weighbridge.trust import TrustStore
    from weighbridge_schemas.namespace import Owner

__all__ = ["ChangedOwners", "change_owners"]


@dataclass(frozen=True, slots=True)
class ChangedOwners:
    """Owners that are now recorded: the whole list, the entry, and the log."""

    namespace: str
    owners: tuple[Owner, ...]
    index: int
    statement: str
    origin: str


@dataclass(frozen=True, slots=True)
class _Current:
    """The newest list, proved, with the kind and digest of the statement that sets it."""

    namespace: str
    owners: tuple[Owner, ...]
    kind: str
    statement: str


def change_owners(
    namespace: str,
    *,
    registry: RegistryClient,
    signer: StatementSigner,
    trust: TrustStore,
    memory: Memory,
    add: Sequence[Owner] = (),
    remove: Sequence[Owner] = (),
    confirm: Callable[[tuple[Owner, ...]], None] = lambda _: None,
) -> ChangedOwners:
    """Sign and record a new list of owners of a namespace that the signer owns.

    `confirm` is called with the new list before it is signed, and raises to stop. Labels play no part in
    who is removed. Raises `InputError` if the change is none or would leave nobody, `ForbiddenError` if
    the signer is no owner, `ConflictError` if somebody changed the list meanwhile, `LogError` if the
    registry does not prove what the list is now.
    """
    recorder = open_recorder(registry, trust, memory)
    current = _current(namespace, recorder)
    if not any(identities.matches(owner, signer.identity) for owner in current.owners):
        raise ForbiddenError(
            f"the namespace {current.namespace} is not yours: "
            f"you sign as {identities.describe(signer.identity)}",
            hint=f"sign as one of its owners: weighbridge namespace show {current.namespace}",
        )
    owners = _changed(current, add, remove)
    confirm(owners)
    predicate: dict[str, Any] = {
        "namespace": current.namespace,
        "owners": [owner.to_json() for owner in owners],
        "logs": [recorder.origin],
        "previous": {"kind": current.kind, "sha256": current.statement},
    }
    from weighbridge_schemas.names import fold_name

    subject = abstract_subject("namespace", fold_name(current.namespace))
    bundle = signer.sign(encode_statement("namespace", current.namespace, subject, predicate))
    [recorded] = recorder.accept([bundle], registry.submit([bundle]))
    return ChangedOwners(
        current.namespace, owners, recorded.index, recorded.statement_digest, recorder.origin
    )


def _current(namespace: str, recorder: Recorder) -> _Current:
    """Fetch the newest statement that sets the owners, and prove it before anything of it is used."""
    from weighbridge_schemas.names import fold_name
    from weighbridge_schemas.namespace import Namespace
    from weighbridge_schemas.operator import Operator, Reassign

    registry = recorder.registry
    told = registry.namespace(namespace)
    if told is None:
        raise InputError(
            f"nobody has claimed {namespace} on {registry.url}",
            hint="publish claims it for you: weighbridge publish PATH NS/NAME@VERSION",
        )
    digest = told.statement.removeprefix("sha256:")
    found = registry.statement(digest)
    if found is None or found.bundle is None:
        raise LogError(
            f"{registry.url} does not give the statement that it says is the newest of {namespace}"
        )
    line = RecordLine(base64.b64decode(found.bundle), base64.b64decode(found.leaf), found.receipt.encode())
    [proved] = recorder.check([line])
    statement = parse_statement(parse_bundle(line.bundle, strict=True).payload, strict=True)
    document = statement.document()
    decision = document.decision if isinstance(document, Operator) else None
    setting = document if isinstance(document, Namespace) else decision
    if (
        proved.statement_digest != digest
        or not isinstance(setting, (Namespace, Reassign))
        or fold_name(setting.namespace) != fold_name(namespace)
    ):
        raise LogError(
            f"{registry.url} names a statement that does not say who owns {namespace}",
            hint="do not sign anything for this registry until its operator has explained that",
            evidence={"statement": digest, "kind": statement.kind},
        )
    return _Current(setting.namespace, setting.owners, statement.kind, digest)


def _changed(current: _Current, add: Sequence[Owner], remove: Sequence[Owner]) -> tuple[Owner, ...]:
    present = [_bare(owner) for owner in current.owners]
    for owner in remove:
        if _bare(owner) not in present:
            raise InputError(
                f"one of those to be removed is no owner of {current.namespace}",
                hint=f"see who is: weighbridge namespace show {current.namespace}",
            )
    gone = [_bare(owner) for owner in remove]
    kept = [owner for owner in current.owners if _bare(owner) not in gone]
    new = [owner for owner in add if _bare(owner) not in present]
    if not new and not gone:
        raise InputError(f"they own {current.namespace} already: nothing to change")
    if not kept and not new:
        raise InputError(
            f"that would leave {current.namespace} without an owner", hint="add another owner first"
        )
    return (*kept, *new)


def _bare(owner: Owner) -> Owner:
    return owner.model_copy(update={"label": None})
