# SPDX-License-Identifier: Apache-2.0
"""`weighbridge demo`: the whole way on a real model, each step a command that a person would type.

Nothing is staged: every command shown is run as a process of its own, what it prints is what is seen,
and the demo fails if any of them ends otherwise than it should, the refusal of the forged copy included.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from weighbridge_cli.options import EXISTING

if TYPE_CHECKING:
    from weighbridge_cli.demo_model import DemoModel

_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 15
_COMMAND_SECONDS: Final = 1800
_REFUSED: Final = 1
_PAPERS: Final = ("model.sig", "provenance.jsonl", "README.md")
_READY: Final = "weighbridge is ready: "

# Run in the process that verifies, before weighbridge is imported: no socket can be made any more.
_NO_NETWORK: Final = """\
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise OSError(f"the demo cut the network off, and somebody asked for it: {event}")
sys.addaudithook(refuse)
from weighbridge_cli.main import main
main()
"""


class _DemoFailedError(Exception):
    """A step ended otherwise than it should."""


@click.command("demo")
@click.option(
    "--model", type=EXISTING, metavar="PATH", help="Show it on this model (else: a real one from PyPI)."
)
@click.option("--data", type=EXISTING, metavar="DIR", help="Keep everything here (else: a temporary folder).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port of the registry.")
def command(*, model: Path | None, data: Path | None, port: int) -> None:
    """See the whole way on a real model, on this machine: sign, publish, verify, catch a forgery.

    Starts a registry of its own, with its own configuration folder: nothing of yours is touched. Keeps
    serving the pages until Ctrl-C; with CI=true it ends after the last step.
    """
    from weighbridge_cli.demo_model import prepare

    with _work_folder(data) as work:
        stage = _Stage(work)
        try:
            stage.title("a real model")
            shown = prepare(work, model.absolute() if model else None, stage.tell)
            with _registry(stage, port) as url:
                _play(stage, shown, url)
                _end(stage, url)
        except _DemoFailedError as failed:
            stage.tell(f"the demo failed: {failed}")
            click.get_current_context().exit(1)


@contextlib.contextmanager
def _work_folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="weighbridge-demo-") as folder:
        yield Path(folder).resolve()


@dataclass
class _Stage:
    """Where it happens: the folder, the environment of the commands, and what people see."""

    work: Path
    environment: dict[str, str] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        # CI is taken out: the demo shows what a person sees, memory included.
        left_out = {"CI", "WEIGHBRIDGE_KEY", "WEIGHBRIDGE_REGISTRY", "PYTHONPATH"}
        self.environment = {name: value for name, value in os.environ.items() if name not in left_out}
        self.environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)

    def title(self, words: str) -> None:
        """Begin the next step."""
        self.number += 1
        click.echo()
        click.secho(f"── {self.number}. {words} ".ljust(78, "─"), bold=True, fg=None)

    def tell(self, words: str) -> None:
        """Say something beside the commands."""
        click.echo(f"   {words}")

    def export(self, name: str, value: str) -> None:
        """Set a variable for all commands after this one."""
        click.echo(f"$ export {name}={shlex.quote(value)}")
        self.environment[name] = value

    def show(self, line: str) -> None:
        """Show a command that the demo carries out itself (a copy, say)."""
        click.secho(f"$ {line}", fg="cyan")

    def run(self, *arguments: str, expect: int = 0, network: bool = True) -> None:
        """Run one weighbridge command in the work folder; it has to end with `expect`."""
        self.show(shlex.join(["weighbridge", *arguments]))
        sys.stdout.flush()
        ended = subprocess.run(  # noqa: S603 - our own program with our own arguments
            _command(arguments, network=network),
            cwd=self.work,
            env=self.environment,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
        )
        if ended.returncode != expect:
            raise _DemoFailedError(
                f"weighbridge {arguments[0]} ended with {ended.returncode}, not with {expect}"
            )
        if expect:
            click.echo(f"   (exit code {ended.returncode}: refused, as it should be)")

    def ask(self, *arguments: str) -> str:
        """Run one command for its output, without showing it."""
        ended = subprocess.run(  # noqa: S603 - as above
            _command(arguments, network=True),
            cwd=self.work,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
        return ended.stdout


def _command(arguments: Sequence[str], *, network: bool) -> list[str]:
    """Return the command line that really runs `weighbridge …` with this very Python."""
    if network:
        return [sys.executable, "-m", "weighbridge_cli", *arguments]
    return [*_namespace(), sys.executable, "-c", _NO_NETWORK, *arguments]


def _namespace() -> list[str]:
    """Return a prefix that starts a program in an empty network namespace, if this system lets us."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    prefix = [unshare, "--map-root-user", "--net", "--"]
    probe = subprocess.run([*prefix, "true"], check=False, capture_output=True, timeout=10)  # noqa: S603 - as above
    return prefix if probe.returncode == 0 else []


