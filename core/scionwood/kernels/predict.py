"""Predict the time of a LoRA linear layer on a card from waves, bytes and launches.

A kernel costs its operations or its bytes, whichever takes longer, and `GAP` besides. A product
runs at the rate of its tiles, times the share of the card that they occupy. Products of the library
choose among more tiles than Triton's. Nothing here is measured, except the rates of a card that is
in the table of `cards`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, final

from scionwood.kernels.cards import Card, planned
from scionwood.kernels.triton_plan import (
    JOINT,
    RATES,
    Shape,
    Tile,
    folds,
    groups,
    parts,
    pieces,
    speed,
)

Direction = Literal["forward", "backward"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")
TRITON = 0.9
"""The assumed speed of a product in Triton relative to one of the library with equal tiles."""
GAP = 2e-6
"""Seconds between two kernels, while the card is idle."""
LIBRARY = tuple(Tile(rows, columns, 64, 8, 3) for rows, columns in RATES)
"""The tiles of the library's products."""
PEFT = {"peft": ((5, 14), (10, 11)), "peft, bf16 adapters": ((1, 6), (5, 4))}
"""Passes over x (m, k) and over y (m, n) beside the base, forward and backward."""
PEFT_LAUNCHES = {"peft": (7, 9), "peft, bf16 adapters": (5, 7)}
GATE = (3, 12)
"""The launches of a gate in plain torch, forward and backward."""


@final
class Cost(NamedTuple):
    """What a form of a layer costs in one direction."""

    seconds: float
    bytes: float
    """Read and written, the base included."""
    launches: int
    waves: float
    """Tiles of the base product for each multiprocessor."""
    persistent: bool = False
    """Whether the product has no broken wave."""


@lru_cache(maxsize=4096)
def costs(gpu: Card, shape: Shape, direction: Direction) -> dict[str, Cost]:
    """Return the cost of every form in one direction: of ours, of peft, and of the limit.

    Example:
        >>> from scionwood.kernels.cards import H100
        >>> from scionwood.kernels.predict import costs
        >>> from scionwood.kernels.triton_plan import Shape
        >>> costs(H100, Shape(12608, 768, 768, 8), "forward")["triton"].launches
        2
    """
    sums = _Sums(gpu, shape)
    return sums.forward() if direction == "forward" else sums.backward()


def best(gpu: Card, shape: Shape, direction: Direction) -> tuple[str, str]:
    """Return the implementation with the least predicted time, and the prediction in words."""
    by_form = costs(gpu, shape, direction)
    arms = [name for name in ("triton", "addmm", "augmented") if name in by_form]
    first = min(arms, key=lambda name: by_form[name].seconds)
    cost = by_form[first]
    others = [name for name in by_form if name not in (first, "peft")]
    ratios = ", ".join(f"{name} {by_form[name].seconds / cost.seconds:.2f}" for name in others)
    waves = f"{cost.waves:.2f} waves{', persistent' if cost.persistent else ''}"
    about = f"{waves}, {cost.bytes / 1e6:.0f} MB, {cost.launches} launches"
    took = f"predicted {direction} {cost.seconds * 1e6:.0f} us"
    return first, f"{took} ({about}); times this: {ratios}"


