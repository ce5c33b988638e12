"""Does an adapter pay? Scores by size and method, random twins, texts, costs, correlations."""

from __future__ import annotations

from text import RESULTS, Row, Tables, read
from text import table as with_head

TITLES = {
    "untouched": "untouched",
    "ngram": "frozen, with n-grams",
    "raw": "raw input, linear",
    "class_mean": "frozen, class means",
    "regression": "frozen, regression",
    "last_lda": "frozen, LDA of the last layer",
    "block_lda": "frozen, block-wise LDA",
    "untrained": "block-wise LDA before training",
    "last_block": "last block, all weights",
    "lora": "LoRA",
    "dora": "DoRA",
    "ia3": "IA3",
    "bitfit": "biases",
    "disel": "DISeL",
    "loft": "LOFT",
    "smoa": "SMoA",
    "gpart": "GPart",
    "full": "last blocks, all weights",
    "lora_long": "LoRA, five times the seconds",
    "full_long": "last blocks, all weights, five times the seconds",
    "lora_minute": "LoRA, a minute",
    "full_minute": "last blocks, all weights, a minute",
    "cnn": "CNN from scratch",
    "scratch": "ViT from scratch",
    "p2d_heads": "P2D heads",
    "peml": "PEML",
    "pixels": "random forest on filter responses",
    "linear": "frozen, linear head",
    "unet": "U-Net from scratch",
}
IMAGES, TEXTS = ("photos", "mni", "pneumonia", "noise"), ("manual", "licences")
TRAINED = ("lora", "full", "lora_long", "full_long", "lora_minute", "full_minute", "cnn", "scratch")
DENSE = ("lesions",)
FROZEN = ("raw", "class_mean", "regression", "last_lda", "block_lda")


def table(head: list[str], lines: list[list[str]]) -> str:
    """Return a table, or a sentence if nothing was measured yet."""
    return with_head(head, lines) if lines else "Not measured yet.\n"


def _rows(*, tasks: tuple[str, ...], base: str = "real") -> list[Row]:
    order = list(TITLES)
    found = [r for r in read("study_summary") if r["task"] in tasks and r["base"] == base]
    return sorted(
        (r for r in found if r["method"] in TITLES),
        key=lambda r: (tasks.index(r["task"]), int(r["n"]), order.index(r["method"])),
    )


def _trained_sizes(rows: list[Row]) -> set[tuple[str, str]]:
    return {(r["task"], r["n"]) for r in rows if r["method"] in ("lora", "full")}


def _between(row: Row, name: str, digits: int = 3) -> str:
    """Return a number with its interval; bold if the interval excludes zero."""
    if not row[name]:
        return ""
    value, low, high = (float(row[each]) for each in (name, f"{name}_low", f"{name}_high"))
    text = f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def _score(row: Row) -> str:
    return f"{float(row['score']):.3f} [{float(row['low']):.3f}, {float(row['high']):.3f}]"


def pays() -> str:
    """Each task and size: the best frozen method, LoRA, all weights of the tail, and the CNN."""
    rows = _rows(tasks=IMAGES)
    sizes = _trained_sizes(rows)
    lines = []
    for row in rows:
        shown = row["method"] in TRAINED or row["method"] == row["reference"]
        if (row["task"], row["n"]) in sizes and shown:
            steps = f"{float(row['steps']):.0f}" if row["steps"] else ""
            cells = [row["task"], row["n"], TITLES[row["method"]], row["draws"], steps]
            gaps = [_between(row, name) for name in ("less_frozen", "less_untrained")]
            lines.append([*cells, _score(row), *gaps])
    head = ["task", "examples", "method", "draws", "steps", "balanced accuracy"]
    head.append("less the best frozen")
    return table([*head, "less the same reading before training"], lines)


def frozen() -> str:
    """Methods on frozen features at the sizes of the trained ones, and with random weights."""
    rows, twins = _rows(tasks=IMAGES), _rows(tasks=IMAGES, base="random")
    sizes = sorted(
        {(r["task"], r["n"]) for r in rows if r["method"] == "raw"},
        key=lambda s: (IMAGES.index(s[0]), int(s[1])),
    )
    scores = {(r["task"], r["n"], r["method"]): f"{float(r['score']):.3f}" for r in rows}
    random = {(r["task"], r["n"], r["method"]): f"{float(r['score']):.3f}" for r in twins}
    lines = [
        [*size, *(scores.get((*size, m), "") for m in FROZEN), random.get((*size, "block_lda"), "")]
        for size in sizes
    ]
    heads = (TITLES[name].removeprefix("frozen, ") for name in FROZEN)
    return table(["task", "examples", *heads, "block-wise LDA, random weights"], lines)


