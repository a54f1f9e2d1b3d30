# SPDX-License-Identifier: Apache-2.0
"""Sign keyless, through Sigstore: log in, get a short-lived certificate, be recorded in Rekor.

The signature is public for ever, with the account's name in it: asking for consent is the caller's
duty, before `StatementSigner.identity` or `sign` is used for the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge import bundles
from weighbridge.bundles import SigstoreMaterial
from weighbridge.errors import InputError, SignerError, UnavailableError, WeighbridgeError
from weighbridge.identities import SigstoreIdentity
from weighbridge.sigstore_trust import SigstoreTrust, identity_of

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer

__all__ = ["SigstoreSigner", "ambient_token"]

_CLIENT_ID = "sigstore"


def ambient_token() -> str | None:
    """Return the identity token that a CI system offers this process, or None outside of one.

    Raises `InputError` where there is a CI system that withholds it: a permission is missing.
    """
    from sigstore.oidc import IdentityError, detect_credential

    try:
        return detect_credential(_CLIENT_ID)
    except IdentityError as error:
        raise InputError(
            f"this CI system gives no identity token: {error}",
            hint="allow it; on GitHub Actions: permissions: { id-token: write }",
        ) from error


class SigstoreSigner:
    """Signs with an online account.

    Logging in happens at the first use and lasts for the certificate's ten minutes, so that several
    statements need one login, and hashing a large model can come first.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        trust_config: bytes | None = None,
        staging: bool = False,
        browser: bool = True,
    ) -> None:
        """Choose the Sigstore and the login; contacts nobody yet.

        `token` is an OIDC identity token; without it the CI system's is taken, and without that the
        browser (if `browser`). `trust_config` is a ClientTrustConfig JSON of a private Sigstore,
        `staging` the public one for trying things; the public production instance otherwise.
        """
        if trust_config is not None and staging:
            raise InputError("a trust configuration and --staging name two Sigstore instances; give one")
        self._token = token
        self._trust_config = trust_config
        self._staging = staging
        self._browser = browser
        self._session: _Session | None = None

    @property
    def identity(self) -> SigstoreIdentity:
        """Who signs, as the certificate says; logs in if that has not happened."""
        return self._log_in().identity

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of an in-toto statement, signed and recorded in Rekor.

        Raises `InputError` for a bad token, `UnavailableError` if Sigstore doesn't answer.
        """
        from sigstore.dsse import Statement

        session = self._log_in()
        try:
            foreign = session.signer.sign_dsse(Statement(payload)).to_json()
        except Exception as error:
            raise _explained(error) from error
        bundle = bundles.parse_bundle(foreign.encode())
        if bundle.payload != payload or not isinstance(bundle.material, SigstoreMaterial):
            raise SignerError("Sigstore returned a bundle of another statement")
        return bundles.encode_bundle(
            bundle.payload, bundle.signature, bundle.material, timestamps=bundle.timestamps
        )

    def _log_in(self) -> _Session:
        if self._session is None:
            self._session = self._new_session()
        return self._session

    def _new_session(self) -> _Session:
        from sigstore.sign import Signer, SigningContext

        try:
            offered = (
                self._offered_token()
            )  # before anything is fetched: a missing permission is told at once
            config = self._load_config()
            trust = SigstoreTrust.from_client_config(config)
            token = self._identity_token(offered, config)
            signer = Signer(token, SigningContext.from_trust_config(config))
            certificate = signer._signing_cert()  # noqa: SLF001 - no public way to it before a signature
        except Exception as error:
            raise _explained(error) from error
        return _Session(signer, identity_of(certificate, trust.domain_of(certificate)))

    def _load_config(self) -> ClientTrustConfig:
        from sigstore.models import ClientTrustConfig

        if self._trust_config is not None:
            SigstoreTrust.from_config(self._trust_config)  # says what is wrong with it
            return ClientTrustConfig.from_json(self._trust_config.decode())
        return ClientTrustConfig.staging() if self._staging else ClientTrustConfig.production()

    def _offered_token(self) -> str | None:
        """Return the token that was given or that the CI system offers; None where a browser may ask."""
        text = self._token or ambient_token()
        if text is None and not self._browser:
            raise InputError(
                "no identity to sign with: no token was given and no CI system offers one",
                hint="give --identity-token or sign with a key (--key)",
            )
        return text

    def _identity_token(self, offered: str | None, config: ClientTrustConfig) -> IdentityToken:
        from sigstore.oidc import IdentityToken, Issuer

        if offered is not None:
            return IdentityToken(offered.strip(), _CLIENT_ID)
        return Issuer(config.signing_config.get_oidc_url()).identity_token()


@dataclass(frozen=True, slots=True)
class _Session:
    """A login: sigstore-python's signer with its certificate, and whose it is."""

    signer: Signer
    identity: SigstoreIdentity


def _explained(error: Exception) -> WeighbridgeError:
    """Return our error for what sigstore-python or the network raised while signing."""
    from sigstore.errors import NetworkError, TUFError
    from sigstore.oidc import ExpiredIdentity, IdentityError, IssuerError

    if isinstance(error, WeighbridgeError):
        return error
    text = " ".join(str(part) for part in (error, error.__cause__ or "") if str(part)).strip()
    text = "".join(c if c.isprintable() else " " for c in text[:300]) or type(error).__name__
    if isinstance(error, EOFError):
        return InputError(
            "there is no browser here, and nobody to log in by hand",
            hint="give --identity-token or sign with a key (--key)",
        )
    if isinstance(error, (IdentityError, ExpiredIdentity)):
        return InputError(
            f"the identity token can't be used: {text}",
            hint="get a fresh one; it must be for the audience 'sigstore' and lives for minutes only",
        )
    if isinstance(error, (NetworkError, TUFError, IssuerError, OSError)):  # requests' errors are OSErrors
        return UnavailableError(
            f"Sigstore does not answer: {text}",
            hint="try again later, or sign with a key (--key)",
        )
    return SignerError(
        f"Sigstore did not sign: {text}",
        hint="try again; if it stays so, the token may be of an issuer that this Sigstore does not know",
    )
