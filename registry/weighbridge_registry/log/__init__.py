# SPDX-License-Identifier: Apache-2.0
"""The log: keys, the order of writes, the sequencer."""
