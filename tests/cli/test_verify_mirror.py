# SPDX-License-Identifier: Apache-2.0
"""`verify --mirror`: step 9 passes by a replay of all entries; who can write to the copy gains nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Outcome, weighbridge_here
from tests.local_sigstore import LocalSigstore
from tests.models import safetensors, tiny_model, write
from tests.registries import Registry, registry_here
from weighbridge import bundles, keys, records, tlog
from weighbridge.leaves import encode_leaf, parse_leaf
from weighbridge.signing import KeySigner
from weighbridge.statements import encode_statement, parse_statement
from weighbridge_registry.store.files import DataFolder

RELEASE = "acme/tiny@1.0"


@dataclass(frozen=True)
class Town:
    """A registry with a release that was withdrawn, a copy from before that and one from after."""

    folder: Path
    registry: Registry
    vkey: str
    model: Path
    before: Path
    after: Path


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    own = {"WEIGHBRIDGE_CONFIG_DIR": str(folder / "config")}

    def run(*arguments: str | Path) -> None:
        done = weighbridge_here(*arguments, **own)
        assert done.exit_code == 0, done.stderr

    with registry_here(folder / "r") as registry:
        key = ("--registry", registry.url, "--key", folder / "k.pem")
        run("key", "new", folder / "k.pem", "--no-passphrase")
        run("publish", tiny_model(folder / "tiny"), RELEASE, *key)
        run("log", "mirror", registry.url, "--data", folder / "before")
        run("status", "yank", RELEASE, "--reason", "it leaks", *key)
        run("log", "mirror", registry.url, "--data", folder / "after")
        yield Town(folder, registry, registry.vkey, folder / "tiny", folder / "before", folder / "after")


@dataclass
class Person:
    """Somebody with the model as downloaded, and a copy that they, or others, can write to."""

    town: Town
    folder: Path
    remembers: bool = True

    def run(self, *arguments: str | Path) -> Outcome:
        own = {"WEIGHBRIDGE_CONFIG_DIR": str(self.folder / "config"), "COLUMNS": "400"}
        return weighbridge_here(*arguments, **own, **({} if self.remembers else {"CI": "true"}))

    def copy_of(self, copy: Path) -> Path:
        return Path(shutil.copytree(copy, self.folder / f"copy-of-{copy.name}"))

    def verify(
        self, copy: Path, *more: str | Path, release: str = RELEASE, model: Path | None = None
    ) -> Told:
        where = ("--release", release, "--mirror", copy, "--log-key", self.town.vkey, "--offline")
        return Told(self.run("verify", model or self.town.model, *where, "--json", *more))


@dataclass(frozen=True)
class Told:
    """A verdict as printed."""

    outcome: Outcome

    @property
    def code(self) -> int:
        return self.outcome.exit_code

    def step(self, n: int) -> tuple[str, str]:
        found = self.document["steps"][n - 1]
        return found["result"], found["reason"]

    def evidence(self, n: int) -> dict[str, Any]:
        found: dict[str, Any] = self.document["steps"][n - 1]["evidence"]
        return found

    @property
    def document(self) -> Any:
        return self.outcome.json()


@pytest.fixture
def person(town: Town, tmp_path: Path) -> Person:
    return Person(town, tmp_path)


def test_nothing_was_said_up_to_the_end_of_the_copy(person: Person, town: Town) -> None:
    told = person.verify(town.before)
    assert told.code == 0, told.outcome.stdout
    result, reason = told.step(9)
    assert result == "pass"
    assert reason.startswith(
        f"none said as of entry 4 of {town.registry.origin}, by a replay of all its entries"
    )
    assert told.evidence(9)["replayed"]["size"] == 5
    assert told.step(10)[0] == "reported"
    assert told.document["verdict"] == "verified"


def test_a_withdrawal_in_the_copy_fails_also_without_any_record_beside_the_model(
    person: Person, town: Town, tmp_path: Path
) -> None:
    bare = Path(shutil.copytree(town.model, tmp_path / "bare"))
    (bare / "provenance.jsonl").unlink()
    (bare / "model.sig").unlink()
    told = person.verify(town.after, model=bare)
    assert (told.code, told.step(7)[0], told.step(9)[0]) == (1, "pass", "fail")
    assert "it leaks (entry 5 of" in told.step(9)[1]
    assert person.verify(town.after, "--allow-yanked", model=bare).step(9)[0] == "warn"


def test_a_registrys_own_folder_will_do(person: Person, town: Town) -> None:
    told = person.verify(town.registry.data)
    assert (told.code, told.step(9)[0]) == (1, "fail")


def test_the_next_verification_reads_only_what_is_new(person: Person, town: Town, tmp_path: Path) -> None:
    copy = person.copy_of(town.before)
    assert person.verify(copy).code == 0
    (kept,) = (tmp_path / "config" / "replays").iterdir()
    assert (kept / "replay.db").stat().st_mode & 0o077 == 0 or (kept.stat().st_mode & 0o077) == 0
    leaves = tlog.parse_entry_bundle((copy / "public" / tlog.entries_path(0, 5)).read_bytes(), 5)
    _bundle(copy, parse_leaf(leaves[0]).bundle_sha256).unlink()
    assert person.verify(copy).code == 0, "entry 0 was read and verified the first time"
    person.remembers = False
    told = person.verify(copy)
    assert (told.code, told.step(9)[0]) == (3, "unknown")
    assert "not whole" in told.step(9)[1]


def test_nothing_is_kept_where_nothing_is_remembered(person: Person, town: Town, tmp_path: Path) -> None:
    person.remembers = False
    assert person.verify(town.before).code == 0
    assert not (tmp_path / "config" / "replays").exists()


# Whoever can write to the copy


def test_the_copys_database_is_not_asked(person: Person, town: Town) -> None:
    copy = person.copy_of(town.after)
    with sqlite3.connect(copy / "registry.db") as database:
        changed = database.execute("UPDATE release SET status = NULL, status_entry = NULL")
        assert changed.rowcount == 1
        database.execute("DELETE FROM fact WHERE key LIKE 'status/%'")
    database.close()
    assert person.verify(copy).step(9)[0] == "fail"
    for file in copy.glob("registry.db*"):
        file.unlink()
    person.remembers = False
    assert person.verify(copy).step(9)[0] == "fail"


def test_the_withdrawal_cannot_be_taken_out(person: Person, town: Town) -> None:
    copy = person.copy_of(town.after)
    _bundle(copy, _newest(town)).unlink()
    told = person.verify(copy)
    assert (told.code, told.step(9)[0]) == (3, "unknown")
    assert "the copy is not whole" in told.step(9)[1]


def test_the_withdrawal_cannot_be_changed(person: Person, town: Town) -> None:
    copy = person.copy_of(town.after)
    path = _bundle(copy, _newest(town))
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    told = person.verify(copy)
    assert (told.code, told.step(7)[0], told.step(9)[0]) == (1, "fail", "unknown")
    assert "has the digest" in told.step(7)[1]


def test_another_entry_in_its_place_does_not_hash_up(person: Person, town: Town) -> None:
    copy = person.copy_of(town.after)
    entries = copy / "public" / tlog.entries_path(0, 6)
    leaves = tlog.parse_entry_bundle(entries.read_bytes(), 6)
    entries.write_bytes(tlog.entry_bundle([*leaves[:5], leaves[4]]))
    told = person.verify(copy)
    assert (told.code, told.step(7)[0]) == (1, "fail")


@pytest.mark.parametrize("what", ["checkpoint", "tile", "bundle"])
@pytest.mark.parametrize("how", ["pipe", "endless", "long"])
def test_what_never_ends_is_not_read(person: Person, town: Town, what: str, how: str) -> None:
    copy = person.copy_of(town.after)
    tile = copy / "public" / tlog.tile_path(0, 0, 6)
    path = {
        "checkpoint": copy / "public" / "checkpoint",
        "tile": tile,
        "bundle": _bundle(copy, _newest(town)),
    }[what]
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "endless":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    told = person.verify(copy)
    if what == "checkpoint":
        assert told.code == 1, "it is no log at all"
        return
    assert told.step(9)[0] == "unknown"
    assert told.code in (1, 3)


def test_an_older_checkpoint_is_noticed_by_whoever_saw_a_newer_one(person: Person, town: Town) -> None:
    copy = person.copy_of(town.after)
    assert person.verify(copy).step(9)[0] == "fail"
    older = copy / "public" / "checkpoint"
    older.write_bytes((town.before / "public" / "checkpoint").read_bytes())
    told = person.verify(copy)
    assert (told.code, told.step(9)[0]) == (3, "unknown")
    assert "this computer has already read 6 entries" in told.step(9)[1]


def test_an_older_copy_is_noticed_by_the_memory_alone(person: Person, town: Town, tmp_path: Path) -> None:
    assert person.verify(town.after).code == 1
    shutil.rmtree(tmp_path / "config" / "replays")
    seen = person.run(
        "verify", town.model, "--release", RELEASE, "--registry", town.registry.url, "--log-key", town.vkey
    )
    assert seen.exit_code == 1
    told = person.verify(town.before)
    assert (told.code, told.step(7)[0], told.step(9)[0]) == (3, "warn", "unknown")
    assert "log has had 6 entries" in told.step(9)[1]


def test_a_record_that_is_newer_than_the_copy_shows_that_the_copy_is_old(
    person: Person, town: Town, tmp_path: Path
) -> None:
    newer = Path(shutil.copytree(town.model, tmp_path / "newer"))
    lines = town.registry.get("/api/v1/models/acme/tiny/1.0/provenance")["lines"]
    person.remembers = False
    for left_out, code, status in ((), 1, "fail"), (("index 5",), 3, "unknown"):
        kept = [line for line in lines if not set(left_out) & set(line["receipt"].splitlines())]
        (newer / "provenance.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
        told = person.verify(town.before, model=newer)
        assert (told.code, told.step(9)[0]) == (code, status)
        assert told.step(7)[0] == "pass"


def test_a_checkpoint_by_another_key_is_refused(person: Person, town: Town) -> None:
    copy = person.copy_of(town.after)
    thief = tlog.Signer.generate(town.registry.origin)
    real = tlog.parse_checkpoint((copy / "public" / "checkpoint").read_bytes(), [town.vkey])
    forged = tlog.sign_checkpoint(tlog.Checkpoint(real.origin, real.size, real.root), thief)
    (copy / "public" / "checkpoint").write_bytes(forged)
    told = person.verify(copy)
    assert (told.code, told.step(7)[0], told.step(9)[0]) == (1, "fail", "unknown")


def fork(person: Person, town: Town) -> Path:
    """A copy in which the log's own key continues the older tree with something harmless."""
    copy = person.copy_of(town.before)
    release = next(
        line
        for line in records.parse_record((town.model / "provenance.jsonl").read_bytes())
        if _is_release(line)
    )
    predicate = {"state": "deprecated", "reason": "old", "logs": [town.registry.origin], "previous": None}
    subject = bundles.parse_bundle(release.bundle).statement_digest
    signer = KeySigner(keys.load_private_key(town.folder / "k.pem", None))
    statement = signer.sign(encode_statement("status", "release", subject, predicate))
    folder = DataFolder(copy)
    sha256 = bundles.parse_bundle(statement).sha256
    folder.bundles.put(sha256, statement)
    leaves = tlog.parse_entry_bundle(folder.log.read_entries(0, 5), 5)
    leaf = encode_leaf(sha256, parse_leaf(leaves[4]).received)
    hashes = [tlog.leaf_hash(one) for one in (*leaves, leaf)]
    folder.log.append(5, [leaf], tlog.new_tiles(5, hashes[5:], folder.log.read_tile))
    thief = tlog.Signer.from_private_key((town.registry.data / "keys" / "log.key").read_text())
    note = tlog.sign_checkpoint(tlog.Checkpoint(thief.name, 6, tlog.root_hash(hashes)), thief)
    (copy / "public" / "checkpoint").write_bytes(note)
    return copy


