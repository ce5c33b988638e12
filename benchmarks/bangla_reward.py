"""Train the shipped run further with two rewards: the level alone, or all four questions.

    python benchmarks/bangla_reward.py --work FOLDER    # minutes on one core; finished parts stay

The shipped run answers generated requests eight times each. Both rewards rank the same answers
into pairs. Direct preference optimisation trains an adapter on the merged run with the pairs of
each reward, with the same number of pairs, steps and seeds. Greedy answers to the hand-written
prompts are scored by all four questions. The settings are those of `bangla/dpo_register`, with a
smaller learning rate, since the policy starts from a trained run. Nothing was tuned.
"""

from __future__ import annotations

from pathlib import Path

from bangla_score import passed
from runner import Row, machine, option, parsed, remembered, write

from scionwood import find_run, fit, resolve
from scionwood_bangla.data.pairs import Preference, best_and_worst, write_preferences
from scionwood_bangla.evaluation.prompts import Half, prompts
from scionwood_bangla.evaluation.quality import judge_answer
from scionwood_bangla.generator.make import examples
from scionwood_bangla.inference import SHIPPED, Writer
from scionwood_language import Decoding

HALVES: tuple[Half, ...] = ("dev", "test", "inferred")
REQUESTS, SAMPLES, STEPS, SEEDS = 120, 8, 60, 2


def pairs_by_reward(work: Path) -> dict[str, Path]:
    """Return the files of pairs for each reward. Both have equally many pairs."""
    files = {"register": work / "register.jsonl", "good": work / "good.jsonl"}
    if all(file.exists() for file in files.values()):
        return files
    requests = examples(REQUESTS, seed=7, which="seen")
    questions = [example.prompt for example in requests for _ in range(SAMPLES)]
    decoding = Decoding(1.0, 1.0, batch_size=64, seed=7, sampled=True)
    answers = Writer.of_run(SHIPPED).write(questions, decoding)
    groups = [answers[k * SAMPLES : (k + 1) * SAMPLES] for k in range(len(requests))]
    ranked: dict[str, list[Preference]] = {}
    for rank in ("register", "good"):
        choices = (
            best_and_worst(e, group, rank) for e, group in zip(requests, groups, strict=True)
        )
        ranked[rank] = [pair for pair in choices if pair is not None]
    count = min(map(len, ranked.values()))
    print({rank: len(pairs) for rank, pairs in ranked.items()}, flush=True)
    for rank, file in files.items():
        write_preferences(ranked[rank][:count], file, overwrite=True)
    return files


def trained(work: Path, source: Path, seed: int) -> Path:
    """Return the run that was trained on a file of pairs."""
    run = work / f"{source.stem}-{seed}"
    if not (run / "adapter").is_dir():
        merged = work / "merged"
        changes = [
            f"seed={seed}",
            f"backbone.model={merged}",
            f"data.tokenizer={merged}",
            f"data.source={source}",
            "task.lr=1.0e-3",
            f"trainer.max_steps={STEPS}",
            f"trainer.val_check_interval={STEPS}",
            "trainer.logger=false",
            "trainer.accelerator=cpu",
        ]
        fit(resolve("bangla/dpo_register", changes), run_dir=run)
    return run


def scores(work: Path, name: str, seed: int, run: str | Path) -> list[Row]:
    """Return the shares of greedy answers that pass each question, by half."""

    def score() -> list[Row]:
        writer, rows = Writer.of_run(run), []
        for half in HALVES:
            items = prompts(half=half)
            questions = [item.example().prompt for item in items]
            answers = writer.write(questions, Decoding(max_new_tokens=120, batch_size=64))
            verdicts = [
                judge_answer(item.text, answer.text, item.levels)
                for item, answer in zip(items, answers, strict=True)
            ]
            about = {"reward": name, "seed": seed, "half": half, "prompts": len(items)}
            for measure, value in passed(verdicts).items():
                rows.append(about | {"measure": measure, "value": value})
                print(name, seed, half, measure, value, sep="\t", flush=True)
        return rows

    rows: list[Row] = remembered(work / f"{name}-{seed}.json", score)
    return rows


def main() -> None:
    folder = option(
        "--work", type=Path, default=Path("runs/bangla_reward"), help="a folder for pairs and runs"
    )
    work = parsed(__doc__, folder).work
    files = pairs_by_reward(work)
    if not (work / "merged").is_dir():
        Writer.of_run(find_run(SHIPPED)).save_merged(work / "merged")
    rows = scores(work, "shipped run", 0, SHIPPED)
    for seed in range(SEEDS):
        for name, file in files.items():
            rows += scores(work, name, seed, trained(work, file, seed))
            write("bangla_reward", [{"device": "cpu", **row, **machine()} for row in rows])


if __name__ == "__main__":
    main()
