# SPDX-License-Identifier: Apache-2.0
"""Verification, told as attacks: who tries what, which step catches it, how it ends."""
