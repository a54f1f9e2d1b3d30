# SPDX-License-Identifier: Apache-2.0
"""Where an operator decides: the data folder, the operator's key, and the way into the log.

A decision is an operator/v1 statement that follows the one before. It goes to the running registry
over HTTP, or straight into the log where none runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge import keys, statements
from weighbridge.errors import ConfigurationError, InputError
from weighbridge.signing import KeySigner
from weighbridge_schemas.operator import Action, Operator

from .authentication import Authentication
from .service import open_service
from .settings import Settings
from .state import Fact, required
from .store.database import Database, open_database
from .store.files import DataFolder
from .store.state import SqlState

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge.keys import SigningKey

__all__ = ["Decided", "Desk", "open_desk"]

_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that is logged: its entry and its statement digest (bare hex)."""

    index: int
    statement: str


@dataclass(frozen=True)
class Desk:
    """One operator at one registry's data. `registry` is the running one, None to write directly."""

    settings: Settings
    folder: DataFolder
    database: Database
    authentication: Authentication
    key: SigningKey
    registry: RegistryClient | None

    def fact(self, name: str) -> Fact | None:
        """Return a fact as the log has it now."""
        with self.database.read() as connection:
            return SqlState(connection).get(name)

    def decide(self, decision: Action) -> Decided:
        """Sign a decision and have it logged.

        Raises the `AdmissionError` of a refusal, `UnavailableError`, or `InputError` if a registry is
        running on the folder and was not named.
        """
        with self.database.read() as connection:
            state = SqlState(connection)
            origin = required(state, "log/genesis")["origin"]
            previous = required(state, "log/operator")["statement"]
        predicate = Operator.model_validate(
            {
                "decision": decision.to_json(),
                "logs": [origin],
                "previous": {"kind": "operator", "sha256": previous},
            }
        )
        subject = statements.abstract_subject("operator", origin)
        payload = statements.encode_statement("operator", origin, subject, predicate.to_json())
        return self._log(origin, KeySigner(self.key).sign(payload))

    def _log(self, origin: str, bundle: bytes) -> Decided:
        if self.registry is None:
            return self._log_directly(bundle)
        found = self.registry.log().origin
        if found != origin:
            raise InputError(
                f"{self.registry.url} has the log {found}, the data folder that of {origin}",
                hint="give the address and the data folder of one registry",
            )
        [result] = self.registry.submit([bundle])
        return Decided(result.index, result.statement.removeprefix("sha256:"))

    def _log_directly(self, bundle: bytes) -> Decided:
        try:
            service = open_service(self.settings)
        except ConfigurationError:
            raise
        except InputError as error:
            raise InputError(
                error.message,
                hint="a registry is running on this folder: add --registry URL, its address",
            ) from error
        try:
            [placed] = service.submit([bundle]).result(_ANSWER_SECONDS)
        finally:
            service.close()
        with self.database.read() as connection:
            statement = required(SqlState(connection), "log/operator")["statement"]
        return Decided(placed.index, statement)


@contextmanager
def open_desk(
    settings: Settings, *, key: Path | None = None, registry: RegistryClient | None = None
) -> Iterator[Desk]:
    """Open the operator's place at a registry's data folder.

    `key` is the operator's private key (else: `keys/operator.pem` of the folder). Raises `InputError`
    if there is no registry or no such key.
    """
    folder = DataFolder.open(settings.data, settings.storage)
    if folder.log.published() is None:
        raise InputError(f"there is no registry in {folder.path}", hint="give its data folder with --data")
    beside = folder.keys / "operator.pem"
    if key is None and not beside.exists():
        raise InputError(
            f"the operator's key is not in {folder.keys}", hint="say with --operator-key where you keep it"
        )
    signing = keys.load_private_key(key or beside)
    database = open_database(settings.database)
    try:
        authentication = Authentication(settings.trust_configs, public_sigstore=settings.public_sigstore)
        yield Desk(settings, folder, database, authentication, signing, registry)
    finally:
        database.close()
        folder.close()
