# SPDX-License-Identifier: Apache-2.0
"""Build .venv from the lock files, once for each state of them.

    environment.py run            what `weighbridge`, its registry and `make demo` need
    environment.py dev            and the tools of `make test` and `make check`
    environment.py --current run  exit 0 if that is built already, 1 if not

Runs on any bare Python ≥ 3.11, before anything is installed. A stamp is written last, so that an
interrupted build is seen and begun anew; it names the folder, because a moved environment is broken.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
HELP = """\
  Debian, Ubuntu: apt-get install python3-venv (or python3-pip)
  Fedora: dnf install python3-pip
  or name another Python: make PYTHON=/path/to/python3"""


def stamp(part: str) -> str:
    """Digest of all that this part of the environment depends on."""
    digest = hashlib.sha256()
    for ingredient in (
        str(VENV).encode(),
        repr(sys.version_info[:2]).encode(),
        LOCKS["run"].read_bytes(),
        LOCKS[part].read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        Path(__file__).read_bytes(),
    ):
        digest.update(hashlib.sha256(ingredient).digest())
    return digest.hexdigest()


def stamp_file(part: str) -> Path:
    """Where a finished build says what it is."""
    return VENV / f"weighbridge-{part}.stamp"


def is_current(part: str) -> bool:
    """Say whether a finished build of this very state is here."""
    try:
        return stamp_file(part).read_text(encoding="ascii").strip() == stamp(part)
    except (OSError, UnicodeDecodeError):
        return False


def say(words: str) -> None:
    """Tell progress, on standard error: it is no data."""
    print(f"setup: {words}", file=sys.stderr, flush=True)


def run(*command: str | Path) -> None:
    """Run one command; end with its exit code if it fails."""
    try:
        subprocess.run([str(part) for part in command], check=True, cwd=ROOT)
    except subprocess.CalledProcessError as failed:
        say(f"this failed, see above: {' '.join(str(part) for part in command)}")
        sys.exit(failed.returncode or 1)


def pip() -> list[str | Path]:
    """Give the pip that installs into the environment: its own, or this interpreter's from outside."""
    for candidate in ([PYTHON, "-m", "pip"], [sys.executable, "-m", "pip", "--python", PYTHON]):
        command = [str(part) for part in candidate]
        if subprocess.run([*command, "--version"], check=False, capture_output=True).returncode == 0:
            return [*command, "--disable-pip-version-check", "--no-input", "install", "-qq"]
    shutil.rmtree(VENV, ignore_errors=True)
    say(f"{sys.executable} has neither ensurepip nor pip 22.3 or newer. Install one of them:\n{HELP}")
    sys.exit(2)


def has_ensurepip() -> bool:
    """Say whether this Python can put pip into an environment. Debian's can't without python3-venv."""
    try:
        import ensurepip  # noqa: PLC0415 - it may be missing

        return bool(ensurepip.version())
    except (ImportError, AttributeError, OSError):
        return False


def create() -> None:
    """Make the environment; without pip where this Python has none to give (see `pip`)."""
    symlinks = os.name != "nt"
    for with_pip in (True, False) if has_ensurepip() else (False,):
        shutil.rmtree(VENV, ignore_errors=True)
        try:
            venv.EnvBuilder(with_pip=with_pip, symlinks=symlinks).create(VENV)
        except (ImportError, subprocess.CalledProcessError, SystemExit):
            if not with_pip:
                raise
        else:
            return


def install(part: str) -> None:
    """Install one lock, then this folder itself, then write the stamp."""
    say(f"installing {LOCKS[part].name} into .venv (Python {sys.version.split()[0]}); a minute or two, once")
    run(*pip(), "--require-hashes", "--no-deps", "--requirement", LOCKS[part])
    if part == "run":
        run(*pip(), "--no-deps", "--no-build-isolation", "--editable", ROOT)
    stamp_file(part).write_text(stamp(part) + "\n", encoding="ascii")


def main(arguments: list[str]) -> int:
    """See the module's words."""
    part = arguments[-1] if arguments else "dev"
    if part not in LOCKS:
        say(f"what is {part}? say run or dev")
        return 2
    if "--current" in arguments:
        return 0 if is_current(part) else 1
    if not is_current("run"):
        create()
        install("run")
    if not is_current(part):
        install(part)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
