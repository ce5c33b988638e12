"""Two sources of images and texts, learned in turn: the pairs of the task and an exact resume."""

import json

import pytest
import torch
from safetensors.torch import load_file

from scionwood import build, resolve
from scionwood.cli import main

RECIPE = "biomed/few_shot_lora"
SHORT = (
    "trainer.max_steps=4",
    "trainer.accelerator=cpu",
    "trainer.limit_val_batches=0",  # the last weights are kept, not the best
    "task.warmup_steps=0",
)
OPTIONS = "{{strength: 1.0, gamma: {gamma}, every: 2, samples: 4}}"


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Write two recipes with other images, and change to their folder."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        recipe = resolve(RECIPE, (f"data.seed={seed}", *SHORT), smoke=True)
        (tmp_path / f"source{seed}.yaml").write_text(recipe.dump())
    return ["source0.yaml", "source1.yaml"]


def learn(names, *more, gamma=50.0):
    options = ["--options", OPTIONS.format(gamma=gamma)]
    command = ["methods", "sequence", *names, "--run", "run", "--method", "ewc", "--batches", "1"]
    return main([*command, *options, *more])


def trained(run):
    return load_file(run / "2-source1" / "adapter" / "adapter_model.safetensors")


def cut(run, **changes):
    """Change the record of a finished sequence into that of one with only its first source."""
    record = json.loads((run / "sequence.json").read_text())
    record |= {"tasks": record["tasks"][:1], "rows": record["rows"][:1]}
    record["options"] |= changes
    (run / "sequence.json").write_text(json.dumps(record))


@pytest.mark.slow
def test_a_sequence_with_consistency_continues_bit_for_bit(sources, tmp_path):
    assert learn(sources) == 0
    run = tmp_path / "run"
    whole = trained(run)
    cut(run)
    assert learn(sources, "--resume") == 0
    again = trained(run)
    assert whole.keys() == again.keys()
    assert all(torch.equal(again[key], value) for key, value in whole.items())
    cut(run, gamma=0.0)  # without the term the second source is learned otherwise
    assert learn(sources, "--resume", gamma=0.0) == 0
    assert not all(torch.equal(trained(run)[key], value) for key, value in whole.items())


def test_pairs_are_images_and_the_texts_of_their_classes(sources):
    task, data = build(resolve(sources[0]))
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    task.eval()
    image, text = task.pairs(batch)
    every, texts = task.features(batch)
    torch.testing.assert_close(image, every)
    torch.testing.assert_close(text, texts[batch["label"]])
    worded = task.pairs(batch | {"texts": [f"no {name}" for name in batch["classes"]]})
    assert not torch.allclose(worded[1], text)
    task.training = True
    task.varied = True  # training varies the sentences; pairs keep that of the template
    assert torch.equal(task.pairs(batch)[1], task.pairs(batch)[1])
