# SPDX-License-Identifier: Apache-2.0
"""Rate limits: somebody floods, hides behind others' addresses or in others' names, and is told to wait."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.registry.publishers import Publisher, post, submit
from weighbridge import keys
from weighbridge.errors import ConfigurationError, RateLimitedError
from weighbridge_registry.api import app, create_api
from weighbridge_registry.rates import Buckets, Gate
from weighbridge_registry.service import Service, open_service
from weighbridge_registry.settings import Limits, Settings

LIMITS = Limits(client_statements=40, client_questions=10, signer_statements=10)
PROXY = "10.0.0.1"


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Service]:
    """A registry behind a proxy, with small limits."""
    settings = Settings(tmp_path / "data", public_sigstore=False, limits=LIMITS, proxies=(PROXY,))
    opened = open_service(settings)
    yield opened
    opened.close()


class Street:
    """People at addresses of their own; `front` is the registry's only application, `now` its clock."""

    def __init__(self, service: Service, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        patch.setattr(app, "Gate", functools.partial(Gate, clock=lambda: self.now))
        self.front = create_api(service)

    def at(self, address: str) -> TestClient:
        """Somebody who is connected directly, from this address."""
        return TestClient(self.front, client=(address, 50_000), raise_server_exceptions=False)

    def behind(self, *hops: str) -> TestClient:
        """Somebody whose request came through the proxy, which says so."""
        client = self.at(PROXY)
        client.headers["X-Forwarded-For"] = ", ".join(hops)
        return client


@pytest.fixture
def street(limited: Service, monkeypatch: pytest.MonkeyPatch) -> Street:
    return Street(limited, monkeypatch)


def statuses(client: TestClient, *bundles: bytes) -> Counter[int]:
    """Submit one after the other."""
    return Counter(post(client, one).status_code for one in bundles)


def test_a_flood_from_one_address_is_told_to_wait_and_others_are_served(
    street: Street, limited: Service
) -> None:
    flooder, neighbour = street.at("203.0.113.5"), street.at("203.0.113.6")
    answers = [post(flooder, b"{}") for _ in range(60)]
    assert Counter(one.status_code for one in answers) == {400: 40, 429: 20}
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "https://weighbridge/problems/too-many-requests"
    assert refused.headers["retry-after"] == "2", "one token flows in after a second and a half"
    assert "try again in" in refused.json()["hint"]
    assert flooder.get("/api/v1/log").status_code == 200, "questions have a limit of their own"
    submit(neighbour, *Publisher(limited.origin).start())
    street.now += 2
    assert post(flooder, b"{}").status_code == 400, "as it was told"
    assert post(flooder, b"{}").status_code == 429
    numbers = neighbour.get("/metrics").text
    assert 'weighbridge_limited_total{limit="statements"}' in numbers


def test_many_statements_in_one_body_count_as_many(street: Street) -> None:
    flooder = street.at("203.0.113.5")
    full = [b"{}"] * 32
    assert post(flooder, *full).status_code == 400
    assert post(flooder, *full).status_code == 429
    assert statuses(flooder, *[b"{}"] * 10) == {400: 7, 429: 3}, "the second body took one, as a request"


def test_attached_files_count_too(street: Street) -> None:
    flooder = street.at("203.0.113.5")
    answers = Counter(flooder.put(f"/api/v1/blobs/{'0' * 64}", content=b"x").status_code for _ in range(50))
    assert answers == {403: 40, 429: 10}


def test_questions_are_limited_and_what_caches_and_mirrors_read_is_not(street: Street) -> None:
    curious = street.at("203.0.113.5")
    answers = Counter(curious.get("/api/v1/models?q=a").status_code for _ in range(15))
    assert answers == {200: 10, 429: 5}
    free = ("/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1", "/healthz", "/readyz", "/metrics")
    for path in free:
        assert {curious.get(path).status_code for _ in range(2)} == {200}, path
    digest = curious.get("/tile/entries/000.p/1").content.partition(b"sha256:")[2][:64].decode()
    assert {curious.get(f"/bundles/{digest}").status_code for _ in range(2)} == {200}
    assert curious.head("/api/v1/log").status_code == 429


def test_one_signer_from_many_addresses_is_told_to_wait_and_nothing_of_it_is_lost(
    street: Street, limited: Service
) -> None:
    """A stolen key on a thousand machines: each address is new, the signer is not."""
    thief = Publisher(limited.origin)
    submit(street.at("198.51.100.1"), *thief.start())
    bundles = [thief.oms({"a": b"%d" % number}) for number in range(12)]
    answers = [
        post(street.at(f"198.51.100.{number}"), one).status_code for number, one in enumerate(bundles, 2)
    ]
    assert Counter(answers) == {201: 8, 429: 4}, "two of ten were taken at the start"
    assert post(street.at("198.51.100.99"), bundles[0]).status_code == 200, "what is logged is answered"
    submit(street.at("198.51.100.99"), *Publisher(limited.origin, "other", "other").start())
    assert limited.queries.log().size == 1 + 2 + 8 + 2


def test_forgeries_in_somebodys_name_do_not_use_up_what_is_theirs(street: Street, limited: Service) -> None:
    victim, forger = Publisher(limited.origin), Publisher(limited.origin, "forger", "forger")
    submit(street.at("198.51.100.1"), *victim.start())
    for number in range(20):
        bundle = json.loads(forger.oms({"a": b"%d" % number}))
        bundle["verificationMaterial"]["publicKey"]["hint"] = keys.hint(victim.key.public_key())
        assert post(street.at(f"203.0.113.{number}"), json.dumps(bundle).encode()).status_code == 403
    mine = [victim.oms({"mine": b"%d" % number}) for number in range(9)]
    assert statuses(street.at("198.51.100.1"), *mine) == {201: 8, 429: 1}


def test_an_address_that_is_written_into_a_header_is_believed_of_proxies_alone(street: Street) -> None:
    """Somebody writes a new X-Forwarded-For into each request: before the proxy's, and without one."""
    lies = [f"192.0.2.{number}" for number in range(50)]
    behind = Counter(post(street.behind(lie, "203.0.113.5"), b"{}").status_code for lie in lies)
    assert behind == {400: 40, 429: 10}
    direct = street.at("203.0.113.7")
    answers = []
    for lie in lies:
        direct.headers["X-Forwarded-For"] = lie
        answers.append(post(direct, b"{}").status_code)
    assert Counter(answers) == {400: 40, 429: 10}
    assert post(street.behind("203.0.113.8"), b"{}").status_code == 400, "others behind the proxy are served"


def test_whoever_is_on_this_machine_is_not_limited_unless_a_proxy_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        tmp_path / "data", public_sigstore=False, limits=LIMITS, proxies=("127.0.0.1", "::1/128")
    )
    service = open_service(settings)
    street = Street(service, monkeypatch)
    assert statuses(street.at("127.0.0.1"), *[b"{}"] * 50) == {400: 50}
    assert statuses(street.at("testclient"), *[b"{}"] * 50) == {400: 50}, "a local socket has no address"
    proxied = street.at("127.0.0.1")
    proxied.headers["X-Forwarded-For"] = "127.0.0.1"
    assert statuses(proxied, *[b"{}"] * 45) == {400: 40, 429: 5}
    service.close()


