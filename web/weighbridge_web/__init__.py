# SPDX-License-Identifier: Apache-2.0
"""The web pages of a registry."""