def test_an_operator_who_forks_is_caught_by_whoever_saw_the_other_history(
    person: Person, town: Town, tmp_path: Path
) -> None:
    forked = fork(person, town)
    assert person.verify(forked).step(9)[0] == "warn", "nobody can see that who saw nothing else"
    for what in ("replays", "memory"):
        shutil.rmtree(tmp_path / "config")
        assert person.verify(town.after).step(9)[0] == "fail"
        shutil.rmtree(tmp_path / "config" / what)
        told = person.verify(forked)
        assert (told.code, told.step(7)[0]) == (1, "fail"), what


def test_what_the_operator_withholds_leaves_only_their_word(
    person: Person, town: Town, tmp_path: Path
) -> None:
    with registry_here(tmp_path / "other") as registry:
        key = ("--registry", registry.url, "--key", town.folder / "k.pem")
        model = tiny_model(tmp_path / "m")
        for version in ("1", "2"):
            write(model / "note.txt", version)
            done = person.run("publish", model, f"acme/tiny@{version}", *key)
            assert done.exit_code == 0, done.stderr
        size = registry.get("/api/v1/log")["size"]
        data = (registry.data / "public" / tlog.entries_path(0, size)).read_bytes()
        first = parse_leaf(tlog.parse_entry_bundle(data, size)[4]).bundle_sha256
        options = ("--reason", "court_order", "--yes", "--data", registry.data, "--registry", registry.url)
        assert person.run("log", "takedown", first, *options).exit_code == 0
        vkey, data = registry.vkey, registry.data
    where = ("--release", "acme/tiny@2", "--mirror", data, "--log-key", vkey, "--json")
    for _ in ("read now", "remembered"):
        told = person.run("verify", model, *where)
        assert told.exit_code == 0, told.stdout
        found = told.json()["steps"][8]
        assert found["result"] == "reported"
        assert "entry 4 is withheld, and what follows rests on its operator's word" in found["reason"]