@pytest.mark.parametrize(
    ("peer", "forwarded", "name"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("::ffff:203.0.113.5", "", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "", "2001:db8:1:2::/64"),
        ("127.0.0.1", "198.51.100.1", None),
        ("::1", "", None),
        (None, "198.51.100.1", None),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::/64"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, , 10.0.0.2,", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", "," * 5000 + "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "<script>", "10.0.0.1"),
    ],
)
def test_who_asks(peer: str | None, forwarded: str, name: str | None) -> None:
    assert Gate(Limits(), ("10.0.0.0/8",)).client(peer, forwarded) == name


@pytest.mark.parametrize("proxy", ["", "proxy.example.org", "10.0.0.1/8", "10.0.0.0/40", "x" * 5000])
def test_what_is_no_proxy_is_named(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="no address or network"):
        Gate(Limits(), (proxy,))


def test_no_limit_is_no_limit() -> None:
    gate = Gate(Limits(client_statements=0, client_questions=0, signer_statements=0))
    for _ in range(500):
        gate.ask("a")
        gate.send("a", 32)
        gate.sign({"s": 32})


def test_a_million_addresses_do_not_fill_the_memory() -> None:
    now = [0.0]
    buckets = Buckets(10, most=100, clock=lambda: now[0])
    for number in range(5000):
        now[0] += 0.001
        assert buckets.take({str(number): 10}) == 0
    assert len(buckets) == 100
    assert buckets.take({"4999": 1}) > 0


def test_all_buckets_or_none() -> None:
    buckets = Buckets(10, clock=lambda: 0.0)
    assert buckets.take({"a": 8}) == 0
    assert buckets.take({"b": 5, "a": 5}) == pytest.approx(18)
    assert buckets.take({"b": 10}) == 0, "nothing was taken from b"


def test_a_clock_that_goes_back_gives_nothing() -> None:
    now = [1000.0]
    buckets = Buckets(10, clock=lambda: now[0])
    assert buckets.take({"a": 10}) == 0
    now[0] = 10.0
    assert buckets.take({"a": 1}) > 0


def test_whoever_must_wait_is_told_whole_seconds() -> None:
    gate = Gate(Limits(client_statements=240))
    gate.send("a", 240)
    with pytest.raises(RateLimitedError) as refused:
        gate.send("a")
    assert refused.value.seconds == 1
    assert refused.value.exit_code == 3


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60)), min_size=1, max_size=40),
)
def test_nobody_gets_more_than_a_bucket_and_its_rate(size: int, asked: list[tuple[float, int]]) -> None:
    """In any stretch of time: at most what a full bucket holds, and what flows in meanwhile."""
    now = [0.0]
    buckets = Buckets(size, clock=lambda: now[0])
    taken: list[tuple[float, int]] = []
    for pause, tokens in asked:
        now[0] += pause
        wait = buckets.take({"a": tokens})
        if wait == 0:
            taken.append((now[0], min(tokens, size)))
        else:
            assert wait <= 60 * min(tokens, size) / size + 1e-6
            now[0] += wait + 1e-9
            assert buckets.take({"a": tokens}) <= 1e-6
            taken.append((now[0], min(tokens, size)))
    for start in range(len(taken)):
        total = 0
        for moment, tokens in taken[start:]:
            total += tokens
            assert total <= size + (moment - taken[start][0]) * size / 60 + 1e-3
