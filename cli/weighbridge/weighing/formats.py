# SPDX-License-Identifier: Apache-2.0
"""What a file is and what it is for, told from its name and its first bytes alone.

Nothing is ever unpickled, unpacked or imported to find out. `unsafe` means: the usual loader of the
format runs code or graph operations that the file brings. The first bytes win over the name, so a
pickle does not become harmless by being called `.json`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Kind", "recognise"]


class Kind(NamedTuple):
    """Role and format of a file (the slugs of `release/v1`), and whether loading it runs code."""

    role: str
    format: str
    unsafe: bool


# Name's ending → format. Longer endings first where one contains another.
_BY_ENDING: Final[dict[str, str]] = {
    ".bin": "pytorch",
    ".ckpt": "pytorch",
    ".dill": "pickle",
    ".pickle": "pickle",
    ".pkl": "pickle",
    ".pt": "pytorch",
    ".pt2": "pytorch",
    ".pth": "pytorch",
    ".joblib": "joblib",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".keras": "keras",
    ".mar": "torchserve",
    ".nemo": "nemo",
    ".pb": "tensorflow",
    ".pbtxt": "tensorflow",
    ".skops": "skops",
    ".llamafile": "executable",
    ".dll": "executable",
    ".dylib": "executable",
    ".exe": "executable",
    ".so": "executable",
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".ggml": "ggml",
    ".onnx": "onnx",
    ".onnx_data": "onnx-data",
    ".tflite": "tflite",
    ".mlmodel": "coreml",
    ".msgpack": "msgpack",
    ".npy": "numpy",
    ".npz": "numpy",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".xml": "xml",
    ".md": "markdown",
    ".txt": "text",
    ".rst": "text",
    ".jinja": "jinja",
    ".jinja2": "jinja",
    ".model": "sentencepiece",
    ".spm": "sentencepiece",
    ".tiktoken": "tiktoken",
    ".py": "python",
    ".ipynb": "notebook",
    ".sh": "shell",
    ".pdf": "pdf",
    ".bib": "text",
    ".cff": "yaml",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".gif": "image",
    ".webp": "image",
    ".svg": "image",
    ".zip": "zip",
    ".tar": "tar",
    ".gz": "gzip",
    ".tgz": "gzip",
}

_UNSAFE: Final = frozenset(
    {
        "executable",
        "hdf5",  # Keras layers saved in HDF5 may be marshalled Python functions
        "joblib",
        "keras",
        "nemo",
        "pickle",
        "pytorch",
        "skops",
        "tensorflow",  # a graph may read and write files
        "torchserve",
    }
)
_WEIGHTS: Final = _UNSAFE - {"executable"} | {
    "coreml",
    "ggml",
    "gguf",
    "msgpack",
    "numpy",
    "onnx",
    "onnx-data",
    "safetensors",
    "tflite",
}
_CODE: Final = frozenset({"executable", "notebook", "python", "shell"})
_DOCUMENTS: Final = frozenset({"image", "markdown", "pdf", "text"})
_TOKENIZER_FORMATS: Final = frozenset({"sentencepiece", "tiktoken"})
_TOKENIZER_NAMES: Final = frozenset(
    {
        "added_tokens.json",
        "merges.txt",
        "special_tokens_map.json",
        "tekken.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_LICENCE_STEMS: Final = ("licence", "license", "notice", "copying")

_EXECUTABLE_MAGIC: Final = (
    b"\x7fELF",
    b"MZqFpD",  # an Actually Portable Executable: llamafile
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
)
_ZIP_MAGIC: Final = b"PK\x03\x04"
_PICKLE_PROTOCOLS: Final = frozenset({b"\x02", b"\x03", b"\x04", b"\x05"})


def recognise(path: str, head: bytes) -> Kind:
    """Tell what the file at `path` is; `head` is its first bytes (4 KiB are enough)."""
    name = path.rpartition("/")[2].lower()
    format_ = _format(name, head)
    return Kind(_role(name, format_), format_, format_ in _UNSAFE)


def _format(name: str, head: bytes) -> str:  # noqa: PLR0911 - one rule, one line
    named = _BY_ENDING.get(_ending(name), "unknown")
    if named == "safetensors":
        return named  # its header is parsed strictly, which tells it from all else
    if _is_pickle(head):
        return named if named in {"pickle", "joblib", "pytorch"} else "pickle"
    if head.startswith(_EXECUTABLE_MAGIC) or (head.startswith(b"MZ") and b"PE\0\0" in head):
        return "executable"
    if head.startswith(_ZIP_MAGIC) and named not in _UNSAFE and (b".pkl" in head or b".pickle" in head):
        return "pytorch"
    if head.startswith(b"GGUF"):
        return "gguf"
    if head.startswith(b"\x89HDF\r\n\x1a\n") and named not in _UNSAFE:
        return "hdf5"
    if named == "unknown" and _is_text(head):
        return "text"
    return named


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem:
        return ""
    # Shared libraries carry a version after the ending: libfoo.so.1.2
    return ".so" if ".so." in name else f".{ending}"


def _is_pickle(head: bytes) -> bool:
    """Tell the binary pickle protocols; 0 and 1 are plain opcodes and have no mark."""
    protocol, opcode = head[1:2], head[2:3]
    return head[:1] == b"\x80" and protocol in _PICKLE_PROTOCOLS and opcode in _PICKLE_OPCODES


# What a pickler writes after PROTO: FRAME, or the first opcode of a value.
_PICKLE_OPCODES: Final = frozenset(
    bytes([opcode]) for opcode in b"\x95\x8a\x8b\x8c\x88\x89(cC)]}NXIJKMGUTVBh\x8e\x8f\x96\x93"
)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return bool(head) and error.start >= len(head) - 3  # a character cut at the end of the head
    return True


def _role(name: str, format_: str) -> str:  # noqa: PLR0911 - one rule, one line
    stem = name.partition(".")[0]
    if name in _TOKENIZER_NAMES or format_ in _TOKENIZER_FORMATS:
        return "tokenizer"
    if format_ == "jinja" or stem == "chat_template":
        return "template"
    if format_ in _WEIGHTS:
        return "weights"
    if format_ in _CODE:
        return "code"
    if format_ in _DOCUMENTS or stem in _LICENCE_STEMS:
        return "document"
    if name.endswith(".index.json") or format_ in {"json", "yaml", "toml", "xml"}:
        return "config"
    if format_ in {"arrow", "csv", "jsonl", "parquet"}:
        return "data"
    return "other"
