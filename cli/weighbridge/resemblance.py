# SPDX-License-Identifier: Apache-2.0
"""What two tensor tables say about each other: equal tensors, and tensors that resemble.

Pure: two tables in, a comparison out, no weights needed. Equality is exact. Resemblance is statistics over
sketches (docs/spec/resemblance.md): a share of bits that differ, with an error bar, held against what
unrelated tensors of that shape do by chance. It is a reason to ask, never proof, and says nothing of who
was first. That nothing is found means nothing, but for the few relations in `JudgedAs` that promise it.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from weighbridge.weighing import Tensor
from weighbridge.weighing.sketches import BITS, may_have_sketch, positions

__all__ = [
    "BANDS",
    "AdapterFit",
    "Likeness",
    "TableComparison",
    "Verdict",
    "Word",
    "bands",
    "compare_tables",
    "distance",
    "is_telling",
    "positions",
    "threshold",
]

Word = Literal["equal", "shares", "resembles", "fits", "no sign", "contradicts"]
"""What a comparison comes to, strongest first; `contradicts` only where a relation is claimed."""

BANDS: Final = 16
"""Pieces of a sketch for an indexed look-up: tensors that resemble have one of them in common."""

CHANCE: Final = 1e-7
"""How often unrelated tensors may pass for alike, over all comparisons of one tensor."""

_TELLING_BYTES: Final = 16 * 1024
_PAIRS_IN_FULL: Final = 2_000_000
_CANDIDATES_PER_BAND: Final = 64
_ENOUGH: Final = 2
_ENOUGH_TO_REFUTE: Final = 4
_CONFIDENCE: Final = 1.96
_MEDIAN_BY_MEAN: Final = 1.2533
"""Standard error of a median by that of a mean, for a normal distribution: the root of pi/2."""

_PROMISES_ALIKE: Final = frozenset({"quantized", "converted"})
"""Relations that keep every value but for rounding."""
_USUALLY_ALIKE: Final = frozenset({"finetune", "merge", "continued_pretraining", "pruned"})


def distance(first: str, second: str) -> tuple[int, int]:
    """Return how many bits of two sketches differ, and of how many."""
    return (int(first, 16) ^ int(second, 16)).bit_count(), BITS


def bands(sketch: str) -> tuple[int, ...]:
    """Return the 16 pieces of 16 bits of a sketch, bit 0 first.

    Two sketches of which a share p differs have a piece in common with probability 1 - (1 - (1 - p)^16)^16:
    0.96 for p = 0.1, 0.36 for 0.2; unrelated ones with 0.0002.
    """
    return struct.unpack(f">{BANDS}H", bytes.fromhex(sketch))


@functools.lru_cache(maxsize=4096)
def threshold(shape: tuple[int, ...], comparisons: int = 1) -> int:
    """Return the most bits in which two sketches of this shape differ if the tensors count as alike.

    Unrelated tensors differ in half of the bits. How far that strays is worst where rows or columns have
    strong averages of their own: then a sketch compares few things again and again. With m the smaller
    dimension the share of differing bits has at most the variance 1/1024 + 1/(9 m), the second part being
    that of Kendall's rank correlation of two random orders of m things. The threshold lies so far below
    half that less than one tensor in ten million passes, over all `comparisons` that were made for it.
    """
    from statistics import NormalDist  # here, as few commands need it

    deviation = math.sqrt(1 / (4 * BITS) + 1 / (9 * max(1, min(shape))))
    far = -NormalDist().inv_cdf(CHANCE / max(1, comparisons))
    return max(-1, math.floor(BITS * (0.5 - far * deviation)))


def is_telling(tensor: Tensor, *, sketched: bool = True) -> bool:
    """Tell whether an equal tensor says something of where it comes from.

    Small ones and vectors do not: biases of zeros and norms of ones are everywhere. Nor do large ones that
    could have a sketch and have none, though their table is `sketched`: they are constant or sparse.
    """
    if len(tensor.shape) <= 1 or tensor.nbytes < _TELLING_BYTES:
        return False
    return bool(tensor.sketch) or not sketched or not may_have_sketch(tensor.dtype, tensor.shape)


class Likeness(NamedTuple):
    """A tensor of the child beside the most similar one of the parent; `differing` bits of 256."""

    child: str
    parent: str
    shape: tuple[int, ...]
    differing: int
    near: bool


class AdapterFit(NamedTuple):
    """Low-rank matrices of an adapter: how many, how many of a layer that the parent has, how many fit."""

    matrices: int
    known: int
    fitting: int


class Verdict(NamedTuple):
    """One word, and a sentence for people."""

    word: Word
    sentence: str


@dataclass(frozen=True, slots=True)
class TableComparison:
    """A child's tensor table beside its supposed parent's.

    `equal` tensors have name, dtype, shape and bytes in common, `renamed` ones all but the name; `telling`
    are those of both that say something. `bytes_equal` are the bytes of both, of the child's `bytes`.
    `likenesses` are the other tensors of the child that could be compared, by name: each beside the
    parent's tensor of that name, or of that shape if that one is nearer. `comparable` is the share of the
    child's sketched elements that are in them. `median` is the share of differing bits of those that are
    near, or of all if none is; `error` its half-width at 95 %; None without any. `complete` means that each
    tensor was compared with all of its shape.
    """

    tensors: int
    tensors_parent: int
    equal: int
    renamed: int
    telling: int
    bytes: int
    bytes_equal: int
    sketched: int
    sketched_parent: int
    likenesses: tuple[Likeness, ...]
    comparable: float
    median: float | None
    error: float | None
    complete: bool
    adapter: AdapterFit | None

    @property
    def near(self) -> int:
        """How many of the likenesses are nearer than chance allows."""
        return sum(likeness.near for likeness in self.likenesses)

    @property
    def percent_equal(self) -> float:
        """Share of the child's bytes that the parent has too; 0 to 100, 0 for nothing in nothing."""
        return 100 * self.bytes_equal / self.bytes if self.bytes else 0.0

    @property
    def resembles(self) -> bool:
        """Whether enough tensors are near: two, or the only one that could be compared."""
        return self.near >= min(_ENOUGH, max(1, len(self.likenesses)))

    @property
    def finding(self) -> Word:
        """What the tables show, whatever was claimed."""
        both = self.equal + self.renamed
        if both and both == self.tensors == self.tensors_parent:
            return "equal"
        if self.telling:
            return "shares"
        if self.resembles:
            return "resembles"
        if self.adapter and self.adapter.fitting and self.adapter.fitting == self.adapter.known:
            return "fits"
        return "no sign"

    def verdict(self, relation: str | None = None) -> Verdict:
        """Say what the tables show, and whether that refutes the claimed relation of lineage/v1."""
        finding = self.finding
        against = self._against(finding, relation)
        if against:
            return Verdict("contradicts", f"{self._shown(finding)}; {against}")
        remark = ""
        if finding == "no sign" and relation in _USUALLY_ALIKE and self.likenesses:
            remark = f"; a child by {relation} usually resembles its parent, but need not"
        return Verdict(finding, self._shown(finding) + remark)

    def _against(self, finding: Word, relation: str | None) -> str:
        """Return why the finding refutes the relation; "" if it does not."""
        alike = finding in {"equal", "shares", "resembles"}
        if relation == "from_scratch":
            return "a model made from scratch has nothing of another" if alike else ""
        if relation == "adapter" and self.adapter and self.adapter.known and not self.adapter.fitting:
            return "an adapter has the shapes of its model"
        enough = len(self.likenesses) >= _ENOUGH_TO_REFUTE and self.comparable >= 1 / 2 and self.complete
        if relation in _PROMISES_ALIKE and enough and not alike and not self.near:
            return (
                f"{relation} keeps the values but for rounding, unless the weights were also rotated or "
                "put in another order throughout"
            )
        return ""

    def _shown(self, finding: Word) -> str:
        both = self.equal + self.renamed
        if finding == "equal":
            names = f", {self.renamed} under another name" if self.renamed else ""
            return f"all {self.tensors} tensors are equal{names}"
        verb = "is" if both == 1 else "are"
        equal = (
            f"{both} of {self.tensors} tensors {verb} equal ({_percent(self.percent_equal)} % of the bytes)"
        )
        if finding == "fits" and self.adapter:
            matrices = f"{self.adapter.fitting} of {self.adapter.matrices} low-rank matrices"
            return f"{matrices} fit a layer of it by name and shape; values cannot be compared"
        if not self.likenesses:
            reason = "" if both and finding == "shares" else f"; {self._why_not_compared()}"
            return equal + reason
        return f"{equal}; {self._shown_likeness()}"

    def _shown_likeness(self) -> str:
        share, error = 100 * (self.median or 0), 100 * (self.error or 0)
        differ = f"{share:.1f} ± {error:.1f} % of the compared pairs differ, where chance gives 50 %"
        count = len(self.likenesses)
        if not self.near:
            return f"none of {count} others resembles one of its shape: {differ}"
        return f"{self.near} of {count} others resemble{'s' * (self.near == 1)} one of its shape: {differ}"

    def _why_not_compared(self) -> str:
        if not self.sketched:
            return "the child's table has no sketches of the others"
        if not self.sketched_parent:
            return "the parent's table has no sketches"
        return "no others have a shape in common"

    def to_json(self, relation: str | None = None) -> dict[str, Any]:
        """Return the JSON form (`TableReport` of docs/spec/reports.md); shares are 0 to 100."""
        verdict = self.verdict(relation)
        return {
            "verdict": verdict.word,
            "words": verdict.sentence,
            "tensors": self.tensors,
            "tensors_parent": self.tensors_parent,
            "equal": self.equal,
            "renamed": self.renamed,
            "telling": self.telling,
            "bytes": self.bytes,
            "bytes_equal": self.bytes_equal,
            "percent_equal": round(self.percent_equal, 4),
            "compared": len(self.likenesses),
            "near": self.near,
            "percent_differing": None if self.median is None else round(100 * self.median, 2),
            "error": None if self.error is None else round(100 * self.error, 2),
            "complete": self.complete,
            "adapter": self.adapter._asdict() if self.adapter else None,
        }


