# SPDX-License-Identifier: Apache-2.0
"""RFC 3161 time stamps over a signature: somebody else's word for when it existed.

Bytes and certificates in, a time or nothing out; no I/O. Parsing and the checks of RFC 3161 are
rfc3161-client's: status, imprint (SHA-256, 384 or 512), signature, the critical timeStamping purpose, and a
chain to a trusted certificate that was valid at the stamped time. Who is trusted is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from weighbridge import certificates
from weighbridge.bundles import Bundle
from weighbridge.errors import InputError, SignerError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["TimeEvidence", "TimestampAuthority", "stamped_times"]


@dataclass(frozen=True, slots=True)
class TimeEvidence:
    """A time that somebody else vouches for: Rekor, a time-stamp authority, a witness of the log."""

    source: Literal["rekor", "timestamp", "witness"]
    time: datetime


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """A trusted authority: its own certificate if known, intermediates, the root; and when it served."""

    stamper: Certificate | None
    intermediates: tuple[Certificate, ...]
    root: Certificate
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of_chain(
        cls, chain: Sequence[Certificate], start: datetime | None = None, end: datetime | None = None
    ) -> TimestampAuthority:
        """Take a chain in order: the stamping certificate first, the root last; one alone is both."""
        if len(chain) == 1:
            return cls(None, (), chain[0], start, end)
        return cls(chain[0], tuple(chain[1:-1]), chain[-1], start, end)

    @classmethod
    def of_pem(cls, pem: bytes) -> TimestampAuthority:
        """Take PEM text of a root, or of a chain in any order; raises `InputError`."""
        found = certificates.load_certificates(pem)
        roots = [each for each in found if each.issuer == each.subject]
        if len(found) > 1 and len(roots) != 1:
            raise InputError(
                f"{len(roots)} of {len(found)} certificates of a time-stamp authority are roots.",
                hint="Give one root, with the certificates below it in the same file if you like.",
            )
        issuers = {each.issuer for each in found if each not in roots}
        below = [each for each in found if each not in roots]
        stampers = [each for each in below if each.subject not in issuers]
        if len(stampers) > 1:
            raise InputError(
                "This holds certificates of several time-stamp authorities; give a file for each."
            )
        intermediates = tuple(each for each in below if each not in stampers)
        root = next(iter(roots or found))
        return cls(stampers[0] if stampers else None, intermediates, root)

    def time_of(self, stamp: bytes, signature: bytes) -> datetime | None:
        """Return the time of a stamp over a signature's bytes, None unless this authority made it."""
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        try:
            response = decode_timestamp_response(stamp)
            time = response.tst_info.gen_time
            builder = VerifierBuilder()
            if self.stamper is not None:
                builder = builder.tsa_certificate(self.stamper)
            for certificate in self.intermediates:
                builder = builder.add_intermediate_certificate(certificate)
            builder.add_root_certificate(self.root).build().verify_message(response, signature)
        except (VerificationError, ValueError):
            return None
        served = (self.start is None or self.start <= time) and (self.end is None or time <= self.end)
        return time if served else None


def stamped_times(bundle: Bundle, authorities: Sequence[TimestampAuthority]) -> tuple[TimeEvidence, ...]:
    """Return the times of a bundle's stamps that trusted authorities made.

    Stamps of others prove nothing and are left out; in a strict bundle they are refused (`SignerError`).
    """
    found = []
    for stamp in bundle.timestamps:
        times = (authority.time_of(stamp, bundle.signature) for authority in authorities)
        time = next((time for time in times if time is not None), None)
        if time is not None:
            found.append(TimeEvidence("timestamp", time))
        elif bundle.strict:
            raise SignerError(
                "the bundle has a time stamp that no trusted authority made over this signature",
                hint="leave --tsa-url out, or name an authority that is trusted there: a registry trusts "
                "those of its trust configuration",
            )
    return tuple(found)
