# SPDX-License-Identifier: Apache-2.0
"""A registry whose operator is dishonest: it has all keys, and answers in front of the honest one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import urllib3

from tests.library.servers import Asked, Handler, scripted_server
from tests.records import TinyLog
from tests.registries import Registry
from weighbridge import tlog
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.records import format_record
from weighbridge_registry.store.files import DataFolder

__all__ = ["Operator", "serving"]

Answer = tuple[bytes, str]


@dataclass
class Operator:
    """A history that the holder of a registry's keys shows, whole or to one victim.

    It starts as the registry's own log. `lies` are answers for paths, given whatever the history says;
    `renamed` are digests that stand for others in what the interface says.
    """

    registry: Registry
    log: TinyLog
    lies: dict[str, bytes] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, registry: Registry) -> Operator:
        """Take the keys and entries of a registry."""
        folder = DataFolder(registry.data)
        signer = tlog.Signer.from_private_key((folder.keys / "log.key").read_text())
        published = folder.log.published()
        assert published is not None
        head = tlog.parse_checkpoint(published, [signer.verifier])
        leaves = [folder.log.read_entry(number, head.size) for number in range(head.size)]
        bundles = [folder.bundles.read(parse_leaf(leaf).bundle_sha256) for leaf in leaves]
        return cls(registry, TinyLog(signer, leaves, bundles))

    def cut(self, size: int) -> Operator:
        """Go back to the first `size` entries."""
        self.log = replace(self.log, leaves=self.log.leaves[:size], bundles=self.log.bundles[:size])
        return self

    def add(self, *bundles: bytes) -> Operator:
        """Record bundles, admitting anything."""
        for bundle in bundles:
            received = parse_leaf(self.log.leaves[-1]).received
            self.log.leaves.append(encode_leaf(sha256(bundle).hexdigest(), received))
            self.log.bundles.append(bundle)
        return self

    def drop(self, number: int) -> Operator:
        """Leave an entry out, as if it had never been there."""
        del self.log.leaves[number], self.log.bundles[number]
        return self

    def answer(self, path: str) -> Answer | None:
        """Give body and content type for what this history decides; None if there is nothing."""
        if path in self.lies:
            return self.lies[path], "application/octet-stream" if "/tile/" in path else "application/json"
        if path == "/checkpoint":
            return self.log.checkpoint(), "text/plain; charset=utf-8"
        if path.startswith("/tile/"):
            tile = self.tile(path[1:])
            return None if tile is None else (tile, "application/octet-stream")
        if path.startswith("/bundles/"):
            wanted = path.removeprefix("/bundles/")
            found = [bundle for bundle in self.log.bundles if sha256(bundle).hexdigest() == wanted]
            return (found[0], "application/json") if found else None
        return None

    def tile(self, path: str) -> bytes | None:
        """Cut a tile, or a bundle of entries, out of this history; None if it does not reach so far."""
        level, index, width = tlog.parse_tile_path(path)
        start = index * tlog.TILE_WIDTH
        if start + width > len(self.log.leaves):
            return None
        if level is None:
            return tlog.entry_bundle(self.log.leaves[start : start + width])
        hashes = [tlog.leaf_hash(leaf) for leaf in self.log.leaves]
        assert level == 0, "these histories are short"
        return b"".join(hashes[start : start + width])

    def document(self, path: str, body: bytes) -> bytes:
        """Make an honest answer fit this history: receipts, and which entries there are."""
        if path.endswith("/provenance"):
            return format_record(self.log.lines(range(1, len(self.log.leaves))))
        for old, new in self.renamed.items():
            body = body.replace(old.encode(), new.encode())
        document = json.loads(body)
        if path == "/api/v1/log":
            note = self.log.checkpoint()
            text = tlog.parse_checkpoint_text(tlog.split_note(note)[0])
            document |= {
                "size": text.size,
                "root": f"sha256:{text.root.hex()}",
                "checkpoint": note.decode(),
            }
        return json.dumps(fitting(document, len(self.log.leaves))).encode()


def fitting(value: Any, size: int) -> Any:
    """Let every `as_of` speak of a log of this size."""
    if isinstance(value, dict):
        inner = {name: fitting(each, size) for name, each in value.items()}
        return inner | {"as_of": inner["as_of"] | {"size": size}} if "as_of" in inner else inner
    return [fitting(each, size) for each in value] if isinstance(value, list) else value


@contextmanager
def serving(operator: Operator, spoil: Callable[[str, bytes], bytes] | None = None) -> Iterator[str]:
    """Serve a dishonest history at an address of its own; `spoil` may change any answer further."""

    def script(handler: Handler, asked: Asked) -> None:
        own = operator.answer(asked.path)
        if own is not None:
            body, kind = own
        elif not asked.path.startswith("/api/"):
            handler.answer(404)
            return
        else:
            passed = {
                name: asked.headers[name] for name in ("Accept", "Content-Type") if name in asked.headers
            }
            answer = urllib3.request(
                asked.method,
                f"{operator.registry.url}{asked.path}",
                body=asked.body or None,
                headers=passed,
                retries=False,
                timeout=30,
            )
            body, kind = answer.data, answer.headers.get("Content-Type", "")
            if answer.status >= 300:
                handler.answer(answer.status, body, kind)
                return
            body = operator.document(asked.path, body)
        handler.answer(200, spoil(asked.path, body) if spoil else body, kind)

    with scripted_server(script) as server:
        yield server.url
