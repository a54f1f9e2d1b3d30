# SPDX-License-Identifier: Apache-2.0
"""Programs that are not ours read our logs, and we read theirs."""