def compare_tables(child: Iterable[Tensor], parent: Iterable[Tensor]) -> TableComparison:
    """Compare two tensor tables; names must be unique in each, as `read_tensor_table` sees to.

    Bounded: linear in the tables, but for at most two million comparisons of sketches of one shape; beyond
    them candidates are looked up by `bands`, at most 1,024 for a tensor.
    """
    children, parents = list(child), list(parent)
    by_name = {tensor.name: tensor for tensor in parents}
    same = [each for each in children if _same(each, by_name.get(each.name))]
    named = {each.name for each in same}
    renamed = _renamed((each for each in children if each.name not in named), parents, named)
    known = named | {each.name for each in renamed}
    both = [*same, *renamed]
    sketched = any(each.sketch for each in children)
    others = [each for each in children if each.sketch and each.name not in known]
    likenesses, complete = _likenesses(others, parents, by_name)
    near = [each for each in likenesses if each.near]
    median, error = _median([each.differing / BITS for each in near or likenesses])
    elements = sum(math.prod(each.shape) for each in others)
    return TableComparison(
        tensors=len(children),
        tensors_parent=len(parents),
        equal=len(same),
        renamed=len(renamed),
        telling=sum(is_telling(each, sketched=sketched) for each in both),
        bytes=sum(each.nbytes for each in children),
        bytes_equal=sum(each.nbytes for each in both),
        sketched=len(others),
        sketched_parent=sum(bool(each.sketch) for each in parents),
        likenesses=tuple(likenesses),
        comparable=sum(math.prod(each.shape) for each in likenesses) / elements if elements else 0.0,
        median=median,
        error=error,
        complete=complete,
        adapter=_adapter_fit(children, parents),
    )