@final
class _Sums:
    """Adds up the kernels of each form."""

    def __init__(self, gpu: Card, shape: Shape) -> None:
        self.own, self.shape, self.cut = gpu, shape, planned(gpu, shape)
        m, n, k, rank, dtype, wide, *_ = shape
        self.x, self.y, self.w = (dtype.itemsize * size for size in (m * k, m * n, n * k))
        self.z = dtype.itemsize * m * rank
        self.casts = 2 if wide else 0
        self.joint = shape.low <= JOINT
        self.gate = GATE if shape.gated else (0, 0)

    def forward(self) -> dict[str, Cost]:
        """Return the costs forward."""
        m, n, k, rank, *_ = self.shape
        base, product = self._library(m, n, k), self._bytes()
        fused_seconds = self._fused(self.cut.up, m, n, k)
        wider = -(-(k + rank) // 8) * 8
        copied = 2 * self.x + self.z * 2 + 2 * self.w
        joined, more = self._library(m, n, wider), self.casts + self.gate[0]
        return {
            "limit": self._cost(max(base, self._time(product)), product + self.x, 2),
            "triton": self._of(fused_seconds, product + self.z, self.x + self.z, 2, self.cut.up, n),
            "addmm": self._of(base, product, self.x + 2 * self.y + self.z, more + 3),
            "augmented": self._of(joined, product + self.z, self.x + copied, more + 5),
            **self._peft(base, product, 0),
        }

    def backward(self) -> dict[str, Cost]:
        """Return the costs backward."""
        m, n, k, *_ = self.shape
        base, product = self._library(m, k, n), self._bytes()
        fused_seconds = self._fused(self.cut.dx, m, k, n)
        across = parts(n, self.cut.through_b.columns) if self.joint else 1
        low = self.shape.low
        shares = 2 * 4 * m * low * across + self._partial()
        reads = self.x + (self.y if self.joint else 2 * self.y) + shares
        apart = self.shape.gated or not folds((across, m, low), k, self.cut)
        launches = 3 + (not self.joint) + apart + self.shape.gated  # the last: the sum of its bias
        _, count = pieces(m, n, low, self.cut) if self.joint else (m, 1)
        launches += 2 * count - 1 if count > 1 else 0  # two for each piece, and one joins dB
        library = 2 * self.y + self.x + 2 * self.x
        return {
            "limit": self._cost(
                max(base, self._time(product)), product + self.x + self.y, 3, extra=self.x + self.y
            ),
            "triton": self._of(fused_seconds, product, reads, launches, self.cut.dx, k),
            "addmm": self._of(base, product, library, 10 + self.casts + self.gate[1]),
            **self._peft(base, product, 1),
        }

    def _partial(self) -> int:
        m, n, k, rank, *_ = self.shape
        low = self.shape.low
        through, over = self.cut.through_b, self.cut.over_rows
        by_b, _ = groups(m, through, parts(n, through.columns), self.cut.programs)
        by_a, _ = groups(m, over, parts(k, over.columns), self.cut.programs)
        return 2 * 4 * (low * by_b * n + rank * by_a * k)

    def _peft(self, base: float, product: float, at: int) -> dict[str, Cost]:
        by_form = {}
        for name in PEFT:
            measured_form = name if self.shape.wide else "peft, bf16 adapters"  # nothing is cast
            by_x, by_y = PEFT[measured_form][at]
            others = by_x * self.x + by_y * self.y
            by_form[name] = self._of(base, product, others, PEFT_LAUNCHES[measured_form][at] + 1)
        return by_form

    def _of(
        self,
        seconds: float,
        product: float,
        others: float,
        launches: int,
        tile: Tile | None = None,
        width: int = 0,
    ) -> Cost:
        """Return a cost: a product, the bytes of the other kernels, and all launches."""
        took = max(seconds, self._time(product)) + self._time(others) + launches * GAP
        m, n, *_ = self.shape
        waves = (tile or LIBRARY[0]).waves(m, width or n, self.own.processors)
        return Cost(took, product + others, launches, waves, bool(tile and tile.stream))

    def _cost(self, seconds: float, total: float, launches: int, extra: float = 0) -> Cost:
        took = seconds + self._time(extra or self.x) + launches * GAP
        return Cost(took, total, launches, 0.0)

    def _library(self, m: int, n: int, depth: int) -> float:
        fastest = max(speed(tile, m, n, self.own.processors, depth) for tile in LIBRARY)
        return 2 * m * n * depth / self.own.rate(self.shape) / fastest

    def _fused(self, tile: Tile, m: int, n: int, depth: int) -> float:
        rate = TRITON * speed(tile, m, n, self.own.processors, depth)
        return 2 * m * n * depth / self.own.rate(self.shape) / rate

    def _bytes(self) -> float:
        return self.x + self.y + self.w

    def _time(self, amount: float) -> float:
        return amount / self.own.bytes


def bound(gpu: Card, shape: Shape, direction: Direction) -> float:
    """Return the seconds that no form can beat on a card: its operations, or its bytes."""
    m, n, k, *_ = shape
    min_bytes = costs(gpu, shape, direction)["limit"].bytes
    return max(2 * m * n * k / gpu.rate(shape), min_bytes / gpu.bytes)


def table(gpu: Card, shapes: Mapping[str, Shape]) -> str:
    """Return a table of predictions, one line for each layer and direction."""
    head = f"{'layer':16} {'m x k to n, rank':26} {'':8} {'waves':>6} {'launches':>8} {'MB':>7}"
    head += f" {'us':>7} {'limit':>6} {'addmm':>6} {'augm.':>6} {'peft':>6}  chosen"
    lines = [f"{gpu.name}: predicted, not measured. Ratios: time of the other over ours", head]
    for name, shape in shapes.items():
        for direction in DIRECTIONS:
            by_form = costs(gpu, shape, direction)
            triton, chosen = by_form["triton"], best(gpu, shape, direction)[0]
            ratio = {form: f"{cost.seconds / triton.seconds:.2f}" for form, cost in by_form.items()}
            size = f"{shape.m} x {shape.k} to {shape.n}, {shape.rank}"
            lines.append(
                f"{name:16} {size:26} {direction:8} {triton.waves:6.2f} {triton.launches:8}"
                f" {triton.bytes / 1e6:7.1f} {triton.seconds * 1e6:7.1f} {ratio['limit']:>6}"
                f" {ratio['addmm']:>6} {ratio.get('augmented', ''):>6}"
                f" {ratio['peft, bf16 adapters']:>6}"
                f"  {chosen}{', persistent' if by_form[chosen].persistent else ''}"
            )
    return "\n".join(lines)