def test_lineage_is_by_the_replay_too(person: Person, town: Town, tmp_path: Path) -> None:
    """The tables of child and parent are compared here, from the copy, offline."""
    shared = {f"w{i}": ("F32", (64, 64), bytes([i]) * 4 * 64 * 64) for i in range(3)}
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    write(base / "model.safetensors", safetensors(shared))
    write(tuned / "model.safetensors", safetensors({**shared, "head": ("F32", (8, 8), b"\7" * 256)}))
    with registry_here(tmp_path / "other") as registry:
        key = ("--registry", registry.url, "--key", town.folder / "k.pem")
        made = person.run("publish", base, "acme/base@1", *key)
        digest = made.stdout.split("model digest")[1].split()[0]
        lineage = {"parents": [{"relation": "finetune", "digest": digest, "name": "acme/base"}]}
        write(tmp_path / "lineage.json", json.dumps(lineage))
        done = person.run("publish", tuned, "acme/tuned@1", "--lineage", tmp_path / "lineage.json", *key)
        assert done.exit_code == 0, done.stderr
        mirrored = person.run("log", "mirror", registry.url, "--data", tmp_path / "copy")
        assert mirrored.exit_code == 0, mirrored.stderr
        vkey = registry.vkey
        yanked = person.run("status", "yank", "acme/base@1", "--reason", "poisoned", *key)
        assert yanked.exit_code == 0, yanked.stderr
        data = registry.data
    where = ("--release", "acme/tuned@1", "--log-key", vkey, "--json")
    stranger = Person(town, tmp_path / "stranger")
    before = stranger.run("verify", tuned, *where, "--mirror", tmp_path / "copy").json()["steps"]
    assert before[8]["result"] == "pass"
    assert "tables match, by a replay of the log" in before[9]["reason"]
    assert "nothing is said against what it names" in before[9]["reason"]
    after = stranger.run("verify", tuned, *where, "--mirror", data).json()["steps"]
    assert (after[8]["result"], after[9]["result"]) == ("pass", "warn")
    assert (
        "its parent acme/base@1 was withdrawn by its owners, by a replay of the log: poisoned"
        in after[9]["reason"]
    )


