# SPDX-License-Identifier: Apache-2.0
"""`publish` against real registries: the usual way, and everything that can go wrong on it."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import urllib3

from tests import models
from tests.commands import Outcome
from tests.commands import weighbridge_here as here
from tests.records import Elsewhere, Publisher
from tests.registries import Registry, registry_here, running_registry
from weighbridge import keys, records
from weighbridge.bundles import parse_bundle
from weighbridge.leaves import parse_leaf
from weighbridge.statements import parse_statement
from weighbridge.tlog import Verifier, parse_receipt, verify_receipt
from weighbridge.weighing import read_tensor_table, weigh
from weighbridge_registry.log.writing import STEPS


@pytest.fixture
def key(tmp_path: Path, config_folder: Path) -> Path:
    path = tmp_path / "key.pem"
    keys.write_private_key(path, keys.generate_private_key(), None)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of this test's own: another test's would be the same files."""
    model = models.tiny_model(tmp_path / "tiny")
    (model / "notes.txt").write_text(str(tmp_path), encoding="utf-8")
    return model


def _publish(
    registry: Registry, model: Path, release: str, key: Path, *more: str | Path, **env: str
) -> Outcome:
    return here("publish", model, release, "--registry", registry.url, "--key", key, *more)


def _kinds(record: bytes) -> list[str]:
    lines = records.parse_record(record)
    return [parse_statement(parse_bundle(line.bundle, strict=True).payload).kind for line in lines]


def test_a_release_is_recorded_and_its_proof_lies_beside_the_model(
    registry: Registry, model: Path, key: Path
) -> None:
    done = _publish(registry, model, "first/tiny@1.0", key, "--json")
    assert done.exit_code == 0, done.stderr
    told = done.json()
    weighed = weigh(model)
    assert told["model_digest"] == f"sha256:{weighed.model_digest}"
    assert told["log"]["pinned_now"] is True
    assert registry.origin in done.stderr
    assert told["url"] == f"{registry.url}/models/first/tiny/1.0"
    record = (model / "provenance.jsonl").read_bytes()
    assert {"namespace", "oms", "release"} <= set(_kinds(record))
    verifier = Verifier.from_vkey(registry.vkey)
    for line in records.parse_record(record):
        assert parse_leaf(line.leaf).bundle_sha256 == hashlib.sha256(line.bundle).hexdigest()
        verify_receipt(parse_receipt(line.receipt), line.leaf, [verifier])
    oms = parse_statement(parse_bundle((model / "model.sig").read_bytes(), strict=True).payload)
    assert oms.subject.sha256 == weighed.root_digest
    assert "README.md" in oms.predicate["serialization"]["ignore_paths"]


def test_the_card_the_lineage_and_the_tensor_table_are_there_to_read(
    registry: Registry, model: Path, key: Path, tmp_path: Path
) -> None:
    lineage = tmp_path / "lineage.json"
    parent = {"relation": "finetune", "name": "example/base", "digest": f"sha256:{'a' * 64}"}
    lineage.write_text(
        json.dumps({"parents": [parent], "datasets": [{"stage": "sft", "name": "reviews"}]}), encoding="utf-8"
    )
    done = _publish(
        registry, model, "carded/tiny@1", key, "--lineage", lineage, "--location", "https://a.example/m"
    )
    assert done.exit_code == 0, done.stderr
    document = registry.get("/api/v1/models/carded/tiny/1")
    readme = (model / "README.md").read_bytes()
    assert document["card"]["readme"]["sha256"] == hashlib.sha256(readme).hexdigest()
    assert document["lineage"]["parents"][0]["name"] == "example/base"
    assert document["lineage"]["datasets"][0]["name"] == "reviews"
    assert document["locations"] == ["https://a.example/m"]
    table = document["tensors"]["table_digest"].removeprefix("sha256:")
    served = urllib3.request(
        "GET", f"{registry.url}/api/v1/blobs/{table}", headers={"Accept-Encoding": "gzip"}, timeout=30
    )
    assert served.status == 200
    data = gzip.decompress(served.data) if served.data[:2] == b"\x1f\x8b" else served.data
    assert hashlib.sha256(data).hexdigest() == table
    assert len(read_tensor_table(data)) == 6


