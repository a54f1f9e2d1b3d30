# SPDX-License-Identifier: Apache-2.0
"""aics-witness, which is not ours: its server cosigns our registry, its client has ours cosign a log."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from tests import programs
from tests.registries import free_port
from tests.registry.publishers import Publisher
from tests.registry.witnesses import GrowingLog, policy_text, running_witness, witness_of
from weighbridge import tlog
from weighbridge_registry.log.cosigners import Cosigners, read_witness_policy
from weighbridge_registry.service import open_service
from weighbridge_registry.settings import Settings

pytestmark = pytest.mark.needs("peers")

FEEDER = Path(__file__).parent / "programs" / "aics_feeder.py"


class Foreign:
    """An aics-witness in a folder of its own."""

    def __init__(self, folder: Path, log: tlog.Verifier) -> None:
        python = programs.find("peers")
        assert python is not None
        folder.mkdir()
        self._program = str(python.with_name("aics-witness"))
        self._environment = os.environ | {"AICS_WITNESS_CONFIG": str(folder / "witness.json")}
        made = self._run("init", "--name", "foreign.example/w1")
        self.verifier = tlog.Verifier.from_vkey(
            next(word for word in made.split() if word.startswith("foreign.example/w1+"))
        )
        self._run("add-log", "--origin", log.name, "--vkey", log.vkey)

    def _run(self, *arguments: str) -> str:
        command = [self._program, *arguments]
        done = subprocess.run(
            command, env=self._environment, check=False, timeout=60, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve on loopback; gives the address."""
        url = f"http://127.0.0.1:{(port := free_port())}"
        command = [self._program, "serve", "--listen", f"127.0.0.1:{port}"]
        process = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            end = time.monotonic() + 30
            while not answers(url):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/healthz", timeout=5, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_a_foreign_witness_cosigns_our_registry_through_growth_and_restarts(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", public_sigstore=False, witness_refresh_seconds=3600.0)
    service = open_service(settings)
    log = service.keys.log.verifier
    service.close()
    foreign = Foreign(tmp_path / "foreign", log)
    with foreign.running() as url:
        policy = policy_text((foreign.verifier, url))
        asked = Settings(
            data=tmp_path / "data", public_sigstore=False, witness_policy=policy, witness_seconds=20.0
        )
        for number in range(2):  # the second time nothing is remembered: it tells where it is
            service = open_service(asked)
            places = service.submit(Publisher(service.origin, f"p{number}", f"p{number}").start()).result(30)
            (result, _) = service.queries.submissions([(one.index, True) for one in places])
            receipt = tlog.parse_receipt(result.receipt.encode())
            signed = tlog.parse_checkpoint(receipt.checkpoint, [log])
            assert signed.size == 3 + 2 * number
            found = tlog.WitnessPolicy.parse(policy).satisfied(signed.note)
            assert [one.verifier for one in found] == [foreign.verifier]
            assert service.queries.log().quorum == "met"
            service.close()


def test_a_foreign_witness_keeps_us_from_having_two_histories_cosigned(tmp_path: Path) -> None:
    log = GrowingLog()
    foreign = Foreign(tmp_path / "foreign", log.signer.verifier)
    with foreign.running() as url:
        policy = read_witness_policy(policy_text((foreign.verifier, url)), log.signer.verifier)
        honest, forked = (Cosigners(policy.witnesses, log.signer.verifier, seconds=20.0) for _ in range(2))
        assert honest.cosign(log.note(200), log.prove(200)) != log.note(200)
        fork = log.forked(150)
        for size in (200, 300):
            assert forked.cosign(fork.note(size), fork.prove(size), everybody=True) == fork.note(size)
        assert "422" in (forked.states()[0].problem or "")
        assert honest.cosign(log.note(300), log.prove(300)) != log.note(300)


def test_a_foreign_client_has_our_witness_cosign(tmp_path: Path) -> None:
    """First contact, growth, the same again, a remembered size that is stale, a fork."""
    log = GrowingLog()
    fork = log.forked(150)
    witness = witness_of(tmp_path / "w", log.signer.verifier)
    witness.add_checkpoint(log.ask(0, 100))
    notes = [log.note(200), log.note(256), log.note(256), fork.note(300), log.note(300)]
    proofs = {
        f"{old} {new}": [base64.b64encode(one).decode() for one in log.prove(new)(old)]
        for old, new in ((0, 200), (100, 200), (200, 256), (256, 256), (256, 300), (0, 300))
    }
    python = programs.find("peers")
    assert python is not None
    with running_witness(witness) as url:
        done = subprocess.run(
            [str(python), str(FEEDER), url, witness.verifier.vkey],
            input=json.dumps({"notes": [note.decode() for note in notes], "proofs": proofs}),
            check=False,
            timeout=60,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("error") for one in told] == [None, None, None, "WitnessRejected", None], told
    for note, one in zip(notes, told, strict=True):
        if "line" in one:
            text = tlog.split_note(note)[0]
            assert tlog.parse_answer(one["line"].encode(), text, witness.verifier).time
    witness.close()
