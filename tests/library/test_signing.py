# SPDX-License-Identifier: Apache-2.0
"""Signing a model: everything is hashed before the signer is asked, and the bundle is written whole."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.authorities import NOW, Authority, Extensions, authority_extensions, key_usage
from tests.models import single_file, tiny_model, write
from weighbridge import bundles, keys
from weighbridge.authentication import authenticate
from weighbridge.errors import EnumerationError, InputError, UnavailableError
from weighbridge.identities import CertificateIdentity, KeyIdentity
from weighbridge.oms import compare, parse_manifest
from weighbridge.signing import CertificateSigner, KeySigner, StatementSigner, sign
from weighbridge.stamping import StampedSigner
from weighbridge.statements import parse_statement

KEY = keys.generate_private_key()
SIGNER = KeySigner(KEY)


def test_a_folder_is_signed_into_model_sig_and_compares(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")

    signed = sign(folder, signer=SIGNER)

    assert signed.path_written == folder / "model.sig"
    bundle = bundles.parse_bundle((folder / "model.sig").read_bytes(), strict=True)
    assert bundle.raw == signed.bundle
    proved = authenticate(bundle, keys=[KEY.public_key()], now=NOW)
    manifest, warnings = parse_manifest(parse_statement(proved.payload))
    assert warnings == ()
    assert manifest.root_digest == signed.serialized.manifest.root_digest
    assert "README.md" in [resource.name for resource in manifest.resources]
    comparison = compare(manifest, folder)
    assert comparison.enumeration_error() is None
    assert comparison.digest_error() is None


def test_signing_again_replaces_the_signature_and_does_not_sign_it(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")

    first, second = sign(folder, signer=SIGNER), sign(folder, signer=SIGNER)

    assert first.serialized.manifest.root_digest == second.serialized.manifest.root_digest
    assert (folder / "model.sig").read_bytes() == second.bundle
    assert sorted(path.name for path in folder.iterdir() if "tmp" in path.name) == []


def test_a_single_file_is_signed_beside_itself(tmp_path: Path) -> None:
    file = single_file(tmp_path / "weights.safetensors")

    signed = sign(file, signer=SIGNER)

    assert signed.path_written == tmp_path / "weights.safetensors.sig"
    manifest, _ = parse_manifest(parse_statement(bundles.parse_bundle(signed.bundle).payload))
    assert [resource.name for resource in manifest.resources] == ["weights.safetensors"]
    assert compare(manifest, file).digest_error() is None


def test_a_signature_elsewhere_in_the_folder_is_left_out_by_itself(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    target = folder / "1_Pooling" / "my.sig"

    sign(folder, signer=SIGNER, signature=target)
    signed = sign(folder, signer=SIGNER, signature=target)

    manifest, _ = parse_manifest(parse_statement(bundles.parse_bundle(signed.bundle).payload))
    assert "1_Pooling/my.sig" in manifest.serialization.ignore_paths
    assert compare(manifest, folder).enumeration_error() is None


@pytest.mark.parametrize("algorithm", ["sha256", "blake3", "blake2b"])
def test_each_algorithm_of_oms_signs(tmp_path: Path, algorithm: str) -> None:
    folder = tiny_model(tmp_path / "tiny")

    signed = sign(folder, signer=SIGNER, algorithm=algorithm, ignore=["data_config.json"])

    manifest, _ = parse_manifest(parse_statement(bundles.parse_bundle(signed.bundle).payload))
    assert manifest.serialization.hash_type == algorithm
    assert "data_config.json" not in [resource.name for resource in manifest.resources]


class _Broken:
    identity = KeyIdentity("0" * 64)

    def sign(self, payload: bytes) -> bytes:
        raise UnavailableError(f"Sigstore does not answer; {len(payload)} bytes are not signed")


def test_a_failed_signing_leaves_the_old_signature_untouched(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    before = sign(folder, signer=SIGNER).bundle

    with pytest.raises(UnavailableError):
        sign(folder, signer=_Broken())
    assert (folder / "model.sig").read_bytes() == before


class _Unused:
    @property
    def identity(self) -> KeyIdentity:
        raise AssertionError("asked to sign before everything was hashed")

    def sign(self, payload: bytes) -> bytes:
        assert not payload, "asked to sign before everything was hashed"
        return b""


def test_an_empty_folder_is_refused_before_anyone_logs_in(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(EnumerationError):
        sign(tmp_path / "empty", signer=_Unused())
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_folder_for_a_signature_is_refused_before_hashing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        sign(tiny_model(tmp_path / "tiny"), signer=_Unused(), signature=tmp_path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        sign(tmp_path / "nowhere", signer=_Unused())


def test_a_certificate_signer_puts_its_chain_into_the_bundle() -> None:
    root = Authority("Acme Root")
    middle = Authority("Acme Models", issuer=root)
    leaf = middle.issue("release", KEY.public_key())
    signer = CertificateSigner(KEY, leaf, [middle.certificate, root.certificate])
    assert isinstance(signer, StatementSigner)

    bundle = bundles.parse_bundle(signer.sign(b"statement"), strict=True)

    proved = authenticate(bundle, anchors=[root.certificate], now=NOW)
    assert proved.identity == signer.identity == CertificateIdentity(root.sha256, "CN=release")
    assert signer.anchor_pem == root.pem


def test_a_certificate_for_another_key_is_refused() -> None:
    root = Authority("Acme Root")
    leaf = root.issue("release", keys.generate_private_key().public_key())

    with pytest.raises(InputError, match="another key"):
        CertificateSigner(KEY, leaf, [root.certificate])


def _certified(
    leaf: tuple[int, int] = (-1, 1),
    anchor: tuple[int, int] = (-9, 9),
    *,
    extensions: Extensions | None = None,
    anchor_extensions: Extensions | None = None,
    chain: bool = True,
) -> CertificateSigner:
    """A signer whose certificates are valid from and until so many days from NOW."""
    days = [NOW + timedelta(days=each) for each in (*leaf, *anchor)]
    root = Authority("Acme Root", start=days[2], end=days[3], extensions=anchor_extensions)
    certificate = root.issue("release", KEY.public_key(), start=days[0], end=days[1], extensions=extensions)
    return CertificateSigner(KEY, certificate, [root.certificate] if chain else [])


@pytest.mark.parametrize(
    ("signer", "words"),
    [
        (_certified((-3, -1)), "CN=release has expired: it was valid until 2026-05-31 12:00:00 UTC"),
        (_certified((1, 3)), "CN=release is not valid yet: it is from 2026-06-02 12:00:00 on UTC"),
        (_certified((-3, -1), chain=False), "CN=release has expired"),
        (_certified(anchor=(-9, -1)), "CN=Acme Root has expired"),
        (_certified(anchor=(1, 9)), "CN=Acme Root is not valid yet"),
        (_certified(extensions=[(key_usage(key_agreement=True), True)]), "no digitalSignature"),
        (_certified(extensions=[(key_usage(key_agreement=True), True)], chain=False), "no digitalSignature"),
        (_certified(extensions=[]), "neither key usage nor extended key usage"),
        (_certified(anchor_extensions=authority_extensions(ca=False)), "does not lead to"),
    ],
)
@pytest.mark.parametrize("stamped", [False, True])
def test_a_certificate_that_nobody_would_believe_is_refused_before_hashing(
    tmp_path: Path, signer: CertificateSigner, words: str, *, stamped: bool
) -> None:
    """A stamp says when a signature was made: it cannot cure a certificate that was not valid then."""
    chosen = StampedSigner(signer, "http://127.0.0.1:1/") if stamped else signer
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        sign(tmp_path / "not even looked for", signer=chosen, now=NOW)
    assert caught.value.exit_code == 2
    assert caught.value.hint


@pytest.mark.parametrize("chain", [True, False])
def test_a_certificate_that_is_valid_signs(tmp_path: Path, *, chain: bool) -> None:
    sign(tiny_model(tmp_path / "tiny"), signer=_certified(chain=chain), now=NOW)
    assert (tmp_path / "tiny" / "model.sig").exists()


def test_a_certificate_that_expires_while_the_model_is_hashed_signs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = _certified()
    moments = iter((NOW, NOW + timedelta(days=2)))
    real = signer.require_valid
    monkeypatch.setattr(signer, "require_valid", lambda _: real(next(moments)))
    with pytest.raises(InputError, match="has expired"):
        sign(tiny_model(tmp_path / "tiny"), signer=signer)
    assert not (tmp_path / "tiny" / "model.sig").exists()


# What is not replaced


def test_the_signatures_of_several_people_are_not_replaced_by_one(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    other = KeySigner(keys.generate_private_key())
    both = sign(folder, signer=SIGNER).bundle + b"\n" + sign(folder, signer=other).bundle + b"\n"
    (folder / "model.sig").write_bytes(both)
    for options in ({}, {"signature": folder / "model.sig"}):
        with pytest.raises(InputError, match="holds 2 signatures") as caught:
            sign(folder, signer=_Unused(), **options)
        assert "--signature OUT" in caught.value.hint
    assert (folder / "model.sig").read_bytes() == both
    sign(folder, signer=SIGNER, signature=tmp_path / "mine.sig")
    (folder / "model.sig").write_bytes(both * 20)
    with pytest.raises(InputError, match="is not replaced"):
        sign(folder, signer=_Unused())


def test_a_file_that_is_no_signature_is_not_replaced_where_its_name_was_given(tmp_path: Path) -> None:
    """A slip of the fingers (`--signature model.safetensors`) must not cost the weights."""
    folder = tiny_model(tmp_path / "tiny")
    before = (folder / "model.safetensors").read_bytes()
    for name in ("model.safetensors", "config.json"):
        with pytest.raises(InputError, match="is no signature"):
            sign(folder, signer=_Unused(), signature=folder / name)
    single = folder / "model.safetensors"
    with pytest.raises(InputError, match="is the model itself"):
        sign(single, signer=_Unused(), signature=single)
    assert single.read_bytes() == before
    (tmp_path / "empty.sig").touch()
    sign(folder, signer=SIGNER, signature=tmp_path / "empty.sig")
    sign(folder, signer=SIGNER, signature=tmp_path / "empty.sig")


def test_a_certificate_file_is_read_within_bounds(tmp_path: Path) -> None:
    keys.write_private_key(tmp_path / "k.pem", KEY, None)
    for path, words in (
        (tmp_path / "none.pem", "No such file"),
        (tmp_path, "s a directory"),
        (write(tmp_path / "long.pem", b"x" * 2_000_000), "too large"),
        (write(tmp_path / "text.pem", "no certificate"), "no certificate in PEM form"),
    ):
        with pytest.raises(InputError, match=words):
            CertificateSigner.load(tmp_path / "k.pem", path)


def test_a_chain_in_the_wrong_order_is_refused_when_signing() -> None:
    root = Authority("Acme Root")
    middle = Authority("Acme Models", issuer=root)
    leaf = middle.issue("release", KEY.public_key(), end=NOW + timedelta(days=1))

    with pytest.raises(InputError, match="has not issued"):
        CertificateSigner(KEY, leaf, [root.certificate, middle.certificate])
