"""Compare runs of words with the network that saw none: `scionwood audio compare`."""

from __future__ import annotations

from scionwood import TrainingError
from scionwood.authoring import print_table


def compare(runs: list[str]) -> None:
    """Print what each run measured on its validation, and from how many clips an arm pays.

    An arm is a score with an adapter. Train it with several `data.shots`, in one run each. An arm
    that never exceeds the untrained likelihood of the decoder, `zero_shot`, is not recommended.

    Args:
        runs: runs of `audio/keyword` on the same data, finished and validated.

    Raises:
        TrainingError: a run is not finished, has no validation, or is of another validation set.

    Example:
        >>> import scionwood
        >>> from scionwood_audio import compare
        >>> recipe = scionwood.resolve("audio/words_new_language", smoke=True)
        >>> run = scionwood.fit(recipe, run_dir="runs/eight")
        >>> compare(["runs/eight"])  # doctest: +ELLIPSIS
        run ...
    """
    from scionwood import find_run, resolve
    from scionwood_audio.evaluation.trials import advice
    from scionwood_audio.inference.spotting import recorded

    rows, arms, zeros = [], dict[str, dict[int, float]](), set[float]()
    for name in runs:
        values = recorded(name)
        if not {"hard", "zero_shot"} <= values.keys():
            rule = "its validation measured no `hard` and `zero_shot`"
            raise TrainingError(f"run {name}", rule, "Train audio/keyword with task.compare true")
        recipe = resolve(find_run(name) / "recipe.yaml")
        clips = recipe.data.options.get("shots") or 0
        score = recipe.task.options.get("score", "likelihood")
        arm = f"{score}, {recipe.adapter.name}"
        arms.setdefault(arm, {})[clips] = values["hard"]
        zeros.add(round(values["zero_shot"], 3))
        numbers = [f"{values[key]:.1f}" for key in ("easy", "hard", "zero_shot")]
        rows.append((name, arm, str(clips or "all"), *numbers))
    if len(zeros) > 1:
        rule = f"their zero-shot differs: {', '.join(map(str, sorted(zeros)))}"
        raise TrainingError("runs", rule, "Compare runs with the same data and seed")
    print_table(("run", "arm", "clips", "easy", "hard", "zero-shot hard"), rows)
    print(*advice(arms, zeros.pop()), sep="\n")
