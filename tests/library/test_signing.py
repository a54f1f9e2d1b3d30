# SPDX-License-Identifier: Apache-2.0
"""Signing a model: everything is hashed before the signer is asked, and the bundle is written whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.authorities import NOW, Authority
from tests.models import single_file, tiny_model
from weighbridge import bundles, keys
from weighbridge.authentication import authenticate
from weighbridge.errors import EnumerationError, InputError, UnavailableError
from weighbridge.identities import CertificateIdentity, KeyIdentity
from weighbridge.oms import compare, parse_manifest
from weighbridge.signing import CertificateSigner, KeySigner, StatementSigner, sign
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


def test_a_chain_in_the_wrong_order_is_refused_when_signing() -> None:
    root = Authority("Acme Root")
    middle = Authority("Acme Models", issuer=root)
    leaf = middle.issue("release", KEY.public_key(), end=NOW + timedelta(days=1))

    with pytest.raises(InputError, match="has not issued"):
        CertificateSigner(KEY, leaf, [root.certificate, middle.certificate])
