# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import NoteError
from weighbridge.tlog import (
    Algorithm,
    NoteSignature,
    Signer,
    Verifier,
    add_signatures,
    cosign,
    cosignatures,
    open_note,
    sign_note,
    split_note,
)
from weighbridge.tlog.signatures import cosigned_message

# The example of Go's golang.org/x/mod/sumdb/note, its private key printed there on purpose.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIu"
    "GUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2"
    "tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
NOTE = (TEXT + "\n" + PETER_LINE + ENOCH_LINE).encode()
# The example of C2SP signed-note.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAl"
    "TgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
SIGNER = Signer("log.example/one", bytes(range(32)))


def test_the_published_examples_open_with_their_keys() -> None:
    note = open_note(NOTE, [PETER, ENOCH])
    assert note.text == TEXT
    assert [one.verifier.vkey for one in note.verified] == [PETER, ENOCH]
    assert open_note(SPEC_NOTE, [SPEC_KEY]).text == "This is an example message.\n"


def test_signing_gives_the_published_bytes() -> None:
    signer = Signer.from_private_key(PETER_PRIVATE)
    assert signer.verifier.vkey == PETER
    assert signer.private_key == PETER_PRIVATE
    assert sign_note(TEXT, [signer]) == (TEXT + "\n" + PETER_LINE).encode()


def test_the_repr_of_a_signer_does_not_show_its_key() -> None:
    signer = Signer.from_private_key(PETER_PRIVATE)
    assert PETER in repr(signer)
    assert PETER_PRIVATE.rsplit("+", 1)[1] not in repr(signer)
    assert repr(signer.seed) not in repr(signer)


def test_lines_of_unknown_keys_are_ignored() -> None:
    note = open_note(NOTE, [PETER])
    assert [one.verifier.name for one in note.verified] == ["PeterNeumann"]
    assert [one.name for one in note.unverified] == ["EnochRoot"]
    assert len(note.signatures) == 2


def test_a_key_of_the_same_name_but_another_id_is_unknown() -> None:
    other = Signer.generate("PeterNeumann").verifier
    with pytest.raises(NoteError, match="no trusted key"):
        open_note(NOTE, [other])


def test_a_key_id_under_another_name_is_unknown() -> None:
    renamed = NOTE.replace(b"PeterNeumann", b"Mallory")
    assert [one.verifier.name for one in open_note(renamed, [PETER, ENOCH]).verified] == ["EnochRoot"]


def test_a_failing_signature_of_a_known_key_refuses_the_whole_note() -> None:
    bad = b"\xaf\x0c\xfe\x78" + bytes(64)
    forged = (TEXT + "\n" + PETER_LINE + f"— EnochRoot {base64.b64encode(bad).decode()}\n").encode()
    with pytest.raises(NoteError, match="EnochRoot does not hold"):
        open_note(forged, [PETER, ENOCH])
    assert open_note(forged, [PETER]).verified


def test_a_failing_duplicate_behind_a_good_signature_refuses_the_note() -> None:
    bad = b"\xc7\x4f\x20\xa3" + bytes(64)
    forged = NOTE + f"— PeterNeumann {base64.b64encode(bad).decode()}\n".encode()
    with pytest.raises(NoteError, match="PeterNeumann does not hold"):
        open_note(forged, [PETER])


def test_duplicates_of_a_known_signature_collapse() -> None:
    assert len(open_note(NOTE + PETER_LINE.encode() * 5, [PETER]).verified) == 1


def test_a_hundred_signatures_are_read_and_more_are_malformed() -> None:
    unknown = "— somebody.example AAAAAAAA\n".encode()
    many = (TEXT + "\n" + PETER_LINE).encode() + unknown * 99
    assert open_note(many, [PETER]).text == TEXT
    with pytest.raises(NoteError, match="more than 100"):
        open_note(many + unknown, [PETER])


