# SPDX-License-Identifier: Apache-2.0
"""`python -m weighbridge_cli`: the same as `weighbridge`."""

from __future__ import annotations

from weighbridge_cli.main import main

main()
