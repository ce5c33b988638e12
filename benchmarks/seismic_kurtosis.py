"""Compare the fused kurtosis and log standard deviation with the formula in eager mode.

    python benchmarks/seismic_kurtosis.py

Measures the CPU, and CUDA if there is a device, and writes benchmarks/results/seismic_kurtosis.csv.
Rounds are interleaved as A B C, C B A. A time is the median over rounds: CPU time of the process on
a CPU, so that other processes matter little, and time between events on CUDA. A ratio is the median
over rounds of peer / fused, with a bootstrapped 95 % interval. Further columns are the bytes kept
for backward and the errors against float64; in float32 the mean is a thousand deviations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from lora.timing import compared, interleaved
from runner import machine, option, out, parsed, printed, write
from torch import Tensor

from scionwood_seismic.kernels import moments, report

Statistic = Callable[[Tensor], tuple[Tensor, Tensor]]

SHAPES = {
    "cpu": [(1, 224, 224), (8, 224, 224), (64, 224, 224), (1, 1000, 4000), (1576, 1, 768)],
    "cuda": [(8, 224, 224), (64, 224, 224), (1, 4000, 30000), (64, 1024, 1024), (12608, 1, 768)],
}
DTYPES = [torch.float32, torch.bfloat16]


def fused(x: Tensor) -> tuple[Tensor, Tensor]:
    """Use the operator of this package."""
    values = moments(x)
    return values.kurtosis, values.log_std


def eager(x: Tensor) -> tuple[Tensor, Tensor]:
    """Use the formula as it is usually written."""
    std = x.std((-2, -1), correction=0)
    z = (x - x.mean((-2, -1), keepdim=True)) / std[..., None, None]
    return z.pow(4).mean((-2, -1)) - 3, std.log()


def eager_products(x: Tensor) -> tuple[Tensor, Tensor]:
    """Use the fastest eager formula: squares of squares, without repeated work."""
    square = (x - x.mean((-2, -1), keepdim=True)).square()
    variance = square.mean((-2, -1))
    return square.square().mean((-2, -1)) / variance.square() - 3, variance.log() / 2


RIVALS: dict[str, Statistic] = {
    "fused": fused,
    "eager": eager,
    "eager products": eager_products,
}


def step(statistic: Statistic, x: Tensor, backward: bool) -> Callable[[], object]:
    """Return one call: forward without a graph, or forward and backward."""
    if not backward:
        return lambda: statistic(x.detach())
    return lambda: torch.autograd.grad(sum(value.sum() for value in statistic(x)), x)


def bytes_of(statistic: Statistic, x: Tensor) -> float:
    """Return the bytes kept for backward, over those of x."""
    sizes: dict[int, tuple[Tensor, int]] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        sizes[storage.data_ptr()] = t, storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        values = statistic(x)
    assert all(value.requires_grad for value in values)
    return sum(size for _, size in sizes.values()) / x.untyped_storage().nbytes()


def errors(statistic: Statistic, device: str, dtype: torch.dtype) -> tuple[float, float]:
    """Return the absolute error of the kurtosis and the relative error of the gradient.

    Both refer to float64. In float32 the mean is a thousand deviations; bfloat16 cannot represent
    such samples.
    """
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn((1, 224, 224), generator=generator, dtype=torch.float64)
    sample = (sample + 1e3 if dtype == torch.float32 else sample).to(dtype).to(device)
    results = []
    for rival, x in ((statistic, sample), (eager, sample.double())):
        value, log_std = rival(x.requires_grad_())
        (gradient,) = torch.autograd.grad((value + log_std).sum(), x)
        assert gradient.norm() > 0
        results.append((value.detach().double(), gradient.double()))
    (value, gradient), (exact_value, exact_gradient) = results
    relative = (gradient - exact_gradient).norm() / exact_gradient.norm()
    return float((value - exact_value).abs()), float(relative)


def cases(device: str, rounds: int) -> Iterator[dict[str, object]]:
    """Yield the rows of the table."""
    for dtype in DTYPES:
        wrong = {name: errors(rival, device, dtype) for name, rival in RIVALS.items()}
        for shape in SHAPES[device]:
            x = torch.randn(shape, device=device).to(dtype).requires_grad_()
            for backward in (False, True):
                runs = {name: step(rival, x, backward) for name, rival in RIVALS.items()}
                runs["copy"] = lambda x=x: x.detach().clone()
                times = interleaved(runs, rounds, device)
                # Reads and writes of x, relative to the two of a copy.
                moved = (3 if backward else 1) / 2
                for name, rival in RIVALS.items():
                    share = moved * np.median(times["copy"]) / np.median(times[name])
                    yield {
                        "device": device,
                        "dtype": str(dtype).removeprefix("torch."),
                        "shape": "x".join(map(str, shape)),
                        "pass": "forward+backward" if backward else "forward",
                        "rival": name,
                        **compared(times[name], times["fused"]),
                        "of_copy_bandwidth": f"{share:.2f}",
                        "kept_over_x": f"{bytes_of(rival, x):.3f}",
                        "kurtosis_error": f"{wrong[name][0]:.1e}",
                        "gradient_error": f"{wrong[name][1]:.1e}",
                    }


def main() -> None:
    options = parsed(
        "Fused kurtosis against the eager formula.",
        option("--rounds", type=int, default=30),
        out("seismic_kurtosis"),
    )
    rows = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        print(report(device))
        rows += printed(cases(device, options.rounds), {"rounds": options.rounds} | machine(device))
    write(options.out, rows)


if __name__ == "__main__":
    main()
