# SPDX-License-Identifier: Apache-2.0
"""What `hf:` may name, and what would mean another folder or address."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.errors import InputError
from weighbridge.hub import HubName, cached_snapshots, find_snapshot
from weighbridge.hub.cache import cache_folder


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("hf:acme/tiny", "acme/tiny", None),
        ("hf:gpt2", "gpt2", None),
        ("hf:acme/tiny@main", "acme/tiny", "main"),
        ("hf:acme/tiny@refs/pr/1", "acme/tiny", "refs/pr/1"),
        ("hf:Acme-1/tiny_2.5@v1.0", "Acme-1/tiny_2.5", "v1.0"),
    ],
)
def test_a_name_reads_back(text: str, repo: str, revision: str | None) -> None:
    name = HubName.parse(text)
    assert (name.repo, name.revision) == (repo, revision)
    assert str(name) == text


@pytest.mark.parametrize(
    "text",
    [
        "hf:",
        "hf:/etc",
        "hf:../tiny",
        "hf:acme/..",
        "hf:acme/../..",
        "hf:acme/tiny/more",
        "hf:acme/tiny@",
        "hf:acme/tiny@../../x",
        "hf:acme/tiny@a..b",
        "hf:acme/tiny@/etc/passwd",
        "hf:acme/tiny@a//b",
        "hf:acme--evil/tiny",
        "hf:acme/ti\x00ny",
        "hf:acme/tiny\n",
        "hf:-rf/tiny",
        "hf:acme\\tiny",
        "HF:acme/tiny",
    ],
)
def test_what_is_no_name_is_a_wrong_command(text: str) -> None:
    with pytest.raises(InputError, match="not the name of a model"):
        HubName.parse(text)


def test_the_cache_is_where_the_hubs_own_client_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "~/h")
    assert cache_folder() == tmp_path / "h" / "hub"
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", str(tmp_path / "old"))
    assert cache_folder() == tmp_path / "old"
    monkeypatch.setenv("HF_HUB_CACHE", "$HOME/new")
    assert cache_folder() == tmp_path / "new"


def test_an_absent_cache_and_an_absent_model_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(InputError) as absent:
        find_snapshot(HubName.parse("hf:acme/tiny"))
    assert "hf download acme/tiny" in absent.value.hint
    with pytest.raises(InputError, match="cannot be read"):
        cached_snapshots()
