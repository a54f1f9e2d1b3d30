# SPDX-License-Identifier: Apache-2.0
"""What somebody asks a verification for: the options of `verify`, read and checked before any work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar, cast

from weighbridge import tlog
from weighbridge.config import config_folder
from weighbridge.errors import InputError, NoteError
from weighbridge.memory import Memory
from weighbridge.timestamps import TimestampAuthority
from weighbridge.trust import TrustStore
from weighbridge_schemas.names import fold_name

from .entries import Pins
from .wanted import Ci, Wanted, wanted_signers

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as PublicKey
    from cryptography.x509 import Certificate

    from weighbridge.authentication import SigstoreTrust
    from weighbridge.client import RegistryClient
    from weighbridge.policy import LoadedPolicy
    from weighbridge.tlog import Verifier, WitnessPolicy

    from .registries import Copy

__all__ = ["Options", "Request", "WantedRelease"]

_One = TypeVar("_One", bound="str | bytes | os.PathLike[str]")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_RELEASE = re.compile(
    rf"(?P<namespace>{_NAME})/(?P<name>{_NAME})(?:@(?P<version>[A-Za-z0-9][A-Za-z0-9._+-]{{0,95}}))?"
)


class Options(TypedDict, total=False):
    """Keyword arguments of `weighbridge.verify` and `weighbridge.verification.check`; all may be left out."""

    release: str | None
    """`NS/NAME` or `NS/NAME@VERSION`: the wanted signers are the owners of NS as recorded."""
    signature: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
    """The only files of bundles to look at for steps 3 to 5."""
    public_key: str | bytes | Sequence[str | bytes] | None
    """PEM text of a wanted signer's public key, or several. Whoever is named may have signed."""
    certificate_chain: str | bytes | Sequence[str | bytes]
    """PEM texts of the anchors below which a wanted signer's certificate is."""
    identity: str | Sequence[str] | None
    """A wanted Sigstore identity, exactly, with `issuer`; or several."""
    identity_regex: str | Sequence[str] | None
    """A pattern (RE2) that the whole of a wanted Sigstore identity fits, with `issuer`; or several."""
    issuer: str | Sequence[str] | None
    """Who vouches for `identity`: one for all, or one for each."""
    ci_repository_id: str | None
    """A wanted CI workflow: the id of its repository, with `issuer`."""
    ci_owner_id: str | None
    """With `ci_repository_id`: the id of the repository's owner."""
    ci_workflow: str | None
    """With `ci_repository_id`: the path of the workflow's file."""
    ci_ref: str | None
    """With `ci_repository_id`: a pattern of git refs, `*` within and `**` across slashes."""
    tsa_certificate: str | bytes | Sequence[str | bytes] | None
    """PEM text of a trusted time-stamp authority: its root, with the certificates below it if you like."""
    trust_config: str | bytes | None
    """A Sigstore client trust configuration (JSON) in place of the public instance's."""
    staging: bool
    """Sigstore's public test instance in place of the production one."""
    record: str | os.PathLike[str] | None
    """The record file, if it does not lie beside the model."""
    registry: str | RegistryClient | None
    """Ask this registry (its address, or a client of it) as well. Without it there is no network."""
    mirror: Copy | None
    """Ask this copy of a log (`weighbridge_registry.replicas.Replica`), after a replay of all its entries."""
    log_keys: Sequence[str]
    """vkeys of the only logs to trust in this run."""
    witness_policy: str | bytes | None
    """Text of a C2SP tlog-policy file: its witnesses are demanded, its logs the only ones trusted."""
    policy: str | bytes | LoadedPolicy | None
    """Text of a policy file (weighbridge.toml): what is demanded, and whose word counts."""
    ignore: Sequence[str]
    """Relative paths to leave out beyond those that were signed; what they hide is a warning."""
    ignore_unsigned_files: bool
    """Let files pass that nobody signed; a warning."""
    allow_subset: bool
    """Accept that signed files are missing; a warning, and the conclusion is `subset`."""
    allow_yanked: bool
    """Accept a release that its publisher withdrew; a warning."""
    accept_owners: bool
    """With `release`: accept owners to whom the log's operator has given the namespace; a warning."""
    all_digests: bool
    """With `release`: recompute every digest that the release holds, not only SHA-256."""
    copy_to: str | os.PathLike[str] | None
    """Write the very bytes that were verified into this new folder; only if the verdict is good."""
    remote: bool
    """Ask the hub what it holds, before anything is downloaded: the path is then `hf:ORG/NAME[@REV]`."""
    trust: TrustStore | None
    """Pinned logs; by default those of the user's config folder."""
    memory: Memory | None
    """What this client saw before; by default that of the user's config folder."""
    now: datetime | None
    """The time to judge certificates by, with its time zone; by default the clock's."""
    progress: Callable[[int, int], None] | None
    """Called with (bytes done, bytes in all) while files are read."""


