"""Tables of the Bangla plugin: answers by method and level, the checker, lexicon and tokenizers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bangla_models import TABLES as MODELS
from text import Row, Tables, read, spread, table

SUITES = {
    "unseen_verb_tense": "unseen",
    "handwritten": "test half",
    "handwritten_dev": "development half",
}
"""The name of each suite in the tables."""

_NAMES = {
    "always_apni": "one polite answer to everything (no model)",
    "always_tumi": "one familiar answer to everything (no model)",
    "zero_shot": "base model",
    "few_shot": "base model, three examples in the prompt",
    "format_prompted": "base model, level in the prompt",
    "adapter": "adapter",
    "adapter_format_prompted": "adapter, level in the prompt",
}


def bangla_card() -> str:
    """Return register match of greedy answers by method, for the card."""
    lines = [
        [
            _NAMES[method],
            *(_cell(rows, suite, "greedy", "register_match", ".2f") for suite in list(SUITES)[:2]),
        ]
        for method, rows in _methods()
    ]
    return table(["method", "generated requests", "hand-written prompts"], lines)


def bangla_methods() -> str:
    """Return register match by method and decoding."""
    lines = [
        [
            method.replace("_", " "),
            *(
                _cell(rows, suite, decoding, "register_match", ".2f")
                for suite in SUITES
                for decoding in ("greedy", "sampled")
            ),
        ]
        for method, rows in _methods()
    ]
    columns = [f"{short}, {way}" for short in SUITES.values() for way in ("greedy", "sampled")]
    return table(["method", *columns], lines)


def bangla_similarity() -> str:
    """Return the other measures of greedy answers by method."""
    lines = [
        [
            method.replace("_", " "),
            *(_cell(rows, "handwritten", "greedy", n, ".2f") for n in ("over_formal", "ended")),
            *(
                _cell(rows, "unseen_verb_tense", "greedy", n, ".1f")
                for n in ("bleu", "chrf", "rouge_l")
            ),
        ]
        for method, rows in _methods()
    ]
    return table(["method", "over-formal", "ended", "BLEU", "chrF", "ROUGE-L"], lines)


_TRAINED = {
    "shipped": ("base of the shipped run", "shipped run (seed 0)"),
    "bangla/register_tiny": ("base", "register_tiny"),
    "bangla/dpo_register": ("base", "dpo_register"),
}
"""The names of the base and of the adapted model, by recipe."""


def bangla_levels() -> str:
    """Return register match of greedy answers before and after each recipe, by level."""
    lines = []
    for recipe, names in _TRAINED.items():
        rows = [row for row in read("bangla_generation") if row["recipe"] == recipe]
        for suite, short in SUITES.items():
            for method, named in zip(("zero_shot", "adapter"), names, strict=True):
                mine = [row for row in rows if row["method"] == method]
                cells = [
                    _cell(
                        [row for row in mine if row["group"] == group],
                        suite,
                        "greedy",
                        "register_match",
                        ".2f",
                    )
                    for group in ("all", "tui", "tumi", "apni", "plain", "hard")
                ]
                lines.append([named, short, *cells])
    unique = list(dict.fromkeys(map(tuple, lines)))
    head = ["model", "requests", "all", "tui", "tumi", "apni", "a sentence or two", "longer"]
    return table(head, [list(line) for line in unique])


def bangla_checker() -> str:
    """Return the scores of the checker on the labelled sentences and letters, by half."""
    measures = {
        "precision": "precision",
        "recall": "recall",
        "false_positives_right": "correct, flagged",
        "false_positives_trap": "traps, flagged",
        "abstention": "abstention",
    }
    values = _values()
    lines = [
        [
            f"{half} ({values[f'sentences, {half}', 'sentences']:.0f})",
            *(f"{values[f'sentences, {half}', name]:.2f}" for name in measures),
            f"{values[f'letters, {half}', 'f1']:.2f}",
        ]
        for half in ("dev", "test")
    ]
    return table(["half (sentences)", *measures.values(), "parts of letters, F1"], lines)


def bangla_lexicon() -> str:
    """Return the coverage of the lexicon, and the speed of normaliser and checker."""
    values = _values()
    rows = (
        ("forms in wordfreq, each counted once", "wordfreq", "all", ".2f"),
        ("the same without `tui`", "wordfreq", "all but tui", ".2f"),
        ("the same, only `tui`", "wordfreq", "tui", ".2f"),
        ("cells of the paradigm in wordfreq", "wordfreq", "cells", ".2f"),
        ("verb forms of bkit in the lexicon", "bkit", "of them read here", ".2f"),
        ("forms of the lexicon", "lexicon", "forms", ".0f"),
        ("speed of the normaliser, MB/s", "normalise", "MB/s", ".1f"),
        ("speed of the checker, MB/s", "check_text", "MB/s", ".1f"),
    )
    lines = [[text, f"{values[key, name]:{form}}"] for text, key, name, form in rows]
    return table(["measure", "value"], lines)


def bangla_fertility() -> str:
    """Return the tokens per Bangla word of published tokenizers."""
    lines = [
        [subject, f"{value:.2f}", f"{_values()[subject, 'words in 2048 tokens']:.0f}"]
        for (subject, name), value in _values().items()
        if name == "tokens a word"
    ]
    return table(["tokenizer", "tokens per word", "words in 2,048 tokens"], lines)


_CORPORA = {
    "tune": "sentences of a dictionary, seen",
    "dev_prose": "a translated book, half of its chapters, seen",
    "test_sentences": "the other sentences of the dictionary",
    "kept_prose": "the other chapters of the book",
    "kept_messages": "messages of a wiki",
    "kept_pairs": "sentences of volunteers",
    "kept_hoque": "the book by another translator",
    "kept_unmarked": "the same without its quotation marks",
}


def bangla_prose() -> str:
    """Return flags and false flags per 1,000 words of prose, and the coverage of the lexicon."""
    values = _prose()
    false = Counter(r["corpus"] for r in read("bangla_prose_flags") if r["verdict"] == "false")
    lines = [
        [
            name,
            f"{values[corpus, 'words']:,.0f}",
            f"{values[corpus, 'flags']:.2f}",
            "" if "seen" in name else f"{1000 * false[corpus] / values[corpus, 'words']:.2f}",
            f"{values[corpus, 'coverage']:.3f}",
        ]
        for corpus, name in _CORPORA.items()
    ]
    head = ["text", "words", "flags per 1,000 words", "of them false", "finite verbs known"]
    return table(head, lines)


def bangla_prose_recall() -> str:
    """Return the share of planted flips that are found, by text and kind."""
    values = _prose()
    kinds = {
        "verb, second": "verb after a second-person pronoun",
        "pronoun": "second-person pronoun",
        "verb, third": "verb after a third-person pronoun",
    }
    lines = []
    for kind, name in kinds.items():
        line = [name]
        for corpus in ("dev_prose", "kept_prose", "kept_pairs", "kept_hoque"):
            subject = f"flips, {corpus}, {kind}"
            line.append(spread([values[subject, f"seed {seed}"] for seed in range(3)], ".2f"))
        number = sum(values[f"flips, kept_prose, {kind}", f"number, seed {s}"] for s in range(3))
        lines.append([*line, f"{number:.0f}"])
    texts = ("the seen chapters", "the other chapters", "sentences of volunteers")
    return table(["flipped word", *texts, "the other translator", "flips in each"], lines)


def bangla_prose_read() -> str:
    """Return the verdicts on the flags that were read, by reason and text."""
    rows = read("bangla_prose_flags")
    corpora = ("test_sentences", "kept_prose", "kept_pairs", "kept_hoque")
    counts = Counter((row["verdict"], row["reason"], row["corpus"]) for row in rows)
    totals = Counter((row["verdict"], row["reason"]) for row in rows)
    ordered = sorted(totals, key=lambda pair: (pair[0] != "right", -totals[pair], pair[1]))
    lines = [
        [reason, verdict, *(str(counts[verdict, reason, corpus]) for corpus in corpora)]
        for verdict, reason in ordered
    ]
    names = ("dictionary", "book", "volunteers", "the other translator")
    return table(["what the reader saw", "verdict", *names], lines)


def bangla_trl() -> str:
    """Return the largest difference from TRL by family: of losses, and of log-probabilities."""
    rows = read("bangla_trl")
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    cells = {(row["family"], row["mode"]): row["difference"] for row in rows}
    families = dict.fromkeys(row["family"] for row in rows)
    lines = [[name, *(cells.get((name, mode), "") for mode in modes)] for name in families]
    return table(["family", *modes], lines)


def _prose() -> dict[tuple[str, str], float]:
    return {(row["subject"], row["measure"]): float(row["value"]) for row in read("bangla_prose")}


def _values() -> dict[tuple[str, str], float]:
    return {(row["subject"], row["measure"]): float(row["value"]) for row in read("bangla")}


def _methods() -> list[tuple[str, list[Row]]]:
    rows = [row for row in read("bangla_generation") if row["recipe"] == "bangla/register_tiny"]
    names = dict.fromkeys(row["method"] for row in rows if row["method"])
    return [
        (name, [row for row in rows if row["method"] == name and row["group"] == "all"])
        for name in names
    ]


def _cell(rows: Sequence[Row], suite: str, decoding: str, measure: str, form: str) -> str:
    values = [
        float(row["value"])
        for row in rows
        if row["suite"] == suite and row["decoding"] in (decoding, "") and row["measure"] == measure
    ]
    return spread(values, form)


TABLES: Tables = {
    **MODELS,
    "bangla_prose": bangla_prose,
    "bangla_prose_recall": bangla_prose_recall,
    "bangla_prose_read": bangla_prose_read,
    "bangla_trl": bangla_trl,
    "bangla_card": bangla_card,
    "bangla_methods": bangla_methods,
    "bangla_similarity": bangla_similarity,
    "bangla_levels": bangla_levels,
    "bangla_checker": bangla_checker,
    "bangla_lexicon": bangla_lexicon,
    "bangla_fertility": bangla_fertility,
}
