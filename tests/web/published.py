# SPDX-License-Identifier: Apache-2.0
"""A real registry with pages, filled by publishing through its real interface."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.models import tiny_model, write
from tests.web.serving import served
from weighbridge import keys
from weighbridge.card_revisions import revise_card
from weighbridge.client import RegistryClient
from weighbridge.memory import Memory
from weighbridge.pending import PendingStore
from weighbridge.publishing import Published, publish
from weighbridge.releases import ReleaseName
from weighbridge.signing import KeySigner
from weighbridge.trust import TrustStore
from weighbridge_registry.settings import Settings
from weighbridge_schemas.card import Card
from weighbridge_web.app import create_app

HOSTILE_README = """---
license: apache-2.0
model_name: "<script>alert('title')</script>"
pipeline_tag: text-generation
tags: ["<img src=x onerror=alert(1)>", "x]y"]
datasets: ["</text><script>alert(2)</script>"]
---
# <script>alert('heading')</script>Harmless?

<img src="https://tracker.example/pixel.png" onerror="alert(3)">

![pixel](https://tracker.example/pixel2.png)
[click](javascript:alert(4)) <a href="javascript:alert(5)" onclick="alert(6)">me</a>

<style>body { display: none } .signed-by::after { content: "by somebody famous" }</style>
<link rel="stylesheet" href="https://tracker.example/style.css">
<iframe src="https://tracker.example/"></iframe>
<form action="https://tracker.example/"><input autofocus onfocus="alert(7)"></form>
<svg onload="alert(8)"><image href="https://tracker.example/i.png"/></svg>
<meta http-equiv="refresh" content="0;url=https://tracker.example/">
<base href="https://tracker.example/">

<div style="position:fixed;inset:0;background:url(https://tracker.example/b.png)">overlay</div>

"""
HOSTILE_README += "A" * 400 + "\n\n| " + " | ".join(["wide column"] * 20) + " |\n|" + "---|" * 20 + "\n"


LOCATIONS = (
    "pkg:huggingface/tinylab/encoder@c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    f"https://example.org/{'long/' * 100}encoder",
)


OPENED: dict[str, Any] = {
    "identity": {"title": "Tiny, opened", "languages": ["en"], "producer": "Tiny Lab"},
    "description": {"summary": "A model for tests, whose card was revised."},
    "licenses": {
        "distribution": {"spdx": "Apache-2.0"},
        "data": {"spdx": "CDLA-Permissive-2.0"},
        "document": {"spdx": "CC-BY-4.0"},
    },
    "components": [
        {"name": "model_parameters_final", "present": True, "location": "model.safetensors"},
        {"name": "model_card", "present": True, "location": "README.md"},
        {"name": "evaluation_results", "present": True, "within": "model_card"},
        {
            "name": "model_architecture",
            "present": True,
            "location": f"https://example.org/{'deep/' * 40}model.py",
        },
        {
            "name": "technical_report",
            "present": True,
            "license": {"text": f"A licence of our own {'long ' * 60}"},
        },
        {"name": "training_code", "present": True, "digest": f"sha256:{'7' * 64}"},
        {"name": "inference_code", "present": True, "license": {"spdx": "NOSUCH-1.0"}},
        {"name": "datasets", "present": False},
    ],
    "data": {"references": [{"name": "example/reviews"}]},
}
"""A card as it was revised: some of it counts, some does not, in every way."""


@dataclass
class Site:
    """The registry's address, and what was published on it."""

    url: str
    folder: Path
    plain: Published
    child: Published
    hostile: Published

    def pages(self) -> dict[str, str]:
        """Every kind of page by name."""
        client = RegistryClient(self.url)
        release = client.release("tinylab", "encoder", "1.0")
        assert release is not None
        return {
            "home": "/",
            "models": "/models",
            "search": "/models?q=encoder",
            "found nothing": "/models?q=zzz",
            "model": "/models/tinylab/encoder",
            "release": "/models/tinylab/encoder/1.0",
            "child": f"/models/{LONG}/{LONG}/0.1",
            "hostile": "/models/tinylab/hostile/1.0",
            "revised": "/models/tinylab/opened/1.0",
            "signer": f"/signers/{release.signer.id}",
            "namespace": "/namespaces/tinylab",
            "log": "/log",
            "genesis": "/log/0",
            "entry": f"/log/{self.plain.index}",
            "digest": f"/digests/{self.plain.model_digest}",
            "unknown digest": f"/digests/{'0' * 64}",
            "impact": f"/impact/{self.plain.model_digest}",
            "deep lineage": f"/models/{LONG}/{LONG}/0.1?up=3&down=3",
            "compare": f"/compare?a=tinylab/encoder@1.0&b={LONG}/{LONG}@0.1",
            "compare what": "/compare",
            "trust": "/about/trust",
            "missing": "/models/tinylab/absent",
        }


LONG = "a-namespace-as-long-as-it-may-be." + "x" * 63
"""96 characters: the longest name that there can be."""


class Publisher:
    """Somebody with a key and a configuration folder of their own."""

    def __init__(self, folder: Path, url: str, label: str) -> None:
        self._folder = folder
        self._registry = RegistryClient(url)
        self._label = label
        self._signer = KeySigner(keys.generate_private_key())

    def publish(
        self, path: Path, release: str, *, lineage: Path | None = None, locations: Sequence[str] = ()
    ) -> Published:
        """Publish a model for real: sign, record, attach, write the record file."""
        return publish(
            path,
            ReleaseName.parse(release),
            registry=self._registry,
            signer=self._signer,
            trust=TrustStore(self._folder),
            memory=Memory(self._folder, enabled=True),
            pending=PendingStore(self._folder),
            label=self._label,
            lineage=lineage,
            locations=locations,
        )

    def revise(self, release: str, card: dict[str, Any]) -> None:
        """Revise a release's card for real."""
        revise_card(
            ReleaseName.parse(release),
            Card.model_validate(card),
            registry=self._registry,
            signer=self._signer,
            trust=TrustStore(self._folder),
            memory=Memory(self._folder, enabled=True),
            pending=PendingStore(self._folder),
        )


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Serve a registry: a plain release, a child of it under the longest name, a hostile, a revised one."""
    with served(create_app(Settings(data=folder / "data", public_sigstore=False))) as url:
        lab = Publisher(folder / "lab", url, "Tiny Lab")
        plain = lab.publish(tiny_model(folder / "encoder"), "tinylab/encoder@1.0", locations=LOCATIONS)
        child_model = tiny_model(folder / "child", seed=1, readme=False)
        write(child_model / "training_args.bin", pickle.dumps({"epochs": 3}))
        lineage = write(
            folder / "lineage.yaml",
            f"parents:\n  - relation: quantized\n    name: tinylab/encoder@1.0\n"
            f"    digest: sha256:{plain.model_digest}\n"
            "datasets:\n  - name: wikipedia\n    stage: pretrain\n  - name: snli\n",
        )
        child = Publisher(folder / "other", url, "x" * 200).publish(
            child_model, f"{LONG}/{LONG}@0.1", lineage=lineage
        )
        hostile_model = tiny_model(folder / "hostile", seed=2)
        write(hostile_model / "README.md", HOSTILE_README)
        hostile = lab.publish(hostile_model, "tinylab/hostile@1.0")
        lab.publish(tiny_model(folder / "opened", seed=4), "tinylab/opened@1.0")
        lab.revise("tinylab/opened@1.0", OPENED)
        yield Site(url, folder, plain, child, hostile)
