"""The commands `scionwood bangla generate | evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import RecipeError, find_run
from scionwood.authoring import InputPath, RunPath, print_table, read_origin
from scionwood_bangla.cli.shared import load_examples, made_by, print_json, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scionwood_bangla.evaluation.compare import Plan, Row, Suite
    from scionwood_bangla.inference import Decoding
    from scionwood_bangla.text.examples import Example

Decodings = Literal["greedy", "sampled", "both"]


def generate(
    prompt: str,
    *,
    run: RunPath | None = None,
    peft: InputPath | None = None,
    model: str | None = None,
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
    """Print the answer of a model, checked for faults of address.

    Args:
        prompt: the request, in Bangla.
        run: a run of a task of this plugin, as a folder or by its name. Without run, peft and model
            it is the shipped one, bangla/register_tiny.
        peft: a plain peft folder that goes on `model`, instead of a run.
        model: the model without a run: tiny, a local folder, or owner/name on the hub.
        register: the level to ask for: tui, tumi or apni. It is added to the prompt, and the
            checker requires it. Without it, all levels are accepted.
        best_of: the number of samples. The command prints the sample with the fewest faults.
        sampled: sample each token instead of taking the most probable one.
        temperature: the temperature of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which the answer is cut off.
        seed: the seed of the samples.
        device: the device, such as cpu or cuda.
        json: print JSON.

    Raises:
        RecipeError: the level is unknown, an option is out of range, or the prompt is too long.
        ReadError: the prompt is not Bangla.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.
    """
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.report import as_json, as_text
    from scionwood_bangla.checker.restate import count_faults
    from scionwood_bangla.evaluation.baselines import with_instructions
    from scionwood_bangla.inference import SHIPPED, Decoding, load_writer
    from scionwood_bangla.lexicon import LEVELS
    from scionwood_bangla.text.examples import Message
    from scionwood_bangla.text.reading import require_bangla

    if best_of < 1:
        raise RecipeError(f"best_of={best_of}", "it must be at least 1", "Give a positive number")
    turns: tuple[Message, ...] = (Message("user", require_bangla(prompt, "the prompt")),)
    turns = turns if register is None else with_instructions(turns, register)
    decoding = Decoding(
        sampled or best_of > 1, temperature, top_p, max_new_tokens=max_new_tokens, seed=seed
    )
    if run is None and peft is None and model is None:
        run = SHIPPED
    answers = load_writer(run, peft, model, device).write([turns] * best_of, decoding)
    levels = frozenset([register] if register else LEVELS)
    best = min(answers, key=lambda answer: (count_faults(answer.text, levels), not answer.ended))
    findings = check_text(best.text, levels, letter=None)
    if json:
        record = as_json(findings) | {"ended": best.ended, "samples": best_of}
        print_json(record | ({"run": None} if run is None else made_by(run)))
        return
    print(as_text(findings))
    print(f"levels: {', '.join(sorted(findings.levels)) or 'nobody is addressed'}")
    if not best.ended:
        print(f"cut off after {max_new_tokens} tokens")


def evaluate(
    *,
    run: RunPath,
    data: Path | None = None,
    n: int = 240,
    methods: list[str] | None = None,
    decoding: Decodings = "both",
    shots: int = 3,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 120,
    batch_size: int = 32,
    seed: int = 0,
    device: str = "cpu",
    figures: Path | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Compare a run with prompting its base: level of address, BLEU, chrF and ROUGE-L.

    Each method answers the hand-written prompts, and either a file of examples or generated
    requests about pairs of verb and tense that generated training data never shows. The results are
    written as CSV and JSON with 95 % bootstrap intervals, paired by prompt, as a figure, and as a
    page with answers.

    Args:
        run: a run of a task of this plugin, as a folder or by its name.
        data: a file of examples with a register each, in any supported format. Without it, requests
            are generated.
        n: the number of generated requests; 0 for none.
        methods: any of always_apni, always_tumi, zero_shot, few_shot, format_prompted, adapter and
            adapter_format_prompted. Without it, all methods are compared.
        decoding: greedy, sampled or both.
        shots: the number of examples of few-shot prompting, from the run's training split.
        temperature: the temperature of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which an answer is cut off.
        batch_size: the number of prompts in a batch.
        seed: the seed of shots, samples, bootstrap and the answers on the page.
        device: the device, such as cpu or cuda.
        figures: the folder for the figure, the tables and the page; by default the run folder. A
            shipped or pulled run needs this option.
        json: print JSON.
        force: replace existing files.

    Raises:
        RecipeError: a method is unknown, an option is out of range, a prompt is too long, or a
            shipped run has no `figures`.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        ReadError: the data cannot be read, or no example has a register.
        OutputExistsError: a file exists and `force` is false.
    """
    # The data are read first: a wrong file is refused before torch is imported.
    examples = load_examples(data, n, seed + 1000, "unseen") if data is not None or n > 0 else []
    from scionwood_bangla.evaluation.compare import compare
    from scionwood_bangla.evaluation.report import check_targets, clean, write
    from scionwood_bangla.inference import Decoding, Writer

    folder = _own_folder(run) if figures is None else figures
    check_targets(folder, overwrite=force)
    kinds = {"greedy": (False,), "sampled": (True,), "both": (False, True)}[decoding]
    options = (temperature, top_p, max_new_tokens, batch_size, seed)
    plan = _plan(run, methods, [Decoding(kind, *options) for kind in kinds], shots, seed)
    suites = _suites(examples, "unseen_verb_tense" if data is None else data.stem)
    writer = Writer.of_run(run, device)
    total = len(plan.runs()) * sum(len(suite.items) for suite in suites)
    with progress_bar("answers", total) as progress:
        evaluation = compare(writer, suites, plan, progress=progress)
    settings = {
        **made_by(run),
        "decoding": decoding,
        "shots": shots,
        "temperature": temperature,
        "top_p": top_p,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
        **{f"prompts, {suite.name}": len(suite.items) for suite in suites},
    }
    paths = write(evaluation, folder, settings, overwrite=force, seed=seed)
    if json:
        print_json(clean(evaluation.rows))
    else:
        _print_summary(evaluation.rows)
        print("\n".join(map(str, paths)))


def _own_folder(run: str | Path) -> Path:
    folder = find_run(run)
    if read_origin(folder):
        rule = "a shipped or pulled run is not changed"
        raise RecipeError("evaluate without --figures", rule, "Name a folder: --figures FOLDER")
    return folder


def _plan(
    run: str | Path, methods: list[str] | None, decodings: list[Decoding], shots: int, seed: int
) -> Plan:
    from scionwood_bangla.evaluation.baselines import METHODS, draw_shots, training_examples
    from scionwood_bangla.evaluation.compare import Plan

    chosen = tuple(methods or METHODS)
    examples = draw_shots(training_examples(run), shots, seed) if "few_shot" in chosen else []
    return Plan(chosen, decodings, examples, seed)


def _suites(examples: list[Example], name: str) -> list[Suite]:
    from scionwood_bangla.evaluation.compare import handwritten, held_out

    more = [held_out(examples, name)] if examples else []
    return [handwritten(), handwritten("dev"), handwritten("inferred"), *more]


def _print_summary(rows: Sequence[Row]) -> None:
    from scionwood_bangla.evaluation.report import SUMMARY_COLUMNS, summary

    for title, lines in summary(rows):
        print_table(SUMMARY_COLUMNS, lines, title=title, numeric=SUMMARY_COLUMNS[3:])
        print()
