"""Probes of a language model in Bangla: does the level follow the request, or is it a habit?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from torch import nn

from bangla_checker import LEVELS, is_right
from scionwood.authoring import ProbeResult
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.inference import Writer, with_instructions
from scionwood_bangla.text.examples import Message
from scionwood_language import Decoding

FOLLOWS = "the request names the level in one sentence; a coin among three levels has a third"
FLIPS = "the same request at the two ends must get two levels, or the level is a habit"
MANY = "the requests differ, so that more than a fifth of equal answers is a habit"

REQUESTS = 4
TOKENS = 60


def answers(task: nn.Module, folder: Path | None = None) -> list[ProbeResult]:
    """Probe a model that answers in Bangla: is the level right, does it flip, do answers differ?

    Each of four hand-written requests is put at three levels of address.

    Units: shares of twelve answers.

    Args:
        task: a task of language models, such as `language/sft`, with its adapter.
        folder: the run folder, which these probes do not need.

    Returns:
        Three results.

    Example:
        >>> from scionwood_bangla.evaluation.behaviour import answers
        >>> probes = answers(scionwood.load_run("bangla/register_tiny"))
        >>> [probe.name for probe in probes][:2]
        ['register follows the request', 'register flips']
    """
    chosen = [p for p in prompts("plain", "dev") if p.cue == "implied"][:REQUESTS]
    requests = [(prompt.text, level) for prompt in chosen for level in LEVELS]
    turns = [with_instructions((Message("user", text),), level) for text, level in requests]
    writer = Writer(task.backbone)
    texts = [answer.text for answer in writer.write(turns, Decoding(max_new_tokens=TOKENS))]
    right = [is_right(t, frozenset([level])) for t, (_, level) in zip(texts, requests, strict=True)]
    ends = {at for at, (_, level) in enumerate(requests) if level != "tumi"}
    pairs = [[at for at in ends if requests[at][0] == prompt.text] for prompt in chosen]
    top_share = max(Counter(texts).values()) / len(texts)
    flips = sum(all(right[at] for at in pair) for pair in pairs) / len(pairs)
    share = sum(right) / len(right)
    return [
        ProbeResult("register follows the request", share, least=0.8, reason=FOLLOWS),
        ProbeResult("register flips", flips, least=0.75, reason=FLIPS),
        ProbeResult("one answer for all", top_share, most=0.2, reason=MANY),
    ]
