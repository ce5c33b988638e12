"""Measure the tiles of the Triton kernels on a card, and write what `cards` keeps.

Only `python -m scionwood.kernels tune` measures; training never does. Each candidate is compared
with the products of the library before it is timed. One that fails is named and left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from scionwood.kernels import addmm, augmented
from scionwood.kernels.candidates import candidates
from scionwood.kernels.cards import Card, computed, key
from scionwood.kernels.triton_plan import Plan, Shape, Tile

FAR = 0.03
"""The largest distance from the library, relative to the largest entry."""
NONE = Tile(0, 0, 0, 0, 0)
"""The tile of a failure that has none."""
REPEATS = 20
FLOAT32 = torch.float32
TINY = {
    "tiny": Shape(20, 24, 16, 4, FLOAT32, False),
    "tiny, TF32": Shape(20, 24, 16, 4, FLOAT32, False, tf32=True),
    "tiny, gate": Shape(20, 24, 16, 8, FLOAT32, False, gated=True),
}
SHAPES = {
    "ViT-S proj": Shape(1576, 384, 384, 8),
    "ViT-S qkv": Shape(1576, 1152, 384, 8),
    "ViT-S fc1": Shape(1576, 1536, 384, 8),
    "ViT-S fc2": Shape(1576, 384, 1536, 8),
    "ViT-B proj": Shape(12608, 768, 768, 8),
    "ViT-B qkv": Shape(12608, 2304, 768, 8),
    "ViT-B fc1": Shape(12608, 3072, 768, 8),
    "ViT-B fc2": Shape(12608, 768, 3072, 8),
    "ViT-L proj": Shape(12608, 1024, 1024, 16),
    "ViT-L qkv": Shape(12608, 3072, 1024, 16),
    "ViT-L fc1": Shape(12608, 4096, 1024, 16),
    "ViT-L fc2": Shape(12608, 1024, 4096, 16),
    "Llama-8B q, o": Shape(8192, 4096, 4096, 16),
    "Llama-8B k, v": Shape(8192, 1024, 4096, 16),
    "edges of a mesh": Shape(1 << 20, 128, 128, 8),
    "ViT-B qkv, gate": Shape(12608, 2304, 768, 16, gated=True),
    "ViT-B fc2, gate": Shape(12608, 768, 3072, 16, gated=True),
    "ViT-B qkv, TF32": Shape(12608, 2304, 768, 8, FLOAT32, False, tf32=True),
    "ViT-B fc2, TF32": Shape(12608, 768, 3072, 8, FLOAT32, False, tf32=True),
    "edges, TF32": Shape(1 << 20, 128, 128, 8, FLOAT32, False, tf32=True),
    "edges, float32": Shape(1 << 20, 128, 128, 8, FLOAT32, False),
}
"""The layers of the documentation: tokens, outputs, inputs, and rows of A."""
KERNELS = ("up", "down", "through_b", "over_rows", "dx")
_FORWARD = ("up", "down")


@final
class Failure(NamedTuple):
    """A candidate that is left out."""

    kernel: str
    tile: Tile
    why: str


@final
class Layer:
    """The operands of a layer on a device, and what the library computes with them."""

    def __init__(self, shape: Shape, device: str) -> None:
        m, n, k, rank, dtype, wide, *_ = shape
        low = torch.float32 if wide else dtype
        rng = torch.Generator(device).manual_seed(0)  # a user's random numbers stay as they are

        def draw(rows: int, columns: int, dtype: torch.dtype) -> Tensor:
            sample: Tensor = torch.randn(rows, columns, generator=rng, device=device)
            return sample.div(columns**0.5).to(dtype)

        self.shape, self.device = shape, device
        self.x, self.grad = draw(m, k, dtype), draw(m, n, dtype)
        self.weight, self.a, self.b = draw(n, k, dtype), draw(rank, k, low), draw(n, shape.low, low)
        self.gate = draw(1, shape.low, low)[0] if shape.gated else None
        y, self.z = self.arm(addmm, "forward")()
        self.right = y, self.z, *self.arm(addmm, "backward")()

    def arm(self, module: Any, direction: str, cut: Plan | None = None) -> Callable[[], Any]:
        """Return a call of an implementation; the library casts the factors in it, as it must."""

        def call() -> tuple[Tensor, ...]:
            a, b, gate = self.a, self.b, self.gate
            if cut is None:
                a, b = a.to(self.shape.dtype), b.to(self.shape.dtype)
                gate = None if gate is None else gate.to(self.shape.dtype)
            options: tuple[Any, ...] = (gate, None, 0.7, 0.0)
            last = () if cut is None else (cut,)
            if direction == "forward":
                outputs = module.lora_linear(self.x, self.weight, None, a, b, *options, *last)
            else:
                operands = (self.grad, self.x, self.weight, a, b, self.z)
                outputs = module.lora_linear_backward(*operands, *options, True, *last)
            return tuple(tensor for tensor in outputs if tensor is not None)

        return call

    def agrees(self, outputs: tuple[Tensor, ...], direction: str) -> bool:
        """Return whether tensors are near those of the library."""
        right = self.right[:2] if direction == "forward" else self.right[2:]
        return all(
            bool((one - other).abs().max() <= FAR * other.abs().max())
            for one, other in zip(outputs, right, strict=True)
        )


def attempt(device: torch.device) -> None:
    """Run a small layer forward and backward; the errors of compiler and driver pass through."""
    from scionwood.kernels import triton_lora

    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        layer = Layer(Shape(16, 16, 16, 16, wide=False), str(device))
        cut = triton_lora.planned(layer.x, layer.weight, layer.a)
        for direction in ("forward", "backward"):
            if not layer.agrees(layer.arm(triton_lora, direction, cut)(), direction):
                raise RuntimeError(f"the {direction} pass of a small layer is wrong")


def sweep(
    shape: Shape, gpu: Card, device: str, until: float, configs: Mapping[str, tuple[Tile, ...]]
) -> tuple[dict[str, Any], list[Failure]] | None:
    """Measure every tile of every kernel for a shape, one kernel at a time.

    Args:
        shape: The layer.
        gpu: The card.
        device: `cuda`, or `cpu` in the interpreter of Triton.
        until: The `time.monotonic` after which no candidate starts.
        configs: The candidates of each kernel.

    Returns:
        The entry of the table and what failed, or `None` if the time was over.
    """
    from scionwood.kernels import triton_lora

    layer = Layer(shape, device)
    failures: list[Failure] = []
    cut = computed(gpu, shape)
    for kernel, several in configs.items():
        direction = "forward" if kernel in _FORWARD else "backward"
        times: dict[Tile, float] = {}
        for tile in dict.fromkeys((getattr(cut, kernel), *several)):
            if time.monotonic() > until:
                return None
            call = layer.arm(triton_lora, direction, replaced(cut, kernel, tile))
            took, why = _measured(layer, call, direction)
            if why:
                failures.append(Failure(kernel, tile, why))
            else:
                times[tile] = took
        if times:
            cut = replaced(cut, kernel, min(times, key=times.__getitem__))
    return _entry(layer, cut), failures


def replaced(cut: Plan, kernel: str, tile: Tile) -> Plan:
    """Return a plan with the tile of one kernel replaced."""
    fields: dict[str, Any] = {kernel: tile}
    return cut._replace(**fields)


def _measured(layer: Layer, call: Callable[[], Any], direction: str) -> tuple[float, str]:
    """Return the seconds of a call and why it cannot be used; too little memory is a reason."""
    try:
        if not layer.agrees(call(), direction):
            return 0.0, "it differs from the library"
        return seconds(call, layer.device), ""
    except Exception as error:  # too little memory, or a tile that the compiler refuses
        return 0.0, _describe_failure(error, layer.device)


def _describe_failure(error: Exception, device: str) -> str:
    """Return the first line of an error, and free what the failed call has left."""
    if device == "cuda":
        torch.cuda.empty_cache()
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"


def _entry(layer: Layer, cut: Plan) -> dict[str, Any]:
    """Return the entry of a shape: tiles, the microseconds of each arm, and the fastest arms."""
    from scionwood.kernels import triton_lora

    micros: dict[str, dict[str, float]] = {}
    for direction, modules in (("forward", (addmm, augmented)), ("backward", (addmm,))):
        calls = {module.__name__.split(".")[-1]: layer.arm(module, direction) for module in modules}
        calls["triton"] = layer.arm(triton_lora, direction, cut)
        took = {name: _measured(layer, call, direction) for name, call in calls.items()}
        micros[direction] = {n: round(t * 1e6, 2) for n, (t, why) in took.items() if not why}
    return {
        **key(layer.shape),
        **{"m": layer.shape.m, "width": cut.rank},
        "plan": {kernel: list(getattr(cut, kernel)) for kernel in KERNELS},
        "arms": {
            w: min(timings, key=timings.__getitem__, default="addmm")
            for w, timings in micros.items()
        },
        "microseconds": micros,
    }


def seconds(call: Callable[[], Any], device: str) -> float:
    """Return the time of a call: between events on a card, by the clock in the interpreter."""
    if device != "cuda":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    event: Any = torch.cuda.Event  # its constructor has no types
    start, end = (event(enable_timing=True) for _ in range(2))
    call()
    start.record()
    for _ in range(REPEATS):
        call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / REPEATS


@contextmanager
def rounding(tf32: bool) -> Iterator[None]:
    """Let the library round float32 operands to TF32, or forbid it, and restore what was set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def rates() -> dict[str, float]:
    """Measure the rates of the current card: large products of each number format, and a copy."""
    by_rate: dict[str, float] = {}
    for name, dtype in (("flops", torch.bfloat16), ("tf32", FLOAT32), ("float32", FLOAT32)):
        a, b = (torch.randn(8192, 8192, device="cuda").to(dtype) for _ in range(2))
        with rounding(name == "tf32"):
            by_rate[name] = 2 * 8192**3 / seconds(lambda a=a, b=b: a @ b, "cuda")  # type: ignore[misc]
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    copied = seconds(lambda: target.copy_(source), "cuda")
    return by_rate | {"bytes": 2 * source.nbytes / copied}


def tune(
    gpu: Card,
    device: str,
    shapes: Mapping[str, Shape],
    limit: float,
    configs: Callable[[Shape], Mapping[str, tuple[Tile, ...]]] = candidates,
) -> Iterator[tuple[str, dict[str, Any] | None, list[Failure]]]:
    """Yield the name, the entry and the failures of each shape.

    Without an entry, the memory did not suffice for the layer, which is then the failure, or the
    time was over.
    """
    until = time.monotonic() + limit
    for name, shape in shapes.items():
        entry: dict[str, Any] | None = None
        failures: list[Failure] = []
        try:
            with rounding(shape.tf32):
                outcome = time.monotonic() < until and sweep(
                    shape, gpu, device, until, configs(shape)
                )
            entry, failures = outcome or (None, [])
        except torch.OutOfMemoryError as error:  # of the layer itself; others are smaller
            failures = [Failure("layer", NONE, _describe_failure(error, device))]
        yield name, entry, failures
