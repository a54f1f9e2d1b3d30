# SPDX-License-Identifier: Apache-2.0
"""Data folders as released versions wrote them, and the script that makes them."""
