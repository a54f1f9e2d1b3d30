# SPDX-License-Identifier: Apache-2.0
"""Interoperation with the reference implementation, model-signing 1.1.1: what one signs, the other verifies.

Its own command line is run, in this process because each start of it takes seconds.
"""

from __future__ import annotations

import importlib
import json
import shutil
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization

from tests.authorities import NOW, Authority
from tests.local_sigstore import EMAIL_ISSUER, LocalSigstore
from tests.models import single_file, tiny_model, write
from weighbridge import bundles, certificates, keys
from weighbridge.authentication import Authenticated, SigstoreTrust, authenticate
from weighbridge.identities import CertificateIdentity, KeyIdentity, SigstoreIdentity
from weighbridge.oms import compare, parse_manifest
from weighbridge.signing import CertificateSigner, KeySigner, sign
from weighbridge.sigstore_signing import SigstoreSigner
from weighbridge.statements import parse_statement

CURVES = ["P-256", "P-384", "P-521"]
PeerCommand = Callable[..., Result]


@pytest.fixture
def peer() -> PeerCommand:
    """Run `model_signing ARGUMENTS…`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies' deprecations are not ours to fix
        main = importlib.import_module("model_signing._cli").main

    def run(*arguments: object) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


def key_files(folder: Path, curve: str = "P-256") -> tuple[Path, Path]:
    key = keys.generate_private_key(curve)
    keys.write_private_key(folder / "key.pem", key, None)
    return folder / "key.pem", write(folder / "key.pub", keys.public_pem(key.public_key()))


def holds(proved: Authenticated, path: Path) -> list[str]:
    """Compare the authenticated manifest with the files; returns warnings."""
    manifest, found = parse_manifest(parse_statement(proved.payload))
    comparison = compare(manifest, path)
    assert comparison.enumeration_error() is None
    assert comparison.digest_error() is None
    return [*found, *comparison.warnings]


@pytest.mark.parametrize("curve", CURVES)
def test_our_key_signature_verifies_there_and_a_changed_file_does_not(
    tmp_path: Path, peer: PeerCommand, curve: str
) -> None:
    private, public = key_files(tmp_path, curve)
    folder = tiny_model(tmp_path / "tiny")
    sign(folder, signer=KeySigner(keys.load_private_key(private)))

    verify = ("verify", "key", folder, "--signature", folder / "model.sig", "--public_key", public)
    done = peer(*verify)
    assert done.exit_code == 0, done.output

    write(folder / "config.json", "{}")
    assert peer(*verify).exit_code != 0


@pytest.mark.parametrize("curve", CURVES)
def test_their_key_signature_verifies_here_and_a_changed_file_does_not(
    tmp_path: Path, peer: PeerCommand, curve: str
) -> None:
    private, public = key_files(tmp_path, curve)
    folder = tiny_model(tmp_path / "tiny")
    signature = tmp_path / "tiny.sig"
    done = peer("sign", "key", folder, "--signature", signature, "--private_key", private)
    assert done.exit_code == 0, done.output
    key = keys.load_public_key(public.read_bytes())

    proved = authenticate(bundles.parse_bundle(signature.read_bytes(), strict=True), keys=[key], now=NOW)

    assert proved.identity == KeyIdentity(keys.spki_sha256(key))
    assert holds(proved, folder) == []
    write(folder / "config.json", "{}")
    manifest, _ = parse_manifest(parse_statement(proved.payload))
    assert compare(manifest, folder).digest_error() is not None


def test_our_signature_survives_there_what_theirs_does_not(tmp_path: Path, peer: PeerCommand) -> None:
    """A record, a hub's cache and another signature appear beside the model after signing."""
    private, public = key_files(tmp_path)
    folder = tiny_model(tmp_path / "tiny")
    sign(folder, signer=KeySigner(keys.load_private_key(private)), exclude_readme=True)
    write(folder / "provenance.jsonl", "{}")
    write(folder / ".cache" / "huggingface" / "x.metadata", "x")
    write(folder / "README.md", "edited")

    done = peer("verify", "key", folder, "--signature", folder / "model.sig", "--public_key", public)

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b", "blake3"])
def test_each_algorithm_of_ours_is_verified_by_their_library(tmp_path: Path, algorithm: str) -> None:
    private, public = key_files(tmp_path)
    folder = tiny_model(tmp_path / "tiny")
    sign(folder, signer=KeySigner(keys.load_private_key(private)), algorithm=algorithm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verifying = importlib.import_module("model_signing.verifying")
        hashing = importlib.import_module("model_signing.hashing")
        name = {"blake2b": "blake2"}.get(algorithm, algorithm)
        config = hashing.Config().use_file_serialization(hashing_algorithm=name)
        manifest, _ = parse_manifest(
            parse_statement(bundles.parse_bundle((folder / "model.sig").read_bytes()).payload)
        )
        config.set_ignored_paths(paths=[folder / path for path in manifest.serialization.ignore_paths])
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=public)
        verifier.set_hashing_config(config).verify(folder, folder / "model.sig")


