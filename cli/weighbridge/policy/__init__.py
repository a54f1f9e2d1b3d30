# SPDX-License-Identifier: Apache-2.0
"""Policies: what somebody demands of the models that they use (docs/spec/policy.md).

    policy = read_policy(data)
    policy.rule_for("acme", "tiny", "1.0")

- `files`: a policy file, read strictly; `matching`: which rule is for which release;
- `explaining`: a policy in words; `drafting`: a commented file from what was verified.

What a policy comes to for one model is decided in `weighbridge.verification.demands`.
"""

from __future__ import annotations

from .drafting import draft
from .explaining import cautions, explain
from .files import MAX_POLICY_BYTES, LoadedPolicy, read_policy

__all__ = ["MAX_POLICY_BYTES", "LoadedPolicy", "cautions", "draft", "explain", "read_policy"]
