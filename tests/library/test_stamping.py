# SPDX-License-Identifier: Apache-2.0
"""Time stamps: asked of a real `openssl ts` over HTTP, and what each false one is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.authorities import Authority
from tests.commands import weighbridge_here
from tests.library.servers import Asked, Handler, scripted_server
from tests.library.verification.expectations import assert_refused, assert_verified
from tests.local_sigstore.forgery import TimeStamper
from tests.models import tiny_model, write
from weighbridge import bundles, keys
from weighbridge.errors import InputError, UnavailableError
from weighbridge.memory import Memory
from weighbridge.signing import CertificateSigner, KeySigner, sign
from weighbridge.stamping import StampedSigner
from weighbridge.timestamps import TimestampAuthority
from weighbridge.trust import TrustStore
from weighbridge.verdict import Verdict
from weighbridge.verification import check

pytestmark = pytest.mark.needs("openssl")

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LATER = NOW + timedelta(days=3650)
PEM = serialization.Encoding.PEM


@contextmanager
def authority(stamper: TimeStamper, **changes: Any) -> Iterator[str]:
    """Serve an authority over HTTP and give its address."""

    def answer(handler: Handler, asked: Asked) -> None:
        assert asked.headers["Content-Type"] == "application/timestamp-query"
        handler.answer(
            changes.get("status", 200),
            changes.get("body") or stamper.reply(asked.body),
            changes.get("content_type", "application/timestamp-reply"),
        )

    with scripted_server(answer) as server:
        yield f"{server.url}/tsa"


@pytest.fixture
def stamper(tmp_path: Path) -> TimeStamper:
    return TimeStamper.make(tmp_path / "tsa")


class Acme:
    """A publisher with a certificate that is valid for two hours."""

    def __init__(self, start: datetime = NOW - HOUR, end: datetime = NOW + HOUR) -> None:
        self.root = Authority("Acme Root", start=NOW - 30 * 24 * HOUR, end=LATER + HOUR)
        self.key = keys.generate_private_key()
        self.leaf = self.root.issue("release", self.key.public_key(), start=start, end=end)

    def signer(self) -> CertificateSigner:
        return CertificateSigner(self.key, self.leaf, [self.root.certificate])


def verify(model: Path, acme: Acme, **options: Any) -> Verdict:
    config = model.parent / "config"
    own: dict[str, Any] = {"trust": TrustStore(config), "memory": Memory(config, enabled=False)}
    return check(model, **(own | {"certificate_chain": [acme.root.pem], "now": LATER} | options))


def stamped(model: Path, acme: Acme, *stamps: bytes) -> Path:
    """Sign a model and put stamps of a test's choice into the bundle."""
    bundle = bundles.parse_bundle(sign(model, signer=acme.signer()).bundle)
    raw = bundles.encode_bundle(bundle.payload, bundle.signature, bundle.material, timestamps=stamps)
    return write(model / "model.sig", raw)


def signature_of(model: Path) -> bytes:
    return bundles.parse_bundle((model / "model.sig").read_bytes()).signature


def test_a_stamp_lets_a_signature_outlive_its_certificate(tmp_path: Path, stamper: TimeStamper) -> None:
    model, acme = tiny_model(tmp_path / "m"), Acme()
    with authority(stamper) as url:
        sign(model, signer=StampedSigner(acme.signer(), url))
    assert_refused(verify(model, acme), 4, "not valid at")
    verdict = verify(model, acme, tsa_certificate=stamper.root.pem)
    assert_verified(verdict)
    times = verdict.step(4).evidence["times"]
    assert [each["source"] for each in times] == ["timestamp"]
    assert abs(datetime.fromisoformat(times[0]["time"]) - NOW) < HOUR
    assert verdict.to_json()["signers"][0]["times"] == times


@pytest.mark.parametrize("form", ["root", "chain", "chain reversed"])
def test_an_authority_is_named_by_its_root_or_its_chain(
    tmp_path: Path, stamper: TimeStamper, form: str
) -> None:
    model, acme = tiny_model(tmp_path / "m"), Acme()
    sign(model, signer=acme.signer())
    stamped(model, acme, b"x")
    bundle = bundles.parse_bundle(sign(model, signer=acme.signer()).bundle)
    stamp = stamper.stamp(bundle.signature, certificate=form == "root")
    raw = bundles.encode_bundle(bundle.payload, bundle.signature, bundle.material, timestamps=[stamp])
    write(model / "model.sig", raw)
    leaf = stamper.certificate.public_bytes(PEM)
    pem = {
        "root": stamper.root.pem,
        "chain": leaf + stamper.root.pem,
        "chain reversed": stamper.root.pem + leaf,
    }
    assert_verified(verify(model, acme, tsa_certificate=pem[form]))


