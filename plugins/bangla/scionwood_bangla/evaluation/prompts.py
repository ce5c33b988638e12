"""The hand-written prompts of the package, with the levels of address that each accepts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from scionwood_bangla.text.examples import Example, Message

Part = Literal["all", "plain", "hard"]
Half = Literal["all", "dev", "test", "inferred"]


@dataclass(frozen=True)
class Prompt:
    """A request for a sentence, a letter or the next line of a dialogue.

    Attributes:
        text: the normalised request.
        expected: the level that the author of the prompt had in mind.
        levels: all accepted levels.
        cue: `named` if the request names the level, `implied` if the situation implies it. In the
            half `inferred` it is the kind of the only hint: `relation`, `occasion` or `setting`.
        situation: a short name for who speaks to whom.
        hard: whether it asks for a letter, a dialogue or a longer text, not a sentence or two.
        half: `dev` was used to develop the generator and the recipes; `test` was written later,
            and `inferred` after the score of answers was fixed.
        reference: an answer by the same author.
    """

    text: str
    expected: str
    levels: frozenset[str]
    cue: str
    situation: str
    hard: bool
    half: str
    reference: str

    def example(self) -> Example:
        """Return the request and its reference as a conversation."""
        turns = Message("user", self.text), Message("assistant", self.reference)
        return Example(turns, self.levels, self.situation)


def prompts(part: Part = "all", half: Half = "all") -> list[Prompt]:
    """Return the hand-written prompts.

    Args:
        part: `plain` for prompts for a sentence or two, `hard` for the others, or `all`.
        half: `dev`, `test`, `inferred` or `all`.
    """
    text = (files("scionwood_bangla.evaluation") / "prompts.jsonl").read_text("utf-8")
    items = [_prompt(json.loads(line)) for line in text.splitlines()]
    return [
        item
        for item in items
        if part in ("all", "hard" if item.hard else "plain") and half in ("all", item.half)
    ]


def _prompt(record: dict[str, Any]) -> Prompt:
    text, levels = record.pop("prompt"), frozenset(record.pop("levels"))
    return Prompt(text=text, levels=levels, **record)