@dataclass(frozen=True, slots=True)
class WantedRelease:
    """`NS/NAME` or `NS/NAME@VERSION`, as asked for."""

    namespace: str
    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> WantedRelease:
        """Read a release's name; raises `InputError` (exit 2)."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            raise InputError(
                f"{text[:200]!r} is not the name of a release.",
                hint="Write NS/NAME or NS/NAME@VERSION, e.g. acme/tiny@1.0.",
            )
        return cls(match["namespace"], match["name"], match["version"])

    @staticmethod
    def reads(text: str) -> bool:
        """Tell whether a text is the name of a release."""
        return _RELEASE.fullmatch(text) is not None

    def is_called(self, namespace: object, name: object) -> bool:
        """Tell whether this is the model: names are unique ignoring case and `-_.`."""
        return fold_name(str(namespace)) == fold_name(self.namespace) and fold_name(str(name)) == fold_name(
            self.name
        )

    def __str__(self) -> str:
        """Give NS/NAME or NS/NAME@VERSION."""
        base = f"{self.namespace}/{self.name}"
        return base if self.version is None else f"{base}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked set of options."""

    wanted: Wanted | None
    release: WantedRelease | None
    signatures: tuple[Path, ...]
    record: Path | None
    registry: RegistryClient | None
    mirror: Copy | None
    pins: Pins
    stampers: tuple[TimestampAuthority, ...]
    witness_policy: WitnessPolicy | None
    policy: LoadedPolicy | None
    trust_config: bytes | None
    staging: bool
    ignore: tuple[str, ...]
    ignore_unsigned_files: bool
    allow_subset: bool
    allow_yanked: bool
    accept_owners: bool
    all_digests: bool
    remote: bool
    copy_to: Path | None
    memory: Memory
    now: datetime
    progress: Callable[[int, int], None] | None

    @classmethod
    def read(cls, options: Options) -> Request:
        """Check options and fill in what was left out. Raises `InputError` (exit 2)."""
        release = options.get("release")
        all_digests = options.get("all_digests", False)
        if options.get("staging") and options.get("trust_config") is not None:
            raise InputError(
                "A trust configuration and --staging name two Sigstore instances.", hint="Give one of them."
            )
        if options.get("copy_to") and options.get("remote"):
            raise InputError("--copy-to writes what was verified, and --remote verifies nothing.")
        if options.get("registry") and options.get("mirror"):
            raise InputError(
                "A registry and a copy of a log answer the same questions.",
                hint="Give one of --registry, --mirror.",
            )
        if all_digests and not release:
            raise InputError(
                "--all-digests compares with what a release holds.",
                hint="Give --release NS/NAME[@VERSION] too.",
            )
        now = options.get("now") or datetime.now(UTC)
        if now.tzinfo is None:
            raise InputError("The time to verify at has no time zone.", hint="Give an aware datetime.")
        policy = _policy(options.get("policy"))
        witnesses = _witnesses(options.get("witness_policy"), policy)
        wanted = WantedRelease.parse(release) if release else None
        trust = options.get("trust") or TrustStore(config_folder())
        return cls(
            wanted=_wanted(options) or _wanted_by(policy, wanted),
            release=wanted,
            signatures=tuple(Path(each) for each in _several(options.get("signature"))),
            record=_path(options.get("record")),
            registry=_registry(options.get("registry")),
            mirror=options.get("mirror"),
            stampers=tuple(
                TimestampAuthority.of_pem(_bytes(each) or b"")
                for each in _several(options.get("tsa_certificate"))
            ),
            pins=_pins(options.get("log_keys", ()), witnesses, policy, trust),
            witness_policy=witnesses,
            policy=policy,
            trust_config=_bytes(options.get("trust_config")),
            staging=options.get("staging", False),
            ignore=tuple(options.get("ignore", ())),
            ignore_unsigned_files=options.get("ignore_unsigned_files", False),
            allow_subset=options.get("allow_subset", False),
            allow_yanked=options.get("allow_yanked", False),
            accept_owners=options.get("accept_owners", False),
            all_digests=all_digests,
            remote=options.get("remote", False),
            copy_to=_path(options.get("copy_to")),
            memory=options.get("memory") or Memory(config_folder()),
            now=now,
            progress=options.get("progress"),
        )

    @property
    def trust_named(self) -> bool:
        """True if somebody said whom to trust."""
        return self.wanted is not None or self.release is not None

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """The wanted keys, and those of everybody whom the policy names."""
        return tuple(key for each in self._known for key in each.public_keys)

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """The wanted anchors, and those of everybody whom the policy names."""
        return tuple(anchor for each in self._known for anchor in each.anchors)

    @property
    def _known(self) -> tuple[Wanted, ...]:
        everybody = None if self.policy is None else self.policy.everybody
        return tuple(each for each in (self.wanted, everybody) if each is not None)

    def claiming(self, release: WantedRelease) -> Request:
        """Return the request for the release that the record claims a model to be, as the policy judges it.

        Only where a policy decides and nobody said which release is wanted: then any that it accepts is.
        """
        return replace(self, release=release, wanted=self.wanted or _wanted_by(self.policy, release))

    def sigstores(self) -> tuple[SigstoreTrust, ...]:
        """Return the Sigstore instance that is believed: the given one, else a public one."""
        from weighbridge.authentication import SigstoreTrust

        if self.trust_config is not None:
            return (SigstoreTrust.from_config(self.trust_config),)
        if self.staging:
            return (SigstoreTrust.staging(),)
        return (SigstoreTrust.production(),)


