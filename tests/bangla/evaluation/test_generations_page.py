"""The page of answers before and after training."""

from __future__ import annotations

from pathlib import Path

from scionwood_bangla.evaluation.prompts import prompts

ROOT = Path(__file__).parents[3]


def test_the_page_of_generations_shows_requests_before_and_after() -> None:
    page = (ROOT / "docs" / "results" / "bangla_generations.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if "| ✓" in line or "| ✗" in line]
    shown = [item for item in prompts() if item.text.replace("\n", "<br>") in page]
    assert len(shown) == 36
    assert len(rows) == 48
    assert "drawn by seed 0" in page
