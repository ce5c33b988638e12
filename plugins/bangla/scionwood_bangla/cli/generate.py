"""The commands `scionwood bangla generate | evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import RecipeError
from scionwood_bangla.cli.sources import examples_of, training_examples, writer_of

if TYPE_CHECKING:
    from scionwood_bangla.evaluation.compare import Suite

Decodings = Literal["greedy", "sampled", "both"]


def generate(
    prompt: str,
    *,
    run: Path | None = None,
    adapter: Path | None = None,
    model: str = "tiny",
    register: str | None = None,
    best_of: int = 1,
    sampled: bool = False,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 160,
    seed: int = 0,
    device: str = "cpu",
    json: bool = False,
) -> None:
    """Print what a model answers, and what the checker of address says of it.

    Args:
        prompt: the request, in Bangla.
        run: the run folder of a task of this plugin that `scionwood fit` wrote.
        adapter: instead of a run, a plain peft folder that goes on `model`.
        model: without a run: tiny, a local folder, or owner/name on the hub.
        register: the level to ask for, tui, tumi or apni; the model is told it, and the checker
            demands it. The model goes by the request alone where null.
        best_of: sample so many answers and print the one with the fewest faults.
        sampled: draw each token; otherwise take the most probable one.
        temperature: of samples.
        top_p: samples come from the most probable tokens that together reach it.
        max_new_tokens: after which the answer is cut off.
        seed: of the samples.
        device: where to compute, such as cpu or cuda.
        json: print JSON.

    Raises:
        RecipeError: no such level, an option out of range, or a prompt that is too long.
        ReadError: the prompt is no Bangla.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or made for another base.
        WeightsError: the model cannot be had.
    """
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.report import as_json, as_text
    from scionwood_bangla.checker.restate import faults_of
    from scionwood_bangla.evaluation.baselines import told
    from scionwood_bangla.inference import Decoding
    from scionwood_bangla.text.examples import Message
    from scionwood_bangla.text.reading import require_bangla

    if best_of < 1:
        raise RecipeError(f"best_of={best_of}", "it is 1 or more")
    turns: tuple[Message, ...] = (Message("user", require_bangla(prompt, "the prompt")),)
    turns = turns if register is None else told(turns, register)
    decoding = Decoding(
        sampled or best_of > 1, temperature, top_p, max_new_tokens=max_new_tokens, seed=seed
    )
    answers = writer_of(run, adapter, model, device).write([turns] * best_of, decoding)
    levels = frozenset([register] if register else ("tui", "tumi", "apni"))
    best = min(answers, key=lambda each: (faults_of(each.text, levels), not each.ended))
    found = check_text(best.text, levels, letter=None)
    if json:
        print(_dump(as_json(found) | {"ended": best.ended, "samples": best_of}))
        return
    print(as_text(found))
    print(f"levels: {', '.join(sorted(found.levels)) or 'nobody is addressed'}")
    if not best.ended:
        print(f"cut off after {max_new_tokens} tokens")


def evaluate(
    *,
    run: Path,
    data: Path | None = None,
    unseen: int = 240,
    methods: list[str] | None = None,
    decoding: Decodings = "both",
    shots: int = 3,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 120,
    batch_size: int = 32,
    seed: int = 0,
    device: str = "cpu",
    out: Path | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Compare a run with its base, asked in four ways: address, BLEU, chrF, ROUGE-L, by level.

    Answered are the prompts that were written by hand, and either a file of examples or made-up
    requests about pairs of verb and tense that made-up training data never has. The table, with
    95 % bootstrap intervals paired by prompt, goes into the run folder as CSV and JSON, with a
    figure and a page that shows answers.

    Args:
        run: the run folder of a task of this plugin that `scionwood fit` wrote.
        data: examples of your own with a register each, in any format that is read, instead of the
            made-up ones.
        unseen: how many made-up requests; 0 for none.
        methods: of always_apni, always_tumi, zero_shot, few_shot, format_prompted, adapter and
            adapter_format_prompted; all where null.
        decoding: greedy, sampled or both.
        shots: examples of the run's training split for few-shot prompting.
        temperature: of samples.
        top_p: samples come from the most probable tokens that together reach it.
        max_new_tokens: after which an answer is cut off.
        batch_size: prompts at once.
        seed: of shots, samples, bootstrap, and the answers that the page shows.
        device: where to compute, such as cpu or cuda.
        out: another folder for the files.
        json: print JSON.
        force: replace files that are there.

    Raises:
        RecipeError: an unknown method, an option out of range, or a prompt that is too long.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or made for another base.
        ReadError: the data cannot be read, or no example has a register.
        OutputExistsError: a file exists and `force` is false.
    """
    from rich.console import Console
    from rich.progress import Progress

    from scionwood_bangla.evaluation import compare as measure
    from scionwood_bangla.evaluation import report as results
    from scionwood_bangla.evaluation.baselines import METHODS, draw_shots
    from scionwood_bangla.inference import Decoding, Writer

    folder = Path(run if out is None else out)
    results.check_free(folder, overwrite=force)
    chosen = tuple(methods or METHODS)
    given = draw_shots(training_examples(Path(run)), shots, seed) if "few_shot" in chosen else []
    kinds = {"greedy": (False,), "sampled": (True,), "both": (False, True)}[decoding]
    options = (temperature, top_p, max_new_tokens, batch_size, seed)
    plan = measure.Plan(chosen, [Decoding(kind, *options) for kind in kinds], given, seed)
    suites = [measure.handwritten(), measure.handwritten("dev"), *_suites(data, unseen, seed)]
    total = len(plan.runs()) * sum(len(suite.items) for suite in suites)
    writer = Writer.of_run(Path(run), device)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("answers", total=total)
        found = measure.evaluate(
            writer, suites, plan, progress=lambda n: progress.update(bar, completed=n)
        )
    settings = {
        "run": Path(run).resolve().name,
        "decoding": decoding,
        "shots": shots,
        "temperature": temperature,
        "top_p": top_p,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
        **{f"prompts, {suite.name}": len(suite.items) for suite in suites},
    }
    paths = results.write(found, folder, settings, overwrite=force, seed=seed)
    print(_dump(results.clean(found.rows)) if json else results.text(found.rows))
    if not json:
        print("\n".join(["", *map(str, paths)]))


def _suites(data: Path | None, unseen: int, seed: int) -> list[Suite]:
    from scionwood_bangla.evaluation.compare import held_out

    if data is None and unseen == 0:
        return []
    examples = examples_of(data, unseen, seed + 1000, "unseen")
    return [held_out(examples, "unseen_verb_tense" if data is None else Path(data).stem)]


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
