"""The page "Your own letter": its commands run as they are written, and print what it says."""

import json

import pytest
from page_walk import blocks, follow

PAGE = "fields/bangla/your-own-file.md"


@pytest.mark.slow
def test_a_reader_of_the_page_gets_the_faults_of_a_letter(tmp_path):
    printed = follow(PAGE, tmp_path).stdout
    (shown,) = blocks(PAGE, "text")
    for line in shown.splitlines():
        assert line == "..." or line in printed, line
    faults = json.loads((tmp_path / "faults.json").read_text("utf-8"))["faults"]
    assert [fault["rule"] for fault in faults] == ["register", "agreement", "agreement"]
    assert "0 faults; undecided: 0 of 1 verb\n" in printed  # the last letter of the page
