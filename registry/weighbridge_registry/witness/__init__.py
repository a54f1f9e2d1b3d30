# SPDX-License-Identifier: Apache-2.0
"""A witness for other people's logs (C2SP tlog-witness): `weighbridge log witness`.

It cosigns a checkpoint only after it has checked that the log's tree did nothing but grow since the
last one. It reads no entries and shares nothing with a registry but its libraries.
"""

from .app import create_app
from .witness import Witness, WitnessSettings, open_witness, read_logs

__all__ = ["Witness", "WitnessSettings", "create_app", "open_witness", "read_logs"]
