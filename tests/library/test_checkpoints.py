# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import NoteError
from weighbridge.tlog import (
    EMPTY_ROOT,
    Algorithm,
    Checkpoint,
    Signer,
    add_signatures,
    cosign,
    parse_checkpoint,
    parse_checkpoint_text,
    sign_checkpoint,
    sign_note,
)

LOG = Signer("log.example/one", bytes(range(32)))
OTHER_LOG = Signer("log.example/two", bytes(range(1, 33)))
WITNESS = Signer("witness.example/w1", bytes(range(2, 34)), Algorithm.ED25519_COSIGNATURE)
ROOT = base64.b64encode(bytes(32)).decode()
CHECKPOINT = Checkpoint("log.example/one", 70000, bytes(32))


def test_a_signed_checkpoint_opens_with_the_log_key() -> None:
    data = sign_checkpoint(CHECKPOINT, LOG)
    signed = parse_checkpoint(data, [LOG.verifier.vkey])
    assert signed.checkpoint == CHECKPOINT
    assert (signed.origin, signed.size, signed.root) == ("log.example/one", 70000, bytes(32))
    assert signed.verifier == LOG.verifier
    assert signed.data == data


def test_the_example_of_the_specification_reads() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = parse_checkpoint_text(text)
    assert checkpoint.size == 20852163
    assert checkpoint.text() == text


def test_extension_lines_are_kept() -> None:
    text = f"o\n1\n{ROOT}\nan extension\nanother\n"
    assert parse_checkpoint_text(text).extensions == ("an extension", "another")
    assert parse_checkpoint_text(text).text() == text


def test_a_log_cannot_speak_in_the_name_of_another() -> None:
    """Both logs are trusted; the second signs a checkpoint that carries the first one's origin."""
    forged = sign_note(CHECKPOINT.text(), [OTHER_LOG])
    with pytest.raises(NoteError, match="not signed by that log's trusted key"):
        parse_checkpoint(forged, [LOG.verifier, OTHER_LOG.verifier])
    with pytest.raises(NoteError, match="does not sign for"):
        sign_checkpoint(CHECKPOINT, OTHER_LOG)


def test_a_cosignature_alone_does_not_make_a_checkpoint() -> None:
    """A witness key is trusted as a witness, not as the log, even if it bears the log's name."""
    unsigned = sign_note(CHECKPOINT.text(), [OTHER_LOG])
    namesake = Signer("log.example/one", bytes(range(2, 34)), Algorithm.ED25519_COSIGNATURE)
    for witness in (WITNESS, namesake):
        cosigned = add_signatures(unsigned, [cosign(unsigned, witness, 5)])
        with pytest.raises(NoteError, match="not signed by that log's trusted key"):
            parse_checkpoint(cosigned, [LOG.verifier, witness.verifier])


def test_a_checkpoint_of_another_key_is_refused_naming_both() -> None:
    impostor = Signer("log.example/one", bytes(32))
    with pytest.raises(NoteError, match="no trusted key") as caught:
        parse_checkpoint(sign_checkpoint(CHECKPOINT, impostor), [LOG.verifier])
    assert caught.value.evidence["trusted"] == [f"log.example/one+{LOG.verifier.key_id.hex()}"]
    assert caught.value.step == 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n00\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n 1\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n1_0\n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n1e3\n{ROOT}\n",
        f"o\n0x1\n{ROOT}\n",
        f"o\n9223372036854775808\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n0\n{ROOT}\n",
        "o\n1\n\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT} \n",
        f"o\n1\n{ROOT[:-2]}B=\n",
        "o\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "o\n1\n" + base64.b64encode(bytes(33)).decode() + "\n",
        "o\n1\n" + base64.urlsafe_b64encode(b"\xff" * 32).decode() + "\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\nextension\n\nmore\n",
    ],
)
def test_malformed_checkpoints_are_refused_though_signed(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint_text(text)
    signer = Signer("o", bytes(32))
    with pytest.raises(NoteError):
        parse_checkpoint(sign_note(text, [signer]), [signer.verifier])


def test_a_checkpoint_that_would_not_read_back_is_not_spelt() -> None:
    for bad in (
        Checkpoint("two\nlines", 1, bytes(32)),
        Checkpoint("", 1, bytes(32)),
        Checkpoint("o", -1, bytes(32)),
        Checkpoint("o", 0, bytes(32)),
        Checkpoint("o", 1, bytes(31)),
        Checkpoint("o", 1, bytes(32), ("",)),
    ):
        with pytest.raises(NoteError):
            bad.text()


ORIGIN = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60)


@given(origin=ORIGIN, size=st.integers(1, 2**63 - 1), root=st.binary(min_size=32, max_size=32))
def test_text_and_checkpoint_are_inverse(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint_text(checkpoint.text()) == checkpoint


def test_the_empty_tree_has_the_empty_root() -> None:
    assert parse_checkpoint_text(Checkpoint("o", 0, EMPTY_ROOT).text()).root == EMPTY_ROOT
