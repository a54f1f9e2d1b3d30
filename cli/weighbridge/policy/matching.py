# SPDX-License-Identifier: Apache-2.0
"""Which releases a pattern of a policy fits: names as they are unique, versions exactly, `*` for any run."""

from __future__ import annotations

from weighbridge.identities import ref_matches
from weighbridge_schemas.names import fold_name

__all__ = ["catches_all", "fits", "may_fit"]


def fits(pattern: str, namespace: str, name: str, version: str) -> bool:
    """Tell whether `NS/NAME[@VERSION]` with wildcards fits a release. Takes time linear in the product."""
    names, _, wanted = pattern.partition("@")
    return _names_fit(names, namespace, name) and (not wanted or ref_matches(wanted, version))


def may_fit(pattern: str, namespace: str, name: str, version: str | None) -> bool:
    """Tell whether a pattern fits some release of a model, as far as its version is known."""
    if version is not None:
        return fits(pattern, namespace, name, version)
    return _names_fit(pattern.partition("@")[0], namespace, name)


def catches_all(pattern: str) -> bool:
    """Tell whether a pattern fits every release."""
    return set(pattern.replace("@", "/").split("/")) <= {"*", "**"}


def _names_fit(names: str, namespace: str, name: str) -> bool:
    wanted_namespace, _, wanted_name = names.partition("/")
    return _fits(wanted_namespace, namespace) and _fits(wanted_name, name)


def _fits(pattern: str, name: str) -> bool:
    """Compare as names are unique: without case and `-_.`."""
    return ref_matches(fold_name(pattern), fold_name(name))
