"""Answer requests in Bangla, and check the answers: `scionwood bangla generate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bangla_checker import Findings, as_json, as_text, check_text
from scionwood import RecipeError
from scionwood.authoring import LoadedRun, Served, prints
from scionwood_bangla.text.examples import Message
from scionwood_bangla.text.reading import read_text, require_bangla
from scionwood_bangla.verbs.shared import made_by, print_json, write_page
from scionwood_language import Decoding, ModelOptions

if TYPE_CHECKING:
    from scionwood_language import Answer

LONGEST = 1024
"""The most tokens of an answer of a server."""


@dataclass(frozen=True)
class GenerateRequest(Decoding):
    """How a request is answered.

    Attributes:
        register: the level to ask for: tui, tumi or apni. It is added to the prompt, and the
            checker requires it. Without it, all levels are accepted.

    Example:
        >>> from scionwood_bangla import GenerateRequest
        >>> GenerateRequest(register="apni").max_new_tokens
        160
    """

    max_new_tokens: int = 160
    register: str | None = None


@dataclass(frozen=True)
class GenerateOptions(ModelOptions, GenerateRequest):
    """Which model answers, and how.

    Example:
        >>> from scionwood_bangla import GenerateOptions
        >>> GenerateOptions().max_new_tokens
        160
    """


def _print_answers(
    answers: Sequence[Answer], *, options: GenerateOptions, json: bool = False
) -> None:
    """Print answers with their faults.

    Args:
        answers: the answers.
        options: how they were generated.
        json: print JSON.
    """
    from scionwood_bangla.inference import SHIPPED

    checked = [(_check(answer, options, None), answer) for answer in answers]
    if json:
        run = options.run or (SHIPPED if options.model is None else None)
        origin = {"run": None} if run is None else made_by(run)
        records = [_record(findings, answer) | origin for findings, answer in checked]
        print_json(records if len(records) > 1 else records[0])
        return
    for findings, answer in checked:
        print(as_text(findings))
        print(f"levels: {', '.join(sorted(findings.levels)) or 'nobody is addressed'}")
        if not answer.ended:
            print(f"cut off after {options.max_new_tokens} tokens")


@prints(_print_answers)
def generate(prompts: list[str], options: GenerateOptions = GenerateOptions()) -> list[Answer]:
    """Print the answer of a model to each request, checked for faults of address.

    Args:
        prompts: the requests, in Bangla.
        options: the model, and how it answers.

    Returns:
        The answer to each request.

    Raises:
        RecipeError: the level is unknown, an option is out of range, or the prompt is too long.
        ReadError: a request is not Bangla.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.

    Example:
        >>> from scionwood_bangla import GenerateOptions, generate
        >>> [answer] = generate(["বন্ধুকে চিঠি লেখো।"], GenerateOptions(max_new_tokens=4))
        >>> answer.ended
        False
    """
    from scionwood_bangla.inference import load_writer

    texts = [require_bangla(prompt, "the prompt") for prompt in prompts]
    return load_writer(options).write(_turns(texts, options), options)


def serve_generate(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    options: GenerateRequest = GenerateRequest(),
    page: bool = False,
) -> Served:
    """Answer a request in Bangla, with the faults of the answer, as `scionwood bangla generate`.

    Args:
        loaded: a run of a language model.
        source: the request, a text in UTF-8.
        out: the folder of the results.
        options: how the request is answered; an answer has at most 1024 tokens.
        page: also write a page with the request and the answer.

    Raises:
        ReadError: the request is not Bangla in Unicode.
        RecipeError: an option is out of range, or the request is too long for the model.
    """
    (answer,) = serve_generate_many(loaded, [source], [out], options=options, page=page)
    return answer


def serve_generate_many(
    loaded: LoadedRun,
    sources: Sequence[Path],
    outs: Sequence[Path],
    *,
    options: GenerateRequest = GenerateRequest(),
    page: bool = False,
) -> list[Served]:
    """Answer several requests, each as `serve_generate`; greedy answers pass the model together.

    Args:
        loaded: a run of a language model.
        sources: the requests.
        outs: the folder of the results of each.
        options: how the requests are answered. Samples depend on what is drawn together, so they
            are drawn one request at a time.
        page: also write a page with each request and its answer.

    Raises:
        ReadError: a request is not Bangla in Unicode.
        RecipeError: an option is out of range, or a request is too long for the model.
    """
    from scionwood_bangla.inference import Writer

    if options.max_new_tokens > LONGEST:
        rule = f"an answer has at most {LONGEST} tokens"
        raise RecipeError(f"max_new_tokens={options.max_new_tokens}", rule, "Ask for less")
    requests = [read_text(source) for source in sources]
    turns = _turns(requests, options)
    writer = Writer.of_run(loaded.folder, loaded.device)
    batches = [[turn] for turn in turns] if options.sampled else [turns]
    answers = [answer for batch in batches for answer in writer.write(batch, options)]
    results = []
    for request, answer, folder in zip(requests, answers, outs, strict=True):
        findings = _check(answer, options, False)
        title = "Request and answer"
        file = write_page(folder, title, request, findings) if page else None
        results.append(Served(page=file, values=_record(findings, answer)))
    return results


def _turns(texts: Sequence[str], options: GenerateRequest) -> list[tuple[Message, ...]]:
    from scionwood_bangla.inference import with_instructions

    turns: list[tuple[Message, ...]] = [(Message("user", text),) for text in texts]
    if options.register is None:
        return turns
    return [with_instructions(request, options.register) for request in turns]


def _check(answer: Answer, options: GenerateRequest, letter: bool | None) -> Findings:
    levels = None if options.register is None else [options.register]
    return check_text(answer.text, levels, letter=letter)


def _record(findings: Findings, answer: Answer) -> dict[str, Any]:
    return as_json(findings) | {"ended": answer.ended}
