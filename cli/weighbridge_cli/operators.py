# SPDX-License-Identifier: Apache-2.0
"""Options of the commands by which a log's operator decides, and whom an option means as an owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weighbridge_cli.options import EXISTING, read_small_file

if TYPE_CHECKING:
    from weighbridge_schemas.base import Document
    from weighbridge_schemas.namespace import Owner

__all__ = [
    "DeskOptions",
    "OwnerOptions",
    "case_options",
    "desk_options",
    "made",
    "owner_options",
    "owner_words",
]

_Document = TypeVar("_Document", bound="Document")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def made(kind: type[_Document], **values: Any) -> _Document:
    """Make a document of what the command line says; raises `InputError` for what it cannot hold."""
    from pydantic import ValidationError

    from weighbridge.errors import InputError
    from weighbridge.validation import first_fault

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InputError(first_fault(error)) from error


def _added(command: _Command, options: tuple[Any, ...]) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def desk_options(command: _Command) -> _Command:
    """Where the registry's data is, who signs, and whether a registry runs on it."""
    return _added(
        command,
        (
            click.option(
                "--data", type=EXISTING, metavar="DIR", help="The registry's data folder (else: yours)."
            ),
            click.option(
                "--registry", metavar="URL", help="The registry that is running on it (else: none is)."
            ),
            click.option(
                "--operator-key",
                type=EXISTING,
                metavar="PEM",
                help="The operator's key (else: keys/operator.pem in DIR).",
            ),
            click.option(
                "--database-url", metavar="U", help="The registry's database, if it is not SQLite in DIR."
            ),
            click.option("--storage", metavar="U", help="The registry's bucket, s3://…, if it has one."),
            click.option(
                "--trust-config",
                "trust_configs",
                type=EXISTING,
                multiple=True,
                metavar="JSON",
                help="A private Sigstore that the registry admits. May be given again.",
            ),
        ),
    )


def case_options(command: _Command) -> _Command:
    """Whose law, and which case: codes and a number, since the log never forgets."""
    return _added(
        command,
        (
            click.option(
                "--jurisdiction",
                metavar="CODE",
                help="Whose law asks for it: DE, US-CA, EU. Public.",
            ),
            click.option(
                "--reference", metavar="NUMBER", help="Number of the case; no names. Public for ever."
            ),
        ),
    )