def methods() -> str:
    """All methods at the middle size: score less LoRA's, cost, and what the probe lost."""
    rows = _rows(tasks=IMAGES)
    middle = {(r["task"], r["n"]) for r in rows if r["method"] == "dora"}
    lines = []
    for row in rows:
        if (row["task"], row["n"]) not in middle or row["method"] in (*FROZEN, "untrained"):
            continue
        forgot = f"{float(row['forgetting']):+.3f}" if row["forgetting"] else ""
        stored = f"{int(row['stored']) / 1024:,.0f}" if row["stored"] else ""
        cells = [row["task"], TITLES[row["method"]], row["draws"], f"{float(row['score']):.3f}"]
        cells += [_between(row, "less_lora"), _between(row, "less_untrained")]
        cells += [row["readout"], f"{float(row['steps']):.0f}", f"{float(row['seconds']):.1f}"]
        lines.append([*cells, f"{int(row['trained']):,}", stored, forgot])
    head = ["task", "method", "draws", "score", "less LoRA", "less untrained", "read by"]
    return table([*head, "steps", "CPU s", "trained", "stored, KiB", "probe lost"], lines)


def dense() -> str:
    """Dice of the dense task: the forest first, then networks on real and on random weights."""
    rows = [*_rows(tasks=DENSE), *_rows(tasks=DENSE, base="random")]
    order = ("pixels", "unet", "linear", "ia3", "lora", "full")
    rows.sort(key=lambda r: (int(r["n"]), r["base"] == "random", order.index(r["method"])))
    lines = []
    for row in rows:
        title = TITLES[row["method"]] + (", random weights" if row["base"] == "random" else "")
        steps = f"{float(row['steps']):.0f}" if row["steps"] else ""
        trained = f"{int(row['trained']):,}" if row["trained"] else ""
        cells = [row["n"], title, row["draws"], _score(row), _between(row, "less_untrained")]
        lines.append([*cells, steps, f"{float(row['seconds']):.1f}", trained])
    head = ["slices", "method", "draws", "Dice", "less the frozen linear head", "steps", "CPU s"]
    return table([*head, "trained"], lines)


def twins() -> str:
    """LoRA and all weights on random weights beside those on real weights."""
    real = {(r["task"], r["n"], r["method"]): r for r in _rows(tasks=IMAGES)}
    lines = []
    for row in _rows(tasks=IMAGES, base="random"):
        own = real.get((row["task"], row["n"], row["method"]))
        if row["method"] in ("lora", "full") and own:
            best = real.get((row["task"], row["n"], row["reference"]))
            cells = [row["task"], row["n"], TITLES[row["method"]], _score(row), _score(own)]
            lines.append([*cells, f"{float(best['score']):.3f}" if best else ""])
    head = ["task", "examples", "method", "random weights", "real weights", "best frozen, real"]
    return table(head, lines)


def texts() -> str:
    """The text tasks: nats a token, and nats that general text lost."""
    lines = []
    for row in _rows(tasks=TEXTS):
        forgot = f"{float(row['forgetting']):+.3f}" if row["forgetting"] else ""
        steps = f"{float(row['steps']):.0f}" if row["steps"] else ""
        trained = f"{int(row['trained']):,}" if row["trained"] else "0"
        cells = [row["task"], row["n"], TITLES[row["method"]], row["draws"], _score(row)]
        lines.append([*cells, _between(row, "less_frozen"), forgot, steps, trained])
    head = ["text", "sequences", "method", "draws", "nats a token", "less the best frozen"]
    return table([*head, "general text lost", "steps", "trained"], lines)


def margin() -> str:
    """How well the diagnosis ranks the forgetting of all diagnosed runs."""
    lines = []
    for row in read("study_summary"):
        if row["method"].startswith("correlation of"):
            name = row["method"].removeprefix("correlation of ")
            lines.append([row["task"], name, row["n"], f"{float(row['score']):+.2f}"])
    return table(["tasks", "quantity", "runs", "rank correlation with forgetting"], lines)


def distance() -> str:
    """How far a task lies from photographs, and what LoRA gains with the most examples."""
    rows = [r for r in _rows(tasks=IMAGES) if r["method"] == "lora"]
    most = {r["task"]: r for r in sorted(rows, key=lambda r: int(r["n"]))}
    lines = []
    for far in sorted(read("study_distance"), key=lambda row: float(row["distance"])):
        row = most.get(far["task"])
        cells = [far["task"], f"{float(far['distance']):.3f}"]
        lines.append([*cells, row["n"], _between(row, "less_frozen")] if row else [*cells, "", ""])
    head = ["task", "distance from photographs", "most examples", "LoRA less the best frozen"]
    return table(head, lines)


def costs() -> str:
    """A training step of each method with and without the fused kernels."""
    lines = []
    for row in read("study_cost") if (RESULTS / "study_cost.csv").is_file() else []:
        memory = f"{int(row['peak']) / 2**20:.1f}"
        ratio = f"{float(row['ratio']):.2f} [{float(row['low']):.2f}, {float(row['high']):.2f}]"
        title = TITLES[row["method"]]
        lines.append([title, row["kernels"], memory, f"{float(row['step_ms']):.0f}", ratio])
    head = ["method", "fused kernels", "peak, MiB", "step, CPU ms", "step over LoRA's, fused"]
    return table(head, lines)


TABLES: Tables = {
    "study_pays": pays,
    "study_frozen": frozen,
    "study_methods": methods,
    "study_dense": dense,
    "study_twins": twins,
    "study_texts": texts,
    "study_margin": margin,
    "study_distance": distance,
    "study_costs": costs,
}
