import pytest
import torch
from case_table import table

from scionwood import RecipeError, TrainingError, attach, fit, load_run, resolve
from scionwood_audio.adapters.text_bridge import TextBridgeConfig, bridges
from scionwood_audio.backbones import AudioVisual
from scionwood_audio.data.scenes import Scenes
from scionwood_audio.tasks.event import Event

CONSTANT = ["task.constant_gate=refuse", "adapter.temperature=null"]
PICTURES = {"side": 28, "seconds": 2}


@pytest.fixture
def task():
    model = attach(AudioVisual(**PICTURES).eval(), TextBridgeConfig(), targets="junctions")
    return Event(model).eval()


@pytest.fixture
def batch():
    return next(iter(Scenes(n=20, batch_size=4, **PICTURES).loader("val")))


def test_a_run_with_a_constant_gate_is_refused_with_remedies(tmp_path):
    recipe = resolve("audio/event_bridge", CONSTANT, smoke=True)
    with pytest.raises(TrainingError, match="it collapsed") as refusal:
        fit(recipe, run_dir=tmp_path / "run")
    assert "temperature" in str(refusal.value)
    assert not (tmp_path / "run" / "files.json").exists()


def test_a_run_reports_events_apart_from_background_and_loads(tmp_path):
    run = tmp_path / "run"
    fit(resolve("audio/event_bridge", [], smoke=True), run_dir=run)
    head = (run / "metrics.csv").read_text().splitlines()[0]
    assert {"val_event_accuracy", "val_background_accuracy"} <= set(head.split(","))
    assert any(float(bridge.mean.abs().max()) for _, bridge in bridges(load_run(run).backbone))


def test_the_label_of_a_second_is_its_event_or_background(task, batch):
    some = {**batch, "text": ["falling"], "event": torch.tensor([[True, False]])}
    assert task._labels(some).tolist() == [[1, 4]]


def test_an_event_that_the_backbone_does_not_name_is_refused(task, batch):
    with pytest.raises(RecipeError, match="'roaring'"):
        task.losses({**batch, "text": ["roaring", *batch["text"][1:]]})


@table("text, changes", [("names", False), ("clip", True)])
def test_the_text_of_the_clip_counts_only_if_it_is_asked_for(text, changes, batch):
    torch.manual_seed(0)
    towers = AudioVisual(**PICTURES).eval()
    task = Event(attach(towers, TextBridgeConfig(), targets="junctions"), text=text).eval()
    for _, bridge in bridges(task.backbone):
        torch.nn.init.normal_(bridge.up.weight, std=0.3)
    other = {**batch, "text": ["falling" if t == "rising" else "rising" for t in batch["text"]]}
    with torch.no_grad():
        assert (not torch.equal(task.logits(other), task.logits(batch))) is changes
