# SPDX-License-Identifier: Apache-2.0
"""Strings, numbers and names that strangers may put into a statement."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from weighbridge_schemas import base

ADAPTERS = {
    name: TypeAdapter(getattr(base, name))
    for name in (
        "Count",
        "Digest",
        "FilePath",
        "Flag",
        "Hex256",
        "HttpsUrl",
        "Line",
        "Location",
        "Name",
        "NamespaceName",
        "Number",
        "Origin",
        "Paragraph",
        "PublicKeyPem",
        "Revision",
        "Timestamp",
        "Version",
        "Vkey",
    )
}
PEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Count", 2**53 - 1),
        ("Digest", "sha256:" + "0" * 64),
        ("FilePath", "onnx/model_quantized.onnx"),
        ("FilePath", "données/モデル.bin"),
        ("FilePath", "..hidden"),
        ("HttpsUrl", "https://example.org/a?b=c#d"),
        ("Line", "Zürich, नमस्ते, 😀"),
        ("Line", "क्‍ष"),
        ("Location", "pkg:huggingface/org/name@0123abc"),
        ("Location", "oci://ghcr.example/a/b@sha256:00"),
        ("Location", "magnet:?xt=urn:btih:00"),
        ("Name", "org/name"),
        ("NamespaceName", "Acme-Labs.2_x"),
        ("Number", 7),
        ("Origin", "log.example/0123456789abcdef"),
        ("Paragraph", "one\n\ttwo"),
        ("PublicKeyPem", PEM),
        ("Timestamp", "2026-02-28T23:59:59Z"),
        ("Version", "1.0.0+cpu"),
        ("Version", "1.jsonl"),
        ("Vkey", "log.example+0123abcd+AaBb+/=="),
    ],
)
def test_what_people_really_write_is_taken_as_it_is(kind: str, value: Any) -> None:
    assert ADAPTERS[kind].validate_python(value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Count", "1"),
        ("Count", 1.0),
        ("Count", True),
        ("Count", -1),
        ("Count", 2**53),
        ("Digest", "0" * 64),
        ("Digest", "sha256:" + "A" * 64),
        ("Digest", "sha256:" + "0" * 64 + "\n"),
        ("FilePath", ""),
        ("FilePath", "/etc/passwd"),
        ("FilePath", "a/../../b"),
        ("FilePath", "./a"),
        ("FilePath", "a//b"),
        ("FilePath", "a/"),
        ("FilePath", "a\\..\\b"),
        ("FilePath", "C:evil"),
        ("FilePath", "nul\x00.bin"),
        ("FilePath", "model\u200b.bin"),
        ("Flag", 1),
        ("Flag", "true"),
        ("Hex256", "0" * 63 + "A"),
        ("HttpsUrl", "http://example.org"),
        ("HttpsUrl", "https://"),
        ("HttpsUrl", 'https://e.org/"><script>'),
        ("Line", ""),
        ("Line", "a\nb"),
        ("Line", "a\u2028b"),
        ("Line", "x" * 1025),
        ("Line", "\x1b[31m"),
        ("Line", "gnp.\u202etxt"),
        ("Line", "hidden \U000e0068\U000e0069"),
        ("Line", "\ud800"),
        ("Line", "\U0001fffe"),
        ("Location", "javascript:alert(1)"),
        ("Location", "file:///etc/passwd"),
        ("Location", "https://a b"),
        ("Name", " a"),
        ("Name", "a\u00a0"),
        ("Name", "a\u200db"),
        ("NamespaceName", "-a"),
        ("NamespaceName", "a/b"),
        ("NamespaceName", "a" * 97),
        ("NamespaceName", "аcme"),  # noqa: RUF001 - a Cyrillic letter that looks Latin is the attack
        ("Number", "1"),
        ("Number", True),
        ("Number", float("inf")),
        ("Number", 1e300),
        ("Origin", "a b"),
        ("Origin", "a+b"),
        ("Paragraph", "a\rb"),
        ("PublicKeyPem", PEM.rstrip("\n")),
        ("PublicKeyPem", PEM.replace("\n", "\r\n")),
        ("PublicKeyPem", PEM.replace("PUBLIC", "PRIVATE")),
        ("PublicKeyPem", PEM.replace("AAAA", "AA\nAA")),
        ("PublicKeyPem", PEM.replace("AAAA", "AAAB=")),
        ("PublicKeyPem", PEM.replace("AAAA\n", "")),
        ("PublicKeyPem", PEM + PEM),
        ("Timestamp", "2026-02-30T00:00:00Z"),
        ("Timestamp", "2026-02-28T00:00:00+00:00"),
        ("Timestamp", "2026-02-28 00:00:00Z"),
        ("Timestamp", "2026-02-28T00:00:00.5Z"),
        ("Timestamp", "٢٠٢٦-02-28T00:00:00Z"),
        ("Version", "1.JSON"),
        ("Version", "1/2"),
        ("Vkey", "log.example+0123ABCD+AaBb"),
    ],
)
def test_what_could_deceive_a_reader_or_leave_a_folder_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        ADAPTERS[kind].validate_python(value)


def test_a_refusal_names_the_character_and_not_a_pattern() -> None:
    with pytest.raises(ValidationError, match=r"holds U\+202E at character 4"):
        ADAPTERS["Line"].validate_python("gnp.\u202etxt")


def test_unknown_members_are_refused_and_documents_do_not_change() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        base.Reference.model_validate({"kind": "release", "sha256": "0" * 64, "note": 1})
    reference = base.Reference(kind="release", sha256="0" * 64)
    with pytest.raises(ValidationError, match="frozen"):
        reference.sha256 = "1" * 64  # type: ignore[misc]  # the assignment is the attack


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True))
def test_folding_forgets_case_and_separators_only(name: str) -> None:
    key = base.fold_name(name)
    assert key == base.fold_name(name.swapcase().replace("-", "_").replace(".", ""))
    assert key.isalnum()
    assert key == base.fold_name(key)