@pytest.mark.needs("node", "npm")
def test_accounts_of_a_private_sigstore_need_its_roots(
    person: Person, town: Town, tmp_path: Path, local_sigstore: LocalSigstore
) -> None:
    """The log is right and this computer lacks a root: that is no fault of the log."""
    config = write(tmp_path / "sigstore.json", local_sigstore.trust_config.decode())
    with registry_here(tmp_path / "other", trust_configs=(local_sigstore.trust_config,)) as registry:
        where = ("--registry", registry.url)
        mine = tiny_model(tmp_path / "mine")
        done = person.run("publish", mine, "acme/tiny@1", *where, "--key", town.folder / "k.pem")
        assert done.exit_code == 0, done.stderr
        theirs = tiny_model(tmp_path / "theirs")
        keyless = (
            "--keyless",
            "--identity-token",
            local_sigstore.email_token(),
            "--trust-config",
            config,
            "--yes",
        )
        done = person.run("publish", theirs, "bob/tiny@1", *where, *keyless)
        assert done.exit_code == 0, done.stderr
        copy = ("--mirror", registry.data, "--log-key", registry.vkey, "--json")
    judged = ("verify", mine, "--release", "acme/tiny@1", *copy)
    lacking = person.run(*judged)
    assert lacking.exit_code == 3, lacking.stdout
    assert "no Sigstore trusted here vouches for" in lacking.json()["steps"][8]["reason"]
    told = person.run(*judged, "--trust-config", config)
    assert (told.exit_code, told.json()["steps"][8]["result"]) == (0, "pass"), told.stdout


