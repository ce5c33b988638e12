"""Fused LoRA layers beside peft, a function by hand and the frozen network: time, bytes, error.

    python benchmarks/lora_kernels.py                  # the CPU, one thread: a quarter of an hour
    python benchmarks/lora_kernels.py --only layer
    python benchmarks/lora_kernels.py --device cuda --only layer
    python benchmarks/lora_kernels.py --only trainer capture

Writes into benchmarks/results: lora_layer.csv (one layer with 4 rows, forward and backward),
lora_step.csv (training steps, and the bytes that they keep), and if named, lora_trainer.csv
(the NaN guard) and lora_capture.csv (what a CUDA graph can repeat). Forms have equal weights and
inputs, and are timed in turns: CPU time of the process, or time between events of a card. A ratio
is the median over rounds with a bootstrapped interval of 95 %. The same run compares all gradients
with float64.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from lora import models
from lora.memory import kept_by
from lora.models import FORMS, Setup, Step
from lora.timing import interleaved, ratio
from runner import RESULTS, Row, machine, option, parsed, printed, replace_rows

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LAYERS = {"64, 2-D": (64, (4,)), "64, 3-D": (64, (1, 4))}
LAYERS |= {"384, 3-D": (384, (1, 4)), "768, 3-D": (768, (1, 4))}
ON_A_CARD = {"384, 1576 rows": (384, (1576,)), "768, 12608 rows": (768, (12608,))}
NETS: dict[str, Callable[[], Setup]] = {
    "ViT-S, 2 blocks, batch 4": models.vit,
    "Llama, 576 wide, 6 blocks, 2 x 96 tokens": models.llama,
}
TINY: dict[str, Callable[[], Setup]] = {
    "ViT-S, tiny": lambda: models.vit(1, 32, 1),
    "Llama, tiny": lambda: models.llama(1, 64, 4),
}


def steps(make: Callable[[], Setup], forms: Iterable[str], dtype: str, device: str) -> Any:
    """Return a step for each form, with equal weights and inputs."""
    torch.manual_seed(0)
    setup = make()
    setup = setup._replace(x=setup.x.to(device))
    made = {}
    for form in forms:
        if "bf16" in form and dtype == "float32":
            continue
        torch.manual_seed(2)  # of A and the gradient
        own = setup._replace(net=copy.deepcopy(setup.net).to(device))
        made[form] = Step(own, form, DTYPES[dtype])
    return made


def errors(made: dict[str, Step]) -> dict[str, str]:
    """Return the error of each form against float64, over that of peft, with a check of both."""
    exact = copy.deepcopy(made["peft"])
    exact.model.double()
    exact.x, exact.grad = exact.x.detach().double().requires_grad_(), exact.grad.double()
    right, texts, peft = exact.gradients(), {}, 0.0
    for form, step in made.items():
        if form == "frozen":
            continue
        found = step.gradients()
        assert found.keys() == right.keys(), f"{form} has other gradients than peft"
        assert all(value.norm() > 0 for value in found.values()), f"{form}: a gradient is zero"
        error = max(float((found[n] - value).norm() / value.norm()) for n, value in right.items())
        peft = error if form == "peft" else peft
        texts[form] = f"{error / peft:.2f}"
    return texts


def compared(about: Row, made: dict[str, Step], runs: Any, device: str, rounds: int) -> Any:
    """Yield the rows of one table for one network: medians, ratios and errors."""
    off = errors(made)
    seconds = interleaved(runs, rounds, device)
    for form, spent in seconds.items():
        row = about | {"form": form, "median_us": f"{1e6 * sorted(spent)[len(spent) // 2]:.1f}"}
        for peer, name in (("peft", "peft"), ("addmm by hand", "hand")):
            middle, low, high = ratio(spent, seconds[peer])
            row |= {f"over_{name}": f"{middle:.3f}", f"{name}_low": f"{low:.3f}"}
            row[f"{name}_high"] = f"{high:.3f}"
        yield row | {"error_over_peft": off.get(form, ""), "rounds": rounds}


def layer_rows(device: str, rounds: int, until: float) -> Iterator[Row]:
    """Yield the rows of lora_layer.csv."""
    for dtype in DTYPES:
        for title, size in (LAYERS if device == "cpu" else ON_A_CARD).items():
            if time.monotonic() > until:
                return
            made = steps(lambda size=size: models.layer(*size), FORMS[:5], dtype, device)
            about = {"device": device, "dtype": dtype, "layer": title}
            runs = {form: step.pass_both_ways for form, step in made.items()}
            for row in compared(about, made, runs, device, rounds):
                yield row | machine(device)


def step_rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_step.csv."""
    for title, make in (TINY if quick else NETS).items():
        for dtype in DTYPES:
            made = steps(make, FORMS, dtype, device)
            kept = {form: kept_by(step.model, step.x) for form, step in made.items()}
            about = {"device": device, "model": title, "dtype": dtype}
            runs = {form: step.run for form, step in made.items()}
            for row in compared(about, made, runs, device, rounds):
                size = kept[row["form"]]
                row |= {"mib": f"{size / 2**20:.2f}", "over_frozen": f"{size / kept['frozen']:.3f}"}
                yield row | machine(device)


def main() -> None:
    """Measure, print and write."""
    options = parsed(
        __doc__,
        option("--device", choices=["cpu", "cuda"], default="cpu"),
        option("--threads", type=int, default=1),
        option("--rounds", type=int, default=20),
        option("--only", nargs="*", default=["layer", "step"],
               choices=["layer", "step", "trainer", "capture"]),
        option("--seconds", type=float, default=float("inf"), help="of the layers"),
        option("--quick", action="store_true", help="tiny networks: does it run?"),
        option("--output", type=Path, default=RESULTS, help="folder of the CSVs"),
        threads=None,
    )  # fmt: skip
    torch.set_num_threads(options.threads)
    device, rounds, quick = options.device, options.rounds, options.quick
    until = time.monotonic() + options.seconds
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "layer": lambda: layer_rows(device, rounds, until),
        "step": lambda: step_rows(device, rounds, quick),
        "trainer": lambda: import_module("lora.trainer").rows(device, rounds, quick),
        "capture": lambda: import_module("lora.trainer").capture_rows(device, quick),
    }
    for name in options.only:
        replace_rows(options.output / f"lora_{name}.csv", printed(parts[name]()), ("device",))


if __name__ == "__main__":
    main()