def owner_options(command: _Command) -> _Command:
    """Name owners: keys, certificates, online accounts, CI workflows."""
    return _added(
        command,
        (
            click.option(
                "--owner-key", "owner_keys", multiple=True, type=EXISTING, metavar="PEM", help="A public key."
            ),
            click.option(
                "--owner-anchor", type=EXISTING, metavar="PEM", help="An authority, with --owner-subject."
            ),
            click.option(
                "--owner-subject", metavar="TEXT", help="Subject of the owner's certificate (RFC 4514)."
            ),
            click.option(
                "--owner-identity",
                "owner_identities",
                multiple=True,
                metavar="S",
                help="An online account (e-mail), with --issuer.",
            ),
            click.option("--issuer", metavar="URL", help="Who vouches for the account or the CI run."),
            click.option(
                "--owner-ci",
                metavar="REPO_ID:OWNER_ID:WORKFLOW:REF",
                help="A CI workflow by its ids, such as 1:2:.github/workflows/r.yml:refs/tags/**.",
            ),
            click.option(
                "--owner-trust-config",
                type=EXISTING,
                metavar="JSON",
                help="The private Sigstore of those accounts (else: the public one).",
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """Where the operator works, as given."""

    data: Path | None = None
    registry: str | None = None
    operator_key: Path | None = None
    database_url: str | None = None
    storage: str | None = None
    trust_configs: tuple[Path, ...] = ()

    @classmethod
    def take(cls, options: dict[str, Any]) -> DeskOptions:
        """Take the desk options out of a command's options."""
        return cls(**{field.name: options.pop(field.name) for field in fields(cls)})

    @property
    def folder(self) -> Path:
        """The data folder."""
        from weighbridge.config import default_data_folder

        return (self.data or default_data_folder()).absolute()


@dataclass(frozen=True, slots=True)
class OwnerOptions:
    """The owners that a command line names, as given."""

    owner_keys: tuple[Path, ...] = ()
    owner_anchor: Path | None = None
    owner_subject: str | None = None
    owner_identities: tuple[str, ...] = ()
    issuer: str | None = None
    owner_ci: str | None = None
    owner_trust_config: Path | None = None

    @classmethod
    def take(cls, options: dict[str, Any]) -> OwnerOptions:
        """Take the owner options out of a command's options."""
        return cls(**{field.name: options.pop(field.name) for field in fields(cls)})

    def owners(self) -> tuple[Owner, ...]:
        """Return the owners that are named; raises `InputError` for half of one, or for nobody."""
        from weighbridge.errors import InputError

        found = [*self._keys(), *self._certificates(), *self._accounts()]
        if not found:
            raise InputError(
                "nobody is named", hint="give --owner-key PEM, or --owner-identity S --issuer URL"
            )
        return tuple(found)

    def _keys(self) -> list[Owner]:
        from weighbridge import keys
        from weighbridge_schemas.namespace import KeyOwner

        pems = [keys.public_pem(keys.load_public_key(read_small_file(path))) for path in self.owner_keys]
        return [made(KeyOwner, type="key", public_key=pem.decode()) for pem in pems]

    def _certificates(self) -> list[Owner]:
        from weighbridge import certificates
        from weighbridge.errors import InputError
        from weighbridge_schemas.namespace import CertificateOwner

        if self.owner_anchor is None and self.owner_subject is None:
            return []
        if self.owner_anchor is None or self.owner_subject is None:
            raise InputError("a certificate's owner is named by --owner-anchor and --owner-subject together")
        from cryptography.hazmat.primitives.serialization import Encoding

        anchors = certificates.load_certificates(read_small_file(self.owner_anchor))
        if len(anchors) != 1:
            raise InputError(f"{self.owner_anchor} holds {len(anchors)} certificates; one authority is named")
        pem = anchors[0].public_bytes(Encoding.PEM).decode()
        return [made(CertificateOwner, type="certificate", anchor=pem, subject=self.owner_subject)]

    def _accounts(self) -> list[Owner]:
        from weighbridge.errors import InputError
        from weighbridge_schemas.namespace import CiOwner, SigstoreOwner

        if not self.owner_identities and self.owner_ci is None:
            if self.issuer is not None:
                raise InputError("an issuer vouches for many; it names nobody by itself")
            return []
        if not self.issuer:
            raise InputError(
                "an account means nothing without who vouches for it", hint="give --issuer URL too"
            )
        domain, issuer = f"sha256:{self._trust_domain()}", self.issuer
        found: list[Owner] = [
            made(SigstoreOwner, type="sigstore", trust_domain=domain, issuer=issuer, subject=subject)
            for subject in self.owner_identities
        ]
        if self.owner_ci is not None:
            parts = self.owner_ci.split(":")
            if len(parts) != 4:  # noqa: PLR2004 - as its metavar says
                raise InputError(f"--owner-ci {self.owner_ci!r} is not REPO_ID:OWNER_ID:WORKFLOW:REF")
            repository, owner, workflow, ref = parts
            found.append(
                made(
                    CiOwner,
                    type="ci",
                    trust_domain=domain,
                    issuer=issuer,
                    repository_id=repository,
                    owner_id=owner,
                    workflow_path=workflow,
                    ref_pattern=ref,
                )
            )
        return found

    def _trust_domain(self) -> str:
        from weighbridge.sigstore_trust import SigstoreTrust

        if self.owner_trust_config is not None:
            return SigstoreTrust.from_config(read_small_file(self.owner_trust_config)).trust_domain
        return SigstoreTrust.production().trust_domain


def owner_words(owner: Owner) -> str:
    """Say who an owner is in plain words."""
    from weighbridge.keys import fingerprint, load_public_key

    match owner.type:
        case "key":
            words = f"the holder of the key {fingerprint(load_public_key(owner.public_key.encode()))}"
        case "certificate":
            words = f"{owner.subject}, under a certificate authority of their own"
        case "sigstore":
            words = f"{owner.subject}, logged in at {owner.issuer}"
        case "ci":
            words = (
                f"workflow {owner.workflow_path} of repository {owner.repository_id} "
                f"(owner {owner.owner_id}), refs {owner.ref_pattern}, at {owner.issuer}"
            )
    return f"{words} (“{owner.label}”)" if owner.label else words
