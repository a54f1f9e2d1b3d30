# SPDX-License-Identifier: Apache-2.0
"""Revisions. What a released one does never changes."""
