# SPDX-License-Identifier: Apache-2.0
"""Regular expressions for accounts: matched as a whole, in linear time, with bounded memory.

A backtracking engine takes exponential time for some patterns on texts that a stranger chose, and the
subject of a certificate is such a text. RE2 takes time proportional to the text, whatever the pattern,
and knows neither look-around nor back-references for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from weighbridge.errors import InputError

from .strangers import anybody, lookalikes

__all__ = ["SubjectPattern"]

_MAX_PATTERN: Final = 1000
_MAX_MEMORY: Final = 1024 * 1024  # bytes that RE2 may take for a pattern and for matching it


@dataclass(frozen=True, slots=True)
class SubjectPattern:
    """A regular expression that a whole subject must fit, from its first character to its last."""

    text: str
    _compiled: Any

    @classmethod
    def read(cls, text: str) -> Self:
        """Compile a pattern; raises `InputError` (exit 2), in RE2's own words if it is bad or too large."""
        import re2

        if not text:
            raise InputError(
                "--identity-regex is empty: it fits nobody.", hint="Give a pattern, or --identity."
            )
        if len(text) > _MAX_PATTERN:
            raise InputError(
                f"--identity-regex has {len(text):,} characters; at most {_MAX_PATTERN:,} are taken."
            )
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        try:
            return cls(text, re2.compile(text, options))
        except UnicodeEncodeError as error:
            raise InputError("--identity-regex is not text.") from error
        except re2.error as error:
            raise InputError(
                f"--identity-regex cannot be used: {_words(error)}",
                hint="The syntax is RE2's: no look-around, no back-references. Escape a dot that is meant as "
                r"one: \.",
            ) from error

    def matches(self, subject: str) -> bool:
        """Tell whether the whole subject fits. A part never does: that is what a search would accept."""
        return self._compiled.fullmatch(subject) is not None

    def caution(self, subject: str) -> str:
        """Say why accepting this subject proves little: strangers whom nobody meant fit too. Else ""."""
        others = (each for each in anybody() if each != subject and self.matches(each))
        if (stranger := next(others, None)) is not None:
            return f"The pattern fits anybody whom the issuer knows ({stranger}): name the signer"
        alike = (each for each in lookalikes(subject) if each != subject and self.matches(each))
        if (stranger := next(alike, None)) is not None:
            return f"The pattern fits strangers too, who can have such a name ({stranger}): make it narrower"
        return ""


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return "".join(c if c.isprintable() else "?" for c in text[:200])
