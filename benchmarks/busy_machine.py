"""Training beside busy processes: steps per second with all threads of torch, and with ours.

    python benchmarks/busy_machine.py

A child process trains `seismic/denoise` beside 0, 1 or 3 processes that compute without end. A
fair share of the machine is `cores / (busy + 1)` cores, at most one, at the speed of one thread on
an idle machine. Rules are interleaved within each repeat. Run it on a machine that is otherwise
idle; the share of the CPU that the child got stands in the row.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from runner import Table, option, parsed

RULES = ("torch", "one", "ours")
STEPS, FIRST = 20, 4


def child(rule: str) -> None:
    """Train for a few steps, and print threads, steps per second and CPU seconds per second."""
    import lightning as L
    import torch

    import scionwood
    from scionwood.training.threads import use_free_cores

    if rule == "ours":
        use_free_cores()
    task, data = scionwood.build("seismic/denoise")
    wall, cpu = [], []

    class Clock(L.Callback):
        def on_train_batch_end(self, *_: object) -> None:
            wall.append(time.perf_counter())
            cpu.append(time.process_time())

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    L.Trainer(
        max_steps=STEPS, callbacks=[Clock()], accelerator="cpu", limit_val_batches=0, **quiet
    ).fit(task, data)
    seconds = wall[-1] - wall[FIRST]
    print(torch.get_num_threads(), (STEPS - 1 - FIRST) / seconds, (cpu[-1] - cpu[FIRST]) / seconds)


def measured(busy: int, rule: str) -> tuple[float, ...]:
    """Run a child beside busy processes, and return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    if rule != "ours":
        environment["OMP_NUM_THREADS"] = "1" if rule == "one" else str(os.cpu_count())
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        command = [sys.executable, "-W", "ignore", __file__, "--child", rule]
        process = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        )
    finally:
        for other in others:
            other.kill()
            other.wait()
    return tuple(map(float, process.stdout.splitlines()[-1].split()))


def main() -> None:
    options = parsed(
        __doc__,
        option("--child", choices=RULES),
        option("--repeats", type=int, default=3),
        threads=None,
    )
    if options.child:
        return child(options.child)
    table = Table("busy_machine", dict, again=True)
    for repeat in range(options.repeats):
        for busy in (0, 1, 3):
            for rule in RULES:
                threads, rate, share = measured(busy, rule)
                row = {"busy": busy, "rule": rule, "repeat": repeat, "threads": int(threads)}
                table.add(row | {"steps_per_s": f"{rate:.3f}", "cpu_share": f"{share:.2f}"})


if __name__ == "__main__":
    main()