def test_it_works_without_card_lineage_or_tensors(registry: Registry, tmp_path: Path, key: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "rules.txt").write_text("if hungry: eat", encoding="ascii")
    done = _publish(registry, folder, "bare/rules@1", key, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.json()["weights_digest"] is None
    document = registry.get("/api/v1/models/bare/rules/1")
    assert document["card"] is None
    assert document["lineage"] is None


def test_a_single_file_has_its_papers_beside_it(registry: Registry, model: Path, key: Path) -> None:
    file = model / "model.safetensors"
    done = _publish(registry, file, "single/weights@1", key)
    assert done.exit_code == 0, done.stderr
    assert (model / "model.safetensors.sig").is_file()
    assert (model / "model.safetensors.provenance.jsonl").is_file()


def test_no_card_means_no_card(registry: Registry, model: Path, key: Path) -> None:
    assert _publish(registry, model, "nocard/tiny@1", key, "--no-card").exit_code == 0
    assert registry.get("/api/v1/models/nocard/tiny/1")["card"] is None


def test_the_same_again_is_a_success_that_signs_nothing(registry: Registry, model: Path, key: Path) -> None:
    assert _publish(registry, model, "twice/tiny@1", key).exit_code == 0
    size = registry.get("/api/v1/log")["size"]
    for paper in ("model.sig", "provenance.jsonl"):
        (model / paper).unlink()
    again = _publish(registry, model, "twice/tiny@1", key, "--json")
    assert again.exit_code == 0, again.stderr
    assert again.json()["already"] is True
    assert registry.get("/api/v1/log")["size"] == size
    assert (model / "provenance.jsonl").is_file()
    assert (model / "model.sig").is_file()


def test_a_second_version_needs_no_second_claim(registry: Registry, model: Path, key: Path) -> None:
    assert _publish(registry, model, "grow/tiny@1", key).exit_code == 0
    size = registry.get("/api/v1/log")["size"]
    (model / "notes.txt").write_text("now better", encoding="ascii")
    assert _publish(registry, model, "grow/tiny@2", key).exit_code == 0
    assert registry.get("/api/v1/log")["size"] == size + 2
    assert "namespace" in _kinds((model / "provenance.jsonl").read_bytes())


def test_the_same_files_under_a_new_version_share_one_oms_statement(
    registry: Registry, model: Path, key: Path
) -> None:
    assert _publish(registry, model, "share/tiny@1", key).exit_code == 0
    size = registry.get("/api/v1/log")["size"]
    first = (model / "model.sig").read_bytes()
    done = _publish(registry, model, "share/tiny@2", key)
    assert done.exit_code == 0, done.stderr
    assert registry.get("/api/v1/log")["size"] == size + 1
    assert (model / "model.sig").read_bytes() == first


def test_a_version_that_is_taken_by_other_files_is_told_so_before_anything_is_signed(
    registry: Registry, model: Path, key: Path, config_folder: Path
) -> None:
    assert _publish(registry, model, "taken/tiny@1", key).exit_code == 0
    (model / "notes.txt").write_text("changed since", encoding="ascii")
    done = _publish(registry, model, "taken/tiny@1", key, "--json")
    assert done.exit_code == 1
    error = done.json()["error"]
    assert error["type"] == "ConflictError"
    assert "choose a new version" in error["hint"]
    assert list((config_folder / "pending").glob("*")) == []


def test_somebody_elses_namespace_is_refused_at_step_4(
    registry: Registry, model: Path, key: Path, tmp_path: Path, config_folder: Path
) -> None:
    assert _publish(registry, model, "owned/tiny@1", key).exit_code == 0
    size = registry.get("/api/v1/log")["size"]
    thief = tmp_path / "thief.pem"
    keys.write_private_key(thief, keys.generate_private_key(), None)
    for name in ("owned/tiny@2", "OWNED/other@1", "o.w-n_ed/other@1"):
        done = _publish(registry, model, name, thief)
        assert done.exit_code == 1, name
        assert "step 4 (signer)" in done.stderr
        assert "namespace show" in done.stderr
    assert registry.get("/api/v1/log")["size"] == size
    assert not list((config_folder / "pending").glob("*"))


def test_another_spelling_of_a_name_is_told_before_anything_is_signed(
    registry: Registry, model: Path, key: Path
) -> None:
    assert _publish(registry, model, "spelt/tiny@1", key).exit_code == 0
    for name, words in (("Spelt/tiny@1", "write spelt"), ("spelt/T-iny@1", "write tiny")):
        done = _publish(registry, model, name, key)
        assert done.exit_code == 1
        assert words in done.stderr
        assert "signed" not in done.stderr.partition("error:")[0]


def test_the_owner_with_another_key_is_a_stranger(registry: Registry, model: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        keys.write_private_key(tmp_path / f"{number}.pem", keys.generate_private_key(), None)
    assert _publish(registry, model, "mine/tiny@1", tmp_path / "1.pem").exit_code == 0
    assert _publish(registry, model, "mine/tiny@1", tmp_path / "2.pem").exit_code == 1


@pytest.mark.parametrize(
    "step",
    ["swapped", *(pytest.param(one, marks=pytest.mark.faults) for one in STEPS if one != "swapped")],
)
def test_a_registry_that_dies_in_the_middle_is_finished_by_running_again(
    model: Path, key: Path, config_folder: Path, tmp_path: Path, step: str
) -> None:
    """It dies at one step of its write order, without any clean-up; then it comes back."""
    with running_registry(tmp_path / "r", crash_at=step, crash_after=2) as one:
        first = here(
            "publish",
            model,
            "acme/tiny@1",
            "--registry",
            one.url,
            "--key",
            key,
            "--retry-for",
            "1",
        )
        assert first.exit_code == 3, first.stderr
        assert "run the same command again" in first.stderr
        assert len(list((config_folder / "pending").glob("*.json"))) == 1
        assert not (model / "provenance.jsonl").exists()
        one.kill()
        one.knobs.clear()
        one.start()
        again = _publish(one, model, "acme/tiny@1", key, "--json")
        assert again.exit_code == 0, again.stderr
        assert one.get("/api/v1/log")["size"] == 5
        assert (model / "provenance.jsonl").is_file()
        assert not list((config_folder / "pending").glob("*.json"))


def test_signed_once_sent_twice(model: Path, key: Path, config_folder: Path, tmp_path: Path) -> None:
    """The signatures that a first run saved are the ones that a second run sends."""
    with running_registry(tmp_path / "r", crash_at="staged", crash_after=2) as one:
        here(
            "publish",
            model,
            "acme/tiny@1",
            "--registry",
            one.url,
            "--key",
            key,
            "--retry-for",
            "1",
        )
        (saved,) = (config_folder / "pending").glob("*.json")
        one.kill()
        one.knobs.clear()
        one.start()
        done = _publish(one, model, "acme/tiny@1", key)
        assert "taking up the bundles that were signed before" in done.stderr or "already" in done.stderr
        assert not saved.exists()


def test_a_changed_card_is_signed_anew_after_a_failure(
    model: Path, key: Path, config_folder: Path, tmp_path: Path
) -> None:
    with registry_here(tmp_path / "r") as one:
        size = one.get("/api/v1/log")["size"]
        assert size == 1
        here("log", "trust", "add", one.url, "--yes")
        first = here(
            "publish", model, "acme/tiny@1", "--registry", one.url, "--key", key, "--location", "javascript:x"
        )
        assert first.exit_code == 1
        assert "step 5" in first.stderr
        assert not list((config_folder / "pending").glob("*.json"))
        (model / "README.md").write_text("# Another card\n", encoding="utf-8")
        assert _publish(one, model, "acme/tiny@1", key).exit_code == 0


def test_no_registry_at_all_is_exit_3_and_a_name_for_it(model: Path, key: Path, config_folder: Path) -> None:
    done = here("publish", model, "acme/tiny@1", "--registry", "http://127.0.0.1:9", "--key", key)
    assert done.exit_code == 3
    assert "127.0.0.1:9" in done.stderr
    unnamed = here("publish", model, "acme/tiny@1", "--key", key)
    assert unnamed.exit_code == 2
    assert "WEIGHBRIDGE_REGISTRY" in unnamed.stderr
    assert not (config_folder / "logs.json").exists()


def test_another_log_at_a_pinned_address_is_not_trusted(
    model: Path, key: Path, config_folder: Path, tmp_path: Path
) -> None:
    """Whoever takes over a registry's address has a log of their own, and is refused."""
    with running_registry(tmp_path / "first") as one:
        assert _publish(one, model, "acme/tiny@1", key).exit_code == 0
        one.kill()
        one.data = tmp_path / "impostor"
        one.start()
        (model / "notes.txt").write_text("next", encoding="ascii")
        done = _publish(one, model, "acme/tiny@2", key)
        assert done.exit_code == 1
        assert "step 7 (recorded)" in done.stderr
        assert "log trust remove" in done.stderr
        assert one.get("/api/v1/log")["size"] == 1
    assert len(json.loads((config_folder / "logs.json").read_text(encoding="utf-8"))["logs"]) == 1


@pytest.mark.files
def test_a_registry_restored_from_an_old_copy_is_caught(
    model: Path, key: Path, config_folder: Path, tmp_path: Path
) -> None:
    """Its log is shorter than what this client has seen: both checkpoints are kept as evidence."""
    with running_registry(tmp_path / "r") as one:
        assert _publish(one, model, "acme/tiny@1", key).exit_code == 0
        one.stop()
        shutil.copytree(one.data, tmp_path / "backup")
        one.start()
        (model / "notes.txt").write_text("second", encoding="ascii")
        assert _publish(one, model, "acme/tiny@2", key).exit_code == 0
        one.stop()
        shutil.rmtree(one.data)
        shutil.copytree(tmp_path / "backup", one.data)
        one.start_restored()
        (model / "notes.txt").write_text("third", encoding="ascii")
        done = _publish(one, model, "acme/tiny@3", key)
        assert done.exit_code == 1
        assert "step 7" in done.stderr
        (evidence,) = (config_folder / "evidence").glob("fork-*.json")
        assert len(json.loads(evidence.read_text(encoding="utf-8"))["checkpoints"]) == 2


@pytest.mark.parametrize("name", ["tiny@1", "acme/tiny", "acme/../x@1", "acme/tiny@1.json", "a b/c@1"])
def test_what_is_no_release_name_is_exit_2(model: Path, key: Path, name: str) -> None:
    done = here("publish", model, name, "--registry", "http://127.0.0.1:9", "--key", key)
    assert done.exit_code == 2
    assert "error:" in done.stderr


def test_a_readme_that_is_a_trap_is_published_as_text_or_refused(
    registry: Registry, model: Path, key: Path
) -> None:
    (model / "README.md").write_text(
        "---\nlicense: mit\n---\n# <script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n",
        encoding="utf-8",
    )
    assert _publish(registry, model, "trap/tiny@1", key).exit_code == 0
    page = urllib3.request("GET", f"{registry.url}/models/trap/tiny/1", timeout=30).data.decode()
    assert "<script>alert" not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert", "")
    (model / "README.md").write_text("---\na: &a [x]\nb: [*a, *a]\n---\n" + "", encoding="utf-8")
    done = _publish(registry, model, "trap/tiny@2", key)
    assert done.exit_code in {0, 2}


def test_identify_knows_the_model_whatever_it_is_called(registry: Registry, model: Path, key: Path) -> None:
    assert _publish(registry, model, "known/tiny@1", key).exit_code == 0
    renamed = model.rename(model.with_name("someone-elses-name"))
    for paper in ("model.sig", "provenance.jsonl", "README.md"):
        (renamed / paper).unlink()
    found = here("identify", renamed, "--registry", registry.url)
    assert found.exit_code == 0, found.stderr
    assert "known/tiny@1" in found.stdout
    assert "all files are the same" in found.stdout
    by_digest = here(
        "identify", f"sha256:{weigh(renamed).model_digest}", "--json", "--registry", registry.url
    )
    assert by_digest.json()["known"] is True
    (renamed / "notes.txt").write_text("another file", encoding="ascii")
    weights = here("identify", renamed, "--registry", registry.url)
    assert weights.exit_code == 0
    assert "the weights are the same" in weights.stdout


def test_identify_of_a_forged_copy_leads_with_what_is_not_known(
    registry: Registry, model: Path, key: Path
) -> None:
    assert _publish(registry, model, "forged/tiny@1", key).exit_code == 0
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "model.safetensors").write_bytes(weights)
    told = here("identify", model, "--registry", registry.url)
    assert told.exit_code == 1
    first, *rest = told.stdout.splitlines()
    assert first.startswith("This exact model is not registered here. 6 of its 7 files are in forged/tiny@1")
    assert "unknown there: model.safetensors." in first
    assert len(rest) < 6
    single = here("identify", model / "config.json", "--registry", registry.url)
    assert single.exit_code == 0
    assert "has this file: config.json" in single.stdout
    assert here("identify", model / "model.safetensors", "--registry", registry.url).exit_code == 1
    assert here("identify", model, "--registry", registry.url, "--json").json()["known"] is False


def test_identify_says_unknown_and_exit_1(registry: Registry, tmp_path: Path, config_folder: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "new.txt").write_text("never seen before", encoding="ascii")
    told = here("identify", tmp_path / "m", "--registry", registry.url)
    assert told.exit_code == 1
    assert "Unknown" in told.stdout
    assert here("identify", "f" * 64, "--registry", registry.url, "--json").json()["known"] is False
    assert not config_folder.exists()


def test_namespace_show_names_its_owners(registry: Registry, model: Path, key: Path) -> None:
    assert _publish(registry, model, "shown/tiny@1", key).exit_code == 0
    told = here("namespace", "show", "shown", "--registry", registry.url)
    assert told.exit_code == 0, told.stderr
    assert keys.fingerprint(keys.load_private_key(key).public_key()) in told.stdout
    document = here("namespace", "show", "SHOWN", "--registry", registry.url, "--json").json()
    assert document["claimed"] is True
    nobody = here("namespace", "show", "nobody-here", "--registry", registry.url)
    assert nobody.exit_code == 1
    assert "Nobody has claimed" in nobody.stdout


def test_a_strangers_signature_over_the_same_files_never_becomes_model_sig(
    registry: Registry, model: Path, key: Path
) -> None:
    """Anybody may record a manifest of public files; the publisher, running again, must not ship it."""
    assert _publish(registry, model, "shipped/tiny@1.0", key).exit_code == 0
    genuine = (model / "model.sig").read_bytes()
    stranger = Publisher()
    mine = Elsewhere(registry.origin)
    assert (
        registry.post([stranger.introduction(mine), stranger.oms(model, exclude_readme=True)]).status == 201
    )
    assert _publish(registry, model, "shipped/tiny@1.0", key).exit_code == 0
    assert (model / "model.sig").read_bytes() == genuine
    assert stranger.pem  # its manifest is in the record, as the log's truth, and no more


@pytest.mark.parametrize("address", ["https://me:hunter2@registry.example", "https://hunter2@[::1/"])
def test_a_password_in_an_address_is_not_repeated(model: Path, key: Path, address: str) -> None:
    told = here("publish", model, "a/b@1", "--registry", address, "--key", key)
    assert told.exit_code == 2
    assert "hunter2" not in told.stdout + told.stderr
