"""An exported language model takes texts of any length."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scionwood import load_run
from scionwood_export import export_run

RUN = "bangla/register_tiny"


def test_what_is_exported_gives_the_logits_of_the_run() -> None:
    task = load_run(RUN)
    tokens = torch.randint(100, (3, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = task.backbone(input_ids=tokens, use_cache=False).logits
        torch.testing.assert_close(task.deploy().module(tokens), expected)


@pytest.mark.slow
def test_one_file_serves_texts_of_any_length(tmp_path: Path) -> None:
    assert export_run(RUN, tmp_path / "lm.pt2").reached <= 1e-5
    model, whole = torch.export.load(tmp_path / "lm.pt2").module(), load_run(RUN).backbone
    for shape in ((1, 5), (3, 40)):
        tokens = torch.randint(100, shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            given, expected = model(tokens), whole(input_ids=tokens, use_cache=False).logits
        assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_merged_weights_equal_the_run(tmp_path: Path) -> None:
    target = tmp_path / "lm.safetensors"
    assert export_run(RUN, target, format="merged").reached <= 1e-5
