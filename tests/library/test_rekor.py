# SPDX-License-Identifier: Apache-2.0
"""Step 4, an entry of the kind `dsse` 0.0.2: the first Rekor v2 logged it, sigstore-python 4.5 refuses it.

The entry is made by hand as sigstore/rekor-tiles made it, in a tree signed by the local Rekor's own key, with
a time stamp as Rekor v2 needs one; then each of its values is replaced by another.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sigstore.models import Bundle as ForeignBundle
from sigstore.verify import Verifier

from tests.local_sigstore import LocalSigstore
from tests.local_sigstore.forgery import TimeStamper, dsse_v2, entry_of, in_tree, json_body, rewrap, sign_time
from weighbridge import bundles
from weighbridge.authentication import Authenticated, authenticate
from weighbridge.bundles import Bundle
from weighbridge.errors import BundleError, SignerError
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.sigstore_trust import SigstoreTrust

pytestmark = pytest.mark.needs("node", "npm", "openssl")

Document = dict[str, Any]


def statement(name: str) -> bytes:
    subject = [{"digest": {"sha256": "0" * 64}, "name": name}]
    kind = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://example.org/x"}
    return json.dumps({**kind, "predicate": {}, "subject": subject}).encode()


class Scene:
    """Two statements of Alice, one of Bob, and a trusted time-stamp authority."""

    def __init__(self, sigstore: LocalSigstore, stamper: TimeStamper) -> None:
        self.sigstore = sigstore
        self.stamper = stamper
        self.trust = SigstoreTrust.from_config(stamper.trusted(sigstore))
        alice = SigstoreSigner(token=sigstore.email_token(), trust_config=sigstore.trust_config)
        token = sigstore.email_token("bob@example.org")
        bob = SigstoreSigner(token=token, trust_config=sigstore.trust_config)
        self.one = bundles.parse_bundle(alice.sign(statement("one")), strict=True)
        self.other = bundles.parse_bundle(alice.sign(statement("other")), strict=True)
        self.bob = bundles.parse_bundle(bob.sign(statement("one")), strict=True)
        self.stamp = stamper.stamp(self.one.signature)

    def logged(self, body: bytes, *, stamps: tuple[bytes, ...] | None = None, **changes: Any) -> Bundle:
        """Return Alice's bundle with a Rekor v2 entry of this body."""
        entry = {
            "kind": "dsse",
            "version": "0.0.2",
            "integrated_time": None,
            "promise": None,
            "body": body,
            "log_index": 3,
            "proof": in_tree(self.sigstore, body, 3, 6),
        }
        return rewrap(
            self.one, timestamps=(self.stamp,) if stamps is None else stamps, **{**entry, **changes}
        )

    def check(self, bundle: Bundle) -> Authenticated:
        return authenticate(bundle, sigstore=[self.trust], now=datetime.now(UTC))