@contextlib.contextmanager
def _registry(stage: _Stage, port: int) -> Iterator[str]:
    """Run `weighbridge serve` beside us until the end."""
    stage.title("a registry of our own")
    stage.environment["WEIGHBRIDGE_CONFIG_DIR"] = str(stage.work / "publisher")
    arguments = ["serve", "--data", "registry", "--port", str(port)]
    stage.show(shlex.join(["weighbridge", *arguments, "&"]).replace("'&'", "&"))
    process = subprocess.Popen(  # noqa: S603 - our own program
        _command(arguments, network=True),
        cwd=stage.work,
        env=stage.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours: the registry is told to stop when we are done
    )
    try:
        yield _await_ready(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _await_ready(process: subprocess.Popen[str]) -> str:
    """Read the line by which a registry says its address."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.stdout is not None:
        line = process.stdout.readline()
        if not line:
            break
        click.echo(line, nl=False)
        if line.startswith(_READY):
            return line.removeprefix(_READY).strip().rstrip("/")
    raise _DemoFailedError("the registry did not start")


def _play(stage: _Stage, model: DemoModel, url: str) -> None:
    """Play the steps from the key to the copy that somebody renamed."""
    folder, release = model.path.name, f"demo/{model.name}@1.0"
    stage.export("WEIGHBRIDGE_REGISTRY", url)
    _make_key(stage)
    stage.title("what is in it: every file and tensor, weighed")
    stage.run("weigh", folder)
    stage.title("sign it, so that any tool of the field can check it")
    stage.run("sign", folder, "--key", "demo.pem")
    stage.title("publish: weights, card (README.md) and lineage (its training data) into the public log")
    lineage = ["--lineage", model.lineage.name] if model.lineage else []
    stage.run("publish", folder, release, "--key", "demo.pem", *lineage)
    fingerprint = _fingerprint(stage)
    _verify_elsewhere(stage, folder, release, fingerprint)
    _forge(stage, model, release)
    _rename(stage, model)


def _make_key(stage: _Stage) -> None:
    stage.title("a throw-away key")
    if (stage.work / "demo.pem").exists():
        stage.tell("demo.pem is here from last time")
        return
    stage.run("key", "new", "demo.pem", "--no-passphrase")


def _fingerprint(stage: _Stage) -> str:
    """Take the log's fingerprint from where publish pinned it: what the publisher tells others."""
    logs = json.loads(stage.ask("log", "trust", "list", "--json"))["logs"]
    return str(logs[0]["fingerprint"])


def _verify_elsewhere(stage: _Stage, folder: str, release: str, fingerprint: str) -> None:
    stage.title("somebody else, who got a copy of the model: whom to trust, said once")
    stage.export("WEIGHBRIDGE_CONFIG_DIR", str(stage.work / "downloader"))
    stage.tell("the publisher told them the fingerprint, on the phone say")
    stage.run("log", "trust", "add", stage.environment["WEIGHBRIDGE_REGISTRY"], "--fingerprint", fingerprint)
    stage.title("verify, with the network cut off: the record file proves it")
    how = "in a network namespace without any interface, and " if _namespace() else ""
    stage.tell(f"(this process runs {how}with every socket refused)")
    stage.run("verify", folder, "--release", release, network=False)


def _forge(stage: _Stage, model: DemoModel, release: str) -> None:
    stage.title("a forgery: one bit of one byte, in a copy")
    forged = stage.work / f"forged-{model.path.name}"
    _copy(model.path, forged)
    stage.show(f"cp -r {shlex.quote(model.path.name)} {shlex.quote(forged.name)}")
    target = forged
    if forged.is_dir():
        files = (path for path in sorted(forged.iterdir()) if path.is_file() and path.name not in _PAPERS)
        target = max(files, key=lambda path: path.stat().st_size)
    offset = target.stat().st_size // 2
    with target.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    stage.tell(f"byte {offset:,} of {target.name}: {byte:#04x} is now {byte ^ 1:#04x}")
    stage.run("verify", forged.name, "--release", release, expect=_REFUSED, network=False)


def _rename(stage: _Stage, model: DemoModel) -> None:
    stage.title("a copy from a forum, renamed, without its papers: what is it?")
    suffix = "" if model.path.is_dir() else model.path.suffix
    renamed = stage.work / f"super-embedder-final-2{suffix}"
    stage.show(f"cp -r {shlex.quote(model.path.name)} {renamed.name}")
    _copy(model.path, renamed)
    for paper in _PAPERS:
        if renamed.is_dir() and (renamed / paper).exists():
            (renamed / paper).unlink()
    if renamed.is_dir():
        stage.show(f"rm -f {renamed.name}/model.sig {renamed.name}/provenance.jsonl {renamed.name}/README.md")
    stage.run("identify", renamed.name)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)
        return
    shutil.copy2(source, target)
    record = source.with_name(f"{source.name}.provenance.jsonl")
    if record.exists() and target.name.startswith("forged-"):
        shutil.copy2(record, target.with_name(f"{target.name}.provenance.jsonl"))


def _end(stage: _Stage, url: str) -> None:
    """Tell the pages' addresses; serve until Ctrl-C, or end under CI."""
    models = json.loads(stage.ask("identify", _known_digest(stage), "--json"))
    release = next(
        match["url"]
        for answer in models["answers"]
        for match in answer["matches"]
        if match["kind"] == "model"
    )
    stage.title("look at it")
    stage.tell(f"the release:  {release if '://' in release else url + release}")
    stage.tell(f"the signers, the namespace:  {url}/namespaces/demo")
    stage.tell(f"the log:  {url}/log")
    stage.tell(f"what all that proves, and what not:  {url}/about/trust")
    if os.environ.get("CI"):
        stage.tell("CI is set: the demo ends here. Every step did what it should.")
        return
    stage.tell("The registry serves until you press Ctrl-C; then all of it is gone (DATA=folder keeps it).")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
    click.echo()


def _known_digest(stage: _Stage) -> str:
    """Return the model digest of the one release that the demo's registry has."""
    shown = json.loads(stage.ask("namespace", "show", "demo", "--json"))
    return str(shown["models"][0]["model_digest"])
