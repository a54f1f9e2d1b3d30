# SPDX-License-Identifier: Apache-2.0
"""The commands that a release page gives are run as they stand: they must do what the page says."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.published import Site, site
from tests.web.serving import Reader

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found


def commands(page: str) -> list[list[str]]:
    """Every command on a page, as a shell would read it."""
    blocks = re.findall(r'<pre class="command">(.*?)</pre>', page, flags=re.DOTALL)
    codes = [code for block in blocks for code in re.findall(r"<code>(.*?)</code>", block, flags=re.DOTALL)]
    return [shlex.split(html.unescape(code).replace("\\\n", " ")) for code in codes]


def run(command: list[str], folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    assert command[0] == "weighbridge"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("schemas", "cli", "registry", "web")),
        "WEIGHBRIDGE_CONFIG_DIR": str(config),
    }
    return subprocess.run(
        [sys.executable, "-m", "weighbridge_cli", *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_who_follows_the_page_verifies_the_model(filled: Site, tmp_path: Path) -> None:
    reader = Reader(filled.url)
    found = commands(reader.text("/models/tinylab/encoder/1.0"))
    reader.close()
    assert [command[:2] for command in found] == [
        ["weighbridge", "log"],
        ["weighbridge", "verify"],
        ["curl", "-o"],
        ["weighbridge", "verify"],
    ]
    trust, online, fetch, offline = found
    shutil.copytree(filled.folder / "encoder", tmp_path / "encoder")

    config = tmp_path / "config"
    result = run(online, tmp_path, config)
    assert result.returncode == 3, "an unpinned log proves nothing"
    result = run([*trust, "--yes"], tmp_path, config)  # there is no terminal to ask
    assert result.returncode == 0, result.stdout + result.stderr
    result = run(online, tmp_path, config)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Verified" in result.stdout

    (tmp_path / "encoder" / "provenance.jsonl").unlink()
    (tmp_path / "encoder" / "model.sig").unlink()
    _, _, target, address = fetch
    fetcher = Reader("")
    (tmp_path / target).write_bytes(fetcher.get(address).data)
    fetcher.close()
    result = run(offline, tmp_path, tmp_path / "fresh")
    assert result.returncode == 0, result.stdout + result.stderr

    (tmp_path / "encoder" / "config.json").write_text("{}")
    result = run(offline, tmp_path, tmp_path / "fresh")
    assert result.returncode == 1, result.stdout + result.stderr
