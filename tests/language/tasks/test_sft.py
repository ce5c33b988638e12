"""Fine-tuning on answers: what validation averages."""

import lightning as L
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import IGNORED
from scionwood_language.tasks.sft import Sft

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.mark.filterwarnings("ignore")  # Lightning warns of itself
def test_the_loss_of_validation_is_the_mean_over_the_tokens_of_all_batches():
    generator = torch.Generator().manual_seed(0)
    batches = []
    for rows, width in ((1, 40), (3, 6)):
        ids = torch.randint(200, (rows, width), generator=generator)
        labels = ids.clone()
        labels[:, :4] = IGNORED
        mask = torch.ones_like(ids)
        batches.append({"input_ids": ids, "labels": labels, "attention_mask": mask})
    task = Sft(causal_lm(), max_new_tokens=0)
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    loader = DataLoader(batches, batch_size=None)
    (values,) = trainer.validate(task, loader, verbose=False)
    nats, tokens = 0.0, 0
    for batch in batches:
        logits = task.backbone(input_ids=batch["input_ids"]).logits[:, :-1].flatten(0, 1)
        goals = batch["labels"][:, 1:].flatten()
        nats += F.cross_entropy(logits, goals, reduction="sum", ignore_index=IGNORED).item()
        tokens += int((goals != IGNORED).sum())
    assert values["val_loss"] == pytest.approx(nats / tokens, rel=1e-5)