def test_a_key_s_signature_shows_its_stamp_and_needs_none(tmp_path: Path, stamper: TimeStamper) -> None:
    model, key = tiny_model(tmp_path / "m"), keys.generate_private_key()
    with authority(stamper) as url:
        sign(model, signer=StampedSigner(KeySigner(key), url))
    wanted = {"certificate_chain": [], "public_key": keys.public_pem(key.public_key())}
    verdict = verify(model, Acme(), **wanted)
    assert_verified(verdict)
    assert "not trusted here: --tsa-certificate" in verdict.step(4).reason
    assert verdict.to_json()["signers"][0]["unproved_stamps"] == 1
    verdict = verify(model, Acme(), tsa_certificate=stamper.root.pem, **wanted)
    assert verdict.to_json()["signers"][0]["unproved_stamps"] == 0
    assert len(verdict.step(4).evidence["times"]) == 1


def test_a_stamp_that_proves_nothing_saves_no_expired_certificate(
    tmp_path: Path, stamper: TimeStamper
) -> None:
    model, acme = tiny_model(tmp_path / "m"), Acme()
    other = TimeStamper.make(tmp_path / "other")
    false = TimeStamper.make(tmp_path / "false", purpose=ExtendedKeyUsageOID.CODE_SIGNING)
    signature_path = stamped(model, acme)
    signature = signature_of(model)
    bundle = bundles.parse_bundle(signature_path.read_bytes())

    def with_stamp(stamp: bytes, trusted: bytes = stamper.root.pem) -> Verdict:
        raw = bundles.encode_bundle(bundle.payload, signature, bundle.material, timestamps=[stamp])
        write(model / "model.sig", raw)
        return verify(model, acme, tsa_certificate=trusted)

    assert_verified(with_stamp(stamper.stamp(signature)))
    for stamp, trusted in (
        (stamper.stamp(b"another signature"), stamper.root.pem),
        (other.stamp(signature), stamper.root.pem),
        (stamper.stamp(signature, algorithm="sha1"), stamper.root.pem),
        (b"no stamp at all", stamper.root.pem),
        (stamper.stamp(signature)[:-20], stamper.root.pem),
    ):
        assert_refused(with_stamp(stamp, trusted), 4, "not valid at")
    assert false is not None


def test_a_stamper_without_the_purpose_is_none(tmp_path: Path) -> None:
    """Whoever has any certificate below the authority's root must not be able to make times."""
    false = TimeStamper.make(tmp_path / "false", purpose=ExtendedKeyUsageOID.CODE_SIGNING)
    trusted = TimestampAuthority.of_pem(false.root.pem)
    try:
        stamp = false.stamp(b"signature")
    except Exception:  # noqa: BLE001 - openssl itself refuses to stamp with it: as good
        return
    assert trusted.time_of(stamp, b"signature") is None


def test_a_stamp_from_before_the_certificate_does_not_make_it_valid(
    tmp_path: Path, stamper: TimeStamper
) -> None:
    model, acme = tiny_model(tmp_path / "m"), Acme(start=NOW + HOUR, end=NOW + 2 * HOUR)
    bundle = bundles.parse_bundle(sign(model, signer=acme.signer(), now=NOW + 1.5 * HOUR).bundle)
    stamp = stamper.stamp(bundle.signature)
    raw = bundles.encode_bundle(bundle.payload, bundle.signature, bundle.material, timestamps=[stamp])
    write(model / "model.sig", raw)
    assert_refused(verify(model, acme, tsa_certificate=stamper.root.pem), 4, "not valid at")


def test_a_stamp_of_the_future_is_no_evidence_yet(tmp_path: Path, stamper: TimeStamper) -> None:
    model, acme = tiny_model(tmp_path / "m"), Acme()
    with authority(stamper) as url:
        sign(model, signer=StampedSigner(acme.signer(), url))
    long_ago = NOW - 20 * 24 * HOUR
    assert_refused(verify(model, acme, tsa_certificate=stamper.root.pem, now=long_ago), 4, "not valid at")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": 400}, "refuses to stamp"),
        ({"content_type": "text/html"}, "text/html"),
        ({"body": b"nonsense"}, "no time stamp"),
        ({"body": b"x" * 40_000}, "more than"),
    ],
)
def test_a_broken_authority_is_told_and_nothing_is_written(
    tmp_path: Path, stamper: TimeStamper, changes: dict[str, Any], words: str
) -> None:
    model = tiny_model(tmp_path / "m")
    with authority(stamper, **changes) as url, pytest.raises(UnavailableError, match=words):
        sign(model, signer=StampedSigner(Acme().signer(), url))
    assert not (model / "model.sig").exists()