def test_the_last_blank_line_separates() -> None:
    text = "a text\n\nwith blank lines\n\n\n"
    note = sign_note(text, [SIGNER])
    assert open_note(note, [SIGNER.verifier]).text == text


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\n",
        b"text without signature\n",
        b"text\n\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace("— ".encode(), "—  ".encode()),
        NOTE.replace(b"PeterNeumann x08", b"PeterNeumann  x08"),
        NOTE.replace(b"PeterNeumann x08", b"PeterNeumann\tx08"),
        NOTE.replace(b"PeterNeumann x08", "Peter\u00a0Neumann x08".encode()),
        NOTE.replace(b"PeterNeumann x08", b"Peter+Neumann x08"),
        NOTE.replace(b"JnAM=", b"JnAM"),
        NOTE.replace(b"JnAM=", b"JnAN="),
        NOTE.replace(b"JnAM=", b"JnAM=="),
        NOTE.replace(b"/ZJk", b"_ZJk"),
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace(b"answer", b"ans\x00wer"),
        NOTE.replace(b"answer", b"ans\x1bwer"),
        NOTE.replace(b"answer", b"ans\xffwer"),
        NOTE.replace(b"answer", b"ans\xed\xa0\x80wer"),
        (TEXT + "\n— PeterNeumann AAAA\n").encode(),
        (TEXT + "\n— PeterNeumann \n").encode(),
        (TEXT + "\n—  AAAAAAAA\n").encode(),
        NOTE + b"x" * (1 << 20),
    ],
)
def test_malformed_notes_are_refused(bad: bytes) -> None:
    assert bad != NOTE
    with pytest.raises(NoteError):
        open_note(bad, [PETER, ENOCH])


@given(st.data())
def test_no_flipped_bit_survives_while_its_key_is_known(data: st.DataObject) -> None:
    note = sign_note(TEXT, [SIGNER])
    bit = data.draw(st.integers(0, len(note) * 8 - 1))
    changed = bytearray(note)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NoteError):
        open_note(bytes(changed), [SIGNER.verifier])


CONTROLS = "".join(map(chr, range(32)))
LINE_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=CONTROLS))
NAME = st.text(min_size=1, max_size=40).filter(
    lambda name: not any(c.isspace() or c < " " or c == "+" or "\ud800" <= c <= "\udfff" for c in name)
)


@given(lines=st.lists(LINE_TEXT, max_size=5), name=NAME)
def test_signing_and_opening_are_inverse(lines: list[str], name: str) -> None:
    text = "".join(f"{line}\n" for line in lines) or "\n"
    signer = Signer(name, bytes(32))
    note = open_note(sign_note(text, [signer, SIGNER]), [signer.verifier, SIGNER.verifier])
    assert note.text == text
    assert [one.verifier for one in note.verified] == [signer.verifier, SIGNER.verifier]
    assert Verifier.from_vkey(signer.verifier.vkey) == signer.verifier
    assert Signer.from_private_key(signer.private_key) == signer


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "name",
        "name+00000000",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("c74f20a3", "c7 4f 20 a3"),
        PETER.replace("+ARpc", "+AhPc"),
        PETER.replace("+ARpc", "+ABpc"),
        PETER[:-4],
        PETER + "=",
        PETER.replace("PeterNeumann", "PeterNeumanm"),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("PeterNeumann", ""),
        PETER.replace("+ARpc", "+"),
    ],
)
def test_malformed_verifier_keys_are_refused(bad: str) -> None:
    with pytest.raises(NoteError):
        Verifier.from_vkey(bad)


def test_a_text_that_would_not_read_back_is_not_signed() -> None:
    for text in ("no newline", "", "control\x07\n", "surrogate\n\n— fake AAAAAAAA"):
        with pytest.raises(NoteError):
            sign_note(text, [SIGNER])
    with pytest.raises(NoteError):
        sign_note("text\n", [])


