"""Measure what encryption and differential privacy cost a federation.

    python benchmarks/federated_privacy.py --seeds 3

Three seismic sites train one round of 40 steps from a common start with A held. Their updates are
summed plainly and by CKKS, with and without the pruning of the last round. Further rows train the
first site alone for the same steps, with and without a budget of differential privacy, on 24 and on
240 gathers. The settings were fixed before the scores were seen. `error` is the largest difference
to the plain sum, `MB up` the bytes of one site, `score` the test
loss: of the pooled model for sums, of the first site's own model for budgets. Seconds are CPU.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from federated import Row, write
from federated_sites import FIELDS
from runner import Table, option, parsed

import scionwood
from scionwood_federated import (
    Privacy,
    begin_round,
    pool,
    read_update,
    train_site,
    update_of,
    write_update,
)
from scionwood_federated.privacy.encryption import make_keys
from scionwood_federated.privacy.folders import decrypt_sum, sum_encrypted, write_encrypted
from scionwood_federated.simulation.run import CONSTANT
from scionwood_federated.update.folder import read_start

SITES = ("land", "marine", "fibre")
NOISES = ("[ground_roll, erratic]", "[swell, band]", "[fading, checkerboard]")
BUDGETS = (None, 8.0, 2.0)
SIZES = {24: ("data.batch_size=4", 1e-2), 240: ("data.batch_size=24", 1e-3)}
"""The gathers of a site, with their batch size and the delta of a budget."""
KEY = ("way", "seed")
ROUNDS = 200
UNTRAINED = "alone, untrained"
SUMS = ("plain sum", "CKKS", "CKKS pruned")


def trained(work: Path, seed: int) -> Path:
    """Train the three sites unless they are trained, and return the folder."""
    folder = work / f"privacy{seed}"
    if all((folder / "plain" / site).exists() for site in SITES):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    recipe: Any = scionwood.override(scionwood.resolve("seismic/denoise"), CONSTANT)
    changes = [*FIELDS["seismic"]["override"], f"seed={seed}"]
    changes += ["trainer.max_steps=40", "trainer.max_epochs=null"]
    begin_round(scionwood.override(recipe, changes), folder / "start", own=("noises",))
    for number, site in enumerate(SITES):
        run = train_site(
            folder / "start" / "recipe.yaml",
            folder / "start",
            folder / "runs" / site,
            overrides=(f"data.noises={NOISES[number]}", f"data.seed={10 * seed + number}"),
            hold="A",
        )
        write_update(update_of(run, site=site), folder / "plain" / site)
    return folder


def summed(folder: Path, way: str, seed: int) -> Row:
    start, out = folder / "start", folder / "sums" / way.replace(" ", "-")
    updates = [folder / "plain" / site for site in SITES]
    begun = time.process_time()
    if way == SUMS[0]:
        pool(updates, out, rule="frozen_a", start=start)
        size = sum(path.stat().st_size for path in updates[0].rglob("*") if path.is_file())
        return row(way, seed, size, time.process_time() - begun, 0.0, score(out))
    make_keys(out / "keys")
    sent = []
    for path in updates:
        update = read_update(path)
        if way.endswith("pruned"):
            update = replace(update, about=replace(update.about, round=ROUNDS))
        sent.append(out / path.name)
        key = out / "keys" / "public.key"
        write_encrypted(update, start, key, sent[-1], rounds=ROUNDS)
    sum_encrypted(sent, out / "keys" / "public.key", out / "sum")
    decrypt_sum(out / "sum", out / "keys" / "secret.key", start, out / "next")
    spent = time.process_time() - begun
    size = sum(path.stat().st_size for path in sent[0].rglob("*") if path.is_file())
    gap = None if way.endswith("pruned") else difference(out / "next", folder / "sums/plain-sum")
    return row(way, seed, size, spent, gap, score(out / "next"))


def unchanged(folder: Path, seed: int) -> Row:
    """Return the row of the model that no site has trained, the simplest baseline."""
    return row("start", seed, 0, 0.0, None, score(folder / "start"))


def untrained(folder: Path, seed: int) -> Row:
    """Return the row of that model on the data of the first site."""
    recipe = scionwood.resolve(folder / "start" / "recipe.yaml", list(own_of(24, seed)))
    loss = float(scionwood.test(folder / "start", recipe)["test_loss"])
    return row(UNTRAINED, seed, 0, 0.0, None, loss)


def own_of(gathers: int, seed: int) -> tuple[str, ...]:
    """Return the options of the first site."""
    size = (f"data.n_train={gathers}", SIZES[gathers][0])
    return (f"data.noises={NOISES[0]}", f"data.seed={10 * seed}", *size)


def title_of(gathers: int, epsilon: float | None) -> str:
    """Return the name of a way to train alone."""
    return f"alone, {gathers} gathers" + ("" if epsilon is None else f", epsilon {epsilon:g}")


def private(folder: Path, gathers: int, epsilon: float | None, seed: int) -> Row:
    """Return the row of a budget of the first site; `None` trains without one."""
    delta, way = SIZES[gathers][1], title_of(gathers, epsilon)
    start, begun = folder / "start", time.process_time()
    run = train_site(
        start / "recipe.yaml",
        start,
        folder / "private" / way.replace(" ", "-"),
        overrides=own_of(gathers, seed),
        privacy=None if epsilon is None else Privacy(epsilon=epsilon, delta=delta),
    )
    spent = time.process_time() - begun
    privacy = update_of(run, site="land").about.extra.get("privacy", {})
    cells = row(way, seed, 0, spent, None, score(run))
    return {**cells, "epsilon": round(privacy["epsilon"], 3) if privacy else ""}


def row(way: str, seed: int, size: int, spent: float, error: float | None, loss: float) -> Row:
    return {
        "way": way,
        "seed": seed,
        "MB up": round(size / 1e6, 3) if size else "",
        "CPU s": round(spent, 2),
        "error": "" if error is None else f"{error:.2g}",
        "score": round(loss, 4),
        "epsilon": "",
    }


def difference(one: Path, other: Path) -> float:
    """Return the largest difference between the tensors of two starts."""
    a, b = read_start(one), read_start(other)
    pairs = [(a.adapter, b.adapter), (a.head, b.head)]
    return max(float((x[n] - y[n]).abs().max()) for x, y in pairs for n in x)


def score(run: Path) -> float:
    """Return the test loss of a run."""
    return float(scionwood.test(run)["test_loss"])


def main() -> None:
    options = parsed(
        __doc__,
        option("--seeds", type=int, default=3),
        option("--work", type=Path, default=Path("runs/federated")),
        threads=None,
    )
    for seed in range(options.seeds):
        folder = trained(options.work, seed)
        shutil.rmtree(folder / "sums", ignore_errors=True)
        shutil.rmtree(folder / "private", ignore_errors=True)
        jobs: dict[str, Callable[[], Row]] = {"start": partial(unchanged, folder, seed)}
        jobs[UNTRAINED] = partial(untrained, folder, seed)
        jobs |= {way: partial(summed, folder, way, seed) for way in SUMS}
        for gathers, epsilon in product(SIZES, BUDGETS):
            way = title_of(gathers, epsilon)
            jobs[way] = partial(private, folder, gathers, epsilon, seed)
        table = Table("federated_privacy")
        for way, job in jobs.items():
            if way == SUMS[0] or not table.has(way=way, seed=seed):  # others are compared with it
                write("federated_privacy", [job()], KEY)


if __name__ == "__main__":
    main()
