# SPDX-License-Identifier: Apache-2.0
"""Make the lock files from pyproject.toml, or prove that they agree.

    lock.py          choose versions anew (asks the package index that the machine is set up for)
    lock.py --check  no network: same requirements as when they were made, every one of them satisfied,
                     every package with hashes, no index address, and the environment is the locks'

requirements.lock holds what runs (with the registry, PostgreSQL and S3) and what builds the wheel;
requirements-dev.lock adds the tools, in the same versions where they meet. Both for every platform.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
EXTRAS = ("registry", "postgres", "s3", "pkcs11")
EDITABLE = "editables>=0.5"  # what hatchling asks for when it installs a folder in place
MARK = "# made from: sha256:"
HEADER = """\
# SPDX-License-Identifier: Apache-2.0
# {words} Made by `make lock`.
{mark}
"""
WORDS = {
    RUN: "Everything that weighbridge and its registry run with, and what builds its wheel.",
    DEV: "The tools of `make test` and `make check`, beside requirements.lock.",
}


def requirements(project: dict[str, Any], lock: Path) -> list[str]:
    """Every requirement that a lock has to satisfy."""
    if lock == DEV:
        return list(project["dependency-groups"]["dev"])
    table = project["project"]
    extras = [line for extra in EXTRAS for line in table["optional-dependencies"][extra]]
    return [*table["dependencies"], *extras, *project["build-system"]["requires"], EDITABLE]


def mark(project: dict[str, Any], lock: Path) -> str:
    """Give the line that names, by digest, what a lock was made from."""
    made_from = [project["project"]["requires-python"], *sorted(requirements(project, lock))]
    return MARK + hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def locked(text: str) -> Iterator[tuple[Requirement, int]]:
    """Read each locked requirement, and how many hashes it has."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield Requirement(line.split(" --hash", 1)[0].strip()), line.count("--hash=sha256:")


def problems(project: dict[str, Any], lock: Path) -> Iterator[str]:
    """Find all that does not agree, in words."""
    text = lock.read_text(encoding="utf-8")
    if mark(project, lock) not in text.splitlines():
        yield "pyproject.toml asks for something else than when this was made"
    if re.search(r"(?m)^\s*(-i|--index-url|--extra-index-url|--find-links|--trusted-host)\b|://", text):
        yield "it names an index or an address"
    versions: dict[str, set[str]] = {}
    for requirement, hashes in locked(text):
        pins = [pin.version for pin in requirement.specifier if pin.operator == "=="]
        if not hashes or len(pins) != 1:
            yield f"{requirement} has no hash or is not pinned"
            continue
        versions.setdefault(canonicalize_name(requirement.name), set()).add(pins[0])
        if requirement.marker is None or requirement.marker.evaluate():
            yield from installed_otherwise(requirement.name, pins[0])
    for line in requirements(project, lock):
        wanted = Requirement(line)
        found = versions.get(canonicalize_name(wanted.name), set())
        if not found or not all(wanted.specifier.contains(version) for version in found):
            yield f"{line} is not satisfied ({', '.join(sorted(found)) or 'missing'})"


def installed_otherwise(name: str, version: str) -> Iterator[str]:
    """Say if the running environment has another version than the lock."""
    try:
        here = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        here = "nothing"
    if here != version:
        yield f"{name} {version} is locked, {here} is installed: rm -r .venv and run make setup"


def make(project: dict[str, Any], lock: Path) -> None:
    """Write one lock."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-"]
    command += ["--quiet", "--universal", "--generate-hashes", "--upgrade", "--python-version", "3.11"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    if lock == DEV:
        command += ["--constraints", str(RUN)]
    asked = "\n".join(requirements(project, lock))
    made = subprocess.run(command, check=True, cwd=ROOT, input=asked, stdout=subprocess.PIPE, text=True)
    lock.write_text(
        HEADER.format(words=WORDS[lock], mark=mark(project, lock)) + made.stdout, encoding="utf-8"
    )


def main() -> int:
    """See the module's words."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    failed = False
    for lock in (RUN, DEV):
        if "--check" not in sys.argv[1:]:
            make(project, lock)
            continue
        for problem in problems(project, lock):
            print(f"{lock.name}: {problem}", file=sys.stderr)
            failed = True
    if failed:
        print("make them anew with: make lock", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
