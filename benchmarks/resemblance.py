# SPDX-License-Identifier: Apache-2.0
"""How often sketches miss relatives and mistake strangers for them, and what they cost.

    python benchmarks/resemblance.py [--strangers 400]

Relatives are made from all-MiniLM-L6-v2 (`make model` fetches it). Strangers are its own layers, which are
trained and not copies of each other, and made-up tensors with the structure that misleads a sketch most:
averages of rows or columns that drown the rest. A pair counts as near by the threshold of
docs/spec/resemblance.md for one comparison.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import random
import resource
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("schemas", "cli")]

import gguf  # noqa: E402 - the clone's own packages come first
import numpy as np  # noqa: E402
import safetensors.numpy  # noqa: E402

from weighbridge.resemblance import compare_tables, distance, threshold  # noqa: E402
from weighbridge.weighing import Tensor, read_tensor_table, tensor_table, weights_digest  # noqa: E402
from weighbridge.weighing.sketches import SketchTaker, may_have_sketch  # noqa: E402
from weighbridge.weighing.spans import Span  # noqa: E402
from weighbridge_cli import demo_model  # noqa: E402

Matrices = Mapping[str, Any]
BUFFER = 1 << 20
RUNS = 20
DTYPES = {"float32": "F32", "float16": "F16"}


def sketch(value: Any, dtype: str = "", shape: tuple[int, ...] = ()) -> str:
    """Return the sketch of an array, or of packed blocks of a dtype and shape."""
    data = np.ascontiguousarray(value).tobytes()
    return taken(data, dtype or DTYPES[str(value.dtype)], shape or value.shape)


def taken(data: bytes, dtype: str, shape: tuple[int, ...]) -> str:
    """Take the sketch of a tensor as weighing does, from buffers of 1 MiB."""
    taker = SketchTaker([Span("t", dtype, shape, 0, len(data))])
    view = memoryview(data)
    for at in range(0, len(data), BUFFER):
        taker.update(view[at : at + BUFFER])
    return taker.sketches[0]


def real_matrices() -> Matrices:
    """Return the model's matrices that have sketches."""
    wheel = demo_model.cached()
    if wheel is None:
        raise SystemExit("the real model is not here: make model")
    with zipfile.ZipFile(wheel) as archive:
        found = safetensors.numpy.load(archive.read(f"{demo_model.PREFIX}model.safetensors"))
    return {name: value for name, value in found.items() if may_have_sketch("F32", value.shape)}


def relatives(made: Any) -> Iterator[tuple[str, Callable[[Any], str]]]:
    """Yield ways of making a child, each giving the sketch of a matrix's child."""
    yield "cast to F16", lambda w: sketch(w.astype(np.float16))
    for kind in ("Q8_0", "Q5_1", "Q4_0"):
        type_ = gguf.GGMLQuantizationType[kind]
        yield f"GGUF {kind}", lambda w, t=type_, k=kind: sketch(gguf.quantize(w, t), k, w.shape)
    for share in (0.1, 0.3, 1.0, 2.0):
        yield (
            f"noise of {share} sigma",
            lambda w, s=share: sketch((w + made.normal(0, s * w.std(), w.shape)).astype(np.float32)),
        )
    yield (
        "mean with a stranger (a merge)",
        lambda w: sketch(((w + made.normal(w.mean(), w.std(), w.shape)) / 2).astype(np.float32)),
    )
    yield "values below 0.2 sigma pruned", lambda w: sketch(np.where(abs(w) > 0.2 * w.std(), w, 0))
    yield "rows in another order", lambda w: sketch(w[made.permutation(len(w))])


def misses(weights: Matrices) -> Iterator[str]:
    """Yield a table of how far relatives are from their parents, and how many are not near."""
    made = np.random.default_rng(7)
    parents = {name: sketch(value) for name, value in weights.items()}
    yield "| child of the model | matrices | differing bits, median | 95 % below | not near, or no sketch |"
    yield "|---|--:|--:|--:|--:|"
    for title, child in relatives(made):
        shares, missed = [], 0
        for name, value in weights.items():
            found = child(value)
            if not found:
                missed += 1
                continue
            bits = distance(found, parents[name])[0]
            shares.append(100 * bits / 256)
            missed += bits > threshold(value.shape)
        shares.sort()
        high = shares[min(len(shares) - 1, round(0.95 * len(shares)))]
        yield (
            f"| {title} | {len(weights)} | {statistics.median(shares):.1f} % | {high:.1f} % "
            f"| {missed} of {len(weights)} |"
        )


