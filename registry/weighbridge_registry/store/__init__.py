# SPDX-License-Identifier: Apache-2.0
"""What a registry keeps: the database, the files of the log, bundles and attachments."""
