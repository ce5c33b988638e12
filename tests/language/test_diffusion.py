"""Masked diffusion: what its masks, its bound and its sampler must be, on a chain that is known."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import chisquare
from torch import nn

from scionwood import RecipeError, WeightsError, attach, resolve
from scionwood.adapters.methods import config_class
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.backbones.encoder import encoder
from scionwood_language.diffusion.masking import UNMASKED_SHARE, WEIGHTS, draw_times, mask_tokens
from scionwood_language.diffusion.sampling import sample
from scionwood_language.tasks.masked_diffusion import MaskedDiffusion

LENGTH, SYMBOLS, MASK = 3, 3, 3
CHAIN = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]])
TEXTS = torch.tensor(list(product(range(SYMBOLS), repeat=LENGTH)))
CHANCES = torch.tensor([(CHAIN[a, b] * CHAIN[b, c] / 3).item() for a, b, c in TEXTS.tolist()])

pytestmark = pytest.mark.usefixtures("_one_thread")


class Exact(nn.Module):
    """The exact denoiser of a Markov chain of three tokens, as an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = SimpleNamespace(mask_token_id=MASK)
        self.config = SimpleNamespace(vocab_size=SYMBOLS + 1)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: torch.Tensor) -> SimpleNamespace:
        fits = ((input_ids[:, None] == TEXTS) | (input_ids[:, None] == MASK)).all(2)
        chances = fits * CHANCES
        shares = nn.functional.one_hot(TEXTS, SYMBOLS + 1).float()
        each = torch.einsum("nk,kls->nls", chances / chances.sum(1, keepdim=True), shares)
        return SimpleNamespace(logits=each.clamp(min=1e-12).log())


@pytest.mark.parametrize("schedule", UNMASKED_SHARE)
def test_masks_follow_the_schedule(schedule):
    ids = torch.zeros(500, 40, dtype=torch.long)
    masked, hidden = mask_tokens(ids, torch.ones(500), MASK, schedule)
    assert hidden.all()  # at the last time, all but what is fixed
    assert (masked == MASK).all()
    fixed = torch.zeros_like(ids, dtype=torch.bool)
    fixed[:, :7] = True
    masked, hidden = mask_tokens(ids, torch.ones(500), MASK, schedule, fixed)
    assert (masked[:, :7] == 0).all()
    assert hidden[:, 7:].all()
    drawn = torch.Generator().manual_seed(0)
    for time in (0.1, 0.5, 0.9):
        _, hidden = mask_tokens(ids, torch.full((500,), time), MASK, schedule, generator=drawn)
        share = 1 - UNMASKED_SHARE[schedule](torch.tensor(time)).item()
        counts = [int(hidden.sum()), hidden.numel() - int(hidden.sum())]
        wanted = [share * hidden.numel(), (1 - share) * hidden.numel()]
        assert chisquare(counts, wanted).pvalue > 0.001
    # The weight is minus the slope over the masked share.
    times = torch.linspace(0.05, 0.95, 19, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(UNMASKED_SHARE[schedule](times).sum(), times)
    expected = -slope / (1 - UNMASKED_SHARE[schedule](times))
    torch.testing.assert_close(WEIGHTS[schedule](times), expected)


@pytest.mark.parametrize("schedule", UNMASKED_SHARE)
def test_the_bound_of_the_exact_denoiser_is_the_entropy(schedule):
    torch.manual_seed(0)
    task = MaskedDiffusion(Exact(), noise=schedule)
    drawn = torch.Generator().manual_seed(1)
    picks = torch.multinomial(CHANCES, 200_000, True, generator=drawn)
    with torch.no_grad():
        bound = task.bound({"input_ids": TEXTS[picks]}, draw_times(len(picks), drawn), drawn)
    entropy = -(CHANCES * CHANCES.log()).sum() / LENGTH
    assert bound.item() == pytest.approx(entropy.item(), rel=0.01)


@pytest.mark.parametrize("block", [None, 1])
def test_samples_of_the_exact_denoiser_follow_the_chain(block):
    drawn = torch.Generator().manual_seed(0)
    steps = 1 if block else 60
    made = sample(
        Exact(),
        torch.zeros(3000, 0, dtype=torch.long),
        new=LENGTH,
        steps=steps,
        mask_id=MASK,
        order="ancestral",
        block=block,
        generator=drawn,
    )
    assert (made != MASK).all()
    for at in range(LENGTH):
        counts = torch.bincount(made[:, at], minlength=SYMBOLS).tolist()
        wanted = [(CHANCES * (TEXTS[:, at] == symbol)).sum().item() for symbol in range(SYMBOLS)]
        scale = 3000 / sum(wanted)
        assert chisquare(counts, [scale * each for each in wanted]).pvalue > 0.001


def test_confidence_reveals_the_most_certain_first_and_keeps_the_prompt():
    prompt = torch.tensor([[0], [1]])
    made = sample(Exact(), prompt, new=2, steps=2, mask_id=MASK, order="confidence", temperature=0)
    assert made.tolist() == [[0, 0, 0], [1, 1, 1]]
    with pytest.raises(RecipeError, match="steps=0"):
        sample(Exact(), prompt, new=2, steps=0, mask_id=MASK)


def test_a_validation_repeats_labels_fix_the_prompt_and_padding_is_not_seen():
    tuned = attach(encoder(), config_class("lora")(r=2), targets="attention")
    task = MaskedDiffusion(tuned).eval()
    ids = torch.arange(64).view(4, 16) + 5
    with torch.no_grad():
        first = task.losses({"input_ids": ids})["loss"]
        assert first == task.losses({"input_ids": ids})["loss"]
        labels = ids.clone()
        labels[:, :8] = -100
        other = task.bound({"input_ids": ids, "labels": labels}, torch.ones(4))
    assert torch.isfinite(other)
    row = {"input_ids": ids[:1], "labels": labels[:1]}
    padded = {name: nn.functional.pad(value, (0, 5)) for name, value in row.items()}
    padded["attention_mask"] = (torch.arange(21) < 16).long()[None]
    padded["labels"][:, 16:] = -100
    with torch.no_grad():
        alone = task.bound(row, torch.ones(1))
        assert task.bound(padded, torch.ones(1)) == pytest.approx(float(alone), abs=1e-5)
        with pytest.raises(RecipeError, match="packing true: an encoder reads one text"):
            task.bound({**row, "position_ids": torch.arange(16)[None]}, torch.ones(1))
    stated = task.corruption()
    assert stated.terminal == 1
    assert stated.rate(0.5) == pytest.approx(0.5)


def test_the_recipe_names_an_encoder_that_learns_and_earlier_runs_keep_theirs():
    recipe = resolve("language/masked_diffusion", smoke=True)
    assert recipe.backbone.name == "language/encoder"
    assert recipe.backbone.build().config.model_type == "modernbert"
    assert encoder().config.model_type == "modernbert"
    assert encoder(model="tiny").config.model_type == "bert"
    with pytest.raises(WeightsError, match="'tiny-modernbert': it is an encoder, not causal"):
        causal_lm(model="tiny-modernbert")