def strangers(count: int) -> Iterator[tuple[str, tuple[int, int], list[str]]]:
    """Yield unrelated matrices of several kinds and shapes, as sketches."""
    made = np.random.default_rng(11)

    def structured(shape: tuple[int, int], rows: float, columns: float) -> Any:
        value = made.standard_normal(shape, dtype=np.float32)
        value += rows * made.standard_normal((shape[0], 1), dtype=np.float32)
        return value + columns * made.standard_normal((1, shape[1]), dtype=np.float32)

    for shape in ((384, 384), (1024, 64), (2000, 32)):
        for title, rows, columns in (
            ("normal", 0.0, 0.0),
            ("columns drown the rest", 0.0, 10.0),
            ("rows drown the rest", 10.0, 0.0),
        ):
            yield title, shape, [sketch(structured(shape, rows, columns)) for _ in range(count)]
    low = [
        sketch(
            made.standard_normal((384, 4), dtype=np.float32)
            @ made.standard_normal((4, 384), dtype=np.float32)
        )
        for _ in range(count)
    ]
    yield "of rank 4", (384, 384), low


def mistakes(weights: Matrices, count: int) -> Iterator[str]:
    """Yield a table of how near strangers come."""
    yield "| strangers | shape | pairs | differing bits | spread | nearest | threshold | near |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    kinds = list(strangers(count))
    for shape in ((384, 384), (1536, 384), (384, 1536)):
        same = [sketch(value) for value in weights.values() if value.shape == shape]
        kinds.insert(0, ("layers of one real model", shape, same))
    for title, shape, found in kinds:
        shares = [distance(a, b)[0] for a, b in itertools.combinations(filter(None, found), 2)]
        most = threshold(shape)
        yield (
            f"| {title} | {shape[0]} x {shape[1]} | {len(shares):,} | {statistics.mean(shares) / 2.56:.1f} % "
            f"| {statistics.pstdev(shares) / 2.56:.1f} % | {min(shares)} | {most} "
            f"| {sum(each <= most for each in shares)} |"
        )


def cost(weights: Matrices) -> Iterator[str]:
    """Yield what sketches cost beside one SHA-256 of the same bytes, in processor time."""
    yield "| tensor | SHA-256 | sketch |"
    yield "|---|--:|--:|"
    small = next(value for value in weights.values() if value.shape == (384, 384))
    large = np.random.default_rng(1).standard_normal((4096, 4096), dtype=np.float32)
    for title, value in (("384 x 384 F32, 0.6 MB", small), ("4096 x 4096 F32, 67 MB", large)):
        data = value.tobytes()
        hashing = _milliseconds(lambda d=data: hashlib.sha256(d).digest())
        sketching = _milliseconds(lambda d=data, v=value: taken(d, "F32", v.shape))
        yield f"| {title} | {hashing:.2f} ms | {sketching:.2f} ms |"


def _milliseconds(act: Callable[[], object]) -> float:
    act()
    began = time.process_time()
    for _ in range(RUNS):
        act()
    return (time.process_time() - began) / RUNS * 1000


def large_table(count: int = 90_000) -> Iterator[str]:
    """Yield how long a table of so many tensors takes, all of one shape, under other names."""
    made = random.Random(1)  # noqa: S311 - the same table in every run
    parent = [
        Tensor(
            f"model.layers.{n // 384}.mlp.experts.{n % 384}.weight",
            "BF16",
            (2048, 768),
            2 * 2048 * 768,
            made.randbytes(32).hex(),
            sketch=made.randbytes(32).hex(),
        )
        for n in range(count)
    ]
    child = [
        replace(each, name=f"blk.{n}", sha256=made.randbytes(32).hex(), sketch=_near(each.sketch, made))
        for n, each in enumerate(parent)
    ]
    yield f"| {count:,} tensors of one shape | seconds |"
    yield "|---|--:|"
    table = tensor_table(parent)
    for title, act in (
        ("write the table", lambda: tensor_table(parent)),
        ("read it strictly", lambda: read_tensor_table(table)),
        ("its weights digest", lambda: weights_digest(parent)),
        ("compare with as many under other names", lambda: compare_tables(child, parent)),
    ):
        began = time.process_time()
        act()
        yield f"| {title} | {time.process_time() - began:.1f} |"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"\nThe table has {len(table) / 1e6:.0f} MB; the process took {most:.0f} MiB at most."


def _near(known: str, made: random.Random) -> str:
    flipped = made.getrandbits(256) & made.getrandbits(256) & made.getrandbits(256) & made.getrandbits(256)
    return f"{int(known, 16) ^ flipped:064x}"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--strangers", type=int, default=400, help="made-up matrices of each kind")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores")
    for title, lines in (
        ("Strangers that are taken for relatives", mistakes(real := real_matrices(), options.strangers)),
        ("Relatives that are missed", misses(real)),
        ("Cost", cost(real)),
        ("A large table", large_table()),
    ):
        print(f"\n**{title}**\n")
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
