# SPDX-License-Identifier: Apache-2.0
"""What people install is what was tested: the wheel, the lock, the environment that make builds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
    "targets"
]["wheel"]["packages"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `pip install .` makes, from a copy of what git knows."""
    source = tmp_path_factory.mktemp("a clone with spaces")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(source / "dist")],
        cwd=source,
        capture_output=True,
        check=True,
        timeout=100,
    )
    (made,) = (source / "dist").glob("*.whl")
    return made


@pytest.mark.needs("git")
def test_the_wheel_holds_every_file_of_the_five_packages(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = wheel.parent.parent
    expected = {
        str(path.relative_to((source / package).parent))
        for package in _PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    assert len(_PACKAGES) == 5
    assert expected <= inside, sorted(expected - inside)
    assert not [name for name in inside if name.startswith(("tests/", "docs/"))]


@pytest.mark.needs("git")
def test_the_wheel_runs_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    run = subprocess.run(
        [sys.executable, "-m", "weighbridge_cli", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.startswith("weighbridge ")


def _lock_tree(folder: Path) -> Path:
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copyfile(ROOT / name, folder / name)
    (folder / ".ci").mkdir()
    shutil.copyfile(ROOT / ".ci/lock.py", folder / ".ci/lock.py")
    return folder


def _check_lock(folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, ".ci/lock.py", "--check"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # A developer's environment may be newer than the lock; here only the files are looked at.
    return "\n".join(line for line in run.stderr.splitlines() if "is installed: rm" not in line)


def test_a_dependency_without_a_lock_is_caught(tmp_path: Path) -> None:
    tree = _lock_tree(tmp_path)
    assert "asks for something else" not in _check_lock(tree)
    project = (tree / "pyproject.toml").read_text(encoding="utf-8")
    (tree / "pyproject.toml").write_text(
        project.replace('"click>=', '"left-pad>=1",\n  "click>=', 1), encoding="utf-8"
    )
    said = _check_lock(tree)
    assert "requirements.lock: pyproject.toml asks for something else" in said
    assert "left-pad>=1 is not satisfied (missing)" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# SPDX", "--extra-index-url https://evil.example/simple\n# SPDX", "names an index or an address"),
        ("click==", "click>=", "has no hash or is not pinned"),
        ("    --hash=sha256:", "    --hash=md5:", "has no hash or is not pinned"),
    ],
)
def test_a_lock_that_was_tampered_with_is_caught(tmp_path: Path, old: str, new: str, words: str) -> None:
    tree = _lock_tree(tmp_path)
    lock = (tree / "requirements.lock").read_text(encoding="utf-8")
    assert old in lock
    (tree / "requirements.lock").write_text(lock.replace(old, new), encoding="utf-8")
    assert words in _check_lock(tree)


def _fake_python(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_make_takes_the_first_python_that_really_runs(tmp_path: Path) -> None:
    """A shim that fails, one that is too old, then one that is good: pyenv leaves machines like that."""
    tree = tmp_path / "a clone with spaces"
    (tree / ".ci").mkdir(parents=True)
    shutil.copyfile(ROOT / ".ci/setup", tree / ".ci/setup")
    (tree / ".ci/environment.py").write_text("import sys; print('built with', sys.argv)", encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    _fake_python(programs, "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    _fake_python(programs, "python3.13", "exit 1")
    _fake_python(programs, "python3.12", f'echo chosen; exec "{sys.executable}" "$@"')
    _fake_python(programs, "python3.11", "echo not reached; exit 1")
    run = subprocess.run(
        ["/bin/sh", ".ci/setup", "run"],
        cwd=tree,
        env={"PATH": f"{programs}:/usr/bin:/bin", "PYTHON": "/no/such/python"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "chosen" in run.stdout
    assert "'run'" in run.stdout
    assert "PYTHON=/no/such/python is not a Python 3.11 or newer that runs" in run.stderr


def test_without_any_python_make_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copyfile(ROOT / ".ci/setup", tmp_path / ".ci/setup")
    run = subprocess.run(
        ["/bin/sh", ".ci/setup"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 2
    assert "apt-get install python3 python3-venv" in run.stderr


@pytest.mark.needs("make")
def test_make_alone_lists_what_it_can_do() -> None:
    run = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    for target in ("demo", "test", "check"):
        assert f"make {target} " in run.stdout


def test_the_half_built_environment_is_not_current(tmp_path: Path) -> None:
    tree = _lock_tree(tmp_path)
    shutil.copyfile(ROOT / ".ci/environment.py", tree / ".ci/environment.py")
    (tree / ".venv/bin").mkdir(parents=True)
    command = [sys.executable, ".ci/environment.py", "--current", "run"]
    run = subprocess.run(command, cwd=tree, check=False, timeout=60)
    assert run.returncode == 1
    stamp = "import environment, sys; sys.stdout.write(environment.stamp('run'))"
    made = subprocess.run(
        [sys.executable, "-c", stamp],
        cwd=tree / ".ci",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (tree / ".venv/weighbridge-run.stamp").write_text(made.stdout, encoding="ascii")
    assert subprocess.run(command, cwd=tree, check=False, timeout=60).returncode == 0
    (tree / "requirements.lock").write_text("# another", encoding="ascii")
    assert subprocess.run(command, cwd=tree, check=False, timeout=60).returncode == 1


def test_no_lock_or_wheel_names_this_machine() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert str(ROOT) not in text