def test_single_files_go_one_way_by_name_and_the_other_by_a_dot(tmp_path: Path, peer: PeerCommand) -> None:
    private, public = key_files(tmp_path)
    file = single_file(tmp_path / "weights.safetensors")
    signature = tmp_path / "theirs.sig"
    done = peer("sign", "key", file, "--signature", signature, "--private_key", private)
    assert done.exit_code == 0, done.output
    key = keys.load_public_key(public.read_bytes())

    proved = authenticate(bundles.parse_bundle(signature.read_bytes()), keys=[key], now=NOW)

    assert holds(proved, file) == []


def certificate_files(folder: Path) -> tuple[Path, Path, Path, Authority]:
    """Key, signing certificate, chain (intermediate, root) as files, and the root."""
    private, _ = key_files(folder)
    root = Authority("Acme Root")
    middle = Authority("Acme Models", issuer=root)
    leaf = middle.issue("release", keys.load_private_key(private).public_key())
    signing = write(folder / "leaf.pem", leaf.public_bytes(serialization.Encoding.PEM))
    return private, signing, write(folder / "chain.pem", middle.pem + root.pem), root


def test_our_certificate_signature_verifies_there(tmp_path: Path, peer: PeerCommand) -> None:
    private, signing, chain, root = certificate_files(tmp_path)
    folder = tiny_model(tmp_path / "tiny")
    signer = CertificateSigner(
        keys.load_private_key(private),
        certificates.load_certificates(signing.read_bytes())[0],
        certificates.load_certificates(chain.read_bytes()),
    )
    sign(folder, signer=signer, now=NOW)
    anchor = write(tmp_path / "root.pem", root.pem)
    other = write(tmp_path / "other.pem", Authority("Acme Root").pem)

    verify = ("verify", "certificate", folder, "--signature", folder / "model.sig", "--certificate_chain")
    done = peer(*verify, anchor)
    assert done.exit_code == 0, done.output
    assert peer(*verify, other).exit_code != 0


def test_their_certificate_signature_verifies_here(tmp_path: Path, peer: PeerCommand) -> None:
    private, signing, chain, root = certificate_files(tmp_path)
    folder = tiny_model(tmp_path / "tiny")
    signature = tmp_path / "tiny.sig"
    sign_command = ("sign", "certificate", folder, "--signature", signature, "--private_key", private)
    done = peer(*sign_command, "--signing_certificate", signing, "--certificate_chain", chain)
    assert done.exit_code == 0, done.output

    bundle = bundles.parse_bundle(signature.read_bytes(), strict=True)
    proved = authenticate(bundle, anchors=[root.certificate], now=NOW)

    assert proved.identity == CertificateIdentity(root.sha256, "CN=release")
    assert holds(proved, folder) == []


@pytest.mark.needs("node", "npm")
def test_our_keyless_signature_verifies_there(
    tmp_path: Path, peer: PeerCommand, local_sigstore: LocalSigstore
) -> None:
    folder = tiny_model(tmp_path / "tiny")
    config = write(tmp_path / "trust.json", local_sigstore.trust_config)
    sign(folder, signer=SigstoreSigner(token=local_sigstore.email_token(), trust_config=config.read_bytes()))

    def verify(identity: str) -> Result:
        command = ("verify", "sigstore", folder, "--signature", folder / "model.sig")
        trusted = ("--trust_config", config, "--identity_provider", EMAIL_ISSUER)
        return peer(*command, *trusted, "--identity", identity)

    done = verify("alice@example.org")
    assert done.exit_code == 0, done.output
    assert verify("mallory@example.org").exit_code != 0


@pytest.mark.needs("node", "npm")
def test_their_keyless_signature_verifies_here(
    tmp_path: Path, peer: PeerCommand, local_sigstore: LocalSigstore
) -> None:
    folder = tiny_model(tmp_path / "tiny")
    config = write(tmp_path / "trust.json", local_sigstore.trust_config)
    signature = tmp_path / "tiny.sig"
    command = ("sign", "sigstore", folder, "--signature", signature, "--trust_config", config)
    done = peer(*command, "--identity_token", local_sigstore.email_token())
    assert done.exit_code == 0, done.output

    bundle = bundles.parse_bundle(signature.read_bytes(), strict=True)
    trust = SigstoreTrust.from_config(local_sigstore.trust_config)
    proved = authenticate(bundle, sigstore=[trust], now=datetime.now(UTC))

    assert proved.identity == SigstoreIdentity(local_sigstore.trust_domain, EMAIL_ISSUER, "alice@example.org")
    assert holds(proved, folder) == []


def test_a_copy_of_the_folder_verifies_just_as_well(tmp_path: Path, peer: PeerCommand) -> None:
    private, public = key_files(tmp_path)
    folder = tiny_model(tmp_path / "tiny")
    sign(folder, signer=KeySigner(keys.load_private_key(private)))
    copy = shutil.copytree(folder, tmp_path / "another name")

    done = peer("verify", "key", copy, "--signature", copy / "model.sig", "--public_key", public)

    assert done.exit_code == 0, done.output
    assert json.loads((copy / "model.sig").read_bytes())["mediaType"] == bundles.MEDIA_TYPE