def _content(tensor: Tensor) -> tuple[str, tuple[int, ...], str]:
    return tensor.dtype, tensor.shape, tensor.sha256


def _same(tensor: Tensor, other: Tensor | None) -> bool:
    return other is not None and _content(tensor) == _content(other)


def _renamed(children: Iterable[Tensor], parents: Sequence[Tensor], named: set[str]) -> list[Tensor]:
    """Return the child's tensors whose content the parent has under a name that is not matched yet."""
    left = Counter(_content(each) for each in parents if each.name not in named and each.nbytes)
    found = []
    for each in children:
        if left[_content(each)] > 0:
            left[_content(each)] -= 1
            found.append(each)
    return found


def _likenesses(
    children: Sequence[Tensor], parents: Sequence[Tensor], by_name: Mapping[str, Tensor]
) -> tuple[list[Likeness], bool]:
    """Return the nearest tensor of the parent for each of the child's, and whether all were looked at."""
    groups: dict[tuple[int, ...], _Group] = {}
    for tensor in parents:
        if tensor.sketch:
            groups.setdefault(tensor.shape, _Group(tensor.shape)).add(tensor)
    wanted = Counter(each.shape for each in children)
    found, complete, budget = [], True, _PAIRS_IN_FULL
    full: dict[tuple[int, ...], bool] = {}
    for shape in sorted(groups.keys() & wanted.keys(), key=lambda shape: len(groups[shape].names)):
        cost = wanted[shape] * len(groups[shape].names)
        full[shape] = cost <= budget
        budget -= cost if full[shape] else 0
    for tensor in children:
        group = groups.get(tensor.shape)
        if group is None:
            continue
        complete = complete and full[tensor.shape]
        found.append(group.nearest(tensor, by_name.get(tensor.name), full=full[tensor.shape]))
    return sorted(found), complete