CHECKPOINT = sign_note("log.example/one\n1\n" + base64.b64encode(bytes(32)).decode() + "\n", [SIGNER])
WITNESS = Signer("witness.example/w1", bytes(reversed(range(32))), Algorithm.ED25519_COSIGNATURE)


def test_the_cosignature_line_of_the_specification_reads_as_it_says() -> None:
    line = (
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXE"
        "hZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    _, (signature,) = split_note(f"text\n\n{line}".encode())
    assert signature.key_id.hex() == "8d66cf3f"
    assert int.from_bytes(signature.signature[:8], "big") == 1679315147
    assert signature.line() == line


def test_a_cosignature_signs_time_and_text() -> None:
    signature = cosign(CHECKPOINT, WITNESS, 1679315147)
    text, _ = split_note(CHECKPOINT)
    Ed25519PublicKey.from_public_bytes(WITNESS.verifier.key).verify(
        signature.signature[8:], b"cosignature/v1\ntime 1679315147\n" + text.encode()
    )
    note = open_note(add_signatures(CHECKPOINT, [signature, signature]), [SIGNER.verifier])
    assert len(note.signatures) == 2
    (seen,) = cosignatures(note, [WITNESS.verifier])
    assert (seen.name, seen.time) == ("witness.example/w1", 1679315147)
    assert cosignatures(note, [SIGNER.verifier]) == ()


def test_a_cosignature_with_a_changed_time_is_refused() -> None:
    signature = cosign(CHECKPOINT, WITNESS, 1000)
    later = type(signature)(
        signature.name, signature.key_id, (2000).to_bytes(8, "big") + signature.signature[8:]
    )
    note = open_note(add_signatures(CHECKPOINT, [later]), [SIGNER.verifier])
    with pytest.raises(NoteError, match="does not hold"):
        cosignatures(note, [WITNESS.verifier])


def test_of_two_cosignatures_the_newest_counts() -> None:
    lines = [cosign(CHECKPOINT, WITNESS, time) for time in (5, 9, 7)]
    note = open_note(add_signatures(CHECKPOINT, lines), [SIGNER.verifier])
    assert [one.time for one in cosignatures(note, [WITNESS.verifier])] == [9]


def test_a_time_beyond_63_bits_is_refused() -> None:
    with pytest.raises(NoteError, match="out of range"):
        cosign(CHECKPOINT, WITNESS, 2**63)


def test_a_log_key_does_not_cosign_and_only_checkpoints_are_cosigned() -> None:
    with pytest.raises(NoteError, match="cosignature type"):
        cosign(CHECKPOINT, SIGNER, 1)
    with pytest.raises(NoteError, match="three lines"):
        cosign(NOTE, WITNESS, 1)


def test_a_post_quantum_witness_is_accepted() -> None:
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    private = mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    kind = Algorithm.ML_DSA_44_COSIGNATURE
    verifier = Verifier("witness.example/pq", private.public_key().public_bytes_raw(), kind)
    assert Verifier.from_vkey(verifier.vkey) == verifier
    text, _ = split_note(CHECKPOINT)
    message = cosigned_message(verifier.name, kind, text, 77)
    origin = b"log.example/one"
    assert message == (
        b"subtree/v1\n\x00\x12witness.example/pq" + (77).to_bytes(8, "big")
        + bytes((len(origin),)) + origin + bytes(8) + (1).to_bytes(8, "big") + bytes(32)
    )  # fmt: skip
    signature = (77).to_bytes(8, "big") + private.sign(message)
    line = NoteSignature(verifier.name, verifier.key_id, signature)
    note = open_note(add_signatures(CHECKPOINT, [line]), [SIGNER.verifier])
    assert [one.time for one in cosignatures(note, [verifier])] == [77]
    broken = NoteSignature(verifier.name, verifier.key_id, signature[:-1] + bytes((signature[-1] ^ 1,)))
    with pytest.raises(NoteError, match="does not hold"):
        cosignatures(open_note(add_signatures(CHECKPOINT, [broken]), [SIGNER.verifier]), [verifier])
