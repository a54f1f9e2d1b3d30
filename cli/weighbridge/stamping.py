# SPDX-License-Identifier: Apache-2.0
"""Have a signature stamped by an RFC 3161 time-stamp authority, over HTTP (RFC 3161 section 3.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from weighbridge import bundles
from weighbridge.errors import UnavailableError
from weighbridge.identities import Identity
from weighbridge.signing import StatementSigner, require_valid
from weighbridge.transport import Request, Transport

__all__ = ["StampedSigner"]

_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_MAX_REPLY: Final = 32 * 1024


class StampedSigner:
    """Another signer, whose signatures are stamped before anybody gets them.

    The stamp is over the signature's bytes, as Sigstore does it. It lets a certificate's signature hold after
    the certificate has expired, for whoever trusts the authority.
    """

    def __init__(self, signer: StatementSigner, url: str) -> None:
        """Take the signer and the authority's address; raises `InputError` for what is no address."""
        self._signer = signer
        self._transport = Transport(url, what="time-stamp authority")

    @property
    def identity(self) -> Identity:
        """Who signs; the authority is nobody's identity."""
        return self._signer.identity

    @property
    def signer(self) -> StatementSigner:
        """The signer without the authority."""
        return self._signer

    @property
    def url(self) -> str:
        """The authority's address."""
        return self._transport.url

    def require_valid(self, time: datetime) -> None:
        """Ask the signer: a stamp of an expired certificate's signature is of no use to anybody."""
        require_valid(self._signer, time)

    def sign(self, payload: bytes) -> bytes:
        """Return the bundle JSON of a payload, signed and stamped.

        Raises `UnavailableError` if the authority does not answer, or with something else than a stamp of
        this signature.
        """
        bundle = bundles.parse_bundle(self._signer.sign(payload))
        stamp = self._stamp(bundle.signature)
        return bundles.encode_bundle(
            bundle.payload, bundle.signature, bundle.material, timestamps=(*bundle.timestamps, stamp)
        )

    def _stamp(self, signature: bytes) -> bytes:
        from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response

        query = TimestampRequestBuilder().data(signature).nonce(nonce=True).cert_request(cert_request=True)
        asked = query.build()
        answer = self._transport.send(
            Request(
                path="",
                method="POST",
                body=asked.as_bytes(),
                headers={"Content-Type": _QUERY},
                accept=(_REPLY,),
                limit=_MAX_REPLY,
            )
        )
        if not answer.ok:
            raise self._transport.broken(f"refuses to stamp (HTTP {answer.status})")
        try:
            reply = decode_timestamp_response(answer.data)
            granted = reply.status == 0
            own = granted and reply.tst_info.nonce == asked.nonce
            imprint = own and reply.tst_info.message_imprint.message == asked.message_imprint.message
        except ValueError as error:
            raise self._transport.broken("answers with something that is no time stamp") from error
        if not granted:
            raise UnavailableError(
                f"the time-stamp authority does not stamp: status {reply.status}", hint="try another one"
            )
        if not imprint:
            raise self._transport.broken("answers with a time stamp of something else")
        return answer.data
