"""The prompts that were written by hand, with the levels of address that each accepts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from scionwood_bangla.text.examples import Example, Message

Part = Literal["all", "plain", "hard"]
Half = Literal["all", "dev", "test"]


@dataclass(frozen=True)
class Prompt:
    """A request for a sentence, a letter or the next line of a dialogue.

    Attributes:
        text: the request, normalised.
        expected: the level that its writer had in mind.
        levels: every level that is acceptable.
        cue: `named` where the request names the level, `implied` where the situation asks for it.
        situation: who speaks to whom, in a word.
        hard: a letter, a dialogue or a longer text, and not a sentence or two.
        half: `dev` was looked at while generator and recipes were made, `test` was written after.
        reference: an answer, by the same writer.
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
        """The request and its reference as a conversation."""
        asked = Message("user", self.text), Message("assistant", self.reference)
        return Example(asked, self.levels, self.situation)


def prompts(part: Part = "all", half: Half = "all") -> list[Prompt]:
    """The prompts of the package in their order.

    Args:
        part: all of them, those for a sentence or two (`plain`), or the others (`hard`).
        half: `dev`, `test` or `all`.
    """
    text = (files("scionwood_bangla.evaluation") / "prompts.jsonl").read_text("utf-8")
    found = [_prompt(json.loads(line)) for line in text.splitlines()]
    wanted = [item for item in found if part == "all" or item.hard == (part == "hard")]
    return [item for item in wanted if half in ("all", item.half)]


def _prompt(record: dict[str, Any]) -> Prompt:
    levels = frozenset(record["levels"])
    return Prompt(
        record["prompt"],
        record["expected"],
        levels,
        record["cue"],
        record["situation"],
        record["hard"],
        record["half"],
        record["reference"],
    )
