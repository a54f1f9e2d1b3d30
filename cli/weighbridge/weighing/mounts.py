# SPDX-License-Identifier: Apache-2.0
"""File systems that keep no ctime of their own, so that a change with its times set back leaves no trace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["devices_without_ctime"]

_TYPES: Final = frozenset(
    {"9p", "afs", "cifs", "exfat", "fuse", "fuseblk", "msdos", "ntfs", "ntfs3", "smb3", "smbfs", "vfat"}
)
_MAX_BYTES: Final = 4 * 1024 * 1024
_FIXED_FIELDS: Final = 3


def devices_without_ctime(mounts: Path = Path("/proc/self/mountinfo")) -> frozenset[int]:
    """Return the devices (`st_dev`) of mounted file systems whose ctime is not to be trusted.

    FAT, exFAT, NTFS and SMB give a time that programs may set, and what lies behind FUSE may do as it likes.
    None where the system has no list of mounts (proc_pid_mountinfo(5)).
    """
    try:
        with mounts.open("rb") as file:
            lines = file.read(_MAX_BYTES).splitlines()
    except OSError:
        return frozenset()
    found = set()
    for line in lines:
        fixed, separator, rest = line.partition(b" - ")
        fields, kind = fixed.split(b" "), rest.split(b" ")[0].decode("ascii", "replace")
        if separator and len(fields) >= _FIXED_FIELDS and kind.split(".")[0] in _TYPES:
            major, _, minor = fields[2].partition(b":")
            if major.isdigit() and minor.isdigit():
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
