# SPDX-License-Identifier: Apache-2.0
"""The registry: pure state, log, store, API."""
