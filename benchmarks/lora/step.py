"""Time of a whole training step of a ViT: forward, backward and AdamW."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner import Row, machine
from torch import Tensor

from lora import gpu
from lora.models import REGIMES, SETUPS, TINY, Setup, Step, Variant, adapters, floors
from lora.timing import Phases, apart, compared, measure, total

PASSES = {
    "forward+backward": ("forward", "backward"),
    "step": ("forward", "backward", "optimizer", gpu.REPLAY),
}
TOLERANCE = {"float32": 1e-4, "autocast bfloat16": 5e-2, "bfloat16 base": 5e-2}
"""The relative distance of a gradient from peft's, after all layers of rounding between them."""


def rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_step.csv."""
    for setup in [TINY] if quick else SETUPS[device]:
        yield from _setup(setup, device, rounds)


def _setup(setup: Setup, device: str, rounds: int) -> Iterator[Row]:
    variants = [v for regime in REGIMES for v in floors(regime)]
    variants += [v for regime in REGIMES for t in setup.targets for v in adapters(regime, t)]
    steps = {variant: Step(setup, variant, device) for variant in variants}
    for step in steps.values():
        step.run()  # the warm-up, whose gradients are checked
    far = _check({variant: step.gradients() for variant, step in steps.items()})
    phases: dict[Any, Phases] = {variant: step.phases() for variant, step in steps.items()}
    if device == "cuda":
        phases |= gpu.faster(setup, variants)
    times = measure(phases, device, rounds, 0.0 if device == "cpu" else 1.0)
    on_gpu = {v: gpu.gpu_columns(steps[v].run) for v in variants} if device == "cuda" else {}
    about: Row = {"device": device, "model": setup.title}
    for regime in REGIMES:
        for targets in setup.targets:
            base = Variant("ours", regime, targets, fused=True)
            plain = Variant("ours", REGIMES[0], targets, fused=True)
            peers = {v.form: v for v in phases if v.regime == regime and v.targets in ("", targets)}
            if regime != REGIMES[0]:
                peers["ours, float32"] = plain
            for form, variant in peers.items():
                for name, columns in _compare(times[variant], times[base]).items():
                    yield {
                        **about,
                        "regime": regime.name,
                        "targets": targets,
                        "pass": name,
                        "form": form,
                        **columns,
                        "gradient_distance": far.get(variant, "") if form == variant.form else "",
                        "rounds": rounds,
                        **(on_gpu.get(variant, {}) if name == "step" else {}),
                        **machine(device),
                    }


def _compare(times: Mapping[str, list[float]], base: Mapping[str, list[float]]) -> dict[str, Row]:
    totals = {name: (total(times, p), total(base, p)) for name, p in PASSES.items()}
    return {name: compared(*pair) for name, pair in totals.items() if pair[0].size}


def _check(gradients: dict[Variant, dict[str, Tensor]]) -> dict[Variant, str]:
    """Return the largest relative distance of our gradients from peft's, over the parameters.

    Raises:
        AssertionError: a gradient is missing or zero, or too far from peft's.
    """
    for variant, mine in gradients.items():
        assert mine, f"{variant.form}: no gradient"
        assert all(value.norm() > 0 for value in mine.values()), f"{variant.form}: a zero gradient"
    peers = {v: v._replace(form=v.form.replace("ours", "peft"), fused=False) for v in gradients}
    return {
        v: apart(mine, gradients[peers[v]], v.form, TOLERANCE[v.regime.name])
        for v, mine in gradients.items()
        if v.fused
    }
