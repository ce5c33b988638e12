"""Fused adapters and the prefix cache."""

from __future__ import annotations

from collections.abc import Sequence

from text import Row, Tables, interval, read, table

RIVALS = ("frozen", "full fine-tuning", "peft", "peft, bf16 adapters")
LAYER_RIVALS = (*RIVALS, "peft, compiled", "addmm by hand", "ours, dropout", "peft, dropout")
STEP_RIVALS = (*RIVALS, "ours, float32")
KEPT = (*RIVALS, "ours")


def lora_layer() -> str:
    """Return forward and backward of one layer: peers over ours, and our error over eager's."""
    rows = [r for r in read("lora_layer") if r["note"] or r["pass"] == "forward+backward"]
    keys, lines = ("device", "dtype", "layer", "rank"), []
    for key, named in _grouped(rows, *keys):
        times = [interval(named.get(name)) for name in LAYER_RIVALS]
        ours = named["ours"]
        lines.append([*key, f"{float(ours['median_ms']):.3g}", *times, ours["error_over_eager"]])
    return table([*keys, "ours, ms", *LAYER_RIVALS, "error over eager's"], lines)


def lora_step() -> str:
    """Return the training step: peers over ours."""
    rows = [row for row in read("lora_step") if row["pass"] == "step"]
    keys, lines = ("device", "model", "regime", "targets"), []
    for key, named in _grouped(rows, *keys):
        times = [interval(named.get(name)) for name in STEP_RIVALS]
        lines.append([*key, f"{float(named['ours']['median_ms']):.0f}", *times])
    return table([*keys, "ours, ms", *STEP_RIVALS], lines)


def lora_trainer() -> str:
    """Return a step through the Trainer of a run with other options, over one with the guard."""
    lines = [
        [
            row["device"],
            row["form"],
            row["operations"],
            f"{float(row['median_ms']):.0f}",
            interval(row),
        ]
        for row in read("lora_trainer")
    ]
    return table(["device", "form", "operations", "step, ms", "times the first"], lines)


def lora_memory() -> str:
    """Return the MiB stored for the backward pass."""
    keys, lines = ("device", "model", "regime", "targets", "dropout"), []
    for key, named in _grouped(read("lora_memory"), *keys):
        sizes = [f"{float(named[n]['mib']):.1f}" if n in named else "" for n in KEPT]
        lines.append([*key, *sizes, named["ours"]["over_frozen"]])
    return table([*keys, *KEPT, "ours over frozen"], lines)


def lora_overhead() -> str:
    """Return the time of a layer of eight inputs, and how much more it is than by hand."""
    lines = [
        [
            row["dtype"],
            row["form"],
            row["us"],
            f"{row['more_than_hand_us']} ({row['ci_low']} to {row['ci_high']})",
        ]
        for row in read("lora_overhead")
    ]
    return table(["dtype", "form", "microseconds", "more than by hand"], lines)


def lora_real() -> str:
    """Return time, bytes and losses of the networks with real weights."""
    lines = [
        [
            row["model"],
            row["dtype"],
            row["form"],
            f"{float(row['median_ms']):.0f}",
            interval(row),
            row["mib"],
            row["loss_distance"] and f"{row['loss_distance']} in {row['steps']} steps",
        ]
        for row in read("lora_real")
    ]
    head = ["model", "dtype", "form", "step, ms", "time over ours", "bytes, MiB"]
    return table([*head, "difference of the loss"], lines)


def lora_capture() -> str:
    """Return what a CUDA graph could not repeat in the recipes of the plugins."""
    lines = [
        [row["recipe"], row["task"], row["operations"], row["obstacle"]]
        for row in read("lora_capture")
    ]
    return table(["recipe", "task", "operations", "what a graph cannot repeat"], lines)


def lora_recompute() -> str:
    """Return the MiB stored and the time of a step with each choice of `recompute`."""
    lines = [
        [row["model"], row["form"], row["mib"], row["over_frozen"], interval(row)]
        for row in read("lora_recompute")
    ]
    head = ["model, bfloat16 base", "recompute", "MiB", "MiB over frozen", "step over memory's"]
    return table(head, lines)


def prefix_cache() -> str:
    """Return the step with adapted last blocks and cached features of the others."""
    lines = [
        [
            row["rival"],
            row["median_s"],
            f"{row['times_faster']} ({row['ci_low']} to {row['ci_high']})",
            row["bytes_a_sample"],
            row["gradient_error"],
        ]
        for row in read("prefix_cache")
    ]
    head = ["ViT-S/16, last 4 blocks, batch 8", "step, s", "times faster", "bytes a sample"]
    return table([*head, "gradient's error"], lines)


def _grouped(rows: Sequence[Row], *keys: str) -> list[tuple[tuple[str, ...], dict[str, Row]]]:
    """Group rows by form for every combination of the keys' values, in the order of the file."""
    groups: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), {})[row["form"]] = row
    return list(groups.items())


TABLES: Tables = {
    "lora_layer": lora_layer,
    "lora_step": lora_step,
    "lora_trainer": lora_trainer,
    "lora_memory": lora_memory,
    "lora_recompute": lora_recompute,
    "lora_overhead": lora_overhead,
    "lora_real": lora_real,
    "lora_capture": lora_capture,
    "prefix_cache": prefix_cache,
}