@pytest.fixture(scope="module")
def scene(local_sigstore: LocalSigstore, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder: Path = tmp_path_factory.mktemp("stamper")
    return Scene(local_sigstore, TimeStamper.make(folder))


def test_it_verifies_as_any_other_with_the_same_identity_and_a_stamped_time(scene: Scene) -> None:
    bundle = scene.logged(json_body(dsse_v2(scene.one)))
    proved = scene.check(bundle)
    expected = scene.check(scene.one)
    assert (proved.identity, proved.payload) == (expected.identity, scene.one.payload)
    assert [evidence.source for evidence in proved.times] == ["timestamp"]
    assert bundles.parse_bundle(bundle.raw, strict=True).statement_digest == scene.one.statement_digest


def test_sigstore_python_itself_no_longer_takes_it(scene: Scene) -> None:
    """Should this fail, sigstore-python knows the kind again: let it do the work."""
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - slow, and only here
    from sigstore.verify import policy  # noqa: PLC0415

    config = ClientTrustConfig.from_json(scene.stamper.trusted(scene.sigstore).decode())
    verifier = Verifier(trusted_root=config.trusted_root)
    bundle = scene.logged(json_body(dsse_v2(scene.one)))
    with pytest.raises(Exception, match=r"Unsupported DSSE log entry type: dsse/0\.0\.2"):
        verifier.verify_dsse(ForeignBundle.from_json(bundle.raw), policy.UnsafeNoOp())


LIES: list[tuple[str, Callable[[Document, Scene], None]]] = [
    ("another payload", lambda d, s: d.update(payloadHash=logged_of(s.other)["payloadHash"])),
    ("another hash", lambda d, _: d["payloadHash"].update(algorithm="SHA2_384")),
    ("no payload hash", lambda d, _: d.pop("payloadHash")),
    ("another signature", lambda d, s: d["signatures"][0].update(content=content_of(s.other))),
    (
        "another signer",
        lambda d, s: d["signatures"][0].update(verifier=logged_of(s.bob)["signatures"][0]["verifier"]),
    ),
    (
        "another algorithm",
        lambda d, _: d["signatures"][0]["verifier"].update(keyDetails="PKIX_ECDSA_P384_SHA_384"),
    ),
    (
        "a key in place of the certificate",
        lambda d, _: d["signatures"][0]["verifier"].update(
            publicKey=d["signatures"][0]["verifier"].pop("x509Certificate")
        ),
    ),
    ("a second signature", lambda d, s: d["signatures"].append(logged_of(s.bob)["signatures"][0])),
    ("no signature", lambda d, _: d["signatures"].clear()),
    ("a member more", lambda d, _: d.update(note="free text")),
]


def logged_of(bundle: Bundle) -> Document:
    logged: Document = dsse_v2(bundle)["spec"]["dsseV002"]
    return logged


def content_of(bundle: Bundle) -> str:
    content: str = logged_of(bundle)["signatures"][0]["content"]
    return content


@pytest.mark.parametrize(("name", "lie"), LIES, ids=[name for name, _ in LIES])
def test_an_entry_of_something_else_is_refused(
    scene: Scene, name: str, lie: Callable[[Document, Scene], None]
) -> None:
    """Rekor's own key signs the tree: a good entry of somebody's must not vouch for another statement."""
    document = copy.deepcopy(dsse_v2(scene.one))
    lie(document["spec"]["dsseV002"], scene)
    with pytest.raises(SignerError, match="log entry is of another statement, signature or signer") as caught:
        scene.check(scene.logged(json_body(document)))
    assert caught.value.step == 4, name


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"\xff", b"[" * 5000, b'{"kind":"dsse","kind":"dsse"}'],
    ids=["nothing", "object", "array", "bytes", "deep", "twice"],
)
def test_a_body_that_is_no_entry_is_refused(scene: Scene, body: bytes) -> None:
    with pytest.raises((BundleError, SignerError)):
        scene.check(scene.logged(body))


def test_the_same_entry_in_another_spelling_is_another_leaf(scene: Scene) -> None:
    """Rekor hashes canonical bytes; a body with white space or of another kind was never its."""
    document = dsse_v2(scene.one)
    bodies = [
        json.dumps(document, sort_keys=True).encode(),
        json_body({**document, "apiVersion": "0.0.1"}),
        json_body({**document, "kind": "hashedrekord"}),
        json_body(document) + b"\n",
    ]
    for body in bodies:
        with pytest.raises(SignerError):
            scene.check(scene.logged(body))


def test_all_that_sigstore_python_checks_of_other_entries_is_checked_of_these(
    scene: Scene, tmp_path: Path
) -> None:
    body = json_body(dsse_v2(scene.one))
    stranger = TimeStamper.make(tmp_path / "stranger")
    with pytest.raises(SignerError, match="time"):
        scene.check(scene.logged(body, stamps=()))
    with pytest.raises(SignerError):
        scene.check(scene.logged(body, stamps=(stranger.stamp(scene.one.signature),)))
    with pytest.raises(SignerError):
        scene.check(scene.logged(body, stamps=(scene.stamper.stamp(b"something else"),)))
    with pytest.raises(SignerError, match="not in Sigstore's log"):
        scene.check(scene.logged(body, proof=in_tree(scene.sigstore, b"another body", 3, 6)))
    with pytest.raises(SignerError):
        scene.check(scene.logged(body, certificate=scene.bob.material.certificate))  # type: ignore[union-attr]
    changed = scene.one.payload.replace(b'"one"', b'"two"')
    with pytest.raises(SignerError, match="signature does not hold"):
        scene.check(scene.logged(body, payload=changed))


def test_a_promise_of_a_time_is_none_of_rekor_v2(scene: Scene) -> None:
    """Its entries carry no time: one that a v1 key promised for it must not count."""
    bundle = scene.logged(json_body(dsse_v2(scene.one)), stamps=())
    promised = sign_time(scene.sigstore, entry_of(bundle), int(datetime.now(UTC).timestamp()))
    with pytest.raises(SignerError, match="Integrated time only supported"):
        scene.check(rewrap(bundle, integrated_time=promised.integrated_time, promise=promised.promise))


@pytest.mark.parametrize(
    "kind", [("intoto", "0.0.2"), ("intoto", "0.0.1"), ("hashedrekord", "0.0.1"), ("dsse", "0.0.3")]
)
def test_any_other_kind_is_refused_by_its_name(scene: Scene, kind: tuple[str, str]) -> None:
    with pytest.raises(BundleError, match=f"{kind[0]}/{kind[1]}: not a kind of log entry"):
        scene.logged(json_body(dsse_v2(scene.one)), kind=kind[0], version=kind[1])