def _wanted(options: Options) -> Wanted | None:
    issuers = _several(options.get("issuer"))
    repository, more = options.get("ci_repository_id"), ("ci_owner_id", "ci_workflow", "ci_ref")
    ci = None
    if repository is not None:
        if len(issuers) != 1:
            raise InputError("--ci-repository-id needs one --issuer, the CI system's.")
        ci = Ci(issuers[0], repository, *(options.get(name) for name in more))  # type: ignore[arg-type]  # texts
    elif any(options.get(name) is not None for name in more):
        raise InputError(
            "--ci-owner-id, --ci-workflow and --ci-ref say more of --ci-repository-id; give that."
        )
    return wanted_signers(
        public_keys=[_bytes(each) or b"" for each in _several(options.get("public_key"))],
        certificate_chain=[_bytes(each) or b"" for each in _several(options.get("certificate_chain"))],
        identities=_several(options.get("identity")),
        patterns=_several(options.get("identity_regex")),
        issuers=issuers,
        ci=ci,
    )


def _several(value: _One | Sequence[_One] | None) -> list[_One]:
    """Return one or many values as a list; a text or a path is one."""
    if value is None:
        return []
    if isinstance(value, str | bytes | os.PathLike):
        return [cast("_One", value)]
    return list(value)


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _registry(registry: str | RegistryClient | None) -> RegistryClient | None:
    if not isinstance(registry, str):
        return registry
    from weighbridge.client import RegistryClient

    return RegistryClient(registry)


def _policy(given: str | bytes | LoadedPolicy | None) -> LoadedPolicy | None:
    if given is None:
        return None
    from weighbridge.policy import read_policy

    return read_policy(given) if isinstance(given, str | bytes) else given


def _witnesses(text: str | bytes | None, policy: LoadedPolicy | None) -> WitnessPolicy | None:
    """Return the co-signers that count: a policy's own cannot be replaced on the command line."""
    own = None if policy is None else policy.witness_policy
    if text is None:
        return own
    if own is not None:
        raise InputError(
            "The policy has a witness policy of its own.",
            hint="Leave --witness-policy out, or change the policy.",
        )
    return tlog.WitnessPolicy.parse(text)


def _wanted_by(policy: LoadedPolicy | None, release: WantedRelease | None) -> Wanted | None:
    """Return whom a policy lets sign a release, where nobody was named otherwise: step 11 then decides.

    None where one of the rules that may count leaves that to the owners of the namespace.
    """
    if policy is None:
        return None
    if release is None:
        rule = policy.rule_without_release()
        rules = [] if rule is None else [rule]
    else:
        rules = list(policy.possible(release.namespace, release.name, release.version))
    if not rules or not all(rule.signers for rule in rules):
        return None
    return policy.signers(name for rule in rules for name in rule.signers)


def _pins(
    log_keys: Sequence[str], witnesses: WitnessPolicy | None, policy: LoadedPolicy | None, trust: TrustStore
) -> Pins:
    """Choose the trusted logs: those named for this run alone, else those pinned before.

    A policy's logs are the only ones; the command line may choose among them, and add none.
    """
    named = [_verifier(vkey) for vkey in log_keys]
    allowed = () if policy is None else policy.logs
    if allowed and (strange := [each.vkey for each in named if each not in allowed]):
        raise InputError(
            "The policy does not trust the log that was named.",
            hint="Leave --log-key out, or change the policy.",
            evidence={"named": strange, "logs": [each.vkey for each in allowed]},
        )
    named = named or list(allowed)
    if witnesses is not None:
        named.extend(each for each in witnesses.log_verifiers if each not in named)
    if named:
        return Pins(tuple(named), exclusive=True)
    return Pins(tuple(_verifier(log.vkey) for log in trust.logs()))


def _verifier(vkey: str) -> Verifier:
    try:
        return tlog.Verifier.from_vkey(vkey)
    except NoteError as error:
        raise InputError(
            f"This is not a log key: {error.message}",
            hint=error.hint or "A log key reads NAME+HASH+KEY, in one line.",
        ) from error