def test_a_stamp_of_something_else_is_not_taken(tmp_path: Path, stamper: TimeStamper) -> None:
    model = tiny_model(tmp_path / "m")
    replayed = stamper.stamp(b"an older signature")
    with authority(stamper, body=replayed) as url, pytest.raises(UnavailableError, match="something else"):
        sign(model, signer=StampedSigner(Acme().signer(), url))
    assert not (model / "model.sig").exists()


@pytest.mark.parametrize("nonce", [[], ["-no_nonce"]], ids=["another", "none"])
def test_a_stamp_of_the_same_signature_with_another_nonce_is_not_taken(
    tmp_path: Path, stamper: TimeStamper, nonce: list[str]
) -> None:
    """It may be an old one: the nonce is what shows that the authority was asked now."""
    model = tiny_model(tmp_path / "m")

    def answer(handler: Handler, asked: Asked) -> None:
        start = asked.body.index(b"\x04\x40") + 2
        digest = asked.body[start : start + 64].hex()
        stamper._openssl("-query", "-digest", digest, "-sha512", *nonce, "-cert", "-out", "query")
        stamp = stamper.reply((stamper.folder / "query").read_bytes())
        handler.answer(200, stamp, "application/timestamp-reply")

    with scripted_server(answer) as server, pytest.raises(UnavailableError, match="something else"):
        sign(model, signer=StampedSigner(Acme().signer(), server.url))
    assert not (model / "model.sig").exists()


def test_an_authority_whose_clock_is_far_off_is_told(
    tmp_path: Path, stamper: TimeStamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path / "m")
    monkeypatch.setattr("weighbridge.stamping._MAX_SKEW", timedelta(days=-1))
    with authority(stamper) as url, pytest.raises(UnavailableError, match="says that it is") as caught:
        sign(model, signer=StampedSigner(Acme().signer(), url))
    assert "clock" in caught.value.hint


def test_a_stamp_without_its_certificate_is_not_taken(tmp_path: Path, stamper: TimeStamper) -> None:
    """RFC 3161 section 2.4.1: it was asked for, and others could not check the stamp without it."""
    model = tiny_model(tmp_path / "m")

    def answer(handler: Handler, asked: Asked) -> None:
        assert asked.body.endswith(b"\x01\x01\xff"), "certReq is the last member"
        query = bytes([asked.body[0], asked.body[1] - 3]) + asked.body[2:-3]
        handler.answer(200, stamper.reply(query), "application/timestamp-reply")

    with scripted_server(answer) as server, pytest.raises(UnavailableError, match="without the certificate"):
        sign(model, signer=StampedSigner(Acme().signer(), server.url))


def test_an_authority_redirects_nobody_and_its_address_is_kept_to_the_last_slash(
    tmp_path: Path, stamper: TimeStamper
) -> None:
    model = tiny_model(tmp_path / "m")
    seen: list[str] = []

    def answer(handler: Handler, asked: Asked) -> None:
        seen.append(asked.path)
        if asked.path == "/tsa":
            handler.send_response(307)
            handler.send_header("Location", "/tsa/")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        else:
            handler.answer(200, stamper.reply(asked.body), "application/timestamp-reply")

    with scripted_server(answer) as server:
        with pytest.raises(UnavailableError, match="redirects"):
            sign(model, signer=StampedSigner(Acme().signer(), f"{server.url}/tsa"))
        sign(model, signer=StampedSigner(Acme().signer(), f"{server.url}/tsa/"))
    assert seen == ["/tsa", "/tsa/"]


def test_several_authorities_in_one_file_are_refused(tmp_path: Path, stamper: TimeStamper) -> None:
    other = TimeStamper.make(tmp_path / "other")
    with pytest.raises(InputError, match="are roots"):
        TimestampAuthority.of_pem(stamper.root.pem + other.root.pem)


def test_as_typed(tmp_path: Path, stamper: TimeStamper, config_folder: Path) -> None:
    model = tiny_model(tmp_path / "m")
    key = keys.generate_private_key()
    keys.write_private_key(tmp_path / "k.pem", key, None)
    public = write(tmp_path / "k.pub", keys.public_pem(key.public_key()))
    root = write(tmp_path / "root.pem", stamper.root.pem)
    with authority(stamper) as url:
        done = weighbridge_here("sign", model, "--key", tmp_path / "k.pem", "--tsa-url", url)
    assert done.exit_code == 0, done.stderr
    done = weighbridge_here("verify", model, "--public-key", public, "--tsa-certificate", root, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.json()["signers"][0]["times"][0]["source"] == "timestamp"
    done = weighbridge_here("sign", model, "--key", tmp_path / "k.pem", "--tsa-url", "ftp://x")
    assert done.exit_code == 2
    assert "not the address of a time-stamp authority" in done.stderr
