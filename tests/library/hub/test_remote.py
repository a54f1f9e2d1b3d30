# SPDX-License-Identifier: Apache-2.0
"""Asking a hub before anything is downloaded: it can only ever refuse, or match; and a hub that lies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.library.hub.conftest import Hub
from tests.library.verification.expectations import assert_refused, assert_undecided, told
from weighbridge.errors import EnumerationError, InputError, UnavailableError
from weighbridge.signing import sign
from weighbridge.verdict import Conclusion, Result, Verdict


def assert_matches(verdict: Verdict) -> None:
    assert verdict.verdict is Conclusion.MATCHES, told(verdict)
    assert verdict.exit_code == 0
    assert verdict.step(1).result is Result.REPORTED
    assert verdict.step(2).result is Result.REPORTED
    assert "Verified" not in verdict.summary


def metadata_of(hub: Hub, name: str) -> dict[str, Any]:
    return next(each for each in hub.server.repos["acme/tiny"]["main"].metadata if each["rfilename"] == name)


def test_an_honest_hub_matches_and_is_never_called_verified(hub: Hub) -> None:
    verdict = hub.check(remote=True)
    assert_matches(verdict)
    assert "1 files as signed, by the hub's word" in verdict.step(2).reason
    assert verdict.next_commands == (
        f"hf download acme/tiny --revision {hub.server.repos['acme/tiny']['main'].commit}",
    )
    fetched = {path.rpartition("/")[2] for path in hub.server.asked if "/resolve/" in path}
    assert "big.bin" not in fetched
    assert not (hub.cache / "models--acme--tiny").exists(), "nothing is kept"


def test_with_a_release_every_file_is_compared_by_what_both_know(hub: Hub) -> None:
    verdict = hub.check(remote=True, release=hub.published.title)
    assert_matches(verdict)
    assert verdict.step(6).result is Result.REPORTED
    assert verdict.step(7).result is Result.PASS


def test_nobody_wanted_is_still_nobody(hub: Hub) -> None:
    verdict = hub.check(remote=True, public_key=None)
    assert verdict.verdict is Conclusion.UNTRUSTED
    assert any("hf:acme/tiny@" in each and "--remote" in each for each in verdict.next_commands)


def test_other_weights_are_refused_before_the_download(hub: Hub) -> None:
    metadata_of(hub, "big.bin")["lfs"]["sha256"] = "0" * 64
    assert_refused(hub.check(remote=True), 2, "big.bin", "Do not download")


def test_another_small_file_is_refused(hub: Hub) -> None:
    hub.server.repos["acme/tiny"]["main"].files["config.json"] = b"{}"
    assert_refused(hub.check(remote=True), 2, "config.json")


def test_an_extra_and_a_missing_file_are_refused(hub: Hub) -> None:
    metadata = hub.server.repos["acme/tiny"]["main"].metadata
    metadata.append({"rfilename": "evil.py", "size": 1, "blobId": "0" * 40})
    assert_refused(hub.check(remote=True), 1, "not signed: evil.py")
    metadata.pop()
    metadata.remove(metadata_of(hub, "big.bin"))
    assert_refused(hub.check(remote=True), 1, "not there: big.bin")


def test_what_can_only_be_compared_after_a_download_is_undecided(hub: Hub) -> None:
    """The hub knows SHA-256 of large files and no BLAKE3: saying "matches" would be a lie."""
    folder = hub.published.model
    (folder / "provenance.jsonl").unlink()
    sign(folder, signer=hub.published.publisher.signer, algorithm="blake3", exclude_readme=True)
    hub.server.add("acme/tiny", folder)
    assert_undecided(hub.check(remote=True), 2, "cannot be compared before a download: big.bin")


def test_an_unsigned_model_fails(hub: Hub) -> None:
    metadata = hub.server.repos["acme/tiny"]["main"].metadata
    for name in ("model.sig", "provenance.jsonl"):
        metadata.remove(metadata_of(hub, name))
    assert_refused(hub.check(remote=True), 3, "No signature was found")


def test_another_signature_under_the_name_fails(hub: Hub) -> None:
    from tests.records import Publisher  # noqa: PLC0415 - for this test

    mallory = Publisher()
    assert_refused(hub.check(remote=True, public_key=mallory.pem), 4)


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b", "a\x00b", "C:/x", "", 5, "a//b"])
def test_a_name_that_means_another_place_is_refused(hub: Hub, path: object) -> None:
    hub.server.repos["acme/tiny"]["main"].metadata.append({"rfilename": path, "size": 1, "blobId": "0" * 40})
    with pytest.raises(EnumerationError, match="The hub lists a file"):
        hub.check(remote=True)


def test_a_name_twice_and_an_answer_about_another_commit_are_refused(hub: Hub) -> None:
    revision = hub.server.repos["acme/tiny"]["main"]
    wanted = "f" * 40
    hub.server.repos["acme/tiny"][wanted] = revision
    with pytest.raises(EnumerationError, match="answers with commit"):
        hub.check(f"hf:acme/tiny@{wanted}", remote=True)
    revision.metadata.append(metadata_of(hub, "big.bin"))
    with pytest.raises(EnumerationError, match="twice"):
        hub.check(remote=True)


@pytest.mark.parametrize("sha256", ["", "xyz", 5, None])
def test_a_digest_that_is_none_is_not_believed(hub: Hub, sha256: object) -> None:
    lfs = metadata_of(hub, "big.bin")["lfs"]
    lfs["sha256"] = sha256
    verdict = hub.check(remote=True)
    assert verdict.exit_code != 0 or verdict.verdict is Conclusion.MATCHES
    assert verdict.verdict is not Conclusion.VERIFIED
    if verdict.verdict is Conclusion.MATCHES:
        assert "big.bin" in {each.rpartition("/")[2] for each in hub.server.asked}, "then it was fetched"


def test_an_oversized_signature_is_not_swallowed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weighbridge.verification.evidence.MAX_SIGNATURE_FILE_BYTES", 100)
    monkeypatch.setattr("weighbridge.verification.evidence.MAX_RECORD_BYTES", 100)
    assert_refused(hub.check(remote=True), 3, "longer than 100 bytes")


def test_no_such_model_no_such_revision_and_no_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no model acme/none"):
        hub.check("hf:acme/none", remote=True)
    with pytest.raises(InputError, match="no revision v9"):
        hub.check("hf:acme/tiny@v9", remote=True)
    with pytest.raises(InputError, match="not the name"):
        hub.check(hub.published.model, remote=True)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("weighbridge.hub.access._RETRY_SECONDS", 0.0)
    with pytest.raises(UnavailableError) as caught:
        hub.check(remote=True)
    assert caught.value.exit_code == 3
