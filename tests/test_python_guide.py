# SPDX-License-Identifier: Apache-2.0
"""docs/python.md: its programs run, in order, and it names every option that there is."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment
from tests.models import tiny_model, write
from weighbridge import keys
from weighbridge.signing import sign
from weighbridge.verification import Options
from weighbridge.weighing import weigh

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def named(function: str) -> set[str]:
    """Names in the first column of the table of one function."""
    table = PAGE.split(f"| option of `{function}` | means |\n")[1].split("\n\n")[0]
    return {name for row in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_option_is_on_the_page() -> None:
    assert named("verify") == set(Options.__annotations__)
    assert named("sign") == set(inspect.signature(sign).parameters) - {"path"}
    assert named("weigh") == set(inspect.signature(weigh).parameters) - {"path"}


def test_each_program_is_three_lines_and_runs(tmp_path: Path, config_folder: Path) -> None:
    key = keys.generate_private_key()
    keys.write_private_key(tmp_path / "publisher.pem", key, None)
    write(tmp_path / "publisher.pub", keys.public_pem(key.public_key()))
    tiny_model(tmp_path / "my-model")
    tiny_model(tmp_path / "other-model", seed=1)
    assert len(BLOCKS) == 3
    printed = []
    for block in BLOCKS:
        lines = [line for line in block.splitlines() if line and not line.startswith(("import", "from"))]
        assert len(lines) <= 3
        done = subprocess.run(
            [sys.executable, "-W", "ignore::ResourceWarning", "-c", block],
            cwd=tmp_path,
            env=environment(PYTHONWARNINGS=""),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "model.sig" in printed[0]
    assert printed[1].startswith("Verified: all 7 files are as signed by the holder of the key")
    assert printed[2].startswith("False 7.5 %")


def test_a_bad_verdict_is_raised_not_returned(tmp_path: Path, config_folder: Path) -> None:
    import weighbridge  # noqa: PLC0415 - as the page does
    from weighbridge.errors import NotVerifiedError  # noqa: PLC0415 - as the page does
    from weighbridge.signing import CertificateSigner, KeySigner  # noqa: PLC0415 - as the page does

    key = keys.generate_private_key()
    keys.write_private_key(tmp_path / "k.pem", key, b"secret")
    model = tiny_model(tmp_path / "m")
    sign(model, signer=KeySigner.load(tmp_path / "k.pem", b"secret"))
    write(model / "config.json", "{}")
    with pytest.raises(NotVerifiedError) as caught:
        weighbridge.verify(model, public_key=keys.public_pem(key.public_key()))
    assert caught.value.verdict.failed.n == 2
    assert callable(CertificateSigner.load)
