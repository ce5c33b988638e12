"""What each adapter makes of the shipped Tadpole on flows that its weights have not seen.

    python benchmarks/pde_transfer.py            # about three hours on one core
    python benchmarks/pde_transfer.py --confirm  # then, on other seeds; fifteen minutes
    python benchmarks/pde_transfer.py --quick --out /tmp/transfer.csv    # does it run?

Two tasks: to restore states (the autoencoder), of a Kolmogorov flow of 8 waves; and to predict the
next one (Tadpole-DFT), of a Kolmogorov flow of 4 waves, in one step and in rollouts of 30. Every
arm of a task gets the same steps, batches and data. Of two learning rates it takes that of the
lower error on the validation split of seed 100 after 100 steps; then seeds 0, 1 and 2 on the test
split. Trajectories are simulated once a seed. Writes benchmarks/results/pde_transfer.csv after each
arm.

Flows, steps, ranks and rates were chosen with seeds 0, 1, 2 and 100 in sight. `--confirm`
runs LoRA, full fine-tuning and random weights again with seeds 3, 4 and 5, with which nothing was
ever chosen, at the rates that pde_transfer.csv has; the reconstruction alone, since with seed 3 too
few trajectories of the other flow are finite. Writes benchmarks/results/pde_confirmation.csv.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from lora.timing import Row, machine
from peft import IA3Config, LoraConfig, PeftConfig
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from scionwood import atomic_path, attach, kernels
from scionwood_pde.adapters.balanced import BalancedLoraConfig
from scionwood_pde.backbones import tadpole, tadpole_dynamics
from scionwood_pde.data.trajectories import Trajectories
from scionwood_pde.evaluation.metrics import by_window, spectrum, vrmse
from scionwood_pde.model import Tadpole, TadpoleDynamics
from scionwood_pde.model.principal import principal_start
from scionwood_pde.online.preprocess import normalised

RESULTS = Path(__file__).parent / "results" / "pde_transfer.csv"
CONFIRMED = RESULTS.with_name("pde_confirmation.csv")
UNTOUCHED = (3, 4, 5)
"""Seeds that were never run before the settings were final."""
JUDGED = ("LoRA (peft)", "full", "scratch")
"""The arms that are compared with them."""
TASKS = ("dynamics", "reconstruction")
SIDE, FRAMES, BATCH = 32, 31, 2
STEPS = {"dynamics": 200, "reconstruction": 250}
RANK = {"dynamics": 4, "reconstruction": 12}
"""At most a fifth of the weights train, the head of dynamics included."""
TUNING_SEED, TUNING_STEPS = 100, 100
EVERY = 6
"""Of the frames of a test trajectory, so many apart are scored singly."""


@final
class Case(NamedTuple):
    """A flow, how its trajectories are sampled, and what is learned from them."""

    task: str
    waves: int
    interval: float
    substeps: int
    skip: int


FIELDS = 3
CASES = {
    "Kolmogorov flow, 8 waves": Case("reconstruction", 8, 10.0, 8, 7),
    "Kolmogorov flow, 4 waves": Case("dynamics", 4, 20.0, 24, 5),
}
METHODS: Mapping[str, Callable[[int], PeftConfig]] = {
    "LoRA (peft)": lambda r: LoraConfig(r=r, lora_alpha=r),
    "LoRA (balanced)": lambda r: BalancedLoraConfig(r=r),
    "DoRA": lambda r: LoraConfig(r=r, lora_alpha=r, use_dora=True),
    "IA3": lambda r: IA3Config(feedforward_modules=[]),
}
FULL, FROZEN, SCRATCH, PRINCIPAL = "full", "frozen", "scratch", "scratch, principal start"
RATES: Mapping[str, tuple[float, ...]] = {
    "LoRA (peft)": (1e-3, 3e-3),
    FULL: (1e-4, 3e-4),
    SCRATCH: (1e-3, 3e-3),
    FROZEN: (1e-4, 1e-3),
    "IA3": (3e-3, 1e-2),
    "DoRA": (1e-3, 3e-3),
    "LoRA (balanced)": (1e-3, 3e-3),
    PRINCIPAL: (1e-5, 1e-4),
}
"""The learning rates that an arm is offered."""


@cache
def made(name: str, seed: int) -> Trajectories:
    """The trajectories of a case, simulated when a split is first asked for."""
    case = CASES[name]
    return Trajectories(
        equation="kolmogorov_flow",
        parameters={"viscosity": 0.05, "forcing": 3.0, "forcing_mode": case.waves},
        n_points=SIDE,
        n_frames=FRAMES + case.skip,
        skip=case.skip,
        interval=case.interval,
        substeps=case.substeps,
        n_train=8,
        n_val=2,
        n_test=4,
        seed=seed,
    )


def data(name: str, seed: int, split: str) -> Tensor:
    """Normalised trajectories of a split, (sample, time, field, x, y, z)."""
    return made(name, seed).trajectories(split)


def network(task: str, arm: str, states: Tensor, seed: int) -> nn.Module:
    """The network of an arm, of which what trains requires gradients."""
    weights = "none" if arm in (SCRATCH, PRINCIPAL) else "shipped"
    options: dict[str, Any] = {"weights": weights, "init_seed": seed, "boundary": "periodic"}
    built: Tadpole | TadpoleDynamics
    if task == "reconstruction":
        built = tadpole(tile=SIDE, **options)
    else:
        built = tadpole_dynamics(fields=FIELDS, tile=SIDE, **options)
    if arm == PRINCIPAL:
        cubes = torch.stack([normalised(u) for u in states.flatten(0, 2) if u.std() > 0])
        principal_start(built, cubes, torch.Generator().manual_seed(seed))
    if arm in METHODS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tuned = attach(built, METHODS[arm](RANK[task]), targets="all")
        kernels.enable(tuned)
        return tuned
    if arm == FROZEN:
        built.requires_grad_(False)
        for part in (built.latent, built.skips) if task == "dynamics" else (last_layer(built),):
            part.requires_grad_(True)
    return built


def last_layer(model: Tadpole) -> nn.Module:
    """Of the decoder: what trains where the rest is frozen and there is no head."""
    return model.decoder.conv_decoder.decompress


def batches(states: Tensor, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Random states and the next ones, the same for every arm."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        sample = torch.randint(len(states), (BATCH,), generator=generator)
        at = torch.randint(states.shape[1] - 1, (BATCH,), generator=generator)
        yield states[sample, at], states[sample, at + 1]


def train(task: str, net: nn.Module, states: Tensor, lr: float, steps: int, seed: int) -> None:
    """AdamW, a tenth of the steps of warm-up, then half a cosine; mean squared error."""
    learns = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learns, lr=lr, weight_decay=0.0)
    warm = max(1, steps // 10)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    net.train()
    for state, after in batches(states, steps, seed):
        wanted = state if task == "reconstruction" else after
        loss = (net(state) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learns, 1.0)
        optimizer.step()
        schedule.step()
    net.eval()


@torch.no_grad()
def error(task: str, net: nn.Module, states: Tensor) -> float:
    """The mean VRMSE of single frames, restored, or predicted from the frame before."""
    given, after = states[:, :-1:EVERY], states[:, 1::EVERY]
    found = torch.stack([net(each) for each in given.unbind(1)], 1)
    return float(vrmse(found, given if task == "reconstruction" else after).mean())


@torch.no_grad()
def rollout(net: nn.Module, states: Tensor) -> Row:
    """VRMSE and the distance of spectra in decades by horizon, from the first frame on."""
    frames = [states[:, 0]]
    for _ in range(states.shape[1] - 1):
        frames.append(net(frames[-1]))
    found, true = torch.stack(frames[1:], 1), states[:, 1:]
    energies = [spectrum(each, (1.0, 1.0, 1.0))[1][..., 1:] for each in (found, true)]
    apart = (energies[0] / energies[1]).log10().abs().mean(-1)
    values = {"vrmse": by_window(vrmse(found, true)), "spectra": by_window(apart)}
    return {
        f"{measure}_{window}": f"{float(value.mean()):.4g}"
        for measure, windows in values.items()
        for window, value in windows.items()
    }


def run(name: str, arm: str, seed: int, lr: float, steps: int, split: str) -> Row:
    """Train once and score on a split."""
    task, learned, states = CASES[name].task, data(name, seed, "train"), data(name, seed, split)
    start = time.process_time()
    net = network(task, arm, learned, seed).eval()
    before = error(task, net, states)
    train(task, net, learned, lr, steps, seed)
    spent = time.process_time() - start
    trained, total = (
        sum(p.numel() for p in net.parameters() if p.requires_grad or every) for every in (0, 1)
    )
    row: Row = {"equation": name, "task": task, "arm": arm, "seed": seed, "lr": lr, "steps": steps}
    row |= {"trained": trained, "parameters": total, "cpu_seconds": f"{spent:.0f}"}
    row |= {"before": f"{before:.5f}", "vrmse": f"{error(task, net, states):.5f}"}
    if task == "dynamics" and split == "test":
        still = vrmse(states[:, :-1:EVERY], states[:, 1::EVERY]).mean()
        row |= {"persistence": f"{float(still):.5f}", **rollout(net, states)}
    return row


def measure(name: str, arm: str, seeds: int, steps: int) -> list[Row]:
    """One row a seed, at the rate that is best on the validation split of another seed."""
    few = min(steps, TUNING_STEPS)
    tried = {r: run(name, arm, TUNING_SEED, r, few, "val")["vrmse"] for r in RATES[arm]}
    lr = min(tried, key=lambda rate: float(str(tried[rate])))
    print(name, arm, tried, flush=True)
    rows = []
    for seed in range(seeds):
        rows.append(run(name, arm, seed, lr, steps, "test") | machine("cpu"))
        print(*rows[-1].values(), flush=True)
    return rows


def confirm(name: str, arm: str) -> list[Row]:
    """One row for each untouched seed, at the rate that the arm has in the results."""
    with RESULTS.open(newline="") as file:
        found = {(row["equation"], row["arm"]): float(row["lr"]) for row in csv.DictReader(file)}
    steps, rows = STEPS[CASES[name].task], []
    for seed in UNTOUCHED:
        rows.append(run(name, arm, seed, found[name, arm], steps, "test") | machine("cpu"))
        print(*rows[-1].values(), flush=True)
    return rows


def write(path: Path, rows: list[Row]) -> None:
    """Write the CSV whole or not at all; rows of other equations, tasks and arms stay."""
    keys = ("equation", "task", "arm")
    new = {tuple(row[key] for key in keys) for row in rows}
    if path.exists():
        with path.open(newline="") as file:
            old: list[Row] = [*csv.DictReader(file)]
        rows = [*(row for row in old if tuple(row[key] for key in keys) not in new), *rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
    parser.add_argument("--arms", nargs="*", choices=list(RATES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two steps, one seed")
    parser.add_argument("--confirm", action="store_true", help="untouched seeds, rates as found")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = ["reconstruction"] if options.confirm else options.tasks
    named = [name for task in tasks for name, case in CASES.items() if case.task == task]
    arms = options.arms or (list(JUDGED) if options.confirm else list(RATES))
    todo = [(name, arm) for arm in arms for name in named]
    out = options.out or (CONFIRMED if options.confirm else RESULTS)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        bar = progress.add_task("arms", total=len(todo))
        for name, arm in todo:
            seeds, steps = (1, 2) if options.quick else (options.seeds, STEPS[CASES[name].task])
            found = confirm(name, arm) if options.confirm else measure(name, arm, seeds, steps)
            write(out, found)
            progress.advance(bar)


if __name__ == "__main__":
    main()
