# SPDX-License-Identifier: Apache-2.0
"""Attacks as stories, one file for each attacker: the real command against a registry that really lies.

What is tried elsewhere is not tried again: docs/threat-model.md names the test of each attack.
"""
