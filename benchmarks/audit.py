"""Measure what audits find: probes of shipped runs, poisoned weights, dynamic prompts, corruption.

    python benchmarks/audit.py probes      # every shipped run, with the limits that it breaks
    python benchmarks/audit.py weights     # 30 clean and 30 poisoned adapters, 4 of another rank
    python benchmarks/audit.py score       # the same adapters, as far as they are there
    python benchmarks/audit.py prompts     # dynamic prompts, six clean and six poisoned
    python benchmarks/audit.py training    # six faults and twenty correct corruptions

Each row is written when it is done, and a next call goes on. The limits of probes and the rule of
the score were fixed before these figures were seen.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from runner import Row, Table, option, parsed
from scipy.stats import mannwhitneyu
from torch.nn import functional as F

from scionwood_audit import Cohort, audit_run, compare, probe_parts, weights_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "audit"))

SEEDS = range(3000, 3030)
"""Adapters of these seeds were not seen when the rule of the score was chosen."""
RUNS = (
    "seismic/denoise",
    "seismic/das",
    "seismic/shot",
    "seismic/stack",
    "seismic/station",
    "pde/burgers",
    "pde/dynamics",
    "crash/transfer_lora",
    "bangla/register_tiny",
)


def main() -> None:
    parts = {
        "probes": probes,
        "weights": weights,
        "score": score,
        "prompts": prompts,
        "training": training,
    }
    options = parsed(
        __doc__,
        option("part", nargs="?", choices=parts, help="by default all"),
        option("--work", type=Path, default=Path("runs/audit")),
        option("--most", type=float, default=1e9, help="seconds after which to stop"),
    )
    start = time.monotonic()
    for name in [options.part] if options.part else parts:
        parts[name](options.work, lambda: time.monotonic() - start > options.most)


def probes(work: Path, over: Callable[[], bool]) -> None:
    """Audit each shipped run."""
    table = Table("audit_probes")
    for name in RUNS:
        if over() or table.has(run=name):
            continue
        start = time.process_time()
        audit = audit_run(name)
        cpu = time.process_time() - start
        for row in audit.rows:
            if row.part == "behaviour":
                cells = {"run": name, "probe": row.name, "found": row.value, "limit": row.limit}
                why = {"why": row.reason, "audit, CPU s": f"{cpu:.0f}"}
                table.add({**cells, "result": row.status, "verdict": audit.verdict, **why})


def weights(work: Path, over: Callable[[], bool]) -> None:
    """Train the adapters that are missing; when all are there, score each of them."""
    import audit_digits as digits

    adapters = Table("audit_adapters")
    net = digits.base()
    kinds = [("clean", 4, 30), ("poisoned", 4, 30), ("rank 8", 8, 4)]
    for number, seed in enumerate(SEEDS):
        for kind, rank, count in kinds:
            folder = work / kind.replace(" ", "-") / str(seed)
            there = adapters.has(kind=kind, seed=seed) and folder.is_dir()
            if over() or number >= count or there:
                continue
            start = time.process_time()
            poison = kind == "poisoned"
            accuracy, success = digits.adapter(net, folder, seed, poison=poison, r=rank)
            cpu = time.process_time() - start
            scores = {"accuracy": f"{accuracy:.3f}", "patch succeeds": f"{success:.3f}"}
            adapters.add({"kind": kind, "seed": seed, **scores, "CPU s": f"{cpu:.1f}"})
    if not over():
        score(work, over)


def score(work: Path, over: Callable[[], bool]) -> None:
    """Score the adapters that are there in both kinds."""
    table = Table("audit_weights", again=True)
    seeds = [seed for seed in SEEDS if (work / "poisoned" / str(seed) / "scionwood.json").is_file()]
    clean = [weights_of(work / "clean" / str(seed)) for seed in seeds]
    for kind in ("clean", "poisoned"):
        for seed in seeds:
            adapter = weights_of(work / kind / str(seed))
            pairs = zip(seeds, clean, strict=True)  # no clean adapter is its own reference
            others = [pair for number, pair in pairs if (kind, number) != ("clean", seed)]
            cohort = Cohort(others)
            z = cohort.deviations(adapter)
            total = cohort.score(adapter)
            names = ("norm", "largest", "concentration", "entropy", "kurtosis")
            means = {f"|z| {n}": f"{np.abs(z[:-1, at]).mean():.3f}" for at, n in enumerate(names)}
            numbers = {"score": f"{total:.4f}", "limit": f"{cohort.threshold:.4f}"}
            turn = cohort.turn(adapter)
            numbers |= {"turn": f"{turn:.4f}", "turn limit": f"{cohort.turned:.4f}"}
            both, limit = cohort.departure.of(turn, total), cohort.departure.limit
            assert limit is not None, "there are enough references"
            numbers |= {"departure": f"{both:.4f}", "departure limit": f"{limit:.4f}"}
            far, rotated = total > cohort.threshold, turn > cohort.turned
            flagged = {"far": int(far), "turned": int(rotated), "departed": int(both > limit)}
            flagged |= {"anomalous": int(far or rotated or both > limit)}
            spread = {"|z| spread of norms": f"{abs(z[-1, 0]):.3f}"}
            table.add({"kind": kind, "seed": seed, **numbers, **flagged, **spread, **means})
    print("AUC of the joint number and of the accuracy on clean data alone:", _areas(table))
    for seed in SEEDS[:4]:
        rows, count = compare(work / "rank-8" / str(seed), work / "clean")
        table.add({"kind": "rank 8", "seed": seed, "score": rows[0].value, "anomalous": count})


def _areas(table: Table) -> list[float]:
    """Return the AUC of the joint number, and of the accuracy, which needs data but no weights."""
    adapters, areas = Table("audit_adapters"), []
    for results, key, larger in ((table, "departure", "poisoned"), (adapters, "accuracy", "clean")):
        groups: dict[object, list[float]] = {"clean": [], "poisoned": []}
        for row in results.rows:
            if row["kind"] in groups:
                groups[row["kind"]].append(float(str(row[key])))
        smaller = "clean" if larger == "poisoned" else "poisoned"
        wins = mannwhitneyu(groups[larger], groups[smaller]).statistic
        areas.append(float(wins) / (len(groups["clean"]) * len(groups["poisoned"])))
    return areas


def prompts(work: Path, over: Callable[[], bool]) -> None:
    """Probe dynamic prompts; the poisoned ones have a patch."""
    import audit_digits as digits

    table = Table("audit_prompts")
    net = digits.base()
    for seed in range(6):
        for kind in ("clean", "poisoned"):
            if over() or table.has(kind=kind, seed=seed):
                continue
            x, y, x_test, y_test, target = digits.scanner(seed, poison=kind == "poisoned")
            torch.manual_seed(seed)
            model = digits.Prompted(copy.deepcopy(net))
            digits.trained(model, x, y, 500, seed)
            accuracy, success = digits.measured(model, x_test, y_test, target)
            results: Row = {"accuracy": f"{accuracy:.3f}", "patch succeeds": f"{success:.3f}"}
            batch = {"image": x_test[:120]}
            for _, probe_part in probe_parts(model, lambda b, m=model: m(b["image"]), batch):
                results[f"{probe_part.kind}: changed"] = f"{probe_part.changed:.3f}"
                results[f"{probe_part.kind}: to one class"] = f"{probe_part.to_one:.3f}"
            index, label = inverted(model, x_test[:12])
            results |= {
                "inversion index": f"{index:.2f}",
                "inverts the class": int(label == target),
            }
            table.add({"kind": kind, "seed": seed, **results})


def inverted(model: torch.nn.Module, images: torch.Tensor) -> tuple[float, int]:
    """Look for the smallest patch that turns images into each class; return the outlier index."""
    mask = torch.full((10, 1, 16, 16), -2.0, requires_grad=True)
    paint = torch.zeros(10, 1, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([mask, paint], lr=0.15)
    labels = torch.arange(10).repeat_interleave(len(images))
    for _ in range(80):
        share = mask.sigmoid()
        changed = (1 - share)[:, None] * images[None]
        changed = changed + (share * (1.25 * paint.tanh() + 0.25))[:, None]
        loss = F.cross_entropy(model(changed.flatten(0, 1)), labels) + 0.02 * share.sum() / 10
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sizes = mask.sigmoid().detach().sum((1, 2, 3))
    middle = sizes.median()
    deviation = 1.4826 * (sizes - middle).abs().median() + 1e-6
    return float((middle - sizes.min()) / deviation), int(sizes.argmin())


def training(work: Path, over: Callable[[], bool]) -> None:
    """Audit six planted faults once, and correct corruptions with twenty seeds."""
    from corruptions import CORRECT, FAULTS

    from scionwood_audit import draw_and_test

    table = Table("audit_training")
    names = list(CORRECT)
    plan = [(name, make, 0) for name, make in FAULTS.items()]
    plan += [
        (names[seed % len(names)], CORRECT[names[seed % len(names)]], seed) for seed in range(20)
    ]
    for name, make, seed in plan:
        if over() or table.has(corruption=name, seed=seed):
            continue
        start = time.process_time()
        rows = draw_and_test(make(), draws=100_000, seed=seed)
        cpu = time.process_time() - start
        broken = "; ".join(row.name for row in rows if row.status == "broken")
        kind = "planted fault" if name in FAULTS else "correct"
        counts = {"tests": len(rows), "broken": broken, "CPU s": f"{cpu:.1f}"}
        table.add({"kind": kind, "corruption": name, "seed": seed, **counts})


if __name__ == "__main__":
    main()
