# SPDX-License-Identifier: Apache-2.0
"""The weighbridge command line."""
