# SPDX-License-Identifier: Apache-2.0
"""Weigh, sign, verify and look up AI models."""

__version__ = "0.1.0"
