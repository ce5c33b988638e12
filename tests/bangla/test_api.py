"""The Python interface answers as the command does."""

from __future__ import annotations

import json

import pytest

from scionwood import RecipeError
from scionwood.cli import main
from scionwood_bangla import GenerateOptions, generate

PROMPT = "বন্ধুকে চিঠি লেখো।"


def test_generate_names_the_level_in_the_prompt_as_the_command_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, polite = (
        generate([PROMPT], GenerateOptions(register=register, max_new_tokens=8))
        for register in (None, "apni")
    )
    assert plain != polite
    capsys.readouterr()
    command = ["bangla", "generate", PROMPT, PROMPT, "--register", "apni"]
    assert main([*command, "--max-new-tokens", "8", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["text"] for record in records] == [polite[0].text] * 2
    with pytest.raises(RecipeError, match="not a level"):
        generate([PROMPT], GenerateOptions(register="vous"))
