# SPDX-License-Identifier: Apache-2.0
"""What the C2SP specifications show, as they show it: their examples, and the edges that their words draw."""

from __future__ import annotations

import base64
import unicodedata

import pytest

from weighbridge import tlog
from weighbridge.errors import NoteError, ProofError
from weighbridge.tlog import Algorithm, Signer, Verifier

POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    "\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXx"
    "j99ihAQwaqP3ZekRwNtIc=\n"
).encode()
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9"
    "nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqh"
    "f5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()
LOG = Signer.generate("log.example/vectors")


def test_the_notes_of_the_specifications_are_read() -> None:
    """signed-note's poem, whose text has an empty line, and the cosigned checkpoint of tlog-cosignature."""
    text, (line,) = tlog.split_note(POEM)
    assert text.endswith("sole:\n\ned è subito sera.\n")
    assert (line.name, line.key_id.hex(), len(line.signature)) == (
        "quasimodo.example/salvatore",
        "367ba04b",
        64,
    )
    text, lines = tlog.split_note(SOFA)
    checkpoint = tlog.parse_checkpoint_text(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert [len(line.signature) for line in lines] == [64, 72]
    assert int.from_bytes(lines[1].signature[:8], "big") == 1_679_315_147
    with pytest.raises(NoteError, match="no trusted key"):  # their public keys are not published
        tlog.open_note(SOFA, [LOG.verifier])


def test_no_unicode_space_is_in_a_key_name() -> None:
    """Every character of White_Space, wherever it stands in the name; other odd ones are names."""
    spaces = [
        chr(code)
        for code in (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
    ]
    for space in (" ", *spaces):
        for name in (f"{space}name", f"na{space}me", f"name{space}"):
            with pytest.raises(NoteError, match="not a key name"):
                Verifier(name, bytes(32))
    for odd in ("\u200b", "é", "名", "\u202e", "\x7f"):
        assert unicodedata.category(odd) != "Zs"
        signer = Signer.generate(f"na{odd}me")
        assert tlog.open_note(tlog.sign_note("text\n", [signer]), [signer.verifier]).text == "text\n"


@pytest.mark.parametrize("kind", [0x02, 0x03, 0x05, 0x07, 0xFA, 0xFE, 0xFF])
def test_lines_of_every_other_type_are_ignored(kind: int) -> None:
    """Their lengths and contents are their own business; a key of such a type cannot be pinned."""
    note = tlog.sign_note("text\n", [LOG])
    odd = base64.b64encode(bytes((1, 2, 3, kind)) + bytes(kind)).decode()
    opened = tlog.open_note(note + f"— {LOG.name} {odd}\n".encode(), [LOG.verifier])
    assert (len(opened.verified), len(opened.unverified)) == (1, 1)
    material = base64.b64encode(bytes((kind,)) + bytes(32)).decode()
    with pytest.raises(NoteError):
        Verifier.from_vkey(f"{LOG.name}+01020304+{material}")


def test_sixteen_post_quantum_signatures_are_read() -> None:
    """As large as they get: "up to nearly 5kB in size"."""
    note = tlog.sign_note("text\n", [LOG])
    for number in range(16):
        line = base64.b64encode(number.to_bytes(4, "big") + bytes(5000)).decode()
        note += f"— witness.example/{number} {line}\n".encode()
    assert len(tlog.open_note(note, [LOG.verifier]).unverified) == 16


@pytest.mark.parametrize(
    ("size", "fine"),
    [
        ("1", True),
        (str(2**63 - 1), True),
        (str(2**63), False),
        (str(2**64), False),
        ("9" * 400, False),
        ("01", False),
        ("00", False),
        ("-1", False),
        ("+1", False),
        ("1 ", False),
        ("1e3", False),
        ("0x10", False),
        ("1_000", False),
        ("\N{ARABIC-INDIC DIGIT ONE}", False),  # a digit, but not ASCII
        ("", False),
    ],
)
def test_sizes_up_to_63_bits(size: str, *, fine: bool) -> None:
    root = base64.b64encode(bytes(32)).decode()
    note = tlog.sign_note(f"{LOG.name}\n{size}\n{root}\n", [LOG])
    if fine:
        opened = tlog.parse_checkpoint(note, [LOG.verifier])
        assert opened.size == int(size)
        with pytest.raises(ProofError):
            tlog.verify_inclusion(opened.size, opened.size, bytes(32), [], bytes(32))
    else:
        with pytest.raises(NoteError):
            tlog.parse_checkpoint(note, [LOG.verifier])


def test_the_largest_tree_has_tiles_and_proofs_of_their_length() -> None:
    """2^63 - 1 entries: eight levels of tiles, proofs of 63 hashes at most, no number overflows."""
    size = 2**63 - 1
    edge = tlog.edge_tiles(size)
    assert [level for level, _, _ in edge] == list(range(8))
    assert [width for _, _, width in edge] == [255] * 7 + [127]
    reader = tlog.TileReader(lambda _level, _index, width: bytes(32 * width), size, bytes(32))
    with pytest.raises(ProofError, match="not of the tree"):
        reader.inclusion_proof(size - 1)
    with pytest.raises(ProofError):
        tlog.verify_inclusion(size - 1, size, bytes(32), [bytes(32)] * 64, bytes(32))


def test_a_cosignature_covers_the_extension_lines() -> None:
    """Of type 04 it does: whoever changes one afterwards breaks it. (Of type 06 it does not.)"""
    witness = Signer.generate("witness.example/w1", Algorithm.ED25519_COSIGNATURE)
    head = tlog.Checkpoint(LOG.name, 1, bytes(32), ("an extension",))
    note = tlog.sign_checkpoint(head, LOG)
    both = tlog.add_signatures(note, [tlog.cosign(note, witness, 1_795_420_800)])
    opened = tlog.parse_checkpoint(both, [LOG.verifier])
    (found,) = tlog.cosignatures(opened.note, [witness.verifier])
    assert found.time == 1_795_420_800
    other = tlog.sign_checkpoint(tlog.Checkpoint(LOG.name, 1, bytes(32), ("another",)), LOG)
    moved = tlog.add_signatures(other, tlog.split_note(both)[1][1:])
    with pytest.raises(NoteError, match="does not hold"):
        tlog.cosignatures(tlog.parse_checkpoint(moved, [LOG.verifier]).note, [witness.verifier])


def test_the_proof_of_the_specification_is_read_once_it_is_whole() -> None:
    """Its signatures are elided: as printed it is no proof."""
    hashes = (
        "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\nB95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
        "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\nRoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n"
        "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n"
    )
    checkpoint = "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n"
    extra = "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ\n"
    head = f"c2sp.org/tlog-proof@v1\n{extra}index 73894\n{hashes}"
    elided = f"\n{checkpoint}\n— example.com/fancylog hI2DJw[...]1roloI=\n"
    with pytest.raises(NoteError, match="not base64"):
        tlog.parse_receipt((head + elided).encode())
    signed = tlog.sign_note(checkpoint, [Signer.generate("example.com/fancylog")]).decode()
    whole = tlog.parse_receipt((head + f"\n{signed}").encode())
    assert (whole.index, len(whole.proof), whole.origin) == (73_894, 5, "example.com/fancylog")
    assert whole.extra is not None
    assert whole.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.g")


def test_a_policy_of_thirty_two_of_everything() -> None:
    witnesses = [
        Signer.generate(f"witness.example/{number}", Algorithm.ED25519_COSIGNATURE) for number in range(32)
    ]
    logs = [Signer.generate(f"log.example/{number}") for number in range(32)]
    lines = [f"log {log.verifier.vkey} https://log.example/" for log in logs]
    lines += [f"witness w{number} {one.verifier.vkey}" for number, one in enumerate(witnesses)]
    lines += [f"group g{number} all w{number}" for number in range(31)]
    lines += [f"group all 31 {' '.join(f'g{number}' for number in range(31))}", "quorum all"]
    policy = tlog.WitnessPolicy.parse("".join(f"{line}\n" for line in lines))
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)
