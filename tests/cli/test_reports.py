# SPDX-License-Identifier: Apache-2.0
"""The real `--json` output of every command, and of errors, held against the published JSON Schema."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.commands import weighbridge_here
from tests.library.hub.conftest import Hub, hub
from tests.models import sharded_model, tiny_model, write
from tests.records import Published, published
from tests.registries import Registry
from tests.reports import check
from weighbridge import keys
from weighbridge_cli import main as edge
from weighbridge_schemas.reports import cards, logs, models

__all__ = ["hub"]  # the fixture


@pytest.fixture
def release(tmp_path: Path, config_folder: Path) -> Published:
    return published(tiny_model(tmp_path / "tiny"))


@pytest.fixture
def key(tmp_path: Path, config_folder: Path) -> Path:
    keys.write_private_key(tmp_path / "k.pem", keys.generate_private_key(), None)
    return tmp_path / "k.pem"


@pytest.mark.parametrize("options", [(), ("--tensors",)])
def test_weigh(tmp_path: Path, options: tuple[str, ...]) -> None:
    model = tiny_model(tmp_path / "m")
    document = weighbridge_here("weigh", model, "--json", *options).json()
    check("WeighReport", document)
    assert document["chat_templates"], "the tiny model has one in its tokenizer_config.json"
    assert ("list" in document["tensors"]) == bool(options)


def test_weigh_of_a_single_file_without_tensors(tmp_path: Path) -> None:
    check("WeighReport", weighbridge_here("weigh", write(tmp_path / "x.txt", "x"), "--json").json())


def test_compare(tmp_path: Path) -> None:
    first, second = tiny_model(tmp_path / "a"), sharded_model(tmp_path / "b", seed=1)
    for other in (second, first):
        check("CompareReport", weighbridge_here("weigh", first, "--compare", other, "--json").json())


@pytest.mark.parametrize("options", [(), ("--hash", "blake3"), ("--shard-size", "1000000")])
def test_sign(tmp_path: Path, key: Path, options: tuple[str, ...]) -> None:
    model = tiny_model(tmp_path / "m")
    document = weighbridge_here("sign", model, "--key", key, "--json", *options).json()
    check("SignReport", document)
    assert (document["model_digest"] is None) == bool(options)


def test_verify_good_bad_and_undecided(release: Published, tmp_path: Path) -> None:
    public = write(tmp_path / "acme.pub", release.publisher.pem)
    log = ("--log-key", release.log.vkey)
    for options, verdict in (
        (("--release", release.title, *log), "verified"),
        (("--public-key", public, *log), "verified"),
        (("--public-key", public), "undecided"),
        ((), "untrusted"),
    ):
        document = weighbridge_here("verify", release.model, "--json", *options).json()
        check("VerifyReport", document)
        assert document["verdict"] == verdict
    write(release.model / "config.json", "{}")
    document = weighbridge_here("verify", release.model, "--json", "--public-key", public, *log).json()
    check("VerifyReport", document)
    assert document["verdict"] == "failed"


def test_the_cache_and_the_hub(hub: Hub, tmp_path: Path, config_folder: Path) -> None:
    public = write(tmp_path / "acme.pub", hub.published.publisher.pem)
    wanted = ("--public-key", public, "--log-key", hub.published.log.vkey)
    check("VerifyReport", weighbridge_here("verify", "hf:acme/tiny", "--remote", "--json", *wanted).json())
    hub.download()
    document = weighbridge_here("verify", "--all-cached", "--json", *wanted).json()
    check("CachedReport", document)
    assert document["models"][0]["result"] == "verified"


@pytest.mark.parametrize(
    "arguments",
    [
        ["weigh", "nothing-here", "--json"],
        ["weigh", "--json"],
        ["sign", "nothing-here", "--json", "--key", "no.pem"],
        ["verify", "nothing-here", "--json"],
        ["verify", "hf:../x", "--json"],
    ],
)
def test_errors(config_folder: Path, arguments: list[str]) -> None:
    done = weighbridge_here(*arguments)
    assert done.exit_code == 2
    check("ErrorReport", done.json())


def test_an_error_at_a_step(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    document = weighbridge_here("weigh", tmp_path / "m", "--json").json()
    check("ErrorReport", document)
    assert document["error"]["step"] == {"n": 1, "name": "files"}


def _with_json(command: click.Command, path: str) -> Iterator[str]:
    """Names of the commands below one that take --json."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _with_json(below, f"{path} {name}")
    elif any("--json" in parameter.opts for parameter in command.params):
        yield path


def test_every_command_with_json_has_a_report_that_names_it() -> None:
    found = [
        path
        for name in edge.COMMANDS
        for path in _with_json(importlib.import_module(f"weighbridge_cli.commands.{name}").command, name)
    ]
    described = "".join(map(inspect.getsource, (cards, logs, models)))
    assert len(found) >= 11
    assert [path for path in found if f"`{path} --json`" not in described] == []


def test_key_new_and_publish_and_what_a_registry_and_its_log_say(
    registry: Registry, tmp_path: Path, config_folder: Path
) -> None:
    key, at = tmp_path / "key.pem", ("--registry", registry.url)
    check("KeyReport", weighbridge_here("key", "new", key, "--no-passphrase", "--json").json())
    model = tiny_model(tmp_path / "reported")
    write(model / "notes.txt", str(tmp_path))
    nobody = weighbridge_here("namespace", "show", "reported", *at, "--json").json()
    check("NamespaceReport", nobody)
    assert nobody["claimed"] is False
    unknown = weighbridge_here("identify", model / "notes.txt", *at, "--json")
    check("IdentifyReport", unknown.json())
    assert (unknown.exit_code, unknown.json()["known"]) == (1, False)

    published_ = weighbridge_here("publish", model, "reported/tiny@1", *at, "--key", key, "--json")
    assert published_.exit_code == 0, published_.stderr
    check("PublishReport", published_.json())
    for asked in (model, model / "config.json", published_.json()["model_digest"]):
        document = weighbridge_here("identify", asked, *at, "--json").json()
        check("IdentifyReport", document)
        assert document["known"] is True
    document = weighbridge_here("namespace", "show", "reported", *at, "--json").json()
    check("NamespaceReport", document)
    assert (document["claimed"], len(document["history"])) == (True, 1)
    check("FsckReport", weighbridge_here("log", "fsck", registry.url, "--json").json())


def test_log_trust(registry: Registry, config_folder: Path) -> None:
    added = weighbridge_here("log", "trust", "add", registry.url, "--yes", "--json").json()
    check("LogReport", added)
    listed = weighbridge_here("log", "trust", "list", "--json").json()
    check("LogsReport", listed)
    assert [log["origin"] for log in listed["logs"]] == [added["origin"]]
    removed = weighbridge_here("log", "trust", "remove", added["origin"], "--json").json()
    check("LogReport", removed)
    assert removed == added | {"trusted": False}
    again = weighbridge_here("log", "trust", "remove", added["origin"], "--json")
    assert again.exit_code == 2
    check("ErrorReport", again.json())
