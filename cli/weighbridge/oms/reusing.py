# SPDX-License-Identifier: Apache-2.0
"""What an older signature spares a new one: its digests, for the files that stand as they did.

Which files stand as they did is said by the user's own table of that very signature, found by the SHA-256 of
the bundle's bytes. So a signature that was not made here, or differs in one byte, spares nothing.
"""

from __future__ import annotations

import hashlib

from weighbridge.bundle_files import split_bundles
from weighbridge.bundles import parse_bundle
from weighbridge.errors import WeighbridgeError
from weighbridge.file_tables import FileTables, NoTableError
from weighbridge.statements import parse_statement
from weighbridge.weighing.mounts import devices_without_ctime
from weighbridge.weighing.reuse import FileTable, Reuse
from weighbridge.weighing.shards import Sharding

from .manifest import Manifest, parse_manifest

__all__ = ["reuse_of"]


def reuse_of(signature: bytes, tables: FileTables, *, algorithm: str, shard_size: int | None) -> Reuse:
    """Return what a signature file spares when signing with this hash, and this size of shards or none.

    Of several bundles in it, the first with a table counts. Where it spares nothing, the `reason` says why;
    nothing about it is an error.
    """
    reason = ""
    try:
        for bundle in (line.strip() for _, line in split_bundles(signature)):
            try:
                table = tables.find(hashlib.sha256(bundle).hexdigest())
            except NoTableError as error:
                reason = reason or str(error)
            else:
                return _reuse(bundle, table, algorithm, shard_size)
    except WeighbridgeError as error:
        reason = error.message
    return Reuse(reason=reason)


def _reuse(bundle: bytes, table: FileTable, algorithm: str, shard_size: int | None) -> Reuse:
    manifest, _ = parse_manifest(parse_statement(parse_bundle(bundle).payload))
    serialization = manifest.serialization
    if serialization.hash_type != algorithm or serialization.shard_size != shard_size:
        return Reuse(reason=f"the older signature is of {_words(manifest)}")
    sharding = None if shard_size is None else Sharding(algorithm, shard_size)
    digests = {path: signed.digests for path, signed in manifest.files().items()}
    return Reuse(table, digests, sharding, devices_without_ctime())


def _words(manifest: Manifest) -> str:
    size = manifest.serialization.shard_size
    what = "whole files" if size is None else f"shards of {size} bytes"
    return f"{what} by {manifest.serialization.hash_type}"