class _Group:
    """The parent's tensors of one shape, and their sketches as numbers."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.names: list[str] = []
        self._sketches: list[int] = []
        self._banded: tuple[dict[int, list[int]], ...] | None = None

    def add(self, tensor: Tensor) -> None:
        self.names.append(tensor.name)
        self._sketches.append(int(tensor.sketch, 16))

    def nearest(self, tensor: Tensor, namesake: Tensor | None, *, full: bool) -> Likeness:
        """Return what the tensor of the same name gives if that is near, else the nearest of all."""
        sketch = int(tensor.sketch, 16)
        same = None
        if namesake is not None and namesake.sketch and namesake.shape == self.shape:
            differing = distance(tensor.sketch, namesake.sketch)[0]
            same = Likeness(
                tensor.name, namesake.name, self.shape, differing, differing <= threshold(self.shape)
            )
            if same.near:
                return same
        candidates = range(len(self.names)) if full else self._candidates(tensor.sketch)
        numbers = self._sketches
        differing, index = min(
            [((sketch ^ numbers[each]).bit_count(), each) for each in candidates], default=(BITS, 0)
        )
        near = differing <= threshold(self.shape, len(self.names))
        if same is not None and not near:
            return same
        return Likeness(tensor.name, self.names[index], self.shape, differing, near)

    def _candidates(self, sketch: str) -> list[int]:
        """Return those with a band in common, a bounded number of each."""
        if self._banded is None:
            self._banded = tuple({} for _ in range(BANDS))
            for index, number in enumerate(self._sketches):
                for at, band in zip(self._banded, bands(f"{number:064x}"), strict=True):
                    alike = at.setdefault(band, [])
                    if len(alike) < _CANDIDATES_PER_BAND:
                        alike.append(index)
        found: list[int] = []
        for at, band in zip(self._banded, bands(sketch), strict=True):
            found += at.get(band, ())
        return found


def _median(shares: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the median of shares of 256 bits and the half-width of its 95 % interval."""
    if not shares:
        return None, None
    from statistics import median, stdev

    middle = median(shares)
    by_chance = math.sqrt(max(middle * (1 - middle), 1 / BITS) / BITS)
    spread = max(by_chance, stdev(shares) if len(shares) > 1 else 0.0)
    factor = _MEDIAN_BY_MEAN if len(shares) > 2 else 1.0  # noqa: PLR2004 - of one or two it is the mean
    return middle, _CONFIDENCE * factor * spread / math.sqrt(len(shares))


_LOW_RANK = re.compile(
    r"(?:base_model\.model\.)?(?P<layer>.+?)(?:\.weight)?\.lora_(?P<side>[AaBb])(?:\.[A-Za-z0-9_-]{1,64}){0,2}"
)
_PREFIXES: Final = 3


def _adapter_fit(children: Sequence[Tensor], parents: Sequence[Tensor]) -> AdapterFit | None:
    """Hold low-rank matrices against the layers that they are for; None if the child has none.

    Of a layer with shape out x in, A is rank x in and B is out x rank; some libraries keep layers transposed.
    Names may differ in their first parts, which say what the model is wrapped in.
    """
    matrices = [(each, found) for each in children if (found := _LOW_RANK.fullmatch(each.name))]
    if not matrices:
        return None
    layers: dict[str, Tensor] = {}
    for tensor in parents:
        for name in _shortened(tensor.name.removesuffix(".weight")):
            layers.setdefault(name, tensor)
    known = fitting = 0
    for tensor, found in matrices:
        layer = next((layers[name] for name in _shortened(found["layer"]) if name in layers), None)
        if layer is None or len(tensor.shape) != 2:  # noqa: PLR2004 - a matrix
            continue
        known += 1
        fitting += tensor.shape[1 if found["side"] in "Aa" else 0] in layer.shape
    return AdapterFit(len(matrices), known, fitting)


def _shortened(name: str) -> Iterator[str]:
    """Yield a name, and what is left of it without its first parts; never less than two parts."""
    yield name
    for _ in range(_PREFIXES):
        _, dot, name = name.partition(".")
        if not dot or "." not in name:
            return
        yield name


def _percent(value: float) -> str:
    """Two decimals, never rounded up: what is not all is not 100."""
    return f"{math.floor(value * 100) / 100:.2f}"
