# SPDX-License-Identifier: Apache-2.0
"""action.yml as a job meets it: its own steps, a runner's files, a real registry, hostile inputs."""

from __future__ import annotations

import http.server
import json
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from tests import models
from tests.commands import install
from tests.local_sigstore import GITHUB_ISSUER, LocalSigstore
from tests.registries import Registry, running_registry
from tests.runner import Runner
from weighbridge import keys

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.needs("bash")
_PEM_WORDS = "PRIVATE KEY"


@pytest.fixture(scope="module")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action's folder as a runner has it, after its environment was built once."""
    folder = tmp_path_factory.mktemp("an action with spaces")
    shutil.copytree(ROOT / ".ci", folder / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("action.yml", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copyfile(ROOT / name, folder / name)
    install(folder / ".venv/bin")
    python = folder / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    script = "import environment; environment.stamp_file('run').write_text(environment.stamp('run'))"
    subprocess.run([sys.executable, "-c", script], cwd=folder / ".ci", check=True, timeout=60)
    return folder


@pytest.fixture
def runner(action: Path, tmp_path: Path) -> Runner:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Runner(action, workspace)


@pytest.fixture
def model(runner: Runner) -> Path:
    return models.tiny_model(runner.workspace / "model")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a repository keeps as its secret: the text of a private key file."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    keys.write_private_key(path, keys.generate_private_key(), None)
    return path.read_text(encoding="ascii")


def _public(key: str, folder: Path) -> str:
    path = folder / "again.pem"
    path.write_text(key, encoding="ascii")
    return keys.public_pem(keys.load_private_key(path).public_key()).decode("ascii")


def _nothing_left(runner: Runner) -> bool:
    return not list(runner.temp.iterdir())


# What a publisher and a user do


def test_a_job_publishes_a_model_and_another_job_verifies_it(
    runner: Runner, model: Path, key: str, registry: Registry
) -> None:
    wanted = {"release": "action/tiny@1.0", "registry": registry.url, "log-key": registry.vkey}
    done = runner.use({"path": "model", "key": key, **wanted})
    assert done.exit_code == 0, done.log
    assert done.outputs["record"] == "model/provenance.jsonl"
    assert done.outputs["signature"] == "model/model.sig"
    assert done.outputs["model-digest"].startswith("sha256:")
    assert urllib3.request("GET", done.outputs["page"], timeout=30).status == 200
    logged = registry.get(f"/api/v1/entries/{done.outputs['entry']}")
    assert logged["index"] == int(done.outputs["entry"])
    assert "weighbridge publish: done" in done.summary
    assert done.outputs["page"] in done.summary
    assert _PEM_WORDS not in done.log + done.summary
    assert _nothing_left(runner)

    again = runner.use({"path": "model", "key": key, **wanted})
    assert (again.exit_code, again.outputs) == (0, done.outputs)

    checked = runner.use(
        {"command": "verify", "path": "model", "release": "action/tiny@1.0", "log-key": registry.vkey}
    )
    assert checked.exit_code == 0, checked.log
    assert checked.outputs == {"verdict": "verified"}
    assert checked.commands == []
    assert "7 recorded" in checked.summary

    public = _public(key, runner.workspace.parent)
    rule = '[[rules]]\nreleases = ["{}/*"]\nsigners = ["us"]\nrecorded = true\n'
    head = f'v = 1\nlogs = ["{registry.vkey}"]\n[signers.us]\ntype = "key"\npublic_key = """\n{public}"""\n'
    for namespace, code, verdict in (("action", 0, "verified"), ("elsewhere", 1, "failed")):
        (runner.workspace / "weighbridge.toml").write_text(head + rule.format(namespace))
        judged = runner.use({"command": "verify", "path": "model", "policy": "weighbridge.toml"})
        assert (judged.exit_code, judged.outputs) == (code, {"verdict": verdict}), judged.log


def test_a_model_that_was_tampered_with_fails_the_job_which_says_at_which_step(
    runner: Runner, model: Path, key: str, registry: Registry
) -> None:
    done = runner.use({"path": "model", "release": "action/changed@1", "registry": registry.url, "key": key})
    assert done.exit_code == 0, done.log
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    public = _public(key, runner.workspace.parent)
    checked = runner.use({"command": "verify", "path": "model", "public-key": public})
    assert checked.exit_code == 1
    assert checked.outputs == {"verdict": "failed"}
    assert "step 2 (digests)" in checked.errors
    assert "<td>2 digests</td><td><code>fail: " in checked.summary
    assert "weighbridge verify: failed" in checked.summary
    assert _nothing_left(runner)


def test_a_log_that_nobody_named_leaves_the_question_open(
    runner: Runner, model: Path, key: str, registry: Registry
) -> None:
    wanted = {"path": "model", "release": "action/unnamed@1"}
    assert runner.use({**wanted, "registry": registry.url, "key": key}).exit_code == 0
    shutil.rmtree(runner.workspace.with_name("runner-home"))  # the next job runs on another machine
    checked = runner.use({**wanted, "command": "verify"})
    assert checked.exit_code == 3
    assert checked.outputs == {"verdict": "undecided"}


def test_a_job_that_only_signs_needs_no_registry(runner: Runner, model: Path, key: str) -> None:
    done = runner.use({"command": "sign", "path": "model", "key": key})
    assert done.exit_code == 0, done.log
    assert set(done.outputs) == {"signature", "model-digest"}
    (runner.workspace / "wanted.pub").write_text(_public(key, runner.workspace.parent), encoding="ascii")
    checked = runner.use({"command": "verify", "path": "model", "public-key": "wanted.pub"})
    assert checked.outputs == {"verdict": "verified"}


def test_a_key_with_a_passphrase_and_line_ends_of_windows(
    runner: Runner, model: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.pem"
    keys.write_private_key(locked, keys.generate_private_key(), b"open sesame")
    secret = locked.read_text(encoding="ascii").replace("\n", "\r\n")
    sign = {"command": "sign", "path": "model", "key": secret}
    assert runner.use({**sign, "key-passphrase": "open sesame"}).exit_code == 0
    refused = runner.use({**sign, "key-passphrase": "open barley"})
    assert refused.exit_code == 2
    assert "passphrase does not open" in refused.errors
    assert "barley" not in refused.log + refused.summary
    assert _nothing_left(runner)


def test_an_impostor_at_the_registrys_address_gets_nothing(
    runner: Runner, model: Path, key: str, registry: Registry
) -> None:
    with running_registry() as other:
        honest = other.vkey
    size = registry.get("/api/v1/log")["size"]
    wanted = {"path": "model", "release": "impostor/tiny@1", "registry": registry.url, "key": key}
    refused = runner.use({**wanted, "log-key": honest})
    assert refused.exit_code == 1
    assert "not the one that you were told" in refused.errors
    assert registry.get("/api/v1/log")["size"] == size
    assert not (model / "model.sig").exists()


# Keyless


@contextmanager
def _token_service(token: str) -> Iterator[dict[str, str]]:
    """What a runner offers a job with `permissions: id-token: write`; gives the job's variables."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            audience = parse_qs(urlsplit(self.path).query).get("audience")
            good = audience == ["sigstore"] and self.headers["Authorization"] == "bearer of-this-run"
            body = json.dumps({"value": token} if good else {"error": "no"}).encode()
            self.send_response(200 if good else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?api=1",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-this-run",
            }
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.needs("node", "npm")
def test_without_a_key_the_job_signs_as_itself(
    runner: Runner, model: Path, local_sigstore: LocalSigstore
) -> None:
    trust = runner.workspace / "sigstore.json"
    trust.write_bytes(local_sigstore.trust_config)
    with (
        running_registry(arguments=["--trust-config", str(trust)]) as registry,
        _token_service(local_sigstore.ci_token()) as variables,
    ):
        runner.variables = variables
        done = runner.use(
            {
                "path": "model",
                "release": "acme/tiny@1.0",
                "registry": registry.url,
                "trust-config": "sigstore.json",
            }
        )
        assert done.exit_code == 0, done.log
        vkey = registry.vkey
    workflow = "https://github.com/acme/models/.github/workflows/release.yml@refs/tags/v1.0"
    for words in (".github/workflows/release.yml", "https://github.com/acme/models", "refs/tags/v1.0"):
        assert words in done.summary
    checked = runner.use(
        {
            "command": "verify",
            "path": "model",
            "identity": workflow,
            "issuer": GITHUB_ISSUER,
            "trust-config": "sigstore.json",
            "log-key": vkey,
        }
    )
    assert checked.outputs == {"verdict": "verified"}, checked.log


def test_without_a_key_and_without_the_permission_the_job_says_which_one(runner: Runner, model: Path) -> None:
    (runner.workspace / "key.pem").write_text("a key that nobody named", encoding="ascii")
    refused = runner.use({"command": "sign", "path": "model"})
    assert refused.exit_code != 0
    assert "id-token: write" in refused.errors
    assert not (model / "model.sig").exists()


# Attacks


@pytest.mark.parametrize(
    "hostile",
    [
        "$(touch pwned)",
        "`touch pwned`",
        "'; touch pwned; '",
        '"; touch pwned; "',
        "x\ntouch pwned",
        "x\n::set-output name=verdict::verified",
        "x\r::add-mask::e",
        "##[add-path]/tmp",
        "x\nverdict=verified",
        "--help",
        "--registry=http://127.0.0.1:1",
        "${{ secrets.GITHUB_TOKEN }}",
        "<img src=x onerror=alert(1)>\n\n[click](https://evil.example)",
    ],
)
@pytest.mark.parametrize("command", ["verify", "publish"])
def test_what_a_branch_name_can_hold_does_nothing(
    runner: Runner, model: Path, key: str, command: str, hostile: str
) -> None:
    """Inputs are often made of names that strangers choose: of branches, tags, pull requests."""
    if command == "verify":
        inputs = dict.fromkeys(("path", "release", "identity", "issuer", "record", "public-key"), hostile)
    else:
        inputs = dict.fromkeys(("path", "release", "card", "lineage", "registry"), hostile) | {"key": key}
    job = runner.use(inputs | {"command": command})
    assert job.exit_code not in (0, 127)
    assert job.outputs.get("verdict") != "verified"
    assert {name for name, _ in job.commands} == {"error"}
    assert not list(runner.workspace.parent.rglob("pwned"))
    assert "<img" not in job.summary
    assert "\n\n" not in job.summary.partition("<table>")[2].partition("</table>")[0]
    assert _nothing_left(runner)


def test_a_file_name_is_no_command_and_no_markup(runner: Runner, model: Path, key: str) -> None:
    assert runner.use({"command": "sign", "path": "model", "key": key}).exit_code == 0
    for name in ("a\n::set-output name=verdict::verified\n", "##[add-mask]e", "<b>\u202eb", "::error::x"):
        models.write(model / name, "x")
    (runner.workspace / "wanted.pub").write_text(_public(key, runner.workspace.parent), encoding="ascii")
    checked = runner.use({"command": "verify", "path": "model", "public-key": "wanted.pub"})
    assert checked.exit_code == 1
    assert checked.outputs == {"verdict": "failed"}
    assert {name for name, _ in checked.commands} == {"error"}
    assert len(checked.commands) == 1
    assert "<b>" not in checked.summary
    assert "\u202e" not in checked.summary


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"command": "rm"}, "it is one of publish, sign, verify"),
        ({"command": "verify", "key": "k"}, "verify takes no key"),
        ({"command": "sign", "release": "a/b@1"}, "sign takes no release"),
        ({"release": "a/b@1"}, "publish needs release and registry"),
        ({"command": "sign", "key": "key.pem"}, "give the text itself"),
    ],
)
def test_a_mistake_in_the_workflow_is_told_before_anything_happens(
    runner: Runner, model: Path, inputs: dict[str, str], words: str
) -> None:
    refused = runner.use({"path": "model", **inputs})
    assert refused.exit_code == 2
    assert words in refused.errors
    assert not (model / "model.sig").exists()


def _program(folder: Path, script: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_exit_code_passes_through_and_no_secret_becomes_a_variable(
    runner: Runner, model: Path, key: str
) -> None:
    runner.variables = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "for keyless only"}
    program = _program(runner.workspace, "env > seen; exit 42")
    ended = runner.use({"command": "sign", "path": "model", "key": key, "program": program})
    assert ended.exit_code == 42
    seen = (runner.workspace / "seen").read_text(encoding="utf-8")
    assert _PEM_WORDS not in seen
    assert "ACTIONS_ID_TOKEN" not in seen
    assert "gave no answer" in ended.errors


@pytest.mark.parametrize("said", ["", "[]", "7", '{"v": 1}', '{"error": "no"}', "Traceback (most recent"])
def test_an_answer_that_is_none_is_never_a_success(runner: Runner, model: Path, said: str) -> None:
    program = _program(runner.workspace, f"echo '{said}'")
    ended = runner.use({"command": "verify", "path": "model", "program": program})
    assert ended.exit_code == 1
    assert "gave no answer" in ended.errors
    assert ended.outputs.get("verdict", "") == ""


def test_a_job_that_is_cancelled_leaves_no_key_behind(runner: Runner, model: Path, key: str) -> None:
    program = _program(runner.workspace, "exec sleep 60")
    step = runner.definition()["runs"]["steps"][1]
    inputs = dict.fromkeys(runner.definition()["inputs"], "")
    inputs |= {"command": "sign", "path": "model", "key": key, "program": program}
    command, env = runner.script(step, {"inputs": inputs})
    with subprocess.Popen(command, cwd=runner.workspace, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while not (found := list(runner.temp.rglob("key.pem"))) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert stat.S_IMODE(found[0].stat().st_mode) == 0o600
            assert stat.S_IMODE(found[0].parent.stat().st_mode) == 0o700
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert _nothing_left(runner)


# The file itself


def test_no_script_of_the_action_is_made_of_expressions(runner: Runner) -> None:
    definition = runner.definition()
    for step in definition["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
    setup, _ = definition["runs"]["steps"]
    assert set(setup["env"]) == {"PROGRAM"}, "what installs packages sees no secret"
    for name, member in definition["inputs"].items():
        assert member["description"]
        assert member.get("required") or "default" in member, name


def test_every_input_and_output_reaches_the_script(runner: Runner) -> None:
    definition = runner.definition()
    step = definition["runs"]["steps"][1]
    assert step["env"] == {
        f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}"
        for name in definition["inputs"]
    }
    script = "import action; print(*action.EVERY_INPUT, '/', *action.OUTPUTS.values())"
    run = [sys.executable, "-c", script]
    said = subprocess.run(
        run, cwd=ROOT / ".ci", capture_output=True, text=True, check=True, timeout=60
    ).stdout
    inputs, outputs = (set(half.split()) for half in said.split(" / "))
    assert inputs == set(definition["inputs"]) - {"command", "path", "program"}
    assert outputs | {"verdict"} == set(definition["outputs"])
    for name, member in definition["outputs"].items():
        assert member["value"] == f"${{{{ steps.run.outputs.{name} }}}}"
