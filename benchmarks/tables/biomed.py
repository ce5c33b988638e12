"""Tables of the biomed benchmarks: few-shot accuracy, wordings, novel classes, split audits."""

from __future__ import annotations

from collections.abc import Sequence

from text import Row, Tables, read, spread, table

WORDED = ("2", "8")
"""Numbers of shots in the table of wordings."""
FLAGS = ("True", "False")
"""Whether dual anchors train under varied sentences."""
BASELINE, OURS, BOTH = "single_template", "dual_anchor", "dual_anchor_lora"
SHOWN = ("zero_shot", "linear_probe", "lora", BASELINE, "single_template_kept", "dual_anchor_loss",
         OURS, BOTH)  # fmt: skip
"""Methods on the card of the plugin."""
NAMES = {
    "linear_probe": "probe of the random projection",
    "dual_anchor_loss": "dual anchors as described",
    "dual_anchor": "dual anchors with our keeping",
    "dual_anchor_lora": "dual anchors with our keeping, and LoRA",
    "lp_plus_plus": "LP++",
    "tip_adapter": "Tip-Adapter",
    "tip_adapter_f": "Tip-Adapter-F",
    "blockwise_lda": "block-wise LDA",
    "coop": "CoOp",
    "cocoop": "CoCoOp",
    "biomed_coop": "BiomedCoOp",
    "maple": "MaPLe",
    "kgcoop": "KgCoOp",
    "lora": "LoRA",
}
COMPARED = ("dual_anchor_loss", OURS, BOTH, "single_template_kept")

INTERVAL = ("auroc", "low", "high")


def biomed_leakage() -> str:
    """Return the overlap of training and test and the accuracy of a probe, by way of splitting."""
    names = {
        "shared_subjects": "subjects in training and test",
        "share_of_test": "share of test images of these subjects",
        "probe_accuracy": "linear probe, 5-fold accuracy",
    }
    rows = {row["split"]: row for row in read("biomed_leakage")}
    lines = [
        [title, *(_number(rows[way][name]) for way in ("by_image", "by_subject"))]
        for name, title in names.items()
    ]
    return table(["", "split by image", "split by subject"], lines)


def biomed_methods() -> str:
    """Return balanced accuracy by set, method and shots; the other scores are at eight shots."""
    counts = ("2", "8", "16")
    methods = ("coop", "kgcoop", "lora", "dual_anchor_loss", OURS)
    trained = [_earlier(method, counts) for method in methods]
    return _by_set("package", counts, trained)


def biomed_dino() -> str:
    """Return the same for the features of a DINOv2 ViT-S."""
    return _by_set("dinov2", ("2", "8", "16"), [])


def biomed_maple() -> str:
    """Return the same for smaller images, on which prompts inside of the tower were trained."""
    return _by_set("dinov2_126", ("8",), [])


def _by_set(towers: str, counts: Sequence[str], trained: list[list[str]]) -> str:
    every, lines = [row for row in read("biomed_methods") if row["towers"] == towers], []
    for data, method in dict.fromkeys((row["data"], row["method"]) for row in every):
        mine = {r["shots"]: r for r in every if (r["data"], r["method"]) == (data, method)}
        first, some = next(iter(mine.values())), mine.get("8", {})
        cells = [f"{float(mine[c]['balanced']):.3f}" if c in mine else "" for c in counts]
        gap = ""
        if some and method != "logistic_regression":
            ends = (float(some[name]) for name in ("less_regression", "gap_low", "gap_high"))
            gap = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*ends)
        names = ("auroc", "sensitivity", "specificity", "ece")
        rest = [f"{float(some[name]):.3f}" if some.get(name) else "" for name in names]
        about = [data, _name(method), first["prompt"], first["draws"]]
        lines.append([*about, *cells, gap, *rest])
    lines += trained
    head = ["set", "method", "reads prompt", "draws", *(f"K = {c}" for c in counts)]
    rest = ["less regression", "AUROC", "sensitivity", "specificity", "ECE"]
    return table([*head, *rest], lines)


