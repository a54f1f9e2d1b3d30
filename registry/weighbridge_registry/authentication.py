# SPDX-License-Identifier: Apache-2.0
"""Authentication as the state function asks for it, remembering what it found.

Requests are authenticated in their own threads, before they wait for the sequencer; the
sequencer asks again, for the same bundle and the same key, and gets the remembered answer. The
memory is keyed by everything that the answer depends on, so remembering changes nothing: who
asks about another bundle, key, authority or time is answered anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from weighbridge import keys
from weighbridge.authentication import SigstoreTrust, authenticate
from weighbridge.bundles import Bundle, PublicKeyHint, SigstoreMaterial
from weighbridge.errors import SignerError
from weighbridge.identities import Identity

__all__ = ["Authentication"]

_REMEMBERED: Final = 4096

_Question = tuple[str, str | None, tuple[str, ...], int | None]


class Authentication:
    """An `Authenticator` with the trusted roots of this registry; safe for several threads."""

    def __init__(self, trust_configs: Sequence[bytes] = (), *, public_sigstore: bool = True) -> None:
        self._trust_configs = tuple(trust_configs)
        self._public_sigstore = public_sigstore
        self._sigstore: tuple[SigstoreTrust, ...] | None = None
        self._answers: OrderedDict[_Question, Identity | SignerError] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(
        self, bundle: Bundle, *, key: str | None, anchors: tuple[str, ...], received: int
    ) -> Identity:
        """Return who signed; raises `SignerError`."""
        timeless = isinstance(bundle.material, PublicKeyHint)
        question = (bundle.sha256, key, anchors, None if timeless else received)
        answer = self._remembered(question)
        if answer is None:
            answer = self._ask(bundle, key, anchors, received)
            self._remember(question, answer)
        if isinstance(answer, SignerError):
            raise SignerError(answer.message, hint=answer.hint, evidence=answer.evidence)
        return answer

    def trust(self) -> tuple[SigstoreTrust, ...]:
        """Return the Sigstore instances that are trusted; loaded once, when first needed."""
        with self._lock:
            if self._sigstore is None:
                found = [SigstoreTrust.from_config(config) for config in self._trust_configs]
                if self._public_sigstore:
                    found.append(SigstoreTrust.production())
                self._sigstore = tuple(found)
            return self._sigstore

    def _ask(
        self, bundle: Bundle, key: str | None, anchors: tuple[str, ...], received: int
    ) -> Identity | SignerError:
        needs_roots = isinstance(bundle.material, SigstoreMaterial) or bool(bundle.timestamps)
        known = [keys.load_public_key(key.encode())] if key is not None else []
        try:
            return authenticate(
                bundle,
                keys={keys.hint(one): one for one in known},
                anchors=[x509.load_pem_x509_certificate(pem.encode()) for pem in anchors],
                sigstore=self.trust() if needs_roots else (),
                now=datetime.fromtimestamp(received, UTC),
            ).identity
        except SignerError as error:
            return error
        except (ValueError, OverflowError, OSError):
            return SignerError(f"the time of its entry, {received}, is after the year 9999")

    def _remembered(self, question: _Question) -> Identity | SignerError | None:
        with self._lock:
            answer = self._answers.get(question)
            if answer is not None:
                self._answers.move_to_end(question)
            return answer

    def _remember(self, question: _Question, answer: Identity | SignerError) -> None:
        with self._lock:
            self._answers[question] = answer
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
