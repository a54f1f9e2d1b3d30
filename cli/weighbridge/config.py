# SPDX-License-Identifier: Apache-2.0
"""What a person has set once and for all: the configuration folder, `config.toml` in it, variables.

    # config.toml in the user's configuration folder; every member is optional
    registry = "https://registry.example"
    key = "/home/me/keys/release.pem"

`WEIGHBRIDGE_REGISTRY` and `WEIGHBRIDGE_KEY` win over the file, an option of a command wins over both.
Trust is not configured here: which logs are trusted is the trust store's business alone, because a
line in a text file must never be able to widen what `verify` believes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weighbridge.errors import ConfigurationError

__all__ = [
    "FILE_NAME",
    "FOLDER_VARIABLE",
    "Settings",
    "config_folder",
    "default_data_folder",
    "read_settings",
]

FILE_NAME: Final = "config.toml"
FOLDER_VARIABLE: Final = "WEIGHBRIDGE_CONFIG_DIR"
_MAX_BYTES: Final = 64 * 1024
_VARIABLES: Final = {"registry": "WEIGHBRIDGE_REGISTRY", "key": "WEIGHBRIDGE_KEY"}


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this person's settings, trust and memory; it need not exist yet.

    `WEIGHBRIDGE_CONFIG_DIR` if set, else what the system has for such things (on Linux
    `~/.config/weighbridge`).
    """
    if given := environment.get(FOLDER_VARIABLE):
        return Path(given).expanduser().absolute()
    from platformdirs import user_config_path

    return user_config_path("weighbridge", appauthor=False)


def default_data_folder() -> Path:
    """Return the folder of this person's own registry; it need not exist yet."""
    from platformdirs import user_data_path

    return user_data_path("weighbridge", appauthor=False) / "registry"


@dataclass(frozen=True, slots=True)
class Settings:
    """What was set; None where nothing was."""

    registry: str | None = None
    key: Path | None = None


def read_settings(folder: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read `config.toml` in a configuration folder, then let the environment win.

    Raises `ConfigurationError` for a file that cannot be read, is not TOML or has a member that
    does not exist: a misspelt setting must not be silently without effect.
    """
    values = {**_read_file(folder / FILE_NAME)}
    for name, variable in _VARIABLES.items():
        if given := environment.get(variable):
            values[name] = given
    key = Path(values["key"]).expanduser() if "key" in values else None
    return Settings(registry=values.get("registry"), key=key)


def _read_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}.") from error
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(f"{path} is longer than {_MAX_BYTES} bytes: that is no configuration.")
    import tomllib

    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    for name, value in values.items():
        if name not in _VARIABLES:
            known = ", ".join(_VARIABLES)
            raise ConfigurationError(
                f"{path} sets {name!r}, which does not exist.", hint=f"It may set: {known}."
            )
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{path}: {name} must be a text in quotes.")
    return values
