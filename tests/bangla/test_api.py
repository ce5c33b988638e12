"""The examples of the Python interface run, and it answers as the command does."""

from __future__ import annotations

import doctest

import pytest

from scionwood import RecipeError
from scionwood_bangla import api
from scionwood_bangla.checker import restate, scores
from scionwood_bangla.text import normalise


@pytest.mark.parametrize("name", sorted(api.__all__))
def test_every_name_has_a_docstring(name):
    assert getattr(api, name).__doc__


@pytest.mark.parametrize("module", [api, restate, scores, normalise], ids=lambda m: m.__name__)
def test_examples_run(module):
    failures, count = doctest.testmod(module)
    assert count > 0
    assert failures == 0


def test_the_example_of_check_text_runs():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for example in finder.find(api.check_text, "check_text"):
        runner.run(example)
    assert runner.tries > 0
    assert runner.failures == 0


def test_generate_names_the_level_in_the_prompt():
    short = api.Decoding(max_new_tokens=8)
    plain, named = (
        api.generate(["বন্ধুকে চিঠি লেখো।"], register=register, decoding=short)
        for register in (None, "apni")
    )
    assert plain != named
    with pytest.raises(RecipeError, match="not a level"):
        api.generate(["বন্ধুকে চিঠি লেখো।"], register="vous")
