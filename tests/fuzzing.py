# SPDX-License-Identifier: Apache-2.0
"""How long the fuzzers run: shortly in `make test`, for as long as you like in `make fuzz FUZZ=1000`.

`WEIGHBRIDGE_FUZZ` multiplies their examples and makes each run another one; tests/conftest.py reads it too.
"""

from __future__ import annotations

import os

from hypothesis import strategies as st

__all__ = ["FACTOR", "examples", "mutations"]

FACTOR = int(os.environ.get("WEIGHBRIDGE_FUZZ") or "1")


def examples(count: int) -> int:
    """Return how many examples a fuzzer tries that tries `count` in the ordinary suite."""
    return count * FACTOR


@st.composite
def mutations(draw: st.DrawFn, genuine: list[bytes], pieces: list[bytes]) -> bytes:
    """Something genuine with a few places cut, doubled, replaced or filled with pieces of its grammar."""
    data = draw(st.sampled_from(genuine))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        filling = st.one_of(st.binary(max_size=8), st.sampled_from(pieces), st.just(data[start:end] * 2))
        data = data[:start] + draw(filling) + data[end:]
    return data