def _earlier(method: str, counts: Sequence[str]) -> list[str]:
    """Return the row of a trained method, whose test has as many images of each class."""
    rows = [row for row in _rows("few-shot") if row["method"] == method]
    by_count = {count: _with(rows, count) for count in counts}
    cells = [
        f"{sum(float(row['accuracy']) for row in mine) / len(mine):.3f}"
        for mine in by_count.values()
    ]
    error = sum(float(row["ece"]) for row in by_count["8"]) / len(by_count["8"])
    draws = str(len(by_count["8"]))
    about = ["mni", _name(method), _prompt(method), draws]
    return [*about, *cells, "", "", "", "", f"{error:.3f}"]


def biomed_volumes() -> str:
    """Return the AUROC of volumes by method, with its 95 % interval, for lesions and the sham."""
    every = read("biomed_volumes")
    kinds = list(dict.fromkeys(row["volumes"] for row in every))
    lines = []
    for method in dict.fromkeys(row["method"] for row in every):
        mine = {row["volumes"]: row for row in every if row["method"] == method}
        cells = []
        for kind in kinds:
            row = mine.get(kind)
            ends = [float(row[name]) for name in INTERVAL] if row else []
            cells.append("{:.3f} [{:.3f}, {:.3f}]".format(*ends) if ends else "")
        lines.append([method, *cells])
    return table(["method", *kinds], lines)


def biomed_radius() -> str:
    """Return the bound by slice labels for each size of the lesion, on volumes for the choice."""
    cells = [
        [row["radius"], "{:.3f} [{:.3f}, {:.3f}]".format(*(float(row[n]) for n in INTERVAL))]
        for row in read("biomed_volumes_radius")
    ]
    return table(["radius, pixels", "AUROC with slice labels"], cells)


def biomed_few_shot() -> str:
    """Return accuracy by method and shots, with the training wording."""
    rows = _rows("few-shot")
    counts = sorted({int(row["shots"]) for row in rows} - {0})
    lines = []
    for method in _methods(rows):
        mine = [row for row in rows if row["method"] == method]
        cells = [
            _over(mine if method == "zero_shot" else _with(mine, str(count)), "accuracy")
            for count in counts
        ]
        about = [_name(method), _prompt(method), f"{int(mine[0]['trainable']):,}"]
        lines.append([*about, *cells])
    return table(
        ["method", "reads prompt", "parameters", *(f"K = {count}" for count in counts)], lines
    )


def biomed_wordings() -> str:
    """Return accuracy under other wordings, calibration, and differences to a single template."""
    columns = ("accuracy", "wording_mean", "wording_worst", "wording_spread", "ece")
    lines = []
    for count in WORDED:
        rows = [r for r in _rows("few-shot") if r["shots"] in ("0", count)]
        for method in _methods(rows):
            mine = [row for row in rows if row["method"] == method]
            about = [count, _name(method), _prompt(method)]
            lines.append([*about, *(_over(mine, name) for name in columns)])
        for ours in COMPARED:
            title = f"*{_name(ours)} minus single template*"
            lines.append([count, title, "", *_gains(rows, columns, ours)])
    head = ["reads prompt", "training wording", "six others: mean", "worst", "spread", "ECE"]
    return table(["K", "method", *head], lines)


def biomed_summary() -> str:
    """Return accuracy at eight shots under the training wording and under six others."""
    columns = ("accuracy", "wording_mean", "wording_worst", "ece")
    rows = [r for r in _rows("few-shot") if r["shots"] in ("0", "8")]
    lines = []
    for method in (m for m in _methods(rows) if m in SHOWN):
        mine = [row for row in rows if row["method"] == method]
        about = [_name(method), _prompt(method)]
        lines.append([*about, *(_over(mine, name) for name in columns)])
    head = ["training wording", "six others: mean", "six others: worst", "calibration error"]
    head = ["reads prompt", *head]
    return table(["method", *head], lines)


def biomed_novel() -> str:
    """Return accuracy on base and novel classes, and the harmonic mean."""
    rows = _rows("base-to-novel")
    columns = ("accuracy", "novel", "harmonic")
    lines = []
    for method in _methods(rows):
        mine = [row for row in rows if row["method"] == method]
        lines.append([_name(method), *(_over(mine, name) for name in columns)])
    return table(["method", "base", "novel", "harmonic mean"], lines)


