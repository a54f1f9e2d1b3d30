# SPDX-License-Identifier: Apache-2.0
"""Each defect of the reference implementation (model-signing 1.1.1) that we know of, and that it is not ours.

Encrypted keys, which it cannot read, are in tests/cli/test_sign_keys.py; its start-up time is measured in
benchmarks/weighing.py.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import NOW, Authority
from tests.commands import weighbridge_here
from tests.library.oms.test_manifest import parse, resource, value
from tests.library.verification.conftest import Check, verify_it
from tests.library.verification.expectations import assert_refused, assert_verified
from tests.models import single_file, tiny_model, write
from weighbridge import dsse, keys
from weighbridge.bundles import encode_key_bundle
from weighbridge.canonical import encode
from weighbridge.errors import EnumerationError, StatementError, WeighbridgeError
from weighbridge.oms import oms_statement, serialize
from weighbridge.signing import CertificateSigner, KeySigner, sign

__all__ = ["verify_it"]  # the fixture

KEY = keys.generate_private_key()
PEM = keys.public_pem(KEY.public_key())


def signed(statement: dict[str, Any]) -> bytes:
    payload = encode(statement)
    return encode_key_bundle(
        payload, keys.sign(KEY, dsse.pae(dsse.IN_TOTO, payload)), keys.hint(KEY.public_key())
    )


def test_a_shard_size_is_written_as_an_integer_and_read_again(tmp_path: Path, verify_it: Check) -> None:
    model = tiny_model(tmp_path / "m")
    made = sign(model, signer=KeySigner(KEY), shard_size=1_000_000)
    payload = oms_statement(made.serialized.manifest, "m")
    assert b'"shard_size":1000000}' in payload or b'"shard_size":1000000,' in payload
    assert_verified(verify_it(model, public_key=PEM))


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b", "blake3"])
@pytest.mark.parametrize("shards", [(), ("--shard-size", "1000000")])
def test_the_command_verifies_every_algorithm_and_method_as_recorded(
    tmp_path: Path, config_folder: Path, algorithm: str, shards: tuple[str, ...]
) -> None:
    model = tiny_model(tmp_path / "m")
    keys.write_private_key(tmp_path / "k.pem", KEY, None)
    public = write(tmp_path / "k.pub", PEM)
    done = weighbridge_here("sign", model, "--key", tmp_path / "k.pem", "--hash", algorithm, *shards)
    assert done.exit_code == 0, done.stderr
    assert weighbridge_here("verify", model, "--public-key", public).exit_code == 0
    write(model / "config.json", "{}")
    assert weighbridge_here("verify", model, "--public-key", public).exit_code == 1


def test_files_are_in_the_order_of_code_points_not_of_path_parts(tmp_path: Path) -> None:
    for name in ("a/b.txt", "a.txt", "a-b", "Z", "é", "\U0001f600", "\uffe6"):
        write(tmp_path / "m" / name, name)
    names = [each.name for each in serialize(tmp_path / "m").manifest.resources]
    assert names == ["Z", "a-b", "a.txt", "a/b.txt", "é", "\uffe6", "\U0001f600"]


def test_a_single_file_has_its_own_name(tmp_path: Path) -> None:
    made = serialize(single_file(tmp_path / "weights.safetensors"))
    assert [each.name for each in made.manifest.resources] == ["weights.safetensors"]


def test_an_empty_model_is_not_signed(tmp_path: Path) -> None:
    write(tmp_path / "m" / ".gitignore", "x")
    with pytest.raises(EnumerationError, match="nothing to weigh"):
        sign(tmp_path / "m", signer=KeySigner(KEY))


@pytest.mark.parametrize("unsigned", [False, True])
def test_no_signed_name_reads_outside_the_model(tmp_path: Path, verify_it: Check, unsigned: bool) -> None:  # noqa: FBT001 - a parameter
    secret = write(tmp_path / "x", "secret")
    model = write(tmp_path / "m" / "a", "a").parent
    statement = value(resource("../x", secret.read_bytes()), resource("a", b"a"))
    write(model / "model.sig", signed(statement))
    refused = verify_it(model, public_key=PEM, ignore_unsigned_files=unsigned)
    assert_refused(refused, 5, "'../x'")


@pytest.mark.parametrize("path", [".", "./", "", "x/..", "..", "./."])
def test_an_ignore_path_that_means_everything_is_refused(tmp_path: Path, verify_it: Check, path: str) -> None:
    model = write(tmp_path / "m" / "a", "a").parent
    write(model / "evil.py", "import os")
    write(model / "model.sig", signed(value(resource("a", b"a"), ignore_paths=[path])))
    assert_refused(verify_it(model, public_key=PEM), 5, "covers the whole model")


def test_a_name_twice_is_refused_and_not_the_last_one_taken() -> None:
    with pytest.raises(StatementError, match="twice"):
        parse(value(resource("a", b"evil"), resource("a", b"a")))


def test_an_expired_certificate_does_not_pass(tmp_path: Path, verify_it: Check) -> None:
    root = Authority("Root")
    leaf = root.issue("release", KEY.public_key(), start=NOW - timedelta(days=9), end=NOW - timedelta(days=1))
    model = tiny_model(tmp_path / "m")
    sign(model, signer=CertificateSigner(KEY, leaf, [root.certificate]), now=NOW - timedelta(days=2))
    assert_refused(verify_it(model, certificate_chain=[root.pem], now=NOW), 4, "not valid at")


def test_every_refusal_is_of_a_class_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for attempt in (
        lambda: sign(tmp_path / "m", signer=KeySigner(KEY)),
        lambda: sign(tmp_path / "none", signer=KeySigner(KEY)),
        lambda: serialize(write(tmp_path / "f", "x"), algorithm="md5"),
        lambda: serialize(tmp_path / "f", shard_size=1),
    ):
        with pytest.raises(WeighbridgeError) as caught:
            attempt()
        assert caught.value.hint
        json.dumps(caught.value.evidence)
