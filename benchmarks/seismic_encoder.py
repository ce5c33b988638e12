"""Measure what an encoder and its adapter are worth, beside a plain network at equal CPU seconds.

    python benchmarks/seismic_encoder.py --data FOLDER --dinov2 dinov2_s.safetensors --seeds 0 1 2

Every network trains on the same records with the same loss for the same seconds of one CPU core,
and is then tested without the harm gate: on generated records, on a Viking shot and on a section
over a salt body. `--dinov2` names the weights of a DINOv2 ViT-S in timm's or Meta's names. The
folder is that of seismic_field.py. Each row is appended to benchmarks/results/seismic_encoder.csv
when it is measured, and measured once: a stopped benchmark goes on with the row that is missing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig
from runner import Table, option, out, parsed, peak_memory
from seismic_field import removed, score
from seismic_field_cases import FIELD_DATA, GROUPS, Case
from torch import Tensor, nn

from scionwood import attach
from scionwood_seismic.backbones import dinov2_unet, dinov3_unet, field_unet
from scionwood_seismic.data.field import FieldCrops
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.synth.field_noise import draw_noise

GATHERS = (8, 64, 512)
SHAPE, BATCH = (64, 128), 12
PART = (200, 600)
"""Traces and samples of a field record that are tested at most."""

FLOOR = 10**-3.2
"""The floor of the loss `log` of the task `seismic/denoise`: an error of -32 dB."""

Batch = dict[str, Tensor]
Rates = dict[float, list[nn.Parameter]]
"""What trains, by its highest rate."""

FIELD = {
    ("viking", "as recorded", "none"): "viking_removed",
    ("viking", "t^2 gain", "white"): "viking_white",
    ("viking", "t^2 gain", "FORGE"): "viking_forge",
    ("salt", "as it is", "none"): "salt_removed",
    ("salt", "as it is", "white"): "salt_white",
}
"""Group, name and noise of a field record -> the name of its number."""


@dataclass(frozen=True)
class Variant:
    """A network and what of it trains.

    Attributes:
        encoder: plain (none), tiny (DINOv3, 1.2 M), small (DINOv2 ViT-S, 22 M), or dinov3 (ViT-S).
        trains: lora, frozen or full.
        pretrained: whether the encoder has pretrained weights.
        lr: learning rate of the head and of an adapter.
        lr_encoder: learning rate of the encoder, where it trains.
    """

    encoder: str
    trains: str
    pretrained: bool = True
    lr: float = 2e-3
    lr_encoder: float = 2e-3


VARIANTS = {
    "field_unet": Variant("plain", "full", pretrained=False),
    **{
        f"{size}, {name}": Variant(encoder, trains, pretrained, lr_encoder=lr)
        for size, encoder, lr in (("DINOv3 tiny", "tiny", 2e-3), ("DINOv2 ViT-S", "small", 2e-4))
        for name, trains, pretrained in (
            ("LoRA", "lora", True),
            ("frozen", "frozen", True),
            ("full", "full", True),
            ("scratch", "full", False),
            ("random encoder", "frozen", False),
        )
    },
    "DINOv3 ViT-S, random weights, LoRA": Variant("dinov3", "lora", pretrained=False),
}
"""The last one is for its time and memory: Meta's weights were not available."""


def build(variant: Variant, weights: Path | None, seed: int) -> nn.Module:
    """Return a network whose parameters that train require gradients."""
    if variant.encoder == "plain":
        return field_unet(init_seed=seed)
    is_dinov2 = variant.encoder == "small"
    shipped = str(weights) if is_dinov2 else "shipped"
    model: Any = (dinov2_unet if is_dinov2 else dinov3_unet)(
        size="tiny" if variant.encoder == "tiny" else "small",
        weights=shipped if variant.pretrained else "none",
        init_seed=seed,
        width=24,
        common_mode=False,
    )
    if variant.trains == "full":
        return model.requires_grad_(True)
    if variant.trains == "lora":
        # The head trains beside the adapter, and the call with a mask goes to the network itself.
        attach(model, LoraConfig(r=16, lora_alpha=32), targets="all-linear")
        return model
    model.requires_grad_(False)
    for name in model.head:
        model.get_submodule(name).requires_grad_(True)
    return model


def records(gathers: int, seed: int) -> Iterator[Batch]:
    """Yield batches: the same clean records again and again, each time with other noise."""
    data, gathers_of_seed = _gathers_of(gathers, seed)
    rng = np.random.default_rng(seed)
    index = 0
    while True:
        batch = []
        for _ in range(BATCH):
            clean = gathers_of_seed[int(rng.integers(gathers))]
            noise, index = _noise(data, index), index + 1
            level = 0.0 if rng.random() < 0.12 else 10 ** (-rng.uniform(-9, 24) / 20)
            flipped = clean.flip(1) if rng.random() < 0.5 else clean
            level_input = level if rng.random() < 0.5 else 0.0
            batch.append({"clean": flipped, "noisy": flipped + level * noise, "level": level_input})
        stacked = {name: torch.stack([x[name] for x in batch]) for name in ("clean", "noisy")}
        yield stacked | {"level": torch.tensor([x["level"] for x in batch])}


@cache
def _gathers_of(gathers: int, seed: int) -> tuple[FieldCrops, list[Tensor]]:
    """Return the source of noise, and the clean records of a training."""
    data = FieldCrops(
        n_traces=SHAPE[0], n_samples=SHAPE[1], kept=gathers, n_train=10**9, few_share=0, seed=seed
    )
    # Without renewal the records stay those of the first `kept` numbers.
    return data, [data.sample("train", 10**8 * k)["clean"] for k in range(gathers)]


