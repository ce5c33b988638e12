"""What a server offers of this plugin: Bangla texts in, findings and answers out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from scionwood.authoring import LoadedRun, Served

if TYPE_CHECKING:
    from scionwood_bangla.checker import Findings

LONGEST = 1024
"""The most tokens of an answer."""


def check(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    register: str | None = None,
    letter: Literal["auto", "yes", "no"] = "auto",
    page: bool = False,
) -> Served:
    """Answer with the faults of address of a text, as `scionwood bangla check --json` does.

    Args:
        loaded: any run of this plugin; the checker uses no model.
        source: the text, UTF-8.
        out: the folder of the results.
        register: the accepted levels, such as `apni` or `tumi,apni`; by default all.
        letter: whether to check the parts of a letter.
        page: also write a page with the text and its faults.

    Raises:
        ReadError: the text is not Bangla in Unicode.
        RecipeError: a level is unknown.
    """
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.report import as_json
    from scionwood_bangla.text.reading import read_text

    levels = None if register is None else [part.strip() for part in register.split(",")]
    is_letter = {"auto": None, "yes": True, "no": False}[letter]
    text = read_text(source)
    findings = check_text(text, levels, letter=is_letter)
    shown = _page(out, "Faults of address", text, findings) if page else None
    return Served(page=shown, values=as_json(findings))


def generate(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    register: Literal["tui", "tumi", "apni"] | None = None,
    sampled: bool = False,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 160,
    seed: int = 0,
    page: bool = False,
) -> Served:
    """Answer a request in Bangla, with the faults of the answer, as `scionwood bangla generate`.

    Args:
        loaded: a run of a language model.
        source: the request, a text in UTF-8.
        out: the folder of the results.
        register: the level to ask for; by default none is asked for, and all are accepted.
        sampled: sample each token instead of taking the most probable one.
        temperature: the temperature of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which the answer is cut off, at most 1024.
        seed: the seed of the samples.
        page: also write a page with the request and the answer.

    Raises:
        ReadError: the request is not Bangla in Unicode.
        RecipeError: an option is out of range, or the request is too long for the model.
    """
    (answer,) = generate_many(
        loaded, [source], [out], register=register, sampled=sampled, temperature=temperature,
        top_p=top_p, max_new_tokens=max_new_tokens, seed=seed, page=page,
    )  # fmt: skip
    return answer


class Generation(TypedDict):
    """The options of `generate`."""

    register: Literal["tui", "tumi", "apni"] | None
    sampled: bool
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int
    page: bool


def generate_many(
    loaded: LoadedRun,
    sources: Sequence[Path],
    outs: Sequence[Path],
    **options: Unpack[Generation],
) -> list[Served]:
    """Answer several requests, each as `generate` does; greedy answers pass the model together.

    Args:
        loaded: a run of a language model.
        sources: the requests.
        outs: the folder of the results of each.
        options: those of `generate`. Samples depend on what is drawn together, so they are drawn
            one request at a time.

    Raises:
        ReadError: a request is not Bangla in Unicode.
        RecipeError: an option is out of range, or a request is too long for the model.
    """
    from scionwood import RecipeError
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.report import as_json
    from scionwood_bangla.evaluation.baselines import with_instructions
    from scionwood_bangla.inference import Decoding, Writer
    from scionwood_bangla.lexicon import LEVELS
    from scionwood_bangla.text.examples import Message
    from scionwood_bangla.text.reading import read_text

    register, most = options["register"], options["max_new_tokens"]
    if most > LONGEST:
        rule = f"an answer has at most {LONGEST} tokens"
        raise RecipeError(f"max_new_tokens={most}", rule, "Ask for less")
    requests = [read_text(source) for source in sources]
    turns: list[tuple[Message, ...]] = [(Message("user", text),) for text in requests]
    if register is not None:
        turns = [with_instructions(each, register) for each in turns]
    decoding = Decoding(
        options["sampled"], options["temperature"], options["top_p"], most, seed=options["seed"]
    )
    writer = Writer.of_run(loaded.folder, loaded.device)
    batches = [[each] for each in turns] if options["sampled"] else [turns]
    answers = [answer for batch in batches for answer in writer.write(batch, decoding)]
    served = []
    for request, answer, out in zip(requests, answers, outs, strict=True):
        findings = check_text(answer.text, frozenset([register] if register else LEVELS))
        shown = _page(out, "Request and answer", request, findings) if options["page"] else None
        served.append(Served(page=shown, values=as_json(findings) | {"ended": answer.ended}))
    return served


def _page(out: Path, title: str, before: str, findings: Findings) -> Path:
    from scionwood.authoring import Page, Section, render
    from scionwood_bangla.checker.report import as_text

    parts = [Section("Before", [before]), Section("After, with its faults", [as_text(findings)])]
    target = out / "page.html"
    target.write_text(render(Page(title, parts, language="bn")), encoding="utf-8")
    return target
