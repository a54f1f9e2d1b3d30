# SPDX-License-Identifier: Apache-2.0
"""How the bundles in this folder were made: once, by released versions of model-signing.

    python make.py VERSION PYTHON

PYTHON is the interpreter of an environment with `model-signing==VERSION pyopenssl` and, up to 1.0.0,
`sigstore<4 sigstore-protobuf-specs==0.3.2`. It signs the model below with keys and certificates that are
thrown away; what verifies them is written beside the bundles. Released formats are verified for ever, so the
files are never made anew: a version that is missing is added.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(ROOT), *(str(ROOT / part) for part in ("schemas", "cli", "registry", "web"))]

from cryptography.hazmat.primitives import serialization  # noqa: E402 - after the path is set

from tests.authorities import Authority  # noqa: E402 - after the path is set
from weighbridge import keys  # noqa: E402 - after the path is set

FILES = {"a.txt": b"one", "a/b.txt": b"two", "empty.txt": b"", "weights.bin": bytes(range(256)) * 16}
"""The model that was signed; the path order of old versions is another than that of code points."""

SINGLE = ("weights.bin", FILES["weights.bin"])

OLDEST = """
import sys
from pathlib import Path
from model_signing import model
from model_signing.hashing import file, memory
from model_signing.serialization import serialize_by_file
from model_signing.signature import key, pki
from model_signing.signing import in_toto, in_toto_signature
folder, out, private, *chain = sys.argv[1:]
hasher = lambda path: file.SimpleFileHasher(path, memory.SHA256())
serializer = serialize_by_file.ManifestSerializer(hasher)
if chain:
    signer = pki.PKISigner.from_path(private, chain[0], chain[1:])
else:
    signer = key.ECKeySigner.from_path(private)
signature = model.sign(
    model_path=Path(folder), signer=in_toto_signature.IntotoSigner(signer),
    payload_generator=in_toto.DigestsIntotoPayload.from_manifest, serializer=serializer)
signature.write(Path(out))
"""

# Every configuration of these versions begins by asking for the public Sigstore, even to sign with a key.
OFFLINE = """
from model_signing import signing
signing.Config.use_sigstore_signer = lambda self, **ignored: self
"""

PROGRAM = (
    OFFLINE
    + """
from model_signing._cli import main
main()
"""
)

SHARDS = (
    OFFLINE
    + """
import sys
from pathlib import Path
from model_signing import hashing, signing
folder, out, private = sys.argv[1:]
config = signing.Config().use_elliptic_key_signer(private_key=Path(private))
config.set_hashing_config(hashing.Config().use_shard_serialization(shard_size=1000))
config.sign(Path(folder), Path(out))
"""
)


def make(version: str, python: str) -> None:
    """Sign the model in all the ways that a version has."""
    out = Path(__file__).resolve().parent / version
    out.mkdir()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "model")
        for path, content in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        for curve in ("P-256", "P-384", "P-521"):
            key = keys.generate_private_key(curve)
            private = Path(temporary, f"{curve}.pem")
            keys.write_private_key(private, key, None)
            (out / f"{curve}.pub").write_bytes(keys.public_pem(key.public_key()))
            if version == "0.2.0":
                run(python, "-c", OLDEST, folder, out / f"{curve}.sig", private)
            else:
                run(python, "-c", PROGRAM, "sign", "key", folder, "--signature", out / f"{curve}.sig",
                    "--private_key", private)  # fmt: skip
                if curve == "P-256":
                    run(python, "-c", PROGRAM, "sign", "key", folder / SINGLE[0], "--signature",
                        out / "single.sig", "--private_key", private)  # fmt: skip
                    run(python, "-c", SHARDS, folder, out / "shards.sig", private)
        certificate(version, python, folder, out)


def certificate(version: str, python: str, folder: Path, out: Path) -> None:
    """Sign with a certificate that is valid for a hundred years."""
    now = datetime.now(UTC)
    years = {"start": now - timedelta(days=1), "end": now + timedelta(days=36500)}
    root = Authority("Released Root", **years)
    middle = Authority("Released Models", issuer=root, **years)
    private = folder.parent / "P-256.pem"
    leaf = middle.issue("release", keys.load_private_key(private).public_key(), **years)
    paths = [folder.parent / name for name in ("leaf.pem", "middle.pem", "root.pem")]
    pems = [leaf.public_bytes(serialization.Encoding.PEM), middle.pem, root.pem]
    for path, pem in zip(paths, pems, strict=True):
        path.write_bytes(pem)
    (out / "root.pem").write_bytes(root.pem)
    if version == "0.2.0":
        run(python, "-c", OLDEST, folder, out / "certificate.sig", private, *paths)
    else:
        chain = [part for path in paths[1:] for part in ("--certificate_chain", path)]
        signing = ("--private_key", private, "--signing_certificate", paths[0], *chain)
        run(python, "-c", PROGRAM, "sign", "certificate", folder, "--signature", out / "certificate.sig",
            *signing)  # fmt: skip


def run(*command: object) -> None:
    """Run a program that must succeed."""
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    make(*sys.argv[1:])
