# SPDX-License-Identifier: Apache-2.0
"""`hf:ORG/NAME[@REV]`: how a model of a hub is named here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from weighbridge.errors import InputError

__all__ = ["SCHEME", "HubName"]

SCHEME: Final = "hf:"

# As the hub has them (huggingface_hub.utils.validate_repo_id), without a dot in front: names become folders.
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(
    rf"hf:(?P<repo>(?:{_PART}/)?{_PART})(?:@(?P<revision>[A-Za-z0-9_][A-Za-z0-9._/-]{{0,254}}))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubName:
    """A model's repository, and the branch, tag or commit that was asked for, if any."""

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Read a name; raises `InputError` (exit 2) for what could mean another folder or address."""
        match = _NAME.fullmatch(text)
        revision = match["revision"] if match else None
        parts = [*(match["repo"].split("/") if match else []), *(revision or "").split("/")]
        bad = any(".." in part or ("--" in part and part not in (revision or "")) for part in parts)
        if match is None or bad or (revision is not None and "" in revision.split("/")):
            raise InputError(
                f"{text[:200]!r} is not the name of a model on a hub.",
                hint="Write hf:ORG/NAME or hf:ORG/NAME@REVISION, e.g. hf:acme/tiny@main.",
            )
        return cls(match["repo"], revision)

    @staticmethod
    def names(path: str | os.PathLike[str]) -> bool:
        """Tell whether a path is not one of this disk's, but begins with `hf:`."""
        return os.fspath(path).startswith(SCHEME)

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a whole commit id, which cannot move."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        """Give `hf:ORG/NAME[@REV]`."""
        return f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision else "")
