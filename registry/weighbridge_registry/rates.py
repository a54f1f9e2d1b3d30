# SPDX-License-Identifier: Apache-2.0
"""How much one address and one signer may ask for: token buckets, in the memory of each process.

A bucket holds what may be done in one minute, and fills again at that rate: so that much at once, and that
much a minute for ever. Three kinds:

- *statements* and attached files sent from one address, counted before anything of them is believed;
- *signatures* of one signer that would become new entries, counted after the signer was authenticated:
  nobody can use up another's by sending forgeries in their name;
- *questions* from one address: whatever costs a look into the database. The log's own files (checkpoint,
  tiles, bundles), which caches and mirrors read, and the health of the registry are not counted.

An address is the peer's, or what a trusted proxy says of its peer (the last of `X-Forwarded-For` that no
trusted proxy has). Of IPv6 the first 64 bits count: one line has the rest. A peer on this very machine that
no proxy speaks for is its operator, and not limited.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from weighbridge.errors import ConfigurationError, RateLimitedError

from . import metrics
from .settings import Limits

__all__ = ["Buckets", "Gate"]

_MINUTE: Final = 60.0
_NAMES: Final = 65_536
"""Buckets that are kept, a few megabytes; beyond them, whoever was away longest begins anew."""
_HOPS: Final = 16
"""Addresses of `X-Forwarded-For` that are looked at, from its end."""
_LINE_BITS: Final = 64
"""Of an IPv6 address: what tells one customer of a provider from another."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Buckets:
    """Token buckets by name, all of one size. Several threads may take from them at once."""

    def __init__(
        self, each_minute: int, *, most: int = _NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold `each_minute` tokens in each, 0 for no limit; keep at most `most` of them."""
        self._size = float(each_minute)
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, moment; guarded by _lock

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def take(self, wanted: Mapping[str, int]) -> float:
        """Take so many tokens from each bucket, or nothing from any.

        Returns 0, or the seconds after which it may be tried again. Nobody has to wait for more than a full
        bucket: more tokens than it holds are taken as if they were that many.
        """
        if not self._size:
            return 0.0
        with self._lock:
            now = self._clock()
            left: dict[str, float] = {}
            wait = 0.0
            for name, tokens in wanted.items():
                left[name] = self._tokens(name, now) - min(float(tokens), self._size)
                wait = max(wait, -left[name] * _MINUTE / self._size)
            if wait > 0:
                return wait
            for name, tokens_left in left.items():
                self._kept[name] = tokens_left, now
                self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return 0.0

    def _tokens(self, name: str, now: float) -> float:
        tokens, moment = self._kept.get(name, (self._size, now))
        return min(self._size, tokens + (now - moment) * self._size / _MINUTE)


class Gate:
    """The limits of one process. Methods raise `RateLimitedError` (429) for what must wait."""

    def __init__(
        self, limits: Limits, proxies: Sequence[str] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the limits, and addresses or networks whose `X-Forwarded-For` is believed.

        Raises `ConfigurationError` for a proxy that is neither.
        """
        self._proxies = [_network(text) for text in proxies]
        self._statements = Buckets(limits.client_statements, clock=clock)
        self._questions = Buckets(limits.client_questions, clock=clock)
        self._signers = Buckets(limits.signer_statements, clock=clock)

    def client(self, peer: str | None, forwarded: str) -> str | None:
        """Return the name of who asks, or None for this machine itself, which is not limited.

        `peer` is the address at the other end of the connection (None or no address for a local socket),
        `forwarded` the request's `X-Forwarded-For`.
        """
        address = _address(peer or "")
        if address is None:
            return None
        if not self._trusted(address):
            return None if address.is_loopback else _name(address)
        hops = [_address(text.strip()) for text in forwarded.split(",")[-_HOPS:] if text.strip()]
        if not hops:
            return None if address.is_loopback else _name(address)
        for hop in reversed(hops):
            if hop is None:
                break  # no proxy writes that: whoever is behind this one shares its bucket
            address = hop
            if not self._trusted(hop):
                break
        return _name(address)

    def ask(self, client: str | None) -> None:
        """Count a question."""
        if client is not None:
            _check(self._questions.take({client: 1}), "questions", "asked too many questions")

    def send(self, client: str | None, count: int = 1) -> None:
        """Count statements, or files, that are sent."""
        if client is not None and count > 0:
            _check(self._statements.take({client: count}), "statements", "sent too many statements")

    def sign(self, signers: Mapping[str, int]) -> None:
        """Count statements that would be logged, by the ids of their authenticated signers."""
        _check(self._signers.take(signers), "signers", "this signer has published too many statements")

    def _trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._proxies if network.version == address.version)


def _check(wait: float, limit: str, what: str) -> None:
    if wait <= 0:
        return
    metrics.limited(limit)
    seconds = math.ceil(wait)
    raise RateLimitedError(
        f"{what} within a minute", seconds=seconds, hint=f"try again in {seconds} s, and more slowly"
    )


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text[:100]!r} is no address or network of a proxy",
            hint="write it as 10.0.0.7, 10.0.0.0/24 or 2001:db8::/64",
        ) from error


def _address(text: str) -> _Address | None:
    """Read an address, perhaps with a port or in brackets, as proxies write it; None if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _name(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> _LINE_BITS << _LINE_BITS, _LINE_BITS)))
    return str(address)
