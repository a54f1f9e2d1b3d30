# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - a script, no package
"""Take the pictures of the release page that the README shows.

    python docs/screenshots/take.py [MODEL] [--chromium PATH]

Starts a real registry in a temporary folder, publishes MODEL (a model folder; without one the small model of
the tests) through its real interface, and photographs the release page in a light and a dark scheme. Run
it from the root of the repository, with the development environment.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / name) for name in ("schemas", "cli", "registry", "web"))]

from tests.models import tiny_model  # noqa: E402 - found through the line above
from tests.programs import find  # noqa: E402 - as above
from tests.web.published import Publisher  # noqa: E402 - as above
from tests.web.serving import served  # noqa: E402 - as above
from weighbridge_registry.settings import Settings  # noqa: E402 - as above
from weighbridge_web.app import create_app  # noqa: E402 - as above

RELEASE = "tinylab/all-minilm-l6-v2@1.0"
WIDTH, HEIGHT = 1000, 1540
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    """Publish, photograph, clean up."""
    parser = argparse.ArgumentParser(description="Take the README's pictures of the release page.")
    parser.add_argument("model", nargs="?", type=Path, help="model folder (default: a small one)")
    parser.add_argument("--chromium", type=Path, default=find("chromium"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weighbridge-pictures-") as name:
        folder = Path(name)
        model = folder / "all-minilm-l6-v2"
        if options.model:
            shutil.copytree(options.model, model)
        else:
            tiny_model(model)
        settings = Settings(data=folder / "data", public_sigstore=False, base_url="https://registry.example")
        with served(create_app(settings)) as url, sync_playwright() as playwright:
            Publisher(folder / "publisher", url, "Tiny Lab, release key").publish(model, RELEASE)
            browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
            for scheme in SCHEMES:
                take(browser, url, scheme)
            browser.close()


def take(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> None:
    """Photograph the top of the release page in one colour scheme."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT})
    page = context.new_page()
    page.goto(f"{url}/models/{RELEASE.replace('@', '/')}")
    page.evaluate("document.fonts.ready")
    target = Path(__file__).with_name(f"release-{scheme}.png")
    page.screenshot(path=target)
    context.close()
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")  # noqa: T201 - what it made


if __name__ == "__main__":
    main()
