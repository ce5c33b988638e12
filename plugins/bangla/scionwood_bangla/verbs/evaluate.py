"""Compare a run with prompting its base: `scionwood bangla evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import RecipeError, find_run
from scionwood.authoring import RunPath, print_table, prints, read_origin
from scionwood_bangla.verbs.options import ExampleOptions
from scionwood_bangla.verbs.shared import load_examples, made_by, print_json, progress_bar
from scionwood_language import Decoding, Sampling

if TYPE_CHECKING:
    from scionwood_bangla.evaluation.compare import Evaluation, Plan, Suite
    from scionwood_bangla.text.examples import Example


@dataclass(frozen=True)
class EvaluateOptions(ExampleOptions, Sampling):
    """Which requests are answered, and how.

    Attributes:
        data: a file of examples with a register each, in any supported format. Without it, requests
            are generated.
        n: the number of generated requests; 0 for none.
        decoding: greedy, sampled or both.
        seed: the seed of shots, samples, bootstrap and the answers on the page.
        device: the device of the model, such as cpu or cuda.

    Example:
        >>> from scionwood_bangla import EvaluateOptions
        >>> EvaluateOptions(decoding="greedy").n
        240
    """

    n: int = 240
    max_new_tokens: int = 120
    decoding: Literal["greedy", "sampled", "both"] = "both"
    device: str = "cpu"


def _print_evaluation(evaluation: Evaluation, *, json: bool = False) -> None:
    """Print an evaluation.

    Args:
        evaluation: the rows and the files.
        json: print JSON.
    """
    from scionwood_bangla.evaluation.report import SUMMARY_COLUMNS, clean, summary

    if json:
        print_json(clean(evaluation.rows))
        return
    for title, lines in summary(evaluation.rows):
        print_table(SUMMARY_COLUMNS, lines, title=title, numeric=SUMMARY_COLUMNS[3:])
        print()
    print("\n".join(map(str, evaluation.files)))


@prints(_print_evaluation)
def evaluate(
    options: EvaluateOptions = EvaluateOptions(),
    *,
    run: RunPath,
    methods: list[str] | None = None,
    shots: int = 3,
    figures: Path | None = None,
    force: bool = False,
) -> Evaluation:
    """Compare a run with prompting its base: level of address, BLEU, chrF and ROUGE-L.

    Each method answers the hand-written prompts, and either a file of examples or generated
    requests about pairs of verb and tense that generated training data never shows. The results are
    written as CSV and JSON with 95 % bootstrap intervals, paired by prompt, as a figure, and as a
    page with answers.

    Args:
        options: which requests are answered, and how.
        run: a run of a task of this plugin, as a folder or by its name.
        methods: any of always_apni, always_tumi, zero_shot, few_shot, format_prompted, adapter and
            adapter_format_prompted. Without it, all methods are compared.
        shots: the number of examples of few-shot prompting, from the run's training split.
        figures: the folder for the figure, the tables and the page; by default the run folder. A
            shipped or pulled run needs this option.
        force: replace existing files.

    Raises:
        RecipeError: a method is unknown, an option is out of range, a prompt is too long, or a
            shipped run has no `figures`.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        ReadError: the data cannot be read, or no example has a register.
        OutputExistsError: a file exists and `force` is false.

    Example:
        >>> from pathlib import Path
        >>> short = EvaluateOptions(n=2, decoding="greedy", max_new_tokens=4)
        >>> done = evaluate(
        ...     short, run="bangla/register_tiny", methods=["zero_shot"], figures=Path("figures")
        ... )
        >>> sorted(path.suffix for path in Path("figures").iterdir())[-2:]
        ['.json', '.png']
    """
    # The data are read first: a wrong file is refused before torch is imported.
    data, seed = options.data, options.seed
    has_more = data is not None or options.n > 0
    examples = load_examples(options, seed + 1000, "unseen") if has_more else []
    from scionwood_bangla.evaluation.compare import compare
    from scionwood_bangla.evaluation.report import check_targets, write
    from scionwood_bangla.inference import Writer

    folder = _run_folder(run) if figures is None else figures
    check_targets(folder, overwrite=force)
    plan = _plan(run, methods, options, shots)
    suites = _suites(examples, "unseen_verb_tense" if data is None else data.stem)
    writer = Writer.of_run(run, options.device)
    total = len(plan.runs()) * sum(len(suite.items) for suite in suites)
    with progress_bar("answers", total) as progress:
        evaluation = compare(writer, suites, plan, progress=progress)
    settings = {
        **made_by(run),
        "decoding": options.decoding,
        "shots": shots,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_new_tokens": options.max_new_tokens,
        "seed": seed,
        **{f"prompts, {suite.name}": len(suite.items) for suite in suites},
    }
    evaluation.files = write(evaluation, folder, settings, overwrite=force, seed=seed)
    return evaluation


def _run_folder(run: str | Path) -> Path:
    folder = find_run(run)
    if read_origin(folder):
        rule = "a shipped or pulled run is not changed"
        raise RecipeError("evaluate without --figures", rule, "Name a folder: --figures FOLDER")
    return folder


def _plan(run: str | Path, methods: list[str] | None, options: EvaluateOptions, shots: int) -> Plan:
    from scionwood_bangla.evaluation.baselines import METHODS, draw_shots, training_examples
    from scionwood_bangla.evaluation.compare import Plan

    chosen = tuple(methods or METHODS)
    needs_shots = "few_shot" in chosen
    examples = draw_shots(training_examples(run), shots, options.seed) if needs_shots else []
    kinds = {"greedy": (False,), "sampled": (True,), "both": (False, True)}[options.decoding]
    decodings = [Decoding.of(options, sampled=is_sampled) for is_sampled in kinds]
    return Plan(chosen, decodings, examples, options.seed)


def _suites(examples: list[Example], name: str) -> list[Suite]:
    from scionwood_bangla.evaluation.compare import handwritten, held_out

    more = [held_out(examples, name)] if examples else []
    return [handwritten(), handwritten("dev"), handwritten("inferred"), *more]
