# SPDX-License-Identifier: Apache-2.0
"""What is set in config.toml and in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.config import Settings, config_folder, read_settings
from weighbridge.errors import ConfigurationError


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}) == Settings()
    assert read_settings(tmp_path / "nowhere", {}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'registry = "https://a.example"\nkey = "/k.pem"\n', encoding="utf-8"
    )
    assert read_settings(tmp_path, {}) == Settings("https://a.example", Path("/k.pem"))
    found = read_settings(tmp_path, {"WEIGHBRIDGE_REGISTRY": "https://b.example", "WEIGHBRIDGE_KEY": ""})
    assert found == Settings("https://b.example", Path("/k.pem"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("regsitry = 'https://a.example'", "'regsitry', which does not exist"),
        ("registry = 7", "registry must be a text"),
        ("registry = ", "not TOML"),
        ("\xff", "not TOML"),
        ("#" * 70_000, "longer than 65536 bytes"),
        ("log_key = 'attacker+00000000+AAAA'", "does not exist"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_settings(tmp_path, {})
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_settings(tmp_path, {})


def test_the_folder_is_the_systems_unless_a_variable_names_one(tmp_path: Path) -> None:
    assert config_folder({"WEIGHBRIDGE_CONFIG_DIR": str(tmp_path)}) == tmp_path
    assert config_folder({}).name == "weighbridge"
    assert config_folder({"WEIGHBRIDGE_CONFIG_DIR": "relative"}).is_absolute()