def _noise(data: FieldCrops, index: int) -> Tensor:
    """Return noise of unit variance, (1, trace, time)."""
    rng = np.random.default_rng([data.seed, 7, index])
    noise = draw_noise(rng, data.shape, None, 0.0, data.noises)
    return torch.from_numpy(np.asarray(noise, np.float32))[None]


def train(model: nn.Module, variant: Variant, gathers: int, seconds: float, seed: int) -> int:
    """Train for seconds of CPU time, the drawing of records not counted; return the steps."""
    groups: Rates = {variant.lr: [], variant.lr_encoder: []}
    for name, p in model.named_parameters():
        if p.requires_grad:
            is_encoder = "encoder." in name and "lora_" not in name and variant.encoder != "plain"
            groups[variant.lr_encoder if is_encoder else variant.lr].append(p)

    def loss(batch: Batch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            signal = model(batch["noisy"], None, batch["level"])
        error = (signal.float() - batch["clean"]).square().mean((1, 2, 3))
        return torch.log10(error / batch["clean"].square().mean((1, 2, 3)) + FLOOR).mean()

    trained = [{"params": p, "lr": lr, "top": lr} for lr, p in groups.items() if p]
    optimizer = torch.optim.AdamW(trained, weight_decay=1e-4)
    batches = records(gathers, seed)
    model.train()
    spent, steps = 0.0, 0
    while spent < seconds:
        batch = next(batches)
        start = time.process_time()
        share = min(1, steps / 20) * (0.5 + 0.5 * np.cos(np.pi * spent / seconds))
        for group in optimizer.param_groups:
            group["lr"] = group["top"] * share
        value = loss(batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
        spent += time.process_time() - start
    model.eval()
    return steps


@torch.no_grad()
def generated(model: nn.Module, snr: float) -> float:
    """Return the median SNR of new generated records, dB."""
    scores = [
        metrics.snr(batch["clean"], model(batch["noisy"], batch["mask"], None))
        for batch in _test(snr)
    ]
    return float(torch.cat(scores).clamp(max=60).median())


@cache
def _test(snr: float) -> list[dict[str, Tensor]]:
    """Return the batches of the generated test records."""
    data = FieldCrops(
        lowest_snr=snr, highest_snr=snr, few_share=0, told_share=0, n_test=48, batch_size=8, seed=9
    )
    return list(data.loader("test"))


def field(model: nn.Module, folder: Path) -> dict[str, float]:
    """Return the numbers on one field record of each kind, without the harm gate."""
    return {name: round(_one(model, case), 3) for name, case in _field_cases(folder).items()}


@cache
def _field_cases(folder: Path) -> dict[str, Case]:
    """Return the first record of each kind that no filter was tuned on, by the name of its number.

    A record is cut to `PART`.
    """
    cases: dict[str, Case] = {}
    for case in (c for group in ("viking", "stacks") for c in GROUPS[group](folder)):
        name = FIELD.get((case.group, case.name, case.noise))
        if name and not case.tune and name not in cases:
            record = case.record[: PART[0], : PART[1]]
            clean = None if case.clean is None else case.clean[: PART[0], : PART[1]]
            cases[name] = replace(case, record=record, clean=clean)
    return cases


def _one(model: nn.Module, case: Case) -> float:
    result = denoise_record(
        model, case.record, dt=case.dt, domain=case.domain, options=DenoiseOptions(gate="off")
    ).denoised
    if case.clean is not None:
        return score(case, result)
    return removed(case, result)


def measure(name: str, gathers: int, seed: int, options: argparse.Namespace) -> dict[str, object]:
    """Train and test one variant."""
    torch.manual_seed(seed)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins again
    variant = VARIANTS[name]
    model = build(variant, options.dinov2, seed)
    row: dict[str, object] = {}
    row["parameters"] = sum(p.numel() for p in model.parameters())
    row["trained"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    row["steps"] = train(model, variant, gathers, options.seconds, seed)
    row["seconds"] = options.seconds
    _test(100.0)
    start = time.process_time()
    row["clean"] = round(generated(model, 100.0), 3)
    row["forward_ms"] = round((time.process_time() - start) / 48 * 1000, 2)
    row["noisy"] = round(generated(model, 0.0), 3)
    row["peak_mb"] = round(peak_memory() / 2**20)
    return row | field(model, options.data)


def main() -> None:
    options = parsed(
        __doc__,
        FIELD_DATA,
        option("--dinov2", type=Path, help="weights of a DINOv2 ViT-S"),
        option("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS)),
        option("--gathers", nargs="*", type=int, default=list(GATHERS)),
        option("--seconds", type=float, default=15, help="of CPU time, for each training"),
        option("--seeds", nargs="*", type=int, default=[0]),
        option("--most", type=int, default=10**9, help="rows to measure before it stops"),
        out("seismic_encoder"),
    )
    table = Table(options.out)
    jobs = (
        {"variant": name, "gathers": gathers, "seed": seed}
        for seed in options.seeds
        for gathers in options.gathers
        for name in options.variants
    )
    for job in islice(table.missing(jobs), options.most):
        table.add(job | measure(*job.values(), options))


if __name__ == "__main__":
    main()
