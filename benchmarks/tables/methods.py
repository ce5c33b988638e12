"""Tables of continual learning, of the reasoner, and of chosen training data."""

from __future__ import annotations

from text import Tables, read, spread, table


def continual() -> str:
    """Accuracy and forgetting after five tasks in a row."""
    lines = []
    rows = read("continual")
    for method in dict.fromkeys(row["method"] for row in rows):
        seeds = [row for row in rows if row["method"] == method]
        numbers = [
            spread([float(row[name]) for row in seeds if row[name]], ".3f")
            if all(row[name] for row in seeds)
            else ""
            for name in ("average_accuracy", "forgetting", "learnt", "plain_digits")
        ]
        lines.append([method, *numbers, max((row["trained"] for row in seeds), key=int)])
    head = [
        "method",
        "average accuracy",
        "forgetting",
        "accuracy after learning",
        "plain digits at the end",
    ]
    return table([*head, "parameters per task"], lines)


def unir() -> str:
    """The rewards of the base alone, and with the reasoner before and after its training."""
    lines = []
    rows = read("unir")
    for variant in dict.fromkeys(row["variant"] for row in rows):
        seeds = [row for row in rows if row["variant"] == variant]
        columns = ("base", "before", "after")
        rewards = [spread([float(row[name]) for row in seeds], ".3f") for name in columns]
        lines.append([variant, *rewards, seeds[0]["trained"]])
    head = ["what trains", "base alone", "with the untrained reasoner", "after training"]
    return table([*head, "parameters"], lines)


RULES = {
    "all": "all",
    "random": "10 % by chance",
    "heads": "10 % by the strong heads",
    "highest-loss": "10 % of highest loss",
    "lowest-loss": "10 % of lowest loss",
}
SCORES = {
    "seismic": ("seismic denoising, SNR in dB (higher is better)", "value", True),
    "bangla": ("Bangla register, loss in nats per token (lower is better)", "loss", False),
    "SmolLM2": ("SmolLM2, loss in nats per token (lower is better)", "loss", False),
}


def selection() -> str:
    """The scores of the rules for choosing a tenth of the data, and the seeds that chance wins."""
    rows, lines = read("selection"), []
    for field, (title, column, higher) in SCORES.items():
        of: dict[str, dict[str, float]] = {rule: {} for rule in RULES}
        for row in rows:
            if row["field"] == field:
                of[row["rule"]][row["seed"]] = float(row[column])
        both = of["heads"].keys() & of["random"].keys()
        pairs = [(of["random"][seed], of["heads"][seed]) for seed in both]
        wins = sum((chance > heads) == higher for chance, heads in pairs if chance != heads)
        numbers = [spread(list(of[rule].values()), ".3f") for rule in RULES]
        lines.append([title, *numbers, f"{wins} of {len(pairs)}" if pairs else ""])
    return table(["test score", *RULES.values(), "seeds where chance beats the heads"], lines)


TABLES: Tables = {
    "selection": selection,
    "continual": continual,
    "unir": unir,
}
