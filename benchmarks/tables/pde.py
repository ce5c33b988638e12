"""Tables of the pde plugin: data, memory, times, transfer, rollouts, the online loop."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from text import Row, Tables, interval, read, spread, table

PRESETS = {"all-linear": "linear layers", "conv": "convolutions", "all": "all layers"}


def data() -> str:
    """Return the rate of reading, wrong values, and memory growth."""
    rows, lines = read("pde_data"), []
    for source in dict.fromkeys(row["source"] for row in rows):
        measures = {row["measure"]: row for row in rows if row["source"] == source}
        cells = [_first(measures, part) for part in ("crops", "unequal", "memory")]
        lines.append([source, *cells])
    head = ["random 64^3 crops, GB/s", "values unequal", "memory grown, MB"]
    return table(["source", *head], lines)


def memory() -> str:
    """Return the memory kept for the backward pass, also relative to full fine-tuning."""
    rows, lines = read("pde_memory"), []
    kept = [row for row in rows if row["mib"]]
    for targets, title in PRESETS.items():
        for cubes in dict.fromkeys(row["cubes"] for row in kept):
            chosen = [r for r in kept if (r["targets"], r["cubes"]) == (targets, cubes)]
            by_method = {r["method"]: r for r in chosen}
            pair = (by_method["peft"], by_method["ours"])
            sizes = [f"{r['mib']} ({r['over_full']})" for r in pair]
            (full,) = (r["mib"] for r in kept if r["cubes"] == cubes and not r["targets"])
            lines.append([title, by_method["ours"]["trained"], cubes, full, *sizes])
    return table(["LoRA on", "trained", "cubes", "full, MiB", "peft (of full)", "ours"], lines)


def times() -> str:
    """Return the time of forward and backward passes of other methods relative to ours."""
    rows, lines = [row for row in read("pde_memory") if row["times_ours"]], []
    for targets, title in PRESETS.items():
        by_method = {row["method"]: row for row in rows if row["targets"] == targets}
        others = ("peft", "full fine-tuning", "ours, compiled")
        cells = [interval(by_method[name]) if name in by_method else "" for name in others]
        ours = by_method["ours"]
        time = f"{float(ours['median_ms']):.0f}"
        lines.append([title, ours["cubes"], time, *cells, ours["gradient_distance"]])
    head = ["LoRA on", "cubes", "ours, ms", "peft over ours", "full fine-tuning over ours"]
    head.append("ours compiled over ours")
    return table([*head, "gradients from peft's"], lines)


def transfer() -> str:
    """Return the error of each method on equations that the weights have not seen, over seeds."""
    return _reached(read("pde_transfer"))


def confirmation() -> str:
    """Return the errors with seeds that were not used to choose settings."""
    return _reached(read("pde_confirmation"))


def _reached(rows: Sequence[Row]) -> str:
    """Return one line for each method, with the error of persistence if a row has it."""
    persistence = [name for name in ("persistence",) if any(row.get(name) for row in rows)]
    lines = []
    for key in dict.fromkeys((r["equation"], r["task"], r["method"]) for r in rows):
        runs = [row for row in rows if (row["equation"], row["task"], row["method"]) == key]
        first = runs[0]
        share = int(first["trained"]) / int(first["parameters"])
        line = [*key, f"{int(first['trained']):,} ({share:.1%})", first["lr"]]
        for name in ("before", "vrmse", *persistence):
            line.append(_over_seeds(runs, name))
        lines.append(line)
    head = ["equation", "task", "method", "parameters", "rate", "VRMSE before", "after"]
    return table([*head, *persistence], lines)


def rollouts() -> str:
    """Return errors and distances between spectra by horizon, over seeds."""
    rows, lines = [r for r in read("pde_transfer") if r["task"] == "dynamics"], []
    columns = [f"{m}_{h}" for m in ("vrmse", "spectra") for h in ("1", "6:12", "13:30")]
    for key in dict.fromkeys((r["equation"], r["method"]) for r in rows):
        runs = [row for row in rows if (row["equation"], row["method"]) == key]
        lines.append([*key, *(_over_seeds(runs, name, ".2f") for name in columns)])
    head = [f"{m}, {h}" for m in ("VRMSE", "spectra") for h in ("step 1", "6:12", "13:30")]
    return table(["equation", "method", *head], lines)


def online() -> str:
    """Return the speed of the solvers, and how long training waits for them."""
    lines = []
    for row in read("pde_online"):
        share = f"{float(row['waiting_share']):.1%}"
        settings = [row[name] for name in ("points", "workers", "reuse")]
        lines.append([*settings, row["frames_per_s"], row["cubes_per_s"], row["step_ms"], share])
    head = ["points", "workers", "mean uses of a cube", "frames/s", "cubes/s", "a step, ms"]
    return table([*head, "waiting"], lines)


def skill() -> str:
    """Return the error of each linear filter by equation and horizon, averaged over fields."""
    rows, lines = read("pde_skill"), []
    methods = list(dict.fromkeys(row["method"] for row in rows))
    for key in dict.fromkeys((r["equation"], r["horizon"]) for r in rows):
        own = [row for row in rows if (row["equation"], row["horizon"]) == key]
        errors = {
            name: [float(row["vrmse"]) for row in own if row["method"] == name] for name in methods
        }
        cells = [f"{sum(each) / len(each):.3f}" if each else "" for each in errors.values()]
        lines.append([*key, *cells])
    return table(["equation", "horizon", *methods], lines)


def dynamics() -> str:
    """Return errors and skill of each method by equation and horizon, over seeds."""
    rows, lines = [row for row in read("pde_dynamics") if row["n"] == "8"], []
    names = list(dict.fromkeys(row["equation"] for row in rows))
    keys = dict.fromkeys((r["equation"], r["method"], r["cpu_s"]) for r in rows)
    for key in sorted(keys, key=lambda each: (names.index(each[0]), float(each[2] or 0))):
        runs = [row for row in rows if (row["equation"], row["method"], row["cpu_s"]) == key]
        cells = [_over_seeds(runs, name, ".3f") for name in ("next", "6:12", "13:30")]
        skills = [_over_seeds(runs, f"skill {name}", ".2f") for name in ("next", "13:30")]
        numbers = f"{int(runs[0]['parameters']):,}" if runs[0]["parameters"] else ""
        seconds = f"{float(runs[0]['cpu_s']):.0f}" if runs[0]["cpu_s"] else ""
        counts = [*key[:2], numbers, seconds, str(len(runs))]
        lines.append([*counts, *cells, *skills, _over_seeds(runs, "ms", ".1f")])
    head = ["equation", "method", "trained", "CPU s", "seeds", "next", "6:12", "13:30"]
    return table([*head, "skill, next", "skill, 13:30", "a step, ms"], lines)


def few() -> str:
    """Return the skill at the next step by the number of training trajectories, over seeds."""
    flow = [row for row in read("pde_dynamics") if row["equation"] == "kolmogorov_flow"]
    seconds = {row["cpu_s"] for row in flow if row["n"] != "8"}
    rows = [row for row in flow if row["cpu_s"] in seconds]
    counts, lines = ("1", "2", "4", "8"), []
    for name in dict.fromkeys(row["method"] for row in rows if row["n"] != "8"):
        by_count = [[r for r in rows if (r["method"], r["n"]) == (name, n)] for n in counts]
        lines.append([name, *(_over_seeds(runs, "skill next", ".2f") for runs in by_count)])
    return table(["method", *(f"{n} trajectories" for n in counts)], lines)


def pretraining() -> str:
    """Return the error of the next state with and without pretrained weights, at equal steps."""
    rows = read("pde_pretraining")
    seeds = sorted({row["seed"] for row in rows})
    lines = []
    for key in dict.fromkeys((row["equation"], row["method"], row["steps"]) for row in rows):
        own = {r["seed"]: r for r in rows if (r["equation"], r["method"], r["steps"]) == key}
        cells = [f"{float(own[seed]['next']):.4f}" if seed in own else "" for seed in seeds]
        lines.append([*key, *cells])
    return table(["equation", "method", "steps", *(f"seed {seed}" for seed in seeds)], lines)


def corrector() -> str:
    """Return errors and skill of the coarse solver alone and with the network that corrects it."""
    rows, lines = read("pde_corrector"), []
    for name in dict.fromkeys(row["method"] for row in rows):
        runs = [row for row in rows if row["method"] == name]
        line = [name, runs[0]["cpu_s"], str(len(runs))]
        line += [_over_seeds(runs, horizon, ".3f") for horizon in ("next", "6:12", "13:30")]
        line += [_over_seeds(runs, f"skill {horizon}", ".2f") for horizon in ("next", "13:30")]
        lines.append([*line, _over_seeds(runs, "ms", ".1f")])
    head = ["method", "CPU s", "seeds", "next", "6:12", "13:30", "skill, next", "skill, 13:30"]
    return table([*head, "a step, ms"], lines)


def tiny() -> str:
    """Return the error of reconstruction by equation, of low-passes and of weights, by fineness."""
    rows, lines = read("pde_tiny"), []
    ways = sorted(dict.fromkeys(row["way"] for row in rows), key=lambda way: way.startswith("tiny"))
    for equation in dict.fromkeys(row["equation"] for row in rows):
        own = {row["way"]: row for row in rows if row["equation"] == equation}
        known = "yes" if own[ways[0]]["trained"] == "True" else "no"
        cells = [
            " / ".join(f"{float(own[way][third]):.3f}" for third in ("fine", "middle", "coarse"))
            if way in own
            else ""
            for way in ways
        ]
        lines.append([equation.replace("_", " "), known, *cells])
    return table(["equation", "in training", *ways], lines)


def workers() -> str:
    """Return the rate of reading pairs with and without workers, over all epochs and later ones."""
    rows, lines = read("pde_data"), []
    known = [row for row in rows if "epochs" in row["measure"]]
    for source in dict.fromkeys(row["source"] for row in known):
        own = {row["measure"]: row["median"] for row in known if row["source"] == source}
        names = [f"{part} epochs, {n} workers" for n in (0, 4) for part in ("three", "later")]
        lines.append([source, *(f"{float(own[name]):.3g}" for name in names)])
    head = ["no workers, three epochs", "the later two", "4 workers, three epochs", "the later two"]
    return table(["source", *head], lines)


def solver() -> str:
    """Return the time of a step on all modes, on the kept modes, and of exponax."""
    rows, lines = read("pde_solver"), []
    for key in dict.fromkeys((row["points"], row["dtype"]) for row in rows):
        times = {row["step"]: row for row in rows if (row["points"], row["dtype"]) == key}
        cells = [times[name]["ms"] for name in ("all modes", "kept modes", "exponax")]
        ratios = [
            f"{float(times[name]['over_kept']):.2f} ({float(times[name]['low']):.2f} to "
            f"{float(times[name]['high']):.2f})"
            for name in ("all modes", "exponax")
        ]
        lines.append([*key, *cells, *ratios])
    head = ["points", "precision", "all modes, ms", "kept modes, ms", "exponax, ms"]
    return table([*head, "all over kept", "exponax over kept"], lines)


def large() -> str:
    """Return the peak of memory by the side of a state."""
    lines = [
        [row[name] for name in ("side", "fields", "tile", "halo", "at_once", "state_gb", "peak_gb")]
        for row in read("pde_large")
    ]
    head = ["side", "fields", "tile", "halo", "at once", "state, GB", "peak, GB"]
    return table(head, lines)


def _first(rows: dict[str, Row], part: str) -> str:
    return next((row["median"] for measure, row in rows.items() if part in measure), "")


def _over_seeds(rows: Sequence[Row], name: str, form: str = ".3f") -> str:
    """Return the mean and standard deviation, or nothing if no row has the measure."""
    values = [float(row[name]) for row in rows if row.get(name)]
    return spread(values, form) if all(map(isfinite, values)) else "not finite"


TABLES: Tables = {
    "pde_data": data,
    "pde_memory": memory,
    "pde_times": times,
    "pde_transfer": transfer,
    "pde_confirmation": confirmation,
    "pde_rollouts": rollouts,
    "pde_online": online,
    "pde_dynamics": dynamics,
    "pde_few": few,
    "pde_corrector": corrector,
    "pde_pretraining": pretraining,
    "pde_tiny": tiny,
    "pde_workers": workers,
    "pde_solver": solver,
    "pde_large": large,
    "pde_skill": skill,
}