# Words


def test_a_copy_of_a_log_that_is_not_trusted_proves_nothing(person: Person, town: Town) -> None:
    told = person.run("verify", town.model, "--release", RELEASE, "--mirror", town.after, "--json")
    assert told.exit_code == 3
    found = told.json()["steps"][8]
    assert found["result"] == "unknown"
    assert "whose key is not trusted here" in found["reason"]


def test_wrong_words(person: Person, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = person.run("verify", town.model, "--public-key", town.folder / "k.pub", "--mirror", tmp_path)
    assert nothing.exit_code == 2
    assert "there is no log in" in nothing.stderr
    both = person.run("verify", town.model, "--mirror", town.after, "--registry", town.registry.url)
    assert both.exit_code == 2
    monkeypatch.setitem(sys.modules, "weighbridge_registry.replicas", None)
    missing = person.run("verify", town.model, "--release", RELEASE, "--mirror", town.after)
    assert missing.exit_code == 2
    assert "pip install 'weighbridge[registry]'" in missing.stderr


def _is_release(line: records.RecordLine) -> bool:
    return parse_statement(bundles.parse_bundle(line.bundle).payload).kind == "release"


def _bundle(copy: Path, sha256: str) -> Path:
    return copy / "public" / "bundles" / sha256[:2] / sha256


def _newest(town: Town) -> str:
    """SHA-256 of the bundle of the withdrawal."""
    data = (town.after / "public" / tlog.entries_path(0, 6)).read_bytes()
    return parse_leaf(tlog.parse_entry_bundle(data, 6)[5]).bundle_sha256
