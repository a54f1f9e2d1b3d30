# SPDX-License-Identifier: Apache-2.0
"""What the guides tell people to type works, from the first line to the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import guides, models
from tests.guides import Reader
from tests.runner import evaluate
from weighbridge import keys

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
RUN = tuple(page for page in PAGES if any(b.tag == "sh" for b in guides.blocks((ROOT / page).read_text())))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    person = Reader(tmp_path)
    yield person
    person.close()


@pytest.mark.parametrize("page", RUN)
def test_a_guide_works_as_it_is_written(page: str, reader: Reader) -> None:
    for block in guides.blocks((ROOT / page).read_text(encoding="utf-8")):
        if block.tag == "sh":
            done = reader.type(block.text)
            assert done.returncode == 0, f"{page}, line {block.line}:\n{block.text}\n{done.stdout}"


def test_the_guides_that_must_run_do() -> None:
    assert {"README.md", "docs/publish.md", "docs/ci.md"} <= set(RUN)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_commands_and_flags_that_exist(page: str) -> None:
    assert guides.faults((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```console\n$ weighbridge testify x\n```\n", "no command testify"),
        ("Say `weighbridge log mend` then.", "no command mend"),
        ("```sh\nweighbridge verify x \\\n  --politics p\n```\n", "no flag --politics"),
        ("`weighbridge sign x --hash=blake3 --shards=1`", "no flag --shards"),
        ("```sh\ntrue && weighbridge weigh x --all | head\n```\n", "no flag --all"),
    ],
)
def test_a_guide_that_names_what_does_not_exist_is_caught(text: str, fault: str) -> None:
    (found,) = guides.faults(text)
    assert fault in found


def test_a_block_fails_at_its_first_failing_command_and_variables_last(reader: Reader) -> None:
    assert reader.type("mkdir a\ncd a\nexport WORD='two words'\n").returncode == 0
    done = reader.type('pwd\necho "$WORD"\n')
    assert done.stdout.endswith("/a\ntwo words\n")
    assert reader.type("false\ntrue\n").returncode == 1
    assert reader.type('echo "$NOT_SET"\n').returncode != 0


# The workflows in docs/ci.md


def _yaml_blocks() -> list[dict[str, Any]]:
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    return [yaml.safe_load(block.text) for block in guides.blocks(text) if block.tag == "yaml"]


def test_the_workflows_give_the_action_only_inputs_that_it_has() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    contexts = {
        "github": {"ref_name": "v1.0"},
        "vars": {"LOG_KEY": "log+1+x"},
        "secrets": {"MODEL_KEY": "key"},
    }
    steps = [
        step
        for document in _yaml_blocks()
        for job in document.get("jobs", {}).values()
        for step in job["steps"]
        if step["uses"] == "OWNER/weighbridge@COMMIT"
    ]
    commands = {step["with"].get("command", "publish") for step in steps}
    assert commands == {"publish", "verify"}
    for step in steps:
        assert set(step["with"]) <= set(action["inputs"])
        given = {name: evaluate(value, contexts) for name, value in step["with"].items()}
        assert given["release"] == "my-lab/my-model@v1.0"


def test_the_shell_recipe_leaves_no_key_behind_when_publishing_fails(tmp_path: Path, reader: Reader) -> None:
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    (publish,) = [b for b in guides.blocks(text) if b.tag == "sh" and 'MODEL_KEY" >' in b.text]
    key = tmp_path / "k.pem"
    keys.write_private_key(key, keys.generate_private_key(), None)
    models.tiny_model(tmp_path / "work" / "my-model")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    nobody = publish.text.replace(guides.ADDRESS, "http://127.0.0.1:1")
    done = reader.type(f'export TMPDIR="{scratch}" MODEL_KEY="$(cat {key})"\n{nobody}')
    assert done.returncode == 3, done.stdout
    assert list(scratch.iterdir()) == []