def biomed_tuning() -> str:
    """Return the score on held-out slices of the training slabs, by learning rate and steps."""
    rows, lines = _with(read("biomed_tuning"), "4"), []
    for lr, steps in dict.fromkeys((row["lr"], row["steps"]) for row in rows):
        mine = [row for row in rows if (row["lr"], row["steps"]) == (lr, steps)]
        varied = [row for row in mine if row["varied"] == "True"]
        dual = {v: [r for r in mine if (r["method"], r["varied"]) == (OURS, v)] for v in FLAGS}
        some = (varied, *dual.values())
        cells = [f"{_score(each):.3f}" for each in some]
        lines.append([f"{float(lr):g}", steps, *cells])
    head = [f"{_name(OURS)}, {how}" for how in ("varied sentences", "one sentence")]
    return table(["learning rate", "steps", "all methods", *head], lines)


def biomed_anchors() -> str:
    """Return scores at two shots by the weight of anchors in training, without kept anchors."""
    rows = [r for r in _with(read("biomed_tuning"), "2") if float(r["keep"]) == 0]
    return _by_weight(rows, "anchors", "anchors")


def biomed_kept() -> str:
    """Return scores at two shots by the weight of kept anchors in inference."""
    rows = _with(read("biomed_tuning"), "2")
    light = min(rows, key=lambda row: float(row["anchors"]))["anchors"]
    return _by_weight([r for r in rows if r["anchors"] == light], "keep", "kept anchors")


def _by_weight(rows: Sequence[Row], option: str, title: str) -> str:
    lines = []
    columns = ("accuracy", "wording_mean", "wording_worst")
    for weight in dict.fromkeys(row[option] for row in rows):
        mine = [row for row in rows if row[option] == weight]
        cells = [f"{_score(mine):.3f}"]
        for method in (OURS, BOTH):
            own = [row for row in mine if row["method"] == method]
            cells += [f"{sum(float(row[name]) for row in own) / len(own):.3f}" for name in columns]
        lines.append([f"{float(weight):g}", *cells])
    short = ("accuracy", "other wordings", "worst")
    head = [f"{_name(method)}: {name}" for method in (OURS, BOTH) for name in short]
    return table([title, "score", *head], lines)


def _score(rows: Sequence[Row]) -> float:
    """Return the mean accuracy under the training wording and under the six other wordings."""
    scores = [(float(row["accuracy"]) + float(row["wording_mean"])) / 2 for row in rows]
    return sum(scores) / len(scores)


def _rows(part: str) -> list[Row]:
    return [row for row in read("biomed") if row["part"] == part]


def _with(rows: Sequence[Row], shots: str) -> list[Row]:
    return [row for row in rows if row["shots"] == shots]


def _methods(rows: Sequence[Row]) -> list[str]:
    """Return the methods in the order of `methods.METHODS`."""
    from scionwood_biomed.evaluation.methods import METHODS

    return sorted({row["method"] for row in rows}, key=METHODS.index)


def _name(method: str) -> str:
    return NAMES.get(method, method.replace("_", " "))


def _prompt(method: str) -> str:
    """Return whether the answer of a method depends on the wording of a class."""
    from scionwood_biomed.evaluation.methods import reads_prompt

    return "yes" if reads_prompt(method) else "no"


def _over(rows: Sequence[Row], name: str) -> str:
    return spread([float(row[name]) for row in rows], ".3f")


def _gains(rows: Sequence[Row], columns: Sequence[str], ours: str) -> list[str]:
    """Return mean differences to the baseline over seeds; equal seeds have equal shots."""
    seeds = sorted({row["seed"] for row in rows})

    def of(method: str, seed: str, name: str) -> float:
        (value,) = (r[name] for r in rows if (r["method"], r["seed"]) == (method, seed))
        return float(value)

    return [
        spread([of(ours, s, name) - of(BASELINE, s, name) for s in seeds], "+.3f")
        for name in columns
    ]


def _number(value: str) -> str:
    return value if value.isdigit() else f"{float(value):.3f}"


TABLES: Tables = {
    "biomed_leakage": biomed_leakage,
    "biomed_summary": biomed_summary,
    "biomed_methods": biomed_methods,
    "biomed_dino": biomed_dino,
    "biomed_maple": biomed_maple,
    "biomed_volumes": biomed_volumes,
    "biomed_radius": biomed_radius,
    "biomed_few_shot": biomed_few_shot,
    "biomed_wordings": biomed_wordings,
    "biomed_novel": biomed_novel,
    "biomed_tuning": biomed_tuning,
    "biomed_anchors": biomed_anchors,
    "biomed_kept": biomed_kept,
}
