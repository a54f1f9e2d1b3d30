# SPDX-License-Identifier: Apache-2.0
"""Have a signature stamped by an RFC 3161 time-stamp authority, over HTTP (RFC 3161 section 3.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from weighbridge import bundles
from weighbridge.errors import UnavailableError
from weighbridge.identities import Identity
from weighbridge.signing import StatementSigner, require_valid
from weighbridge.transport import Request, Transport

if TYPE_CHECKING:
    from rfc3161_client import TimeStampRequest

__all__ = ["StampedSigner"]

_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_MAX_REPLY: Final = 32 * 1024
_GRANTED: Final = 0
_MAX_SKEW: Final = timedelta(hours=24)


class StampedSigner:
    """Another signer, whose signatures are stamped before anybody gets them.

    The stamp is over the signature's bytes, as Sigstore does it. It lets a certificate's signature hold after
    the certificate has expired, for whoever trusts the authority.
    """

    def __init__(self, signer: StatementSigner, url: str) -> None:
        """Take the signer and the authority's address; raises `InputError` for what is no address."""
        self._signer = signer
        self._transport = Transport(url, what="time-stamp authority")
        self._path = "/" if url.rstrip().endswith("/") else ""  # to some servers /tsa/ is not /tsa

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
        from rfc3161_client import TimestampRequestBuilder

        query = TimestampRequestBuilder().data(signature).nonce(nonce=True).cert_request(cert_request=True)
        asked = query.build()
        answer = self._transport.send(
            Request(
                path=self._path,
                method="POST",
                body=asked.as_bytes(),
                headers={"Content-Type": _QUERY},
                accept=(_REPLY,),
                limit=_MAX_REPLY,
            )
        )
        if not answer.ok:
            raise self._transport.broken(f"refuses to stamp (HTTP {answer.status})")
        self._check(asked, answer.data)
        return answer.data

    def _check(self, asked: TimeStampRequest, stamp: bytes) -> None:
        """Raise `UnavailableError` unless a reply is what was asked for (RFC 3161 sections 2.2 and 2.4).

        Whether the authority made it is for those to find who trust one; here none is.
        """
        from rfc3161_client import decode_timestamp_response

        try:
            reply = decode_timestamp_response(stamp)
            if reply.status != _GRANTED:
                raise UnavailableError(
                    f"the time-stamp authority does not stamp: status {reply.status}", hint="try another one"
                )
            info, certificates = reply.tst_info, reply.signed_data.certificates
        except ValueError as error:
            raise self._transport.broken("answers with something that is no time stamp") from error
        imprint, wanted = info.message_imprint, asked.message_imprint
        same = imprint.hash_algorithm == wanted.hash_algorithm and imprint.message == wanted.message
        if not same or info.nonce != asked.nonce:
            raise self._transport.broken("answers with a time stamp of something else")
        if not certificates:
            raise self._transport.broken("answers with a time stamp without the certificate that made it")
        if abs(info.gen_time - datetime.now(UTC)) > _MAX_SKEW:
            raise UnavailableError(
                f"the time-stamp authority says that it is {info.gen_time:%Y-%m-%d %H:%M:%S} UTC",
                hint="check this machine's clock; if it is right, try another authority",
                evidence={"url": self.url, "time": info.gen_time.isoformat()},
            )
