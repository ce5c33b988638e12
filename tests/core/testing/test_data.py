"""Data checks: a seed that is ignored, data that is not seeded, a split that leaks."""

import pytest

from scionwood import Plugin
from scionwood_kit import CheckFailure
from scionwood_kit.checks.data import (
    check_data_is_seeded,
    check_data_resumes_exactly,
    check_data_splits_are_disjoint,
)

SEED = "3 * self.seed + SPLITS.index(split)"


def test_data_that_draws_from_the_clock_is_caught(sample):
    sample.change("data.py", SEED, "__import__('time').time_ns()")
    with pytest.raises(CheckFailure, match="two batches of seed 1 differ"):
        check_data_is_seeded(sample.plugin())


def test_data_that_ignores_its_seed_is_caught(sample):
    sample.change("data.py", SEED, "0").change("data.py", ", shuffle=True", "")
    with pytest.raises(CheckFailure, match="seeds 1 and 2 give one batch"):
        check_data_is_seeded(sample.plugin())


def test_a_plain_loader_of_torch_is_advice_and_an_error_in_the_repository(sample):
    old = "from scionwood.authoring import DataLoader"
    sample.change("data.py", old, "from torch.utils.data import DataLoader")
    (advice,) = check_data_resumes_exactly(sample.plugin())
    assert advice.value.startswith("data 'sample/reservoirs': torch.utils.data.dataloader.DataLoa")
    assert "resume is exact only with authoring.DataLoader" in advice.rule
    sample.at_home()
    with pytest.raises(CheckFailure, match="Import DataLoader from scionwood in place of torch"):
        check_data_resumes_exactly(sample.plugin())


def test_splits_of_one_seed_share_samples(sample):
    sample.change("data.py", "loader", "loader").change("data.py", SEED, "self.seed")
    sample.change("data.py", "size, self.n_steps, 1", "64, self.n_steps, 1")
    with pytest.raises(CheckFailure, match="4 samples of val are in test too"):
        check_data_splits_are_disjoint(sample.plugin())


FILES = '''

class Files(Reservoirs):
    """Files.

    Args:
        path: a file.
    """

    def __init__(self, *, path: str = "") -> None:
        super().__init__()
        self.path = path

    def setup(self, stage: str) -> None:
        raise ReadError("no file", "needs one", "Give path")
'''


def test_one_data_component_works_without_files(sample):
    more = "import DataLoader\nfrom scionwood import ReadError"
    sample.change("data.py", "import DataLoader", more)
    sample.change("data.py", "\n\ndef respond(", f"{FILES}\n\ndef respond(")
    both = sample.change("__init__.py", "data={", 'data={"files": "scionwood_sample.data:Files", ')
    check_data_is_seeded(both.plugin())
    alone = Plugin("sample", data={"files": "scionwood_sample.data:Files"})
    with pytest.raises(CheckFailure, match="needs no files and no download"):
        check_data_is_seeded(alone)
