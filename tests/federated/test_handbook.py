"""The guide to federation: its commands run as they are written."""

import pytest
from page_walk import follow

PAGE = "guides/federated.md"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_hospitals_pool_by_hand_as_the_guide_says(tmp_path):
    run = follow(PAGE, tmp_path)
    assert "round 1 by exact" in run.stdout
    assert (tmp_path / "round1" / "recipe.yaml").is_file()
    assert (tmp_path / "trial" / "table.csv").is_file()
