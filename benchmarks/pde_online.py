"""Measure how long training waits for the online loop, and how fast the loop simulates.

    python benchmarks/pde_online.py            # about a minute on two cores
    python benchmarks/pde_online.py --quick --out /tmp/online.csv    # to see that it runs

The shipped Tadpole trains with LoRA on cubes of 32^3 that are simulated during the training, with
and without a worker process. The loop reports the waiting share: the time spent waiting for
simulations over all time since the cache was full, by the clock. The solver's speed is measured on
one core in CPU time, for frames and for the cubes cut from them. Writes
benchmarks/results/pde_online.csv.
"""

from __future__ import annotations

import time
from itertools import islice
from statistics import median

import torch
from peft import LoraConfig
from runner import Row, Table, option, out, parsed

from scionwood import attach
from scionwood_pde.backbones import Tadpole
from scionwood_pde.data.online import OnlineFields

CROP, BATCH, CAPACITY = 32, 4, 32
SETTINGS = [(32, 0), (32, 1), (48, 0), (48, 1)]
"""Grid points along an axis, and workers."""


def loop_of(points: int, workers: int, reuse: int) -> OnlineFields:
    return OnlineFields(
        n_points=points,
        crop=CROP,
        workers=workers,
        reuse=reuse,
        capacity=CAPACITY,
        batch_size=BATCH,
    )


def solver(points: int, simulations: int) -> Row:
    """Return the frames and cubes that one core makes per second, with all equations in turn."""
    data = loop_of(points, 0, 1)
    simulator = data.simulator("train")
    simulator(0)  # the first call plans its transforms
    frames, cubes, start = 0, 0, time.process_time()
    for index in range(simulations):
        trajectory = simulator(index)
        frames += len(trajectory.fields)
        cubes += len(data.cropper(trajectory, simulator.generator(index, 1)))
    spent = time.process_time() - start
    return {"frames_per_s": f"{frames / spent:.0f}", "cubes_per_s": f"{cubes / spent:.0f}"}


def training(points: int, workers: int, reuse: int, steps: int) -> Row:
    """Return the time of training steps, and the statistics of the loop."""
    model = attach(Tadpole(weights="shipped"), LoraConfig(r=8), targets="conv")
    learns = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learns, lr=1e-3)
    data, times = loop_of(points, workers, reuse), []
    try:
        data.loop.draw()  # fills the cache
        for batch in islice(data.train_dataloader(), steps):
            start = time.process_time()
            optimizer.zero_grad()
            (model(batch["state"]) - batch["state"]).square().mean().backward()
            optimizer.step()
            times.append(time.process_time() - start)
        statistics = data.loop.statistics()
    finally:
        data.loop.close()
    return {
        "step_ms": f"{1e3 * median(times):.0f}",
        "waiting_share": f"{statistics['waiting_share']:.4f}",
        "simulated": int(statistics["simulated"]),
        "rejected": int(statistics["rejected"]),
        "drawn_per_cube": f"{statistics['samples_per_simulated']:.2f}",
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--steps", type=int, default=24),
        option("--quick", action="store_true", help="two steps"),
        out("pde_online"),
    )
    steps = 2 if options.quick else options.steps
    table = Table(options.out, again=True)
    for points, workers in SETTINGS:
        for reuse in (1, 4):
            row: Row = {"points": points, "crop": CROP, "workers": workers, "reuse": reuse}
            row |= {"batch": BATCH, "steps": steps, **training(points, workers, reuse, steps)}
            table.add(row | solver(points, 2 if options.quick else 16))


if __name__ == "__main__":
    main()
