"""All commands use the same words, so that a user of one can guess the options of another.

The words and their reasons are in `docs/architecture.md`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from scionwood.cli.words import Word as CommandWord
from scionwood.cli.words import command_words
from scionwood.plugins.plugin import Plugin
from scionwood_kit.checks.static import component
from scionwood_kit.rules import NothingToCheck, Problem, check


@dataclass(frozen=True)
class Word:
    """An option that means the same in every command.

    Attributes:
        type: the type of its value; None is allowed too.
        meaning: what it means, for the message.
        synonyms: other spellings of it, which are refused.
    """

    type: type
    meaning: str
    synonyms: frozenset[str]


def _word(kind: type, meaning: str, synonyms: str) -> Word:
    return Word(kind, meaning, frozenset(synonyms.split()))


WORDS = {
    "run": _word(
        Path,
        "the run folder (for the name of an adapter method, `--method`)",
        "adapter adapter_dir run_dir run_folder run_path model_dir checkpoint checkpoint_dir",
    ),
    "json": _word(bool, "JSON on stdout", "as_json to_json json_output print_json"),
    "n": _word(
        int,
        "how many things to make",
        "count number num how_many n_items n_records n_files n_examples n_gathers n_images n_parts"
        " n_texts n_prompts n_trajectories n_simulations num_samples",
    ),
    "seed": _word(int, "the seed of all random numbers", "random_seed rng_seed random_state rng"),
    "device": _word(str, "where the model runs, such as cpu or cuda", "cuda gpu accelerator"),
    "force": _word(bool, "replacing what exists", "overwrite replace clobber exist_ok yes"),
    "figures": _word(
        Path,
        "the folder of the figures",
        "figure fig figs figure_dir figures_dir plot plots plot_dir",
    ),
    "jobs": _word(
        int, "parallel processes", "workers num_workers n_workers n_jobs processes nproc procs"
    ),
}
"""The vocabulary of the command line. Lengths of an axis (`--n-traces`) are not part of it."""

OUTPUTS = {"out", "output", "outputs", "out_dir", "output_dir", "target", "into", "destination"}
"""Names of outputs, which are positional."""


@check
def check_vocabulary(plugin: Plugin) -> Iterator[Problem]:
    """Commands use the words of the vocabulary; inputs and outputs are positional, inputs first.

    A synonym of a word is refused, and so is a word for something else. A path that is required,
    or that is named like an output, is a positional parameter.
    """
    if not plugin.commands:
        raise NothingToCheck("no commands")
    for name, reference in plugin.commands.items():
        for option, word in command_words(component(reference)).items():
            for rule, remedy in _faults(option, word):
                yield Problem(f"command {name!r}: {option}", rule, remedy)


def _faults(name: str, option: CommandWord) -> Iterator[tuple[str, str]]:
    kind = _kind(option.hint)
    for word, entry in WORDS.items():
        if name in entry.synonyms:
            rule = f"the option for {entry.meaning} is --{word}"
            yield rule, f"Rename it to {word}"
        elif name == word and kind is not entry.type:
            rule = f"--{word} is {entry.meaning}, of type {entry.type.__name__}"
            yield rule, "Change its type, or give another meaning another name"
    if option.positional or kind is not Path or name in WORDS:
        return
    required = option.default is inspect.Parameter.empty
    if name in OUTPUTS or required:
        what = "a required path" if required else "an output"
        rule = f"{what} is a positional parameter, inputs first"
        yield rule, "Move it before the `*`"


def _kind(hint: Any) -> Any:
    # `Path | None` counts as Path, and so does a run, which is `Path | str`.
    members = [member for member in get_args(hint) if member is not NoneType]
    if Path in members:
        return Path
    return members[0] if len(members) == 1 and NoneType in get_args(hint) else hint
