# SPDX-License-Identifier: Apache-2.0
"""Build .venv/peers: other people's log readers and writers, which tests/outside runs beside ours.

An environment of their own, because they want other versions than we do. aics-tlog declares
Python 3.12 and runs on 3.11 all the same, so what a package declares is not asked. A stamp is
written last, so that an interrupted build is seen and begun anew.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import venv

from environment import PYTHON, ROOT, VENV, run, say

LOCK = ROOT / "tests" / "outside" / "peers.lock"
PEERS = VENV / "peers"
STAMP = PEERS / "weighbridge-peers.stamp"


def stamp() -> str:
    """Digest of what the environment is made from."""
    return hashlib.sha256(repr((sys.version_info[:2], str(PEERS))).encode() + LOCK.read_bytes()).hexdigest()


def main() -> int:
    """See the module's words."""
    if STAMP.exists() and STAMP.read_text(encoding="ascii") == stamp():
        return 0
    say(f"installing {LOCK.relative_to(ROOT)} into .venv/peers; some seconds, once")
    shutil.rmtree(PEERS, ignore_errors=True)
    venv.EnvBuilder(with_pip=True).create(PEERS)
    python = PEERS / PYTHON.relative_to(VENV)
    options = ("--disable-pip-version-check", "--no-input", "-qq", "--require-hashes", "--no-deps")
    run(python, "-m", "pip", "install", *options, "--ignore-requires-python", "--requirement", LOCK)
    STAMP.write_text(stamp(), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
